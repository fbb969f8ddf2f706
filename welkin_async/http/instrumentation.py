"""Instrumentation: each attempt in the log and for a metrics hook, each call for a tracer; templates and numbers only.

There are two hooks. ``on_attempt`` is a function that is given each request on the wire, once it has ended.
`Instrumentation` follows a call from its beginning: its attempts, and what it waits for between them. Neither is ever
given a URL, an id, a value or a secret, and what either raises is logged and harms no call.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Protocol, Self

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


@attrs.frozen
class ServerAddress:
    """Where the requests of a session go.

    Attributes:
        scheme: ``https``, or ``http`` for a server on this machine.
        host: The host's name or address.
        port: The port.
    """

    scheme: str
    host: str
    port: int


@attrs.frozen
class CallWait:
    """What a call waits for before an attempt.

    Attributes:
        reason: ``token``: until a token was had; ``throttling``: for its turn, which the server's refusals hold back;
            ``turn``: for its turn, which the session's own rate and concurrency hold back; ``retry``: between an
            attempt that was not the last and the next.
        seconds: How long; of a ``retry`` how long it will be, of the others how long it was.
        verdict: Of a ``retry``: how the attempt before it ended, such as ``throttled``; None for the others.
    """

    reason: Literal["token", "throttling", "turn", "retry"]
    seconds: float
    verdict: str | None = None


class CallTrace(Protocol):
    """Call trace: what an `Instrumentation` keeps of one call, from its beginning to its end.

    Its methods are called in the task and the context of the call, one after the other.
    """

    def attempt_began(self, number: int, /) -> None:
        """Note that a request goes on the wire.

        Args:
            number: Which request of the call it is, from 1.
        """
        ...

    def attempt_ended(self, attempt: Attempt | None, /) -> None:
        """Note how it ended.

        Args:
            attempt: What became of it; None where it was held back at the last moment, and nothing was sent.
        """
        ...

    def waited(self, wait: CallWait, /) -> None:
        """Note that the call waits, or has waited.

        Args:
            wait: For what, and for how long.
        """
        ...

    def ended(self, error: BaseException | None, /) -> None:
        """Note that the call has ended; nothing follows.

        Args:
            error: What it raises: an error of this package, a cancellation, or something unforeseen whose text may
                quote anything; None where it brought its answer.
        """
        ...


class Instrumentation(Protocol):
    """Instrumentation: follows the calls of sessions, for traces and metrics.

    One may serve many sessions. It is called on the event loop, so it must be quick and must not wait; what it raises
    is logged by the name of its type and goes no further. `welkin_async.integrations.opentelemetry` has one.
    """

    def call(self, request: RequestLine, server: ServerAddress, /) -> CallTrace:
        """Begin to follow a call; a token request is one too, with the operation ``auth.create_token``.

        Args:
            request: Method, path template, operation.
            server: Where it goes.
        """
        ...

    def row(self, request: RequestLine, status: str, server: ServerAddress, /) -> None:
        """Note that a row of a bulk operation has its outcome.

        Args:
            request: What is sent for such a row.
            status: The outcome, such as ``created``; see `welkin_async.bulk.Status`.
            server: Where it goes.
        """
        ...


class ObservedCall:
    """Observed call: hands what happens in a call to its trace, and sees that the trace harms nothing.

    Used in ``with`` around the call.

    Args:
        instrumentation: Follows it.
        request: Method, path template, operation.
        server: Where it goes.
    """

    def __init__(self, instrumentation: Instrumentation, request: RequestLine, server: ServerAddress) -> None:
        self._trace: CallTrace | None = None
        self._on_wire = False
        with _HARMLESS:
            self._trace = instrumentation.call(request, server)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.attempt_ended(None)
        if self._trace is not None:
            with _HARMLESS:
                self._trace.ended(error)

    def attempt_began(self, number: int) -> None:
        """Note that a request goes on the wire; see `CallTrace`."""
        self._on_wire = True
        if self._trace is not None:
            with _HARMLESS:
                self._trace.attempt_began(number)

    def attempt_ended(self, attempt: Attempt | None) -> None:
        """Note how it ended, where one is out; see `CallTrace`."""
        if self._on_wire:
            self._on_wire = False
            if self._trace is not None:
                with _HARMLESS:
                    self._trace.attempt_ended(attempt)

    def waited(
        self, reason: Literal["token", "throttling", "turn", "retry"], seconds: float, verdict: str | None = None
    ) -> None:
        """Note what the call waits for; see `CallWait`."""
        if self._trace is not None:
            with _HARMLESS:
                self._trace.waited(CallWait(reason, seconds, verdict))


class _Harmless:
    """Where what an instrumentation raises ends; its text is not read."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if kind is None or not issubclass(kind, Exception):
            return False
        _log.error("the instrumentation failed (%s)", kind.__name__)
        return True


_HARMLESS = _Harmless()


class Observer:
    """Reports attempts to the log and to the hooks.

    Args:
        on_attempt: The metrics hook, or None.
        clock: Returns monotonic seconds.
        instrumentation: Follows calls; None for nothing.
        server: Where requests go.

    Attributes:
        hooks: Called after each request on the wire.
        instrumentation: Follows calls, or None.
    """

    def __init__(
        self,
        on_attempt: Callable[[Attempt], None] | None,
        clock: Callable[[], float],
        instrumentation: Instrumentation | None,
        server: ServerAddress,
    ) -> None:
        self.hooks: tuple[Callable[[Attempt], None], ...] = () if on_attempt is None else (on_attempt,)
        self.instrumentation = instrumentation
        self._clock = clock
        self._server = server

    def call(self, instrumentation: Instrumentation, request: RequestLine) -> ObservedCall:
        """Begin to follow a call.

        Args:
            instrumentation: Follows it: the observer's own.
            request: Method, path template, operation.
        """
        return ObservedCall(instrumentation, request, self._server)

    def row_hook(self, request: RequestLine) -> Callable[[str], None] | None:
        """Return what is told the outcome of each row of a bulk operation; None where nobody listens.

        Args:
            request: What is sent for such a row.
        """
        instrumentation = self.instrumentation
        if instrumentation is None:
            return None

        def count(status: str) -> None:
            with _HARMLESS:
                instrumentation.row(request, status, self._server)

        return count

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
        call: ObservedCall | None = None,
    ) -> None:
        """Report one attempt.

        Args:
            line: Method, path template, operation.
            number: Which request of its call it was, from 1.
            outcome: How it ended.
            started: When it was sent, on the clock.
            body: The request's body, or None.
            stream: What sent the body instead, or received the answer's.
            call: The call it belongs to, where one is followed.
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
        if self.hooks or call is not None:
            received = 0 if reply is None else len(reply.body) + reply.streamed
            attempt = Attempt(line, number, verdict, status, seconds, sent, received)
            for hook in self.hooks:
                try:
                    hook(attempt)
                except Exception as error:
                    _log.error("the on_attempt hook failed (%s)", type(error).__name__)
            if call is not None:
                call.attempt_ended(attempt)
