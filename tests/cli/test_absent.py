"""Records that a file no longer names: found by verify --strict, deleted by an upsert with a plan, and nothing else."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from welkin_async.sandbox import FaultKind

from .conftest import Command, Local, environment, read_ndjson, write_csv, write_ndjson
from .test_existing import HEADER, KEYED, rows_of, summary

SPACED = (*KEYED, "--key-space", "src")
STRICT = ("--strict", *SPACED[:-8], "--key-column", "row", "--key-space", "src")


@pytest.fixture
def patients(local: Local) -> list[str]:
    return [local.patient() for _ in range(3)]


@pytest.fixture
def file(command: Command, local: Local, folder: Path, patients: list[str]) -> Path:
    """A file of 24 rows, of 30 that were there before; with records of others beside them."""
    path = write_csv(folder / "in.csv", HEADER, rows_of(patients, range(30)))
    assert summary(command, "upsert", path, *SPACED, "--no-journal")["created"] == 30
    for key in ("other/row-1", "plain", "srcx/row-2", "src"):
        local.record(patients[0], medication_name="of others", external_id=key)
    local.record(local.patient(), medication_name="of a patient not named", external_id="src/row-99")
    return write_csv(path, HEADER, rows_of(patients, range(24)))


def held(local: Local) -> set[str]:
    return set(local.record_keys())


def planned(command: Command, file: Path) -> Path:
    plan = file.with_name("plan.ndjson")
    plan.unlink(missing_ok=True)
    told = summary(
        command, "upsert", file, *SPACED, "--no-journal", "--dry-run", "--delete-absent", "--plan-file", plan
    )
    assert told["unexpected"] == 6
    return plan


def deletion(plan: Path, most: int = 10) -> tuple[object, ...]:
    return (*SPACED, "--no-journal", "--delete-absent", "--plan", plan, "--max-deletes", most)


def test_what_the_file_no_longer_names_is_deleted_as_planned(command: Command, local: Local, file: Path) -> None:
    before = held(local)
    plan = planned(command, file)
    lines = read_ndjson(plan)
    assert sorted(line["key"] for line in lines) == [f"row-{n}" for n in range(24, 30)]
    assert {line["status"] for line in lines} == {"delete"}
    assert held(local) == before
    told = summary(command, "upsert", file, *deletion(plan))
    assert (told["unchanged"], told["absent"]["deleted"], told["outcome"]) == (24, 6, "complete")
    assert before - held(local) == {f"src/row-{n}" for n in range(24, 30)}
    again = summary(command, "upsert", file, *deletion(plan))
    assert (again["absent"]["deleted"], again["absent"]["kept"]) == (0, 6)


@pytest.mark.parametrize("cell", ["NULL", ""])
def test_a_row_without_a_key_withholds_every_deletion(command: Command, local: Local, file: Path, cell: str) -> None:
    plan, before = planned(command, file), held(local)
    lines = file.read_text().splitlines()
    key = HEADER.index("row")
    file.write_text(
        "\n".join([*lines[:-1], ",".join([*lines[-1].split(",")[:key], cell, *lines[-1].split(",")[key + 1 :]])]) + "\n"
    )
    told = summary(command, "upsert", file, *deletion(plan), "--null", "NULL", exit_code=1)
    assert (told["rejected"], told["absent"]["deleted"]) == (1, 0)
    assert "nothing was deleted" in told["absent"]["withheld"]
    assert held(local) == before


def test_a_key_that_is_no_text_withholds_every_deletion(
    command: Command, local: Local, file: Path, folder: Path
) -> None:
    plan, before = planned(command, file), held(local)
    keys = [dict(zip(HEADER, line.split(","), strict=True)) for line in file.read_text().splitlines()[1:]]
    path = write_ndjson(folder / "in.ndjson", [*keys[:-1], {**keys[-1], "row": [1]}])
    told = summary(command, "upsert", path, *deletion(plan), exit_code=1)
    assert (told["rejected"], told["absent"]["deleted"]) == (1, 0)
    assert held(local) == before


@pytest.mark.parametrize("how", ["prefix", "map"])
def test_verify_finds_patients_as_their_rows_name_them(
    command: Command, local: Local, file: Path, folder: Path, how: str
) -> None:
    options = list(STRICT)
    column = options.index("--patient-column") + 1
    text = file.read_text()
    patients = sorted({line.split(",")[HEADER.index(options[column])] for line in text.splitlines()[1:]})
    if how == "prefix":
        for patient in patients:
            text = text.replace(patient, f"Patient/{patient}")
        options[column] += ":strip(Patient/)"
    else:
        for number, patient in enumerate(patients):
            text = text.replace(patient, f"ours-{number}")
        map_ = write_csv(
            folder / "map.csv", ("ours", "theirs"), [(f"ours-{n}", each) for n, each in enumerate(patients)]
        )
        options += ["--patient-map", str(map_)]
    file.write_text(text)
    told = summary(command, "verify", file, *options, exit_code=1)
    assert (told["present"], told["unexpected"]) == (24, 6)


def test_verify_names_what_is_not_in_the_file(command: Command, local: Local, file: Path, folder: Path) -> None:
    found = folder / "found.ndjson"
    told = summary(command, "verify", file, *STRICT, "--findings", found, exit_code=1)
    assert (told["present"], told["unexpected"], told["missing"], told["all_present"]) == (24, 6, 0, False)
    assert {line["status"] for line in read_ndjson(found)} == {"unexpected"}
    assert "6  there, and not in the file" in command("verify", file, *STRICT).stdout
    assert summary(command, "verify", file, *(each for each in STRICT if each != "--strict"))["all_present"]


def test_more_than_may_be_deleted_stops_it_before_anything_is_sent(command: Command, local: Local, file: Path) -> None:
    plan, before = planned(command, file), held(local)
    sent = local.do(lambda: local.server.stats.operations["cdts.list"])
    result = command("upsert", file, *deletion(plan, 5))
    assert result.exit_code == 2
    assert "--max-deletes" in result.stderr
    assert (held(local), local.do(lambda: local.server.stats.operations["cdts.list"])) == (before, sent)


def test_what_was_changed_since_the_plan_stays_and_what_the_plan_does_not_name(
    command: Command, local: Local, file: Path, patients: list[str]
) -> None:
    plan = planned(command, file)

    def edit() -> None:
        for record in local.server.store.cdt_records("medication"):
            if record["jsonBody"]["external_id"] == "src/row-24":
                record["jsonBody"]["updated_at"] = "2031-01-01T00:00:00.000Z"

    local.do(edit)
    local.record(patients[0], medication_name="later", external_id="src/row-77")
    write_csv(file, HEADER, rows_of(patients, range(26)))  # 24 and 25 are back
    local_keys = held(local)
    told = summary(command, "upsert", file, *deletion(plan), "--overwrite")
    assert (told["absent"]["deleted"], told["absent"]["kept"]) == (4, 2)
    assert local_keys - held(local) == {f"src/row-{n}" for n in range(26, 30)}
    write_csv(file, HEADER, rows_of(patients, range(24)))
    told = summary(command, "upsert", file, *deletion(plan))
    assert (told["absent"]["deleted"], told["absent"]["changed"]) == (1, 1)
    assert {"src/row-24", "src/row-77"} <= held(local)


def nameless(rows: list[tuple[Any, ...]]) -> None:
    rows.append(("", "M", 1, "row-50"))


def keyless(rows: list[tuple[Any, ...]]) -> None:
    rows.append((rows[0][0], "M", 1, ""))


@pytest.mark.parametrize("spoil", [nameless, keyless])
def test_a_row_without_key_or_patient_keeps_everything(
    command: Command,
    local: Local,
    file: Path,
    patients: list[str],
    spoil: Callable[[list[tuple[Any, ...]]], None],
) -> None:
    plan, rows = planned(command, file), rows_of(patients, range(24))
    spoil(rows)
    write_csv(file, HEADER, rows)
    before = held(local)
    told = summary(command, "upsert", file, *deletion(plan), exit_code=1)
    assert "nothing was deleted" in told["absent"]["withheld"]
    assert told["outcome"] == "incomplete"
    assert held(local) >= before


def test_a_refused_row_counts_as_there(command: Command, local: Local, file: Path, patients: list[str]) -> None:
    plan = planned(command, file)
    write_csv(file, HEADER, [*rows_of(patients, range(24)), (patients[0], "M24", "many", "row-24")])
    told = summary(command, "upsert", file, *deletion(plan), exit_code=1)
    assert (told["rejected"], told["absent"]["deleted"]) == (1, 5)
    assert "src/row-24" in held(local)


@pytest.mark.parametrize(("refills", "deleted"), [("many", 0), ("7", 1)])
def test_a_row_that_went_over_to_another_patient_keeps_its_record_until_there_is_another(
    command: Command, local: Local, file: Path, patients: list[str], refills: str, deleted: int
) -> None:
    rows = rows_of(patients, range(30))
    patient = next(row[0] for row in rows if row[-1] == "row-24")
    other = next(each for each in patients if each != patient)
    write_csv(file, HEADER, [row if row[-1] != "row-24" else (other, "M24", refills, "row-24") for row in rows])
    plan = file.with_name("plan.ndjson")
    compared = ("--dry-run", "--delete-absent", "--plan-file", plan, "--json")
    command("upsert", file, *SPACED, "--no-journal", *compared)
    assert [line["key"] for line in read_ndjson(plan) if line["status"] == "delete"] == ["row-24"]
    told = summary(command, "upsert", file, *deletion(plan), exit_code=1 - deleted)
    assert (told["absent"]["deleted"], told["absent"]["kept"]) == (deleted, 1 - deleted)
    assert local.record_keys().count("src/row-24") == 1


def test_a_key_that_differs_in_case_alone_is_unexpected_and_is_not_deleted(
    command: Command, local: Local, file: Path, folder: Path, patients: list[str]
) -> None:
    plan = planned(command, file)
    named = next(row for row in rows_of(patients, range(24)) if row[-1] == "row-5")
    local.record(str(named[0]), medication_name="M5", external_id="src/ROW-5")
    plan.unlink()
    planned(command, file)  # six, as before
    told = summary(command, "verify", file, *STRICT, "--findings", folder / "found.ndjson", exit_code=1)
    assert (told["present"], told["unexpected"]) == (24, 7)
    assert "ROW-5" in {line["key"] for line in read_ndjson(folder / "found.ndjson")}


def test_two_files_do_not_call_each_others_records_unexpected(
    command: Command, local: Local, file: Path, folder: Path, patients: list[str]
) -> None:
    other = write_csv(folder / "other.csv", HEADER, rows_of(patients, range(24, 30)))
    result = command("verify", file, other, *STRICT)
    assert result.exit_code == 2
    assert "--strict goes with a single file" in result.stderr
    result = command("upsert", file, other, *SPACED, "--no-journal", "--dry-run", "--delete-absent")
    assert result.exit_code == 2
    assert "--delete-absent goes with a single file" in result.stderr


def test_a_run_that_does_not_come_to_its_end_deletes_nothing(command: Command, local: Local, file: Path) -> None:
    plan = planned(command, file)
    content = file.read_text().replace("M3,", "N3,")
    file.write_text(content)
    local.fault(FaultKind.STATUS, status=422, operation="cdts.update", times=None)
    told = summary(command, "upsert", file, *deletion(plan), "--max-failures", "0", exit_code=1)
    assert "absent" not in told
    assert {f"src/row-{n}" for n in range(24, 30)} <= held(local)


def test_deletions_that_fail_are_counted(command: Command, local: Local, file: Path) -> None:
    plan = planned(command, file)
    local.fault(FaultKind.STATUS, status=403, operation="cdts.delete", times=2)
    told = summary(command, "upsert", file, *deletion(plan), exit_code=1)
    assert (told["absent"]["deleted"], told["absent"]["failed"], told["outcome"]) == (4, 2, "incomplete")


def test_deletions_that_were_made_before_an_interrupt_are_told(command: Command, local: Local, file: Path) -> None:
    plan = planned(command, file)
    local.fault(FaultKind.STALL_AFTER, operation="cdts.delete", after=2, delay=20.0, times=None)
    arguments = ["upsert", str(file), *map(str, deletion(plan)), "--concurrency", "1", "--json"]
    program = [sys.executable, "-m", "welkin_async.cli", *arguments]
    with subprocess.Popen(program, env=environment(local.env), stdout=subprocess.PIPE, text=True) as run:
        deadline = time.monotonic() + 60
        while local.do(lambda: local.server.stats.performed["cdts.delete"]) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        run.send_signal(signal.SIGINT)
        out, _ = run.communicate(timeout=20)
    told = json.loads(out)["absent"]
    assert (run.returncode, told["deleted"], told["failed"], told["kept"]) == (130, 2, 1, 3)
    assert told["under_way"]


def test_what_is_edited_after_its_patient_was_listed_stays(local: Local, file: Path, command: Command) -> None:
    plan = planned(command, file)
    local.fault(FaultKind.STATUS, status=429, operation="cdts.delete", retry_after=1)

    def edit() -> None:
        """Edit every record of the plan once the first deletion was refused."""
        while not local.do(lambda: local.server.stats.operations["cdts.delete"]):
            time.sleep(0.005)
        local.do(edited)

    def edited() -> None:
        ids = {line["record_ids"][0] for line in read_ndjson(plan)}
        for record in local.server.store.cdt_records("medication"):
            if record["id"] in ids:
                record["jsonBody"] |= {"medication_name": "by a person", "updated_at": "2030-01-01T00:00:00.000Z"}

    person = threading.Thread(target=edit)
    person.start()
    told = summary(command, "upsert", file, *deletion(plan), "--concurrency", "1")
    person.join()
    assert (told["absent"]["deleted"], told["absent"]["changed"]) == (0, 6)


@pytest.mark.parametrize(
    "options",
    [
        (*KEYED, "--delete-absent", "--plan", "plan.ndjson", "--max-deletes", "9"),  # no key space
        (*SPACED, "--delete-absent", "--plan", "plan.ndjson"),  # no bound
        (*SPACED, "--delete-absent", "--max-deletes", "9"),  # no plan
        (*SPACED, "--delete-absent", "--plan", "plan.ndjson", "--max-deletes", "9", "--limit", "3"),
        (*SPACED, "--delete-absent", "--plan", "in.csv", "--max-deletes", "9"),  # no plan either
        (*SPACED, "--delete-absent", "--plan", "plan.ndjson", "--max-deletes", "9", "--map", "row=external_id"),
    ],
)
def test_options_that_do_not_go_together_send_nothing(
    command: Command, local: Local, file: Path, options: tuple[str, ...]
) -> None:
    planned(command, file)
    before = local.do(lambda: local.server.stats.operations["cdts.list"])
    result = command("upsert", file, *options, "--no-journal")
    assert result.exit_code == 2, result.output
    assert local.do(lambda: local.server.stats.operations["cdts.list"]) == before
    assert json.dumps(sorted(held(local))).count("src/row") == 31
