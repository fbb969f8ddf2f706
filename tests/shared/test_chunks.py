"""Chunks of an import: exactly once, however often, wherever and by whomever they are begun."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from welkin_async import InvalidInputError, Welkin, bulk
from welkin_async.sandbox import Fault, FaultKind, Sandbox
from welkin_async.shared import (
    ChunkLedger,
    Coordination,
    LeaseLostError,
    LedgerError,
    StoreUnreachableError,
    coordination,
)
from welkin_async.shared.coordination import open_store
from welkin_async.shared.documents import Document, create
from welkin_async.shared.ledger import DocumentLedger

CDT = "medication"
FAST: dict[str, Any] = {"settle": 0.1, "final_settle": 0.3, "concurrency": 8}


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[Coordination]:
    """A ledger in a file, with short leases and a run."""
    made = coordination(f"sqlite:///{tmp_path}/shared.db", 1.0)
    await made.init()
    await made.ledger.open_run("run", "file")
    yield made
    await made.aclose()


@pytest.fixture
async def session(server: Sandbox, connect: Any) -> AsyncIterator[Welkin]:
    async with connect(server, timeout=0.5, check="off") as opened:
        yield opened


def rows_of(server: Sandbox, patients: int = 4, rows: int = 10) -> list[bulk.CdtRow]:
    return [
        bulk.CdtRow(patient, {"medication_name": f"Medication {number}"}, key=f"{patient}/{number}")
        for patient in server.store.add_patients(patients)
        for number in range(rows)
    ]


def keys(server: Sandbox) -> list[str]:
    return sorted(str(record["jsonBody"]["external_id"]) for record in server.store.cdt_records(CDT))


def listings(server: Sandbox) -> int:
    return server.stats.operations["cdts.list"]


async def begin(session: Welkin, rows: Any, ledger: ChunkLedger, chunk: str = "c1", **more: Any) -> bulk.ChunkReport:
    return await bulk.import_chunk(session, CDT, chunk, rows, run="run", ledger=ledger, **(FAST | more))


async def test_a_chunk_is_created_and_then_done_for_all(server: Sandbox, session: Welkin, shared: Coordination) -> None:
    rows = rows_of(server)
    report = await begin(session, rows, shared.ledger)
    assert (report.created, report.rows, report.finished, report.takeovers) == (40, 40, 1, 0)
    assert keys(server) == sorted(str(row.key) for row in rows)
    asked = server.stats.total

    def never() -> list[bulk.CdtRow]:
        raise AssertionError("its rows are not needed")

    again = await begin(session, never, shared.ledger)
    assert (again.created, again.finished) == (40, 1)
    assert server.stats.total == asked
    report = await bulk.finish_import(session, CDT, "run", shared.ledger)
    assert report.complete
    assert pickle.loads(pickle.dumps(report)) == report


@pytest.mark.parametrize("landed", [0, 17, 40])
async def test_a_chunk_that_another_worker_left_is_finished_with_one_listing_for_each_patient(
    server: Sandbox, session: Welkin, shared: Coordination, landed: int
) -> None:
    rows = rows_of(server)
    await shared.ledger.note("run", proved=True, lag=0.0, keys_changed=False)
    assert await shared.ledger.claim("run", "c1", "a worker that is killed")
    before = await bulk.create_cdt_records(session, CDT, rows[:landed], key_field="external_id", existing="trust")
    assert before.created == landed
    server.stats.reset()
    report = await begin(session, rows, shared.ledger)
    assert (report.created, report.adopted, report.unknown, report.unchanged) == (40, landed, 0, 0)
    assert (report.finished, report.takeovers) == (1, 1)
    assert keys(server) == sorted(str(row.key) for row in rows)
    assert listings(server) == 4
    assert (await bulk.finish_import(session, CDT, "run", shared.ledger)).complete


async def test_what_was_there_before_the_import_is_unchanged_also_in_a_second_attempt(
    server: Sandbox, session: Welkin, shared: Coordination
) -> None:
    rows = rows_of(server)
    await bulk.create_cdt_records(session, CDT, rows[:10], key_field="external_id")
    for record in server.store.cdt_records(CDT):
        record["createdAt"] = "2020-01-01T00:00:00.000Z"
    if "created_at" in (body := server.store.cdt_records(CDT)[0]["jsonBody"]):
        for record in server.store.cdt_records(CDT):
            record["jsonBody"]["created_at"] = body["created_at"].replace(body["created_at"][:4], "2020", 1)
    assert await shared.ledger.claim("run", "c1", "a worker that is killed")
    report = await begin(session, rows, shared.ledger)
    assert (report.created, report.unchanged) == (30, 10)


async def test_what_a_dead_worker_sent_last_is_waited_for(
    server: Sandbox, session: Welkin, shared: Coordination
) -> None:
    """A create that lands late, after the worker died, is not sent a second time."""
    rows = rows_of(server, 1, 5)
    assert await shared.ledger.claim("run", "c1", "a worker that is killed")
    server.faults.add(Fault(FaultKind.RESET_LATE, operation="cdts.create", times=5, delay=0.5))
    sent = [bulk.CdtRow(row.patient_id, {**row.fields, "external_id": row.key}) for row in rows]
    before = await bulk.create_cdt_records(session, CDT, sent)  # the worker's last words, which nobody reconciles
    assert before.unknown == 5
    began = time.monotonic()
    report = await begin(session, rows, shared.ledger)
    assert time.monotonic() - began >= 0.6
    assert (report.created, report.adopted) == (5, 5)
    assert len(keys(server)) == 5


async def test_under_faults_nothing_is_lost_and_nothing_doubled(
    server: Sandbox, session: Welkin, shared: Coordination
) -> None:
    rows = rows_of(server, 10, 20)
    for kind in (FaultKind.RESET_AFTER, FaultKind.RESET_BEFORE, FaultKind.GARBAGE):
        server.faults.add(Fault(kind, operation="cdts.create", probability=0.03, times=None))
    reports = [await begin(session, rows[at : at + 100], shared.ledger, f"c{at}") for at in (0, 100)]
    assert any(fault.met for fault in server.faults.report())
    assert keys(server) == sorted(str(row.key) for row in rows)
    merged = bulk.merge(reports)
    assert (merged.created, merged.unknown, merged.chunks, merged.finished) == (200, 0, 2, 2)
    finished = await bulk.finish_import(session, CDT, "run", shared.ledger)
    assert finished.complete
    assert finished.created == 200


async def test_the_proof_is_made_once_for_all_chunks(server: Sandbox, session: Welkin, shared: Coordination) -> None:
    rows = rows_of(server)
    await begin(session, rows[:20], shared.ledger, "c1")
    assert (await shared.ledger.run_state("run")).proved
    server.stats.reset()
    await begin(session, rows[20:], shared.ledger, "c2")
    assert listings(server) == 2


class Stopped:
    """A process that is stopped: from a moment on its clocks are far ahead."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> Any:
        from welkin_async.shared.lease import Moment, machine_clocks

        return Moment(*(clock + self.ahead for clock in machine_clocks()))


