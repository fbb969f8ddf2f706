"""Attempt result: how one request on the wire ended, and the error where it was the last."""

from __future__ import annotations

from typing import Any

import attrs
from multidict import MultiMapping

from welkin_async.errors import (
    AuthenticationError,
    ConnectError,
    ConnectionLostError,
    DecodeError,
    ErrorItem,
    OutcomeUnknownError,
    RateLimitedError,
    RequestError,
    ServerError,
    error_items,
    rejection,
    request_id_of,
)
from welkin_async.http.auth.token_store import Token
from welkin_async.http.retry import Verdict
from welkin_async.wire.codec import JSON, Codec
from welkin_async.wire.exchange import Exchange
from welkin_async.wire.request import Repeat, Request, Shape

# A member is found far more slowly on its class, and these are asked for with each answer.
_RECORD, _OBJECT, _ANY, _NOTHING, _BYTES = Shape.RECORD, Shape.OBJECT, Shape.ANY, Shape.NOTHING, Shape.BYTES


@attrs.define(eq=False)
class Reply:
    """An answer as it came off the wire.

    Attributes:
        status: The HTTP status.
        headers: Its headers, case-insensitive.
        body: Its body, where no stream took it.
        streamed: Bytes a stream took.
        exchange: Which answer on which connection it is; None where the engine does not say.
    """

    status: int
    headers: MultiMapping[str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    streamed: int = 0
    exchange: Exchange | None = None


@attrs.define
class AttemptResult:
    """How an attempt ended.

    Attributes:
        verdict: What it means.
        reason: What went wrong, in words free of data.
        reply: The answer as it came off the wire, or None.
        retry_after: Seconds the answer asks to wait, or None.
        token: The token it was made with.
        at_once: Whether it is repeated at once and without counting as a failure, where it may be repeated at all.
    """

    verdict: Verdict
    reason: str = ""
    reply: Reply | None = attrs.field(default=None, repr=False)
    retry_after: float | None = None
    token: Token | None = None
    at_once: bool = False

    @property
    def status(self) -> int | None:
        """The HTTP status, or None where there was no answer."""
        return None if self.reply is None else self.reply.status


class UnreadableError(ValueError):
    """The body of a 2xx is not what the operation answers with; the text says how, free of data."""


def parse_body(codec: Codec, shape: Shape, body: bytes) -> JSON:
    """Parse the body of a 2xx.

    Args:
        codec: Reads JSON.
        shape: What a readable answer is.
        body: The body.

    Returns:
        What it holds; None where the operation answers with nothing that is kept.

    Raises:
        UnreadableError: it is not readable.
    """
    if shape is _NOTHING or shape is _BYTES:
        return None
    try:
        data = codec.loads(body)
    except ValueError:
        if body.strip():
            raise UnreadableError("the answer's body is not JSON") from None
        if shape is _ANY:
            return None
        raise UnreadableError("the answer's body is empty") from None
    if shape is _RECORD:
        fits = type(data) is dict and type(data.get("id")) is str
    elif shape is _OBJECT:
        fits = type(data) is dict
    else:
        fits = shape is _ANY or type(data) is list
    if not fits:
        raise UnreadableError(f"the answer's body is not {shape.value}")
    return data


def error_body(codec: Codec, body: bytes | None) -> tuple[ErrorItem, ...]:
    """Parse the body of a refusal as far as it can be parsed.

    Args:
        codec: Reads JSON.
        body: The body.
    """
    try:
        return error_items(codec.loads(body or b""))
    except ValueError:
        return ()


def to_error(codec: Codec, request: Request, outcome: AttemptResult) -> RequestError:
    """Build the error for an attempt that was the last.

    Args:
        codec: Reads the error body.
        request: What was sent.
        outcome: How the last attempt ended.
    """
    operation, verdict, status = request.operation, outcome.verdict, outcome.status
    body = None if outcome.reply is None else outcome.reply.body
    common: dict[str, Any] = {
        "request": operation.line,
        "status": status,
        "errors": error_body(codec, body) if status is not None and not 200 <= status < 300 else (),
        "body": body,
        "attempts": request.attempts,
        "request_id": None if outcome.reply is None else request_id_of(outcome.reply.headers),
    }
    if verdict is Verdict.REJECTED:
        assert status is not None
        rejected = rejection(status)(outcome.reason, **common)
        rejected.after_unknown = request.unknown
        return rejected
    if verdict is Verdict.UNAUTHORIZED:
        return AuthenticationError("the server refused the token (401)", **common)
    if verdict is Verdict.THROTTLED:
        return RateLimitedError(outcome.reason, retry_after=outcome.retry_after, **common)
    if verdict is Verdict.NOT_SENT and not (request.unknown and operation.repeat is not Repeat.SAFE):
        return ConnectError(outcome.reason, **common)
    if operation.repeat is not Repeat.SAFE:
        return OutcomeUnknownError(outcome.reason, retry_after=outcome.retry_after, **common)
    if status is None:
        return ConnectionLostError(outcome.reason, **common)
    return (DecodeError if 200 <= status < 300 else ServerError)(outcome.reason, **common)
