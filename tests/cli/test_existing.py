"""An import that may be run again anywhere, and upsert and verify, from the command line."""

from __future__ import annotations

import contextlib
import gzip
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from welkin_async.sandbox import FaultKind

from .conftest import Command, Local, read_ndjson, write_csv

HEADER = ("pid", "medication_name", "medication_refills", "row")
NAMED = ("--cdt", "medication", "--patient-column", "pid", "--map", "medication_name=medication_name")
OPTIONS = (*NAMED, "--map", "medication_refills=medication_refills", "--settle", "0.1", "--final-settle", "0.2")
KEYED = (*OPTIONS, "--key-column", "row")
COMPARED = (*OPTIONS[:-4], "--key-column", "row")


def rows_of(patients: list[str], numbers: range) -> list[tuple[object, ...]]:
    return [(patients[number % len(patients)], f"M{number}", number % 7, f"row-{number}") for number in numbers]


def summary(command: Command, *arguments: object, exit_code: int = 0) -> dict[str, Any]:
    result = command(*arguments, "--json")
    assert result.exit_code == exit_code, result.output
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def add_old_records(local: Local, patient: str, count: int) -> None:
    """Put records of another source there, at once."""

    class Body:
        def object(self) -> dict[str, Any]:
            return {"medication_name": "old"}

    def add() -> None:
        for _ in range(count):
            local.server.store.sections.cdts.create(Body(), patient, "medication")  # type: ignore[arg-type]

    local.do(add)


@pytest.fixture
def patients(local: Local) -> list[str]:
    return [local.patient() for _ in range(5)]


def test_a_file_whose_journal_is_lost_doubles_nothing(
    command: Command, local: Local, folder: Path, patients: list[str]
) -> None:
    path = write_csv(folder / "in.csv", HEADER, rows_of(patients, range(60)))
    assert summary(command, "import", path, *OPTIONS)["created"] == 60
    (folder / "in.csv.medication.journal").unlink()
    told = summary(command, "import", path, *OPTIONS)
    assert (told["created"], told["unchanged"], told["existing"], told["patients_listed"]) == (0, 60, "check", 5)
    (folder / "elsewhere").mkdir()
    copy = shutil.copy(path, folder / "elsewhere" / "another name.csv")
    told = summary(command, "import", copy, *OPTIONS)
    assert (told["created"], told["unchanged"]) == (0, 60)
    assert "unchanged" in command("import", copy, *OPTIONS, "--no-journal").stdout
    assert len(local.records()) == 60


def test_a_run_that_was_stopped_is_finished_elsewhere(
    command: Command, local: Local, folder: Path, patients: list[str]
) -> None:
    path = write_csv(folder / "in.csv", HEADER, rows_of(patients, range(80)))
    local.fault(FaultKind.STATUS, status=422, operation="cdts.create", after=30, times=1)
    summary(command, "import", path, *OPTIONS, "--max-failures", "0", "--concurrency", "4", exit_code=1)
    there = len(local.records())
    assert 0 < there < 80
    (folder / "pod").mkdir()
    told = summary(command, "import", shutil.copy(path, folder / "pod" / "in.csv"), *OPTIONS)
    assert (told["created"], told["unchanged"], told["outcome"]) == (80 - there, there, "complete")
    assert len(local.records()) == len(set(local.record_keys())) == 80


def test_the_next_days_file_brings_what_is_new(
    command: Command, local: Local, folder: Path, patients: list[str]
) -> None:
    monday = write_csv(folder / "monday.csv", HEADER, rows_of(patients, range(60)))
    tuesday = write_csv(folder / "tuesday.csv", HEADER, rows_of(patients, range(40, 100)))
    assert summary(command, "import", monday, *KEYED)["created"] == 60
    told = summary(command, "import", tuesday, *KEYED)
    assert (told["created"], told["unchanged"], told["outcome"]) == (40, 20, "complete")
    assert len(local.records()) == len(set(local.record_keys())) == 100


