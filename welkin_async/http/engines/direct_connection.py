"""Connection of the direct engine: an asyncio protocol that carries one exchange at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import aiohttp

from welkin_async.http.engines.direct_response import ResponseParser
from welkin_async.http.retry import MalformedAnswerError

_PIECE = 1 << 18  # bytes of a large body written at a time
_READ = 1 << 16  # bytes read at a time

Failure = aiohttp.ClientError | TimeoutError
"""Why an exchange brought no answer."""


class DirectConnection(asyncio.BaseProtocol):
    """Writes a request and feeds what comes back to the exchange's parser; see `wire.exchange.Connection`.

    Whatever ends an exchange early aborts the connection: closed in order, one over TLS waits half a minute for a peer
    that is silent, and one that has seen bytes out of turn cannot be trusted with another exchange.

    Args:
        loop: The event loop.
        on_begun: Called where the head of an answer was read and its body is still to come.
        on_lost: Called once it is gone.

    Attributes:
        answers: How many answers have come over it.
        confirmed: The number of the latest answer that passed its identity check; 0 for none.
        disordered: Whether an answer too many, or that of another request, was seen on it.
        idle_since: The moment, on the loop's clock, at which the last exchange ended.
        timeout: Seconds within which the answer of the present exchange is to begin.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_begun: Callable[[DirectConnection], None],
        on_lost: Callable[[DirectConnection], None],
    ) -> None:
        self.answers = self.confirmed = 0
        self.disordered = self._retired = False
        self.idle_since = self.timeout = 0.0
        self._loop, self._on_begun, self._on_lost = loop, on_begun, on_lost
        self._parser: ResponseParser | None = None
        self._ended: asyncio.Future[Failure | None] = loop.create_future()
        self._held: asyncio.Future[None] | None = None  # what is still to be written, until the peer takes more

    @property
    def open(self) -> bool:
        """Whether another request may still go over it."""
        return self.is_open()

    def is_open(self) -> bool:
        """Return the same as ``open``: asked before each request, where a property is dear."""
        return not (self._retired or self._transport.is_closing())

    def send(self, data: bytes, parser: ResponseParser, timeout: float) -> asyncio.Future[Failure | None]:
        """Begin an exchange.

        Args:
            data: The request, or its head alone where `send_body` follows.
            parser: Takes in the answer.
            timeout: Seconds within which it is to begin.

        Returns:
            Done with None once the answer is complete, or with the reason why it will not be.
        """
        self._parser, self.timeout = parser, timeout
        self._ended = ended = self._loop.create_future()
        self._transport.write(data)
        return ended

    async def send_body(self, body: bytes) -> None:
        """Write a large body as fast as the peer takes it; cut short, and the connection lost, once it is answered."""
        view = memoryview(body)
        for start in range(0, len(view), _PIECE):
            if self._ended.done():
                self.close()
                return
            self._transport.write(view[start : start + _PIECE])
            if self._held is not None:
                await asyncio.wait((self._held, self._ended), return_when=asyncio.FIRST_COMPLETED)

    def release(self) -> bool:
        """End an exchange; return whether there may be another."""
        self._parser = None
        self.idle_since = self._loop.time()
        return not (self._retired or self._transport.get_write_buffer_size())

    def retire(self) -> None:
        """Send no further request over it; an exchange that is under way on it may end."""
        self._retired = True
        if self._parser is None:
            self.close()

    def close(self, error: Failure | None = None) -> None:
        """Drop the connection at once; an exchange that is under way on it breaks off.

        Args:
            error: What the exchange ends with; that the connection is gone, where it is None.
        """
        self._retired = True
        self._transport.abort()
        self._end(error or aiohttp.ClientConnectionError())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; called by the loop."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods alone

    def data_received(self, data: bytes) -> None:
        """Parse what was read; called by the loop. Unasked bytes end the connection."""
        parser = self._parser
        if parser is None or parser.complete:
            self.disordered = True
            self.close()
            return
        begun = parser.head
        try:
            if parser.feed(data):
                self._end(None)
            elif parser.head and not begun:
                self._on_begun(self)
        except aiohttp.ClientError as error:
            self.disordered = isinstance(error, MalformedAnswerError)  # part of it may be another answer
            self.close(error)

    def eof_received(self) -> None:
        """Take in that the peer sends no more; called by the loop."""
        if self._parser is not None:
            self._end(self._parser.feed_eof())
        self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take in that the connection is gone; called by the loop."""
        if exc is None:
            self.eof_received()
        self.close(aiohttp.ClientOSError(*exc.args) if exc else None)
        self._parser = None  # it has the answer's body, and rows may remember on which connection theirs came
        self._on_lost(self)

    def pause_writing(self) -> None:
        """Hold a large body back; called by the loop."""
        self._held = self._loop.create_future()

    def resume_writing(self) -> None:
        """Let it go on; called by the loop."""
        if self._held is not None:
            self._held.set_result(None)
            self._held = None

    def _end(self, error: Failure | None) -> None:
        """Let the exchange that is on go on."""
        if not self._ended.done():
            self._ended.set_result(error)


class BufferedConnection(DirectConnection, asyncio.BufferedProtocol):
    """Reads into a buffer of its own, where the loop would make one of 256 KiB for every read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, and make the buffer; called by the loop."""
        super().connection_made(transport)
        self._buffer = memoryview(bytearray(_READ))  # nobody else's: no loop can put another's answer into it

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to read to; called by the loop."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take out what was read; called by the loop."""
        self.data_received(bytes(self._buffer[:nbytes]))
