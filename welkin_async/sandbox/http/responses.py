"""Responses: an answer is put on the connection, or the connection is broken."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter

from welkin_async.sandbox.http.messages import JSON_HEADERS, Answer, Stray

_ABORT = struct.pack("ii", 1, 0)


def invite_body(request: web.BaseRequest) -> None:
    """Answer an Expect header: the body may come. HTTP/1.0 knows none.

    Args:
        request: Has the header.

    Raises:
        web.HTTPExpectationFailed: something else is expected.
    """
    if request.version < HttpVersion11:
        return
    if request.headers["Expect"].lower() != "100-continue":
        raise web.HTTPExpectationFailed
    if request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


class _WholeResponse(web.StreamResponse):
    """Response that is written at once, by HTTP/1.1 on a connection that is kept.

    aiohttp's own takes steps for headers and a body that may still change; they cost more than most operations.

    Args:
        answer: JSON.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(status=answer.status)
        self._left: Answer | None = answer

    @property
    def keep_alive(self) -> bool:
        """True: the connection is kept."""
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write head and body, unless that was done; for aiohttp."""
        answer, self._left = self._left, None
        if answer is not None:
            if request.transport is None:
                raise ConnectionResetError("the client has left")
            head, body = _json_head(answer.status, int(time.time())), answer.body
            request.transport.write(b"%b%d\r\n\r\n%b" % (head, len(body), body))
            await request.writer.drain()
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing, as all was written; for aiohttp."""


@lru_cache(maxsize=64)
def _json_head(status: int, second: int) -> bytes:
    """Head of an answer in JSON, down to the value of Content-Length."""
    fields = {**JSON_HEADERS, "Date": formatdate(second, usegmt=True), "Content-Length": ""}
    return _head(status, fields).rstrip().encode() + b" "


def _head(status: int, fields: dict[str, str]) -> str:
    return "\r\n".join((f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{key}: {fields[key]}" for key in fields)))


def deliver(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    """An answer for aiohttp to send, with Date and Content-Length added.

    Args:
        request: The request to answer.
        answer: Status, headers and body.
    """
    usual = request.keep_alive and request.version == HttpVersion11 and request.method != "HEAD"
    if answer.headers is JSON_HEADERS and usual:
        return _WholeResponse(answer)
    return web.Response(status=answer.status, body=answer.body, headers=answer.headers)


async def stream(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    """Send a file piece by piece.

    Args:
        request: The request to answer.
        answer: Its `file` is the body.
    """
    assert answer.file is not None
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_length = answer.file.size
    await response.prepare(request)
    for piece in answer.file.pieces():
        await response.write(piece)
    await response.write_eof()
    return response


async def deliver_with_stray(request: web.BaseRequest, answer: Answer, stray: Stray) -> web.StreamResponse:
    """Send an answer, and a stray one behind it.

    Args:
        request: The request to answer.
        answer: Its answer.
        stray: What follows; dropped when the connection is gone by then.
    """
    response = deliver(request, answer)
    await response.prepare(request)
    await response.write_eof()
    transport = request.transport
    if transport is not None:
        asyncio.get_running_loop().call_later(stray.delay, _write, transport, stray.answer)
    return response


def _write(transport: asyncio.Transport, answer: Answer) -> None:
    """Put an answer on a connection, past the server that keeps count of requests."""
    if transport.is_closing():
        return
    fields = {**answer.headers, "Content-Length": str(len(answer.body)), "Date": formatdate(usegmt=True)}
    transport.write(f"{_head(answer.status, fields)}\r\n\r\n".encode("latin-1") + answer.body)


def reset(request: web.BaseRequest) -> web.StreamResponse:
    """Reset the connection as a crashed peer does: with a TCP RST, which a zero linger time makes of a close.

    Args:
        request: The request whose connection it is.

    Returns:
        A response for aiohttp to drop, as its connection is gone.
    """
    transport = request.transport
    if transport is not None:
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        transport.abort()
    return web.Response()


async def truncate(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    """Send the full Content-Length, half of the body, and close.

    Args:
        request: The request to answer.
        answer: What is cut; of an empty body two bytes are announced and none sent.

    Returns:
        A response for aiohttp to drop, as its connection is closing.
    """
    size = len(answer.body) if answer.file is None else answer.file.size
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_length = size or 2
    await response.prepare(request)
    for piece in [answer.body[: size // 2]] if answer.file is None else answer.file.pieces(size // 2):
        await response.write(piece)
    if request.transport is not None:
        request.transport.close()
    return web.Response()
