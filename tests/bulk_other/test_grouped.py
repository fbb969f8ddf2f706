"""CDT records changed in bulk, many of a patient in one request."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest
from conftest import Connect

from welkin_async import DecodeError, RejectedError, Welkin, bulk
from welkin_async.bulk.batch_update.source import GroupSource
from welkin_async.bulk.rows import PreparedRow
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .helpers import CDT, KINDS, Killed, body, later, records, statuses, taken, trouble, until

OPERATION = "cdts.bulk_update"


def changes(made: list[tuple[str, str]], value: str = "inactive") -> list[bulk.CdtChange]:
    return [
        bulk.CdtChange(patient, record, {"medication_status": value}, key=f"k{number}")
        for number, (patient, record) in enumerate(made)
    ]


def changed(server: Sandbox) -> int:
    return sum(record["jsonBody"]["medication_status"] == "inactive" for record in server.store.cdt_records(CDT))


async def test_consecutive_changes_of_a_patient_go_together(server: Sandbox, welkin: Welkin) -> None:
    made = records(server, 5, 120)
    stream = bulk.stream_cdt_bulk_updates(welkin, CDT, changes(made), ordered=True)
    outcomes = await taken(stream)
    assert [outcome.index for outcome in outcomes] == list(range(600))
    assert [outcome.record.id for outcome in outcomes if outcome.record] == [record for _, record in made]
    assert set(statuses(outcomes)) == {"updated"}
    assert server.stats.operations[OPERATION] == 15  # 50 + 50 + 20 for each patient
    assert stream.report.attempts == 15
    assert stream.report.retried == 0
    assert changed(server) == 600


@pytest.mark.parametrize("group", [1, 4])
async def test_every_change_has_its_outcome_under_faults(server: Sandbox, connect: Connect, group: int) -> None:
    made = records(server, 6, 15)
    # An answer that only queues a change says nothing of its rows, which are unknown then.
    trouble(server, OPERATION, 0.3, 90 // group, [kind for kind in KINDS if kind is not FaultKind.QUEUED])
    async with connect(server, timeout=1.0, max_attempts=8) as welkin:
        stream = bulk.stream_cdt_bulk_updates(welkin, CDT, later(changes(made)), group=group, concurrency=8)
        outcomes = await taken(stream)
    assert not server.faults.unmet()
    assert len(outcomes) == 90
    assert set(statuses(outcomes)) == {"updated"}
    assert stream.report.attempts == server.stats.operations[OPERATION]
    assert changed(server) == 90


async def test_each_rows_result_counts(server: Sandbox, welkin: Welkin) -> None:
    made = records(server, 1, 4)
    patient = made[0][0]
    rows: list[Any] = changes(made)
    rows[1] = bulk.CdtChange(patient, "5e1a7c3e-0000-4000-8000-000000000000", {"medication_status": "inactive"})
    rows[2] = bulk.CdtChange(patient, made[2][1], {"medication_dose": "1"})  # not marked for bulk edit
    rows += [bulk.CdtChange(patient, made[0][1], {"typo": "1"}), "row", bulk.CdtChange(patient, None, {})]  # type: ignore[arg-type]
    outcomes = await taken(bulk.stream_cdt_bulk_updates(welkin, CDT, rows, ordered=True))
    assert statuses(outcomes) == ["updated", "rejected", "failed", "updated", "failed", "failed", "failed"]
    assert "marked for bulk edit" in str(outcomes[2].error)
    outcomes = await taken(bulk.stream_cdt_bulk_updates(welkin, CDT, rows[:4], ordered=True, check="off"))
    assert statuses(outcomes) == ["updated", "rejected", "rejected", "updated"]
    error = outcomes[2].error
    assert isinstance(error, RejectedError)
    assert error.error_codes == ("ERROR",)
    assert "bulk edit" not in str(error)  # what the row's content says is not quoted
    assert server.stats.operations[OPERATION] == 2


async def test_an_answer_is_taken_apart_by_id(server: Sandbox, welkin: Welkin) -> None:
    made = records(server, 1, 5)
    ids = [record for _, record in made]
    held = {"medication_status": "inactive"}
    answer = {
        "rows": [
            {"id": ids[4].upper(), "jsonBody": held, "result": {"status": "OK", "content": None}},
            {"id": ids[3], "jsonBody": held, "result": {"status": "Jane Doe is locked", "content": "Jane Doe"}},
            {"id": ids[2], "jsonBody": held, "result": None},
            {"id": ids[0], "jsonBody": {"medication_status": "active"}, "result": {"status": "OK"}},
        ]
    }
    # Twice: with a row that is not as it was to become it may be the answer to an earlier request.
    body = json.dumps(answer).encode()
    server.faults.add(Fault(kind=FaultKind.STATUS, status=200, body=body, operation=OPERATION, times=2))
    outcomes = await taken(bulk.stream_cdt_bulk_updates(welkin, CDT, changes(made), ordered=True))
    assert server.faults.unmet() == []
    assert statuses(outcomes) == ["updated", "unknown", "unknown", "rejected", "updated"]
    assert outcomes[0].altered == ("medication_status",)
    assert isinstance(outcomes[1].error, DecodeError)
    assert "Jane" not in f"{outcomes[3].error} {outcomes[3].error!r}"

    server.faults.add(Fault(kind=FaultKind.STATUS, status=200, body=b'{"rows": {}}', operation=OPERATION))
    outcomes = await taken(bulk.stream_cdt_bulk_updates(welkin, CDT, changes(made)))
    assert set(statuses(outcomes)) == {"unknown"}


async def test_a_group_that_is_refused_is_sent_in_halves(server: Sandbox, welkin: Welkin) -> None:
    made = records(server, 1, 8)
    server.faults.add(Fault(kind=FaultKind.STATUS, status=413, operation=OPERATION, times=2))
    stream = bulk.stream_cdt_bulk_updates(welkin, CDT, changes(made), ordered=True)
    outcomes = await taken(stream)
    assert set(statuses(outcomes)) == {"updated"}
    assert [outcome.attempts for outcome in outcomes] == [3, 3, 3, 3, 2, 2, 2, 2]
    assert stream.report.attempts == server.stats.operations[OPERATION] == 5
    absent = "5e1a7c3e-0000-4000-8000-000000000000"
    lost = [bulk.CdtChange(absent, record, {"medication_status": "active"}) for _, record in made]
    outcomes = await taken(bulk.stream_cdt_bulk_updates(welkin, CDT, lost))
    assert set(statuses(outcomes)) == {"rejected"}
    assert server.stats.operations[OPERATION] == 6  # a patient that is not there is no single row's fault


async def test_a_record_is_not_twice_in_a_request(server: Sandbox, welkin: Welkin) -> None:
    made = records(server, 1, 2)
    rows = [*changes(made, "active"), *changes(made)]
    report = await bulk.bulk_update_cdt_records(welkin, CDT, rows, concurrency=1)
    assert report.updated == 4
    assert server.stats.operations[OPERATION] == 2
    assert changed(server) == 2


async def test_a_journal_takes_changes_up_row_by_row(server: Sandbox, connect: Connect, tmp_path: Path) -> None:
    made, journal = records(server, 4, 50), tmp_path / "journal"
    rows = changes(made)
    rows[20] = bulk.CdtChange(*made[20], {"medication_status": "none"})
    async with connect(server) as welkin:
        with pytest.raises(Killed):
            await bulk.bulk_update_cdt_records(
                welkin, CDT, until(rows, 130), group=10, concurrency=2, journal=journal, block=10
            )
        done = changed(server)
        assert 20 < done < 200
        for group in (7, 50):  # groups may be cut otherwise the next time
            outcomes = await taken(
                bulk.stream_cdt_bulk_updates(welkin, CDT, rows, group=group, journal=journal, ordered=True)
            )
            assert [outcome.row for outcome in outcomes] == rows
        assert set(statuses(outcomes)) == {"skipped"}
        assert changed(server) == 199
        rows[20] = changes(made)[20]
        with pytest.raises(bulk.JournalMismatchError):
            await bulk.bulk_update_cdt_records(welkin, CDT, rows, journal=journal)
        rows[20] = bulk.CdtChange(*made[20], {"medication_status": "none"})
        report = await bulk.bulk_update_cdt_records(welkin, CDT, rows, journal=journal, resume="retry", check="off")
    assert (report.skipped, report.rejected) == (199, 1)


async def test_a_stop_leaves_no_row_without_an_outcome(server: Sandbox, welkin: Welkin) -> None:
    made = records(server, 10, 30)
    rows: list[Any] = changes(made)
    rows[100] = "row"
    for ordered in (False, True):
        stream = bulk.stream_cdt_bulk_updates(welkin, CDT, rows, group=10, concurrency=4, ordered=ordered)
        seen = []
        async with stream:
            async for outcome in stream:
                seen.append(outcome)
                if len(seen) == 25:
                    break
        every = [*seen, *stream.unfinished]
        assert sorted(outcome.index for outcome in every) == list(range(stream.report.rows))
        assert stream.report.rows < 300
    with pytest.raises(bulk.BulkStoppedError) as stopped:
        await bulk.bulk_update_cdt_records(welkin, CDT, rows, group=10, concurrency=4, fail_fast=True)
    assert stopped.value.report.failed == 2  # that row, and the one that was pulled behind it to see where it ends


async def test_a_run_that_is_cancelled_says_what_was_out(server: Sandbox, welkin: Welkin) -> None:
    made = records(server, 3, 20)
    server.faults.add(Fault(kind=FaultKind.STALL_AFTER, operation=OPERATION, times=None, delay=5.0))
    stream = bulk.stream_cdt_bulk_updates(welkin, CDT, changes(made), group=20, concurrency=2)

    async def taking() -> None:
        async with stream:
            async for _ in stream:
                raise AssertionError

    task = asyncio.create_task(taking())
    while server.stats.performed[OPERATION] < 2:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert Counter(str(outcome.status) for outcome in stream.unfinished) == {"unknown": 40}
    assert stream.report.unknown == 40


async def test_options_are_checked(server: Sandbox, welkin: Welkin) -> None:
    with pytest.raises(ValueError, match="1 row at least"):
        await bulk.bulk_update_cdt_records(welkin, CDT, [], group=0)
    with pytest.raises(TypeError, match="key_field"):
        await bulk.bulk_update_cdt_records(welkin, CDT, [], key_field=None)  # type: ignore[call-arg]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_groups_lose_no_row_where_the_source_fails(asynchronous: bool) -> None:
    rows = until([1, 1, 2, 2, 2, 3, 3, 30, 1], 9)

    def fails() -> Any:
        yield from rows
        raise OSError

    def prepare(index: int, row: int) -> PreparedRow:
        return PreparedRow(index, row, group=str(row % 10 == 3))

    source = GroupSource(later(fails()) if asynchronous else fails(), prepare, size=4)
    groups = []
    with pytest.raises(OSError):
        while pulled := await source.pull():
            groups.append((pulled[0].index, [member.row for member in pulled]))
    assert groups == [(0, [1, 1, 2, 2]), (4, [2]), (5, [3, 3]), (7, [30, 1])]
    assert await source.pull() is None
    assert source.pulled == 9


@hypothesis.given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=40), st.integers(1, 6), st.booleans()
)
def test_groups_hold_every_row_once_and_in_order(rows: list[tuple[int, int]], most: int, asynchronous: bool) -> None:
    async def pulled() -> list[Any]:
        def prepare(index: int, row: tuple[int, int]) -> PreparedRow:
            return PreparedRow(index, row, group=str(row[0]), key=str(row[1]))

        source = GroupSource(later(rows) if asynchronous else rows, prepare, size=most)
        found = []
        while group := await source.pull():
            found.append(group)
        return found

    groups = asyncio.run(pulled())
    members = [member for group in groups for member in group]
    assert [(member.index, member.row) for member in members] == list(enumerate(rows))
    for group in groups:
        assert len(group) <= most
        assert len({member.row[0] for member in group}) == 1
        assert len({member.row[1] for member in group}) == len(group)


async def test_a_body_is_exactly_what_is_to_change(server: Sandbox, welkin: Welkin) -> None:
    ((patient, record),) = records(server, 1, 1)
    before = dict(body(server, patient, record))
    await bulk.bulk_update_cdt_records(welkin, CDT, [bulk.CdtChange(patient, record, {"medication_status": "active"})])
    after = body(server, patient, record)
    assert {name for name in after if after[name] != before[name]} <= {
        "medication_status",
        "updated_at",
        "updated_by",
        "updated_by_name",
    }
