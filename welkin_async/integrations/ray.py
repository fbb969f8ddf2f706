"""Imports on a Ray cluster: chunks of files for workers on any node, each of which may die (extra ``ray``).

The driver divides files into chunks and hands them out; what a chunk is does not depend on Ray. Whether a row may be
sent is decided by the ledger's leases and by what is on the server, never by what Ray believes of a process.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Unpack

import anyio.to_thread
import attrs

from welkin_async.bulk import ChunkReport, merge
from welkin_async.errors import ConfigurationError
from welkin_async.files import FileError, PatientColumn, ProcessFileOptions, WorkersFailedError
from welkin_async.files.api import process_job
from welkin_async.files.chunks.chunk_importer import FileWork
from welkin_async.files.chunks.chunk_queue import Answer, ChunkQueue, Handout
from welkin_async.files.chunks.import_page import ImportPage
from welkin_async.files.chunks.object_file import local_copy
from welkin_async.files.chunks.parts import ChunkFiles, all_paths
from welkin_async.files.chunks.plan import Plan, divide, run_identity
from welkin_async.files.chunks.process_pool import ROWS, check_job, finish_files, seal_key
from welkin_async.files.jobs.create_records import RecordImport
from welkin_async.files.jobs.open_file import open_file
from welkin_async.files.run.lookup_estimate import check_lookups
from welkin_async.http.settings import Settings
from welkin_async.integrations.ray_worker import ChunkWorker, WorkerSettings
from welkin_async.session import Welkin
from welkin_async.shared.coordination import Coordination, coordination
from welkin_async.shared.ledger import LEASE
from welkin_async.wire.tracebacks import without_frames

_POLL = 0.25  # seconds between two looks for a chunk, while others have all there are
_BEATS = 3.0  # signs of life that are asked for in the time of a lease
_START = 120.0  # seconds within which the first worker is to have started
_STARTS = 5  # workers that may die before they have begun, with none between them that did not
_END = 5.0  # seconds for which a worker without work may take to close its session

StrPath = str | os.PathLike[str]


@without_frames
async def ray_import(
    paths: StrPath | Sequence[StrPath],
    *,
    cdt: str,
    patient: PatientColumn | str,
    settings: Settings | None = None,
    shared: str | None = None,
    workers: int = 2,
    rows: int = ROWS,
    lease: float = LEASE,
    cpus: float = 1.0,
    stop: asyncio.Event | None = None,
    on_progress: Callable[[ChunkReport], None] | None = None,
    **options: Unpack[ProcessFileOptions],
) -> ChunkReport:
    """Create a CDT record for each row of files, exactly once, by workers on a Ray cluster.

    Ray is initialised before (``ray.init(address=...)``). The files are divided into chunks here (`files.plan`), and
    have the same path on every node; a worker that finds another file there refuses it. A worker is an actor with one
    session for its life. One that died is replaced, and its chunk done again by what is found on the server, once its
    lease has ended. One that gives no sign of life for longer than a lease keeps its chunk, which another worker does
    too: whichever is allowed to by the ledger. The same call goes on where an earlier one ended.

    Args:
        paths: CSV, NDJSON, Parquet or other files, as `files.import_records` reads them; or URLs of an object storage,
            such as ``s3://bucket/medications.csv``, from which each worker fetches its own copy. Where rows have keys
            of their own (``key``) a file is begun when the one before is done, because a key may be in both.
        cdt: The CDT's name.
        patient: The column that names the patient, by its id unless a `PatientColumn` says otherwise.
        settings: Of the workers' sessions (``welkin.settings``), with the secret in them, which goes through Ray; their
            ``rate`` is what all of them may send together. None to have each process read its ``WELKIN_*`` variables,
            this one too.
        shared: The URL of the store that holds the ledger, and by which workers share token and pace; that of the
            settings where it is None. SQLite is for nodes that are one machine.
        workers: How many workers.
        rows: How many rows a chunk is to have; the rows of a patient in a file are in one chunk.
        lease: Seconds that the lease of a chunk lasts.
        cpus: CPUs of the cluster that a worker takes up.
        stop: An event that asks for an orderly end: no further chunk is begun.
        on_progress: Called with the counts up to then whenever a chunk is done.
        options: See `ProcessFileOptions` and `ProcessImportOptions`. Files of rows go with a single path, and into a
            folder that all nodes share: workers that do not reach it refuse to begin.

    Returns:
        The counts over all files, after the final scan; where it was stopped, of the chunks that are done.

    Raises:
        WorkersFailedError: a chunk could not be carried out, or no worker started.
        FileError: a file or an option does not fit, and nothing was sent; or a file of rows cannot be written at the
            end, whose rows stay where they were.
        ConfigurationError: Ray is not installed or not initialised, or a setting does not fit.
        SharedStoreError: the store cannot be used.
        WelkinError: the final scan could not be made.
        TypeError: there is no such option.
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if len(given) > 1 and any(options.get(name) is not None for name in ("rejects", "review", "results")):
        raise FileError("rejects=, review= and results= go with a single file")
    jobs = [process_job(path, cdt, patient, dict(options)) for path in given]
    running = RayImport(
        jobs,
        settings=settings,
        shared=shared,
        workers=workers,
        rows=rows,
        lease=lease,
        cpus=cpus,
        stop=stop,
        on_progress=on_progress,
    )
    return await running.run()


