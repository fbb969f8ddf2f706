"""Both engines on real sockets: the same answers, the same classes of failure, or a stated stricter refusal.

`docs/engines.md` has the whole table.

Where the direct engine differs on purpose:

- It refuses what `raw_answers` marks as accepted by aiohttp: where two readers could disagree on an answer's end.
- The end of a connection ends a body only if that is whole JSON.
- It inflates gzip alone, and asks for it with GETs alone.
- An answer has a bound, 64 MiB by default; its headers have 64 KiB together instead of 8 KiB each.
- A request line or header that would break out of its line is refused as bad input.
- HEAD, streams and other servers are aiohttp's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from welkin_async import InvalidInputError
from welkin_async.http.retry import Verdict, judge_error

from .helpers import ENGINES, LOOPS, answering, certificates, engine_on, get, request_of, send, serving
from .raw_answers import ANSWERS, BEHIND, BODY, CHUNKED, CHUNKS, OK, SIZED, RawAnswer

Outcome = tuple[int, bytes, tuple[tuple[str, str], ...]] | None
"""Status, body and headers; None for a refusal."""


async def received(engine_name: str, reads: Sequence[bytes]) -> tuple[Outcome, bool]:
    """What an engine makes of an answer sent piece by piece; and whether a refused connection was gone afterwards."""
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        with contextlib.suppress(OSError, RuntimeError):  # the latter is uvloop's, for a connection that is gone
            for piece in reads:
                writer.write(piece)
                for _ in range(4 if len(reads) > 1 else 0):
                    await asyncio.sleep(0)
            if not keeps_open:
                writer.write_eof()
            await reader.read()
        gone.set()

    raw = b"".join(reads)
    keeps_open = any(answer.sent == raw for answer in BEHIND)
    async with serving(serve) as base_url, engine_on(base_url, engine_name) as engine:
        outcome: Outcome = None
        verdicts: list[Verdict] = []
        try:
            reply = await get(engine, base_url, timeout=1.0)
            headers = tuple((name.lower(), value) for name, value in reply.headers.items())
            outcome = reply.status, reply.body, headers
        except (
            aiohttp.ClientError,
            TimeoutError,
        ) as error:  # aiohttp notices a bad chunk in a later read by its timeout
            verdicts.append(judge_error(error)[0])
        if engine_name == "direct" and (keeps_open or outcome is None):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(gone.wait(), 10.0)
        assert verdicts == ([Verdict.UNKNOWN] if outcome is None else [])
        return outcome, gone.is_set()


def run(loop: str, engine_name: str, reads: Sequence[bytes]) -> tuple[Outcome, bool]:
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        return runner.run(received(engine_name, reads))


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.name)
def test_an_answer_means_the_same_to_both(answer: RawAnswer) -> None:
    (theirs, _), (ours, gone) = (run("stock", name, [answer.sent]) for name in ENGINES)
    if answer.status:
        assert theirs == ours
        assert ours is not None
        assert ours[:2] == (answer.status, answer.body)
    else:
        assert ours is None
        assert answer.aiohttp_accepts in (theirs is not None, None)
        assert gone


@pytest.mark.parametrize("behind", [b"", b"\r\n"])
def test_the_end_of_chunks_may_come_in_any_pieces(behind: bytes) -> None:
    sent = OK + CHUNKED + CHUNKS + behind
    for cut in range(len(sent) - len(behind) - 5, len(sent) - len(behind)):
        outcome, _ = run("stock", "direct", [sent[:cut], sent[cut:]])
        assert outcome is not None
        assert outcome[:2] == (200, BODY)


@settings(max_examples=60)
@given(st.data(), st.sampled_from(ANSWERS), st.sampled_from(sorted(LOOPS)))
def test_every_split_means_the_same_to_both(data: st.DataObject, answer: RawAnswer, loop: str) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(answer.sent) - 1)), max_size=5)))
    reads = [answer.sent[start:end] for start, end in zip([0, *cuts], [*cuts, len(answer.sent)], strict=True)]
    (theirs, _), (ours, gone) = (run(loop, name, reads) for name in ENGINES)
    if answer in BEHIND:
        assert gone  # whether the answer was handed over before the rest came or not
    elif answer.status or answer.aiohttp_accepts is False:
        assert theirs == ours
    else:
        assert ours is None


async def test_one_line_of_headers_may_be_longer_than_aiohttp_allows() -> None:
    answer = OK + b"X-A: " + b"a" * 20_000 + b"\r\n" + SIZED
    async with serving(answering(answer)) as base_url:
        async with engine_on(base_url, "direct") as engine:
            assert (await get(engine, base_url)).body == BODY
        async with engine_on(base_url, "aiohttp") as engine:
            with pytest.raises(aiohttp.ClientResponseError):
                await get(engine, base_url)


async def test_an_answer_has_a_bound() -> None:
    answer = OK + b"Content-Length: 5000\r\n\r\n" + b"a" * 5000
    async with serving(answering(answer)) as base_url:
        async with engine_on(base_url, "direct", max_answer=5000) as engine:
            with pytest.raises(aiohttp.ClientPayloadError):
                await get(engine, base_url)
        for name in ENGINES:
            async with engine_on(base_url, name) as engine:
                assert len((await get(engine, base_url)).body) == 5000


async def requests_of(engine_name: str, method: str, body: bytes | None) -> list[bytes]:
    """The lines of a request as it went out."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await request_of(reader))
        writer.write(OK + SIZED)
        await reader.read()

    async with serving(serve) as base_url, engine_on(base_url, engine_name) as engine:
        await send(engine, method, base_url + "/a%2Fb?q=%25", body, Authorization="Bearer t")
        port = base_url.rpartition(":")[2].encode()
    return seen[0].replace(port, b"0").split(b"\r\n")


