"""The library and the command come to the same result: one pipeline, two ways to ask for it."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from welkin_async import Welkin, files
from welkin_async.sandbox import Sandbox

from .conftest import GUID, MAPPING, add_patients, bodies, medications, read_csv, write_csv

DATA = Path(os.environ.get("WELKIN_SYNTHEA") or Path(__file__).parents[3] / "shared" / "data" / "synthea")
ROOT = Path(__file__).parents[2]
# What depends on the time it took, or on where files are.
_BY_SPEED = ("pace", "slots", "share_refused")
# How many requests there are depends on how many pages the first looks at the patients take.
_VARYING = (
    "run",
    "seconds",
    "rows_per_second",
    "latency_seconds",
    "requests",
    "bytes_received",
    "files",
    "resume",
    *_BY_SPEED,
)


def environment(server: Sandbox) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WELKIN_")}
    names = ("base_url", "tenant", "instance", "api_client", "secret_key")
    return {**kept, "PYTHONPATH": str(ROOT), **{f"WELKIN_{name.upper()}": getattr(server, name) for name in names}}


async def run(server: Sandbox, *command: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, *command],
        env=environment(server),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def by_command(server: Sandbox, path: Path) -> dict[str, Any]:
    maps = [word for column, field in MAPPING.items() for word in ("--map", f"{column}={field}")]
    patient = ("--patient-column", "PATIENT", "--patient-type", "EGUID")
    command = ("-m", "welkin_async.cli", "import", str(path), "--cdt", "medication", *patient, *maps, "--json")
    return dict(json.loads((await run(server, *command)).stdout))


def comparable(summary: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in summary.items() if name not in _VARYING}


async def test_the_same_file_gives_the_same_records_counts_and_rejects(
    server: Sandbox, connect: Callable[[Sandbox], Welkin], folder: Path
) -> None:
    rows = medications(300)
    rows[7]["PATIENT"] = GUID % 9
    rows[70]["DISPENSES"] = "a few"
    rows[170]["PATIENT"] = ""
    path = write_csv(folder / "in.csv", rows)
    add_patients(server)
    summary = await by_command(server, path)
    # A server of its own, so that neither finds what the other has made.
    async with Sandbox() as other:
        add_patients(other)
        async with connect(other) as session:
            report = await files.import_records(
                session,
                path,
                cdt="medication",
                patient=files.PatientColumn("PATIENT", type="EGUID"),
                mapping=MAPPING,
                journal="lib.journal",
                rejects="lib.csv",
                review="lib.review.csv",
            )
        mine = bodies(other, keys=False)
    assert comparable(report.to_dict()) == comparable(summary)
    assert (report.done, report.rejected) == (297, 3)
    # Keys hold the place they are created in, which is another server's.
    assert mine == bodies(server, keys=False)
    theirs_rejected, mine_rejected = (
        sorted(({**row, "_key": ""} for row in read_csv(folder / name)), key=lambda row: row["_line"])
        for name in ("in.rejects.csv", "lib.csv")
    )
    assert mine_rejected == theirs_rejected
    assert {row["_line"] for row in mine_rejected} == {"9", "72", "172"}


SCRIPT = """
    import asyncio, json, sys
    from welkin_async import Welkin, files

    async def main() -> None:
        async with Welkin.from_env() as welkin:
            report = await files.import_records(
                welkin,
                sys.argv[1],
                cdt="medication",
                patient=files.PatientColumn("PATIENT", type="EGUID"),
                mapping={mapping!r},
            )
        print(json.dumps(report.to_dict()))

    asyncio.run(main())
"""


@pytest.mark.skipif(
    not (DATA / "medications.csv").is_file(), reason="no Synthea data: set WELKIN_SYNTHEA to a folder that has it"
)
async def test_medications_of_synthea_from_a_plain_script_and_from_the_command(folder: Path) -> None:
    found = []
    for way in ("script", "command"):
        async with Sandbox() as server:
            with (DATA / "patients.csv").open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    server.store.add_patient(externalGuid=row["Id"])
            path = folder / f"{way}.csv"
            path.write_bytes((DATA / "medications.csv").read_bytes())
            if way == "command":
                summary = await by_command(server, path)
            else:
                (folder / "script.py").write_text(textwrap.dedent(SCRIPT).format(mapping=MAPPING))
                done = await run(server, "-W", "error", "script.py", str(path))
                assert (done.returncode, done.stderr) == (0, "")
                summary = json.loads(done.stdout)
                assert sorted(each.name for each in folder.iterdir()) == ["script.csv", "script.py"]
            found.append((comparable(summary), bodies(server, keys=False)))
    assert found[0][0]["created"] == 663
    assert found[0] == found[1]