@attrs.frozen
class _File:
    """One file of an import: what workers are told of it, its plan, and where Ray keeps the former."""

    work: FileWork
    made: Plan
    reference: Any


class RayImport:
    """Import on Ray; see `ray_import`.

    Args:
        jobs: What is done with the rows of each file.
        settings: Of the workers' sessions; None for those of each process' environment.
        shared: The URL of the store they share; None for that of the settings.
        workers: How many.
        rows: How many rows a chunk is to have.
        lease: Seconds that the lease of a chunk lasts.
        cpus: CPUs of the cluster that a worker takes up.
        stop: Asks for an end: no further chunk is begun.
        on_progress: Called with the counts up to then whenever a chunk is done.

    Attributes:
        planned_rows: How many rows there are; None before the files were divided.
        restarts: How many workers took the place of one that died.
        given_elsewhere: How many chunks went to another worker because the first fell silent.
    """

    def __init__(
        self,
        jobs: Sequence[RecordImport],
        *,
        settings: Settings | None,
        shared: str | None,
        workers: int = 2,
        rows: int = ROWS,
        lease: float = LEASE,
        cpus: float = 1.0,
        stop: asyncio.Event | None = None,
        on_progress: Callable[[ChunkReport], None] | None = None,
    ) -> None:
        if workers < 1 or not jobs:
            raise FileError("workers= is at least 1, and there is at least one file")
        for job in jobs:
            check_job(job)
        # A worker's process has another working directory.
        self._jobs = [
            attrs.evolve(job, settings=attrs.evolve(job.settings, file=job.settings.file.absolute())) for job in jobs
        ]
        key = seal_key() if settings is not None else ""
        self._told = WorkerSettings(settings=settings, shared=shared, lease=lease, key=key)
        self._count = workers
        self._rows = rows
        self._lease = lease
        self._cpus = cpus
        self._stop = asyncio.Event() if stop is None else stop
        self._on_progress = on_progress
        self._queue = ChunkQueue()
        self._page = ImportPage(self._jobs)
        self._files: list[_File] = []
        self._outputs: list[ChunkFiles] = []
        self._ray = ModuleType("ray")
        self._started = 0
        self._failed_starts = 0
        self.planned_rows: int | None = None
        self.restarts = 0
        self.given_elsewhere = 0

    @property
    def report(self) -> ChunkReport:
        """The counts of the chunks that are done, merged."""
        return self._queue.report()

    @property
    def paths(self) -> dict[str, list[Path]]:
        """The files that hold a row, by ``rejects``, ``review`` and ``results``."""
        return all_paths(self._outputs)

    async def run(self) -> ChunkReport:
        """Import the files; see `ray_import`."""
        self._ray = _initialised_ray()
        settings, url = self._told.read()
        _check_store(url, self._ray)
        shared = coordination(url, self._lease)
        try:
            with self._page.writing(lambda: self.report, self._stop):
                async with Welkin.from_settings(settings, check="off") as welkin, contextlib.AsyncExitStack() as held:
                    held.enter_context(self._page.counting(welkin))
                    await shared.init()
                    await self._plan(welkin, shared, held)
                    self._page.start()
                    async with self._workers():
                        for phase in self._phases():
                            for number in phase:
                                self._queue.add(number, self._files[number].made.chunks)
                            await self._worked_off()
                    self._page.report = await self._finish(welkin)
                    return self._page.report
        finally:
            for outputs in self._outputs:
                outputs.close()
            await shared.aclose()

    async def _plan(self, welkin: Welkin, shared: Coordination, held: contextlib.AsyncExitStack) -> None:
        """Divide the files into chunks, and open a run for each."""
        digests: set[str] = set()
        for given in self._jobs:
            settings = await anyio.to_thread.run_sync(held.enter_context, local_copy(given.settings))
            job = attrs.evolve(given, settings=settings)
            opened = await open_file(settings)
            opened.source.close()
            await check_lookups(job, welkin, opened)
            cut = partial(divide, by=job.patient.column, rows=self._rows, key=job.key)
            made = await anyio.to_thread.run_sync(cut, opened.input, settings)
            if made.digest in digests:
                raise FileError(f"{settings.file.name} has the same content as another of the files")
            digests.add(made.digest)
            self._page.digests.append(made.digest)
            identity = run_identity(made, job, welkin)
            run, outputs = identity[:16], ChunkFiles(job, opened)
            self._outputs.append(outputs)
            await shared.ledger.open_run(run, identity)
            await outputs.begin(run, shared.ledger)
            work = FileWork(job=job, digest=made.digest, run=run, parts=outputs.folder)
            self._files.append(_File(work, made, self._ray.put(work)))
        self.planned_rows = sum(file.made.rows for file in self._files)

    def _phases(self) -> Iterable[Sequence[int]]:
        """Give the numbers of files that may be imported at once: a key of their own may be in two of them."""
        numbers = range(len(self._files))
        return [[number] for number in numbers] if any(job.key for job in self._jobs) else [numbers]

    async def _worked_off(self) -> None:
        while True:
            if self._queue.over or (self._stop.is_set() and self._queue.idle):
                return
            await asyncio.sleep(_POLL)

    async def _finish(self, welkin: Welkin) -> ChunkReport:
        """Look once more at every patient, for each file, and write its files of rows."""
        reports, failure = [], self._queue.failure
        for number, outputs in enumerate(self._outputs):
            report = self._queue.report(number)
            if failure or self._stop.is_set():
                reports.append(await outputs.join(report))
                continue
            try:
                reports.append(await finish_files(outputs, welkin, report, self._stop))
            except WorkersFailedError as error:
                raise WorkersFailedError(self.report, error.reason, error.kind) from None
        if failure:
            raise WorkersFailedError(merge(reports), failure, self._queue.failure_kind)
        return merge(reports)

    @contextlib.asynccontextmanager
    async def _workers(self) -> AsyncIterator[None]:
        """Have workers work while the context lasts."""
        try:
            async with asyncio.TaskGroup() as group:
                began = time.monotonic()
                tasks = [group.create_task(self._employ(), name="welkin_async ray worker") for _ in range(self._count)]
                tasks.append(group.create_task(self._watch_start(began), name="welkin_async ray start"))
                try:
                    yield
                finally:
                    for task in tasks:
                        task.cancel()
        except BaseExceptionGroup as errors:
            first: BaseException = errors.exceptions[0]
        else:
            return
        raise first

    async def _watch_start(self, began: float) -> None:
        while not self._started:
            if time.monotonic() - began > _START:
                self._queue.fail("no worker could be started: the cluster has no CPUs that are free")
            await asyncio.sleep(_POLL)

    async def _employ(self) -> None:
        """Keep one worker busy, and replace it where it dies."""
        while True:
            worker = _Worker(self._ray, self._told, self._cpus, self._lease)
            try:
                if await self._start(worker):
                    await self._keep_busy(worker)
                    self.restarts += 1
            finally:
                await worker.end()
            await asyncio.sleep(_POLL)

    async def _start(self, worker: _Worker) -> bool:
        """Tell whether a worker has started."""
        answer = await worker.call("open")
        if answer is None:
            self._failed_starts += 1
            if self._failed_starts >= _STARTS:
                self._queue.fail("workers die as they start: is this package installed on all nodes of the cluster?")
            return False
        if answer.error:
            self._queue.fail(answer.error, answer.kind)
            return False
        self._failed_starts = 0
        self._started += 1
        return True

    async def _keep_busy(self, worker: _Worker) -> None:
        """Hand chunks to a worker until it dies."""
        begun: set[int] = set()
        while True:
            handout = None if self._stop.is_set() else self._queue.take()
            if handout is None:
                await asyncio.sleep(_POLL)
                continue
            answer = await self._carried_out(worker, handout, begun)
            told = answer or Answer(None, "a worker died")
            done = self._queue.settle(handout, told)
            self._page.take(told, done=done)
            if done and self._on_progress is not None:
                self._on_progress(self.report)
            if answer is None:
                return

    async def _carried_out(self, worker: _Worker, handout: Handout, begun: set[int]) -> Answer | None:
        """Have a chunk carried out; None where the worker died over it."""
        file = self._files[handout.file]

        def silent() -> None:
            if not self._queue.is_elsewhere(handout):
                self.given_elsewhere += 1
                self._queue.give_elsewhere(handout)

        if handout.file not in begun:
            answer = await worker.call("begin", file.reference, silent=silent)
            if answer is None or answer.error:
                return answer
            begun.add(handout.file)
        return await worker.call("carry_out", file.work.run, handout.chunk, secrets.token_hex(8), silent=silent)


