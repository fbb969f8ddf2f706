"""Retry policy: what the end of an attempt means, whether it may be repeated, and the back-off before that.

An attempt ends in one of a few ways, and what follows depends on which, never on the verb alone:

- `Verdict.NOT_SENT`: no connection was had, so the server cannot have acted. Any operation may be repeated.
- `Verdict.THROTTLED`: 429, or for an operation that is safe to repeat 503 with Retry-After. The server says it did not
  act. Repeated after a wait, at no cost in attempts. A create that met a 503 may have been carried out.
- `Verdict.UNAUTHORIZED`: 401. Not acted on either; what follows is the token's affair.
- `Verdict.REJECTED`: 3xx and the other 4xx. Final.
- `Verdict.UNKNOWN`: everything else once a connection was had. Only an operation that is safe to repeat is repeated.
- `Verdict.DONE`: 2xx with a body that can be read and is the request's own (`identity`).

aiohttp raises the same `ClientOSError` for a reset before and after the body was written, and its connector errors are
subclasses of it: those are tested first, and everything after them counts as unknown.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from enum import Enum

import aiohttp

_BACKOFF_BASE, _BACKOFF_CAP = 0.25, 20.0  # seconds
_MAY_HAVE_ACTED = frozenset({408, 425})  # 4xx by number, but they say nothing about whether the work was done


class Verdict(Enum):
    """How an attempt ended."""

    DONE = "done"
    REJECTED = "rejected"
    UNAUTHORIZED = "unauthorized"
    NOT_SENT = "not sent"
    THROTTLED = "throttled"
    UNKNOWN = "unknown"


class AnswerTooLargeError(aiohttp.ClientPayloadError):
    """An answer is larger than allowed, as it was sent or once it was inflated."""


class MalformedAnswerError(aiohttp.ClientPayloadError):
    """The bytes of an answer are no sound HTTP/1.1; the text says why, free of data."""


def judge_status(status: int, *, retry_after: float | None, safe: bool = True) -> Verdict:
    """Return what an answer's status means, before its body is looked at.

    Args:
        status: The HTTP status.
        retry_after: Seconds the answer asks to wait, or None where it does not say.
        safe: Whether the operation may be repeated after an attempt whose outcome is unknown.
    """
    if 200 <= status < 300:
        return Verdict.DONE
    if status == 401:
        return Verdict.UNAUTHORIZED
    if status == 429 or (status == 503 and retry_after is not None and safe):
        return Verdict.THROTTLED
    if 300 <= status < 500 and status not in _MAY_HAVE_ACTED:
        return Verdict.REJECTED
    return Verdict.UNKNOWN


def judge_error(error: Exception) -> tuple[Verdict, str]:
    """Return what an exception of aiohttp means, and a reason without the host, URL or text it carries.

    Args:
        error: What an exchange raised; cancellation is not judged here.
    """
    if isinstance(error, aiohttp.ClientSSLError | aiohttp.ServerFingerprintMismatch):
        return Verdict.NOT_SENT, "no TLS connection could be made"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Verdict.NOT_SENT, "the host name could not be resolved"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return Verdict.NOT_SENT, f"the proxy answered {error.status}"
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return Verdict.NOT_SENT, "the proxy could not be reached"
    if isinstance(error, aiohttp.ClientConnectorError):
        return Verdict.NOT_SENT, "the connection was refused or could not be made"
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Verdict.NOT_SENT, "no connection was made in time"
    if isinstance(error, asyncio.TimeoutError):
        return Verdict.UNKNOWN, "the server did not answer in time"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return Verdict.UNKNOWN, "the server closed the connection without an answer"
    if isinstance(error, AnswerTooLargeError):
        return Verdict.UNKNOWN, "the answer is larger than allowed (max_answer; of a download max_size)"
    if isinstance(error, aiohttp.ClientResponseError | MalformedAnswerError):
        return Verdict.UNKNOWN, "the answer was not HTTP"
    if isinstance(error, aiohttp.ClientPayloadError):
        return Verdict.UNKNOWN, "the answer broke off"
    return Verdict.UNKNOWN, "the connection broke"


def backoff(failures: int, *, jitter: Callable[[], float] = random.random) -> float:
    """Return how long to wait after so many failures in a row: full jitter under a doubling bound.

    Args:
        failures: How many attempts have failed; at least 1.
        jitter: Returns a number in [0, 1).

    Returns:
        Seconds, between 0 and min(20, 0.25 * 2 ** (failures - 1)).
    """
    bound: float = min(_BACKOFF_CAP, _BACKOFF_BASE * 2.0 ** min(failures - 1, 16))
    return bound * jitter()


def fresh_token_pause(*, jitter: Callable[[], float] = random.random) -> float:
    """Return how long to wait before a fresh token that was refused is tried once more.

    Args:
        jitter: Returns a number in [0, 1).

    Returns:
        Seconds, between 1 and 2.
    """
    return 1.0 + jitter()
