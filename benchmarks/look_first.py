"""``python -m benchmarks.look_first``: what it costs to look first, in requests, time and memory.

Each import runs in a process of its own against a server in another, ``trust`` and ``check`` in turn and either of
them first in turn, so that what disturbs one disturbs the other. Times are compared round by round, and by their least:
whatever else runs only adds.
With ``--command-line`` a file is imported by the command, with a journal on the disk, and timed from start to exit.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.memory import memory, peak
from welkin_async import Welkin, bulk
from welkin_async.sandbox import SandboxProcess

__all__ = ["main"]

CDT = "medication"


def rows_of(ids: list[str], count: int, *, shuffled: bool, prefix: str = "k") -> Iterator[bulk.CdtRow]:
    """Give rows, those of a patient together or mixed.

    Args:
        ids: Of the patients.
        count: How many rows.
        shuffled: Whether they are mixed.
        prefix: Begins their keys.
    """
    per = max(1, count // len(ids))
    step = 7_919 if shuffled else 1  # a prime: every row once, none beside another of its patient
    for number in range(count):
        at = number * step % count
        fields = {"medication_name": f"Medication {at}", "medication_refills": at % 12}
        yield bulk.CdtRow(ids[min(at // per, len(ids) - 1)], fields, key=f"{prefix}{at}")


async def one_import(options: dict[str, Any]) -> dict[str, Any]:
    """Import once, and tell what it took.

    Args:
        options: As `main` hands them on.
    """
    ids = json.loads(sys.stdin.read())
    given = options["welkin"]
    async with Welkin(**given) as welkin:
        await welkin.patients.get(ids[0])
        began, used = time.perf_counter(), time.process_time()
        rows = rows_of(ids, options["rows"], shuffled=options["shuffled"], prefix=options["prefix"])
        report = await bulk.create_cdt_records(
            welkin, CDT, rows, key_field="external_id", existing=options["existing"], concurrency=options["concurrency"]
        )
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
    counts = {name: getattr(report, name) for name in ("created", "unchanged", "complete", "lookups", "groups_listed")}
    return {"seconds": seconds, "cpu": cpu, "peak_mib": round(peak() / 2**20, 1), **counts}


async def requests_of(server: SandboxProcess) -> int:
    """Count the requests that a server has answered."""
    return sum((await server.stats())["operations"].values())


async def compare(
    rows: int,
    patients: int,
    *,
    engine: str,
    shuffled: bool,
    there: bool,
    rounds: int,
    concurrency: int,
    latency: float,
    command_line: bool,
) -> None:
    """Import with and without a look, and print what it took.

    Args:
        rows: How many rows.
        patients: Of how many patients.
        engine: The HTTP engine: ``direct`` on uvloop, as the command line has them, or ``aiohttp`` on the stock loop.
        shuffled: Whether the rows of a patient are mixed with others.
        there: Whether all of them are on the server already.
        rounds: How often.
        concurrency: Requests at once.
        latency: Seconds the server takes for every answer.
        command_line: Whether a file is imported by the command.
    """
    found: dict[str, list[dict[str, Any]]] = {"trust": [], "check": []}
    for number in range(rounds):
        # What grows slower in the course of a round is to fall on both.
        for existing in ("trust", "check")[:: -1 if number % 2 else 1]:
            async with SandboxProcess(latency=latency) as server:
                ids = await server.add_patients(patients)
                welkin = {
                    "tenant": server.tenant,
                    "instance": server.instance,
                    "api_client": server.api_client,
                    "secret_key": server.secret_key,
                    "base_url": server.base_url,
                    "engine": engine,
                }
                options = {"welkin": welkin, "rows": rows, "shuffled": shuffled, "concurrency": concurrency}
                if there:
                    await in_process(ids, {**options, "existing": "trust", "prefix": "k", "shuffled": False})
                before = await requests_of(server)
                prefix = "k" if existing == "check" or not there else "other"
                options = {**options, "existing": existing, "prefix": prefix}
                told = await (by_command(server, ids, options) if command_line else in_process(ids, options))
                told["requests"] = await requests_of(server) - before
            found[existing].append(told)
    trust, check = (min(each, key=itemgetter("seconds")) for each in found.values())
    print(f"{rows} rows of {patients} patients, {engine}{', shuffled' * shuffled}{', all there' * there}")
    print(f"  trust: {trust}\n  check: {check}")
    for name in ("requests", "seconds", "cpu"):
        times = [looked[name] / known[name] for known, looked in zip(*found.values(), strict=True)]
        print(
            f"  {name}: check is {check[name] / trust[name]:.3f} times trust; by round {statistics.median(times):.3f}"
        )
    print(f"  peak memory: {check['peak_mib'] - trust['peak_mib']:+.1f} MiB", flush=True)


async def in_process(ids: list[str], options: dict[str, Any]) -> dict[str, Any]:
    """Import in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.look_first", "--one", json.dumps(options)]
    running = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    out, _ = await running.communicate(json.dumps(ids).encode())
    told: dict[str, Any] = json.loads(out)
    return told


