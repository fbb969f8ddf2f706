"""Instrumentation: each attempt in the log and for a metrics hook; path templates and numbers only."""

from __future__ import annotations

import logging
from collections.abc import Callable

import attrs

from welkin_async.errors import RequestLine
from welkin_async.http.attempt import AttemptResult
from welkin_async.wire.request import Streamed

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


class Observer:
    """Reports attempts to the log and to the metrics hook.

    Args:
        on_attempt: The hook, or None.
        clock: Returns monotonic seconds.

    Attributes:
        hooks: Called after each request on the wire.
    """

    def __init__(self, on_attempt: Callable[[Attempt], None] | None, clock: Callable[[], float]) -> None:
        self.hooks: tuple[Callable[[Attempt], None], ...] = () if on_attempt is None else (on_attempt,)
        self._clock = clock

    def add(self, hook: Callable[[Attempt], None]) -> Callable[[], None]:
        """Add a hook, which is called after each request on the wire.

        Args:
            hook: Given an `Attempt`.

        Returns:
            What removes it.
        """
        self.hooks = (*self.hooks, hook)

        def remove() -> None:
            self.hooks = tuple(each for each in self.hooks if each is not hook)

        return remove

    def report(
        self,
        line: RequestLine,
        number: int,
        outcome: AttemptResult,
        started: float,
        body: bytes | None,
        stream: Streamed | None = None,
    ) -> None:
        """Report one attempt.

        Args:
            line: Method, path template, operation.
            number: Which request of its call it was, from 1.
            outcome: How it ended.
            started: When it was sent, on the clock.
            body: The request's body, or None.
            stream: What sent the body instead, or received the answer's.
        """
        sent = len(body or b"") if stream is None else stream.sent
        seconds = self._clock() - started
        verdict, reply = outcome.verdict.value, outcome.reply
        status = None if reply is None else reply.status
        _log.debug(
            "%s %s: %s %s, attempt %d, %.1f ms",
            line.method,
            line.template,
            "no answer:" if reply is None else status,
            verdict,
            number,
            seconds * 1000.0,
        )
        if self.hooks:
            received = 0 if reply is None else len(reply.body) + reply.streamed
            attempt = Attempt(line, number, verdict, status, seconds, sent, received)
            for hook in self.hooks:
                try:
                    hook(attempt)
                except Exception as error:
                    _log.error("the on_attempt hook failed (%s)", type(error).__name__)
