"""What happens to a journal, or to a run that keeps one, at the worst moment: nothing is sent twice for it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from welkin_async import AuthenticationError, NotFoundError, PermissionDeniedError, Welkin, bulk
from welkin_async.bulk import CdtRow, JournalError, JournalLockedError, JournalMismatchError, Outcome, Status
from welkin_async.bulk.journal.journal import Journal
from welkin_async.http.auth import tokens
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .helpers import CDT, FAST, Pulled, connect, forget, held, outcomes_of, recorded, refuse, rows, statuses, take


def once(server: Sandbox, count: int) -> None:
    """Assert that every row is on the server, and none twice."""
    assert len(server.store.cdt_records(CDT)) == len(held(server)) == count


async def test_a_source_that_has_changed_does_not_change_what_is_known_of_the_old_one(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path
) -> None:
    source = rows(patient, 4)
    source[2] = CdtRow(patient, {"external_id": "e2", "unknown": "dropped"}, "e2")
    await outcomes_of(welkin, source, journal=journal, check="off")
    assert recorded(journal) == {2: "altered"}
    other = [*source[:2], CdtRow(patient, {"external_id": "new"}, "new"), source[3]]
    with pytest.raises(JournalMismatchError):
        await outcomes_of(welkin, other, journal=journal, check="off")
    assert recorded(journal) == {2: "altered"}
    _, report = await outcomes_of(welkin, source, journal=journal, check="off")
    assert report.skipped == 4
    once(server, 4)


@pytest.mark.parametrize(("options", "status"), [({}, "skipped"), ({"key_field": None}, "unknown")])
async def test_what_an_earlier_run_has_created_is_never_called_failed(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path, options: dict[str, Any], status: str
) -> None:
    """Not where a source that has changed ends the run either: a row is known by its key, or may be any."""
    source = rows(patient, 6)
    if options:
        source = [CdtRow(patient, row.fields) for row in source]
    await outcomes_of(welkin, source, journal=journal, **options)
    seen: list[Outcome[Any, Any]] = []
    stream = bulk.stream_cdt_records(welkin, CDT, source[::-1], **{**FAST, "journal": journal, **options})
    with pytest.raises(JournalMismatchError):
        async with stream:
            await take(stream, seen)
    seen += stream.unfinished
    assert seen
    assert {str(outcome.status) for outcome in seen} == {status}
    assert recorded(journal) == {}
    once(server, 6)


async def test_a_row_that_may_be_there_is_so_still_when_a_run_is_stopped_before_it(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = rows(patient, 4)
    refuse(server, 1, after=1)  # so that a retry reserves what it takes up
    await outcomes_of(welkin, source, journal=journal, concurrency=1)
    forget(journal, 1)
    reserve = Journal.reserve

    async def never(self: Journal, position: int) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Journal, "reserve", never)
    seen: list[Outcome[Any, Any]] = []
    with pytest.raises(TimeoutError):
        async with (
            asyncio.timeout(0.3),
            bulk.stream_cdt_records(welkin, CDT, source, **{**FAST, "journal": journal, "resume": "retry"}) as stream,
        ):
            await take(stream, seen)
    found = {outcome.index: outcome for outcome in [*seen, *stream.unfinished]}
    assert sorted(found) == list(range(len(found)))
    assert [str(found[index].status) for index in found] == ["skipped", "failed", "unknown", "unknown"]
    assert recorded(journal) == {1: "unsent", 2: "unknown", 3: "unknown"}
    monkeypatch.setattr(Journal, "reserve", reserve)
    _, report = await outcomes_of(welkin, source, journal=journal)
    assert (report.created, report.adopted) == (3, 2)
    once(server, 4)


async def full(journal: Journal) -> None:
    """Let the disk be full from now on."""
    await journal.flush()

    def limit() -> None:
        (pages,) = journal._files.writer.execute("PRAGMA page_count").fetchone()
        journal._files.writer.execute(f"PRAGMA max_page_count={pages}")

    await journal._store.call(limit)


@pytest.mark.parametrize("ordered", [False, True])
async def test_a_journal_that_can_no_longer_be_written_costs_no_row_its_outcome(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path, monkeypatch: pytest.MonkeyPatch, ordered: bool
) -> None:
    opened: list[Journal] = []
    original = Journal.open

    async def noted(*given: Any, **more: Any) -> Journal:
        opened.append(await original(*given, **more))
        return opened[0]

    monkeypatch.setattr(Journal, "open", noted)
    source = Pulled(rows(patient, 20_000))
    server.faults.add(Fault(FaultKind.RESET_BEFORE, operation="cdts.create", every=3, times=None))
    seen: list[Outcome[Any, Any]] = []
    stream = bulk.stream_cdt_records(welkin, CDT, source, journal=journal, ordered=ordered, concurrency=8)
    with pytest.raises(JournalError, match="disk is full"):
        async with stream:
            async for outcome in stream:
                seen.append(outcome)
                if len(seen) == 100:
                    await full(opened[0])
    found = [*seen, *stream.unfinished]
    assert sorted(outcome.index for outcome in found) == list(range(source.count))
    assert stream.report.rows == source.count < 20_000
    assert stream.report.created == len(server.store.cdt_records(CDT))
    monkeypatch.setattr(Journal, "open", original)
    server.faults.clear()
    sent = [row for row in source.source if row.key in held(server)]
    _, report = await outcomes_of(welkin, rows(patient, 20_000)[: len(sent)], journal=journal, key_field=None)
    assert report.rows == report.created + report.skipped + report.unknown
    assert server.store.duplicates(CDT) == {}


async def test_a_group_whose_source_has_changed_loses_no_row(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path
) -> None:
    records = [await welkin.patient(patient).cdts(CDT).create({"medication_name": "a"}) for _ in range(4)]
    changes = [bulk.CdtChange(patient, made.id, {"medication_status": "active"}) for made in records]
    await bulk.bulk_update_cdt_records(welkin, CDT, changes, journal=journal)
    changes[2] = bulk.CdtChange(patient, records[2].id, {"medication_status": "inactive"})
    stream = bulk.stream_cdt_bulk_updates(welkin, CDT, changes, journal=journal)
    seen: list[Outcome[Any, Any]] = []
    with pytest.raises(JournalMismatchError):
        async with stream:
            await take(stream, seen)
    found = sorted([*seen, *stream.unfinished], key=lambda outcome: outcome.index)
    assert statuses(found) == ["skipped", "skipped", "failed", "skipped"]
    assert stream.report.rows == 4


async def test_a_journal_by_another_name_is_the_same(welkin: Welkin, patient: str, journal: Path) -> None:
    async def source() -> AsyncIterator[CdtRow]:
        yield rows(patient, 1)[0]
        link = journal.with_name("link")
        link.symlink_to(journal.name)
        with pytest.raises(JournalLockedError):
            await bulk.create_cdt_records(welkin, CDT, rows(patient, 1), journal=link)

    report = await bulk.create_cdt_records(welkin, CDT, source(), journal=journal)
    assert report.created == 1


async def test_a_journal_that_was_cut_short_is_refused(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path
) -> None:
    source = rows(patient, 300)
    refuse(server, 20, after=100)
    await outcomes_of(welkin, source, journal=journal, key_field=None)
    whole = journal.read_bytes()
    for size in range(4096, len(whole), 4096):
        for cut in (size, size - 100):
            journal.write_bytes(whole[:cut])
            with pytest.raises(JournalError):
                await outcomes_of(welkin, source, journal=journal, key_field=None)
    once(server, 280)
    journal.write_bytes(whole)
    _, report = await outcomes_of(welkin, source, journal=journal, key_field=None)
    assert report.skipped == 300


async def test_a_row_that_cannot_be_sent_at_all_does_not_end_the_import(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path
) -> None:
    bad: list[Any] = [
        CdtRow(patient, ["not", "a", "mapping"], "b1"),  # type: ignore[arg-type]
        CdtRow(patient, {"medication_name": object()}, "b2"),
        CdtRow(patient, {"medication_name": "x"}, "   "),
        CdtRow(patient, {"medication_name": "x", "external_id": " "}, None),
        CdtRow(None, {"medication_name": "x"}, "b5"),  # type: ignore[arg-type]
        CdtRow("", {"medication_name": "x"}, "b6"),
        CdtRow("..", {"medication_name": "x"}, "b7"),
        "row",
        None,
    ]
    source = [*rows(patient, 3), *bad]
    for source_id in (None, "a file"):
        path = journal.with_name(f"journal {source_id}")
        for run in range(2):
            outcomes, report = await outcomes_of(welkin, source, journal=path, source=source_id)
            assert statuses(outcomes)[3:] == ["skipped" if run else "failed"] * len(bad)
            assert (report.created, report.skipped) == ((0, len(source)) if run else (3, 0))
        forget(path, 3)
        _wipe(path)  # a kill before any of them was noted
        outcomes, _ = await outcomes_of(welkin, source, journal=path, source=source_id)
        assert set(statuses(outcomes)[3:]) <= {"failed", "unknown"}
        for record in server.store.cdt_records(CDT):
            await welkin.patient(patient).cdts(CDT).delete(record["id"])


def _wipe(journal: Path) -> None:
    with contextlib.closing(sqlite3.connect(journal)) as opened:
        opened.execute("DELETE FROM outcomes")
        opened.commit()


async def test_a_row_that_was_refused_and_landed_after_all_is_not_sent_by_a_retry(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path
) -> None:
    source = rows(patient, 6)
    server.faults.add(
        Fault(FaultKind.RESET_LATE, operation="cdts.create", after=4, delay=0.8),
        Fault(FaultKind.STATUS, status=422, operation="cdts.create", after=6),
    )
    options = {"journal": journal, "concurrency": 1, "final_settle": 1.5}
    found, report = await outcomes_of(welkin, source, **options)
    assert not server.faults.unmet()
    assert (statuses(found)[4], report.complete) == ("rejected", False)
    once(server, 6)
    found, report = await outcomes_of(welkin, source, **options)
    assert (found[4].earlier, report.complete) == ("rejected", False)
    found, report = await outcomes_of(welkin, source, resume="retry", **options)
    assert (found[4].adopted, report.complete) == (True, True)
    once(server, 6)


async def test_a_journal_belongs_to_one_key_field(server: Sandbox, welkin: Welkin, patient: str, journal: Path) -> None:
    """Rows that may have been sent with one key, or with none, must not be looked for by another and found absent."""
    source = rows(patient, 3)
    for first, then in ((None, "external_id"), ("external_id", None), ("external_guid", "external_id")):
        path = journal.with_name(f"of {first}")
        await outcomes_of(welkin, source, journal=path, key_field=first)
        forget(path, 1)
        sent = server.stats.operations["cdts.create"]
        with pytest.raises(JournalMismatchError, match="key field"):
            await outcomes_of(welkin, source, journal=path, key_field=then)
        assert server.stats.operations["cdts.create"] == sent


async def test_a_token_that_is_refused_to_a_resend_leaves_the_row_unknown(
    server: Sandbox, patient: str, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was found absent and is to be sent again; what was sent before lands only now."""
    monkeypatch.setattr(tokens, "_LONGEST_MEMORY", 0.0)  # sessions of a process share what they know of refusals
    source = rows(patient, 6)
    server.faults.add(
        Fault(FaultKind.RESET_LATE, operation="cdts.create", after=4, times=1, delay=1.0),
        Fault(FaultKind.STATUS, status=401, operation="cdts.create", after=6, times=3),
    )
    options = {"journal": journal, "concurrency": 1}
    async with connect(server) as welkin:
        stream = bulk.stream_cdt_records(welkin, CDT, source, **{**FAST, **options})
        seen: list[Outcome[Any, Any]] = []
        with pytest.raises(AuthenticationError):
            async with stream:
                await take(stream, seen)
    found = {outcome.index: outcome for outcome in [*seen, *stream.unfinished]}
    assert not server.faults.unmet()
    assert (found[4].status, found[4].attempts) == (Status.UNKNOWN, 4)
    assert recorded(journal)[4] == "unknown"
    while len(server.store.cdt_records(CDT)) < 6:
        await asyncio.sleep(0.01)
    async with connect(server) as welkin:
        _, report = await outcomes_of(welkin, source, **options)
    assert (report.adopted, report.complete) == (1, True)
    once(server, 6)