def test_trust_is_named_in_the_summary(command: Command, local: Local, folder: Path, patients: list[str]) -> None:
    path = write_csv(folder / "in.csv", HEADER, rows_of(patients, range(10)))
    result = command("import", path, *OPTIONS, "--existing", "trust")
    assert "existing trusted" in result.stdout
    assert local.do(lambda: local.server.stats.operations["cdts.list"]) <= 1


def test_a_client_that_may_not_list_is_told_of_the_option(
    command: Command, local: Local, folder: Path, patients: list[str]
) -> None:
    path = write_csv(folder / "in.csv", HEADER, rows_of(patients, range(10)))
    local.fault(FaultKind.STATUS, status=403, operation="cdts.list", times=None)
    result = command("import", path, *OPTIONS)
    assert result.exit_code == 1
    assert "--existing trust" in result.output
    assert local.records() == []


def test_a_client_that_may_not_list_imports_what_it_is_told_to_trust_and_doubles_nothing(
    command: Command, local: Local, folder: Path, patients: list[str]
) -> None:
    path = write_csv(folder / "in.csv", HEADER, rows_of(patients, range(10)))
    trusting = (*KEYED, "--settle", "0.2", "--final-settle", "0.3", "--existing", "trust")
    local.fault(FaultKind.STATUS, status=403, operation="cdts.list", times=None)
    told = summary(command, "import", path, *trusting)
    assert (told["created"], told["outcome"]) == (10, "complete")
    more = write_csv(folder / "more.csv", HEADER, rows_of(patients, range(10, 20)))
    local.fault(FaultKind.RESET_AFTER, operation="cdts.create", after=3)
    local.fault(FaultKind.RESET_BEFORE, operation="cdts.create", after=3)
    told = summary(command, "import", more, *trusting, exit_code=1)
    assert (told["created"], told["unknown"], told["complete"]) == (8, 2, False)
    local.do(lambda: local.server.faults.clear())  # it is given the right
    told = summary(command, "import", more, *trusting)
    assert (told["earlier"], told["adopted"], told["outcome"]) == (8, 1, "complete")
    assert sorted(local.record_keys()) == sorted(f"row-{number}" for number in range(20))


def test_a_right_to_list_that_is_lost_is_named_for_what_it_is(
    command: Command, local: Local, folder: Path, patients: list[str]
) -> None:
    path = write_csv(folder / "in.csv", HEADER, rows_of(patients, range(10)))
    looks = len(patients) * 2  # totals for the estimate, and the listings of the patients
    local.fault(FaultKind.STATUS, status=403, operation="cdts.list", after=looks, times=None)
    told = summary(command, "import", path, *KEYED, exit_code=1)
    assert "may not list records (403)" in told["error"]
    assert len(local.records()) == told["created"] == 1


def test_an_upsert_writes_what_differs_and_a_dry_run_says_so_before(
    command: Command, local: Local, folder: Path, patients: list[str]
) -> None:
    path = write_csv(folder / "in.csv", HEADER, rows_of(patients, range(50)))
    told = summary(command, "upsert", path, *KEYED)
    assert (told["created"], told["updated"], told["outcome"]) == (50, 0, "complete")
    rows = rows_of(patients, range(52))
    rows[7] = (rows[7][0], "changed", "", "row-7")
    newer = write_csv(folder / "newer.csv", HEADER, rows)
    sent = local.do(lambda: dict(local.server.stats.operations))
    plan = summary(command, "upsert", newer, *KEYED, "--dry-run", "--plan-file", folder / "plan.ndjson")
    assert (plan["rows"], plan["present"], plan["altered"], plan["missing"]) == (52, 49, 1, 2)
    now = local.do(lambda: dict(local.server.stats.operations))
    assert [now.get(name) for name in ("cdts.create", "cdts.update")] == [sent.get("cdts.create"), None]
    lines = {line["key"]: line for line in read_ndjson(folder / "plan.ndjson")}
    assert sorted(lines) == ["row-50", "row-51", "row-7"]
    assert lines["row-7"]["fields"] == ["medication_name"]
    assert "changed" not in (folder / "plan.ndjson").read_text()
    told = summary(command, "upsert", newer, *KEYED, "--results", folder / "all.ndjson")
    assert (told["created"], told["updated"], told["unchanged"], told["outcome"]) == (2, 1, 49, "complete")
    statuses = {
        line["_key"]: (line["_status"], bool(line["_record_id"])) for line in read_ndjson(folder / "all.ndjson")
    }
    assert (statuses["row-7"], statuses["row-50"], statuses["row-0"]) == (
        *(("updated", True), ("created", True), ("unchanged", True)),
    )
    (record,) = (each for each in local.records() if each["medication_name"] == "changed")
    assert record["medication_refills"] == 0  # an empty cell changes nothing
    told = summary(command, "upsert", newer, *KEYED, "--empty", "clear", "--no-journal")
    assert (told["updated"], told["unchanged"]) == (1, 51)
    assert all("medication_refills" not in each for each in local.records() if each["medication_name"] == "changed")


