"""Looks between the first and the last of a row reach back behind the last complete listing alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, cast

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from welkin_async.bulk.journal.journal import Journal
from welkin_async.bulk.journal.row_admission import RowAdmission
from welkin_async.bulk.keys.protocol import Keys
from welkin_async.bulk.reconciliation.lookup import group_by_key
from welkin_async.bulk.reconciliation.options import LookupOptions
from welkin_async.bulk.reconciliation.policy import Decision, PendingRow
from welkin_async.bulk.reconciliation.reconciler import Reconciler
from welkin_async.bulk.rows import PreparedRow
from welkin_async.errors import RequestLine
from welkin_async.models.cdts import CdtRecord
from welkin_async.wire.records import answer_of, records_of
from welkin_async.wire.request import Answer

LINE = RequestLine("POST", "/", "cdts.create")


class Record:
    id = "record"


class Lists:
    """Keys whose listings note since when they were asked for, and show the row from some listing on."""

    field = "external_id"
    sees_all = True
    filter = None

    def __init__(self, *, shown_from: int) -> None:
        self.since: list[float] = []
        self._shown_from = shown_from

    async def listing(self, group: str, since: float) -> Sequence[Any]:
        self.since.append(since)
        return [Record()] if len(self.since) > self._shown_from else []

    def key_of(self, record: Any) -> str:
        return "key"

    def former(self, row: PreparedRow) -> tuple[str, ...]:
        return ()

    def changed_in(self, row: PreparedRow, record: Any) -> tuple[str, ...]:
        return ()


async def decided(lists: Lists, monkeypatch: pytest.MonkeyPatch, **options: float) -> Decision:
    """Look for a row until that is decided, and return what came of it."""
    monkeypatch.setattr("welkin_async.bulk.reconciliation.reconciler._SHORTEST", 0.02)
    monkeypatch.setattr("welkin_async.bulk.reconciliation.reconciler._LONGEST", 0.02)
    decisions: asyncio.Queue[Decision] = asyncio.Queue()

    async def take(pending: PendingRow, decision: Decision, record: Any, altered: tuple[str, ...]) -> None:
        decisions.put_nowait(decision)

    def fail(error: BaseException) -> None:
        raise error

    journal = await Journal.open_private()
    try:
        admission = RowAdmission(journal, verify=False, block=10)
        lookups = LookupOptions(cast(Keys, lists), options.get("settle", 0.0), options["final_settle"], 10)
        reconciler = Reconciler(lookups, admission, take, fail, lambda: True, None)
        reconciler.look(PreparedRow(0, None, "key", group="patient"), time.time(), LINE, "a test")
        async with asyncio.timeout(10):
            decision = await decisions.get()
        await reconciler.stop()
        return decision
    finally:
        await journal.aclose()


def test_what_is_kept_of_a_listing_holds_none_of_the_other_records() -> None:
    """A thousand rows of two hundred patients kept every page of theirs in memory."""
    page: list[Any] = [{"id": str(number), "jsonBody": {"external_id": "key"}} for number in range(100)]
    records = records_of(CdtRecord, page, Answer(200, CIMultiDictProxy(CIMultiDict()), {"content": page}, 1, LINE))
    (kept,) = group_by_key(records[:1], cast(Keys, Lists(shown_from=0)), {"key"})["key"]
    assert kept == records[0]
    assert answer_of(kept).data == page[0]


async def test_a_row_is_found_by_looks_that_reach_back_a_little(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = Lists(shown_from=4)
    assert await decided(lists, monkeypatch, final_settle=60.0) is Decision.ADOPT
    first, *others = lists.since
    assert len(others) == 4
    assert all(since - first > 80_000 for since in others)  # the first reaches back by a day
    assert all(4 < time.time() - since < 60 for since in others)


async def test_a_row_is_given_up_by_a_complete_listing_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = Lists(shown_from=1000)
    assert await decided(lists, monkeypatch, final_settle=0.2) is Decision.GIVE_UP
    first, *between, last = lists.since
    assert len(between) > 2
    assert last == first
    assert sum(since == first for since in between) <= 1
