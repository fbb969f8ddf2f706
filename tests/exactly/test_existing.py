"""Look first: what other runs have created is found before anything is sent, and nothing is there twice."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from welkin_async import InvalidInputError, bulk
from welkin_async.bulk.actions.create_cdt import CreateCdt
from welkin_async.bulk.existing.records import ExistingRecords
from welkin_async.bulk.keys.cdt_keys import file_key
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .helpers import CDT, FAST, connect, keys_held, keys_of, rows_for

QUICK: Mapping[str, Any] = {**FAST, "settle": 0.1}


async def imported(server: Sandbox, rows: Any, /, **options: Any) -> tuple[list[bulk.Outcome[Any, Any]], bulk.Report]:
    async with connect(server) as welkin:
        stream = bulk.stream_cdt_records(welkin, CDT, rows, **{**QUICK, **options})
        async with stream:
            outcomes = [outcome async for outcome in stream]
    return sorted(outcomes, key=lambda outcome: outcome.index), stream.report


async def test_a_second_run_finds_every_row_unchanged_and_creates_none(server: Sandbox) -> None:
    rows = rows_for(server, 120)
    _, first = await imported(server, rows)
    assert (first.created, first.existing, first.groups_listed, first.complete) == (120, "check", 10, True)
    sent = server.stats.operations["cdts.create"]
    outcomes, second = await imported(server, rows)
    assert (second.unchanged, second.created, second.complete) == (120, 0, True)
    assert server.stats.operations["cdts.create"] == sent
    held = {record["jsonBody"]["external_id"]: record["id"] for record in server.store.cdt_records(CDT)}
    assert [outcome.record_id for outcome in outcomes] == [held[row.key] for row in rows]


async def test_trust_looks_at_nothing_and_creates_again(server: Sandbox) -> None:
    rows = rows_for(server, 40)
    await imported(server, rows)
    server.stats.reset()
    _, report = await imported(server, rows, existing="trust")
    assert (report.created, report.existing) == (40, "trust")
    assert server.stats.operations["cdts.list"] <= 1  # of the proof


async def test_rows_killed_half_way_are_finished_without_their_journal(server: Sandbox, tmp_path: Path) -> None:
    rows = rows_for(server, 300)
    await imported(server, rows[:130], journal=tmp_path / "lost")
    _, report = await imported(server, rows, journal=tmp_path / "new")
    assert (report.unchanged, report.created, report.complete) == (130, 170, True)
    assert keys_held(server) == keys_of(rows)


async def test_the_next_days_file_creates_what_is_new_alone(server: Sandbox, tmp_path: Path) -> None:
    rows = rows_for(server, 200)
    await imported(server, rows[:150], journal=tmp_path / "monday", source="monday")
    _, report = await imported(server, rows[50:], journal=tmp_path / "tuesday", source="tuesday")
    assert (report.unchanged, report.created) == (100, 50)
    assert keys_held(server) == keys_of(rows)


async def test_a_row_that_is_there_with_other_fields_is_a_conflict_that_names_them(server: Sandbox) -> None:
    rows = rows_for(server, 20)
    await imported(server, rows)
    other = bulk.CdtRow(rows[7].patient_id, {"medication_name": "Other"}, key="row-7")
    outcomes, report = await imported(server, [*rows[:7], other, *rows[8:]])
    assert (report.unchanged, report.conflict, report.complete) == (19, 1, False)
    assert "medication_name" in str(outcomes[7].error)
    assert "Other" not in str(outcomes[7].error)
    assert outcomes[7].record_id is not None
    assert len(server.store.cdt_records(CDT)) == 20


async def test_a_key_that_is_there_twice_is_named(server: Sandbox) -> None:
    rows = rows_for(server, 20)
    await imported(server, rows)
    await imported(server, rows[:1], existing="trust")
    async with connect(server) as welkin:
        stream = bulk.stream_cdt_records(welkin, CDT, rows, **QUICK)
        async with stream:
            outcomes = [outcome async for outcome in stream]
    assert [str(outcome.status) for outcome in outcomes if outcome.index == 0] == ["conflict"]
    (double,) = stream.doubles
    assert len(double.ids) == 2
    assert (stream.report.doubled, stream.report.complete) == (1, False)


async def test_each_patient_is_listed_once_however_the_rows_are_sorted(server: Sandbox) -> None:
    rows = rows_for(server, 400, patients=40)
    await imported(server, rows)
    server.stats.reset()
    _, report = await imported(server, rows[::-1], concurrency=4)
    assert report.unchanged == 400
    assert server.stats.operations["cdts.list"] == report.groups_listed == 40


async def test_a_first_import_waits_for_nothing(server: Sandbox) -> None:
    rows = rows_for(server, 200)
    began = time.monotonic()
    _, report = await imported(server, rows, settle=30.0, final_settle=60.0)
    assert report.created == 200
    assert time.monotonic() - began < 15.0


async def test_where_another_run_was_its_creates_may_still_land(server: Sandbox) -> None:
    """The last of them is under way when this run begins."""
    rows = rows_for(server, 60)
    await imported(server, rows[:30])
    server.faults.add(Fault(kind=FaultKind.RESET_LATE, operation="cdts.create", delay=0.8))
    async with connect(server, max_attempts=1) as welkin:
        patient = welkin.patient(rows[30].patient_id)
        with pytest.raises(Exception, match="connection"):
            await patient.cdts(CDT).create({**rows[30].fields, "external_id": rows[30].key})
    _, report = await imported(server, rows, settle=2.0)
    assert (report.unchanged, report.created, report.complete) == (31, 29, True)
    assert keys_held(server) == keys_of(rows)


async def test_a_client_that_may_not_list_stops_before_the_first_send(server: Sandbox) -> None:
    rows = rows_for(server, 50)
    server.faults.add(Fault(FaultKind.STATUS, status=403, operation="cdts.list", times=None))
    server.stats.reset()
    with pytest.raises(bulk.ExistingRecordsError, match="existing='trust'"):
        await imported(server, rows)
    assert not server.stats.operations["cdts.create"]


async def test_a_patient_who_cannot_be_listed_costs_no_other_rows(server: Sandbox) -> None:
    rows = rows_for(server, 30, patients=3)
    ids = {row.patient_id for row in rows}
    unknown = bulk.CdtRow("no-such-patient", {"medication_name": "M"}, key="nobody's")
    outcomes, report = await imported(server, [*rows, unknown])
    assert len(ids) == 3
    assert (report.created, report.rejected) == (30, 1)
    assert str(outcomes[-1].status) == "rejected"


async def test_lists_that_fail_now_and_then_are_asked_again(server: Sandbox) -> None:
    rows = rows_for(server, 100)
    await imported(server, rows[:50])
    server.faults.add(Fault(FaultKind.RESET_BEFORE, operation="cdts.list", times=None, probability=0.2))
    server.faults.add(Fault(FaultKind.STATUS, status=503, operation="cdts.list", times=None, probability=0.1))
    _, report = await imported(server, rows)
    assert (report.unchanged, report.created) == (50, 50)
    assert keys_held(server) == keys_of(rows)


async def test_a_source_that_waits_is_read_ahead_and_its_rows_are_found(server: Sandbox) -> None:
    rows = rows_for(server, 60)
    await imported(server, rows[:20])

    async def slowly() -> Any:
        for number, row in enumerate(rows):
            if number % 10 == 0:
                await asyncio.sleep(0.01)
            yield row

    _, report = await imported(server, slowly())
    assert (report.unchanged, report.created) == (20, 40)


async def test_patients_that_are_there_are_unchanged(server: Sandbox) -> None:
    rows = [bulk.PatientRow({"firstName": f"F{n}", "lastName": "L"}, key=f"p{n}") for n in range(30)]
    options: dict[str, Any] = {"key_field": "external_guid", "settle": 0.1, "final_settle": 0.2, "concurrency": 8}
    async with connect(server) as welkin:
        first = await bulk.create_patients(welkin, rows[:20], **options)
        assert (first.created, first.complete) == (20, True)
        changed = bulk.PatientRow({"firstName": "Other", "lastName": "L"}, key="p3")
        report = await bulk.create_patients(welkin, [*rows[:3], changed, *rows[4:]], **options)
    assert (report.unchanged, report.conflict, report.created) == (19, 1, 10)
    assert len(server.store.patients) == 30


async def test_rows_that_an_earlier_version_sent_are_found_by_the_keys_it_minted(server: Sandbox) -> None:
    patients = server.store.add_patients(4)
    was, now = (
        [
            bulk.CdtRow(patients[n % 4], {"medication_name": f"M{n}"}, file_key(target, "digest", n, former))
            for n in range(40)
        ]
        for target, former in (("https://one.host/place", ""), ("/place", "https://one.host/place"))
    )
    assert was[0].key != now[0].key
    await imported(server, was)
    _, report = await imported(server, now)
    assert (report.unchanged, report.created) == (40, 0)
    other = [bulk.CdtRow(row.patient_id, row.fields, file_key("/place", "another", n)) for n, row in enumerate(now)]
    _, report = await imported(server, other)
    assert report.created == 40


async def test_a_row_of_an_earlier_version_whose_outcome_is_unknown_is_found(server: Sandbox, tmp_path: Path) -> None:
    """Its journal says that it may have been sent; what looks for it knows both keys."""
    (patient,) = server.store.add_patients(1)
    was = [bulk.CdtRow(patient, {"medication_name": f"M{n}"}, file_key("host/place", "d", n)) for n in range(20)]
    now = [bulk.CdtRow(patient, row.fields, file_key("/place", "d", n, "host/place")) for n, row in enumerate(was)]
    journal = tmp_path / "journal"
    await imported(server, was, journal=journal, source="d")
    with contextlib.closing(sqlite3.connect(journal)) as opened:
        opened.execute("UPDATE created SET stop = 12")
        opened.commit()
    for existing in ("trust", "check"):
        copy = shutil.copy(journal, tmp_path / existing)
        outcomes, report = await imported(server, now, journal=copy, source="d", existing=existing)
        assert (report.skipped, report.created, report.adopted) == (12, 8, 8), existing
        assert all(outcome.record_id for outcome in outcomes[12:])
    assert len(server.store.cdt_records(CDT)) == 20


async def test_a_key_space_keeps_the_keys_of_two_sources_apart(server: Sandbox) -> None:
    rows = rows_for(server, 20)
    _, report = await imported(server, rows, key_space="north")
    assert report.created == 20
    assert keys_held(server) == sorted(f"north/{row.key}" for row in rows)
    _, report = await imported(server, rows, key_space="north")
    assert report.unchanged == 20
    _, report = await imported(server, rows, key_space="south")
    assert report.created == 20


async def test_rows_from_before_there_was_a_key_space_are_found(server: Sandbox) -> None:
    rows = rows_for(server, 20)
    await imported(server, rows)
    _, report = await imported(server, rows, key_space="north")
    assert (report.unchanged, report.created) == (20, 0)


@pytest.mark.parametrize("space", ["", " ", "a/b", "a b"])
async def test_a_key_space_is_a_name(server: Sandbox, space: str) -> None:
    with pytest.raises(InvalidInputError, match="key space"):
        await imported(server, [], key_space=space)


@pytest.mark.parametrize("existing", ["check", "trust"])
async def test_the_second_row_of_a_key_is_refused(server: Sandbox, existing: str) -> None:
    rows = rows_for(server, 10)
    again = bulk.CdtRow(rows[3].patient_id, {**rows[3].fields}, key="row-3")
    elsewhere = bulk.CdtRow(rows[4].patient_id, {**rows[4].fields}, key="row-3")
    outcomes, report = await imported(server, [*rows, again, elsewhere], existing=existing)
    assert (report.created, report.failed, report.complete) == (11, 1, False)
    assert "another row has the same key" in str(outcomes[10].error)


async def test_a_patient_that_comes_when_the_last_lister_has_just_ended_is_listed(server: Sandbox) -> None:
    async with connect(server) as welkin:
        action = CreateCdt(welkin.scope, CDT, check="off", key_field="external_id")
        assert action.keys is not None
        line = action.operation.operation.line
        existing = ExistingRecords(action.keys, lambda _: False, None, line, listers=1, settle=0.0)
        first, second, third = (action.prepare(index, row) for index, row in enumerate(rows_for(server, 3, patients=3)))
        existing.expect(first)
        # It runs when the listing is there, and the lister's task is done, and before anybody is told so.
        existing._flights[first.group, ""].add_done_callback(lambda _: existing.expect(second))
        for row in (first, second, third):
            assert not (await asyncio.wait_for(existing.find(row), 5)).ids
        await existing.aclose()
