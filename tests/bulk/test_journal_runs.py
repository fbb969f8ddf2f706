"""Several runs of one import: what each takes up, what it leaves, and what the counts say of the whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from welkin_async import ConnectError, InvalidInputError, Welkin, bulk
from welkin_async.bulk import CdtRow, Status
from welkin_async.errors import RequestLine, WelkinError
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .helpers import CDT, FAST, connect, forget, held, outcomes_of, recorded, refuse, rows, statuses


async def test_rows_that_were_refused_are_sent_again_only_when_asked(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path
) -> None:
    source = rows(patient, 20)
    refuse(server, 5, after=10)
    first, _ = await outcomes_of(welkin, source, journal=journal)
    refused = [outcome.index for outcome in first if outcome.status is Status.REJECTED]
    assert len(refused) == 5
    sent = server.stats.operations["cdts.create"]
    resumed, report = await outcomes_of(welkin, source, journal=journal)
    assert statuses(resumed) == ["skipped"] * 20
    assert server.stats.operations["cdts.create"] == sent
    assert [outcome.index for outcome in resumed if outcome.earlier == "rejected"] == refused
    refuse(server, 2)
    retried, report = await outcomes_of(welkin, source, journal=journal, resume="retry")
    assert (report.created, report.rejected, report.skipped) == (3, 2, 15)
    assert {outcome.index for outcome in retried if outcome.status is not Status.SKIPPED} == set(refused)
    _, report = await outcomes_of(welkin, source, journal=journal, resume="retry")
    assert (report.created, report.skipped, report.complete) == (2, 18, True)
    assert len(server.store.cdt_records(CDT)) == len(held(server)) == 20


async def test_rows_that_could_not_be_sent_are_tried_again_only_when_asked(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path
) -> None:
    """What the definition does not allow fails; once it is extended, a retry sends it."""
    source = [CdtRow(patient, {"medication_name": "a", "extra": "x"} if n == 3 else {}, f"k{n}") for n in range(6)]
    first, report = await outcomes_of(welkin, source, journal=journal)
    assert statuses(first)[3] == "failed"
    assert (report.created, report.failed, report.complete) == (5, 1, False)
    server.define_cdt(
        CDT,
        [
            {"name": "external_id", "type": "text", "editable": True},
            {"name": "medication_name", "type": "text"},
            {"name": "extra", "type": "text"},
        ],
    )
    resumed, report = await outcomes_of(welkin, source, journal=journal)
    assert (resumed[3].earlier, report.complete) == ("failed", False)
    retried, report = await outcomes_of(welkin, source, journal=journal, resume="retry")
    assert (statuses(retried)[3], report.created, report.complete) == ("created", 1, True)


async def test_an_import_is_complete_when_every_row_is_there_by_whatever_run(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path
) -> None:
    source = rows(patient, 30)
    server.faults.add(Fault(FaultKind.RESET_AFTER, operation="cdts.create", after=20, times=2))
    first, report = await outcomes_of(welkin, source, journal=journal)
    assert (report.complete, report.adopted) == (True, 2)
    again, report = await outcomes_of(welkin, source, journal=journal)
    assert {outcome.earlier for outcome in first} == {None}
    assert {outcome.earlier for outcome in again} == {"created"}
    assert (report.skipped, report.undone, report.complete) == (30, 0, True)


async def test_a_resume_that_skips_altered_or_conflicting_rows_is_not_complete(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path
) -> None:
    await welkin.patient(patient).cdts(CDT).create({"medication_name": "other", "external_id": "k2"})
    source = [
        CdtRow(patient, {"medication_name": "a"}, "k0"),
        CdtRow(patient, {"medication_name": "a", "unknown": "dropped"}, "k1"),
        CdtRow(patient, {"medication_name": "a"}, "k2"),
    ]
    server.faults.add(Fault(FaultKind.RESET_BEFORE, operation="cdts.create", after=2))
    options = {"journal": journal, "check": "warn", "concurrency": 1}
    first, report = await outcomes_of(welkin, source, **options)
    assert statuses(first) == ["created", "created", "conflict"]
    assert first[1].altered == ("unknown",)
    again, report = await outcomes_of(welkin, source, **options)
    assert [outcome.earlier for outcome in again] == ["created", "altered", "conflict"]
    assert (report.skipped, report.undone, report.complete) == (3, 2, False)


async def test_changes_that_were_carried_out_earlier_are_called_by_their_name(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path
) -> None:
    made = await welkin.patient(patient).cdts(CDT).create({"medication_name": "a"})
    source = [bulk.CdtChange(patient, made.id, {"medication_name": "b"})]
    for earlier in (None, "updated"):
        stream = bulk.stream_cdt_updates(welkin, CDT, source, journal=journal)
        async with stream:
            (outcome,) = [outcome async for outcome in stream]
        assert (outcome.earlier, stream.report.complete) == (earlier, True)


async def test_rows_that_a_stopped_run_had_pulled_are_sent_by_the_next(
    server: Sandbox, patient: str, journal: Path
) -> None:
    source = rows(patient, 60)
    async with connect(server, rate=20.0) as welkin:
        stream = bulk.stream_cdt_records(welkin, CDT, source, **{**FAST, "concurrency": 16}, journal=journal)
        async with stream:
            async for _ in stream:
                if stream.report.created == 5:
                    break
    unsent = {outcome.index for outcome in stream.unfinished if outcome.status is Status.FAILED}
    assert unsent
    assert recorded(journal) == dict.fromkeys(unsent, "unsent")
    async with connect(server) as welkin:
        outcomes, report = await outcomes_of(welkin, source, journal=journal)
    assert {outcome.index for outcome in outcomes if outcome.status is Status.CREATED} >= unsent
    assert (report.rows, report.complete, report.lookups) == (60, True, 1)  # one list of the only patient
    assert len(server.store.cdt_records(CDT)) == len(held(server)) == 60


async def test_a_row_its_source_has_found_bad_keeps_its_place_and_is_not_sent(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path
) -> None:
    source = rows(patient, 6)
    bad = InvalidInputError("a cell that cannot be read")
    source[2] = CdtRow("", {}, "e2", bad)
    first, report = await outcomes_of(welkin, source, journal=journal)
    assert (statuses(first)[2], first[2].error, first[2].attempts) == ("failed", bad, 0)
    assert (report.created, report.failed) == (5, 1)
    assert recorded(journal) == {2: "failed"}
    mended = rows(patient, 6)
    resumed, report = await outcomes_of(welkin, mended, journal=journal)
    assert (resumed[2].earlier, report.complete) == ("failed", False)
    retried, report = await outcomes_of(welkin, mended, journal=journal, resume="retry")
    assert (statuses(retried)[2], report.complete) == ("created", True)
    assert len(server.store.cdt_records(CDT)) == 6


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (WelkinError("the patient could not be looked up"), "unknown"),
        (ConnectError("no connection", request=RequestLine("GET", "/", "patients.get")), "unknown"),
        (InvalidInputError("no run can have sent it"), "failed"),
    ],
)
async def test_a_row_that_an_earlier_run_may_have_sent_is_unknown_while_its_source_cannot_tell(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path, problem: WelkinError, status: str
) -> None:
    source = rows(patient, 6)
    await outcomes_of(welkin, source, journal=journal)
    forget(journal, 5)
    in_the_way = [*source[:5], CdtRow("", {}, "e5", problem)]
    outcomes, _ = await outcomes_of(welkin, in_the_way, journal=journal)
    assert (statuses(outcomes)[5], outcomes[5].error) == (status, problem)
    if status == "unknown":
        outcomes, report = await outcomes_of(welkin, source, journal=journal)
        assert (statuses(outcomes)[5], outcomes[5].adopted, report.complete) == ("created", True, True)
    assert len(server.store.cdt_records(CDT)) == 6
