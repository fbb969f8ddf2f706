"""The strict parser: what is an answer, what is refused, whatever the reads it comes in."""

from __future__ import annotations

import gc
import gzip
import itertools
import weakref
from collections.abc import Iterable

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from welkin_async.http.engines.direct_response import ResponseParser
from welkin_async.http.engines.lazy_headers import LazyHeaders
from welkin_async.http.retry import AnswerTooLargeError, MalformedAnswerError, Verdict, judge_error

from .raw_answers import ANSWERS, BEHIND, BODY, MALFORMED, OK, SIZED, SOUND, UPGRADES, RawAnswer

LIMIT = 1 << 20
Outcome = tuple[int, bytes] | str


def parsed(reads: Iterable[bytes], limit: int = LIMIT) -> ResponseParser:
    """Feed reads, and the connection's end where they were not enough."""
    parser = ResponseParser(limit)
    for data in reads:
        if parser.feed(data):
            return parser
    if (failure := parser.feed_eof()) is not None:
        raise failure
    return parser


def outcome(reads: Iterable[bytes]) -> Outcome:
    """Status and body, or the reason of a refusal, which never counts as "not sent"."""
    try:
        parser = parsed(reads)
        return parser.status, parser.body()
    except aiohttp.ClientError as error:
        verdict, reason = judge_error(error)
        assert verdict is Verdict.UNKNOWN
        return reason


def pieces(raw: bytes, cuts: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(cuts), len(raw)]
    return [raw[start:end] for start, end in itertools.pairwise(edges) if start < end]


@pytest.mark.parametrize("answer", SOUND, ids=lambda answer: answer.name)
def test_a_sound_answer(answer: RawAnswer) -> None:
    assert outcome([answer.sent]) == (answer.status, answer.body)


@pytest.mark.parametrize("answer", MALFORMED + UPGRADES + BEHIND, ids=lambda answer: answer.name)
def test_a_malformed_answer_is_refused(answer: RawAnswer) -> None:
    assert isinstance(outcome([answer.sent]), str)


@pytest.mark.parametrize("answer", SOUND + MALFORMED, ids=lambda answer: answer.name)
def test_it_does_not_matter_in_which_reads_it_comes(answer: RawAnswer) -> None:
    """Byte by byte here; the large ones are cut elsewhere."""
    if len(answer.sent) < 1000:
        assert outcome(bytes([byte]) for byte in answer.sent) == outcome([answer.sent])


@settings(max_examples=500)
@given(data=st.data(), answer=st.sampled_from(ANSWERS))
def test_every_split_is_judged_alike(data: st.DataObject, answer: RawAnswer) -> None:
    cuts = data.draw(st.lists(st.integers(1, max(1, len(answer.sent) - 1)), max_size=6))
    found, whole = outcome(pieces(answer.sent, cuts)), outcome([answer.sent])
    if answer in BEHIND and found != whole:  # a later read brought what stands behind: the answer is complete by then
        assert isinstance(found, tuple)
    else:
        assert found == whole


@given(st.binary(max_size=200), st.lists(st.integers(1, 300), max_size=4))
def test_bytes_of_any_kind_end_in_an_answer_or_a_refusal(rubbish: bytes, cuts: list[int]) -> None:
    outcome(pieces(OK + rubbish, cuts))
    outcome(pieces(rubbish, cuts))


@pytest.mark.parametrize(
    ("sent", "reusable"),
    [
        (OK + SIZED, True),
        (OK + b"Connection: close\r\n" + SIZED, False),
        (OK + b"Connection: close\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\n" + SIZED, False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + SIZED, True),
        (OK + b"\r\n" + BODY, False),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Connection: close\r\n" + SIZED, False),
    ],
)
def test_which_answers_leave_the_connection_to_the_next(sent: bytes, reusable: bool) -> None:
    assert parsed([sent]).reusable is reusable


def test_the_head_may_have_64_kib() -> None:
    fits = OK + b"X-A: " + b"a" * ((1 << 16) - len(OK) - 29) + b"\r\n"
    assert len(fits) == (1 << 16) - 22
    assert outcome([fits + SIZED]) == (200, BODY)
    assert outcome([fits + b"B:\r\n" + SIZED]) == "the answer was not HTTP"
    with pytest.raises(MalformedAnswerError, match="64 KiB"):
        ResponseParser(LIMIT).feed(b"HTTP/1.1 100 Continue\r\n\r\n" * 3000)


def test_a_head_without_end_is_refused_before_it_ends() -> None:
    parser = ResponseParser(LIMIT)
    with pytest.raises(MalformedAnswerError, match="64 KiB"):
        for _ in range(20):
            parser.feed(b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 4096 if not parser.received else b"a" * 4096)
    assert parser.received < (1 << 16) + 8192


@pytest.mark.parametrize(
    "head", [b"Content-Length: 1001\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n", b"\r\n"]
)
def test_an_answer_has_a_bound(head: bytes) -> None:
    with pytest.raises(AnswerTooLargeError):
        parsed([OK + head] + [b"a" * 100] * 11, limit=1000)
    assert judge_error(AnswerTooLargeError())[0] is Verdict.UNKNOWN


def test_a_body_is_inflated_within_the_bound() -> None:
    def answer(size: int) -> bytes:
        body = gzip.compress(b"a" * size)
        return OK + b"Content-Encoding: x-gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    assert parsed([answer(LIMIT)]).body() == b"a" * LIMIT
    with pytest.raises(AnswerTooLargeError):
        parsed([answer(LIMIT + 1)]).body()
    with pytest.raises(AnswerTooLargeError):
        parsed([answer(64 * LIMIT)]).body()


@pytest.mark.parametrize("coding", [b"br", b"deflate", b"gzip, gzip", b"gzip\r\nContent-Encoding: gzip", b""])
def test_a_content_coding_that_was_not_asked_for_is_refused(coding: bytes) -> None:
    with pytest.raises(aiohttp.ClientPayloadError):
        parsed([OK + b"Content-Encoding: " + coding + b"\r\n" + SIZED]).body()
    assert parsed([OK + b"Content-Encoding: identity\r\n" + SIZED]).body() == BODY


def test_a_parsed_answer_leaves_no_cycle_behind() -> None:
    gc.disable()
    try:
        parser = ResponseParser(LIMIT)
        assert parser.feed(OK + SIZED)
        gone = weakref.ref(parser)
        del parser
        assert gone() is None
    finally:
        gc.enable()


def test_headers_are_those_of_the_final_answer_in_any_case() -> None:
    early, head = b"HTTP/1.1 103 Early Hints\r\nX-A: 0\r\n\r\n", b"X-A: 1\r\nx-a:2 \r\nX-B: a: b\r\nX-C:\r\n"
    headers = LazyHeaders(parsed([early + OK + head + SIZED]).head)
    assert list(headers.items()) == [
        ("X-A", "1"), ("x-a", "2"), ("X-B", "a: b"), ("X-C", ""), ("Content-Length", "11"),
    ]  # fmt: skip
    assert list(headers.values()) == ["1", "2", "a: b", "", "11"]
    assert (headers["x-b"], headers.get("X-Z"), headers.getone("x-a"), headers.getall("X-A")) == (
        "a: b", None, "1", ["1", "2"],
    )  # fmt: skip
    assert (len(headers), "CONTENT-length" in headers, "X-Z" in headers) == (5, True, False)
    assert (headers.getall("X-Z", ()), headers.getone("X-Z", None)) == ((), None)
    assert {name.lower() for name in headers} == {"x-a", "x-b", "x-c", "content-length"}
    with pytest.raises(KeyError):
        headers.getall("X-Z")
