"""HTTP/1.1 response parser, strict: bytes in; status, head and body out, or a refusal. No I/O.

Where two readers of the same bytes could disagree on where an answer ends, the rest would be taken for the answer to
another request. So whatever is ambiguous is refused, and the connection with it.
"""

from __future__ import annotations

import json
import zlib

import aiohttp
import httptools

from welkin_async.http.engines.engine import answer_limit
from welkin_async.http.engines.lazy_headers import LazyHeaders
from welkin_async.http.retry import AnswerTooLargeError, MalformedAnswerError

_MAX_HEAD = 1 << 16  # bytes of status line and headers, interim answers included
_END = b"\r\n\r\n"
_GZIP = 16 + zlib.MAX_WBITS
_PIECE = 1 << 20  # bytes inflated at a time: a buffer of the whole bound would be twice there while it grows


class ResponseParser:
    """Parses the one answer to one request.

    httptools reads it, and refuses much; what it lets pass and the direct engine does not is refused here. Interim
    answers (1xx) are passed over.

    Args:
        max_answer: Bytes an answer may have at most, as it was sent and once it was inflated.

    Attributes:
        status: The HTTP status; 0 until the head was read.
        head: Status line and headers.
        complete: Whether the whole answer was read.
        reusable: Whether the connection may carry another exchange afterwards.
        received: Bytes taken in.
    """

    def __init__(self, max_answer: int) -> None:
        self.status = self.received = 0
        self.head = self._read = b""  # the latter is what came until the former was there
        self.complete = self.reusable = self._chunked = self._encoded = False
        self._limit = max_answer
        self._interim = self._line_ends = 0  # heads passed over; CR and LF that came last, in a row
        self._parts: list[bytes] = []
        self.on_body = self._parts.append  # called by httptools with each piece of the body
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> bool:
        """Take in what one read brought; not called any more once the answer is complete.

        Returns:
            Whether it is.

        Raises:
            MalformedAnswerError: it is no sound answer, or goes on behind it.
            AnswerTooLargeError: the answer is larger than allowed.
        """
        self.received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:  # was offered; what stands behind it was not parsed
            if not self.complete or data[upgrade.args[0] :].strip(b"\r\n"):
                raise MalformedAnswerError("an upgrade") from None
        except httptools.HttpParserError as error:
            raise MalformedAnswerError(type(error).__name__) from None
        if not self.head:
            self._read_head(data)
        if self.received > self._limit:
            raise AnswerTooLargeError
        if self._chunked:  # its end may come in pieces
            line_ends = len(data) - len(data.rstrip(b"\r\n"))
            self._line_ends = line_ends if line_ends < len(data) else self._line_ends + line_ends
        if self.complete:
            del self._parser  # it refers back to here
            self._parts = [b"".join(self._parts)]
            if self._chunked:  # less than none: part of another answer's head
                behind = self._line_ends - len(_END)
            else:
                behind = self.received - self._head_end - len(self._parts[0])
            # httptools takes any number of line ends.
            if behind < 0 or (behind and data[-behind:] not in (b"\r", b"\r\n")):
                raise MalformedAnswerError("bytes behind the answer")
        return self.complete

    def feed_eof(self) -> aiohttp.ClientError | None:
        """Take in that the connection has ended, which is the end of an answer that states no other.

        A TLS stream that was cut off looks like that as well, so only a body that shows its own end is believed.

        Returns:
            None where the answer is complete; aiohttp.ServerDisconnectedError where there was none yet, and
            aiohttp.ClientPayloadError where it broke off.
        """
        if not self.status:
            return aiohttp.ServerDisconnectedError()
        if not self.complete and (self._chunked or self._values("Content-Length") or not self._is_whole()):
            return aiohttp.ClientPayloadError("the connection ended within the answer")
        self.complete = True
        return None

    def body(self) -> bytes:
        """Return the body, inflated where it is compressed.

        Raises:
            AnswerTooLargeError: it is larger than allowed.
            aiohttp.ClientPayloadError: it cannot be inflated.
        """
        data = b"".join(self._parts)  # one part as it is
        if not self._encoded or not data:
            return data
        codings = self._values("Content-Encoding")
        if codings == ["identity"]:
            return data
        if codings not in (["gzip"], ["x-gzip"]):
            raise aiohttp.ClientPayloadError("a content coding that was not asked for")
        return _inflate(data, self._limit)

    def on_headers_complete(self) -> None:
        """Keep what can be told at this moment alone, and refuse another answer behind the answer; for httptools."""
        if self.complete:
            raise MalformedAnswerError("bytes behind the answer")
        self.status = self._parser.get_status_code()
        self.reusable = self._parser.should_keep_alive()

    def on_message_complete(self) -> None:
        """Notice the end of an answer, or pass over an interim one; called by httptools."""
        if self.status >= 200:
            self.complete = True
        elif self.status < 100 or self.status == 101 or self._parts:
            raise MalformedAnswerError("no interim answer")
        else:
            self.status = 0
            self._interim += 1

    def _values(self, name: str) -> list[str]:
        return [value.lower() for value in LazyHeaders(self.head).getall(name, ())]

    def _read_head(self, data: bytes) -> None:
        """Find the head of the final answer, and refuse what httptools lets pass."""
        read = self._read + data if self._read else data
        status, start, end = self.status, 0, 0
        for _ in range(self._interim + (status > 0)):
            start, end = end, read.find(_END, end) + 4
            if read[start : start + 7] != b"HTTP/1.":  # httptools would take HTTP/2.0, RTSP, or an empty line before
                raise MalformedAnswerError("not HTTP/1.1")
        if (end if status else len(read)) > _MAX_HEAD:
            raise MalformedAnswerError("more than 64 KiB of headers")
        if not status:
            self._read = read
            return
        if not 200 <= status <= 299:
            if not 300 <= status <= 599:
                raise MalformedAnswerError("a status that answers no request")
            self._limit = answer_limit(status, self._limit)
        self.head, self._head_end = read[start:end], end
        if (head := self.head.lower()).find(b"-encoding") >= 0:  # `in` would first try whether that is a number
            self._encoded = bool(self._values("Content-Encoding"))
            codings = self._values("Transfer-Encoding")
            self._chunked = bool(codings)
            if codings and (codings != ["chunked"] or not head.startswith(b"http/1.1")):
                raise MalformedAnswerError("a transfer coding other than chunked once")

    def _is_whole(self) -> bool:
        """Tell whether the body is JSON that shows its end: a number cut short is a number still."""
        try:
            return isinstance(json.loads(self.body()), dict | list)
        except (aiohttp.ClientError, ValueError, RecursionError):
            return False


def _inflate(data: bytes, limit: int) -> bytes:
    inflater = zlib.decompressobj(_GZIP)
    parts, size = [], 0
    try:
        while part := inflater.decompress(data, _PIECE):
            size += len(part)
            if size > limit:
                raise AnswerTooLargeError
            parts.append(part)
            data = inflater.unconsumed_tail
    except zlib.error:
        raise aiohttp.ClientPayloadError("a body that is not gzip") from None
    if not inflater.eof or inflater.unused_data:
        raise aiohttp.ClientPayloadError("a body that is not one whole gzip member")
    return b"".join(parts)
