"""The command that creates patients: each there once, whatever happened to the runs before."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from welkin_async.sandbox import FaultKind

from .conftest import Command, Local, environment, read_csv, read_ndjson, write_csv, write_ndjson
from .test_commands import STRICT

HEADER = ("firstName", "lastName", "birthDate", "mrn")
QUICK = ("--settle", "0.3", "--final-settle", "0.3")
GUID = "00000000-0000-4000-8000-00000000000%d"


def patients(local: Local) -> list[dict[str, Any]]:
    return list(local.do(lambda: [dict(each) for each in local.server.store.patients.values()]))


def some(folder: Path, count: int) -> Path:
    return write_csv(folder / "in.csv", HEADER, [(f"F{n}", "L", "1990-02-03", f"m{n}") for n in range(count)])


def test_each_row_becomes_a_patient_once(command: Command, local: Local, folder: Path) -> None:
    path = some(folder, 30)
    for _ in range(2):
        result = command("import-patients", path, "--json", "--results", "all.ndjson")
        assert (result.exit_code, result.stderr) == (0, ""), result.output
    summary = json.loads(result.stdout)
    assert (summary["created"], summary["earlier"], summary["cdt"]) == (30, 30, None)
    held = patients(local)
    assert len(held) == 30
    assert {each["birthDate"] for each in held} == {"1990-02-03T00:00:00.000Z"}
    assert {each["mrn"] for each in held} == {f"m{n}" for n in range(30)}
    assert all(UUID(each["externalGuid"]).version == 5 for each in held)
    results = {(row["_record_id"], row["_key"]) for row in read_ndjson(folder / "all.ndjson")}
    assert results == {(each["id"], each["externalGuid"]) for each in held}
    assert (folder / "in.csv.patients.journal").exists()


def test_keys_from_a_column_or_of_the_rows_themselves(command: Command, local: Local, folder: Path) -> None:
    rows = [("A", "B", "", "m1"), ("C", "D", "", "m2"), ("E", "F", "", "m1"), ("G", "H", "", "")]
    path = write_csv(folder / "in.csv", HEADER, rows)
    maps = ("--map", "firstName=firstName", "--map", "lastName=lastName", "--map", "mrn=mrn")
    result = command("import-patients", path, *maps, "--key-column", "mrn")
    assert result.exit_code == 1
    assert {row["_line"]: row["_reason"] for row in read_csv(folder / "in.rejects.csv")} == {
        "4": "another row before it has the same key",
        "5": "the key is missing",
    }
    assert [each["mrn"] for each in patients(local)] == ["m1", "m2"]
    own = [
        {"firstName": "I", "lastName": "J", "externalGuid": GUID % 1, "careTeam": [{"id": GUID % 9}]},
        {"firstName": "K", "lastName": "L", "externalGuid": "17"},
        {"firstName": "M", "lastName": "N", "externalGuid": (GUID % 1).upper()},
    ]
    result = command("import-patients", write_ndjson(folder / "own.ndjson", own))
    assert result.exit_code == 1
    reasons = {row["firstName"]: row["_reason"] for row in read_ndjson(folder / "own.rejects.ndjson")}
    assert "externalGuid" in reasons["K"]
    assert "same key" in reasons["M"]
    assert [each["firstName"] for each in patients(local)] == ["A", "C", "I"]
    assert patients(local)[-1]["externalGuid"] == GUID % 1


def test_bad_rows_are_refused_alone_and_can_be_mended(command: Command, local: Local, folder: Path) -> None:
    rows = [("Zebulon", "", "", ""), ("Ann", "Lee", "3.2.1990", ""), ("Bo", "Kim", "", "")]
    path = write_csv(folder / "in.csv", HEADER, rows)
    dry = command("import-patients", path, "--dry-run")
    assert dry.exit_code == 1
    assert "line 3: column birthDate: expected a date" in dry.stdout
    assert patients(local) == []
    result = command("import-patients", path)
    assert result.exit_code == 1
    assert "Zebulon" not in result.output
    rejects = read_csv(folder / "in.rejects.csv")
    assert [row["_line"] for row in rejects] == ["2", "3"]
    assert "lastName: expected a value" in rejects[0]["_reason"]
    rejects[0]["lastName"], rejects[1]["birthDate"] = "Quackenbush", "1990-02-03"
    mended = write_csv(folder / "mended.csv", list(rejects[0]), [list(row.values()) for row in rejects])
    for _ in range(2):
        assert command("import-patients", mended).exit_code == 0
    assert sorted(each["firstName"] for each in patients(local)) == ["Ann", "Bo", "Zebulon"]
    # What was created since is found, by whichever copy of the reject file it is imported again.
    again = command("import-patients", mended.rename(folder / "copy.csv"), "--existing", "trust", "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout)["unchanged"] == 2
    assert len(patients(local)) == 3


def test_an_unknown_outcome_is_looked_up(command: Command, local: Local, folder: Path) -> None:
    for kind, after in ((FaultKind.RESET_AFTER, 10), (FaultKind.RESET_BEFORE, 20)):
        local.fault(kind, operation="patients.create", times=3, after=after)
    result = command("import-patients", some(folder, 60), *QUICK, "--json")
    # A look-up shows one patient of a key, so whether one that was sent again is there twice cannot be told.
    assert result.exit_code == 1, result.output
    summary = json.loads(result.stdout)
    assert (summary["created"], summary["adopted"], summary["retried"], summary["creates"]) == (60, 3, 3, 63)
    assert (summary["unknown"], summary["doubled"], summary["unswept"], summary["complete"]) == (0, 0, 3, False)
    assert len({each["externalGuid"] for each in patients(local)}) == len(patients(local)) == 60


@pytest.mark.slow
@pytest.mark.parametrize("after", [3, 40])
def test_an_import_that_was_killed_goes_on_and_doubles_nobody(
    command: Command, local: Local, folder: Path, after: int
) -> None:
    path = some(folder, 400)
    local.server.latency = 0.05
    run = [*STRICT, "import-patients", str(path), "--concurrency", "8"]
    pipe = subprocess.PIPE
    with subprocess.Popen(run, env=environment(local.env), stdout=pipe, stderr=pipe, text=True) as process:
        deadline = time.monotonic() + 60
        while local.server.stats.operations["patients.create"] < after:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
        process.communicate(timeout=10)
    assert process.returncode == -signal.SIGKILL
    local.server.latency = 0.0
    assert 0 < len(patients(local)) < 400
    result = command("import-patients", path, *QUICK, "--results", "all.ndjson", "--json")
    # What the killed run may have sent was looked for and sent. A look-up shows one patient of a key, so whether one of
    # them is there twice cannot be told.
    assert result.exit_code == 1, result.output
    summary = json.loads(result.stdout)
    assert (summary["created"], summary["unknown"], summary["doubled"], summary["complete"]) == (400, 0, 0, False)
    assert 0 < summary["unswept"] < 60 < summary["creates"]  # those that may have been on the wire, not all
    held = patients(local)
    assert len(held) == len({each["externalGuid"] for each in held}) == len({each["mrn"] for each in held}) == 400
    assert len({row["_line"] for row in read_ndjson(folder / "all.ndjson")}) == 400


@pytest.mark.parametrize(
    ("header", "options", "said"),
    [
        (("firstName", "lastName", "firstname"), (), "a patient has no field firstname"),
        (("firstName", "lastName", "id"), (), "cannot be written"),
        (("firstName", "lastName", "careTeam"), (), "holds several values"),
        (HEADER, ("--key-column", "nothing"), "no such column"),
        (HEADER, ("--map", "mrn"), "--map takes"),
        (HEADER, ("--timezone", "Vienna"), "--timezone takes"),
        (HEADER, ("--retry", "--restart"), "exclude each other"),
        (HEADER, ("--no-journal", "--resume"), "--no-journal goes with none"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_sent(
    command: Command, local: Local, folder: Path, header: tuple[str, ...], options: tuple[str, ...], said: str
) -> None:
    path = write_csv(folder / "in.csv", header, [["x"] * len(header)])
    result = command("import-patients", path, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert patients(local) == []