async def test_a_run_waits_for_what_another_process_sent_until_it_held_the_journal(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path
) -> None:
    """However long before that the run was put together."""
    source = rows(patient, 4)
    await outcomes_of(welkin, source[:3], journal=journal, source="s")
    other = await Journal.open(journal, source="s", target=_target(server), keys="external_id")
    await other.reserve(3)
    await other.aclose()
    stream = bulk.stream_cdt_records(welkin, CDT, source, **{**FAST, "settle": 0.6, "journal": journal, "source": "s"})
    await asyncio.sleep(0.7)

    async def land() -> None:
        await asyncio.sleep(0.35)
        await welkin.patient(patient).cdts(CDT).create({"external_id": "e3"})

    landing = asyncio.create_task(land())
    async with stream:
        found = [outcome async for outcome in stream]
    await landing
    assert [outcome.status for outcome in found if outcome.adopted] == [Status.CREATED]
    once(server, 4)


def _target(server: Sandbox) -> str:
    return f"{server.base_url}/{server.tenant}/{server.instance}/patients/-/cdts/{CDT}"


async def test_a_skipped_row_has_its_outcome_though_the_proof_it_may_be_is_broken_off(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path
) -> None:
    source = rows(patient, 10)
    await outcomes_of(welkin, source, journal=journal)
    server.faults.add(Fault(FaultKind.STALL_BEFORE, operation="cdts.list", delay=20.0))
    again = Pulled(source)
    async with bulk.stream_cdt_records(welkin, CDT, again, **{**FAST, "journal": journal}) as stream:
        while not server.faults.report()[0].met:
            await asyncio.sleep(0.01)
    assert sorted(outcome.index for outcome in stream.unfinished) == list(range(again.count))
    assert stream.report.rows == again.count > 0


