"""``python -m benchmarks.sizing [URL...]``: what an import by chunks costs, in calls of the store, listings and memory.

The URLs are those of shared stores; a SQLite file of its own where none is given. Each part runs in a process of its
own, so that its memory is its own.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.memory import peak
from welkin_async import Welkin, bulk, files
from welkin_async.http.sharing import PaceReport
from welkin_async.sandbox import SandboxProcess
from welkin_async.shared import coordination

__all__ = ["main"]

CDT = "medication"
_SECONDS = 5.0  # for which a store is asked
_REPORT = 0.2  # seconds between two reports of a session that sends
_HOLDERS = 32  # chunks that are held at once


async def leases(url: str) -> dict[str, Any]:
    """Renew leases of many chunks as fast as the store lets one process.

    Args:
        url: Of the store.
    """
    shared = coordination(url)
    await shared.init()
    run = f"sizing-{os.getpid()}"
    await shared.ledger.open_run(run, run)
    claims = [await shared.ledger.claim(run, f"{number}", "holder") for number in range(_HOLDERS)]
    ends, done = time.perf_counter() + _SECONDS, 0

    async def renew(claim: Any) -> None:
        nonlocal done
        while time.perf_counter() < ends:
            await shared.ledger.renew(run, claim)
            done += 1

    await asyncio.gather(*map(renew, claims))
    await shared.aclose()
    return {"part": "leases", "store": urlsplit(url).scheme, "renewals_per_second": round(done / _SECONDS)}


async def pace(url: str, members: int) -> dict[str, Any]:
    """Have sessions report what they sent every 200 ms, as they do while they send, and time the answers.

    Args:
        url: Of the store.
        members: How many sessions, each with connections of its own.
    """
    waits: list[float] = []
    ends = time.perf_counter() + _SECONDS

    async def report(number: int) -> None:
        shared = coordination(url)
        while (began := time.perf_counter()) < ends:
            told = PaceReport(member=f"{number}", seconds=_REPORT, sent=10, waiting=10, rate=1000.0)
            await shared.pace.report(f"sizing-{os.getpid()}", told)
            waits.append(time.perf_counter() - began)
            await asyncio.sleep(max(0.0, _REPORT - waits[-1]))
        await shared.aclose()

    shared = coordination(url)
    await shared.init()
    await shared.aclose()
    await asyncio.gather(*map(report, range(members)))
    return {
        "part": "pace",
        "store": urlsplit(url).scheme,
        "sessions": members,
        "reports_per_second": round(len(waits) / _SECONDS),
        "asked_for": round(members / _REPORT),
        "median_ms": round(1000 * statistics.median(waits), 1),
        "slowest_ms": round(1000 * max(waits)),
    }


async def chunk(url: str, rows: int, patients: int) -> dict[str, Any]:
    """Import one chunk, and finish the import; count the calls of the store and the lists.

    Args:
        url: Of the store.
        rows: How many rows.
        patients: Of how many patients.
    """
    calls: Counter[str] = Counter()
    shared = coordination(url)
    await shared.init()
    for name in ("load", "swap", "keys"):
        _count(shared.ledger._store, name, calls)
    names = ("tenant", "instance", "api_client", "secret_key", "base_url")
    async with SandboxProcess() as server:
        ids = await server.add_patients(patients)
        given = {name: getattr(server, name) for name in names}
        async with Welkin(**given, engine="auto", check="off") as welkin:
            await welkin.patients.get(ids[0])
            before, began, used = peak(), time.perf_counter(), time.process_time()
            run = f"sizing-{os.getpid()}"
            await shared.ledger.open_run(run, run)
            pairs = ((ids[number * patients // rows], f"{number}") for number in range(rows))
            source = (bulk.CdtRow(patient, {"medication_name": name}, key=name) for patient, name in pairs)
            report = await bulk.import_chunk(welkin, CDT, "c", source, run=run, ledger=shared.ledger)
            seconds, cpu = time.perf_counter() - began, time.process_time() - used
            counted = dict(calls)
            lists = (await server.stats())["operations"]["cdts.list"]
            finished = await bulk.finish_import(welkin, CDT, run, shared.ledger)
            scanned = (await server.stats())["operations"]["cdts.list"] - lists
            kept = await shared.ledger._store.load(f"chunk:{run}:c")
    await shared.aclose()
    assert report.created == rows
    assert finished.complete
    return {
        "part": "chunk",
        "store": urlsplit(url).scheme,
        "rows": rows,
        "patients": patients,
        "store_calls": counted,
        "lists_per_patient": round(lists / patients, 3),
        "lists_of_the_final_scan_per_patient": round(scanned / patients, 3),
        "ledger_bytes_per_row": round(len(kept.value or b"") / rows, 1),
        "seconds": round(seconds, 2),
        "cpu_ms_per_row": round(1000 * cpu / rows, 3),
        "peak_mb": round(peak() / 2**20),
        "grown_mb": round((peak() - before) / 2**20, 1),
    }


def _count(store: Any, name: str, calls: Counter[str]) -> None:
    asked = getattr(store, name)

    async def counted(*arguments: Any) -> Any:
        calls[name] += 1
        return await asked(*arguments)

    setattr(store, name, counted)


def plan(rows: int, patients: int, *, shuffled: bool) -> dict[str, Any]:
    """Divide a file into chunks.

    Args:
        rows: How many rows.
        patients: Of how many patients.
        shuffled: Whether the rows of a patient are far from each other.
    """
    step = 7_919 if shuffled else 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        with path.open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["patient", "medication_name"])
            for number in range(rows):
                at = number * step % rows
                writer.writerow([f"patient-{at * patients // rows}", f"Medication {at}"])
        before, began = peak(), time.perf_counter()
        made = files.plan(path)
        seconds = time.perf_counter() - began
    return {
        "part": "plan",
        "rows": rows,
        "patients": patients,
        "shuffled": shuffled,
        "chunks": len(made.chunks),
        "ranges": sum(len(each.ranges) for each in made.chunks),
        "seconds": round(seconds, 1),
        "grown_mb": round((peak() - before) / 2**20),
    }


def _one(options: dict[str, Any]) -> dict[str, Any]:
    part = options.pop("part")
    if part == "plan":
        return plan(**options)
    parts: dict[str, Callable[..., Coroutine[Any, Any, dict[str, Any]]]] = {
        "leases": leases,
        "pace": pace,
        "chunk": chunk,
    }
    return asyncio.run(parts[part](**options))


def main() -> None:
    """Measure every part, and print a line of JSON for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizing", description=__doc__)
    parser.add_argument("urls", nargs="*", metavar="URL")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part is not None:
        print(json.dumps(_one(json.loads(given.part))))
        return
    with tempfile.TemporaryDirectory() as folder:
        urls = given.urls or [f"sqlite:///{folder}/ledger.db"]
        parts: list[dict[str, Any]] = [{"part": "leases", "url": url} for url in urls]
        parts += [{"part": "pace", "url": url, "members": members} for url in urls for members in (4, 16, 64)]
        parts += [{"part": "chunk", "url": urls[0], "rows": 5000, "patients": count} for count in (50, 500, 5000)]
        parts += [{"part": "plan", "rows": 1_000_000, "patients": 100_000, "shuffled": each} for each in (False, True)]
        for part in parts:
            command = [sys.executable, "-m", "benchmarks.sizing", "--part", json.dumps(part)]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
