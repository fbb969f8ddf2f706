"""What is said of a file or a row that does not fit: all of it, what was perhaps meant, and nothing of a patient."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from welkin_async.files.mapping.description import describe
from welkin_async.files.mapping.names import fold, matching, nearest
from welkin_async.sandbox import FaultKind

from .conftest import Command, Local, read_csv, read_ndjson, write_csv

OPTIONS = ("--cdt", "medication", "--patient-column", "mrn", "--patient-type", "MRN")


def test_all_wrong_columns_are_named_at_once_with_what_was_perhaps_meant(command: Command, folder: Path) -> None:
    path = write_csv(folder / "in.csv", ("mrns", "medication_nam", "Medication-Dose", "created_at", "other"), [])
    result = command("import", path, *OPTIONS)
    assert result.exit_code == 2
    for part in (
        "column mrn: the file has no such column (perhaps mrns)",
        "the CDT has no field medication_nam (perhaps medication_name)",
        "the CDT has no field Medication-Dose (perhaps medication_dose)",
        "the field created_at cannot be written",
        "the CDT has no field other; the server would drop it silently",
        "the fields of the CDT are ",
    ):
        assert part in result.stderr
    assert len(result.stderr.splitlines()) == 1
    patients = write_csv(folder / "p.csv", ("first_name", "lastName"), [])
    assert "has no field first_name (perhaps firstName)" in command("import-patients", patients).stderr


def test_a_file_without_a_header_is_not_quoted(command: Command, local: Local, folder: Path) -> None:
    path = folder / "in.csv"
    path.write_text("Zelda,Quux,1980-04-01,M-77\nDana,Reyes,1981-01-01,M-78\n")
    for arguments in (("import-patients", path), ("import", path, *OPTIONS), ("import-patients", path, "--dry-run")):
        result = command(*arguments)
        assert result.exit_code == 2
        assert "line 1 does not look like a header: of its 4 cells none is the name of a field of " in result.stderr
        for cell in ("Zelda", "Quux", "1980", "M-77"):
            assert cell not in result.output
    assert local.server.stats.performed["patients.create"] == 0


def test_names_that_differ_in_case_are_taken_on_request(command: Command, local: Local, folder: Path) -> None:
    local.patient(mrn="M-1")
    path = write_csv(folder / "in.csv", ("MRN", "Medication_Name"), [("M-1", "Tylenol")])
    result = command("import", path, *OPTIONS)
    assert result.exit_code == 2
    assert "column mrn: the file has no such column (perhaps MRN)" in result.stderr
    assert "no field Medication_Name (perhaps medication_name)" in result.stderr
    assert command("import", path, *OPTIONS, "--ignore-case").exit_code == 0
    assert local.records() == [{"medication_name": "Tylenol"}]


def test_a_column_that_is_not_sent_may_be_as_it_likes(command: Command, local: Local, folder: Path) -> None:
    local.patient(mrn="M-1")
    rows = [("M-1", "Tylenol", "x", "y", "z")]
    path = write_csv(folder / "in.csv", ("mrn", "medication_name", "", "twice", "twice"), rows)
    result = command("import", path, *OPTIONS)
    assert result.exit_code == 2
    assert "a column has no name" in result.stderr
    assert "field twice: two columns are to become it" in result.stderr
    assert "column twice: the header has it twice" in command("import", path, *OPTIONS, "--map", "twice=x").stderr
    assert command("import", path, *OPTIONS, "--map", "medication_name=medication_name").exit_code == 0
    assert local.records() == [{"medication_name": "Tylenol"}]


def test_every_fault_of_a_row_is_named(command: Command, local: Local, folder: Path) -> None:
    header = ("mrn", "medication_refills", "medication_as_needed", "medication_status", "medication_start_date")
    row = ("", "1,000", "perhaps", "asleep", "31.5.2024")
    result = command("import", write_csv(folder / "in.csv", header, [row]), *OPTIONS)
    assert result.exit_code == 1
    (reject,) = read_csv(folder / "in.rejects.csv")
    assert reject["_reason"] == (
        "the patient is missing; "
        "column medication_refills: expected an integer of at most 64 bits; got a number with thousands apart; "
        "column medication_as_needed: expected true or false; got text; "
        "column medication_start_date: expected a datetime, such as 2024-05-31T14:30:00Z; got a date in another form; "
        "column medication_status: expected one of active, inactive; got text"
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("Quackenbush", "text"),
        ("", "text"),
        ("x" * 200, "long text"),
        ("1,000", "a number with thousands apart"),
        ("12,5", "a number with a decimal comma"),
        ("1.5", "a number with a fraction"),
        ("1e999", "a number with an exponent"),
        ("99999999999999999999", "an integer of 20 digits"),
        ("2024-05-31", "a date"),
        ("5/31/2024", "a date in another form"),
        ("2024-05-31 14:30", "a datetime without an offset"),
        ("2024-05-31T14:30:00Z", "a datetime"),
        (None, "nothing"),
        (True, "a boolean"),
        (5, "an integer"),
        (10**19, "an integer of 20 digits"),
        (1.5, "a number with a fraction"),
        (1e20, "a number beyond what is exact"),
        ([1], "a list"),
        ({}, "an object"),
        (datetime(2024, 5, 31), "a datetime without a zone"),
        (b"", "something else"),
    ],
)
def test_what_stands_there_is_said_and_not_quoted(value: Any, words: str) -> None:
    assert describe(value) == words


def test_names_that_mean_the_same() -> None:
    assert fold("First_Name") == fold("firstName") == fold("first name") == "firstname"
    assert nearest("first_name", ["lastName", "firstName"]) == "firstName"
    assert nearest("weight", ["lastName", "firstName"]) is None
    assert matching("MRN", ["mrn"], ignore_case=False) is None
    assert matching("MRN", ["mrn", "Mrn"], ignore_case=True) is None
    assert matching("mrn", ["mrn", "Mrn"], ignore_case=True) == "mrn"
    assert matching("MRN", ["mrn", "x"], ignore_case=True) == "mrn"


def test_a_dry_run_says_whether_it_looked_patients_up(command: Command, local: Local, folder: Path) -> None:
    local.patient(mrn="M-1")
    path = write_csv(folder / "in.csv", ("mrn", "medication_name"), [("M-1", "A"), ("nobody", "B")])
    result = command("import", path, *OPTIONS, "--dry-run")
    assert result.exit_code == 0
    assert "in.csv: checked, nothing was sent; patients were not looked up" in result.stdout
    result = command("import", path, *OPTIONS, "--dry-run", "--check-patients")
    assert result.exit_code == 1
    assert "in.csv: checked, nothing was sent\n" in result.stdout
    assert "line 3: no patient has this MRN" in result.stdout
    assert json.loads(command("import", path, *OPTIONS, "--dry-run", "--json").stdout)["patients_checked"] is False


def test_a_dry_run_warns_of_what_would_be_sent_none_the_less(command: Command, local: Local, folder: Path) -> None:
    rows = [("M-1", "asleep", "x"), ("M-1", "asleep", "y"), ("M-1", "active", "z")]
    path = write_csv(folder / "in.csv", ("mrn", "medication_status", "misspelt"), rows)
    result = command("import", path, *OPTIONS, "--check", "warn", "--dry-run")
    assert result.exit_code == 0
    assert "3 rows are sent though column misspelt: expected a field of medication" in result.stderr
    assert (
        "2 rows are sent though column medication_status: expected one of active, inactive; got text" in result.stderr
    )
    assert local.records() == []


def test_a_dry_run_writes_the_reject_file_where_one_is_named(command: Command, local: Local, folder: Path) -> None:
    local.patient(mrn="M-1")
    path = write_csv(folder / "in.csv", ("mrn", "medication_refills"), [("M-1", "many"), ("M-1", "1")])
    assert command("import", path, *OPTIONS, "--dry-run").exit_code == 1
    assert [each.name for each in folder.iterdir()] == ["in.csv"]
    result = command("import", path, *OPTIONS, "--dry-run", "--rejects", "bad.csv")
    assert result.exit_code == 1
    assert "see bad.csv" in result.stdout
    (reject,) = read_csv(folder / "bad.csv")
    assert (reject["_line"], reject["_status"]) == ("2", "rejected")
    (folder / "bad.csv").write_text((folder / "bad.csv").read_text().replace("many", "7"))
    assert command("import", path, *OPTIONS).exit_code == 1
    assert command("import", folder / "bad.csv", *OPTIONS).exit_code == 0
    assert sorted(record["medication_refills"] for record in local.records()) == [1, 7]


def test_a_404_says_what_is_not_there(command: Command, local: Local, folder: Path) -> None:
    nobody, nothing = (f"00000000-0000-4000-8000-00000000000{number}" for number in (8, 9))
    path = write_csv(folder / "in.csv", ("mrn", "medication_name", "id"), [(nobody, "A", nothing)])
    options = ("--cdt", "medication", "--patient-column", "mrn")
    for verb, more, missing in (
        ("import", ("--map", "medication_name=medication_name"), "the patient"),
        ("update", ("--record-column", "id"), "the record or its patient"),
    ):
        assert command(verb, path, *options, *more).exit_code == 1
        (reject,) = read_csv(folder / "in.rejects.csv")
        assert reject["_reason"].startswith(f"{missing} is not there: the server answered 404 (")
        (folder / "in.rejects.csv").unlink()


def test_a_wrong_connection_says_so(command: Command, local: Local, folder: Path) -> None:
    path = write_csv(folder / "in.csv", ("mrn", "medication_name"), [("M-1", "A")])
    for name in ("TENANT", "SECRET_KEY", "API_CLIENT"):
        result = command("import", path, *OPTIONS, **{f"WELKIN_{name}": "wrong"})
        assert result.exit_code == 2
        assert "(401) after 1 attempt. Check the api client, its secret, and that it is enabled" in result.stderr
    result = command("import", path, *OPTIONS, WELKIN_INSTANCE="wrong")
    assert result.exit_code == 2
    assert "or there is no such instance: check --cdt and the connection's tenant and instance" in result.stderr


def test_a_journal_that_cannot_be_kept_is_no_run_at_all(command: Command, local: Local, folder: Path) -> None:
    path = write_csv(folder / "in.csv", ("pid", "medication_name"), [(local.patient(), "A")])
    options = ("--cdt", "medication", "--patient-column", "pid", "--journal", folder / "absent" / "j")
    result = command("import", path, *options)
    assert (result.exit_code, local.records()) == (2, [])
    assert "nothing was sent: name a --journal that can be kept" in result.stderr
    assert "goes on" not in result.stderr


ESCAPE = "\x1b[31m"


def test_control_characters_of_names_never_reach_a_terminal(command: Command, local: Local, folder: Path) -> None:
    local.patient(mrn="M-1")
    write_csv(folder / "bad.csv", ["mrn", f"na{ESCAPE}me", "x\u202ey"], [["M-1", "a", "b"]])
    write_csv(folder / f"f{ESCAPE}.csv", ["mrn", "medication_name"], [["M-1", "a"]])
    patients = ("--cdt", "medication", "--patient-column", "mrn", "--patient-type", "MRN")
    calls = [
        command("import", "bad.csv", *patients),
        command("import", "bad.csv", *patients, "--check", "warn"),
        command("import", f"f{ESCAPE}.csv", *patients),
        command("import", f"not{ESCAPE}there.csv", *patients),
        command("import", "bad.csv", "--cdt", f"{ESCAPE}m", *patients[2:]),
        command("import", "bad.csv", *patients[:-1], f"{ESCAPE}MRN"),
    ]
    for result in calls:
        assert "\x1b" not in result.output
        assert "\u202e" not in result.output
    assert "na\\x1b[31mme" in calls[0].output
    assert calls[2].exit_code == 0


def test_a_secret_file_that_everybody_can_read_is_warned_of(command: Command, local: Local, folder: Path) -> None:
    local.patient(mrn="M-1")
    write_csv(folder / "rows.csv", ["mrn", "medication_name"], [["M-1", "a"]])
    secret = folder / "secret"
    secret.write_text(local.server.secret_key)
    for bits, warned in ((0o644, True), (0o600, False), (0o640, False)):
        secret.chmod(bits)
        result = command(
            "import", "rows.csv", "--cdt", "medication", "--patient-column", "mrn", "--patient-type", "MRN",
            "--secret-file", secret, "--no-journal", "--dry-run", WELKIN_SECRET_KEY="",
        )  # fmt: skip
        assert result.exit_code == 0
        assert ("read by everybody" in result.stderr) == warned


@pytest.mark.parametrize(
    "arguments",
    [
        ("import", "rows.csv", "--json"),
        ("import", "rows.csv", "--bogus", "--json"),
        ("import-patients", "rows.csv", "--settle", "-1", "--json"),
        ("export", "--json"),
        ("nothing", "--json"),
        ("import-patients", "rows.csv", "--json", "--retry", "--restart"),
        ("import-patients", "not-there.csv", "--json"),
    ],
    ids=" ".join,
)
def test_every_end_has_an_object_where_json_asks_for_it(command: Command, arguments: tuple[str, ...]) -> None:
    result = command(*arguments)
    assert result.exit_code == 2
    found = json.loads(result.stdout)
    assert (found["outcome"], found["exit_code"]) == ("error", 2)
    assert found["error"]
    assert found["error"] in result.stderr.replace("\n", " ") or len(found["error"]) > 60


def test_a_request_id_is_shown(command: Command, local: Local, folder: Path) -> None:
    write_csv(folder / "rows.csv", ["mrn", "medication_name"], [["M-1", "a"]])
    headers = {"X-Request-Id": "a1b2-c3d4"}
    local.fault(FaultKind.STATUS, operation="formation_cdts.get", status=400, headers=headers, times=None)
    result = command("import", "rows.csv", "--cdt", "medication", "--patient-column", "mrn", "--no-journal")
    assert result.exit_code == 2
    assert "(request id a1b2-c3d4)" in result.stderr


@pytest.mark.parametrize(("operation", "status"), [("cdts.create", 422), ("patients.get", 403)])
def test_a_refused_row_has_the_request_id_of_its_answer(
    command: Command, local: Local, folder: Path, operation: str, status: int
) -> None:
    local.patient(mrn="M-1")
    write_csv(folder / "rows.csv", ["mrn", "medication_name"], [["M-1", "a"]])
    headers = {"X-Request-Id": "a1b2-c3d4"}
    local.fault(FaultKind.STATUS, operation=operation, status=status, headers=headers, times=None)
    assert command("import", "rows.csv", *OPTIONS, "--results", "all.ndjson").exit_code == 1
    (reject,) = read_csv(folder / "rows.rejects.csv")
    (result,) = read_ndjson(folder / "all.ndjson")
    assert (reject["_status"], reject["_request_id"], result["_request_id"]) == ("rejected", "a1b2-c3d4", "a1b2-c3d4")
    assert "a1b2" not in reject["_reason"]  # else each row would be a reason of its own


@pytest.mark.parametrize("more", [[], ["--processes", "2"]], ids=["one process", "two processes"])
def test_a_cdt_that_no_file_can_be_called_after_is_refused_as_any_other(
    command: Command, folder: Path, more: list[str]
) -> None:
    write_csv(folder / "rows.csv", ["pid", "medication_name"], [["p", "x"]])
    done = command("import", "rows.csv", "--cdt", "me/d", "--patient-column", "pid", *more)
    assert done.exit_code == 2
    assert "defect" not in done.stderr
    assert "me/d" in done.stderr
