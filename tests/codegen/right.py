# type: ignore
"""Typed CDTs as they are meant to be used; both checkers pass it, without the line above."""

from __future__ import annotations

import datetime as dt
from typing import assert_type

from every_type_cdts import EveryType, EveryTypeCdts

from welkin_async import Page, Pager, Welkin, bulk


async def single(welkin: Welkin) -> None:
    records = welkin.patient("p").cdts(EveryType)
    assert_type(records, EveryTypeCdts)
    new = EveryType.New(title="T", status="active", tags=["a"], allergies="nuts", date=dt.date(2024, 1, 1))
    record = await records.create(new, timeout=4.0)
    assert_type(record, EveryType)
    await records.create(title="T", status=EveryType.Status.ON_HOLD, priority=EveryType.Priority.OPTION_1)
    await records.update(record.id, status="active", icd_10_=None, max_attempts=1)
    await records.update(record.id, EveryType.Changes(count=4))
    assert_type(await records.get("r"), EveryType)
    assert_type(records.list(size=5, sort="created_at,asc"), Pager[EveryType])
    assert_type(await records.list(), Page[EveryType])
    async for each in records.list():
        assert_type(each.measured_at, dt.datetime | None)
        assert_type(each.date, dt.date | None)
        assert_type(each.count, int | None)
        assert_type(each.confirmed, bool | None)
        assert_type(each.status, str | None)
        assert_type(each.tags, tuple[str, ...] | None)
        assert_type(each.created_at, dt.datetime | None)
        assert_type(each.external_id, str | None)


async def many(welkin: Welkin) -> None:
    rows = [bulk.CdtRow("p", EveryType.New(title="T"), key="k")]
    async with bulk.stream_cdt_records(welkin, EveryType, rows, key_field="external_id") as outcomes:
        async for outcome in outcomes:
            assert_type(outcome.record, EveryType | None)
    async with bulk.stream_cdt_upserts(welkin, EveryType, rows) as upserts:
        async for outcome in upserts:
            assert_type(outcome.record, EveryType | None)
    changes = [bulk.CdtChange("p", "r", EveryType.Changes(count=None))]
    async with bulk.stream_cdt_updates(welkin, EveryType, changes) as updates:
        async for change in updates:
            assert_type(change.record, EveryType | None)
    await bulk.create_cdt_records(welkin, EveryType, rows)