@pytest.mark.parametrize("engine", ["aiohttp", "direct"])
async def test_a_worker_that_wakes_up_after_its_lease_sends_nothing_more(
    server: Sandbox, connect: Any, shared: Coordination, tmp_path: Path, engine: str
) -> None:
    clocks = Stopped()
    sleeper = DocumentLedger(open_store(f"sqlite:///{tmp_path}/shared.db"), lease=5.0, clocks=clocks)
    server.latency = 0.02
    rows = rows_of(server)

    async def stop() -> None:
        while len(keys(server)) < 10:
            await asyncio.sleep(0.005)
        clocks.ahead = 60.0

    async with connect(server, engine=engine, check="off") as session:
        stopping = asyncio.create_task(stop())
        with pytest.raises(LeaseLostError):
            await begin(session, rows, sleeper)
        await stopping
        sent = server.stats.operations["cdts.create"]
        await asyncio.sleep(0.1)
        assert 10 <= server.stats.operations["cdts.create"] == sent < 40
    await sleeper.aclose()


async def test_the_findings_of_whom_the_chunk_went_to_count(
    server: Sandbox, session: Welkin, shared: Coordination
) -> None:
    rows = rows_of(server)
    taken = asyncio.Event()

    async def slow() -> AsyncIterator[bulk.CdtRow]:
        for number, row in enumerate(rows):
            if number == 20:
                await taken.wait()
            yield row

    first = asyncio.create_task(begin(session, slow(), _Unrenewed(shared.ledger)))
    await asyncio.sleep(1.05)
    report = await begin(session, rows, shared.ledger)
    taken.set()
    with pytest.raises(LeaseLostError):
        await first
    assert (report.created, report.finished) == (40, 1)
    assert keys(server) == sorted(str(row.key) for row in rows)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in ("settle", "final_settle") for value in (-1.0, float("nan"), float("inf"), "5")),
        ("row_patience", float("nan")),
        ("row_patience", -1.0),
        ("concurrency", 0),
    ],
)
async def test_options_that_do_not_fit_are_refused_before_the_chunk_is_begun(
    server: Sandbox, session: Welkin, shared: Coordination, name: str, value: Any
) -> None:
    with pytest.raises(InvalidInputError, match=name):
        await begin(session, rows_of(server), shared.ledger, **{name: value})
    assert [chunk async for chunk in shared.ledger.chunks("run")] == []
    more: Any = {name: value}
    with pytest.raises(InvalidInputError, match=name):
        await bulk.create_cdt_records(session, CDT, rows_of(server), key_field="external_id", **more)
    assert keys(server) == []


