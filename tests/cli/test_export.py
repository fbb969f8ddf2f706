"""The command that exports: whole files, gone on with after any kind of end."""

from __future__ import annotations

import json
import re
import shlex
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from welkin_async.cli.app import app
from welkin_async.sandbox import FaultKind

from .conftest import Command, Local, environment, read_ndjson
from .test_commands import STRICT

GUID = "00000000-0000-4000-8000-00000000000%d"
NOBODY = GUID % 9


def filled(local: Local, patients: int = 3, each: int = 40) -> list[str]:
    """Patients with records of two CDTs; the ids of the patients."""
    made = [local.patient() for _ in range(patients)]
    for id in made:
        for cdt, count in (("medication", each), ("vitals", 2)):
            for number in range(count):
                local.record(id, cdt, medication_name=f"n{number}")
    return made


def held(local: Local, cdt: str = "medication", *patients: str) -> list[str]:
    """The ids of the records on the server."""
    found = local.do(lambda: [dict(each) for each in local.server.store.cdt_records(cdt)])
    return sorted(each["id"] for each in found if not patients or each["patientId"] in patients)


def ids(path: Path) -> list[str]:
    return sorted(each["id"] for each in read_ndjson(path))


def test_a_cdt_of_all_patients_by_the_export_and_patient_by_patient(
    command: Command, local: Local, folder: Path
) -> None:
    filled(local)
    result = command("export", "all.ndjson", "--cdt", "medication", "--page-size", "50")
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    assert re.search(r"^records +120$", result.stdout, re.MULTILINE)
    assert ids(folder / "all.ndjson") == held(local)
    assert stat.S_IMODE((folder / "all.ndjson").stat().st_mode) == 0o600
    asked = local.server.stats.operations["exports.list"]
    result = command("export", "each.jsonl", "--cdt", "medication", "--all-patients", "--json")
    assert result.exit_code == 0, result.output
    assert ids(folder / "each.jsonl") == held(local)
    assert local.server.stats.operations["exports.list"] == asked
    summary = json.loads(result.stdout)
    assert (summary["complete"], summary["records"], summary["pages"], summary["reads"]) == (True, 120, 3, 3)
    assert (summary["error"], summary["resume"], summary["cursor"]) == (None, None, None)
    assert summary["bytes"] == (folder / "each.jsonl").stat().st_size
    assert sorted(each.name for each in folder.iterdir()) == ["all.ndjson", "each.jsonl"]


def test_a_cdt_of_some_patients(command: Command, local: Local, folder: Path) -> None:
    filled(local, 2)
    mine = [local.patient(externalGuid=GUID % number) for number in range(2)]
    for id in mine:
        local.record(id, medication_name="x")
    options = ("--cdt", "medication", "--patient-type", "EGUID")
    result = command("export", "a.ndjson", *options, "--patient", GUID % 1, "--patient", GUID % 0)
    assert result.exit_code == 0, result.output
    assert [each["patientId"] for each in read_ndjson(folder / "a.ndjson")] == mine[::-1]
    result = command("export", "b.ndjson", *options, "--patient", GUID % 1, "--patient", NOBODY)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "welkin-async: --patient, the one given as number 2: no patient has this EGUID\n"
    assert not (folder / "b.ndjson").exists()


def test_a_resource_as_parquet_and_what_comes_later(command: Command, local: Local, folder: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    patients = filled(local, 5, 0)
    result = command("export", "patients.parquet", "--resource", "PATIENT")
    assert result.exit_code == 0, result.output
    assert sorted(parquet.read_table(folder / "patients.parquet")["id"].to_pylist()) == sorted(patients)
    cursor = shlex.split(result.stdout.splitlines()[-1])
    assert cursor[0] == "--start"
    later = local.patient()
    result = command("export", "later.ndjson", "--resource", "PATIENT", *cursor)
    assert result.exit_code == 0, result.output
    assert later in ids(folder / "later.ndjson")
    assert len(ids(folder / "later.ndjson")) == 2  # where an export begins is inclusive


def start(local: Local, *arguments: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*STRICT, "export", *arguments], env=environment(local.env), stdout=pipe, stderr=pipe, text=True
    )


def wait_for(local: Local, operation: str, count: int) -> None:
    deadline = time.monotonic() + 60
    while local.server.stats.operations[operation] < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("how", [(), ("--all-patients",)])
@pytest.mark.parametrize("ending", ["ndjson", "parquet"])
def test_ctrl_c_keeps_what_was_read_and_prints_how_to_go_on(
    local: Local, folder: Path, how: tuple[str, ...], ending: str
) -> None:
    filled(local, 40, 10)
    local.server.latency = 0.05
    operation = "cdts.list" if how else "exports.list"
    arguments = (f"out.{ending}", "--cdt", "medication", *how, "--page-size", "10", "--concurrency", "2")
    with start(local, *arguments) as process:
        wait_for(local, operation, 10)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "so far" in out
    assert not (folder / f"out.{ending}").exists()
    local.server.latency = 0.0
    resume = shlex.split(err.splitlines()[-1])
    assert resume == ["welkin-async", "export", *arguments]
    done = CliRunner().invoke(app, [*resume[1:], "--json"], env=local.env)
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    assert (summary["records"], summary["resumed"]) == (400, True)
    assert summary["reads"] < summary["pages"]
    if ending == "ndjson":
        found = ids(folder / "out.ndjson")
    else:
        found = sorted(pytest.importorskip("pyarrow.parquet").read_table(folder / "out.parquet")["id"].to_pylist())
    assert found == held(local)
    assert [each.name for each in folder.iterdir()] == [f"out.{ending}"]