async def by_command(server: SandboxProcess, ids: list[str], options: dict[str, Any]) -> dict[str, Any]:
    """Import a file by the command, in a directory of its own, and tell what that took from start to exit."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "medications.csv")
        with path.open("w", newline="") as file:
            write = csv.writer(file).writerow
            write(("patient", "key", "medication_name", "medication_refills"))
            for row in rows_of(ids, options["rows"], shuffled=options["shuffled"], prefix=options["prefix"]):
                write((row.patient_id, row.key, *row.fields.values()))
        command = [str(Path(sys.executable).parent / "welkin-async"), "import", str(path), "--cdt", CDT, "--existing"]
        command += [options["existing"], "--patient-column", "patient", "--key-column", "key", "--json"]
        command += ["--concurrency", str(options["concurrency"])]
        environment = {**os.environ, **server.environ(), "WELKIN_ENGINE": options["welkin"]["engine"]}
        began = time.perf_counter()
        running = subprocess.Popen(command, cwd=directory, env=environment, stdout=subprocess.PIPE)
        most, (out, used, at) = await asyncio.gather(watched(running.pid), asyncio.to_thread(ended, running))
        seconds = at - began
    counts = {name: json.loads(out)[name] for name in ("created", "unchanged", "outcome", "lookups")}
    return {"seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "peak_mib": most, **counts}


async def watched(process: int) -> float:
    """Look at a process until it ends, twenty times a second, and return the most memory it ever held, in MiB."""
    most = 0
    with contextlib.suppress(LookupError, OSError):
        while True:
            most = memory("VmHWM", process)
            await asyncio.sleep(0.05)
    return round(most / 2**20, 1)


def ended(running: subprocess.Popen[bytes]) -> tuple[bytes, resource.struct_rusage, float]:
    """Wait until a process has ended; return what it has printed, what it took, and when it ended."""
    assert running.stdout is not None
    with running.stdout as pipe:
        out = pipe.read()
    _, status, used = os.wait4(running.pid, 0)
    at = time.perf_counter()
    running.returncode = os.waitstatus_to_exitcode(status)
    return out, used, at


def main() -> None:
    """Run the comparisons that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.look_first", description=__doc__)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--patients", type=int, nargs="+", default=[200, 20_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine", choices=("direct", "aiohttp"), default="direct", help="(%(default)s)")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds the server takes for every answer")
    parser.add_argument("--shuffled", action="store_true")
    parser.add_argument("--there", action="store_true", help="all rows are on the server already")
    parser.add_argument("--command-line", action="store_true", help="by the command, from start to exit")
    given = parser.parse_args()
    if given.one:
        options = json.loads(given.one)
        run = uvloop.run if options["welkin"]["engine"] == "direct" else asyncio.run
        print(json.dumps(run(one_import(options))))
        return
    for patients in given.patients:
        asyncio.run(
            compare(
                given.rows,
                patients,
                engine=given.engine,
                shuffled=given.shuffled,
                there=given.there,
                rounds=given.rounds,
                concurrency=given.concurrency,
                latency=given.latency,
                command_line=given.command_line,
            )
        )


if __name__ == "__main__":
    main()
