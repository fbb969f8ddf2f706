"""Order: with `ordered_by="patient"` the rows of a patient go one at a time, in the order of the source."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from welkin_async import InvalidInputError, bulk
from welkin_async.bulk import CdtRow
from welkin_async.bulk.engine.patient_order import PatientOrder
from welkin_async.bulk.rows import PreparedRow
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .helpers import CDT, FAST, connect, keys_held, keys_of, rows_for

ORDERED: dict[str, Any] = {**FAST, "ordered_by": "patient", "settle": 0.1, "final_settle": 0.2}


def inversions(server: Sandbox) -> int:
    """How often a record was created after one that stands behind it in the file."""
    numbers: dict[str, list[int]] = {}
    for record in server.store.cdt_records(CDT):  # as they were created, patient by patient
        numbers.setdefault(record["patientId"], []).append(int(record["jsonBody"]["external_id"].split("-")[1]))
    return sum(one > other for each in numbers.values() for one, other in itertools.pairwise(each))


async def created(server: Sandbox, rows: Any, **options: Any) -> bulk.Report:
    async with connect(server) as welkin:
        return await bulk.create_cdt_records(welkin, CDT, rows, **{**ORDERED, **options})


@pytest.mark.slow
@pytest.mark.parametrize("trouble", [False, True])
async def test_no_row_of_a_patient_overtakes_another(server: Sandbox, trouble: bool) -> None:
    rows = rows_for(server, 200, patients=7)
    if trouble:
        server.faults.add(Fault(FaultKind.STATUS, status=429, operation="cdts.create", times=None, probability=0.05))
        server.faults.add(Fault(FaultKind.RESET_AFTER, operation="cdts.create", times=6, after=10))
        server.faults.add(Fault(FaultKind.RESET_BEFORE, operation="cdts.create", times=6, after=60))
    report = await created(server, rows)
    assert (report.created, report.complete, inversions(server)) == (200, True, 0)
    assert keys_held(server) == keys_of(rows)
    if trouble:
        await created(server, rows_for(server, 200, patients=7), ordered_by=None)
        assert inversions(server) > 0  # which shows that this can fail


@pytest.mark.parametrize("concurrency", [1, 2, 16])
@pytest.mark.parametrize("shuffled", [False, True])
async def test_outcomes_in_order_come_to_an_end_however_many_rows_are_held_back(
    server: Sandbox, shuffled: bool, concurrency: int
) -> None:
    rows = rows_for(server, 400, patients=4)
    if shuffled:
        one, *others = server.store.add_patients(30)
        patients = [one, one, *others[:13], *[one] * 10, *others[13:]]
        rows = [CdtRow(each, {"medication_name": "M"}, key=f"k-{number}") for number, each in enumerate(patients)]
        server.faults.add(Fault(FaultKind.STALL_AFTER, operation="cdts.create", delay=0.3))
    options = {**ORDERED, "concurrency": concurrency, "key_field": "external_id"}
    async with (
        connect(server) as welkin,
        asyncio.timeout(20),
        bulk.stream_cdt_records(welkin, CDT, rows, ordered=True, **options) as stream,
    ):
        numbers = [outcome.index async for outcome in stream]
    assert numbers == [*range(len(rows))]
    assert (stream.report.created, inversions(server)) == (len(rows), 0)


async def test_a_source_that_waits_is_in_order_too(server: Sandbox) -> None:
    rows = rows_for(server, 120, patients=3)

    async def slowly() -> Any:
        for number, row in enumerate(rows):
            if number % 20 == 0:
                await asyncio.sleep(0.01)
            yield row

    report = await created(server, slowly(), existing="trust")
    assert (report.created, inversions(server)) == (120, 0)


@pytest.mark.slow
async def test_rows_compared_with_their_journal_may_wait_however_long(server: Sandbox, tmp_path: Path) -> None:
    """The first row of one patient is stuck while thousands of others go by, and its second is compared in order."""
    rows = rows_for(server, 1300, patients=40)
    server.faults.add(Fault(FaultKind.RESET_LATE, delay=1.0, operation="cdts.create", times=1, after=40))
    options: dict[str, Any] = {"journal": tmp_path / "journal", "existing": "trust", "settle": 2.0}
    report = await created(server, rows, **options)
    assert (report.created, report.complete, inversions(server)) == (1300, True, 0)
    report = await created(server, rows, **options)
    assert report.skipped == 1300
    with pytest.raises(bulk.JournalMismatchError, match="another source"):
        await created(server, rows[::-1], **options)


@pytest.mark.slow
async def test_a_run_that_is_stopped_leaves_no_row_without_its_outcome(server: Sandbox, tmp_path: Path) -> None:
    rows = rows_for(server, 400, patients=2)
    journal = tmp_path / "journal"
    server.faults.add(Fault(FaultKind.STATUS, status=422, operation="cdts.create", after=20, times=1))
    with pytest.raises(bulk.BulkStoppedError):
        await created(server, rows, journal=journal, fail_fast=True)
    report = await created(server, rows, journal=journal, resume="retry")
    assert (report.created + report.skipped, report.complete) == (400, True)
    assert keys_held(server) == keys_of(rows)


async def test_held_rows_are_bounded() -> None:
    pulled: list[int] = []

    def prepare(index: int, row: Any) -> PreparedRow:
        pulled.append(index)
        return PreparedRow(index, row, group=row)

    order = PatientOrder(["a"] * 50 + ["b"], prepare, most=5, admission=lambda: None)
    first = await order.pull()
    assert first is not None
    waiting = asyncio.create_task(order.pull())
    await asyncio.sleep(0)
    assert (order.held, len(pulled)) == (5, 6)
    order.release(first.index)
    second = await waiting
    assert second is not None
    assert (second.index, order.held) == (1, 4)
    assert len(await order.aclose()) == 4


async def test_the_order_is_by_patient_or_there_is_none(server: Sandbox) -> None:
    with pytest.raises(InvalidInputError, match="ordered_by is patient"):
        await created(server, [], ordered_by="file")
    async with connect(server) as welkin:
        with pytest.raises(InvalidInputError, match="one by one"):
            await bulk.bulk_update_cdt_records(welkin, CDT, [], ordered_by="patient")


async def test_rows_in_doubt_before_those_that_are_done_are_decided_though_nothing_else_shows_that_keys_are_kept(
    server: Sandbox, tmp_path: Path
) -> None:
    """In order, what an earlier run created comes after them."""
    patient, journal = server.store.add_patient()["id"], tmp_path / "journal"
    done = [CdtRow(patient, {"medication_name": "n"}, f"done-{n}") for n in range(20)]
    options: dict[str, Any] = {**ORDERED, "journal": journal, "source": "feed"}
    async with connect(server) as welkin:
        await bulk.create_cdt_records(welkin, CDT, done, **options)
        with contextlib.closing(sqlite3.connect(journal, isolation_level=None)) as database:
            database.execute("INSERT INTO blocks VALUES (20, 70, ?)", (time.time(),))  # as a kill leaves it
        new = [CdtRow(patient, {"medication_name": "n"}, f"new-{n}") for n in range(6)]
        report = await bulk.create_cdt_records(welkin, CDT, [*new, *done], **options)
    assert (report.created, report.skipped, report.unknown, report.complete) == (6, 20, 0, True)
    assert server.store.duplicates(CDT) == {}
