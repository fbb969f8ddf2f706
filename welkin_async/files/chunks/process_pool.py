"""Process pool: an import by several processes of one machine, any of which may die."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import secrets
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import anyio.to_thread
import attrs

from welkin_async.bulk import ChunkReport
from welkin_async.errors import WelkinError
from welkin_async.files.chunks.chunk_importer import FileWork
from welkin_async.files.chunks.chunk_queue import PATIENCE, PAUSE, Answer, ChunkQueue
from welkin_async.files.chunks.import_page import ImportPage
from welkin_async.files.chunks.object_file import local_copy
from welkin_async.files.chunks.parts import ChunkFiles, all_paths
from welkin_async.files.chunks.plan import divide, run_identity
from welkin_async.files.chunks.worker import Order, Work, work
from welkin_async.files.errors import FileError
from welkin_async.files.jobs.create_records import RecordImport
from welkin_async.files.jobs.open_file import open_file
from welkin_async.files.run.lookup_estimate import check_lookups
from welkin_async.session import Welkin
from welkin_async.shared import ChunkLedger, coordination, new_key
from welkin_async.shared.coordination import sqlite_url
from welkin_async.shared.errors import SharedStoreError, StoreUnreachableError
from welkin_async.shared.ledger import LEASE
from welkin_async.shared.sealing import VARIABLE

ROWS = 5000  # of a chunk
_POLL = 0.25  # seconds between two looks for a chunk, while others have all there are
_RELEASE = 2.0  # seconds for which a store that does not answer holds up whoever ends a lease
_END = 10.0  # seconds for which a worker without orders may take to end


class WorkersFailedError(WelkinError):
    """An import by several processes could not be carried out to its end; what is done is in the ledger.

    Attributes:
        report: The counts of the chunks that are done.
        reason: What went wrong.
        kind: The name of the class of the error by which it failed; empty for any other reason.
    """

    def __init__(self, report: ChunkReport, reason: str, kind: str = "") -> None:
        self.report = report
        self.reason = reason
        self.kind = kind
        super().__init__(f"{reason}; the same call goes on where this one ended")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.report, self.reason, self.kind)


class ProcessPool:
    """Process pool: hands the chunks of a file to worker processes, and those of a process that died to another.

    A process that dies leaves a chunk in the ledger. Its lease is ended here, because the death of a process of this
    machine is certain; then another one finds what it had sent.

    Args:
        job: What is done with rows.
        welkin: An open session, whose settings those of the workers are; ``rate`` is what all may send together.
        shared: The URL of the store they share; None for a SQLite file beside the input.
        processes: How many.
        rows: How many rows a chunk is to have.
        lease: Seconds that the lease of a chunk lasts.
        stop: Asks for an end: no further chunk is begun.
        on_progress: Called with the counts up to then whenever a chunk is done.

    Attributes:
        report: The counts of the chunks that are done, merged.
        planned_rows: How many rows there are; None before the file was divided.
        pids: Of the processes that run.
        restarts: How many processes took the place of one that died.
    """

    def __init__(
        self,
        job: RecordImport,
        welkin: Welkin,
        *,
        shared: str | None = None,
        processes: int = 2,
        rows: int = ROWS,
        lease: float = LEASE,
        stop: asyncio.Event | None = None,
        on_progress: Callable[[ChunkReport], None] | None = None,
    ) -> None:
        if processes < 1:
            raise FileError("processes= is at least 1")
        check_job(job)
        self._job = job
        self._welkin = welkin
        self._shared = shared or sqlite_url(beside(job.settings.file, job.cdt))
        self._processes = processes
        self._rows = rows
        self._lease = lease
        self._stop = asyncio.Event() if stop is None else stop
        self._on_progress = on_progress
        self._queue = ChunkQueue()
        self._page = ImportPage([job])
        self._files: ChunkFiles | None = None
        self.planned_rows: int | None = None
        self.pids: set[int] = set()
        self.restarts = 0

    @property
    def report(self) -> ChunkReport:
        """The counts of the chunks that are done, merged."""
        return self._queue.report()

    @property
    def paths(self) -> dict[str, list[Path]]:
        """The files that hold a row, by ``rejects``, ``review`` and ``results``."""
        return all_paths([] if self._files is None else [self._files])

    async def run(self) -> ChunkReport:
        """Import the file.

        Returns:
            The counts of all chunks, after the final scan; where it was stopped, of those that are done.

        Raises:
            WorkersFailedError: a chunk could not be carried out, or the final scan not be made.
            FileError: the file or an option does not fit, or looking for its rows takes too many requests, and nothing
                was sent; or a file of rows cannot be written.
            WelkinError: the store cannot be used.
        """
        with self._page.writing(lambda: self.report, self._stop), contextlib.ExitStack() as held:
            settings = await anyio.to_thread.run_sync(held.enter_context, local_copy(self._job.settings))
            held.enter_context(self._page.counting(self._welkin))
            self._page.report = await self._import(attrs.evolve(self._job, settings=settings))
            return self._page.report

    async def _import(self, job: RecordImport) -> ChunkReport:
        """Import a file of this machine; see `run`."""
        opened = await open_file(job.settings)
        opened.source.close()
        await check_lookups(job, self._welkin, opened)
        cut = partial(divide, by=job.patient.column, rows=self._rows, key=job.key)
        made = await anyio.to_thread.run_sync(cut, opened.input, job.settings)
        self.planned_rows = made.rows
        self._page.digests.append(made.digest)
        identity = run_identity(made, job, self._welkin)
        shared = coordination(self._shared, self._lease)
        self._files = chunk_files = ChunkFiles(job, opened)
        try:
            await shared.init()
            run = identity[:16]
            await shared.ledger.open_run(run, identity)
            await chunk_files.begin(run, shared.ledger)
            self._queue.add(0, made.chunks)
            self._page.start()
            given = Work(
                settings=attrs.evolve(
                    self._welkin.settings, shared=self._shared, on_attempt=None, instrumentation=None
                ),
                shared=self._shared,
                lease=self._lease,
                key=seal_key(),
                file=FileWork(job=job, digest=made.digest, run=run, parts=chunk_files.folder),
            )
            await self._work_off(given, shared.ledger, min(self._processes, len(made.chunks)))
            if self._queue.failure:
                report = await chunk_files.join(self.report)
                raise WorkersFailedError(report, self._queue.failure, self._queue.failure_kind)
            if self._stop.is_set():
                return await chunk_files.join(self.report)
            return await finish_files(chunk_files, self._welkin, self.report, self._stop)
        finally:
            chunk_files.close()
            await shared.aclose()

    async def _work_off(self, given: Work, ledger: ChunkLedger, count: int) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(count):
                    group.create_task(self._employ(given, ledger), name="welkin_async bulk process")
        except BaseExceptionGroup as errors:
            first = errors.exceptions[0]
        else:
            return
        raise first

    async def _employ(self, given: Work, ledger: ChunkLedger) -> None:
        """Keep one process busy, and replace it where it dies."""
        worker = _Process(given)
        self.pids.add(worker.pid)
        begun: tuple[str, str] | None = None  # chunk and holder of what it works on
        try:
            while not self._queue.over and not self._stop.is_set():
                if (handout := self._queue.take()) is None:
                    await asyncio.sleep(_POLL)
                    continue
                begun = handout.chunk.id, secrets.token_hex(8)
                answer = await worker.carry_out(Order(handout.chunk, begun[1]))
                if answer is None:
                    self.pids.discard(worker.pid)
                    worker.kill()
                    await _released(ledger, given.file.run, *begun)
                    worker = _Process(given)
                    self.pids.add(worker.pid)
                    self.restarts += 1
                    answer = Answer(None, "a worker process died")
                begun = None
                done = self._queue.settle(handout, answer)
                self._page.take(answer, done=done)
                if done and self._on_progress is not None:
                    self._on_progress(self.report)
            await worker.end()
        finally:
            self.pids.discard(worker.pid)
            worker.kill()
            if begun is not None:  # stopped at once: the next call waits for no lease
                await _released(ledger, given.file.run, *begun)


class _Process:
    """One worker process, and the pipe to it."""

    def __init__(self, given: Work) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, far = context.Pipe()
        self._process = context.Process(target=work, args=(far, given), daemon=True, name="welkin-async worker")
        self._process.start()
        far.close()
        self.pid = self._process.pid or 0
        self._threads = anyio.CapacityLimiter(1)  # those of all the program are 40: with more processes some would idle

    async def carry_out(self, order: Order) -> Answer | None:
        """Have an order carried out; None where the process died over it."""

        def wait(connection: Connection) -> Answer | None:
            try:
                connection.send(order)
                answer: Answer = connection.recv()
            except (EOFError, OSError):
                return None
            return answer

        try:
            return await anyio.to_thread.run_sync(wait, self._connection, abandon_on_cancel=True, limiter=self._threads)
        except BaseException:
            self.kill()
            raise

    async def end(self) -> None:
        """Let the process end by itself."""

        def wait() -> None:
            try:
                self._connection.send(None)
            except OSError:
                return
            self._process.join(_END)

        await anyio.to_thread.run_sync(wait, limiter=self._threads)

    def kill(self) -> None:
        """End the process at once, where it runs; what it was doing is in the ledger."""
        self._process.kill()
        self._process.join()
        self._connection.close()


async def _released(ledger: ChunkLedger, run: str, chunk: str, holder: str) -> None:
    """End the lease of a process that is dead for certain; where the store does not answer it runs out by itself."""
    with contextlib.suppress(SharedStoreError, TimeoutError):
        async with asyncio.timeout(_RELEASE):
            await ledger.release(run, chunk, holder)


def check_job(job: RecordImport) -> None:
    """Check that several processes can do a job.

    Args:
        job: The job.

    Raises:
        FileError: they cannot.
    """
    if job.key_field is None or job.existing != "check":
        raise FileError("an import by several processes needs keys, and looks for rows before it sends them")
    if job.remove_doubles:
        raise FileError("an import by several processes names doubles, and removes none")


async def finish_files(files: ChunkFiles, welkin: Welkin, report: ChunkReport, stop: asyncio.Event) -> ChunkReport:
    """Look once more at every patient of a file, and make its files of rows, as soon as the store answers.

    Args:
        files: The file's.
        welkin: An open session.
        report: The counts of its chunks, which are done.
        stop: Asks for an end.

    Returns:
        The counts, with what was seen.

    Raises:
        WorkersFailedError: the final scan could not be made.
        FileError: a file of rows cannot be read or written.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return await files.finish(welkin, report)
        except FileError:
            raise
        except WelkinError as error:
            away = isinstance(error, StoreUnreachableError) and time.monotonic() < deadline
            if not away or stop.is_set():
                raise WorkersFailedError(report, str(error), type(error).__name__) from None
        await asyncio.sleep(PAUSE)


def beside(file: Path, cdt: str) -> Path:
    """Return where the ledger of a file's import is: beside it.

    Args:
        file: The file.
        cdt: The CDT's name.
    """
    return file.absolute().with_name(f"{file.name}.{quote(cdt, safe=' ')}.ledger")


def seal_key() -> str:
    """Return the key that seals tokens for the workers; one made for this import where there is none."""
    found = os.environ.get(VARIABLE, "")
    return found or (new_key() if find_spec("cryptography") else "")