class _Worker:
    """One worker of the cluster: an actor, and its signs of life."""

    def __init__(self, ray: ModuleType, given: WorkerSettings, cpus: float, lease: float) -> None:
        self._ray = ray
        self._lease = lease
        # What is restarted, and when, is decided here: Ray knows nothing of leases.
        placed = {"num_cpus": cpus, "max_restarts": 0, "max_task_retries": 0, "scheduling_strategy": "SPREAD"}
        self._actor = ray.remote(ChunkWorker).options(**placed).remote(given)
        self._calls: set[asyncio.Future[Any]] = set()

    async def call(self, method: str, *arguments: Any, silent: Callable[[], None] | None = None) -> Answer | None:
        """Have something done.

        Args:
            method: Of `ChunkWorker`.
            arguments: For it.
            silent: Called where the worker gives no sign of life for longer than a lease; it may still answer.

        Returns:
            The answer; None where the worker died.
        """
        called, beat = self._send(method, *arguments), None
        heard = time.monotonic()
        interval = self._lease / _BEATS
        while True:
            await asyncio.wait((called,), timeout=interval)
            if called.done():
                return self._result(called)
            if silent is None:
                continue
            if beat is None or beat.done():
                if beat is not None and beat.exception() is None:
                    heard = time.monotonic()
                beat = self._send("beat")
            if time.monotonic() - heard > self._lease + interval:
                silent()

    async def end(self) -> None:
        """End the worker; what it was doing is in the ledger."""
        with contextlib.suppress(Exception):  # it may be gone
            if not self._calls:
                await asyncio.wait((self._send("close"),), timeout=_END)
            self._ray.kill(self._actor, no_restart=True)
        if self._calls:
            await asyncio.wait(self._calls, timeout=_END)

    def _send(self, method: str, *arguments: Any) -> asyncio.Future[Any]:
        sent = asyncio.wrap_future(getattr(self._actor, method).remote(*arguments).future())
        self._calls.add(sent)
        sent.add_done_callback(self._forget)
        return sent

    def _forget(self, sent: asyncio.Future[Any]) -> None:
        self._calls.discard(sent)
        if not sent.cancelled():
            sent.exception()

    def _result(self, called: asyncio.Future[Any]) -> Answer | None:
        error = called.exception()
        if error is None:
            answer: Answer = called.result()
            return answer
        if isinstance(error, self._ray.exceptions.RayError):
            return None
        raise error


