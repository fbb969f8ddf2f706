"""Frames of 100 000 rows, imported by MRN: seconds, and memory beyond the frame itself.

``python -m benchmarks.frames`` makes a frame of each library in a process of its own and imports it into a local server
in another; the peak is the kernel's, of the time from the first row to the last.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.memory import memory
from welkin_async import Welkin, files
from welkin_async.sandbox import SandboxProcess

KINDS = ("polars", "pandas", "table")
MAPPING = {
    "name": "medication_name",
    "since": "medication_start_date",
    "refills": "medication_refills",
    "as_needed": "medication_as_needed",
    "dose": "medication_dose",
    "code": "code",
}


def frame_of(kind: str, rows: int, patients: int) -> Any:
    """Return a frame; that of pandas has NaT, NaN, objects of several types, categories, nullable and numpy types."""
    if kind == "pandas":
        numpy: Any = importlib.import_module("numpy")
        pandas: Any = importlib.import_module("pandas")
        numbers = numpy.arange(rows)
        since = pandas.Series(pandas.Timestamp("2024-01-01", tz="UTC") + pandas.to_timedelta(numbers % 365, unit="D"))
        return pandas.DataFrame(
            {
                "mrn": pandas.Categorical([f"M-{each % patients}" for each in range(rows)]),
                "name": [f"Drug {each}" for each in range(rows)],
                "since": since.where(numbers % 5 != 0),
                "refills": pandas.Series(numbers % 4).where(numbers % 7 != 0),  # floats, with NaN
                "as_needed": pandas.array(numbers % 2 == 0, dtype="boolean"),
                "dose": [numpy.int64(each) if each % 3 else "as told" for each in range(rows)],
                "code": pandas.array(numbers, dtype="Int64"),
                "unused": numbers * 1.5,
            }
        )
    polars: Any = importlib.import_module("polars")
    number = polars.col("number")
    frame = polars.DataFrame({"number": range(rows)}).select(
        mrn=polars.format("M-{}", number % patients),
        name=polars.format("Drug {}", number),
        since=polars.datetime(2024, 1, 1, time_zone="UTC") + polars.duration(days=number % 365),
        refills=polars.when(number % 7 != 0).then(number % 4),
        as_needed=number % 2 == 0,
        dose=polars.lit("1 mg"),
        code=number,
        unused=number * 1.5,
    )
    return frame if kind == "polars" else frame.to_arrow()


async def measured(kind: str, rows: int, patients: int) -> None:
    """Import a frame, and print what it took."""
    patient = files.PatientColumn("mrn", type="MRN")
    async with Welkin.from_env() as welkin:

        async def run(frame: Any, **more: Any) -> files.FileReport:
            return await files.import_records(
                welkin, frame, cdt="medication", patient=patient, mapping=MAPPING, concurrency=64, **more
            )

        await run(frame_of(kind, 2000, patients), dry_run=True, check_patients=True)
        before = memory("VmRSS")
        frame = frame_of(kind, rows, patients)
        gc.collect()
        held = memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        began = time.perf_counter()
        report = await run(frame)
        seconds = time.perf_counter() - began
        beyond = memory("VmHWM") - held
    report.raise_for_outcome()
    assert report.done == rows
    print(
        f"{kind:7}  {rows:,} rows  {seconds:6.1f} s  {rows / seconds:6,.0f}/s  "
        f"frame {(held - before) / 1e6:5.1f} MB  beyond it {beyond / 1e6:5.1f} MB"
    )


async def main(rows: int, patients: int) -> None:
    """Run each kind against a server of its own."""
    for kind in KINDS:
        async with SandboxProcess() as server:
            names = ("base_url", "tenant", "instance", "api_client", "secret_key")
            settings = {name: getattr(server, name) for name in names}
            async with Welkin(**settings) as welkin:
                for number in range(patients):
                    await welkin.patients.create(first_name="A", last_name="B", mrn=f"M-{number}")
            command = [sys.executable, "-m", __spec__.name, "--kind", kind, "--rows", str(rows)]
            command += ["--patients", str(patients)]
            env = {f"WELKIN_{name.upper()}": value for name, value in settings.items()}
            await asyncio.to_thread(subprocess.run, command, env={**os.environ, **env}, check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--patients", type=int, default=1_000)
    parser.add_argument("--kind", choices=KINDS, help="in this process, against the server of the environment")
    given = parser.parse_args()
    if given.kind is None:
        asyncio.run(main(given.rows, given.patients))
    else:
        asyncio.run(measured(given.kind, given.rows, given.patients))
