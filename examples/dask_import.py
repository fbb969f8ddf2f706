"""Import a file by the workers of a Dask cluster: ``python examples/dask_import.py medications.csv``.

The connection and the store come from ``WELKIN_*`` variables, ``WELKIN_SHARED`` among them.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from dask.distributed import Client, LocalCluster, WorkerPlugin, as_completed, get_worker

from welkin_async import Welkin, bulk, files
from welkin_async.shared import coordination

CDT = "medication"


class Importing(WorkerPlugin):
    """What a worker keeps for its life: one session, one connection to the ledger, one look through the file."""

    name = "importing"

    def __init__(self, work: files.FileWork) -> None:
        self.work = work

    async def setup(self, worker: Any) -> None:
        self.shared = coordination(os.environ["WELKIN_SHARED"])
        self.welkin = await Welkin(check="off").open()
        worker.importer = await files.ChunkImporter.open(self.welkin, self.work, self.shared.ledger)

    async def teardown(self, worker: Any) -> None:
        await self.welkin.aclose()
        await self.shared.aclose()


async def carry_out(chunk: files.Chunk) -> bulk.ChunkReport:
    """Import a chunk; Dask runs a coroutine on the event loop of the worker, where the session is."""
    report: bulk.ChunkReport = await get_worker().importer.carry_out(chunk)
    if not report.finished:
        raise RuntimeError("rows of the chunk could not be sent, or are in doubt")  # Dask begins it again
    return report


def hand_out(work: files.FileWork, chunks: Sequence[files.Chunk]) -> None:
    """Have all chunks imported."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(Importing(work))
        for future in as_completed(client.map(carry_out, chunks, retries=3)):
            print(f"{future.result().rows} rows")


async def main(path: str) -> None:
    shared = coordination(os.environ["WELKIN_SHARED"])
    await shared.init()
    async with Welkin() as welkin:
        prepared = await asyncio.to_thread(
            partial(files.prepare_import, welkin, path, cdt=CDT, patient="patient", rows=500, settle=1.0),
            # In a folder that all workers reach: rows wait there until they are joined.
            rejects=f"{path}.rejects.csv",
            review=f"{path}.review.csv",
        )
        await shared.ledger.open_run(prepared.run, prepared.identity)
        async with files.ImportFiles(prepared, shared.ledger) as outputs:
            await asyncio.to_thread(hand_out, outputs.work, prepared.chunks)
            report = await outputs.finish(welkin)  # looks once more at every patient
    await shared.aclose()
    refused = report.rejected + report.failed
    print(f"{report.created} created, {refused} refused, complete: {report.complete}")


if __name__ == "__main__":
    asyncio.run(main(os.path.abspath(sys.argv[1])))
