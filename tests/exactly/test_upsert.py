"""Upsert: rows bring records to what they ask for, with no write too many, and overwrite nobody's edits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from welkin_async import InvalidInputError, NotSentError, Welkin, bulk
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .helpers import CDT, FAST, connect, keys_held, keys_of, rows_for

QUICK: Mapping[str, Any] = {**FAST, "settle": 0.1}
WRITES = ("cdts.create", "cdts.update", "cdts.bulk_update", "cdts.delete")


@pytest.fixture
async def welkin(server: Sandbox) -> AsyncIterator[Welkin]:
    async with connect(server) as welkin:
        yield welkin


async def upserted(welkin: Welkin, rows: Any, /, **options: Any) -> tuple[list[bulk.Outcome[Any, Any]], bulk.Report]:
    stream = bulk.stream_cdt_upserts(welkin, CDT, rows, **{**QUICK, **options})
    async with stream:
        outcomes = [outcome async for outcome in stream]
    return sorted(outcomes, key=lambda outcome: outcome.index), stream.report


def changed(row: bulk.CdtRow, name: str = "changed") -> bulk.CdtRow:
    return bulk.CdtRow(row.patient_id, {**row.fields, "medication_name": name}, row.key)


def writes(server: Sandbox) -> list[int]:
    return [server.stats.operations[name] for name in WRITES]


def somebody_edits(server: Sandbox, key: str, **fields: Any) -> None:
    """Change a record as a person does, who signs with a name of their own."""
    for record in server.store.cdt_records(CDT):
        if record["jsonBody"]["external_id"] == key:
            record["jsonBody"].update({**fields, "updated_by": "a-person", "updated_by_name": "Ann Person"})


async def test_exactly_what_differs_is_written_and_nothing_the_second_time(server: Sandbox, welkin: Welkin) -> None:
    rows = rows_for(server, 400)
    await upserted(welkin, rows)
    new = rows_for(server, 404)[400:]
    file = [changed(row) if number % 100 == 7 else row for number, row in enumerate(rows)] + new
    server.stats.reset()
    outcomes, report = await upserted(welkin, file)
    assert (report.created, report.updated, report.unchanged, report.complete) == (4, 4, 396, True)
    assert writes(server) == [4, 4, 0, 0]
    assert outcomes[7].record is not None
    assert outcomes[7].record.fields["medication_name"] == "changed"
    server.stats.reset()
    _, report = await upserted(welkin, file)
    assert (report.unchanged, report.complete) == (404, True)
    assert writes(server) == [0, 0, 0, 0]


async def test_fields_that_a_row_does_not_give_stay_and_none_clears_one(server: Sandbox, welkin: Welkin) -> None:
    (patient,) = server.store.add_patients(1)
    await upserted(welkin, [bulk.CdtRow(patient, {"medication_name": "a", "medication_refills": 3}, "k")])
    outcomes, _ = await upserted(welkin, [bulk.CdtRow(patient, {"medication_name": "b"}, "k")])
    assert outcomes[0].record is not None
    assert outcomes[0].record.fields["medication_refills"] == 3
    outcomes, _ = await upserted(welkin, [bulk.CdtRow(patient, {"medication_refills": None}, "k")])
    assert str(outcomes[0].status) == "updated"
    (record,) = server.store.cdt_records(CDT)
    assert (record["jsonBody"]["medication_name"], record["jsonBody"]["medication_refills"]) == ("b", None)


async def test_what_somebody_else_changed_last_is_a_conflict_unless_it_is_to_be_overwritten(
    server: Sandbox, welkin: Welkin
) -> None:
    rows = rows_for(server, 20)
    await upserted(welkin, rows)
    somebody_edits(server, "row-3", medication_name="by Ann")
    somebody_edits(server, "row-4", medication_refills=9)
    outcomes, report = await upserted(welkin, [changed(row) if row.key in ("row-3", "row-5") else row for row in rows])
    assert (report.updated, report.conflict, report.unchanged) == (1, 1, 18)
    assert "somebody else" in str(outcomes[3].error)
    names = {r["jsonBody"]["external_id"]: r["jsonBody"]["medication_name"] for r in server.store.cdt_records(CDT)}
    assert (names["row-3"], names["row-5"]) == ("by Ann", "changed")
    _, report = await upserted(welkin, [changed(rows[3])], overwrite=True)
    assert report.updated == 1


async def test_an_edit_that_is_made_after_the_listing_is_seen_by_the_read_before_the_change(
    server: Sandbox, welkin: Welkin
) -> None:
    rows = rows_for(server, 40)
    await upserted(welkin, rows)
    file = [changed(row) for row in rows]

    def source() -> Any:
        for number, row in enumerate(file):
            if number == 30:  # by then the patients are listed
                somebody_edits(server, "row-35", medication_name="by Ann")
            yield row

    outcomes, report = await upserted(welkin, source(), concurrency=1)
    assert (report.updated, report.conflict) == (39, 1)
    assert str(outcomes[35].status) == "conflict"


async def test_who_is_not_known_is_somebody_else(server: Sandbox) -> None:
    rows = rows_for(server, 10)
    async with connect(server) as welkin:
        await upserted(welkin, rows)
        for record in server.store.cdt_records(CDT):
            record["jsonBody"]["updated_by_name"] = None
        _, report = await upserted(welkin, [changed(row) for row in rows])
        assert report.conflict == 10


async def test_a_key_that_is_there_twice_is_named_and_not_changed(server: Sandbox, welkin: Welkin) -> None:
    rows = rows_for(server, 10)
    await upserted(welkin, rows)
    await bulk.create_cdt_records(welkin, CDT, rows[:1], **QUICK, existing="trust")
    server.stats.reset()
    stream = bulk.stream_cdt_upserts(welkin, CDT, [changed(row) for row in rows], **QUICK)
    async with stream:
        outcomes = {outcome.index: outcome async for outcome in stream}
    assert str(outcomes[0].status) == "conflict"
    assert [double.key for double in stream.doubles] == ["row-0"]
    assert (stream.report.updated, stream.report.doubled, stream.report.complete) == (9, 1, False)


async def test_what_the_journal_calls_created_and_somebody_deleted_is_gone(
    server: Sandbox, welkin: Welkin, tmp_path: Path
) -> None:
    rows, journal = rows_for(server, 20), tmp_path / "journal"
    await upserted(welkin, rows, journal=journal)
    first = next(r for r in server.store.cdt_records(CDT) if r["jsonBody"]["external_id"] == "row-2")
    await welkin.patient(rows[2].patient_id).cdts(CDT).delete(first["id"])
    for _ in range(2):
        outcomes, report = await upserted(welkin, rows, journal=journal)
        assert (report.unchanged, report.gone, report.created, report.complete) == (19, 1, 0, False)
        assert str(outcomes[2].status) == "gone"
    _, report = await upserted(welkin, rows, journal=journal, recreate=True)
    assert (report.created, report.unchanged, report.complete) == (1, 19, True)
    assert keys_held(server) == keys_of(rows)


async def test_under_faults_every_row_is_there_once_as_it_was_asked_for(server: Sandbox) -> None:
    rows = rows_for(server, 300)
    async with connect(server, timeout=2.0) as welkin:
        await upserted(welkin, rows[:250])
        for kind in (FaultKind.RESET_BEFORE, FaultKind.RESET_AFTER):
            for operation in ("cdts.create", "cdts.update", "cdts.list", "cdts.get"):
                server.faults.add(Fault(kind, operation=operation, times=None, probability=0.04))
        file = [changed(row) if number % 2 else row for number, row in enumerate(rows)]
        _, report = await upserted(welkin, file)
    assert (report.updated, report.created) == (125, 50)
    assert report.complete
    assert keys_held(server) == keys_of(rows)


async def test_an_upsert_needs_keys_and_a_look(welkin: Welkin) -> None:
    for options in ({"existing": "trust"}, {"key_field": None}):
        with pytest.raises(InvalidInputError, match="existing is check"):
            await bulk.upsert_cdt_records(welkin, CDT, [], **options)


async def test_patients_are_changed_and_their_lists_only_gain_entries(server: Sandbox, welkin: Welkin) -> None:
    options: dict[str, Any] = {"settle": 0.1, "final_settle": 0.2, "concurrency": 4, "overwrite": True}
    given = {"firstName": "Ann", "lastName": "Lee", "patientTerritories": [{"name": "north", "territories": ["n1"]}]}
    report = await bulk.upsert_patients(welkin, [bulk.PatientRow(given, key="p1")], **options)
    assert report.created == 1
    again = {"firstName": "Anne", "lastName": "Lee", "patientTerritories": [{"name": "south", "territories": ["s1"]}]}
    report = await bulk.upsert_patients(welkin, [bulk.PatientRow(again, key="p1")], **options)
    assert report.updated == 1
    (patient,) = server.store.patients.values()
    assert patient["firstName"] == "Anne"
    assert [each["name"] for each in patient["patientTerritories"]] == ["north", "south"]
    report = await bulk.upsert_patients(welkin, [bulk.PatientRow(again, key="p1")], **options)
    assert (report.unchanged, report.updated) == (1, 0)


async def test_a_change_that_an_outage_leaves_unanswered_is_reported_as_made(
    server: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("welkin_async.bulk.existing.updates._PAUSE", 0.05)
    async with connect(server, max_attempts=1) as welkin:
        (row,) = rows_for(server, 1)
        await upserted(welkin, [row])
        server.faults.add(Fault(FaultKind.RESET_AFTER, "cdts.update"))
        server.faults.add(Fault(FaultKind.RESET_BEFORE, "cdts.get", after=1))  # what would tell whether it was made
        server.faults.add(Fault(FaultKind.RESET_BEFORE, "formation_cdts.get", after=1))  # the read that finds it down
        (outcome,), report = await upserted(welkin, [changed(row)])
    assert server.faults.unmet() == []
    assert (outcome.status, report.updated, report.unchanged) == (bulk.Status.UPDATED, 1, 0)
    assert outcome.attempts == 1
    assert outcome.record is not None
    assert outcome.record.fields["medication_name"] == "changed"
    assert server.stats.performed["cdts.update"] == 1


@pytest.mark.parametrize("cut", [FaultKind.RESET_AFTER, FaultKind.RESET_BEFORE])
async def test_a_change_that_is_refused_after_an_attempt_that_was_cut_off_is_read_again(
    server: Sandbox, welkin: Welkin, cut: FaultKind
) -> None:
    (row,) = rows_for(server, 1)
    await upserted(welkin, [row])
    refusal = Fault(FaultKind.STATUS, "cdts.update", status=409, after=1)
    server.faults.add(Fault(cut, "cdts.update"), refusal)
    (outcome,), report = await upserted(welkin, [changed(row)])
    # Where it was made it is not sent again; where not, the refusal may be about an attempt that is still on its way.
    assert server.faults.unmet() == ([refusal] if cut is FaultKind.RESET_AFTER else [])
    assert (outcome.status, report.complete) == (bulk.Status.UPDATED, True)
    assert [r["jsonBody"]["medication_name"] for r in server.store.cdt_records(CDT)] == ["changed"]


CUT_SHORT = {
    "429": Fault(FaultKind.STATUS, "cdts.update", status=429, retry_after=1),
    "503": Fault(FaultKind.STATUS, "cdts.update", status=503, retry_after=1),
    "reset": Fault(FaultKind.RESET_BEFORE, "cdts.update", times=3),
    "stall": Fault(FaultKind.STALL_BEFORE, "cdts.update", delay=5.0),
}


@pytest.mark.parametrize("cut_short", CUT_SHORT)
async def test_a_change_that_is_held_up_is_not_made_over_what_somebody_has_written_meanwhile(
    server: Sandbox, cut_short: str
) -> None:
    (row,) = rows_for(server, 1)
    async with connect(server, timeout=1.0) as welkin:
        await upserted(welkin, [row])
        server.faults.add(CUT_SHORT[cut_short])
        running = asyncio.create_task(upserted(welkin, [changed(row)]))
        if cut_short == "stall":
            await asyncio.sleep(0.5)  # it is out, and counted when it is answered
        while cut_short != "stall" and not server.stats.operations["cdts.update"]:
            await asyncio.sleep(0.001)
        somebody_edits(server, "row-0", medication_name="by a person")
        (outcome,), report = await running
    assert (outcome.status, report.complete) == (bulk.Status.CONFLICT, False)
    assert [record["jsonBody"]["medication_name"] for record in server.store.cdt_records(CDT)] == ["by a person"]


async def test_changes_that_are_out_when_the_consumer_leaves_are_waited_for(server: Sandbox) -> None:
    rows = rows_for(server, 8)
    async with connect(server) as welkin:
        await upserted(welkin, rows)
        server.faults.add(Fault(FaultKind.STALL_AFTER, "cdts.update", delay=0.5, times=7))
        stream = bulk.stream_cdt_upserts(welkin, CDT, [changed(row) for row in rows], **QUICK)
        async with stream:
            async for _ in stream:
                break
    assert server.stats.operations["cdts.update"] == 8
    assert (stream.report.updated, stream.report.unknown) == (8, 0)


@pytest.mark.parametrize("body", [None, b"<html>no</html>", b'[{"errorCode": "NO_HEALTHY_UPSTREAM"}]'])
async def test_a_404_that_is_not_the_servers_own_is_believed_of_nothing(server: Sandbox, body: bytes | None) -> None:
    rows = rows_for(server, 3, patients=1)
    people = [bulk.PatientRow({"firstName": "Ann", "lastName": "Lee"}, key=f"p{number}") for number in range(3)]
    options: dict[str, Any] = {"settle": 0.1, "final_settle": 0.2, "concurrency": 1, "overwrite": True}
    async with connect(server) as welkin:
        await upserted(welkin, rows)
        await bulk.upsert_patients(welkin, people, **options)
        held = len(server.store.patients)
        # Each patient is asked for twice, over a new connection too, and once more when the settle time is over.
        for operation, times in (("cdts.list", 4), ("cdts.get", 4), ("patients.get", 12)):
            server.faults.add(Fault(FaultKind.STATUS, operation, status=404, times=times, body=body or b""))
        outcomes, _ = await upserted(welkin, [changed(row) for row in rows], concurrency=1)
        assert bulk.Status.GONE not in {outcome.status for outcome in outcomes}
        report = await bulk.upsert_patients(welkin, people, **options)
        assert report.created == 0
    assert (len(server.store.cdt_records(CDT)), len(server.store.patients)) == (3, held)


@pytest.mark.parametrize("status", [400, 409, 422])
async def test_a_change_that_is_refused_is_rejected(server: Sandbox, welkin: Welkin, status: int) -> None:
    rows = rows_for(server, 2)
    await upserted(welkin, rows)
    server.faults.add(Fault(FaultKind.STATUS, "cdts.update", status=status, times=None))
    outcomes, report = await upserted(welkin, [changed(row) for row in rows])
    assert [outcome.status for outcome in outcomes] == [bulk.Status.REJECTED] * 2
    assert (report.rejected, report.complete) == (2, False)


@pytest.mark.timing
@pytest.mark.parametrize("operation", ["cdts.list", "cdts.update"])
async def test_what_is_refused_for_ever_is_given_up_while_the_server_is_there(
    server: Sandbox, welkin: Welkin, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    monkeypatch.setattr("welkin_async.bulk.actions.base.LOOKUP_PATIENCE", 0.2)
    monkeypatch.setattr("welkin_async.bulk.keys.fresh_write._PATIENCE", 0.2)
    rows = rows_for(server, 12, patients=1)
    await upserted(welkin, rows)
    server.faults.add(Fault(FaultKind.STATUS, operation, status=429, times=None))
    async with asyncio.timeout(60.0):
        outcomes, report = await upserted(welkin, [changed(row) for row in rows], concurrency=1)
    assert [outcome.status for outcome in outcomes] == [bulk.Status.FAILED] * 12
    assert all(isinstance(outcome.error, NotSentError) for outcome in outcomes)
    assert not report.complete
