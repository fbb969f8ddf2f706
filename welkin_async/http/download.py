"""Download: an async iterator of chunks, read from the connection as they are asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import Self

from welkin_async.wire.request import Answer, Request
from welkin_async.wire.tracebacks import without_frames


class ChunkStream:
    """The bytes of a file, as they come in: ``async with ... as chunks: async for chunk in chunks``.

    The connection waits while a chunk is being worked on. Failures before the first chunk are repeated like those of
    any other read; later ones are not, because chunks were handed out already.

    Args:
        request: What to send.
        send: Sends it.
        max_size: Bytes the file may have; None for no bound.

    Attributes:
        content_type: What the server says it is; None where it does not say, or before the stream was entered.
        size: How many bytes the server says there are; None where it does not say.
    """

    def __init__(
        self, request: Request, send: Callable[[Request], Awaitable[Answer]], max_size: int | None = None
    ) -> None:
        self.headers: Mapping[str, str] = {"Accept": "*/*"}
        self.content_type: str | None = None
        self.size: int | None = None
        self.sent = self.received = 0
        self.failure: Exception | None = None
        self.max_size = max_size
        self.request: Request | None = request
        self._send = send
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._begun = asyncio.Event()
        self._error: Exception | None = None
        self._over = False
        self._task: asyncio.Task[None] | None = None
        request.stream = self

    @without_frames
    async def __aenter__(self) -> Self:
        """Send the request and wait for the file to begin.

        Raises:
            NotFoundError: there is no such file.
            RequestError: see `errors`.
        """
        self._task = asyncio.create_task(self._run())
        try:
            await self._begun.wait()
        except BaseException:
            self._task.cancel()
            raise
        if self._error is not None:
            raise self._error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        task, self._over = self._task, True
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task])

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    @without_frames
    async def __anext__(self) -> bytes:
        """Return the next chunk.

        Raises:
            ConnectionLostError: the file broke off.
        """
        if self._over:
            raise StopAsyncIteration
        chunk = await self._chunks.get()
        self._chunks.task_done()
        if chunk is not None:
            return chunk
        self._over = True
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration

    def body(self) -> None:
        """Send nothing."""
        return

    async def receive(self, headers: Mapping[str, str], chunks: AsyncIterator[bytes]) -> bool:
        """Hand the body on, a chunk at a time."""
        self.received = 0
        length = headers.get("Content-Length", "")
        self.content_type, self.size = headers.get("Content-Type"), int(length) if length.isdigit() else None
        async for chunk in chunks:
            if self.request is not None:
                self.request.last = True  # chunks are handed out
            self._begun.set()
            self.received += len(chunk)
            self._chunks.put_nowait(chunk)
            await self._chunks.join()
        return True

    async def _run(self) -> None:
        try:
            assert self.request is not None
            await self._send(self.request)
        except Exception as error:
            self._error = error
        finally:
            self._begun.set()
            self._chunks.put_nowait(None)
