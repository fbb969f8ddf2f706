"""CDTs of which a patient has one record: it is found by its patient, whatever its key."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from welkin_async import InvalidInputError, bulk
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .helpers import CDT, FAST, connect

ONE: dict[str, Any] = {**FAST, "settle": 0.1, "final_settle": 0.2, "single_record": True}
Call = Callable[..., Awaitable[bulk.Report]]


async def done(server: Sandbox, call: Call, rows: list[bulk.CdtRow], **options: Any) -> bulk.Report:
    async with connect(server) as welkin:
        return await call(welkin, CDT, rows, **{**ONE, **options})


def rows_of(patients: list[str], name: str, run: str) -> list[bulk.CdtRow]:
    return [bulk.CdtRow(patient, {"medication_name": name}, f"{run}-{n}") for n, patient in enumerate(patients)]


async def test_an_upsert_changes_the_one_that_is_there(server: Sandbox) -> None:
    patients = server.store.add_patients(12)
    report = await done(server, bulk.upsert_cdt_records, rows_of(patients[:10], "first", "monday"))
    assert (report.created, report.complete) == (10, True)
    report = await done(server, bulk.upsert_cdt_records, rows_of(patients, "second", "tuesday"))
    assert (report.updated, report.created, report.complete) == (10, 2, True)
    held = server.store.cdt_records(CDT)
    assert {record["patientId"] for record in held} == set(patients)
    assert (len(held), {record["jsonBody"]["medication_name"] for record in held}) == (12, {"second"})
    report = await done(server, bulk.upsert_cdt_records, rows_of(patients, "second", "wednesday"))
    assert (report.unchanged, report.complete) == (12, True)


async def test_a_create_refuses_a_second_one(server: Sandbox) -> None:
    patients = server.store.add_patients(3)
    await done(server, bulk.create_cdt_records, rows_of(patients, "first", "monday"))
    again = [*rows_of(patients[:1], "first", "a"), *rows_of(patients[1:], "other", "b")]
    report = await done(server, bulk.create_cdt_records, again)
    assert (report.unchanged, report.conflict, report.created) == (1, 2, 0)
    assert len(server.store.cdt_records(CDT)) == 3


async def test_a_second_row_of_a_patient_is_refused(server: Sandbox) -> None:
    (patient,) = server.store.add_patients(1)
    for call in (bulk.create_cdt_records, bulk.upsert_cdt_records):
        report = await done(server, call, [*rows_of([patient], "a", "x"), *rows_of([patient], "b", "y")], concurrency=1)
        assert (report.created + report.unchanged, report.failed) == (1, 1)
    assert len(server.store.cdt_records(CDT)) == 1


async def test_a_create_that_was_not_answered_is_found_by_its_patient(server: Sandbox) -> None:
    patients = server.store.add_patients(40)
    server.faults.add(Fault(FaultKind.RESET_AFTER, operation="cdts.create", times=4, after=5))
    report = await done(server, bulk.create_cdt_records, rows_of(patients, "first", "monday"))
    assert (report.created, report.adopted, report.complete) == (40, 4, True)
    assert len(server.store.cdt_records(CDT)) == 40


async def test_another_kind_is_warned_of_and_nothing_else_changes(
    server: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    (patient,) = server.store.add_patients(1)
    server.store.sections.formations.definitions[CDT].shape["type"] = "SINGLE_RECORD"
    with caplog.at_level(logging.WARNING, "welkin_async"):
        report = await done(server, bulk.create_cdt_records, rows_of([patient] * 2, "a", "x"), single_record=False)
        assert report.created == 2
        assert "--single-record" in caplog.text
        caplog.clear()
        await done(server, bulk.create_cdt_records, [])
        assert not caplog.text
    with pytest.raises(InvalidInputError, match="single record"):
        await done(server, bulk.create_cdt_records, [], key_field=None)
