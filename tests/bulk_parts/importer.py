"""An import in small: it obeys the journal, and a server that tells when a row arrives a second time.

Run as a program it is killed at random moments: ``python -m bulk_parts.importer DIRECTORY ROUNDS SEED``.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, Protocol

from welkin_async.bulk.journal.journal import Journal
from welkin_async.bulk.journal.ledger import Mode

__all__ = ["Fate", "import_rows"]

Fate = Literal["created", "altered", "rejected", "unsent", "unknown", "landed", "cut", "cut landed"]
"""What becomes of a row that is sent: ``landed`` and ``unknown`` are both recorded as unknown, and only the first is on
the server; a row that is ``cut`` is recorded as nothing at all."""


class Server(Protocol):
    def has(self, position: int) -> bool: ...
    def create(self, position: int) -> None: ...


async def import_rows(
    journal: Journal, mode: Mode, server: Server, positions: Iterable[int], fate: Callable[[int], Fate | None]
) -> None:
    """Import until a row has no fate."""
    for position in positions:
        state, since, _ = journal.state(position)
        if state == "done":
            assert server.has(position), f"{position} is done and not there"
            continue
        if state == "failed" and mode != "retry":
            continue
        what = fate(position)
        if what is None:
            return
        if not journal.covers(position):
            await journal.reserve(position)
        if state == "unknown-since":
            assert since is not None
            assert since <= time.time()
            if server.has(position):
                journal.record(position, "adopted")
                continue
        else:
            assert not server.has(position), f"{position} is {state} and there"
        if what in ("created", "altered", "landed", "cut landed"):
            server.create(position)
        if what in ("landed", "unknown"):
            journal.unknown(position, f"key {position}", f"patient {position % 3}", time.time())
            journal.record(position, "unknown", key=f"key {position}")
        elif what not in ("cut", "cut landed"):
            journal.record(position, what)


class FileServer:
    """Keeps what arrived in a file that a kill cannot take back."""

    def __init__(self, path: Path) -> None:
        self._rows = set(map(int, path.read_text().split())) if path.exists() else set[int]()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def has(self, position: int) -> bool:
        return position in self._rows

    def create(self, position: int) -> None:
        assert position not in self._rows, f"{position} is doubled"
        self._rows.add(position)
        os.write(self._file, b"%d\n" % position)


def slow_down(journal: Journal, chance: random.Random) -> None:
    """Give the journal a slow disk, so that a kill finds it before a commit as often as behind one."""
    files: Any = journal._files

    def slowed(work: Callable[..., None]) -> Callable[..., None]:
        def slow(*given: Any) -> None:
            time.sleep(chance.choice([0, 0.002, 0.01]))
            work(*given)

        return slow

    files.reserve, files.write = slowed(files.reserve), slowed(files.write)


async def one_round(directory: Path, rows: int, mode: Mode, seed: int | None) -> int:
    """Import with chance, or, without a seed, to the end; returns how many rows are done."""
    chance = random.Random(seed)
    rare: list[Fate] = ["altered", "rejected", "unsent", "unknown", "landed", "cut", "cut landed"]

    def fate(_: int) -> Fate:
        return "created" if seed is None or chance.random() < 0.7 else chance.choice(rare)

    server = FileServer(directory / "server")
    block = 1000 if seed is None else chance.choice([2, 10, 100])
    # The start is in the killing's reach too.
    journal = await Journal.open(directory / "journal", source="s", target="t", mode=mode, block=block)
    if seed is not None:
        slow_down(journal, random.Random(seed))
    positions = iter(range(rows))

    async def worker() -> None:
        for position in positions:
            try:
                await import_rows(journal, mode, server, [position], fate)
            except BaseException:
                traceback.print_exc()
                os._exit(3)  # at once, or the kill comes first and hides it
            await asyncio.sleep(0 if seed is None else chance.choice([0, 0, 0, 0.001]))

    await asyncio.gather(*(worker() for _ in range(8)))
    if seed is not None and seed % 2:
        await journal.flush()
        os._exit(0)  # everything is written, nothing is closed
    await journal.aclose()
    return sum(journal.state(position).state == "done" for position in range(rows))


def main(directory: Path, rounds: int, seed: int) -> None:
    """Fork an import for each round and kill it; the last two are let through."""
    rows, chance, killed = 4000, random.Random(seed), 0
    modes: list[Mode] = ["resume", "resume", "retry"]
    for number in range(rounds):
        child = os.fork()
        if child == 0:
            asyncio.run(one_round(directory, rows, modes[number % 3], seed + number))
            os._exit(0)
        time.sleep(chance.uniform(0.001, 0.12))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert status in (0, signal.SIGKILL), f"round {number} failed"
        killed += status == signal.SIGKILL
    before = len((directory / "server").read_text().split())
    for mode in ("resume", "retry"):
        done = asyncio.run(one_round(directory, rows, mode, None))
    arrived = sorted(map(int, (directory / "server").read_text().split()))
    assert done == rows
    assert arrived == list(range(rows)), "a row is doubled or lost"
    sys.stdout.write(f"{killed} killed, {before} rows there by then\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
