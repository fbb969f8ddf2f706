"""Responses: an answer is put on the connection, or the connection is broken."""

from __future__ import annotations

import asyncio
import socket
import struct
from email.utils import formatdate
from http import HTTPStatus

from aiohttp import HttpVersion11, web

from welkin_async.sandbox.http.messages import Answer, Stray

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


def deliver(answer: Answer) -> web.StreamResponse:
    """An answer for aiohttp to send, which adds Date and Content-Length.

    Args:
        answer: Status, headers and body.
    """
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
    response = deliver(answer)
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
    reason = HTTPStatus(answer.status).phrase
    head = "".join((f"HTTP/1.1 {answer.status} {reason}\r\n", *(f"{key}: {fields[key]}\r\n" for key in fields), "\r\n"))
    transport.write(head.encode("latin-1") + answer.body)


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
