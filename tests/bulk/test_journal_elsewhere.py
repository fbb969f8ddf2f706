"""Rows that a run did not create, and that were created another way before the journal is taken up again.

The runs that take it up look at nothing else first: what they find, they find by what the journal says.
"""

from __future__ import annotations

from pathlib import Path

from welkin_async import Welkin, bulk
from welkin_async.bulk import CdtRow
from welkin_async.bulk.keys.cdt_keys import file_key
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .helpers import CDT, FAST, connect, held, outcomes_of, refuse, statuses

KEYS = [file_key("here", "sha256", position) for position in range(6)]


def named(patient: str, position: int, name: str = "a") -> CdtRow:
    return CdtRow(patient, {"medication_name": name}, KEYS[position])


async def test_a_retry_finds_what_the_mended_rejects_have_created(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path, tmp_path: Path
) -> None:
    source = [named(patient if position != 2 else "no-such-patient", position) for position in range(6)]
    first, _ = await outcomes_of(welkin, source, journal=journal, source="a file")
    assert statuses(first)[2] == "rejected"
    mended = [named(patient, position) for position in range(6)]
    _, report = await outcomes_of(welkin, [mended[2]], journal=tmp_path / "rejects", source="its rejects")
    assert report.created == 1
    sent = server.stats.operations["cdts.create"]
    retried, report = await outcomes_of(
        welkin, mended, journal=journal, source="a file", resume="retry", existing="trust"
    )
    assert (statuses(retried)[2], retried[2].adopted, report.complete) == ("unchanged", False, True)
    assert server.stats.operations["cdts.create"] == sent
    assert len(server.store.cdt_records(CDT)) == len(held(server)) == 6


async def test_what_was_created_another_way_with_other_fields_is_a_conflict(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path
) -> None:
    source = [named(patient, position) for position in range(6)]
    refuse(server, 1)
    first, _ = await outcomes_of(welkin, source, journal=journal, source="a file", concurrency=1)
    assert statuses(first)[0] == "rejected"
    other = await welkin.patient(patient).cdts(CDT).create({"medication_name": "b", "external_id": KEYS[0]})
    retried, _ = await outcomes_of(welkin, source, journal=journal, source="a file", resume="retry", existing="trust")
    assert statuses(retried)[0] == "conflict"
    assert list(retried[0].existing) == [other.id]
    assert "medication_name" in str(retried[0].error)
    assert len(server.store.cdt_records(CDT)) == 6


async def test_a_retry_of_nothing_but_refused_rows_lists_each_patient_once(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path
) -> None:
    """No key is proved there yet, and the patient that a row names may still be unknown."""
    source = [*(named(patient, position) for position in range(5)), named("no-such-patient", 5)]
    refuse(server, 6)
    first, _ = await outcomes_of(welkin, source, journal=journal, source="a file", check="off")
    assert statuses(first) == ["rejected"] * 6
    retried, report = await outcomes_of(
        welkin, source, journal=journal, source="a file", resume="retry", existing="trust"
    )
    assert statuses(retried) == [*["created"] * 5, "rejected"]
    assert report.lookups == 2


async def test_a_row_that_cannot_be_looked_for_is_not_sent(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path
) -> None:
    source = [named(patient, position) for position in range(6)]
    refuse(server, 1)
    await outcomes_of(welkin, source, journal=journal, source="a file", concurrency=1)
    server.faults.add(Fault(FaultKind.STATUS, status=403, operation="cdts.list", times=None))
    sent = server.stats.operations["cdts.create"]
    found, report = await outcomes_of(
        welkin, source, journal=journal, source="a file", resume="retry", existing="trust"
    )
    assert sorted(statuses(found)) == ["failed", *["skipped"] * 5]
    assert "could not be listed" in str(found[0].error)
    assert not report.complete
    assert server.stats.operations["cdts.create"] == sent


async def test_rows_that_a_stopped_run_had_pulled_are_looked_for_as_well(
    server: Sandbox, patient: str, journal: Path
) -> None:
    """They are failed to whoever stopped it, who may have created them another way."""
    source = [CdtRow(patient, {"external_id": f"e{number}"}, f"e{number}") for number in range(60)]
    async with connect(server, rate=20.0) as welkin:
        stream = bulk.stream_cdt_records(welkin, CDT, source, **{**FAST, "concurrency": 16}, journal=journal)
        async with stream:
            async for _ in stream:
                if stream.report.created == 5:
                    break
    unsent = [outcome.row for outcome in stream.unfinished if outcome.status is bulk.Status.FAILED]
    assert unsent
    async with connect(server) as welkin:
        await outcomes_of(welkin, unsent)
        _, report = await outcomes_of(welkin, source, journal=journal)
    assert report.complete
    assert len(server.store.cdt_records(CDT)) == len(held(server)) == 60