def test_an_edit_of_somebody_else_is_in_the_review_file(
    command: Command, local: Local, folder: Path, patients: list[str]
) -> None:
    path = write_csv(folder / "in.csv", HEADER, rows_of(patients, range(10)))
    summary(command, "upsert", path, *KEYED)

    def edit() -> None:
        for record in local.server.store.cdt_records("medication"):
            if record["jsonBody"]["external_id"] == "row-3":
                record["jsonBody"].update(medication_name="by Ann", updated_by="ann", updated_by_name="Ann Person")

    local.do(edit)
    plan = summary(command, "upsert", path, *KEYED, "--dry-run", exit_code=1)
    assert (plan["altered"], plan["edited"]) == (1, 1)
    plan = summary(command, "upsert", path, *KEYED, "--dry-run", "--overwrite")
    assert (plan["altered"], plan["edited"]) == (1, 1)
    told = summary(command, "upsert", path, *KEYED, exit_code=1)
    assert (told["conflict"], told["unchanged"]) == (1, 9)
    assert "somebody else" in (folder / "in.review.csv").read_text()
    told = summary(command, "upsert", path, *KEYED, "--retry", "--overwrite")
    assert (told["updated"], told["outcome"]) == (1, "complete")


def test_a_dry_run_takes_an_author_who_is_not_known_for_somebody_else(
    command: Command, local: Local, folder: Path, patients: list[str]
) -> None:
    path = write_csv(folder / "in.csv", HEADER, rows_of(patients, range(3)))
    summary(command, "upsert", path, *KEYED)

    def edit() -> None:
        body = local.server.store.cdt_records("medication")[0]["jsonBody"]
        body.update(medication_name="by who knows", updated_by=None, updated_by_name=None)

    local.do(edit)
    plan = summary(command, "upsert", path, *KEYED, "--dry-run", exit_code=1)
    assert (plan["altered"], plan["edited"]) == (1, 1)
    assert summary(command, "upsert", path, *KEYED, exit_code=1)["conflict"] == 1


def test_of_a_patient_with_a_single_record_a_second_row_is_refused_and_no_fault_of_the_first(
    command: Command, local: Local, folder: Path, patients: list[str]
) -> None:
    path = write_csv(folder / "in.csv", HEADER, rows_of(patients[:1] * 3, range(2)))
    single = (*KEYED, "--single-record")
    told = summary(command, "upsert", path, *single, exit_code=1)
    assert (told["created"], told["failed"] + told["rejected"]) == (1, 1)
    assert "another row is of the same patient" in (folder / "in.rejects.csv").read_text()
    for words in (("upsert", path, *single, "--dry-run"), ("verify", path, *COMPARED, "--single-record")):
        found = summary(command, *words, exit_code=1)
        assert (found["present"], found["altered"], found["refused"]) == (1, 0, 1)