@pytest.mark.parametrize("how", [(), ("--all-patients",)])
def test_an_export_that_was_killed_goes_on(command: Command, local: Local, folder: Path, how: tuple[str, ...]) -> None:
    filled(local, 40, 10)
    local.server.latency = 0.1
    arguments = ("out.ndjson", "--cdt", "medication", *how, "--page-size", "10", "--concurrency", "2")
    with start(local, *arguments) as process:
        wait_for(local, "cdts.list" if how else "exports.list", 28 if how else 10)
        process.kill()
        process.communicate(timeout=10)
    assert process.returncode == -signal.SIGKILL
    local.server.latency = 0.0
    result = command("export", *arguments, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["resumed"] is True
    assert ids(folder / "out.ndjson") == held(local)
    assert [each.name for each in folder.iterdir()] == ["out.ndjson"]


def test_an_error_in_the_middle_says_how_to_go_on(command: Command, local: Local, folder: Path) -> None:
    filled(local)
    local.fault(FaultKind.STATUS, operation="exports.list", status=400, after=3, times=2)
    options = ("--cdt", "medication", "--page-size", "20")
    result = command("export", "out.ndjson", *options, "--json")
    assert result.exit_code == 1
    summary = json.loads(result.stdout)
    assert summary["complete"] is False
    assert 0 < summary["records"] < 120
    assert summary["error"] in result.stderr
    assert result.stderr.splitlines()[-1].strip() == summary["resume"]
    other = command("export", "out.ndjson", "--cdt", "vitals", "--page-size", "20")
    assert other.exit_code == 2
    assert "something else" in other.stderr
    assert "--restart" in other.stderr
    result = CliRunner().invoke(app, shlex.split(summary["resume"])[1:], env=local.env)
    assert result.exit_code == 0, result.output
    assert ids(folder / "out.ndjson") == held(local)


def test_a_server_that_contradicts_itself_costs_nothing_that_was_read(
    command: Command, local: Local, folder: Path
) -> None:
    filled(local, 1, 3)
    answer = {"data": [{"id": "a", "cdtName": "medication"}], "cursor": {"end": "x", "hasNext": True}}
    for _ in range(2):
        local.fault(FaultKind.STATUS, operation="exports.list", status=200, body=json.dumps(answer).encode())
    result = command("export", "out.ndjson", "--resource", "CDT_RECORD", "--json")
    assert result.exit_code == 1
    assert "does not move" in json.loads(result.stdout)["error"]
    assert (folder / "out.ndjson.part").exists()


def test_one_command_writes_an_export(command: Command, local: Local, folder: Path) -> None:
    filled(local, 2, 20)
    local.server.latency = 0.2
    with start(local, "out.ndjson", "--cdt", "medication", "--page-size", "2") as process:
        wait_for(local, "exports.list", 2)
        result = command("export", "out.ndjson", "--cdt", "medication", "--page-size", "2")
        process.kill()
        process.communicate(timeout=10)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"process {process.pid} is writing this export" in result.stderr


def test_a_file_is_replaced_only_when_asked(command: Command, local: Local, folder: Path) -> None:
    filled(local, 1, 3)
    (folder / "out.ndjson").write_text("mine\n")
    result = command("export", "out.ndjson", "--cdt", "medication")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--restart" in result.stderr
    assert (folder / "out.ndjson").read_text() == "mine\n"
    assert command("export", "out.ndjson", "--cdt", "medication", "--restart").exit_code == 0
    assert ids(folder / "out.ndjson") == held(local)


def test_progress_is_shown_on_stderr(command: Command, local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("welkin_async.cli.progress._LINE_EVERY", 0.1)
    filled(local)
    local.server.latency = 0.1
    result = command("export", "out.ndjson", "--cdt", "medication", "--page-size", "20")
    assert result.exit_code == 0
    line = r"\d+ records  \d+/s  \d+ pages  [\d.]+ k?B  \d+ of \d+ in flight"
    assert re.fullmatch(line, result.stderr.splitlines()[-1]), result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("out.ndjson",), "either --cdt or --resource"),
        (("out.ndjson", "--cdt", "medication", "--resource", "PATIENT"), "either --cdt or --resource"),
        (("out.xlsx", "--cdt", "medication"), "is to end in"),
        (("no/out.ndjson", "--cdt", "medication"), "not a folder"),
        (("out.ndjson", "--cdt", "nothing"), "no CDT nothing"),
        (("out.ndjson", "--resource", "NOTHING"), "no export NOTHING"),
        (("out.ndjson", "--resource", "PATIENT", "--patient", "x"), "go with --cdt"),
        (("out.ndjson", "--cdt", "medication", "--patient", "x", "--all-patients"), "exclude each other"),
        (("out.ndjson", "--cdt", "medication", "--start", "x"), "goes with --resource"),
        (("out.ndjson", "--cdt", "medication", "--page-size", "0"), "--page-size"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_read(
    command: Command, folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    result = command("export", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert not (folder / "out.ndjson").exists()


def test_credentials_that_are_refused(command: Command, local: Local) -> None:
    wrong = {"WELKIN_SECRET_KEY": "another"}  # pragma: allowlist secret
    result = command("export", "out.ndjson", "--cdt", "medication", **wrong)
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
