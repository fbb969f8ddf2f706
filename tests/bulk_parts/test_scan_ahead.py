"""The final scan holds the keys of the groups it looks at, and hardly more: a patient may have thousands."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from welkin_async.bulk.journal.database import LandedRows, UnknownKey
from welkin_async.bulk.reconciliation.duplicate_scan import DuplicateScan


class Journal:
    """Twenty patients, each with as many created rows."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.read = 0
        self.scans: list[str] = []

    async def count_unscanned(self) -> int:
        return 20 * self.rows

    async def ever_landed(self) -> AsyncIterator[LandedRows]:
        for patient in range(20):
            numbers = range(patient * self.rows, (patient + 1) * self.rows)
            landed = LandedRows(f"p{patient:02}")
            landed.add(patient, numbers, [f"k{n}" for n in numbers], [f"r{n}" for n in numbers])
            self.read += self.rows
            yield landed

    async def ever_unknown(self) -> AsyncIterator[UnknownKey]:
        nothing: list[UnknownKey] = []
        for each in nothing:
            yield each

    def scanned(self, patient: str, keys: Any, landed: LandedRows | None = None) -> None:
        self.scans.append(patient)


class Keys:
    """Lists what was created, and notes how many keys that were read are not done with."""

    sees_all = True

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.held = 0

    async def copies(self, patient: str, reported: dict[str, str], since: float) -> list[Any]:
        for _ in range(5):
            self.held = max(self.held, self.journal.read - len(self.journal.scans) * self.journal.rows)
            await asyncio.sleep(0)
        return [SimpleNamespace(id=id, key=key) for key, id in reported.items()]

    async def projected(self, patient: str, since: float) -> None:
        """Show nothing, so that all of it is listed."""

    def key_of(self, record: Any) -> str:
        return str(record.key)


@pytest.mark.parametrize("rows", [1, 30, 1000])
async def test_no_more_is_read_ahead_than_a_little(rows: int) -> None:
    journal = Journal(rows)
    keys: Any = Keys(journal)
    failed: list[Exception] = []
    given: Any = journal
    scan = DuplicateScan(keys, None, given, 0.0, at_once=3, remove_doubles=False, fail=failed.append)
    await scan.count()
    await scan.run(time.monotonic())
    assert keys.held <= 3 * rows + 100 + 1
    assert (scan.unscanned, scan.found, failed) == (0, [], [])
    assert sorted(journal.scans) == [f"p{number:02}" for number in range(20)]