async def test_an_import_of_which_chunks_are_left_is_not_complete(
    server: Sandbox, session: Welkin, shared: Coordination
) -> None:
    rows = rows_of(server)
    await begin(session, rows[:20], shared.ledger, "c1")
    finished = await bulk.finish_import(session, CDT, "run", shared.ledger)
    assert (finished.chunks, finished.finished, finished.complete) == (1, 1, True)
    finished = await bulk.finish_import(session, CDT, "run", shared.ledger, planned=2)
    assert (finished.chunks, finished.finished, finished.complete) == (2, 1, False)
    assert await shared.ledger.claim("run", "c2", "a worker that has not come to its end")
    finished = await bulk.finish_import(session, CDT, "run", shared.ledger)
    assert (finished.chunks, finished.finished, finished.created, finished.complete) == (2, 1, 20, False)
    await begin(session, rows[20:], shared.ledger, "c2")
    finished = await bulk.finish_import(session, CDT, "run", shared.ledger, planned=2)
    assert (finished.chunks, finished.finished, finished.created, finished.complete) == (2, 2, 40, True)


async def test_a_run_whose_name_goes_on_with_a_colon_is_another_one(
    server: Sandbox, session: Welkin, shared: Coordination
) -> None:
    rows = rows_of(server)
    names = {"run": "2:c1", "run:2": "c1", "run%3A2": "c1", "run:2:c1": ""}
    for number, (run, chunk) in enumerate(names.items()):
        await shared.ledger.open_run(run, "file")
        some = rows[10 * number : 10 * number + 10]
        report = await bulk.import_chunk(session, CDT, chunk, some, run=run, ledger=shared.ledger, **FAST)
        assert (report.created, report.takeovers) == (10, 0)
    assert len(keys(server)) == 40
    for run in names:
        finished = await bulk.finish_import(session, CDT, run, shared.ledger)
        assert (finished.created, finished.chunks, finished.complete) == (10, 1, True)


async def test_a_key_that_two_chunks_have_sent_is_one_double(
    server: Sandbox, session: Welkin, shared: Coordination
) -> None:
    """Chunks that somebody made by hand, with rows of one patient, and the same key, in two of them."""
    rows = rows_of(server, 1, 2)
    await begin(session, rows[:1], shared.ledger, "proof")
    server.latency = 0.2
    await asyncio.gather(*(begin(session, rows[1:], shared.ledger, chunk) for chunk in ("c1", "c2")))
    server.latency = 0.0
    assert len(keys(server)) == 3
    finished = await bulk.finish_import(session, CDT, "run", shared.ledger)
    assert (finished.doubled, len(finished.doubles), finished.complete) == (1, 1, False)


@pytest.mark.parametrize("ahead", [-86_400.0, 86_400.0])
async def test_a_clock_of_the_store_that_is_set_holds_nothing_up_and_loses_no_count(
    server: Sandbox, session: Welkin, store: _Switched, ahead: float
) -> None:
    ledger = DocumentLedger(store, lease=0.2)
    await ledger.open_run("run", "file")
    rows = rows_of(server)
    await begin(session, rows[:20], ledger, "c1")
    assert await ledger.claim("run", "c2", "a worker that is killed")
    await bulk.create_cdt_records(session, CDT, rows[20:30], key_field="external_id", existing="trust")
    store.ahead = ahead
    async with asyncio.timeout(30.0):
        report = await begin(session, rows[20:], ledger, "c2")
        assert (report.created, report.adopted, report.unchanged) == (20, 10, 0)
        assert (await bulk.finish_import(session, CDT, "run", ledger)).complete
        store.servers = ["another"]
        await ledger.run_state("run")
        store.ahead = 0.0
        assert (await begin(session, rows_of(server, 1), ledger, "c3")).created == 10


