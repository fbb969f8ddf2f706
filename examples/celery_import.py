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
from collections.abc import Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from celery import Celery

from welkin_async import Welkin, bulk, files
from welkin_async.shared import coordination

CDT = "medication"
READ: files.ProcessImportOptions = {"settle": 1.0}  # the same for whoever divides the file and whoever reads it


def outputs_of(path: str) -> files.ChunkFileOptions:
    """Return where rows go that are not done: in a folder that all workers reach, as they wait there to be joined."""
    return {"rejects": f"{path}.rejects.csv", "review": f"{path}.review.csv"}


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
def carry_out(path: str, digest: str, run: str, parts: list[str], chunk: str, ranges: list[list[int]]) -> int:
    """Import a chunk; the message holds where its rows are, and nothing of them."""
    session = session_of(os.getpid())
    folder = files.PartsFolder(path=Path(parts[0]), mark=parts[1])
    work = files.file_work(
        path, cdt=CDT, patient="patient", digest=digest, run=run, parts=folder, **READ, **outputs_of(path)
    )
    found = files.Chunk(chunk, tuple((first, behind) for first, behind in ranges))
    report = session.run(session.carry_out(work, found))
    if not report.finished:
        raise RuntimeError("rows of the chunk could not be sent, or are in doubt")  # Celery begins it again
    return report.rows


def hand_out(path: str, work: files.FileWork, chunks: Sequence[files.Chunk]) -> None:
    """Have all chunks imported."""
    assert work.parts is not None
    parts = [str(work.parts.path), work.parts.mark]
    results = [carry_out.delay(path, work.digest, work.run, parts, chunk.id, chunk.ranges) for chunk in chunks]
    for result in results:
        print(f"{result.get()} rows")


async def main(path: str) -> None:
    shared = coordination(os.environ["WELKIN_SHARED"])
    await shared.init()
    async with Welkin() as welkin:
        prepare = partial(files.prepare_import, welkin, path, cdt=CDT, patient="patient", rows=500)
        prepared = await asyncio.to_thread(prepare, **READ, **outputs_of(path))
        await shared.ledger.open_run(prepared.run, prepared.identity)
        async with files.ImportFiles(prepared, shared.ledger) as outputs:
            await asyncio.to_thread(hand_out, path, outputs.work, prepared.chunks)
            report = await outputs.finish(welkin)  # looks once more at every patient
    await shared.aclose()
    refused = report.rejected + report.failed
    print(f"{report.created} created, {refused} refused, complete: {report.complete}")


if __name__ == "__main__":
    asyncio.run(main(os.path.abspath(sys.argv[1])))
