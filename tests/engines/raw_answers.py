"""Answers as bytes, sound and malformed, and what each engine makes of them."""

from __future__ import annotations

import gzip
import zlib

import attrs

__all__ = ["ANSWERS", "BEHIND", "MALFORMED", "SOUND", "UPGRADES", "RawAnswer"]

BODY = b'{"id":"r1"}'
OK = b"HTTP/1.1 200 OK\r\n"
SIZED = b"Content-Length: 11\r\n\r\n" + BODY
OFFER = b"Connection: upgrade\r\nUpgrade: h2c\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
CHUNKS = b'4\r\n{"id\r\n7\r\n":"r1"}\r\n0\r\n\r\n'


@attrs.frozen
class RawAnswer:
    """An answer on the wire, after which the server closes.

    Attributes:
        name: What is special about it.
        sent: Its bytes.
        status: The status where it is an answer; 0 where it is refused.
        body: The body where it is an answer.
        aiohttp_accepts: Whether aiohttp takes for an answer what the direct engine refuses; None where that depends on
            its version, or on Python's development mode.
    """

    name: str
    sent: bytes = attrs.field(repr=False)
    status: int = 0
    body: bytes = b""
    aiohttp_accepts: bool | None = False


def sound(name: str, sent: bytes, status: int = 200, body: bytes = BODY) -> RawAnswer:
    return RawAnswer(name, sent, status, body)


def refused(name: str, sent: bytes) -> RawAnswer:
    return RawAnswer(name, sent)


def stricter(name: str, sent: bytes) -> RawAnswer:
    return RawAnswer(name, sent, aiohttp_accepts=True)


def varying(name: str, sent: bytes) -> RawAnswer:
    return RawAnswer(name, sent, aiohttp_accepts=None)


_DEFLATED = gzip.compress(BODY)

