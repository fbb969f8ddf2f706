"""An answer that is written at once says what aiohttp's own response says, and waits for a peer that does not read."""

from __future__ import annotations

import asyncio
import socket
from email.utils import parsedate_to_datetime

import pytest

from welkin_async.sandbox import Sandbox

from .api import Api


async def raw(server: Sandbox, api: Api, version: str = "1.1", more: str = "") -> tuple[str, dict[str, str], bytes]:
    """Ask for patients, and return the status line, the headers and the body that they announce."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.base_url.rpartition(":")[2]))
    path = f"/{server.tenant}/{server.instance}/patients"
    writer.write(f"GET {path} HTTP/{version}\r\nHost: a\r\nAuthorization: Bearer {api.token}\r\n{more}\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    line, *fields = head.split("\r\n")[:-2]
    headers = dict(field.split(": ", 1) for field in fields)
    body = await reader.readexactly(int(headers["Content-Length"]))
    if headers.get("Connection") == "close" or (version == "1.0" and "keep-alive" not in more):
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    return line, headers, body


@pytest.mark.parametrize(
    ("version", "more"), [("1.0", ""), ("1.0", "Connection: keep-alive\r\n"), ("1.1", "Connection: close\r\n")]
)
async def test_it_is_the_answer_that_aiohttp_gives_where_a_connection_is_not_kept_as_usual(
    server: Sandbox, api: Api, version: str, more: str
) -> None:
    server.store.add_patients(3)
    line, headers, body = await raw(server, api)
    other_line, other_headers, other_body = await raw(server, api, version, more)
    assert (line.split(" ")[1:], body) == (other_line.split(" ")[1:], other_body)
    for name in ("Content-Type", "Content-Length"):
        assert headers[name] == other_headers[name]
    moments = [parsedate_to_datetime(each["Date"]) for each in (headers, other_headers)]
    assert abs((moments[0] - moments[1]).total_seconds()) <= 1


async def test_a_peer_that_reads_nothing_is_not_written_to_without_end(server: Sandbox, api: Api) -> None:
    server.store.add_patients(2_000)
    path = f"/{server.tenant}/{server.instance}/patients?size=2000"
    request = f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {api.token}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", int(server.base_url.rpartition(":")[2]))) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.sendall(request * 100)
        for _ in range(20):
            await asyncio.sleep(0.05)
        assert server.stats.performed["patients.list"] < 20
    while server.stats.in_flight:
        await asyncio.sleep(0.01)
