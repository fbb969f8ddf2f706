"""``welkin-async shared init`` and ``welkin-async import --processes``, as commands."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from welkin_async.sandbox import Sandbox

PROJECT = Path(__file__).parents[2]


def command(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), **variables}
    return subprocess.run(
        [sys.executable, "-m", "welkin_async.cli", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_store_is_set_up_by_a_command_and_one_that_is_none_is_named(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shared.db"
    for _ in range(2):
        done = command(tmp_path, "shared", "init", url)
        assert (done.returncode, done.stdout) == (0, "the shared store is set up\n")
    assert (tmp_path / "shared.db").stat().st_mode & 0o777 == 0o600
    wrong = command(tmp_path, "shared", "init", WELKIN_SHARED="mysql://hidden-word@here/it")
    assert wrong.returncode == 2
    assert "sqlite:///path" in wrong.stderr
    assert "hidden-word" not in wrong.stderr


@pytest.mark.slow
async def test_a_file_is_imported_by_two_processes(server: Sandbox, tmp_path: Path) -> None:
    import asyncio

    pytest.importorskip("typer")
    patients = server.store.add_patients(5)
    with (tmp_path / "rows.csv").open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["patient", "medication_name"])
        writer.writerows([patients[number % 5], f"Medication {number}"] for number in range(50))
    given = ("import", "rows.csv", "--cdt", "medication", "--patient-column", "patient", "--processes", "2")
    settling = ("--settle", "0.1", "--final-settle", "0.2", "--json")
    done = await asyncio.to_thread(command, tmp_path, *given, *settling, **server.environ())
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["created"], told["complete"], told["error"]) == (50, True, None)
    assert len(server.store.cdt_records("medication")) == 50
    assert (tmp_path / "rows.csv.medication.ledger").exists()
    refused = await asyncio.to_thread(command, tmp_path, *given, "--dry-run", **server.environ())
    assert refused.returncode == 2
    assert "--dry-run does not go with --processes" in refused.stderr