def test_verify_names_each_fault_and_nothing_else(
    command: Command, local: Local, folder: Path, patients: list[str]
) -> None:
    path = write_csv(folder / "in.csv", HEADER, rows_of(patients, range(80)))
    summary(command, "import", path, *KEYED)
    assert summary(command, "verify", path, *COMPARED)["all_present"]
    records = {
        each["jsonBody"]["external_id"]: each for each in local.do(lambda: local.server.store.cdt_records("medication"))
    }

    def plant() -> None:
        table = local.server.store.sections.cdts.tables["medication"]
        records["row-11"]["jsonBody"]["medication_refills"] = 99
        del table[records["row-22"]["patientId"]][records["row-22"]["id"]]

    local.do(plant)
    twice = records["row-33"]
    local.record(twice["patientId"], medication_name="M33", external_id="row-33")
    local.record(patients[0], medication_name="of another source", external_id="other-1")
    told = summary(command, "verify", path, *COMPARED, "--findings", folder / "found.ndjson", exit_code=1)
    counts = [told[name] for name in ("rows", "present", "altered", "missing", "doubled", "refused")]
    assert counts == [80, 77, 1, 1, 1, 0]
    lines = {line["key"]: line for line in read_ndjson(folder / "found.ndjson")}
    assert {key: line["status"] for key, line in lines.items()} == {
        "row-11": "altered",
        "row-22": "missing",
        "row-33": "doubled",
    }
    assert lines["row-11"]["fields"] == ["medication_refills"]
    assert len(lines["row-33"]["record_ids"]) == 2
    assert command("verify", path, *COMPARED, "--findings", folder / "found.ndjson").exit_code == 2
    text = command("verify", path, *COMPARED).stdout
    assert "nothing was written" in text
    assert "missing" in text


def test_verify_says_that_there_is_no_such_cdt(command: Command, folder: Path, patients: list[str]) -> None:
    path = write_csv(folder / "in.csv", HEADER, rows_of(patients, range(3)))
    result = command("verify", path, *(each.replace("medication", "medicine", 1) for each in COMPARED))
    assert result.exit_code == 2
    assert "the instance has no CDT medicine" in result.stderr


def test_verify_refuses_what_the_definition_does(
    command: Command, local: Local, folder: Path, patients: list[str]
) -> None:
    rows = [*rows_of(patients, range(5)), (patients[0], "M", "many", "row-5")]
    path = write_csv(folder / "in.csv", HEADER, rows)
    told = summary(command, "verify", path, *COMPARED, exit_code=1)
    assert (told["missing"], told["refused"]) == (5, 1)
    assert local.records() == []


def test_the_cost_of_looking_is_said_before_the_first_row(
    command: Command, local: Local, folder: Path, patients: list[str]
) -> None:
    ids = local.do(lambda: local.server.store.add_patients(60))
    path = write_csv(folder / "in.csv", HEADER, rows_of(ids, range(240)))
    expected = {"rows": 240, "patients": 60, "listings": 60, "afterwards": 60}
    assert summary(command, "import", path, *OPTIONS, "--dry-run")["lookups_expected"] == expected
    said = command("import", path, *OPTIONS).stderr.splitlines()[0]
    assert "240 rows of about 60 patients takes about 60 list requests" in said
    assert "0.5 for each row" in said
    again = summary(command, "import", path, *OPTIONS)  # by its journal, which knows every row
    assert again["lookups_expected"] is None
    trusting = summary(command, "import", path, *OPTIONS, "--no-journal", "--existing", "trust")
    assert trusting["lookups_expected"] is None


def test_patients_with_many_old_records_stop_the_run_before_it_sends(
    command: Command, local: Local, folder: Path, patients: list[str]
) -> None:
    add_old_records(local, patients[0], 10_200)
    path = write_csv(folder / "in.csv", HEADER, [(patients[0], "M0", 1, "row-0"), (patients[0], "M1", 1, "row-1")])
    result = command("import", path, *KEYED)
    assert result.exit_code == 2
    assert "--max-lookups" in result.output
    assert "--existing trust" in result.output
    assert "Nothing was sent" in result.output
    assert not (folder / "in.csv.medication.journal").exists()
    assert local.do(lambda: local.server.stats.operations.get("cdts.create", 0)) == 0
    told = summary(command, "import", path, *KEYED, "--max-lookups", "12")
    assert (told["created"], told["lookups_expected"]["listings"]) == (2, 21)


