"""Messages: `Call` and `Answer`, what an operation is given and returns, and the JSON between them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn
from urllib.parse import unquote_plus

import attrs

from welkin_async.sandbox.http.errors import ApiError, validation_error
from welkin_async.sandbox.http.multipart import Part
from welkin_async.sandbox.http.spooled_file import SpooledFile

Record = dict[str, Any]

JSON_HEADERS: Mapping[str, str] = {"Content-Type": "application/json"}
"""Headers of an answer in JSON."""

encode_text = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
"""Compact JSON as text."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number beyond those that JSON can give back")
    return number


_decode = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite).decode


class Answer(NamedTuple):
    """An answer before it is put on the wire.

    Attributes:
        status: HTTP status.
        body: Whole body; empty for none.
        headers: Headers besides Content-Length, and Date but where a clock is wrong.
        file: What to stream in place of `body`.
        stray: An answer that follows on the same connection unasked.
    """

    status: int
    body: bytes
    headers: Mapping[str, str]
    file: SpooledFile | None = None
    stray: Stray | None = None


class Stray(NamedTuple):
    """A second answer to one request.

    Attributes:
        answer: What is sent.
        delay: Seconds after the first answer.
    """

    answer: Answer
    delay: float


def encode(value: object) -> bytes:
    """Compact JSON in UTF-8; a lone surrogate becomes a question mark, as Java writes it."""
    return encode_text(value).encode("utf-8", "replace")


def ok(value: object, status: int = 200) -> Answer:
    """An answer with a JSON body.

    Args:
        value: What to encode.
        status: 200, or 201 for what was created.
    """
    return Answer(status, encode(value), JSON_HEADERS)


def ok_text(text: str, status: int = 200) -> Answer:
    """An answer with JSON that is text already; see `ok`."""
    return Answer(status, text.encode("utf-8", "replace"), JSON_HEADERS)


def no_content(status: int = 200) -> Answer:
    """An answer without a body, as most DELETEs are recorded.

    Args:
        status: 200, or 204 as recorded for calendar events.
    """
    return Answer(status, b"", {})


def error_answer(error: ApiError, stamp: str) -> Answer:
    """An error as an answer.

    Args:
        error: What was refused.
        stamp: The server's time.
    """
    return Answer(error.status, encode(error.body(stamp)), {**JSON_HEADERS, **error.headers})


@lru_cache(maxsize=1024)  # most requests repeat the parameters of others
def _parameter(pair: str) -> tuple[str, str]:
    """Name and value of a pair of a query, decoded; a name alone has a blank value."""
    name, _, value = pair.partition("=")
    return unquote_plus(name), unquote_plus(value)


@attrs.define
class Call:
    """One request as a route sees it.

    Attributes:
        path: Raw path, still percent-encoded.
        raw_query: Raw query string.
        body: Whole body.
        content_type: Value of the Content-Type header.
        parts: Parts of a multipart body, of routes that take one; its `body` is empty.
    """

    path: str
    raw_query: str
    body: bytes = b""
    content_type: str = ""
    parts: list[Part] | None = None
    _query: dict[str, str] | None = None

    @property
    def query(self) -> dict[str, str]:
        """Decoded query parameters, blank values kept; of a repeated name the last wins (no recording repeats one)."""
        if self._query is None:
            self._query = dict(map(_parameter, filter(None, self.raw_query.split("&"))))
        return self._query

    def flag(self, name: str) -> bool | None:
        """A boolean parameter; its case does not matter (recorded: `True` was accepted).

        Args:
            name: Name of the parameter.

        Raises:
            ApiError: 400, it is neither true nor false.
        """
        text = self.query.get(name)
        if text is None:
            return None
        lowered = text.lower()
        if lowered not in ("true", "false"):
            raise validation_error(f"{name} must be true or false", parameter=name)
        return lowered == "true"

    def json(self) -> Any:
        """The decoded body.

        Raises:
            ApiError: 400, the body is not JSON.
        """
        try:
            return _decode(self.body.decode())
        except (ValueError, RecursionError) as error:
            raise validation_error("The body is not readable JSON") from error

    def object(self) -> Record:
        """The decoded body, which must be an object.

        Raises:
            ApiError: 400, the body is not a JSON object.
        """
        value = self.json()
        if not isinstance(value, dict):
            raise validation_error("The body must be a JSON object")
        return value
