"""Worker process: imports one chunk after another, as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Coroutine
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import attrs

from welkin_async.bulk import ChunkReport
from welkin_async.files.chunks.chunk_importer import ChunkImporter, FileWork, answered
from welkin_async.files.chunks.chunk_queue import Answer
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
    with contextlib.suppress(EOFError, ConnectionError):  # who gave the orders is gone
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

            following = _received(connection)
            while (order := await following) is not None:
                following = _received(connection)
                answer = await _while_wanted(answered(carry_out(order)), following)
                connection.send(answer._replace(metrics=None if importer is None else importer.metrics))
    finally:
        await shared.aclose()


def _received(connection: Connection) -> asyncio.Future[Order | None]:
    """Wait for the next order, and so for the end of who gives them; in a thread that holds up no process that ends."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Order | None] = loop.create_future()

    def settle(order: Order | None, *, gone: bool) -> None:
        if found.done():
            return
        if gone:
            found.set_exception(EOFError())
        else:
            found.set_result(order)

    def receive() -> None:
        order, gone = None, False
        try:
            order = connection.recv()
        except (EOFError, OSError):
            gone = True
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(partial(settle, order, gone=gone))

    threading.Thread(target=receive, daemon=True, name="welkin_async bulk orders").start()
    return found


async def _while_wanted(work: Coroutine[Any, Any, Answer], following: asyncio.Future[Order | None]) -> Answer:
    """Carry an order out, unless who gave it goes: nobody would have the answer, and its chunk is the next call's.

    Raises:
        EOFError: that is so.
    """
    carrying = asyncio.create_task(work, name="welkin_async bulk order")
    await asyncio.wait((carrying, following), return_when=asyncio.FIRST_COMPLETED)
    if carrying.done():
        return carrying.result()
    carrying.cancel()
    await asyncio.wait((carrying,))
    following.exception()  # looked at: it says that the other end is closed
    raise EOFError