SOUND = [
    sound("a stated length", OK + SIZED),
    sound("a length with blanks before", OK + b"content-LENGTH:   11\r\n\r\n" + BODY),
    sound("a length with leading zeros", OK + b"Content-Length: 0011\r\n\r\n" + BODY),
    sound("a length of nothing", OK + b"Content-Length: 0\r\n\r\n", body=b""),
    sound("an empty line behind the body", OK + SIZED + b"\r\n"),
    sound("half an empty line behind the body", OK + SIZED + b"\r"),
    sound("half an empty line behind the chunks", OK + CHUNKED + CHUNKS + b"\r"),
    sound("chunks", OK + CHUNKED + CHUNKS),
    sound("chunks in another case", OK + b"transfer-encoding: CHUNKED\r\n\r\n" + CHUNKS),
    sound("no chunk but the last", OK + CHUNKED + b"0\r\n\r\n", body=b""),
    sound("chunks with extensions", OK + CHUNKED + b'b;a=1;b="2"\r\n' + BODY + b"\r\n0;c\r\n\r\n"),
    sound("a chunk size in upper case with zeros", OK + CHUNKED + b"000B\r\n" + BODY + b"\r\n00\r\n\r\n"),
    sound("trailers", OK + CHUNKED + b"b\r\n" + BODY + b"\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n"),
    sound("an empty line behind the chunks", OK + CHUNKED + CHUNKS + b"\r\n"),
    sound("100 before", b"HTTP/1.1 100 Continue\r\n\r\n" + OK + SIZED),
    sound("103 before, twice", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 2 + OK + SIZED),
    sound("102 before chunks", b"HTTP/1.1 102 Processing\r\n\r\n" + OK + CHUNKED + CHUNKS),
    sound("204", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    sound("204 with a length of nothing", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, b""),
    sound("304 with the length it would have", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 11\r\n\r\n", 304, b""),
    sound("a refusal", b"HTTP/1.1 422 Unprocessable\r\n" + SIZED, 422),
    sound("the highest status", b"HTTP/1.1 599 Whatever\r\n" + SIZED, 599),
    sound("no reason", b"HTTP/1.1 200\r\n" + SIZED),
    sound("an empty reason", b"HTTP/1.1 200 \r\n" + SIZED),
    sound("the last on its connection", OK + b"Connection: close\r\n" + SIZED),
    sound("HTTP/1.0", b"HTTP/1.0 200 OK\r\n" + SIZED),
    sound("HTTP/1.0 kept alive", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + SIZED),
    sound("JSON until the end", OK + b"Content-Type: application/json\r\n\r\n" + BODY),
    sound("JSON until the end, in HTTP/1.0", b"HTTP/1.0 200 OK\r\n\r\n" + BODY),
    sound("an offer to upgrade without a body", b"HTTP/1.1 204 No Content\r\n" + OFFER + b"\r\n", 204, b""),
    sound("an offer to upgrade in chunks", OK + OFFER + CHUNKED + CHUNKS),
    sound("an offer to upgrade", OK + OFFER + SIZED),
    sound("bytes beyond ASCII in a header", OK + b"X-Name: \xc3\xa9 \xff\r\n" + SIZED),
    sound("an empty header", OK + b"X-Nothing:\r\n" + SIZED),
    sound("a header twice", OK + b"X-A: 1\r\nx-a: 2\r\n" + SIZED),
    sound("gzip", OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(_DEFLATED) + _DEFLATED),
    sound("gzip in chunks", OK + b"Content-Encoding: GZIP\r\n" + CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (
        len(_DEFLATED), _DEFLATED)),
    sound("gzip of nothing", OK + b"Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", body=b""),
    sound("a body that looks like a head", OK + b"Content-Length: 19\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
          body=b"HTTP/1.1 200 OK\r\n\r\n"),
]  # fmt: skip

MALFORMED = [
    refused("a length beside chunks", OK + b"Content-Length: 11\r\n" + CHUNKED + CHUNKS),
    refused("chunks beside a length", OK + b"Transfer-Encoding: chunked\r\n" + SIZED),
    refused("two lengths", OK + b"Content-Length: 11\r\nContent-Length: 12\r\n\r\n" + BODY + b" "),
    refused("the same length twice", OK + b"Content-Length: 11\r\n" + SIZED),
    refused("a list of lengths", OK + b"Content-Length: 11, 11\r\n\r\n" + BODY),
    *(
        refused(f"the length {length!r}", OK + b"Content-Length: " + length + b"\r\n\r\n" + BODY)
        for length in (b"+11", b"-1", b"0xb", b"1_1", b"11.0", b"eleven", b"", b"1 1", b"9" * 30, b"\xb2")
    ),
    refused("less than stated", OK + b"Content-Length: 12\r\n\r\n" + BODY),
    refused("nothing of what is stated", OK + b"Content-Length: 11\r\n\r\n"),
    refused("a carriage return in a header", OK + b"X-A: a\rb\r\n" + SIZED),
    refused("a carriage return before the line's end", OK + b"X-A: a\r\r\n" + SIZED),
    varying("NUL in a header", OK + b"X-A: a\0b\r\n" + SIZED),
    refused("an unknown coding beside a length", OK + b"Transfer-Encoding: identity\r\n" + SIZED),
    refused("no HTTP", b"<html>" + BODY),
    refused("TLS", b"\x16\x03\x01\x00\x05hello"),
    refused("a version beyond", b"HTTP/1.9 200 OK\r\n" + SIZED),
    stricter("another protocol", b"RTSP/1.0 200 OK\r\n" + SIZED),
    *(refused(f"the status {code!r}", b"HTTP/1.1 " + code + b" X\r\n" + SIZED) for code in (b"20", b"2000", b"abc")),
    refused("a chunk size that ends in LF", OK + CHUNKED + b"b\n" + BODY + b"\r\n0\r\n\r\n"),
    refused("no line's end behind a chunk", OK + CHUNKED + b"b\r\n" + BODY + b"0\r\n\r\n"),
    refused("a chunk longer than stated", OK + CHUNKED + b"a\r\n" + BODY + b"\r\n0\r\n\r\n"),
    refused("a chunk size beyond 64 bits", OK + CHUNKED + b"1" * 17 + b"b\r\n" + BODY + b"\r\n0\r\n\r\n"),
    *(
        refused(f"the chunk size {size!r}", OK + CHUNKED + size + b"\r\n" + BODY + b"\r\n0\r\n\r\n")
        for size in (b"0xb", b"+b", b"-b", b"", b"g")
    ),
    refused("no last chunk", OK + CHUNKED + b"b\r\n" + BODY + b"\r\n"),
    refused("the last chunk without its end", OK + CHUNKED + b"b\r\n" + BODY + b"\r\n0\r\n"),
    refused("a length in the trailers", OK + CHUNKED + b"b\r\n" + BODY + b"\r\n0\r\nContent-Length: 11\r\n\r\n"),
    refused("a blank in a header's name", OK + b"X A: 1\r\n" + SIZED),
    refused("a header without a name", OK + b": 1\r\n" + SIZED),
    refused("a header without a colon", OK + b"X-A\r\n" + SIZED),
    refused("a header too large", OK + b"X-A: " + b"a" * (1 << 17) + b"\r\n" + SIZED),
    varying("too many headers", OK + b"X-A: a\r\n" * 10_000 + SIZED),
    refused("a head that ends", OK + b"Content-Le"),
    refused("nothing at all", b""),
    refused("an interim answer alone", b"HTTP/1.1 100 Continue\r\n\r\n"),
    refused("an interim answer that is the last", b"HTTP/1.1 100 X\r\nConnection: close\r\n\r\n" + OK + SIZED),
    stricter("an interim answer with a body", b"HTTP/1.1 110 X\r\n" + SIZED + OK + SIZED),
    stricter("an interim answer of chunks", b"HTTP/1.1 110 X\r\n" + CHUNKED + CHUNKS + OK + SIZED),
    stricter("an interim answer of no chunk", b"HTTP/1.1 110 X\r\n" + CHUNKED + b"0\r\n\r\n" + OK + SIZED),
    stricter("a status below 100", b"HTTP/1.1 099 X\r\n\r\n" + OK + SIZED),
    refused("gzip that is none", OK + b"Content-Encoding: gzip\r\n" + SIZED),
    stricter("gzip cut short", OK + b"Content-Encoding: gzip\r\nContent-Length: 20\r\n\r\n" + _DEFLATED[:20]),
    varying("lines that end in LF", b"HTTP/1.1 200 OK\nContent-Length: 11\n\n" + BODY),
    varying("one line that ends in LF", OK + b"X-A: a\nContent-Length: 11\r\n\r\n" + BODY),
    varying("a folded header", OK + b"X-A: a\r\n b\r\n" + SIZED),
    varying("a folded transfer coding", OK + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + CHUNKS),
    varying("a blank before the colon", OK + b"Content-Length : 11\r\n\r\n" + BODY),
    stricter("another coding before chunked", OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKS),
    stricter("another coding behind chunked", OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + CHUNKS),
    stricter("an unknown coding alone", OK + b"Transfer-Encoding: xchunked\r\n\r\n" + BODY),
    varying("chunked twice", OK + b"Transfer-Encoding: chunked\r\n" + CHUNKED + CHUNKS),
    stricter("chunks in HTTP/1.0", b"HTTP/1.0 200 OK\r\n" + CHUNKED + CHUNKS),
    stricter("HTTP/2.0", b"HTTP/2.0 200 OK\r\n" + SIZED),
    stricter("an empty line before", b"\r\n" + OK + SIZED),
    stricter("a status beyond", b"HTTP/1.1 999 OK\r\n" + SIZED),
    varying("a chunk extension that ends in LF", OK + CHUNKED + b"b;a\n" + BODY + b"\r\n0\r\n\r\n"),
    varying("a chunk size with a blank", OK + CHUNKED + b"b \r\n" + BODY + b"\r\n0\r\n\r\n"),
    stricter("text until the end", OK + b"\r\n<html></html>"),
    stricter("JSON that is cut, until the end", OK + b"\r\n" + BODY[:-1]),
    stricter("a number until the end, which may be cut", OK + b"\r\n12"),
    stricter("nothing until the end", OK + b"\r\n"),
    stricter("deflate, which was not asked for", OK + b"Content-Encoding: deflate\r\nContent-Length: 19\r\n\r\n"
             + zlib.compress(BODY)),
    stricter("gzip in two members", OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
             % (2 * len(_DEFLATED)) + 2 * _DEFLATED),
]  # fmt: skip

# aiohttp hands these over as answers, and leaves their connections to whoever asked.
UPGRADES = [
    stricter("an upgrade", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
    stricter("an upgrade without a header", b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
]

# What stands behind the answer may come in the same read or in a later one: then the answer was handed over already.
BEHIND = [
    refused("rubbish behind the body", OK + SIZED + b"rubbish"),
    refused("rubbish behind the chunks", OK + CHUNKED + CHUNKS + b"rubbish"),
    refused("a body of 204", b"HTTP/1.1 204 No Content\r\n" + SIZED),
    refused("chunks of 204", b"HTTP/1.1 204 No Content\r\n" + CHUNKED + CHUNKS),
    refused("a body of 304", b"HTTP/1.1 304 Not Modified\r\n" + SIZED),
    refused("rubbish behind the last answer", OK + b"Connection: close\r\n" + SIZED + b"rubbish"),
    refused("rubbish behind an offer to upgrade", OK + OFFER + SIZED + b"rubbish"),
    stricter(
        "a second answer behind an offer to upgrade",
        OK + OFFER + SIZED + OK + SIZED,
    ),
    stricter("a second answer", OK + SIZED + OK + SIZED),
    stricter("a second answer behind chunks", OK + CHUNKED + CHUNKS + OK + SIZED),
    stricter("an interim answer behind", OK + SIZED + b"HTTP/1.1 100 Continue\r\n\r\n"),
    stricter("half a second answer", OK + SIZED + b"HTTP/1.1 20"),
    stricter(
        "a second answer without a body behind chunks", OK + CHUNKED + CHUNKS + b"HTTP/1.1 204 No Content\r\n\r\n"
    ),
    stricter("a second answer's head behind chunks", OK + CHUNKED + CHUNKS + OK + b"Content-Length: 11\r\n\r\n"),
    stricter("an interim answer behind chunks", OK + CHUNKED + CHUNKS + b"HTTP/1.1 100 Continue\r\n\r\n"),
    stricter("half a second answer behind chunks", OK + CHUNKED + CHUNKS + b"HTTP/1.1 20"),
    stricter("two empty lines behind the body", OK + SIZED + b"\r\n\r\n"),
    stricter("two empty lines behind the chunks", OK + CHUNKED + CHUNKS + b"\r\n\r\n"),
    stricter("LF behind the body", OK + SIZED + b"\n"),
    stricter("LF behind the chunks", OK + CHUNKED + CHUNKS + b"\n"),
]

ANSWERS = SOUND + MALFORMED + BEHIND
