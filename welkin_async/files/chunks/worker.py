"""Worker process: imports one chunk after another, as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from multiprocessing.connection import Connection
from typing import NamedTuple

import anyio.to_thread
import attrs

from welkin_async.bulk import ChunkReport
from welkin_async.files.chunks.chunk_importer import ChunkImporter, FileWork, answered
from welkin_async.files.chunks.plan import Chunk
from welkin_async.http.settings import Settings
from welkin_async.session import Welkin
from welkin_async.shared import coordination
from welkin_async.shared.sealing import VARIABLE


class Order(NamedTuple):
    """What a worker is to do.

    Attributes:
        chunk: Which rows.
        holder: Names its claim.
    """

    chunk: Chunk
    holder: str


@attrs.frozen(kw_only=True)
class Work:
    """What all workers of an import are told; it can be pickled.

    Attributes:
        settings: Of their sessions.
        shared: The URL of the store they share.
        lease: Seconds that the lease of a chunk lasts.
        key: Seals tokens in the store; empty for none.
        file: What they are told of the file.
    """

    settings: Settings = attrs.field(repr=False)
    shared: str = attrs.field(repr=False)
    lease: float
    key: str = attrs.field(repr=False)
    file: FileWork


def work(connection: Connection, given: Work) -> None:
    """Carry out orders until there are no more; the main function of a process.

    Args:
        connection: Brings orders, and None at the end; takes answers.
        given: What all workers are told.
    """
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who gave the orders
    if given.key:
        os.environ[VARIABLE] = given.key
    with contextlib.suppress(EOFError, BrokenPipeError):  # who gave the orders is gone
        asyncio.run(_work(connection, given))


async def _work(connection: Connection, given: Work) -> None:
    shared = coordination(given.shared, given.lease)
    try:
        async with Welkin.from_settings(given.settings, check="off") as welkin:
            importer: ChunkImporter | None = None

            async def carry_out(order: Order) -> ChunkReport:
                nonlocal importer
                if importer is None:
                    importer = await ChunkImporter.open(welkin, given.file, shared.ledger)
                return await importer.carry_out(order.chunk, order.holder)

            while (order := await anyio.to_thread.run_sync(connection.recv)) is not None:
                answer = await answered(carry_out(order))
                connection.send(answer._replace(metrics=None if importer is None else importer.metrics))
    finally:
        await shared.aclose()
