"""Import a file by Celery workers.

Start workers with ``celery --app examples.celery_import worker --concurrency 2``, then hand chunks out with
``python -m examples.celery_import medications.csv``. The broker is ``CELERY_BROKER``; the connection and the store come
from ``WELKIN_*`` variables, ``WELKIN_SHARED`` among them.
"""

from __future__ import annotations

import asyncio
import functools
import os
import sys
import threading
from collections.abc import Coroutine
from typing import Any

from celery import Celery

from welkin_async import Welkin, bulk, files
from welkin_async.shared import coordination

CDT = "medication"
READ: files.ProcessImportOptions = {"settle": 1.0}  # the same for whoever divides the file and whoever reads it

app = Celery("imports", broker=os.environ["CELERY_BROKER"], backend=os.environ["CELERY_BROKER"])
app.conf.update(
    task_acks_late=True,  # a message is acknowledged when its chunk is done: else a worker that dies loses it
    task_reject_on_worker_lost=True,  # and that worker's message goes to another at once
    worker_prefetch_multiplier=1,  # no worker holds messages that another could work on
    broker_transport_options={"visibility_timeout": 3600},  # seconds: longer than any chunk takes
)


class Session:
    """What a worker process keeps for its life: an event loop, one session, one connection to the ledger."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._importers: dict[str, files.ChunkImporter] = {}
        self._welkin: Welkin | None = None
        self._shared = coordination(os.environ["WELKIN_SHARED"])

    def run(self, work: Coroutine[Any, Any, bulk.ChunkReport]) -> bulk.ChunkReport:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def carry_out(self, work: files.FileWork, chunk: files.Chunk) -> bulk.ChunkReport:
        if self._welkin is None:
            self._welkin = await Welkin(check="off").open()
        if work.run not in self._importers:
            self._importers[work.run] = await files.ChunkImporter.open(self._welkin, work, self._shared.ledger)
        return await self._importers[work.run].carry_out(chunk)


@functools.cache
def session_of(pid: int) -> Session:
    """Return the session of this process: none is taken over from the process it was forked from."""
    return Session()


@app.task(name="carry_out", autoretry_for=(Exception,), retry_backoff=True, max_retries=5)
def carry_out(path: str, digest: str, run: str, chunk: str, ranges: list[list[int]]) -> int:
    """Import a chunk; the message holds where its rows are, and nothing of them."""
    session = session_of(os.getpid())
    work = files.file_work(path, cdt=CDT, patient="patient", digest=digest, run=run, **READ)
    found = files.Chunk(chunk, tuple((first, behind) for first, behind in ranges))
    report = session.run(session.carry_out(work, found))
    if not report.finished:
        raise RuntimeError("rows of the chunk could not be sent, or are in doubt")  # Celery begins it again
    return report.rows


async def opened(path: str) -> files.PreparedImport:
    """Divide the file into chunks, and open a run for them."""
    shared = coordination(os.environ["WELKIN_SHARED"])
    await shared.init()
    async with Welkin() as welkin:
        prepared = await asyncio.to_thread(
            files.prepare_import, welkin, path, cdt=CDT, patient="patient", rows=500, **READ
        )
    await shared.ledger.open_run(prepared.run, prepared.identity)
    await shared.aclose()
    return prepared


async def finished(run: str) -> bulk.ChunkReport:
    """Look once more at every patient."""
    shared = coordination(os.environ["WELKIN_SHARED"])
    async with Welkin() as welkin:
        report = await bulk.finish_import(welkin, CDT, run, shared.ledger)
    await shared.aclose()
    return report


def main(path: str) -> None:
    prepared = asyncio.run(opened(path))
    work = prepared.work
    results = [carry_out.delay(path, work.digest, work.run, chunk.id, chunk.ranges) for chunk in prepared.chunks]
    for result in results:
        print(f"{result.get()} rows")
    report = asyncio.run(finished(prepared.run))
    print(f"{report.created} created, complete: {report.complete}")


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
