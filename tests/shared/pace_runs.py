"""Four processes at a server of 200 requests a second: ``python -m tests.shared.pace_runs [SCENE ...]``.

What is printed of each scene:

- *used*: what was accepted between the moment when the first process had its session and that when the last one took
  its last row, as a share of what the server allows in that time. In between there is always enough demand; afterwards
  only what was in hand comes back. Tokens and the start of the other processes are in it.
- *refused*: the 429s of the whole run, as a share of all creates that were sent.

The server is this process. While it stands still what was sent in one of its seconds piles up, and is counted in the
next: that much is refused of a client that keeps the limit exactly. On a machine whose processors are busy elsewhere
this is more than the sessions cause, so it is measured, and counts as used rather than refused.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from welkin_async.sandbox import Sandbox
from welkin_async.shared import coordination, new_key

from .servers import LockedFile, PostgresServer, RedisServer

PROJECT = Path(__file__).parents[2]
LIMIT = 200.0
EVEN, UNEVEN = (1250,) * 4, (3500, 500, 500, 500)
AWAY_AFTER, AWAY = 1000, 10.0  # rows, seconds
LOOK = 0.01  # seconds between two looks at whether the server stands still
LATE = 0.01  # seconds by which a look is late on a machine that is merely busy


@attrs.frozen
class Figures:
    """What came of a run.

    Attributes:
        used: Share of what was allowed that was used while there was enough demand.
        refused: Share of the creates that were refused, beyond what the server's standing still explains.
        lost: Rows that are not there in the end.
        doubled: Rows that are there twice.
        seconds: From when the first process had its session to when the last one took its last row.
        by_second: Rows accepted in each of those seconds.
        stood: Seconds for which the server stood still.
    """

    used: float
    refused: float
    lost: int
    doubled: int
    seconds: float
    by_second: Sequence[int]
    stood: float


def settings(server: Sandbox, url: str, **more: Any) -> dict[str, Any]:
    """What a worker opens its session with."""
    given = {name: getattr(server, name) for name in ("tenant", "instance", "api_client", "secret_key", "base_url")}
    return {**given, "shared": url, **more}


def start(mode: str, options: dict[str, Any], *, before: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
    """Start a worker process."""
    command = [*before, sys.executable, "-m", "tests.shared.worker", mode, json.dumps(options)]
    return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": "."})


async def told(process: subprocess.Popen[bytes]) -> Any:
    """What a worker says at its end."""
    out, _ = await asyncio.to_thread(process.communicate)
    assert process.returncode == 0
    return json.loads(out)


@contextlib.asynccontextmanager
async def standing_still() -> AsyncIterator[list[tuple[float, float]]]:
    """Notice when this process, which is the server, does not run: the moment when that is over, and its seconds."""
    found: list[tuple[float, float]] = []

    async def look() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(LOOK)
            if (late := time.monotonic() - before - LOOK) > LATE:
                found.append((time.time(), late))

    task = asyncio.create_task(look())
    try:
        yield found
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def run(server: Sandbox, url: str, rows: Sequence[int], rate: float | None, limit: float = LIMIT) -> Figures:
    """Create rows by a process for each number.

    Args:
        server: The server; its limit is set.
        url: The shared store's.
        rows: How many each process creates.
        rate: What the sessions are told; None for nothing.
        limit: Requests per second that the server allows.
    """
    server.throttle.rate = limit
    patient = server.store.add_patient()["id"]
    given = settings(server, url, rate=rate, timeout=10.0)
    processes = [
        start("create", {"settings": given, "rows": count, "patient": patient, "name": f"{number}/"})
        for number, count in enumerate(rows)
    ]
    async with standing_still() as times:
        reports = await asyncio.gather(*map(told, processes))
    began, dry = min(each["began"] for each in reports), max(each["dry"] for each in reports)
    bodies = [each["jsonBody"] for each in server.store.cdt_records("medication")]
    made = sorted(datetime.fromisoformat(each["created_at"]).timestamp() for each in bodies)
    there, refused = Counter(each["medication_name"] for each in bodies), server.stats.statuses[429]
    by_second = Counter(int(at - began) for at in made)
    stood = sum(seconds for at, seconds in times if at >= began)
    explained = min(refused, limit * stood)
    return Figures(
        used=(sum(at <= dry for at in made) + explained) / (dry - began) / limit,
        refused=(refused - explained) / (refused + sum(rows)),
        lost=sum(rows) - len(there),
        doubled=len(bodies) - len(there),
        seconds=dry - began,
        by_second=[by_second[second] for second in range(int(dry - began))],
        stood=stood,
    )


async def store_away(store: RedisServer | PostgresServer | LockedFile, server: Sandbox) -> None:
    """Kill a store in between, or lock it, and start it again."""
    while server.stats.statuses[201] < AWAY_AFTER:
        await asyncio.sleep(0.05)
    await asyncio.to_thread(store.kill)
    await asyncio.sleep(AWAY)
    await asyncio.to_thread(store.start)


@contextlib.contextmanager
def store_of(kind: str) -> Iterator[RedisServer | PostgresServer | LockedFile]:
    """A store that may go away, started: ``redis``, ``postgres`` or ``sqlite``."""
    with tempfile.TemporaryDirectory(prefix="w", ignore_cleanup_errors=True) as folder:
        if kind == "postgres":
            postgres = PostgresServer(Path(folder) / "p")
            postgres.start()
            try:
                yield postgres
            finally:
                postgres.remove()
        elif kind == "redis":
            redis = RedisServer(Path(folder), appendonly="yes")
            redis.start()
            try:
                yield redis
            finally:
                redis.kill()
        else:
            yield LockedFile(Path(folder) / "shared.db")


async def play(scene: str) -> Figures:
    """Play a scene: ``told`` or ``learned``, ``even`` or ``uneven``, and which store goes ``away``, if any."""
    words = scene.split("-")
    rows = UNEVEN if "uneven" in words else EVEN
    rate = LIMIT if "told" in words else None
    os.environ["WELKIN_SHARED_KEY"] = new_key()
    with store_of(words[0] if "away" in words else "sqlite") as store:
        shared = coordination(store.url)
        await shared.init()
        await shared.aclose()
        async with Sandbox() as server:
            away = asyncio.create_task(store_away(store, server)) if "away" in words else None
            try:
                return await run(server, store.url, rows, rate)
            finally:
                if away is not None:
                    await away


SCENES = [
    f"{away}{known}-{demand}"
    for away in ("", "redis-away-", "postgres-away-", "sqlite-away-")
    for known in ("told", "learned")
    for demand in ("even", "uneven")
]


def main() -> None:
    """Play the scenes, and print what came of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.shared.pace_runs", description=__doc__)
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=f"of {', '.join(SCENES)}; all by default")
    for scene in parser.parse_args().scenes or SCENES:
        found = asyncio.run(play(scene))
        sys.stdout.write(
            f"{scene}: used {found.used:.3f}, refused {found.refused:.3f}, lost {found.lost}, doubled {found.doubled}, "
            f"{found.seconds:.1f} s, stood still {found.stood:.2f} s, load {os.getloadavg()[0]:.1f}: "
            f"{' '.join(map(str, found.by_second))}\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
