"""The commands that change and delete the records a file names."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from welkin_async.cli.app import app
from welkin_async.sandbox import FaultKind

from .conftest import Command, Local, environment, read_csv, read_ndjson, write_csv, write_ndjson
from .test_commands import STRICT

NOBODY = "00000000-0000-4000-8000-000000000009"
COLUMNS = ("--cdt", "medication", "--patient-column", "pid", "--record-column", "rid")
HEADER = ("pid", "rid", "medication_name", "medication_refills")


def made(local: Local, count: int, patient: str | None = None) -> list[tuple[str, str]]:
    """Records of one patient: the ids of patient and record."""
    owner = patient or local.patient()
    fields = {"medication_name": "old", "medication_dose": "1 mg"}
    return [(owner, local.record(owner, **fields)) for _ in range(count)]


def bodies(local: Local) -> dict[str, dict[str, Any]]:
    """The bodies of all records, by id."""
    found = local.do(lambda: [dict(each) for each in local.server.store.cdt_records("medication")])
    return {each["id"]: each["jsonBody"] for each in found}


def changes(folder: Path, records: list[tuple[str, str]]) -> Path:
    return write_csv(folder / "in.csv", HEADER, [(*ids, f"new {n}", n) for n, ids in enumerate(records)])


def requests(local: Local, operation: str) -> int:
    return int(local.server.stats.operations[operation])


def test_each_record_is_changed_once(command: Command, local: Local, folder: Path) -> None:
    records = made(local, 20)
    path = changes(folder, records)
    for _ in range(2):
        result = command("update", path, *COLUMNS, "--json", "--results", "all.ndjson")
        assert (result.exit_code, result.stderr) == (0, ""), result.output
    summary = json.loads(result.stdout)
    assert (summary["updated"], summary["earlier"], summary["complete"]) == (20, 20, True)
    assert "created" not in summary
    assert requests(local, "cdts.update") == 20
    held = bodies(local)
    for number, (_, id) in enumerate(records):
        assert (held[id]["medication_name"], held[id]["medication_refills"]) == (f"new {number}", number)
        assert held[id]["medication_dose"] == "1 mg"  # what no column names stays
    results = read_ndjson(folder / "all.ndjson")
    assert {(row["_status"], row["_record_id"], row["_key"]) for row in results} == {
        ("updated", id, id) for _, id in records
    }
    assert (folder / "in.csv.medication.update.journal").exists()


def test_an_empty_cell_changes_nothing_and_null_clears(command: Command, local: Local, folder: Path) -> None:
    (one, two) = made(local, 2)
    path = write_csv(folder / "in.csv", HEADER, [(*one, "", 5)])
    assert command("update", path, *COLUMNS).exit_code == 0
    rows = [{"pid": two[0], "rid": two[1], "medication_dose": None}]
    assert command("update", write_ndjson(folder / "in.ndjson", rows), *COLUMNS).exit_code == 0
    held = bodies(local)
    assert (held[one[1]]["medication_name"], held[one[1]]["medication_refills"]) == ("old", 5)
    assert (held[two[1]]["medication_name"], held[two[1]]["medication_dose"]) == ("old", None)


def test_patients_are_looked_up_and_bad_rows_refused_alone(command: Command, local: Local, folder: Path) -> None:
    (good, again, lost) = made(local, 3, local.patient(externalId="e1"))
    rows = [
        ("e1", good[1], "a", 1),
        ("e1", good[1].upper(), "b", 1),
        ("e1", "", "c", 1),
        ("", again[1], "d", 1),
        ("e2", again[1], "e", 1),
        ("e1", lost[1], "f", "many"),
        ("e1", lost[1], "g", ""),
        ("e1", NOBODY, "h", 1),
        ("e1", again[1], "", ""),
    ]
    path = write_csv(folder / "in.csv", HEADER, rows)
    options = (*COLUMNS, "--patient-type", "EID")
    dry = command("update", path, *options, "--dry-run", "--check-patients", "--json")
    assert (dry.exit_code, json.loads(dry.stdout)["bad"]) == (1, 6)
    assert requests(local, "cdts.update") == 0
    result = command("update", path, *options)
    assert result.exit_code == 1
    assert good[1] not in result.output
    reasons = {row["_line"]: row["_reason"] for row in read_csv(folder / "in.rejects.csv")}
    parts = {
        "3": "another row before it is about the same record",
        "4": "the record is missing",
        "5": "the patient is missing",
        "6": "no patient has this EID",
        "7": "expected an integer",
        "9": "the server answered 404",
        "10": "no field has a value",
    }
    assert set(reasons) == set(parts)
    for line, part in parts.items():
        assert part in reasons[line]
    assert [body["medication_name"] for body in bodies(local).values()] == ["a", "old", "g"]
    assert re.search(r"^updated +2$", result.stdout, re.MULTILINE)
    assert "not updated because" in result.stdout
    local.patient(externalId="e2")
    assert command("update", path, *options).exit_code == 1
    # A row without its patient has no key yet. With it, it is a row that the journal does not know, and is sent: the
    # journal vouches for keys, not for positions.
    assert requests(local, "cdts.update") == 4
    assert command("update", path, *options).exit_code == 1
    assert requests(local, "cdts.update") == 4  # what the server refused is sent again only when asked
    assert command("update", path, *options, "--retry").exit_code == 1
    assert requests(local, "cdts.update") == 6
    reasons = {row["_line"]: row["_reason"] for row in read_csv(folder / "in.rejects.csv")}
    assert "the server answered 404" in reasons["6"]  # there is such a patient now, but the record is another's


def test_a_row_whose_patient_came_later_is_done_for_good(command: Command, local: Local, folder: Path) -> None:
    patient = local.patient()
    ((_, record),) = made(local, 1, patient)
    path = write_csv(folder / "in.csv", HEADER, [("e1", record, "new", 1)])
    options = (*COLUMNS, "--patient-type", "EID")
    assert command("update", path, *options).exit_code == 1
    local.change_patient(patient, externalId="e1")
    for _ in range(3):
        result = command("update", path, *options, "--json")
        assert result.exit_code == 0, result.output
        summary = json.loads(result.stdout)
        assert (summary["updated"], summary["rejected"], summary["complete"]) == (1, 0, True)
    assert requests(local, "cdts.update") == 1
    assert not (folder / "in.rejects.csv").exists()


def test_a_mended_reject_file_is_gone_on_with(command: Command, local: Local, folder: Path) -> None:
    records = made(local, 2)
    path = write_csv(folder / "in.csv", HEADER, [(*records[0], "a", 1), (*records[1], "b", "many")])
    assert command("update", path, *COLUMNS).exit_code == 1
    (reject,) = read_csv(folder / "in.rejects.csv")
    reject["medication_refills"] = "2"
    mended = write_csv(folder / "mended.csv", list(reject), [list(reject.values())])
    assert command("update", mended, *COLUMNS).exit_code == 0
    assert bodies(local)[records[1][1]]["medication_refills"] == 2


def test_a_field_that_the_server_drops_is_to_be_reviewed(command: Command, local: Local, folder: Path) -> None:
    ids = made(local, 1)[0]
    path = write_csv(folder / "in.csv", ("pid", "rid", "medication_name", "misspelt"), [(*ids, "new", "x")])
    result = command("update", path, *COLUMNS, "--check", "warn")
    assert result.exit_code == 1
    assert "updated, but the server dropped or changed a field" in result.stdout
    (row,) = read_csv(folder / "in.review.csv")
    assert (row["_status"], row["_record_id"]) == ("altered", ids[1])
    assert bodies(local)[ids[1]]["medication_name"] == "new"


def test_rows_of_a_patient_go_together_when_asked(command: Command, local: Local, folder: Path) -> None:
    fields = [{"name": "dose", "type": "text", "editable": True, "bulkEdit": True, "meta": {}}]
    local.define("plan", fields)
    records = []
    for _ in range(3):
        patient = local.patient()
        records += [(patient, local.record(patient, "plan", dose="old")) for _ in range(20)]
    rows = [(*ids, f"d{number}") for number, ids in enumerate(records)]
    rows.insert(30, (records[0][0], "", "x"))
    path = write_csv(folder / "in.csv", ("pid", "rid", "dose"), rows)
    options = ("--cdt", "plan", "--patient-column", "pid", "--record-column", "rid", "--group", "10")
    result = command("update", path, *options, "--json")
    assert result.exit_code == 1, result.output
    summary = json.loads(result.stdout)
    assert (summary["updated"], summary["failed"] + summary["rejected"]) == (60, 1)
    assert summary["updates"] == requests(local, "cdts.bulk_update") <= 8
    assert requests(local, "cdts.update") == 0
    assert {each["dose"] for each in local.records("plan")} == {f"d{number}" for number in range(60)}
    (reject,) = read_csv(folder / "in.rejects.csv")
    assert (reject["_line"], reject["_reason"]) == ("32", "the record is missing")


def test_fields_not_marked_for_bulk_edit_are_refused_by_a_dry_run_too(
    command: Command, local: Local, folder: Path
) -> None:
    marked: dict[str, Any] = {"type": "text", "editable": True, "meta": {}}
    local.define("plan", [{**marked, "name": "dose", "bulkEdit": True}, {**marked, "name": "note"}])
    patient = local.patient()
    ids = [(patient, local.record(patient, "plan", dose="old")) for _ in range(3)]
    rows = [(*ids[0], "a", ""), (*ids[1], "b", "Quackenbush"), (*ids[2], "", "c")]
    path = write_csv(folder / "in.csv", ("pid", "rid", "DOSE", "NOTE"), rows)
    columns = ("--cdt", "plan", "--patient-column", "pid", "--record-column", "rid")
    options = (*columns, "--map", "DOSE=dose", "--map", "NOTE=note")
    assert command("update", path, *options, "--dry-run").exit_code == 0
    dry = command("update", path, *options, "--group", "5", "--dry-run")
    assert dry.exit_code == 1
    reason = "column NOTE, field note: expected a field marked for bulk edit; got text"
    assert f"line 3: {reason}\nline 4: {reason}\n" in dry.stdout
    assert "Quackenbush" not in dry.stdout
    assert command("update", path, *options, "--group", "5").exit_code == 1
    rejects = {row["_line"]: row["_reason"] for row in read_csv(folder / "in.rejects.csv")}
    assert rejects == {"3": reason, "4": reason}
    assert sorted(each["dose"] for each in local.records("plan")) == ["a", "old", "old"]


def test_each_record_is_deleted(command: Command, local: Local, folder: Path) -> None:
    records = made(local, 12)
    rows = [*records[:10], (records[0][0], NOBODY), records[3]]
    path = write_csv(folder / "in.csv", ("pid", "rid"), rows)
    dry = command("delete", path, *COLUMNS, "--dry-run")
    assert dry.exit_code == 1
    assert "line 13: another row before it is about the same record" in dry.stdout
    assert len(bodies(local)) == 12
    for _ in range(2):
        result = command("delete", path, *COLUMNS, "--json", "--results", "all.ndjson")
        assert result.exit_code == 1
    summary = json.loads(result.stdout)
    assert (summary["deleted"], summary["rejected"], summary["earlier"]) == (10, 2, 12)
    assert set(bodies(local)) == {records[10][1], records[11][1]}
    assert {row["_line"] for row in read_csv(folder / "in.rejects.csv")} == {"12", "13"}
    assert {row["_status"] for row in read_ndjson(folder / "all.ndjson")} == {"deleted", "rejected"}


@pytest.mark.parametrize("what", ["update", "delete"])
def test_what_was_not_answered_is_sent_again(command: Command, local: Local, folder: Path, what: str) -> None:
    path = changes(folder, made(local, 40))
    for after in (5, 15):
        local.fault(FaultKind.RESET_AFTER, operation=f"cdts.{what}", times=2, after=after)
    result = command(what, path, *COLUMNS, "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert summary[f"{what}d"] == 40
    assert summary[f"{what}s"] > 40


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize(("what", "options"), [("update", ()), ("update", ("--group", "4")), ("delete", ())])
def test_a_run_that_was_ended_goes_on(
    local: Local, folder: Path, what: str, options: tuple[str, ...], number: signal.Signals
) -> None:
    names = ("medication_name", "medication_dose", "medication_refills")
    fields = [{"name": name, "type": "text", "editable": True, "bulkEdit": True, "meta": {}} for name in names]
    local.define("medication", fields)
    records = made(local, 400)
    path = changes(folder, records)
    local.server.latency = 0.05
    arguments = [what, str(path), *COLUMNS, "--concurrency", "4", *options]
    command, pipe = [*STRICT, *arguments], subprocess.PIPE
    operation = "cdts.bulk_update" if options else f"cdts.{what}"
    with subprocess.Popen(command, env=environment(local.env), stdout=pipe, stderr=pipe, text=True) as run:
        deadline = time.monotonic() + 60
        while requests(local, operation) < 30:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        run.send_signal(number)
        _, err = run.communicate(timeout=10)
    assert run.returncode == (130 if number == signal.SIGINT else -number)
    assert not (folder / "in.rejects.csv").exists()
    local.server.latency = 0.0
    if number == signal.SIGINT:
        words = shlex.split(err.splitlines()[-1])
        assert (words[:2], sorted(words[2:])) == (["welkin-async", what], sorted(arguments[1:]))
        arguments = words[1:]
    done = CliRunner().invoke(app, [*arguments, "--json"], env=local.env)
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    assert summary[f"{what}d"] == 400
    if number == signal.SIGINT:
        assert summary["earlier"] > 0
    held = bodies(local)
    if what == "delete":
        assert held == {}
    else:
        assert [held[id]["medication_name"] for _, id in records] == [f"new {n}" for n in range(400)]


@pytest.mark.parametrize(
    ("what", "options", "said"),
    [
        ("update", ("--cdt", "nothing"), "no CDT nothing"),
        ("delete", ("--cdt", "nothing"), "no CDT nothing"),
        ("update", ("--record-column", "nothing"), "column nothing: the file has no such column"),
        ("delete", ("--record-column", "nothing"), "column nothing: the file has no such column"),
        ("delete", ("--patient-column", "nothing"), "column nothing: the file has no such column"),
        ("update", ("--map", "medication_name=nothing"), "the CDT has no field nothing"),
        ("update", ("--check-patients",), "--check-patients goes with --dry-run"),
        ("delete", ("--resume", "--restart"), "exclude each other"),
        ("update", ("--group", "0"), "--group"),
        ("delete", ("--map", "a=b"), "--map"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_sent(
    command: Command, local: Local, folder: Path, what: str, options: tuple[str, ...], said: str
) -> None:
    path = changes(folder, made(local, 1))
    result = command(what, path, *COLUMNS, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert [body["medication_name"] for body in bodies(local).values()] == ["old"]


@pytest.mark.parametrize("what", ["update", "delete"])
def test_the_record_column_must_be_named(command: Command, local: Local, folder: Path, what: str) -> None:
    result = command(what, changes(folder, made(local, 1)), *COLUMNS[:-2])
    assert result.exit_code == 2
    assert "--record-column" in result.stderr
