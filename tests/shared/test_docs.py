"""The snippets of docs/shared.md, run in their order against a local server."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from welkin_async.sandbox import Sandbox

PROJECT = Path(__file__).parents[2]


@pytest.mark.slow
async def test_what_the_documentation_shows_can_be_done(server: Sandbox, tmp_path: Path) -> None:
    import asyncio

    page = (PROJECT / "docs" / "shared.md").read_text(encoding="utf-8")
    snippets = re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    assert len(snippets) == 3
    patients = server.store.add_patients(3)
    with (tmp_path / "medications.csv").open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["patient_id", "medication_name"])
        writer.writerows([patients[number % 3], f"Medication {number}"] for number in range(30))
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), **server.environ()}

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    await asyncio.to_thread(run, "-m", "welkin_async.cli", "shared", "init", "sqlite:///shared.db")
    printed = []
    for number, snippet in enumerate(snippets):
        # What waits a minute for what may land late waits less here.
        script = tmp_path / f"snippet_{number}.py"
        script.write_text(snippet.replace("settle=1.0", "settle=0.1"), encoding="utf-8")
        printed.append(await asyncio.to_thread(run, str(script)))
    assert printed[0].split() == patients
    assert printed[1:] == ["30 True\n", "2 True\n"]
    assert len(server.store.cdt_records("medication")) == 32