def _installed_ray() -> ModuleType:
    """Return Ray.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise ConfigurationError("ray is not installed: pip install 'welkin-async[ray]'") from None


def _initialised_ray() -> ModuleType:
    """Return Ray, initialised.

    Raises:
        ConfigurationError: it is not installed, or not initialised.
    """
    ray = _installed_ray()
    if not ray.is_initialized():
        # A cluster that was made for this call would listen on every interface of the machine.
        raise ConfigurationError("ray is not initialised: call ray.init(address=...) with the cluster's address")
    return ray


def _check_store(url: str, ray: ModuleType) -> None:
    """Refuse a store of one machine for a cluster of several.

    Raises:
        ConfigurationError: it is one.
    """
    machines = {node["NodeManagerHostname"] for node in ray.nodes() if node["Alive"]}
    if url.startswith("sqlite:") and len(machines) > 1:
        raise ConfigurationError("the cluster has several machines: share a store that all reach, not SQLite")


@contextlib.contextmanager
def joined(address: str) -> Iterator[None]:
    """Be a driver of a Ray cluster while the context lasts, with the signals of this process left as they are.

    Args:
        address: As `ray.init` takes it: ``host:port`` of the head, ``auto``, or ``ray://host:port``.

    Raises:
        ConfigurationError: Ray is not installed, or no cluster answers.
    """
    ray = _installed_ray()
    caught = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigurationError(f"no Ray cluster could be joined ({type(error).__name__}): see its address") from None
    finally:
        for number, handler in caught.items():
            signal.signal(number, handler)
    try:
        yield
    finally:
        ray.shutdown()
