"""Final scan: every patient in which a run created is listed once at its end, so that no double stays unnamed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from welkin_async import bulk
from welkin_async.bulk.reconciliation.duplicate_scan import DuplicateScan
from welkin_async.sandbox import Fault, FaultKind, Sandbox
from welkin_async.sandbox.http.errors import ApiError
from welkin_async.sandbox.records.texts import projections_text

from .helpers import CDT, FAST, connect, keys_of, rows_for

Record = dict[str, Any]
Projection = Callable[[Record, set[str]], tuple[Record, set[str]]]

QUICK: Mapping[str, Any] = {**FAST, "settle": 0.1}


async def run(server: Sandbox, rows: Any, /, *, call: Any = bulk.stream_cdt_records, **options: Any) -> Any:
    async with connect(server) as welkin:
        stream = call(welkin, CDT, rows, **{**QUICK, **options})
        async with stream:
            async for _ in stream:
                pass
    return stream


async def doubled(
    server: Sandbox, rows: Any, number: int, *, call: Any = bulk.stream_cdt_records, **options: Any
) -> Any:
    """Run while somebody else creates the record of a row once more, as soon as that is created."""
    async with connect(server) as welkin:
        stream = call(welkin, CDT, rows, **{**QUICK, **options})
        async with stream:
            async for outcome in stream:
                if outcome.index == number:
                    cdts = welkin.patient(rows[number].patient_id).cdts(CDT)
                    await cdts.create({**rows[number].fields, "external_id": f"row-{number}"})
    return stream


async def test_two_runs_at_the_same_time_name_every_double(server: Sandbox, tmp_path: Path) -> None:
    server.latency = 0.003
    for attempt in range(3):
        rows = rows_for(server, 150)
        one, other = await asyncio.gather(
            *(run(server, rows, journal=tmp_path / f"{attempt}{name}", concurrency=8) for name in ("one", "other"))
        )
        there = server.store.duplicates(CDT)
        named = {double.key: set(double.ids) for double in (*one.doubles, *other.doubles)}
        assert named == {key: set(ids) for key, ids in there.items()}
        assert (one.report.complete and other.report.complete) is not bool(there)
        for record in [*server.store.cdt_records(CDT)]:
            server.store.sections.cdts.tables[CDT].clear()
            assert record


async def test_a_run_without_trouble_lists_each_patient_twice_and_waits_for_nothing(server: Sandbox) -> None:
    rows = rows_for(server, 100)
    stream = await run(server, rows, final_settle=3600.0)
    assert (stream.report.created, stream.report.complete, stream.report.unswept) == (100, True, 0)
    assert server.stats.operations["cdts.list"] <= 10 + 10 + 2  # and those of the proof


def whole(record: Record, names: set[str]) -> tuple[Record, set[str]]:
    """Answer as a server that does not know ``fields``."""
    return record, {*record["jsonBody"]}


def without_key(record: Record, names: set[str]) -> tuple[Record, set[str]]:
    """Answer as a server whose projection is of the customer's fields alone."""
    return record, names - {"external_id"}


def key_as_null(record: Record, names: set[str]) -> tuple[Record, set[str]]:
    """Answer as a server that shows system fields in a projection, but not what they hold."""
    return {**record, "jsonBody": {"external_id": None}}, names


def refused(record: Record, names: set[str]) -> tuple[Record, set[str]]:
    """Answer as a server that does not take the field: each is asked twice, as a refusal names nobody."""
    raise ApiError(400, "VALIDATION", "CDT", "no such field")


def project(monkeypatch: pytest.MonkeyPatch, shown: Projection) -> None:
    """Have the server show of each record what is returned for it and the fields that were asked for."""

    def text(records: Sequence[Record], names: set[str]) -> str:
        each = [projections_text([record], fields)[1:-1] for record, fields in (shown(one, names) for one in records)]
        return f"[{','.join(each)}]"

    monkeypatch.setattr("welkin_async.sandbox.api.cdts.projections_text", text)