async def test_a_ledger_that_is_no_more_what_it_was_ends_the_lease_and_says_why(
    server: Sandbox, session: Welkin, shared: Coordination, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = rows_of(server)
    gone = asyncio.Event()

    async def slow() -> AsyncIterator[bulk.CdtRow]:
        for number, row in enumerate(rows):
            if number == 20:
                for path in tmp_path.glob("shared.db*"):
                    path.unlink()
                gone.set()
                await asyncio.sleep(0.6)  # within the lease, and longer than until it is renewed
            yield row

    with pytest.raises(LeaseLostError):
        await begin(session, slow(), shared.ledger)
    assert gone.is_set()
    assert len(keys(server)) <= 20
    assert "welkin-async shared init" in caplog.text


class _Unrenewed:
    """A ledger by which no lease is renewed."""

    def __init__(self, ledger: ChunkLedger) -> None:
        self._ledger = ledger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def renew(self, run: str, claim: Any) -> None:
        raise StoreUnreachableError("it does not answer")


async def test_while_the_ledger_does_not_answer_no_chunk_begins_and_it_goes_on_afterwards(
    server: Sandbox, session: Welkin, store: _Switched
) -> None:
    ledger = DocumentLedger(store, lease=3.0)
    await ledger.open_run("run", "file")
    rows = rows_of(server)
    store.down = True
    with pytest.raises(StoreUnreachableError):
        await begin(session, rows[:20], ledger)
    assert keys(server) == []
    store.down = False
    store.down_after_claim = True
    with pytest.raises(StoreUnreachableError):  # the lease goes on, and what came of the chunk cannot be noted
        await begin(session, rows[:20], ledger)
    assert len(keys(server)) == 20
    store.down = store.down_after_claim = False
    report = await begin(session, rows[:20], DocumentLedger(store, lease=0.2))
    assert (report.created, report.adopted) == (20, 20)


class _Switched:
    """A store that does not answer while it is told so."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.down = self.down_after_claim = False
        self.ahead = 0.0  # of its clock
        self.servers: list[str] = []  # that answer from now on, the last one for good

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def load(self, key: str) -> Document:
        if self.down:
            raise StoreUnreachableError("it does not answer")
        found: Document = await self._store.load(key)
        found = found._replace(now=found.now + self.ahead)
        if not self.servers:
            return found
        return found._replace(server=self.servers.pop(0) if len(self.servers) > 1 else self.servers[0])

    async def swap(self, key: str, stamp: str, value: bytes) -> bool:
        done: bool = await self._store.swap(key, stamp, value)
        self.down = self.down_after_claim and key.startswith("chunk:")
        return done


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[_Switched]:
    """A store that can be switched off, with nothing in it."""
    switched = _Switched(open_store(f"sqlite:///{tmp_path}/other.db"))
    await create(switched)
    yield switched
    await switched.aclose()


async def test_after_another_server_took_over_the_void_leases_are_waited_for_once(
    server: Sandbox, connect: Any, store: _Switched
) -> None:
    ledger = DocumentLedger(store, lease=2.0)
    await ledger.open_run("run", "file")
    rows = rows_of(server)
    store.servers = ["another"]
    async with connect(server, timeout=1.0) as session:
        seconds = []
        for chunk, some in (("first", rows[:10]), ("second", rows[10:20])):
            began = time.monotonic()
            report = await begin(session, some, ledger, chunk=chunk, settle=0.1)
            assert (report.created, report.takeovers) == (10, 1)  # as far as can be known
            seconds.append(time.monotonic() - began)
        # A lease, an attempt's timeout and the settle time after the leases became void, as this process counts.
        assert seconds[0] >= 3.1
        assert seconds[1] < 3.0
        # One that has come later has not seen for how long they are void; the store's clock may have been set.
        late = DocumentLedger(store, lease=2.0)
        began = time.monotonic()
        await begin(session, rows[20:30], late, chunk="third", settle=0.1)
        assert time.monotonic() - began >= 1.1


@pytest.mark.timing
async def test_a_holder_that_began_after_another_server_took_over_is_waited_for(store: _Switched) -> None:
    ledger = DocumentLedger(store, lease=0.2)
    await ledger.open_run("run", "file")
    store.servers = ["another"]
    first = await ledger.claim("run", "c1", "one")
    assert first is not None
    assert first.quiet == 0.0
    await asyncio.sleep(0.3)
    second = await ledger.claim("run", "c2", "one")
    assert second is not None
    assert 0.05 < second.quiet < 0.3
    third = await ledger.claim("run", "c1", "two")  # after the first one's lease
    assert third is not None
    assert (third.attempt, third.quiet) == (3, 0.0)


async def test_a_server_that_takes_over_in_the_middle_of_a_claim_voids_it_too(store: _Switched) -> None:
    ledger = DocumentLedger(store, lease=0.2)
    store.servers = ["one"]
    await ledger.open_run("run", "file")
    store.servers = ["one", "another"]  # the run is read of one, the chunk of another
    claimed = await ledger.claim("run", "c1", "holder")
    assert claimed is not None
    assert claimed.attempt == 2
    store.servers = ["one", "another"] * 9
    with pytest.raises(StoreUnreachableError, match="in turn"):
        await ledger.claim("run", "c2", "holder")


async def test_a_worker_that_fails_gives_its_chunk_back_at_once(
    server: Sandbox, session: Welkin, tmp_path: Path
) -> None:
    shared = coordination(f"sqlite:///{tmp_path}/other.db", 600.0)
    await shared.init()
    await shared.ledger.open_run("run", "file")
    rows = rows_of(server)

    def broken() -> Iterator[bulk.CdtRow]:
        yield from rows[:20]
        raise OSError("the source is gone")

    with pytest.raises(OSError, match="gone"):
        await begin(session, broken, shared.ledger)
    report = await begin(session, rows, shared.ledger)
    assert (report.created, report.adopted, report.finished, report.takeovers) == (40, 20, 1, 1)
    await shared.aclose()


async def test_the_final_scan_names_a_row_that_was_refused_and_is_there(
    server: Sandbox, session: Welkin, shared: Coordination
) -> None:
    """It lands late, and what was sent in its place is refused; a row that is refused for good is neither missing."""
    server.faults.add(
        Fault(FaultKind.STATUS, status=422, operation="cdts.create", after=1),
        Fault(FaultKind.RESET_LATE, operation="cdts.create", after=4, delay=0.8),
        Fault(FaultKind.STATUS, status=422, operation="cdts.create", after=6),
    )
    rows = rows_of(server, 1, 6)
    report = await begin(session, rows, shared.ledger, concurrency=1, final_settle=1.5)
    assert not server.faults.unmet()
    assert (report.created, report.rejected) == (4, 2)
    report = await bulk.finish_import(session, CDT, "run", shared.ledger)
    assert keys(server) == sorted(str(row.key) for row in rows if row is not rows[1])
    assert [len(double.ids) for double in report.doubles] == [1]
    assert (report.doubled, report.missing, report.complete) == (1, 0, False)


async def test_the_final_scan_names_doubles_and_what_is_missing(
    server: Sandbox, session: Welkin, shared: Coordination, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("welkin_async.bulk.chunks.finish_import._PAUSE", (0.01, 0.01))
    rows = rows_of(server)
    await begin(session, rows, shared.ledger)
    await bulk.create_cdt_records(session, CDT, rows[:2], key_field="external_id", existing="trust", final_settle=0.0)
    gone = next(each for each in server.store.cdt_records(CDT) if each["jsonBody"]["external_id"] == rows[39].key)
    await session.patient(rows[39].patient_id).cdts(CDT).delete(gone["id"])
    report = await bulk.finish_import(session, CDT, "run", shared.ledger)
    assert (report.doubled, report.missing, report.complete) == (2, 1, False)
    assert {double.patient for double in report.doubles} == {str(rows[0].patient_id)}
    assert all(len(double.ids) == 2 for double in report.doubles)
    assert str(rows[0].patient_id) not in repr(report)


async def test_a_run_that_nobody_opened_and_rows_without_keys_are_refused(
    server: Sandbox, session: Welkin, shared: Coordination
) -> None:
    with pytest.raises(LedgerError, match="no such run"):
        await bulk.import_chunk(session, CDT, "c1", [], run="another", ledger=shared.ledger)
    wrong: Any = None
    with pytest.raises(InvalidInputError):
        await begin(session, [], shared.ledger, key_field=wrong)
    assert server.stats.operations["cdts.create"] == 0


async def test_the_ledger_holds_no_key_and_no_value(
    server: Sandbox, session: Welkin, shared: Coordination, tmp_path: Path
) -> None:
    patient = server.store.add_patient()["id"]
    row = bulk.CdtRow(patient, {"medication_name": "Hidden-Value"}, key="Hidden-Key")
    await begin(session, [row], shared.ledger)
    await shared.aclose()
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"Hidden" not in held