@pytest.mark.parametrize("ending", ["csv", "ndjson", "csv.gz"])
def test_a_file_that_has_grown_goes_on_at_its_new_rows(
    command: Command, local: Local, folder: Path, patients: list[str], ending: str
) -> None:
    path = folder / f"in.{ending}"

    def write(count: int) -> None:
        rows = rows_of(patients, range(count))
        if ending == "ndjson":
            lines = [json.dumps(dict(zip(HEADER, row, strict=True))) for row in rows]
        else:
            lines = [",".join(HEADER), *(",".join(map(str, row)) for row in rows)]
        lines.insert(5, "")  # a blank line is no row
        content = ("\n".join(lines) + "\n").encode()
        path.write_bytes(gzip.compress(content) if ending.endswith("gz") else content)

    write(30)
    local.fault(FaultKind.STATUS, status=422, operation="cdts.create", after=20, times=3)
    told = summary(command, "import", path, *OPTIONS, "--concurrency", "1", exit_code=1)
    assert (told["created"], told["rejected"]) == (27, 3)
    for count in (40, 55):
        write(count)
        told = summary(command, "import", path, *OPTIONS, "--retry")
        assert (told["created"], told["outcome"]) == (count, "complete")
        assert len(local.records()) == len(set(local.record_keys())) == count
    told = summary(command, "import", path, *OPTIONS)
    assert (told["created"], told["earlier"], len(local.records())) == (55, 55, 55)


def test_rows_that_an_earlier_version_of_the_file_left_unknown_are_found(
    command: Command, local: Local, folder: Path, patients: list[str]
) -> None:
    path = write_csv(folder / "in.csv", HEADER, rows_of(patients, range(30)))
    summary(command, "import", path, *OPTIONS)
    with contextlib.closing(sqlite3.connect(folder / "in.csv.medication.journal")) as journal:
        journal.execute("UPDATE created SET stop = 10")  # as if it had been killed
        journal.commit()
    write_csv(path, HEADER, rows_of(patients, range(40)))
    told = summary(command, "import", path, *OPTIONS)
    assert told["outcome"] == "complete"
    assert len(local.records()) == len(set(local.record_keys())) == 40


@pytest.mark.parametrize("change", ["first", "cut off", "last line goes on"])
def test_a_file_that_was_changed_otherwise_is_refused(
    command: Command, local: Local, folder: Path, patients: list[str], change: str
) -> None:
    path = write_csv(folder / "in.csv", HEADER, rows_of(patients, range(20)))
    if change == "last line goes on":
        path.write_bytes(path.read_bytes().rstrip())
    summary(command, "import", path, *OPTIONS)
    content = path.read_bytes()
    more = b"9\n%s,M99,1,row-99\n" % patients[0].encode()
    changes = {"first": content.replace(b"M0,", b"N0,") + more[2:], "cut off": content[:-40], "last": content + more}
    path.write_bytes(changes[change.partition(" l")[0]])
    result = command("import", path, *OPTIONS)
    assert result.exit_code == 2
    assert "A file that has only grown goes on by its journal" in result.stderr
    assert "--key-column" in result.stderr
    assert len(local.records()) == 20


def test_the_summary_says_what_becomes_of_made_keys_without_a_journal(
    command: Command, folder: Path, patients: list[str]
) -> None:
    path = write_csv(folder / "in.csv", HEADER, rows_of(patients, range(5)))
    assert "--key-column names the column" in command("import", path, *OPTIONS, "--no-journal").stdout
    assert "--key-column" not in command("import", path, *KEYED, "--no-journal").stdout