async def test_the_scan_asks_for_no_more_of_a_record_than_its_key(
    server: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def noted(record: Record, names: set[str]) -> tuple[Record, set[str]]:
        asked.append((record["patientId"], *names))
        return record, names

    project(monkeypatch, noted)
    rows = rows_for(server, 100)
    stream = await run(server, rows)
    assert stream.report.complete
    assert sorted(asked) == sorted((row.patient_id, "external_id") for row in rows)


@pytest.mark.parametrize(("shown", "more"), [(whole, 0), (without_key, 10), (key_as_null, 10), (refused, 20)])
async def test_a_server_that_projects_otherwise_is_scanned_all_the_same(
    server: Sandbox, monkeypatch: pytest.MonkeyPatch, shown: Projection, more: int
) -> None:
    project(monkeypatch, shown)
    stream = await doubled(server, rows_for(server, 100), 7)
    (double,) = stream.doubles
    assert (double.key, len(double.ids), stream.report.unswept) == ("row-7", 2, 0)
    assert server.stats.operations["cdts.list"] <= 10 + 10 + 2 + 1 + more


async def test_what_a_projection_hides_of_one_record_is_listed(
    server: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = set[str]()

    def hiding(record: Record, names: set[str]) -> tuple[Record, set[str]]:
        key = record["jsonBody"]["external_id"]
        hidden = key in seen
        seen.add(key)
        return record, set() if hidden else names

    project(monkeypatch, hiding)
    stream = await doubled(server, rows_for(server, 40), 7)
    assert [(double.key, len(double.ids)) for double in stream.doubles] == [("row-7", 2)]


async def test_a_projection_that_shows_nothing_is_asked_for_no_more(
    server: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(monkeypatch, without_key)
    stream = await run(server, rows_for(server, 200, patients=200), concurrency=4)
    assert stream.report.complete
    assert server.stats.operations["cdts.list"] <= 200 + 200 + 2 + 4  # as many as were under way


async def test_trust_scans_only_patients_of_rows_in_doubt(server: Sandbox) -> None:
    rows = rows_for(server, 100)
    server.faults.add(Fault(FaultKind.RESET_AFTER, operation="cdts.create", after=50))
    stream = await run(server, rows, existing="trust")
    assert (stream.report.created, stream.report.adopted, stream.report.complete) == (100, 1, True)
    assert server.stats.operations["cdts.list"] <= 6


async def test_a_double_that_somebody_else_created_meanwhile_is_named_and_never_removed(server: Sandbox) -> None:
    stream = await doubled(server, rows_for(server, 40), 7, remove_doubles=True)
    (double,) = stream.doubles
    assert (double.key, len(double.ids), double.removed) == ("row-7", 2, ())
    assert double.reported in double.ids
    assert not stream.report.complete
    assert len(server.store.cdt_records(CDT)) == 41


async def test_two_runs_that_remove_doubles_do_not_remove_each_others_records(server: Sandbox) -> None:
    server.latency = 0.1
    rows = rows_for(server, 12, patients=2)
    # The first row of each run proves its keys; the first creates of all others are cut off, with nothing done.
    server.faults.add(Fault(FaultKind.RESET_BEFORE, operation="cdts.create", after=2, times=24))

    async def one(name: str) -> bulk.Report:
        async def source() -> AsyncGenerator[bulk.CdtRow, None]:
            yield bulk.CdtRow(rows[0].patient_id, {"medication_name": name}, key=name)
            await asyncio.sleep(1.0)
            for row in rows:
                yield row

        async with connect(server) as welkin:
            options: Any = {**QUICK, "settle": 0.5, "final_settle": 1.0, "concurrency": 16, "remove_doubles": True}
            return await bulk.create_cdt_records(welkin, CDT, source(), **options)

    await asyncio.gather(one("first"), one("second"))
    held = [record["jsonBody"]["external_id"] for record in server.store.cdt_records(CDT)]
    assert {*held} == {*keys_of(rows), "first", "second"}
    assert len(held) == 14
    assert server.stats.operations["cdts.delete"] > 0


async def test_what_a_run_could_not_look_at_the_next_run_with_its_journal_does(server: Sandbox, tmp_path: Path) -> None:
    rows, journal = rows_for(server, 40), tmp_path / "journal"
    async with connect(server) as welkin:
        stream = bulk.stream_cdt_records(welkin, CDT, rows, **QUICK, journal=journal)
        async with stream:
            async for _ in stream:
                if stream.report.created == 40:
                    break  # before the scan
        assert (stream.report.unswept, stream.report.complete) == (40, False)
        await welkin.patient(rows[7].patient_id).cdts(CDT).create({**rows[7].fields, "external_id": "row-7"})
    for _ in range(2):  # as long as it is there
        again = await run(server, rows, journal=journal)
        assert (again.report.skipped, again.report.unswept, again.report.doubled) == (40, 0, 1)
        assert not again.report.complete


async def test_lists_that_lag_are_asked_until_they_show_what_was_created(server: Sandbox) -> None:
    server.visibility_delay = 0.4
    rows = rows_for(server, 60)
    stream = await run(server, rows)
    assert (stream.report.created, stream.report.unswept, stream.report.complete) == (60, 0, True)


async def test_a_double_that_a_killed_scan_has_found_is_named_by_later_runs(
    server: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, journal, killed = rows_for(server, 40), tmp_path / "journal", tmp_path / "killed"

    async def kill(scan: DuplicateScan) -> AsyncGenerator[Any, None]:
        """Leave the files as a kill between the two parts of the scan does."""
        await scan._journal.flush()
        for suffix in ("", "-wal"):
            Path(f"{killed}{suffix}").write_bytes(Path(f"{journal}{suffix}").read_bytes())
        nothing: tuple[Any, ...] = ()
        for group in nothing:
            yield group

    with monkeypatch.context() as patch:
        patch.setattr(DuplicateScan, "_unknown", kill)
        stream = await doubled(server, rows, 7, journal=journal)
    assert [double.key for double in stream.doubles] == ["row-7"]
    for _ in range(2):
        again = await run(server, rows, journal=killed)
        assert (again.report.skipped, again.report.unswept, again.report.complete) == (40, 0, False)
        assert [double.key for double in again.doubles] == ["row-7"]


async def test_a_key_that_is_there_twice_counts_once_though_it_was_found_before_its_row_was_due_and_at_the_end(
    server: Sandbox, tmp_path: Path
) -> None:
    rows, options = rows_for(server, 5), {"call": bulk.stream_cdt_upserts, "journal": tmp_path / "journal"}
    stream = await doubled(server, rows, 2, **options)
    for _ in range(2):
        (double,) = stream.doubles
        assert (double.key, len(double.ids), stream.report.doubled) == ("row-2", 2, 1)
        stream = await run(server, rows, **options)
    assert stream.report.doubled == 1


@pytest.mark.slow
async def test_a_record_that_somebody_else_deletes_meanwhile_is_looked_for_in_one_run_alone(
    server: Sandbox, tmp_path: Path
) -> None:
    rows, journal = rows_for(server, 20), tmp_path / "journal"
    async with connect(server) as welkin:
        stream = bulk.stream_cdt_records(welkin, CDT, rows, **QUICK, journal=journal)
        async with stream:
            async for outcome in stream:
                if outcome.index == 3:
                    await welkin.patient(rows[3].patient_id).cdts(CDT).delete(outcome.record_id or "")
    assert (stream.report.created, stream.report.unswept, stream.report.complete) == (20, 0, True)
    again = await run(server, rows, journal=journal)
    assert (again.report.skipped, again.report.unswept, again.report.lookups) == (20, 0, 0)
