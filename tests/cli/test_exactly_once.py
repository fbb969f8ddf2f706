"""Keys, journal and files of rows over several runs of the command."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from welkin_async.files.mapping.patient_lookup import PatientLookup
from welkin_async.sandbox import Fault, FaultKind

from .conftest import Command, Local, environment, read_csv, read_ndjson, write_csv, write_ndjson

pytestmark = pytest.mark.slow

OPTIONS = ("--cdt", "medication", "--patient-column", "pid")
QUICK = ("--settle", "0.3", "--final-settle", "0.3")
HEADER = ("pid", "medication_name", "medication_refills")
KEPT = PatientLookup.__init__.__kwdefaults__ or {}
NOBODY = "00000000-0000-4000-8000-000000000009"


def some(folder: Path, patient: str, count: int = 20) -> Path:
    return write_csv(folder / "in.csv", HEADER, [(patient, f"n{number}", number) for number in range(count)])


def fault(local: Local, kind: FaultKind, **more: Any) -> None:
    more.setdefault("operation", "cdts.create")
    local.do(lambda: local.server.faults.add(Fault(kind, **more)))


def test_the_same_command_does_nothing_twice(command: Command, local: Local, folder: Path) -> None:
    path = some(folder, local.patient())
    for _ in range(3):
        result = command("import", path, *OPTIONS, "--json", "--results", "all.ndjson")
        assert result.exit_code == 0
        assert json.loads(result.stdout)["created"] == 20
    assert json.loads(result.stdout)["earlier"] == 20
    assert len(local.records()) == local.server.stats.operations["cdts.create"] == 20
    results = read_ndjson(folder / "all.ndjson")
    assert sorted(row["_line"] for row in results) == list(range(2, 22))
    assert {row["_record_id"] for row in results} == set(
        local.do(lambda: [r["id"] for r in local.server.store.cdt_records("medication")])
    )
    assert {row["_key"] for row in results} == set(local.record_keys())
    assert results[0]["medication_name"].startswith("n")
    assert {row["_attempts"] for row in results} == {1}
    changed = command("import", some(folder, local.patient(), 21), *OPTIONS, "--results", "all.ndjson")
    assert changed.exit_code == 2
    assert "of another file" in changed.stderr


def test_an_unknown_outcome_is_looked_up(command: Command, local: Local, folder: Path) -> None:
    path = some(folder, local.patient(), 60)
    fault(local, FaultKind.RESET_AFTER, times=3, after=10)
    fault(local, FaultKind.RESET_BEFORE, times=3, after=20)
    result = command("import", path, *OPTIONS, *QUICK, "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert (summary["created"], summary["adopted"], summary["retried"]) == (60, 3, 3)
    assert summary["not_answered_for_good"] == {"unknown, no answer": 6}
    assert summary["lookups"] > 0
    assert len(local.records()) == len(set(local.record_keys())) == 60


def test_a_record_that_lands_too_late_is_named_and_removed_when_asked(
    command: Command, local: Local, folder: Path
) -> None:
    path = some(folder, local.patient(), 30)
    fault(local, FaultKind.RESET_LATE, after=10, delay=1.2)
    result = command("import", path, *OPTIONS, "--settle", "0.3", "--final-settle", "2")
    assert result.exit_code == 1
    assert "created, and there more than once" in result.stdout
    (row,) = read_csv(folder / "in.review.csv")
    assert row["_status"] == "doubled"
    assert len(row["_record_id"].split()) == 2
    assert local.record_keys().count(row["_key"]) == 2
    assert row["medication_name"] in {record["medication_name"] for record in local.records()}
    again = command("import", folder / "in.review.csv", *OPTIONS)
    assert (again.exit_code, len(local.records())) == (1, 31)

    (folder / "two.csv").write_bytes(path.read_bytes() + b"\n")
    fault(local, FaultKind.RESET_LATE, after=10, delay=1.2)
    options = ("--settle", "0.3", "--final-settle", "2", "--remove-doubles")
    result = command("import", folder / "two.csv", *OPTIONS, *options)
    assert result.exit_code == 0, result.output
    assert len(local.records()) == 31 + 30
    assert read_csv(folder / "two.review.csv")[0]["_reason"].endswith("1 of them removed")


def test_a_row_without_a_patient_keeps_its_position_and_is_retried_when_asked(
    command: Command, local: Local, folder: Path
) -> None:
    patient = local.patient(externalId="e1")
    rows = [("e1", "a", 1), ("e2", "b", 2), ("", "c", 3), ("e1", "d", 4), ("e2", "e", "x")]
    path = write_csv(folder / "in.csv", HEADER, rows)
    options = (*OPTIONS, "--patient-type", "EID")
    for _ in range(2):
        result = command("import", path, *options)
        assert result.exit_code == 1  # the whole job counts, not this run alone
        rejects = read_csv(folder / "in.rejects.csv")
        assert sorted(row["_line"] for row in rejects) == ["3", "4", "6"]
    assert len(local.records()) == 2
    keys = {row["_line"]: row["_key"] for row in rejects}
    local.patient(externalId="e2")
    result = command("import", path, *options, "--retry", "--results", "all.ndjson")
    assert result.exit_code == 1
    assert (folder / "in.rejects.csv.1").exists()  # somebody may be mending it
    assert [row["_line"] for row in read_csv(folder / "in.rejects.csv")] == ["4", "6"]
    assert [row["_status"] for row in sorted(read_ndjson(folder / "all.ndjson"), key=lambda row: row["_line"])] == [
        *("created", "created", "rejected", "created", "rejected")
    ]
    assert keys["3"] in local.record_keys()
    assert len(local.records()) == 3
    # What has been created since is found before it is sent: the old reject file doubles nothing.
    result = command("import", folder / "in.rejects.csv", *options)
    stale = (folder / "in.rejects.csv.1").rename(folder / "stale.csv")
    result = command("import", stale, *options, "--existing", "trust", "--results", "stale.ndjson")
    (there,) = [row for row in read_ndjson(folder / "stale.ndjson") if row["_key"] == keys["3"]]
    assert there["_status"] == "unchanged"
    assert there["_record_id"]
    assert len(local.records()) == 3
    assert patient


def test_restart_sends_everything_and_puts_files_aside(command: Command, local: Local, folder: Path) -> None:
    path = write_csv(folder / "in.csv", HEADER, [(local.patient(), "a", 1), (NOBODY, "b", 2)])
    assert command("import", path, *OPTIONS).exit_code == 1
    result = command("import", path, *OPTIONS, "--restart", "--existing", "trust")
    assert result.exit_code == 1
    assert len(local.records()) == 2
    assert (folder / "in.rejects.csv.1").read_text().count("\n") == 2
    assert len(read_csv(folder / "in.rejects.csv")) == 1
    assert command("import", path, *OPTIONS, "--restart", "--retry").exit_code == 2
    assert command("import", path, *OPTIONS, "--no-journal", "--resume").exit_code == 2


def test_what_a_kill_left_unwritten_is_written_by_the_next_run(command: Command, local: Local, folder: Path) -> None:
    patient = local.patient()
    rows = [(patient, "a", 1), (NOBODY, "b", 2), (patient, "c", "x"), (patient, "d", 4)]
    path = write_csv(folder / "in.csv", HEADER, rows)
    assert command("import", path, *OPTIONS, "--results", "all.ndjson").exit_code == 1
    rejects, results = folder / "in.rejects.csv", folder / "all.ndjson"
    whole = sorted(read_csv(rejects), key=lambda row: row["_line"])
    for path_, keep in ((rejects, 1), (results, 2)):
        lines = path_.read_text().splitlines(keepends=True)
        path_.write_text("".join(lines[:keep]) + lines[keep][: len(lines[keep]) // 2])  # the last one is torn
    result = command("import", path, *OPTIONS, "--results", "all.ndjson")
    assert result.exit_code == 1
    found = sorted(read_csv(rejects), key=lambda row: row["_line"])
    assert [row["_key"] for row in found] == [row["_key"] for row in whole]
    assert found[1]["_reason"] == whole[1]["_reason"]
    assert found[0]["_reason"].startswith("rejected by an earlier run (")
    assert sorted(row["_line"] for row in read_ndjson(results)) == [2, 3, 4, 5]
    assert len(local.records()) == 2


def test_a_reject_file_of_another_import_is_not_gone_on_with(command: Command, local: Local, folder: Path) -> None:
    patient = local.patient()
    path = write_csv(folder / "in.csv", HEADER, [(patient, "a", 1), (NOBODY, "b", 2)])
    assert command("import", path, *OPTIONS).exit_code == 1
    other = write_csv(folder / "other.csv", HEADER, [(patient, "a", 1), (NOBODY, "z", 2)])
    options = (*OPTIONS, "--rejects", "other-rejects.csv")
    assert command("import", other, *options).exit_code == 1
    (folder / "in.rejects.csv").replace(folder / "other-rejects.csv")
    result = command("import", other, *options)
    assert result.exit_code == 2
    assert "holds rows of another import" in result.stderr
    (folder / "other-rejects.csv").write_text("quite,another\nfile,altogether\n")
    assert "holds something else" in command("import", other, *options).stderr


@pytest.mark.parametrize("field", ["external_id", "external_guid"])
def test_keys_are_the_rows_own_or_from_a_column_or_minted(
    command: Command, local: Local, folder: Path, field: str
) -> None:
    patient = local.patient()
    rows = [(patient, "a", "k-1"), (patient, "b", "k-2"), (patient, "c", "")]
    path = write_csv(folder / "in.csv", ("pid", "medication_name", "code"), rows)
    result = command("import", path, *OPTIONS, "--key-field", field, "--key-column", "code")
    assert result.exit_code == 1
    (reject,) = read_csv(folder / "in.rejects.csv")
    assert (reject["_line"], reject["_reason"]) == ("4", "the key is missing")
    bodies = [record["jsonBody"] for record in local.do(lambda: local.server.store.cdt_records("medication"))]
    if field == "external_id":
        assert {body[field] for body in bodies} == {"k-1", "k-2"}
    assert len({body[field] for body in bodies}) == 2
    assert all("code" not in record for record in local.records())
    assert command("import", path, *OPTIONS, "--key-column", "nothing", "--journal", "j").exit_code == 2
    assert command("import", path, *OPTIONS, "--key-field", "none", "--key-column", "code").exit_code == 2


def test_a_key_belongs_to_one_row(command: Command, local: Local, folder: Path) -> None:
    patient = local.patient()
    cells = [("a", "k-1"), ("b", "k-1"), ("c", "K-1"), ("", "k-2"), ("d", "k-2")]
    path = write_csv(folder / "in.csv", ("pid", "medication_name", "code"), [(patient, *both) for both in cells])
    assert command("import", path, *OPTIONS, "--key-column", "code").exit_code == 1
    rejects = read_csv(folder / "in.rejects.csv")
    assert {row["_line"]: row["_reason"] for row in rejects} == {
        "3": "another row before it has the same key",
        "5": "no field has a value",
    }
    assert sorted(local.record_keys()) == ["K-1", "k-1", "k-2"]


def test_a_row_that_carries_the_key_field(command: Command, local: Local, folder: Path) -> None:
    row = {"pid": local.patient(), "medication_name": "a", "external_id": "mine"}
    path = write_ndjson(folder / "in.ndjson", [row, {**row, "pid": NOBODY, "external_id": "yours"}])
    assert command("import", path, *OPTIONS).exit_code == 1
    assert local.record_keys() == ["mine"]
    (reject,) = read_ndjson(folder / "in.rejects.ndjson")
    assert (reject["_key"], reject["external_id"]) == ("yours", "yours")
    assert reject["_origin"] == hashlib.sha256(path.read_bytes()).hexdigest()
    reject["pid"] = row["pid"]
    assert command("import", write_ndjson(folder / "mended.ndjson", [reject]), *OPTIONS).exit_code == 0
    assert local.record_keys() == ["mine", "yours"]


def test_altered_rows_are_created_and_to_be_reviewed(command: Command, local: Local, folder: Path) -> None:
    patient = local.patient()
    path = write_csv(folder / "in.csv", ("pid", "medication_name", "misspelt"), [(patient, "a", "x")])
    assert command("import", path, *OPTIONS).exit_code == 2
    result = command("import", path, *OPTIONS, "--check", "warn")
    assert result.exit_code == 1
    assert "altered" in result.stdout
    (row,) = read_csv(folder / "in.review.csv")
    assert (row["_status"], row["_reason"]) == ("altered", "the server dropped or changed misspelt")
    assert row["_record_id"]
    again = command("import", path, *OPTIONS, "--check", "warn", "--json")
    assert (again.exit_code, json.loads(again.stdout)["altered"]) == (1, 1)
    assert len(read_csv(folder / "in.review.csv")) == 1


def test_a_row_that_may_have_been_sent_is_not_rejected_because_its_patient_cannot_be_looked_up_now(
    command: Command, local: Local, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.patient(externalId="e1")
    path = write_csv(folder / "in.csv", HEADER, [("e1", "a", 1), ("e2", "b", 2), ("", "c", 3)])
    options = (*OPTIONS, "--patient-type", "EID", *QUICK)
    assert command("import", path, *options).exit_code == 1
    (folder / "in.rejects.csv").unlink()
    with contextlib.closing(sqlite3.connect(folder / "in.csv.medication.journal")) as journal:
        journal.execute("DELETE FROM outcomes")  # as a kill before it was written leaves it
        journal.commit()
    monkeypatch.setattr("welkin_async.http.transport.backoff", lambda failures: 0.0)
    monkeypatch.setattr(PatientLookup.__init__, "__kwdefaults__", {**KEPT, "patience": 0.0})
    fault(local, FaultKind.STATUS, operation="patients.get", times=None, status=500)
    assert command("import", path, *options).exit_code == 1
    (review,) = read_csv(folder / "in.review.csv")
    assert (review["_line"], review["_status"]) == ("3", "unknown")
    assert "look-up" in review["_reason"]
    assert [row["_line"] for row in read_csv(folder / "in.rejects.csv")] == ["4"]  # by itself it can never be sent
    local.do(local.server.faults.clear)
    local.patient(externalId="e2")
    assert command("import", path, *options).exit_code == 1
    assert not (folder / "in.review.csv").exists()
    assert len(local.records()) == len(set(local.record_keys())) == 2


def test_too_many_failures_stop_it_and_the_rest_is_left_to_the_next_run(
    command: Command, local: Local, folder: Path
) -> None:
    patient = local.patient()
    rows = [(NOBODY if number % 5 == 4 else patient, f"n{number}", 1) for number in range(400)]
    path = write_csv(folder / "in.csv", HEADER, rows)
    result = command("import", path, *OPTIONS, "--max-failures", "10%")
    assert result.exit_code == 1
    assert "so many rows failed" in result.stderr
    assert 0 < len(local.records()) < 200
    result = command("import", path, *OPTIONS, *QUICK, "--json")
    assert json.loads(result.stdout)["rejected"] == len(read_csv(folder / "in.rejects.csv")) == 80
    assert len(set(local.record_keys())) == len(local.records()) == 320
    for wrong in ("x", "-1", "0%", "100%"):
        assert command("import", path, *OPTIONS, "--max-failures", wrong).exit_code == 2


def test_a_file_that_changes_meanwhile_ends_the_import(
    command: Command, local: Local, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = some(folder, local.patient(), 5000)
    monkeypatch.setattr("welkin_async.files.run.row_feed._BATCH", 100)
    monkeypatch.setattr("welkin_async.files.readers.input_file.file_state", _states())
    result = command("import", path, *OPTIONS)
    assert result.exit_code == 1
    assert "the file has changed since it was looked through: put it back as it was" in result.stderr
    assert "welkin-async import" not in result.stderr  # the same command would be refused
    assert len(local.records()) < 5000


def _states() -> Any:
    seen = iter([(1, 1)] * 4 + [(2, 2)] * 100)
    return lambda path: next(seen)


def test_a_row_that_is_refused_again_for_another_reason_says_so(command: Command, local: Local, folder: Path) -> None:
    local.patient(mrn="M-1")
    rows = [("M-9", "a", 1), ("M-1", "b", 2), ("M-8", "c", 3)]
    write_csv(folder / "in.csv", HEADER, rows)
    arguments = ("import", "in.csv", *OPTIONS, "--patient-type", "MRN", "--results", "all.ndjson", "--json")
    headers = {"X-Request-Id": "first-1"}
    fault(local, FaultKind.STATUS, operation="patients.get", status=403, times=None, headers=headers)
    assert command(*arguments).exit_code == 1
    assert {row["_request_id"] for row in read_csv(folder / "in.rejects.csv")} == {"first-1"}
    local.do(local.server.faults.clear)
    again = command(*arguments)
    assert json.loads(again.stdout)["reasons"] == {
        "no patient has this MRN": 2,
        "failed by an earlier run (InvalidInputError)": 1,
    }
    rejects = {row["_line"]: (row["_reason"], row["_request_id"]) for row in read_csv(folder / "in.rejects.csv")}
    before = "the patient's look-up: the server answered 403 (FORBIDDEN)"
    assert rejects == {
        "2": ("no patient has this MRN", ""),
        "3": (before, "first-1"),  # its patient is there by now: only --retry sends it
        "4": ("no patient has this MRN", ""),
    }
    results = {row["_line"]: row["_reason"] for row in read_ndjson(folder / "all.ndjson")}
    assert results == {2: "no patient has this MRN", 3: before, 4: "no patient has this MRN"}


def test_a_row_that_got_its_key_late_is_known_by_where_the_journal_keeps_it(
    command: Command, local: Local, folder: Path
) -> None:
    local.patient(mrn="M-1")
    write_csv(folder / "in.csv", (*HEADER, "key"), [("M-9", "a", 1, "k1"), ("M-1", "b", 2, "k2")])
    arguments = ("import", "in.csv", *OPTIONS, "--patient-type", "MRN", "--key-column", "key", "--json")
    assert command(*arguments).exit_code == 1
    local.patient(mrn="M-9")
    fault(local, FaultKind.STATUS, status=401, times=None)
    stopped = command(*arguments)
    found = json.loads(stopped.stdout)
    assert (stopped.exit_code, found["unsent"], found["created"], found["failed"]) == (1, 1, 1, 0)
    assert not (folder / "in.rejects.csv").exists()  # nobody may import what the next run sends
    local.do(local.server.faults.clear)
    another = [sys.executable, "-m", "welkin_async.cli", *arguments]  # in this process the refusal is remembered
    done = subprocess.run(another, env=environment(local.env), capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout).get("created") == 2, done.stderr
    assert sorted(local.record_keys()) == ["k1", "k2"]


@pytest.mark.parametrize("own", [True, False], ids=["a bad row", "a good row without a key of its own"])
def test_a_row_that_a_file_gains_is_new_though_a_retried_one_has_its_place_in_the_journal(
    command: Command, local: Local, folder: Path, own: bool
) -> None:
    header = ("pid", "medication_name", "key" if own else "external_id")
    rows = [("M-9", "a", "k0"), ("M-1", "b", "k1" if own else "")]
    options = (*OPTIONS, "--patient-type", "MRN", *(("--key-column", "key") if own else ()), *QUICK, "--json")
    path = write_csv(folder / "in.csv", header, rows)
    local.patient(mrn="M-1")
    assert command("import", path, *options).exit_code == 1  # M-9 is not there yet
    local.patient(mrn="M-9")
    assert command("import", path, *options, "--retry").exit_code == 0
    gained = ("M-77", "c", "k2") if own else ("M-1", "c", "")
    result = command("import", write_csv(path, header, [*rows, gained]), *options)
    told = json.loads(result.stdout)
    assert (told["rows"], told["earlier"], told["rejected"], told["created"]) == (3, 2, int(own), 2 if own else 3)
    assert result.exit_code == int(own)
    names = {record["medication_name"] for record in local.records()}
    assert names == ({"a", "b"} if own else {"a", "b", "c"})
    again = json.loads(command("import", path, *options).stdout)
    assert again["created"] == told["created"]


@pytest.mark.parametrize("kind", ["ID", "MRN"])
def test_a_second_record_of_a_patient_is_told_however_the_file_names_the_patient(
    command: Command, local: Local, folder: Path, kind: str
) -> None:
    patient = local.patient(mrn="M-1")
    who = patient if kind == "ID" else "M-1"
    path = write_csv(folder / "in.csv", ("pid", "medication_name", "key"), [(who, "a", "k0")])
    fault(local, FaultKind.STALL_BEFORE, delay=1.0)

    def create() -> None:
        """Create the patient's record as somebody else does, while the command's create is stalled."""
        while local.do(local.server.faults.unmet):
            time.sleep(0.01)
        local.record(patient, medication_name="a", external_id="k0")

    creating = threading.Thread(target=create)
    creating.start()
    options = (*OPTIONS, "--key-column", "key", "--single-record", "--patient-type", kind, *QUICK, "--json")
    result = command("import", path, *options)
    creating.join()
    assert len(local.records()) == 2
    told = json.loads(result.stdout)
    assert (result.exit_code, told["doubled"], told["complete"]) == (1, 1, False)
    assert [row["_line"] for row in read_csv(folder / "in.review.csv")] == ["2"]
