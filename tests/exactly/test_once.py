"""Rows under faults, against the local server: every one there once, or named."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from welkin_async import Welkin, bulk
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .helpers import connect, outage_after, rows_for

pytestmark = pytest.mark.slow


@pytest.fixture
async def server() -> AsyncIterator[Sandbox]:
    async with Sandbox(token_life=20.0) as server:
        yield server


async def import_all(
    welkin: Welkin, rows: list[bulk.CdtRow], **options: Any
) -> tuple[list[bulk.Outcome[Any, Any]], Any]:
    options = {"concurrency": 32, "key_field": "external_id", "settle": 0.6, "final_settle": 1.0, **options}
    async with bulk.stream_cdt_records(welkin, "medication", rows, **options) as stream:
        outcomes = [outcome async for outcome in stream]
    assert sorted(outcome.index for outcome in outcomes) == list(range(len(rows)))
    return outcomes, stream


async def test_every_row_is_there_once_under_faults_of_every_kind(server: Sandbox) -> None:
    rows = rows_for(server, 1500)
    kinds = [kind for kind in FaultKind if kind.name.startswith(("RESET", "TRUNC", "GARB", "EMPTY"))]
    for kind in kinds:
        server.faults.add(Fault(kind=kind, operation="cdts.create", times=None, probability=0.02, delay=0.3))
    server.faults.add(
        Fault(kind=FaultKind.STATUS, status=502, work_done=True, operation="cdts.create", times=None, probability=0.01),
        Fault(kind=FaultKind.STATUS, status=500, operation="cdts.create", times=None, probability=0.01),
        Fault(kind=FaultKind.STALL_AFTER, operation="cdts.create", times=2, after=300, delay=2.0),
        Fault(kind=FaultKind.STATUS, status=503, operation="cdts.list", times=None, probability=0.1),
        Fault(kind=FaultKind.RESET_BEFORE, operation="cdts.list", times=None, probability=0.1),
    )
    async with connect(server, timeout=1.0) as welkin:
        outcomes, stream = await import_all(welkin, rows)
    assert all(met for _, met, _ in server.faults.report())
    assert {outcome.status for outcome in outcomes} == {bulk.Status.CREATED}
    assert len(server.store.cdt_records("medication")) == len(rows)
    assert not server.store.duplicates("medication")
    assert stream.report.adopted > 0
    assert not stream.doubles


async def test_an_outage_pauses_the_import(server: Sandbox) -> None:
    rows = rows_for(server, 1500)
    async with connect(server, timeout=2.0) as welkin:
        after = asyncio.create_task(outage_after(server, 300, 1.5))
        outcomes, stream = await import_all(welkin, rows)
        await after
    assert {outcome.status for outcome in outcomes} == {bulk.Status.CREATED}
    assert len(server.store.cdt_records("medication")) == len(rows)
    assert stream.report.paused > 0.3


async def test_an_outage_without_keys_costs_no_more_rows_than_were_out(server: Sandbox) -> None:
    rows = rows_for(server, 1500)
    async with connect(server, timeout=2.0) as welkin:
        after = asyncio.create_task(outage_after(server, 300, 1.0))
        report = await bulk.create_cdt_records(welkin, "medication", rows, concurrency=32)
        await after
    assert report.rows == len(rows)
    assert report.created + report.unknown == len(rows)
    assert report.unknown <= 3 * 32


async def test_a_record_that_lands_after_its_row_was_sent_again_is_named(server: Sandbox) -> None:
    rows = rows_for(server, 60)
    server.faults.add(Fault(kind=FaultKind.RESET_LATE, operation="cdts.create", after=20, delay=3.0))
    async with connect(server) as welkin:
        outcomes, stream = await import_all(welkin, rows, final_settle=3.5, existing="trust")
    assert not server.faults.unmet()
    assert stream.report.doubled == 1
    (double,) = stream.doubles
    assert len(double.ids) == 2
    reported = {outcome.record.id for outcome in outcomes if outcome.record}
    assert double.reported in reported
    assert server.store.duplicates("medication") == {double.key: list(double.ids)}


async def test_a_key_the_server_does_not_keep_stops_the_import(server: Sandbox) -> None:
    server.define_cdt(
        "plain", [{"name": "external_id", "type": "text", "editable": False}, {"name": "a", "type": "text"}]
    )
    (patient,) = server.store.add_patients(1)
    rows = [bulk.CdtRow(patient, {"a": "1"}, key=str(number)) for number in range(500)]
    async with connect(server) as welkin:
        with pytest.raises(bulk.ProofError):
            await bulk.create_cdt_records(welkin, "plain", rows, key_field="external_id")
        assert not server.store.cdt_records("plain")
        with pytest.raises(bulk.ProofError):
            await bulk.create_cdt_records(welkin, "plain", rows, key_field="external_id", check="off", concurrency=4)
    assert 0 < len(server.store.cdt_records("plain")) <= 8


async def test_a_row_found_with_other_fields_is_a_conflict(server: Sandbox) -> None:
    (patient,) = server.store.add_patients(1)
    rows = [bulk.CdtRow(patient, {"medication_name": f"M{number}"}, key=f"k{number}") for number in range(20)]
    server.faults.add(Fault(kind=FaultKind.RESET_BEFORE, operation="cdts.create", after=5))
    async with connect(server) as welkin:
        await welkin.patient(patient).cdts("medication").create({"medication_name": "Other", "external_id": "k4"})
        outcomes, _ = await import_all(welkin, rows, concurrency=1)
    conflict = [outcome for outcome in outcomes if outcome.status is bulk.Status.CONFLICT]
    assert [outcome.index for outcome in conflict] == [4]
    assert len(server.store.cdt_records("medication")) == 20


async def test_rows_need_keys_and_a_field_that_carries_the_key_is_the_key(server: Sandbox) -> None:
    (patient,) = server.store.add_patients(1)
    rows = [
        bulk.CdtRow(patient, {"medication_name": "A"}),
        bulk.CdtRow(patient, {"medication_name": "B", "external_id": "mine"}),
    ]
    async with connect(server) as welkin:
        outcomes, _ = await import_all(welkin, rows)
    by_index = {outcome.index: outcome for outcome in outcomes}
    assert by_index[0].status is bulk.Status.FAILED
    assert by_index[1].record is not None
    assert by_index[1].record.external_id == "mine"


async def test_fields_the_formation_does_not_allow_are_refused_before_anything_is_sent(server: Sandbox) -> None:
    (patient,) = server.store.add_patients(1)
    rows = [bulk.CdtRow(patient, {"medication_name": "A"}), bulk.CdtRow(patient, {"medication_nam": "typo"})]
    async with connect(server) as welkin:
        report = await bulk.create_cdt_records(welkin, "medication", rows)
        assert (report.created, report.failed) == (1, 1)
        report = await bulk.create_cdt_records(welkin, "medication", rows, check="off")
        assert (report.created, report.altered) == (2, 1)  # the server drops the unknown field with a 201


async def test_doubles_are_removed_only_when_asked(server: Sandbox) -> None:
    rows = rows_for(server, 60)
    server.faults.add(Fault(kind=FaultKind.RESET_LATE, operation="cdts.create", after=20, delay=3.0))
    async with connect(server) as welkin:
        _, stream = await import_all(welkin, rows, final_settle=3.5, remove_doubles=True, existing="trust")
    (double,) = stream.doubles
    assert double.removed == tuple(id for id in double.ids if id != double.reported)
    assert not server.store.duplicates("medication")
    assert len(server.store.cdt_records("medication")) == 60


@pytest.mark.parametrize(("most", "failed"), [(3, 4), (0.05, 6)])
async def test_too_many_failures_stop_the_import(server: Sandbox, most: float, failed: int) -> None:
    (patient,) = server.store.add_patients(1)
    rows = [
        bulk.CdtRow(patient, {"medication_name" if number % 10 else "typo": "M"}, key=str(number))
        for number in range(1000)
    ]
    async with connect(server) as welkin:
        with pytest.raises(bulk.BulkStoppedError) as stopped:
            await bulk.create_cdt_records(welkin, "medication", rows, concurrency=1, max_failures=most)
    assert stopped.value.report.failed >= failed
    assert stopped.value.report.rows < 200
