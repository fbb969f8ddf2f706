"""What a journal says after an import was killed, at random moments and at chosen ones."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from welkin_async.bulk.journal.journal import Journal
from welkin_async.bulk.journal.ledger import Mode

from .importer import Fate, import_rows

pytestmark = pytest.mark.slow

ROWS = 12


class MemoryServer:
    """Tells when a row arrives a second time."""

    def __init__(self) -> None:
        self.rows: set[int] = set()

    def has(self, position: int) -> bool:
        return position in self.rows

    def create(self, position: int) -> None:
        assert position not in self.rows, f"{position} is doubled"
        self.rows.add(position)


Run = tuple[Mode, list[Fate], Literal["close", "flush and die", "die"]]
FATES: list[Fate] = ["created", "altered", "rejected", "unsent", "unknown", "landed", "cut", "cut landed"]
RUNS: st.SearchStrategy[list[Run]] = st.lists(
    st.tuples(
        st.sampled_from(["resume", "retry"]),
        st.lists(st.sampled_from(FATES), max_size=ROWS),
        st.sampled_from(["close", "flush and die", "die"]),
    ),
    max_size=6,
)


async def one_run(directory: Path, run: Run, server: MemoryServer, block: int) -> None:
    """Import; a death leaves what was committed by then, and nothing that closing would have done."""
    mode, fates, end = run
    todo = iter(fates)
    journal = await Journal.open(directory / "journal", source="s", target="t", mode=mode, block=block)
    try:
        await import_rows(journal, mode, server, range(ROWS), lambda _: next(todo, None))
        if end == "flush and die":
            await journal.flush()
        if end != "close":
            await asyncio.wait([journal._store.call(lambda: None)])  # the copies are of files at rest
            for name in ("journal", "journal-wal"):
                shutil.copy(directory / name, directory / f"left-{name}")
    finally:
        await journal.aclose()
    if end != "close":
        for name in ("journal", "journal-wal"):
            os.replace(directory / f"left-{name}", directory / name)


@settings(max_examples=50, deadline=None)
@given(RUNS, st.integers(1, 5))
def test_no_end_doubles_or_loses_a_row(runs: list[Run], block: int) -> None:
    server = MemoryServer()
    all_created: list[Fate] = ["created"] * ROWS
    last: list[Run] = [("resume", all_created, "close"), ("retry", all_created, "close")]
    with tempfile.TemporaryDirectory() as name:
        for run in [*runs, *last]:
            asyncio.run(one_run(Path(name), run, server, block))
        assert server.rows == set(range(ROWS))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the rounds are forked")
@pytest.mark.parametrize("seed", [1000, 2000])
def test_killed_at_random_moments(tmp_path: Path, seed: int) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-X", "dev", "-W", "error", "-m", "bulk_parts.importer", str(tmp_path), "40", str(seed)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) > 20  # most rounds were killed before they ended
