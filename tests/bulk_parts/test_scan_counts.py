"""What the final scan has looked at is counted by key, however often the journal wrote of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from welkin_async.bulk.journal.journal import Journal
from welkin_async.bulk.reconciliation.duplicate_scan import DuplicateScan
from welkin_async.errors import WelkinError


class Keys:
    """Lists what a server holds, by patient as pairs of id and key."""

    sees_all = True

    def __init__(self, held: Mapping[str, Sequence[tuple[str, str | None]]]) -> None:
        self.held = held

    async def copies(self, patient: str, reported: Mapping[str, str | None], since: float) -> list[Any]:
        return [SimpleNamespace(id=id, key=key) for id, key in self.held[patient]]

    async def projected(self, patient: str, since: float) -> list[Any]:
        return await self.copies(patient, {}, since)

    def key_of(self, record: Any) -> Any:
        return record.key


async def scanned(journal: Journal, held: Mapping[str, Sequence[tuple[str, str | None]]]) -> DuplicateScan:
    """Scan, and return the scan, of which nothing has failed."""
    failed: list[WelkinError] = []
    keys: Any = Keys(held)
    scan = DuplicateScan(keys, None, journal, 0.0, at_once=2, remove_doubles=False, fail=failed.append)
    await scan.count()
    await scan.run(time.monotonic())
    assert not failed
    return scan


async def test_a_double_is_named_among_many_and_again_by_the_next_run(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "journal", source="s", target="t")
    await journal.reserve(0)
    for number in range(40):
        journal.landed(number, f"k{number}", f"p{number % 2}", f"r{number}")
    held: dict[str, list[tuple[str, str | None]]] = {
        f"p{patient}": [(f"r{number}", f"k{number}") for number in range(patient, 40, 2)] for patient in range(2)
    }
    held["p0"] += [("other", "k4"), ("another", "k4"), ("strange", None), ("theirs", "not ours"), ("twin", "not ours")]
    scan = await scanned(journal, held)
    (found,) = scan.found
    assert (found.patient, found.key, found.reported, found.ids) == ("p0", "k4", "r4", ("r4", "other", "another"))
    assert scan.unscanned == 0
    again = await scanned(journal, held)
    assert [(each.key, len(each.ids)) for each in again.found] == [("k4", 3)]
    assert again.unscanned == 0
    await journal.aclose()


async def test_a_key_that_was_created_and_unknown_is_counted_once(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "journal", source="s", target="t")
    await journal.reserve(0)
    for number in range(3):
        journal.landed(number, f"k{number}", "p", f"r{number}")
    journal.landed(1, "k1", "p", "r1 again")
    journal.unknown(2, "k2", "p", 0.0, record_id="r2")
    journal.unknown(3, "k3", "p", 0.0)
    scan = await scanned(journal, {"p": [("r0", "k0"), ("r1 again", "k1"), ("r2", "k2")]})
    assert (scan.unscanned, scan.found) == (0, [])
    assert await journal.count_unscanned() == 0
    await journal.aclose()
