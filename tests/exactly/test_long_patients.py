"""Patients with thousands of records: rows are found by their keys where the server is proved to honour that."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from welkin_async import bulk
from welkin_async.bulk.keys.cdt_keys import CdtKeys
from welkin_async.sandbox import Sandbox
from welkin_async.validation.comparison import FieldComparison

from .helpers import CDT, FAST, connect

pytestmark = pytest.mark.slow

OPTIONS: dict[str, Any] = {**FAST, "settle": 0.1}
OLD = 3000


class Body:
    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def object(self) -> dict[str, Any]:
        return self.fields


def add_old(server: Sandbox, patient: str, count: int, prefix: str = "old") -> None:
    for number in range(count):
        body = Body(medication_name="old", external_id=f"{prefix}-{number}")
        server.store.sections.cdts.create(body, patient, CDT)  # type: ignore[arg-type]


def honour_filters(server: Sandbox) -> None:
    shape = server.store.sections.formations.definitions[CDT]
    shape.searchable = shape.searchable | {"external_id"}


def row(patient: str, key: str, name: str = "old") -> bulk.CdtRow:
    return bulk.CdtRow(patient, {"medication_name": name}, key=key)


async def run(server: Sandbox, rows: list[bulk.CdtRow], **options: Any) -> bulk.Report:
    server.stats.reset()
    async with connect(server) as welkin:
        return await bulk.create_cdt_records(welkin, CDT, rows, **{**OPTIONS, **options})


async def test_a_long_patient_is_asked_for_keys_and_not_walked_through(server: Sandbox) -> None:
    honour_filters(server)
    long, other = server.store.add_patients(2)
    add_old(server, long, OLD)
    rows = [row(long, f"old-{n}") for n in (0, 1500, 2999)] + [row(long, "new-1"), row(other, "old-1")]
    report = await run(server, [*rows, row(long, "old-7", "something else")])
    assert (report.unchanged, report.created, report.conflict) == (3, 2, 1)
    before = report.lookups
    assert before <= 8  # a first page, two of the proof, the keys; the other patient; the scan
    report = await run(server, rows)
    assert (report.unchanged, report.created) == (5, 0)
    assert len(server.store.cdt_records(CDT)) == OLD + 2


async def test_a_filter_that_is_ignored_is_not_believed(server: Sandbox) -> None:
    (long,) = server.store.add_patients(1)
    add_old(server, long, OLD)
    report = await run(server, [row(long, "old-2999"), row(long, "new-1")])
    assert (report.unchanged, report.created) == (1, 1)
    assert len(server.store.cdt_records(CDT)) == OLD + 1


async def test_a_filter_that_finds_nothing_is_not_believed(server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("welkin_async.sandbox.api.cdts._filtered", lambda records, filters, formation: [])
    (long,) = server.store.add_patients(1)
    add_old(server, long, OLD)
    report = await run(server, [row(long, "old-2999"), row(long, "new-1")])
    assert (report.unchanged, report.created) == (1, 1)


async def test_a_filter_that_takes_few_keys_is_asked_for_few(server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    from welkin_async.sandbox.api import cdts

    honour_filters(server)
    honest = cdts._filtered

    def first_ten(records: Any, filters: str, formation: Any) -> Any:
        name, _, values = filters.partition("=")
        return honest(records, f"{name}={','.join(values.split(',')[:10])}", formation)

    monkeypatch.setattr("welkin_async.sandbox.api.cdts._filtered", first_ten)
    (long,) = server.store.add_patients(1)
    add_old(server, long, OLD)
    rows = [row(long, f"old-{n * 100}") for n in range(30)] + [row(long, f"new-{n}") for n in range(10)]
    report = await run(server, rows)
    assert (report.unchanged, report.created) == (30, 10)


async def test_keys_that_cannot_be_asked_for_are_walked_for(server: Sandbox) -> None:
    honour_filters(server)
    (long,) = server.store.add_patients(1)
    add_old(server, long, OLD)
    add_old(server, long, 2, "a,b")
    report = await run(server, [row(long, "a,b-1"), row(long, "old-5"), row(long, "c=d")])
    assert (report.unchanged, report.created) == (2, 1)


async def test_many_rows_of_a_long_patient_cost_no_more_than_twice_the_walk(server: Sandbox) -> None:
    honour_filters(server)
    (long,) = server.store.add_patients(1)
    add_old(server, long, OLD)
    rows = [row(long, f"old-{n}") for n in range(OLD)]
    report = await run(server, rows, concurrency=8)
    assert report.unchanged == OLD
    assert report.lookups <= 3 + 2 * 6 + 1


async def test_an_upsert_finds_what_it_changes_by_keys(server: Sandbox) -> None:
    honour_filters(server)
    (long,) = server.store.add_patients(1)
    add_old(server, long, OLD)
    options: dict[str, Any] = {**OPTIONS, "overwrite": True}
    async with connect(server) as welkin:
        rows = [row(long, f"old-{n}", "changed") for n in range(0, OLD, 1000)] + [row(long, "new")]
        report = await bulk.upsert_cdt_records(welkin, CDT, rows, **options)
    assert (report.updated, report.created) == (3, 1)
    assert report.lookups <= 7


async def test_a_key_with_white_space_at_an_end_is_not_asked_for_as_it_is_compared(server: Sandbox) -> None:
    honour_filters(server)
    (patient,) = server.store.add_patients(1)
    rows = [row(patient, key) for key in ("rx-0 ", "rx-1 ", "rx-2 ")]
    add_old(server, patient, 1_000)
    await run(server, rows)
    add_old(server, patient, OLD, "later")
    report = await run(server, rows)
    assert (report.created, report.unchanged, len(server.store.cdt_records(CDT))) == (0, 3, OLD + 1_003)


async def test_a_list_from_which_somebody_deletes_meanwhile_is_walked_again(server: Sandbox) -> None:
    server.latency = 0.05
    (patient,) = server.store.add_patients(1)
    add_old(server, patient, 1_300)
    async with connect(server) as welkin:
        listing = asyncio.create_task(CdtKeys(welkin.scope, CDT, "external_id", FieldComparison).listing(patient, 0.0))
        while not server.stats.performed["cdts.list"]:
            await asyncio.sleep(0.001)
        table = server.store.sections.cdts.tables[CDT][patient]
        del table[next(iter(table))]  # what stands behind the first page moves up, and is on neither
        records = await listing
    assert records is not None
    assert {record["external_id"] for record in records} >= {f"old-{number}" for number in range(1, 1_300)}
    assert server.stats.operations["cdts.list"] >= 4
