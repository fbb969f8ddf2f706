"""The end of an attempt: what was read, what an observer is told, and the error where it was the last."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import attrs

from welkin_async.auth import Token
from welkin_async.codec import JSON, Codec
from welkin_async.errors import (
    AuthenticationError,
    ConnectError,
    ConnectionLostError,
    DecodeError,
    ErrorItem,
    OutcomeUnknownError,
    RateLimitedError,
    RequestError,
    RequestLine,
    ServerError,
    error_items,
    rejection,
)
from welkin_async.pool import Reply
from welkin_async.request import Repeat, Request, Shape
from welkin_async.retries import Verdict

__all__ = ["Attempt", "Ending", "Observer", "error_of", "understand"]

_log = logging.getLogger("welkin_async")


@attrs.frozen
class Attempt:
    """One request on the wire, for a metrics hook. Holds nothing that identifies a person.

    Attributes:
        request: Method, path template, operation.
        number: Which request of its call this was, from 1.
        verdict: How it ended, such as ``done`` or ``throttled``.
        status: The HTTP status, or None where there was no answer.
        seconds: From sending to the end of the answer.
        sent: Bytes of the request's body.
        received: Bytes of the answer's body.
    """

    request: RequestLine
    number: int
    verdict: str
    status: int | None
    seconds: float
    sent: int
    received: int


@attrs.define
class Ending:
    """How an attempt ended.

    Attributes:
        verdict: What it means.
        reason: What went wrong, in words free of data.
        reply: The answer as it came off the wire, or None.
        retry_after: Seconds the answer asks to wait, or None.
        token: The token it was made with.
    """

    verdict: Verdict
    reason: str = ""
    reply: Reply | None = attrs.field(default=None, repr=False)
    retry_after: float | None = None
    token: Token | None = None

    @property
    def status(self) -> int | None:
        """The HTTP status, or None where there was no answer."""
        return None if self.reply is None else self.reply.status


class UnreadableError(ValueError):
    """The body of a 2xx is not what the operation answers with; the text says how, free of data."""


def understand(codec: Codec, shape: Shape, body: bytes) -> JSON:
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
    if shape is Shape.NOTHING or shape is Shape.BYTES:
        return None
    try:
        data = codec.loads(body)
    except ValueError:
        if body.strip():
            raise UnreadableError("the answer's body is not JSON") from None
        if shape is Shape.ANY:
            return None
        raise UnreadableError("the answer's body is empty") from None
    if shape is Shape.RECORD:
        fits = type(data) is dict and type(data.get("id")) is str
    elif shape is Shape.OBJECT:
        fits = type(data) is dict
    else:
        fits = shape is Shape.ANY or type(data) is list
    if not fits:
        raise UnreadableError(f"the answer's body is not {shape.value}")
    return data


class Observer:
    """Logs attempts and hands them to the hook; templates and numbers only.

    Args:
        on_attempt: The hook, or None.
        clock: Returns monotonic seconds.
    """

    def __init__(self, on_attempt: Callable[[Attempt], None] | None, clock: Callable[[], float]) -> None:
        self._on_attempt = on_attempt
        self._clock = clock

    def listens(self) -> bool:
        """Tell whether anybody wants to know."""
        return self._on_attempt is not None or _log.isEnabledFor(logging.DEBUG)

    def tell(self, line: RequestLine, number: int, outcome: Ending, started: float, sent: int) -> None:
        """Tell of one attempt.

        Args:
            line: Method, path template, operation.
            number: Which request of its call it was, from 1.
            outcome: How it ended.
            started: When it was sent, on the clock.
            sent: Bytes of the request's body.
        """
        if not self.listens():
            return
        seconds = self._clock() - started
        verdict = outcome.verdict.value
        _log.debug(
            "%s %s: %s %s, attempt %d, %.1f ms",
            line.method,
            line.template,
            outcome.status if outcome.reply is not None else "no answer:",
            verdict,
            number,
            seconds * 1000.0,
        )
        if self._on_attempt is not None:
            received = 0 if outcome.reply is None else len(outcome.reply.body) + outcome.reply.streamed
            attempt = Attempt(line, number, verdict, outcome.status, seconds, sent, received)
            try:
                self._on_attempt(attempt)
            except Exception as error:
                _log.error("the on_attempt hook failed (%s)", type(error).__name__)


def error_of(codec: Codec, request: Request, outcome: Ending) -> RequestError:
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
        "errors": _items(codec, body) if status is not None and not 200 <= status < 300 else (),
        "body": body,
        "attempts": request.attempts,
    }
    if verdict is Verdict.REJECTED:
        assert status is not None
        return rejection(status)(outcome.reason, **common)
    if verdict is Verdict.UNAUTHORIZED:
        return AuthenticationError("the server refused the token (401)", **common)
    if verdict is Verdict.THROTTLED:
        return RateLimitedError(outcome.reason, retry_after=outcome.retry_after, **common)
    if verdict is Verdict.NOT_SENT and not (request.unknown and operation.repeat is not Repeat.SAFE):
        return ConnectError(outcome.reason, **common)
    if operation.repeat is not Repeat.SAFE:
        return OutcomeUnknownError(outcome.reason, **common)
    if status is None:
        return ConnectionLostError(outcome.reason, **common)
    return (DecodeError if 200 <= status < 300 else ServerError)(outcome.reason, **common)


def _items(codec: Codec, body: bytes | None) -> tuple[ErrorItem, ...]:
    try:
        return error_items(codec.loads(body or b""))
    except ValueError:
        return ()
