"""CDT records changed and deleted in bulk, one request for each."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from conftest import Connect

from welkin_async import NotFoundError, Welkin, bulk
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .helpers import CDT, Killed, body, later, records, statuses, taken, trouble, until


def changes(made: list[tuple[str, str]], value: str = "inactive") -> list[bulk.CdtChange]:
    return [
        bulk.CdtChange(patient, record, {"medication_status": value, "medication_refills": number}, key=f"k{number}")
        for number, (patient, record) in enumerate(made)
    ]


def refs(made: list[tuple[str, str]]) -> list[bulk.CdtRef]:
    return [bulk.CdtRef(patient, UUID(record)) for patient, record in made]


def changed(server: Sandbox) -> int:
    return sum(record["jsonBody"]["medication_status"] == "inactive" for record in server.store.cdt_records(CDT))


async def test_every_record_is_changed_under_faults(server: Sandbox, connect: Connect) -> None:
    made = records(server, 8, 15)
    trouble(server, "cdts.update", 0.15, 120)
    async with connect(server, timeout=1.0, max_attempts=8) as welkin:
        outcomes = await taken(bulk.stream_cdt_updates(welkin, CDT, later(changes(made)), ordered=True))
    assert not server.faults.unmet()
    assert set(statuses(outcomes)) == {"updated"}
    assert [outcome.row.key for outcome in outcomes] == [f"k{number}" for number in range(120)]
    assert [outcome.record.id for outcome in outcomes if outcome.record] == [record for _, record in made]
    assert [body(server, *where)["medication_refills"] for where in made] == list(range(120))


async def test_what_cannot_be_changed_is_said(server: Sandbox, welkin: Welkin) -> None:
    ((patient, record), *_) = records(server, 1, 1)
    rows: list[Any] = [
        bulk.CdtChange(patient, record, {"medication_name": None, "icd-10": "I10"}),  # a required field may be left out
        bulk.CdtChange(patient, record, {"medication_nam": "typo"}),
        bulk.CdtChange(patient, record, {"medication_status": "none"}),
        bulk.CdtChange(patient, "5e1a7c3e-0000-4000-8000-000000000000", {"icd-10": "I10"}),
        bulk.CdtChange(patient, None, {"icd-10": "I10"}),  # type: ignore[arg-type]
        bulk.CdtChange(patient, record, "icd-10"),  # type: ignore[arg-type]
        bulk.CdtRow(patient, {}),
    ]
    outcomes = await taken(bulk.stream_cdt_updates(welkin, CDT, rows, ordered=True))
    assert statuses(outcomes) == ["updated", "failed", "failed", "rejected", "failed", "failed", "failed"]
    assert isinstance(outcomes[3].error, NotFoundError)
    assert body(server, patient, record)["medication_name"] is None
    report = await bulk.update_cdt_records(welkin, CDT, rows[1:2], check="off")
    assert (report.updated, report.altered) == (1, 1)  # the server drops what it does not know, with a 200
    assert not report.complete


async def test_progress_and_the_bounds_on_failures_count_changes(server: Sandbox, welkin: Welkin) -> None:
    made = records(server, 2, 20)
    seen: list[bulk.Progress] = []
    report = await bulk.update_cdt_records(welkin, CDT, changes(made), on_progress=seen.append, max_failures=0)
    assert (report.updated, report.rows, report.complete) == (40, 40, True)
    assert (seen[-1].updated, seen[-1].rows, seen[-1].total) == (40, 40, 40)
    with pytest.raises(bulk.BulkStoppedError) as stopped:
        await bulk.update_cdt_records(welkin, CDT, changes(made, "wrong"), fail_fast=True, concurrency=1)
    assert stopped.value.report.failed == 1
    assert "0 updated" in stopped.value.__notes__[0]


async def test_what_is_sent_twice_by_its_nature_is_unknown_only_where_nothing_answers(
    server: Sandbox, connect: Connect
) -> None:
    made = records(server, 1, 3)
    server.faults.add(Fault(kind=FaultKind.RESET_AFTER, operation="cdts.update", after=1, times=2))
    async with connect(server, max_attempts=2) as welkin:
        outcomes = await taken(bulk.stream_cdt_updates(welkin, CDT, changes(made), concurrency=1))
    assert statuses(outcomes) == ["updated", "unknown", "updated"]
    assert changed(server) == 3


async def test_an_outage_pauses_and_leaves_no_row_unknown(server: Sandbox, connect: Connect) -> None:
    made = records(server, 4, 100)

    async def source() -> Any:
        for number, row in enumerate(changes(made)):
            if number == 100:
                server.outage(0.5)
            yield row

    async with connect(server, max_attempts=2) as welkin:
        report = await bulk.update_cdt_records(welkin, CDT, source(), concurrency=16)
    assert report.updated == 400
    assert changed(server) == 400


async def test_a_request_the_server_never_answers_does_not_hold_the_others(server: Sandbox, connect: Connect) -> None:
    made = records(server, 1, 20)
    server.faults.add(Fault(kind=FaultKind.STATUS, status=500, operation="cdts.update", after=7, times=2))
    async with connect(server, max_attempts=2) as welkin:
        outcomes = await taken(bulk.stream_cdt_updates(welkin, CDT, changes(made), concurrency=1))
    assert Counter(statuses(outcomes)) == {"updated": 19, "unknown": 1}


async def test_a_journal_takes_updates_up_and_refuses_a_second_change_of_a_record(
    server: Sandbox, connect: Connect, tmp_path: Path
) -> None:
    made, journal = records(server, 4, 50), tmp_path / "journal"
    async with connect(server) as welkin:
        with pytest.raises(Killed):
            await bulk.update_cdt_records(welkin, CDT, until(changes(made), 100), journal=journal, block=10)
        sent = server.stats.operations["cdts.update"]
        report = await bulk.update_cdt_records(welkin, CDT, changes(made), journal=journal)
        assert (report.updated, report.skipped) == (200 - sent, sent)
        assert sent >= 64
        twice = [*changes(made[:3]), *changes(made[:1], "active"), *changes(made[:1])]
        outcomes = await taken(bulk.stream_cdt_updates(welkin, CDT, twice, journal=tmp_path / "other", ordered=True))
    assert statuses(outcomes) == ["updated", "updated", "updated", "failed", "skipped"]
    assert "another row changes the same record" in str(outcomes[3].error)
    assert changed(server) == 200


async def cut_off(server: Sandbox, operation: str, run: Any) -> None:
    """Cancel a run while its first request is out and the work is done: what a kill leaves behind."""
    server.faults.add(Fault(kind=FaultKind.STALL_AFTER, operation=operation, delay=5.0))
    task = asyncio.create_task(run)
    while not server.stats.performed[operation]:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_rows_that_may_have_been_carried_out_are_sent_again(
    server: Sandbox, welkin: Welkin, tmp_path: Path
) -> None:
    made = records(server, 1, 5)
    await cut_off(server, "cdts.update", bulk.update_cdt_records(welkin, CDT, changes(made), journal=tmp_path / "u"))
    report = await bulk.update_cdt_records(welkin, CDT, changes(made), journal=tmp_path / "u")
    assert report.updated + report.skipped == 5
    await cut_off(
        server,
        "cdts.delete",
        bulk.delete_cdt_records(welkin, CDT, refs(made), journal=tmp_path / "d", concurrency=1),
    )
    assert len(server.store.cdt_records(CDT)) == 4
    outcomes = await taken(bulk.stream_cdt_deletions(welkin, CDT, refs(made), journal=tmp_path / "d", ordered=True))
    assert statuses(outcomes) == ["deleted"] * 5  # the first was gone already, by our own doing
    assert not server.store.cdt_records(CDT)


async def test_every_record_is_deleted_under_faults(server: Sandbox, connect: Connect, tmp_path: Path) -> None:
    made = records(server, 8, 20)
    trouble(server, "cdts.delete", 0.15, 160)
    async with connect(server, timeout=1.0, max_attempts=8) as welkin:
        with pytest.raises(Killed):
            await bulk.delete_cdt_records(welkin, CDT, until(refs(made), 80), journal=tmp_path / "journal")
        stream = bulk.stream_cdt_deletions(welkin, CDT, refs(made), journal=tmp_path / "journal")
        outcomes = await taken(stream)
        assert stream.report.complete
        assert not server.faults.unmet()
        server.faults.clear()
        gone = await taken(bulk.stream_cdt_deletions(welkin, CDT, refs(made[:2])))
    assert Counter(statuses(outcomes)).keys() == {"deleted", "skipped"}
    assert {outcome.record for outcome in outcomes} == {None}
    assert not server.store.cdt_records(CDT)
    assert statuses(gone) == ["rejected", "rejected"]


async def test_a_second_delete_of_a_record_is_skipped_with_a_journal(
    server: Sandbox, welkin: Welkin, tmp_path: Path
) -> None:
    made = records(server, 1, 2)
    rows: list[Any] = [*refs(made), *refs(made[:1]), "row"]
    outcomes = await taken(bulk.stream_cdt_deletions(welkin, CDT, rows, journal=tmp_path / "journal", ordered=True))
    assert statuses(outcomes) == ["deleted", "deleted", "skipped", "failed"]


async def test_a_journal_of_one_operation_is_not_anothers(server: Sandbox, welkin: Welkin, tmp_path: Path) -> None:
    made, journal = records(server, 1, 2), tmp_path / "journal"
    await bulk.update_cdt_records(welkin, CDT, changes(made), journal=journal)
    with pytest.raises(bulk.JournalMismatchError):
        await bulk.delete_cdt_records(welkin, CDT, refs(made), journal=journal)
    with pytest.raises(bulk.JournalMismatchError):
        await bulk.bulk_update_cdt_records(welkin, CDT, changes(made), journal=journal)
    assert len(server.store.cdt_records(CDT)) == 2


async def test_rows_show_nothing() -> None:
    rows = [
        bulk.CdtChange("secret", "secret", {"secret": "secret"}, "secret"),
        bulk.CdtRef("secret", "secret"),
        bulk.PatientRow({"firstName": "secret"}, "secret"),
    ]
    assert "secret" not in repr(rows)


@pytest.mark.parametrize(
    ("cut", "said"),
    [(FaultKind.RESET_AFTER, "done"), (FaultKind.TRUNCATED, "done"), (FaultKind.RESET_BEFORE, "unknown")],
)
@pytest.mark.parametrize("operation", ["cdts.update", "cdts.delete"])
async def test_what_is_refused_after_an_attempt_that_was_cut_off_is_looked_at(
    server: Sandbox, connect: Connect, operation: str, cut: FaultKind, said: str
) -> None:
    made = records(server, 1, 1)
    server.faults.add(Fault(cut, operation), Fault(FaultKind.STATUS, operation, status=409, after=1))
    async with connect(server) as welkin:
        if operation == "cdts.update":
            (outcome,) = await taken(bulk.stream_cdt_updates(welkin, CDT, changes(made)))
            assert changed(server) == (said == "done")
            assert (outcome.record is not None) == (said == "done")
        else:
            (outcome,) = await taken(bulk.stream_cdt_deletions(welkin, CDT, refs(made)))
            assert len(server.store.cdt_records(CDT)) == (said != "done")
    assert not server.faults.unmet()
    done = "updated" if operation == "cdts.update" else "deleted"
    assert outcome.status == (done if said == "done" else said)
    assert outcome.attempts == 2
    if said == "unknown":
        assert "an attempt before may have been carried out" in str(outcome.error)


@pytest.mark.parametrize("landed", [True, False])
async def test_what_a_killed_run_may_have_changed_and_is_refused_now_is_as_the_record_says(
    server: Sandbox, connect: Connect, tmp_path: Path, landed: bool
) -> None:
    made = records(server, 1, 1)
    silent = Fault(FaultKind.RESET_AFTER if landed else FaultKind.RESET_BEFORE, "cdts.update", times=None)
    server.faults.add(silent)
    async with connect(server, max_attempts=1) as welkin:
        (outcome,) = await taken(bulk.stream_cdt_updates(welkin, CDT, changes(made), journal=tmp_path / "journal"))
        assert outcome.status == "unknown"
        server.faults.clear()
        server.faults.add(Fault(FaultKind.STATUS, "cdts.update", status=422, times=None))
        (outcome,) = await taken(bulk.stream_cdt_updates(welkin, CDT, changes(made), journal=tmp_path / "journal"))
    assert (outcome.status, changed(server)) == (("updated", 1) if landed else ("rejected", 0))


async def test_a_group_that_is_refused_after_an_attempt_that_was_cut_off_is_unknown(
    server: Sandbox, connect: Connect
) -> None:
    made = records(server, 1, 3)
    server.faults.add(
        Fault(FaultKind.RESET_AFTER, "cdts.bulk_update"),
        Fault(FaultKind.STATUS, "cdts.bulk_update", status=409, after=1),
    )
    rows = [bulk.CdtChange(*where, {"medication_status": "inactive"}) for where in made]
    async with connect(server) as welkin:
        outcomes = await taken(bulk.stream_cdt_bulk_updates(welkin, CDT, rows))
    assert statuses(outcomes) == ["unknown"] * 3
    assert changed(server) == 3
