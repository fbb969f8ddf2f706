"""A journal fits what it is used with: this server's data, this source, and a file that is still there."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from welkin_async import Welkin, bulk
from welkin_async.bulk import CdtRow, JournalError, JournalMismatchError
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .helpers import CDT, FAST, outcomes_of, rows


async def test_a_journal_of_records_that_the_server_does_not_hold_is_refused(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path
) -> None:
    source = rows(patient, 30)
    await outcomes_of(welkin, source, journal=journal)
    server.store.sections.cdts.tables[CDT].clear()  # another server, with the same patients
    for existing in ("check", "trust"):
        with pytest.raises(JournalMismatchError, match="none of the first records") as caught:
            await outcomes_of(welkin, source, journal=journal, existing=existing)
        assert caught.value.what == "records"
    assert not server.store.cdt_records(CDT)
    _, report = await outcomes_of(welkin, source, journal=journal, resume="restart")
    assert (report.created, report.complete) == (30, True)


@pytest.mark.parametrize("how", ["unchanged", "adopted"])
async def test_a_journal_of_records_that_were_found_is_refused_where_they_are_not(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path, how: str
) -> None:
    source = rows(patient, 20)
    if how == "unchanged":
        await outcomes_of(welkin, source)
    else:
        server.faults.add(Fault(FaultKind.RESET_AFTER, operation="cdts.create", times=None))
    _, report = await outcomes_of(welkin, source, journal=journal)
    assert (getattr(report, how), report.complete) == (20, True)
    server.faults.clear()
    server.store.sections.cdts.tables[CDT].clear()
    with pytest.raises(JournalMismatchError, match="none of the first records"):
        await outcomes_of(welkin, source, journal=journal)


async def test_one_of_the_first_records_is_enough_and_what_says_nothing_of_them_is_no_matter(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path
) -> None:
    source = rows(patient, 30)
    first, _ = await outcomes_of(welkin, source, journal=journal, concurrency=1)
    for outcome in first[:4]:
        await welkin.patient(patient).cdts(CDT).delete(outcome.record_id or "")
    _, report = await outcomes_of(welkin, source, journal=journal)
    assert report.skipped == 30
    server.faults.add(Fault(FaultKind.STATUS, status=403, operation="cdts.get", times=None))
    _, report = await outcomes_of(welkin, source, journal=journal)
    assert report.skipped == 30


@pytest.mark.parametrize("harm", ["removed", "replaced"])
async def test_a_journal_that_is_removed_or_replaced_meanwhile_stops_the_run(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path, harm: str
) -> None:
    async def source() -> Any:
        for number, row in enumerate(rows(patient, 4000)):
            if number == 300:
                journal.unlink()
                if harm == "replaced":
                    journal.write_bytes(b"")
            if number % 50 == 0:
                await asyncio.sleep(0.01)
            yield row

    with pytest.raises(JournalError, match="removed or replaced"):
        await bulk.create_cdt_records(welkin, CDT, source(), journal=journal, block=100, **FAST)
    assert len(server.store.cdt_records(CDT)) < 2000


async def test_a_file_of_which_nothing_was_created_may_be_taken_up_with_other_options(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path
) -> None:
    wrong = [CdtRow(f"mrn-{number}", {"medication_name": "a"}, f"k{number}") for number in range(5)]
    _, report = await outcomes_of(welkin, wrong, journal=journal, source="digest 0123")
    assert report.rejected == 5
    right = [CdtRow(patient, row.fields, row.key) for row in wrong]
    with pytest.raises(JournalMismatchError, match="another source"):
        await outcomes_of(welkin, right, journal=journal, source="other 4567")
    _, report = await outcomes_of(welkin, right, journal=journal, source="digest 4567")
    assert (report.created, report.complete) == (5, True)
    with pytest.raises(JournalMismatchError, match="another source"):
        await outcomes_of(welkin, wrong, journal=journal, source="digest 0123")
    assert os.stat(journal).st_mode & 0o777 == 0o600