@pytest.mark.parametrize(
    ("method", "body"),
    [("GET", None), ("DELETE", None), ("POST", b"{}"), ("PUT", b"{}"), ("PUT", None), ("PATCH", b"")],
)
async def test_requests_differ_only_in_what_they_ask_for(method: str, body: bytes | None) -> None:
    theirs, ours = [sorted(await requests_of(name, method, body)) for name in ENGINES]
    extra = {line for line in theirs if line.startswith((b"Accept-Encoding", b"Content-Type"))}
    assert [line for line in theirs if line not in extra] == [line for line in ours if b"Accept-Enc" not in line]
    assert (b"Accept-Encoding: gzip" in ours) is (method == "GET")
    assert any(line.startswith(b"Accept-Encoding: gzip") for line in theirs)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("body", [None, b"{}"])
async def test_host_comes_first_and_no_header_twice(name: str, body: bytes | None) -> None:
    _, first, *others = await requests_of(name, "PUT", body)
    assert first == b"Host: localhost:0"
    names = [line.partition(b":")[0].lower() for line in others if b":" in line]
    assert {b"accept", b"user-agent", b"authorization", b"content-length"} <= {*names}
    assert b"host" not in names
    assert len(names) == len({*names})


@pytest.mark.parametrize("target", ["/a b", "/a\r\nX-Evil: 1", "/\x7f", "/\xe9"])
async def test_a_request_line_cannot_be_broken_out_of(target: str) -> None:
    async with engine_on("http://127.0.0.1:1") as engine:
        with pytest.raises(InvalidInputError):
            await get(engine, "http://127.0.0.1:1", target)
        with pytest.raises(InvalidInputError):
            await send(engine, f"GET{target}", "http://127.0.0.1:1/x")


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\n", "a\r", "a\0"])
async def test_a_header_cannot_be_broken_out_of(value: str) -> None:
    async with engine_on("http://127.0.0.1:1") as engine:
        with pytest.raises(InvalidInputError) as caught:
            await send(engine, "GET", "http://127.0.0.1:1/x", Authorization=value)
        assert "Evil" not in str(caught.value)


async def test_head_and_other_servers_are_the_other_engines() -> None:
    head = OK + b"Content-Length: 5000\r\n\r\n"
    async with serving(answering(head)) as base_url, engine_on(base_url) as engine:
        assert (await send(engine, "HEAD", base_url + "/x")).body == b""
    async with serving(answering(OK + SIZED)) as base_url, engine_on("http://127.0.0.1:1") as engine:
        assert (await get(engine, base_url)).body == BODY


@pytest.mark.parametrize("name", ENGINES)
async def test_tls_is_had_with_the_sessions_context(name: str) -> None:
    server, client = certificates()
    async with serving(answering(OK + SIZED), server) as base_url, engine_on(base_url, name, ssl=client) as engine:
        assert [(await get(engine, base_url)).body for _ in range(3)] == [BODY] * 3


@pytest.mark.parametrize("name", ENGINES)
async def test_no_connection_is_told_apart_as_aiohttp_does(name: str) -> None:
    server, client = certificates()
    async with engine_on("http://127.0.0.1:1", name) as engine:
        with pytest.raises(aiohttp.ClientConnectorError) as refused:
            await get(engine, "http://127.0.0.1:1")
        assert type(refused.value) is aiohttp.ClientConnectorError
    async with engine_on("https://nowhere.invalid", name) as engine:
        with pytest.raises(aiohttp.ClientConnectorDNSError):
            await get(engine, "https://nowhere.invalid")
    async with serving(answering(OK + SIZED), server) as base_url:
        async with engine_on(base_url, name) as engine:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await get(engine, base_url)
        elsewhere = base_url.replace("localhost", "127.0.0.1")
        async with engine_on(elsewhere, name, ssl=client) as engine:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await get(engine, elsewhere)

    async def greets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()

    async with serving(greets) as base_url:
        https = base_url.replace("http", "https")
        async with engine_on(https, name) as engine:
            with pytest.raises(aiohttp.ClientConnectorSSLError):
                await get(engine, https)

    async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(5)

    async with serving(hangs) as base_url:
        https = base_url.replace("http", "https")
        async with engine_on(https, name) as engine:
            with pytest.raises(aiohttp.ConnectionTimeoutError):
                await get(engine, https, timeout=0.2)
