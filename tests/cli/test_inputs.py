"""What the command may be given for a file, and what is malformed in one."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from welkin_async.cli.app import app

from .conftest import Command, Local, environment, read_csv, read_ndjson, write_csv

OPTIONS = ("--cdt", "medication", "--patient-column", "pid")
HEADER = "pid,medication_name,medication_notes\n"


def names(local: Local) -> list[str]:
    return sorted(record["medication_name"] for record in local.records())


def test_malformed_quotes_send_nothing_unless_what_is_in_doubt_is_to_be_refused(
    command: Command, local: Local, folder: Path
) -> None:
    patient = local.patient()
    text = f'{HEADER}{patient},A,"said \\"stop\\"\n{patient},B,from the chart\nend"\n{patient},C,z\n'
    path = folder / "in.csv"
    path.write_text(text)
    for more in ((), ("--dry-run",)):
        result = command("import", path, *OPTIONS, *more)
        assert (result.exit_code, local.records()) == (2, [])
        assert "check the quotes of line 2. Nothing was sent. --malformed refuse goes on" in result.stderr
        assert "stop\\" not in result.output
    assert [each.name for each in folder.iterdir()] == ["in.csv"]
    result = command("import", path, *OPTIONS, "--malformed", "refuse")
    assert result.exit_code == 1
    assert "line 2; 3 lines are refused" in result.stderr
    assert names(local) == ["C"]
    rows = read_csv(folder / "in.rejects.csv")
    assert [row["_line"] for row in rows] == ["2", "3", "4"]
    cells: list[Any] = [*rows[1].values()]
    assert cells[-1] == [f"{patient},B,from the chart"]  # as a whole, and in no column
    again = command("import", path, *OPTIONS, "--malformed", "refuse", "--retry")
    assert (again.exit_code, names(local)) == (1, ["C"])
    unmended = command("import", folder / "in.rejects.csv", *OPTIONS, "--check", "off")
    assert (unmended.exit_code, names(local)) == (1, ["C"])


@pytest.mark.parametrize("verb", ["update", "delete"])
def test_changes_read_files_as_imports_do(command: Command, local: Local, folder: Path, verb: str) -> None:
    patient = local.patient()
    kept, changed = (local.record(patient, medication_name=name) for name in ("A", "B"))
    column, cell = (",medication_notes", ",z") if verb == "update" else ("", "")
    lines = [f"pid,id{column}", f'{patient},"x"y', f"{patient},{kept}{cell}", 'end"', f"{patient},{changed}{cell}"]
    path = folder / "in.csv"
    path.write_text("".join(f"{line}\n" for line in lines))
    options = (*OPTIONS, "--record-column", "id")
    assert command(verb, path, *options).exit_code == 2
    assert command(verb, path, *options, "--malformed", "refuse").exit_code == 1
    records = {record["medication_name"]: record for record in local.records()}
    assert records["A"] == {"medication_name": "A"}
    assert records.get("B") == (None if verb == "delete" else {"medication_name": "B", "medication_notes": "z"})


def test_patients_are_never_made_of_text_within_a_cell(command: Command, local: Local, folder: Path) -> None:
    path = folder / "in.csv"
    path.write_text(
        'firstName,lastName,mrn\nDana,Reyes,"M-1 \\"old\\" list:\nZelda,Quux,M-9\nend"\nCharlie,Taylor,M-2\n'
    )
    assert command("import-patients", path).exit_code == 2
    assert command("import-patients", path, "--malformed", "refuse").exit_code == 1
    assert command("import-patients", folder / "in.rejects.csv", "--check", "off").exit_code == 1
    assert [each["lastName"] for each in local.do(lambda: [*local.server.store.patients.values()])] == ["Taylor"]


def test_a_canary_and_then_the_rest(command: Command, local: Local, folder: Path) -> None:
    patient = local.patient()
    path = write_csv(folder / "in.csv", ("pid", "medication_name"), [(patient, f"n{n:02}") for n in range(20)])
    assert command("import", path, *OPTIONS, "--limit", "3").exit_code == 0
    assert names(local) == ["n00", "n01", "n02"]
    result = command("import", path, *OPTIONS)
    assert (result.exit_code, len(names(local)), len(set(local.record_keys()))) == (0, 20, 20)
    assert "3 done by earlier runs" in result.stdout
    skipping = ("--skip", "18", "--limit", "1")
    assert command("import", path, *OPTIONS, *skipping).exit_code == 2  # the journal is of another number
    assert command("import", path, *OPTIONS, *skipping, "--no-journal", "--key-field", "none").exit_code == 0
    assert names(local)[-2:] == ["n18", "n19"]
    assert len(names(local)) == 21
    dry = command("import", path, *OPTIONS, "--dry-run", "--skip", "5", "--limit", "9", "--json")
    assert json.loads(dry.stdout)["rows"] == 9


def test_several_files_and_folders(command: Command, local: Local, folder: Path) -> None:
    patient = local.patient()
    (folder / "d").mkdir()
    write_csv(folder / "d" / "a.csv", ("pid", "medication_name"), [(patient, "a")])
    (folder / "d" / "b.csv.gz").write_bytes(gzip.compress(f"pid,medication_name\n{patient},b\n,x\n".encode()))
    path = write_csv(folder / "c.csv", ("pid", "medication_name"), [(patient, "c")])
    result = command("import", folder / "d", path, *OPTIONS, "--json")
    assert (result.exit_code, names(local)) == (1, ["a", "b", "c"])
    assert [(json.loads(line)["file"], json.loads(line)["created"]) for line in result.stdout.splitlines()] == [
        ("a.csv", 1),
        ("b.csv.gz", 1),
        ("c.csv", 1),
    ]
    assert [row["_line"] for row in read_csv(folder / "d" / "b.rejects.csv")] == ["3"]
    assert command("import", folder / "d", path, *OPTIONS).exit_code == 1
    assert len(local.records()) == 3  # each has a journal
    for option in ("--journal", "--rejects", "--results", "--report", "--limit"):
        assert command("import", folder / "d", *OPTIONS, option, "1").exit_code == 2


def test_nothing_is_sent_of_several_files_where_one_does_not_fit(command: Command, local: Local, folder: Path) -> None:
    patient = local.patient()
    good = write_csv(folder / "a.csv", ("pid", "medication_name"), [(patient, "a")])
    for text, part in ((f'{HEADER}{patient},"x"y,z\n', "line 2"), ("pid,misspelt\n1,2\n", "misspelt")):
        (folder / "b.csv").write_text(text)
        result = command("import", good, folder / "b.csv", *OPTIONS)
        assert (result.exit_code, local.records()) == (2, [])
        assert "b.csv: " in result.stderr
        assert part in result.stderr


def test_standard_input(local: Local, folder: Path) -> None:
    patient = local.patient()
    command = [sys.executable, "-m", "welkin_async.cli", "import", "-", *OPTIONS]

    def run(text: str) -> subprocess.CompletedProcess[str]:
        env = environment(local.env)
        return subprocess.run(command, input=text, env=env, capture_output=True, text=True, timeout=60, check=False)

    text = f"pid,medication_name\n{patient},a\n,b\n"
    assert run(text).returncode == 1
    assert names(local) == ["a"]
    assert [row["_line"] for row in read_csv(folder / "stdin.rejects.csv")] == ["3"]
    assert (folder / "stdin.csv.medication.journal").exists()
    assert run(text).returncode == 1
    assert names(local) == ["a"]
    (folder / "stdin.rejects.csv").unlink()
    (folder / "stdin.csv.medication.journal").unlink()
    assert (
        run(json.dumps([{"pid": patient, "medication_name": "c"}, {"pid": "", "medication_name": "d"}])).returncode == 1
    )
    assert names(local) == ["a", "c"]
    assert [row["_line"] for row in read_ndjson(folder / "stdin.rejects.ndjson")] == [2]


def test_standard_input_goes_with_no_other_file(command: Command, folder: Path) -> None:
    result = command("import", "-", write_csv(folder / "in.csv", ("pid",), []), *OPTIONS)
    assert result.exit_code == 2
    assert "goes with no other file" in result.stderr


def test_a_sheet_of_a_workbook(command: Command, local: Local, folder: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (
        ["pid", "medication_name", "medication_refills"],
        [local.patient(), "A", 3.0],
        [local.patient(), "=1+1", 1],
    ):
        book.active.append(row)
    book.create_sheet("Other")
    book.save(folder / "in.xlsx")
    result = command("import", folder / "in.xlsx", *OPTIONS)
    assert result.exit_code == 2
    assert "name one with --sheet (Sheet, Other)" in result.stderr
    assert command("import", folder / "in.xlsx", *OPTIONS, "--sheet", "Sheet").exit_code == 1
    assert local.records() == [{"medication_name": "A", "medication_refills": 3}]
    (reject,) = read_ndjson(folder / "in.rejects.ndjson")
    assert "a formula whose result is not stored" in reject["_reason"]


def test_numbers_are_what_they_say(command: Command, local: Local, folder: Path) -> None:
    local.patient(mrn="1")
    rows = [("1", "A", "1e5"), ("1", "007", "007"), ("1", "C", "1.0"), ("1", "D", "1,000"), ("1", "E", "1.5")]
    path = write_csv(folder / "in.csv", ("mrn", "medication_name", "medication_refills"), rows)
    ndjson = folder / "in.ndjson"
    values = [
        {"mrn": 1.0, "medication_name": 105585, "medication_refills": 1e2},
        {"mrn": 1, "medication_name": "B", "medication_refills": 3.0},
        {"mrn": "1", "medication_name": "C", "medication_refills": 99999999999999999999},
    ]
    ndjson.write_text("".join(f"{json.dumps(value)}\n" for value in values))
    options = ("--cdt", "medication", "--patient-column", "mrn", "--patient-type", "MRN")
    assert command("import", ndjson, *options).exit_code == 1
    found = {record["medication_name"]: record["medication_refills"] for record in local.records()}
    assert found == {"105585": 100, "B": 3}
    assert command("import", path, *options).exit_code == 1
    found = {record["medication_name"]: record["medication_refills"] for record in local.records()}
    assert found == {"105585": 100, "B": 3, "A": 100_000, "007": 7, "C": 1}


def test_a_pipe_is_refused_plainly(local: Local, folder: Path) -> None:
    os.mkfifo(folder / "in.csv")
    result = CliRunner().invoke(app, ["import", str(folder / "in.csv"), *OPTIONS], env=local.env)
    assert result.exit_code == 2
    assert "the input is a pipe, and no file: give - to have standard input read" in result.stderr


def test_rows_without_content_are_no_failures(command: Command, local: Local, folder: Path) -> None:
    path = folder / "in.csv"
    path.write_text(f"pid,medication_name,,\r\n{local.patient()},Tylenol,,\r\n" + ",,,\r\n" * 200)
    result = command("import", path, *OPTIONS, "--max-failures", "1")
    assert (result.exit_code, local.records()) == (0, [{"medication_name": "Tylenol"}])
    assert "blank" in result.stdout
    dry = command("import", path, *OPTIONS, "--dry-run", "--json")
    assert (json.loads(dry.stdout)["rows"], json.loads(dry.stdout)["blank"]) == (1, 200)


def test_every_end_is_an_object_where_that_is_asked_for(command: Command, local: Local, folder: Path) -> None:
    path = folder / "in.csv"
    path.write_text(f'{HEADER}{local.patient()},"x"y,z\n')
    for arguments in ((path, *OPTIONS), (path, *OPTIONS, "--resume", "--retry"), (folder / "absent.csv", *OPTIONS)):
        result = command("import", *arguments, "--json")
        end = json.loads(result.stdout)
        assert (end["outcome"], end["exit_code"], result.exit_code) == ("error", 2, 2)
        assert result.stderr == f"welkin-async: {end['error']}\n"


def test_of_a_parquet_file_only_what_is_sent_is_looked_at(command: Command, local: Local, folder: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet  # type: ignore[import-untyped]

    local.patient(mrn="1")
    local.patient(mrn="2")
    columns = {
        "mrn": [1.0, 2.0, None],
        "medication_name": ["A", "B", "C"],
        "medication_refills": [1.0, None, 2.0],
        "finest": arrow.array([1, 2, 3], arrow.timestamp("ns")),
        "nested": [{"a": 1}] * 3,
        "missing": [float("nan")] * 3,
    }
    parquet.write_table(arrow.table(columns), folder / "in.parquet")
    options = ("--cdt", "medication", "--patient-column", "mrn", "--patient-type", "MRN")
    maps = [word for name in ("medication_name", "medication_refills") for word in ("--map", f"{name}={name}")]
    result = command("import", folder / "in.parquet", *options, *maps)
    assert result.exit_code == 1
    found = {record["medication_name"]: record.get("medication_refills") for record in local.records()}
    assert found == {"A": 1, "B": None}
    (reject,) = read_ndjson(folder / "in.rejects.ndjson")
    assert (reject["_line"], reject["_reason"]) == (3, "the patient is missing")
    absent = command("import", folder / "in.parquet", *options, "--map", "medication_nam=medication_name")
    assert "column medication_nam: the file has no such column (perhaps medication_name)" in absent.stderr


def test_a_value_of_a_parquet_file_that_cannot_be_held_names_its_column(
    command: Command, local: Local, folder: Path
) -> None:
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    local.patient(mrn="M-1")
    moments = arrow.array([1_700_000_000_123_456_789, 1_700_000_001_000_000_000], arrow.timestamp("ns", "UTC"))
    columns = {"mrn": ["M-1"] * 2, "medication_start_date": moments}
    parquet.write_table(arrow.table(columns), folder / "in.parquet")
    options = ("--cdt", "medication", "--patient-column", "mrn", "--patient-type", "MRN")
    for more in (("--dry-run",), ()):
        result = command("import", folder / "in.parquet", *options, *more)
        assert result.exit_code == 1, result.output
    assert local.records() == [{"medication_start_date": "2023-11-14T22:13:21.000Z"}]
    (reject,) = read_ndjson(folder / "in.rejects.ndjson")
    assert reject["_reason"].startswith("column medication_start_date: holds a value that cannot be read")


def test_a_short_line_is_imported_only_when_it_is_mended(command: Command, local: Local, folder: Path) -> None:
    patient = local.patient()
    path = folder / "in.csv"
    path.write_text(f"{HEADER}{patient},A\n")
    assert command("import", path, *OPTIONS).exit_code == 1
    rejects = folder / "in.rejects.csv"
    (reject,) = read_csv(rejects)
    assert "the line is short: expected 3 cells, got 2" in reject["_reason"]
    assert command("import", rejects, *OPTIONS).exit_code == 1
    assert local.records() == []
    lines = rejects.read_text().splitlines()
    rejects.write_text(f"{lines[0]}\n{patient},A,{lines[1][2:].removesuffix(f',{patient},A')}\n")
    (folder / "in.rejects.rejects.csv").unlink()
    (folder / "in.rejects.csv.medication.journal").unlink()
    assert command("import", rejects, *OPTIONS).exit_code == 0
    assert names(local) == ["A"]