async def test_a_double_that_is_still_there_is_named_by_every_run(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path
) -> None:
    source = rows(patient, 20)
    server.faults.add(Fault(FaultKind.RESET_LATE, operation="cdts.create", after=10, delay=0.8))
    options = {"journal": journal, "final_settle": 1.0}
    _, report = await outcomes_of(welkin, source, **options)
    assert (report.created, report.doubled, report.complete) == (20, 1, False)
    _, report = await outcomes_of(welkin, source, **options)
    assert (report.skipped, report.doubled, report.complete) == (20, 1, False)
    # The journal knows which of the two was reported.
    (twice,) = server.store.duplicates(CDT).values()
    stream = bulk.stream_cdt_records(welkin, CDT, source, **{**FAST, **options}, remove_doubles=True)
    async with stream:
        assert len([outcome async for outcome in stream]) == 20
    (double,) = stream.doubles
    assert (set(double.ids), double.removed) == (set(twice), tuple(id for id in twice if id != double.reported))
    assert (stream.report.doubled, len(server.store.cdt_records(CDT))) == (0, 20)
    for _ in range(2):
        _, report = await outcomes_of(welkin, source, **options)
        assert (report.doubled, report.complete) == (0, True)


OWN_404 = b'[{"errorCode": "DT_RECORD_NOT_FOUND"}]'


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [(403, None, PermissionDeniedError), (404, b"<html>no</html>", NotFoundError), (404, OWN_404, None)],
)
async def test_a_copy_that_cannot_be_removed_is_named(
    server: Sandbox, welkin: Welkin, patient: str, status: int, body: bytes | None, error: type[Exception] | None
) -> None:
    source = rows(patient, 20)
    server.faults.add(
        Fault(FaultKind.RESET_LATE, operation="cdts.create", after=10, delay=0.8),
        Fault(FaultKind.STATUS, status=status, body=body, operation="cdts.delete", times=None),
    )
    options = {**FAST, "final_settle": 1.0, "remove_doubles": True}
    stream = bulk.stream_cdt_records(welkin, CDT, source, **options)
    seen: list[Outcome[Any, Any]] = []
    gone = error is None  # somebody else was faster
    with contextlib.nullcontext() if error is None else pytest.raises(error):
        async with stream:
            await take(stream, seen)
    (double,) = stream.doubles
    assert len(double.removed) == gone
    assert stream.report.doubled == (not gone)
    assert len(seen) == 20


async def test_a_code_that_is_none_does_not_come_into_the_journal(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path
) -> None:
    """What stands in its place may be anything, a patient's name included."""
    for code in (b"Charlie Taylor", b"CDT_NOT_VALID"):
        body = b'[{"errorCode": "%s"}]' % code
        server.faults.add(Fault(FaultKind.STATUS, status=422, operation="cdts.create", body=body))
    await outcomes_of(welkin, rows(patient, 2), journal=journal, concurrency=1)
    with contextlib.closing(sqlite3.connect(journal)) as opened:
        codes = [code for (code,) in opened.execute("SELECT error_code FROM outcomes ORDER BY position")]
    assert codes == ["unrecognised code", "CDT_NOT_VALID"]
