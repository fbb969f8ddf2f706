"""``python -m benchmarks.shared_overhead [URL...]``: what `shared=` costs a single process, in CPU for each create.

The URLs are those of shared stores; a SQLite file of its own where none is given. A process without a store and one
with each of them take turns at creating records in bulk, against nginx (our own server where it is not installed). What
counts is the CPU of the process, threads included, from when it counts as alone in the store; the ratio is that to the
process without a store in the same round.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import payloads
from benchmarks.serving import serving
from welkin_async import Welkin
from welkin_async.bulk import CdtRow, create_cdt_records
from welkin_async.shared import coordination

__all__ = ["create", "main"]

_WARM = 4.0  # seconds until a session has been alone for long enough, and its store has been connected to
_AT_ONCE = 32


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def create(base_url: str, url: str | None, rate: float | None, seconds: float) -> float:
    """Create records for some time; return the milliseconds of CPU that each took.

    Args:
        base_url: The server's.
        url: The shared store's; None for none.
        rate: Creates per second; None for as many as go.
        seconds: For how long it is measured.
    """
    marks: list[tuple[float, int]] = []

    def rows() -> Iterator[CdtRow]:
        began = time.monotonic()
        for number, (patient, fields) in enumerate(payloads.rows(100, sys.maxsize)):
            passed = time.monotonic() - began
            if passed >= _WARM + len(marks) * seconds:
                marks.append((_cpu(), number))
                if len(marks) == 2:
                    return
            yield CdtRow(patient, fields)

    async with Welkin(
        base_url=base_url,
        tenant=payloads.TENANT,
        instance=payloads.INSTANCE,
        api_client=payloads.API_CLIENT,
        secret_key=payloads.SECRET,
        shared=url,
        rate=rate,
    ) as welkin:
        await create_cdt_records(welkin, payloads.CDT, rows(), concurrency=_AT_ONCE)
    (before, first), (after, last) = marks
    return 1000.0 * (after - before) / (last - first)


def _in_a_process(base_url: str, url: str | None, rate: float | None, seconds: float) -> float:
    side = json.dumps([base_url, url, rate, seconds])
    command = [sys.executable, "-m", "benchmarks.shared_overhead", "--side", side]
    return float(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)


async def _set_up(url: str) -> None:
    shared = coordination(url)
    await shared.init()
    await shared.aclose()


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print.

    Args:
        arguments: Command line; None reads the process' own.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shared_overhead", description=__doc__)
    parser.add_argument("urls", nargs="*", metavar="URL", help="shared stores")
    parser.add_argument("--rate", type=float, help="creates per second; as many as go by default")
    parser.add_argument("--rounds", type=int, default=5, help="(%(default)s)")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each turn (%(default)s)")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.side:
        sys.stdout.write(f"{asyncio.run(create(*json.loads(options.side)))}\n")
        return
    with tempfile.TemporaryDirectory() as folder, serving("canned") as base_url:
        urls: list[str] = options.urls or [f"sqlite:///{Path(folder)}/shared.db"]
        for url in urls:
            asyncio.run(_set_up(url))
        sides: list[str | None] = [None, *urls]
        found = [
            [_in_a_process(base_url, url, options.rate, options.seconds) for url in sides]
            for _ in range(options.rounds)
        ]
        for number, side in enumerate(sides):
            costs = [each[number] for each in found]
            ratios = [each[number] / each[0] for each in found]
            name = "no store" if side is None else urlsplit(side).scheme
            sys.stdout.write(
                f"{name}: {1000 * statistics.median(costs):.1f} us of CPU a create, "
                f"ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})\n"
            )


if __name__ == "__main__":
    main()
