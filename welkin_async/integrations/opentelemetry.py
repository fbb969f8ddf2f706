"""OpenTelemetry: spans and metrics of calls, attempts and rows (extra ``otel``), without anything that names a patient.

Each call is a span named by its operation, such as ``patients.get``; each request on the wire is a span of kind
``CLIENT`` below it, with the attributes of the semantic conventions for HTTP clients. What a call waits for (a token,
its turn, a back-off) is an event of the call's span. ``url.full`` and ``url.path`` are left out on purpose: a path of
this API holds ids of patients, and a query may hold names. In their place is ``url.template``. No header, body or text
of a foreign exception is recorded, and nothing is added to a request: no trace context is sent to the server.

Only opentelemetry-api is needed here; whoever wants to see anything sets up an SDK, as for any other library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from welkin_async._version import __version__
from welkin_async.errors import RequestError
from welkin_async.http.auth.tokens import CREATE_TOKEN

try:
    from opentelemetry import context as _context
    from opentelemetry import metrics, trace
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode
except ImportError as error:
    raise ImportError(
        "welkin_async.integrations.opentelemetry needs opentelemetry-api: the extra `otel` brings it"
    ) from error

if TYPE_CHECKING:
    from welkin_async.errors import RequestLine
    from welkin_async.http.instrumentation import Attempt, CallTrace, CallWait, ServerAddress

_NAME = "welkin_async"
_SCHEMA = "https://opentelemetry.io/schemas/1.27.0"  # the first with url.template
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)  # the conventions' own
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
_TOKEN = CREATE_TOKEN.name
_THROTTLED, _OVERLOADED = "throttled", 503
_EVENTS = {
    "token": "welkin.token_wait",
    "throttling": "welkin.throttled",
    "turn": "welkin.turn_wait",
    "retry": "welkin.retry",
}
# In the context of an attempt other instrumentations of HTTP clients are off: they would record the URL. Older ones
# know the first key alone; it has no other name.
_OTHERS_OFF = ("suppress_instrumentation", getattr(_context, "_SUPPRESS_HTTP_INSTRUMENTATION_KEY", None))


class OpenTelemetry:
    """OpenTelemetry instrumentation: ``Welkin(instrumentation=OpenTelemetry())``. One may serve many sessions.

    Metrics: ``http.client.request.duration`` (seconds, of each attempt), ``http.client.active_requests``,
    ``welkin.client.refused`` (429 and 503), ``welkin.client.token.requests`` and ``welkin.bulk.rows`` by status.

    While an attempt is out, instrumentations of HTTP clients that heed OpenTelemetry's own switch, as that of aiohttp
    does, are off for it: they would record URLs, and so the ids of patients.

    Args:
        tracer_provider: Makes spans; None for the global one, which records nothing until an SDK is set up.
        meter_provider: Keeps metrics; None for the global one.
    """

    def __init__(
        self,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._tracer = trace.get_tracer(_NAME, __version__, tracer_provider, _SCHEMA)
        meter = metrics.get_meter(_NAME, __version__, meter_provider, _SCHEMA)
        self._duration = meter.create_histogram(
            "http.client.request.duration",
            unit="s",
            description="Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )
        self._active = meter.create_up_down_counter(
            "http.client.active_requests", unit="{request}", description="Number of active HTTP requests."
        )
        self._refused = meter.create_counter(
            "welkin.client.refused",
            unit="{request}",
            description="Requests refused: 429 or 503.",
        )
        self._tokens = meter.create_counter(
            "welkin.client.token.requests", unit="{request}", description="Requests for an access token."
        )
        self._rows = meter.create_counter(
            "welkin.bulk.rows", unit="{row}", description="Rows of bulk operations that have their outcome."
        )

    def __repr__(self) -> str:
        return "<OpenTelemetry instrumentation>"

    def call(self, request: RequestLine, server: ServerAddress, /) -> CallTrace:
        """Begin the span of a call; see `welkin_async.Instrumentation`."""
        return _TracedCall(self, request, server)

    def row(self, request: RequestLine, status: str, server: ServerAddress, /) -> None:
        """Count a row; see `welkin_async.Instrumentation`."""
        self._rows.add(
            1,
            {
                "welkin.operation": request.operation,
                "welkin.row.status": status,
                "server.address": server.host,
                "server.port": server.port,
            },
        )

    def begin_call(self, request: RequestLine) -> Span:
        """Begin the span of a call, below the one that is current.

        Args:
            request: Method, path template, operation.
        """
        return self._tracer.start_span(request.operation, attributes={"welkin.operation": request.operation})

    def begin_attempt(self, name: str, attributes: dict[str, Any], number: int) -> Span:
        """Begin the span of an attempt, and count it among the requests that are out.

        Args:
            name: The span's name.
            attributes: What is known of it beforehand, of low cardinality.
            number: Which request of its call it is, from 1.
        """
        resent = {"http.request.resend_count": number - 1} if number > 1 else {}
        self._active.add(1, attributes)
        return self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes={**attributes, **resent})

    def end_attempt(self, operation: str, attributes: dict[str, Any], attempt: Attempt | None) -> dict[str, Any]:
        """Count an attempt that has ended.

        Args:
            operation: The operation's name.
            attributes: As for `begin_attempt`.
            attempt: What became of it; None where nothing was sent.

        Returns:
            How it ended, as attributes of its span.
        """
        self._active.add(-1, attributes)
        if attempt is None:
            return {}
        ending = _ending(attempt)
        told = {**attributes, **ending}
        self._duration.record(attempt.seconds, told)
        if attempt.verdict == _THROTTLED or attempt.status == _OVERLOADED:
            self._refused.add(1, told)
        if operation == _TOKEN:
            self._tokens.add(1, told)
        return ending


def _ending(attempt: Attempt) -> dict[str, Any]:
    """Return how an attempt ended, as attributes: its status, and what kind of error it is where it is one."""
    ending: dict[str, Any] = {}
    if attempt.status is not None:
        ending["http.response.status_code"] = attempt.status
    if attempt.status is not None and attempt.status >= 400:
        ending["error.type"] = str(attempt.status)
    elif attempt.verdict != "done":
        ending["error.type"] = attempt.verdict.replace(" ", "_")
    return ending


class _TracedCall:
    """The spans of one call. Each is current while it lasts, so that log lines in it can be told to belong to it."""

    def __init__(self, telemetry: OpenTelemetry, request: RequestLine, server: ServerAddress) -> None:
        method = request.method if request.method in _METHODS else "_OTHER"
        self._telemetry = telemetry
        self._operation = request.operation
        self._name = f"{'HTTP' if method == '_OTHER' else method} {request.template}"
        self._attributes: dict[str, Any] = {
            "http.request.method": method,
            "server.address": server.host,
            "server.port": server.port,
            "url.scheme": server.scheme,
            "url.template": request.template,
        }
        self._attempts = 0
        self._attempt: Span | None = None
        self._span = telemetry.begin_call(request)
        self._entered = [_context.attach(trace.set_span_in_context(self._span))]

    def attempt_began(self, number: int, /) -> None:
        """Begin the attempt's span."""
        self._attempts += 1
        self._attempt = span = self._telemetry.begin_attempt(self._name, self._attributes, number)
        inside = trace.set_span_in_context(span)
        for key in _OTHERS_OFF:
            if key is not None:
                inside = _context.set_value(key, True, inside)
        self._entered.append(_context.attach(inside))

    def attempt_ended(self, attempt: Attempt | None, /) -> None:
        """End it, and count it."""
        span, self._attempt = self._attempt, None
        if span is None:
            return
        _context.detach(self._entered.pop())
        ending = self._telemetry.end_attempt(self._operation, self._attributes, attempt)
        if "error.type" in ending:
            span.set_status(Status(StatusCode.ERROR))
        span.set_attributes(ending)
        span.end()

    def waited(self, wait: CallWait, /) -> None:
        """Add an event to the call's span."""
        told: dict[str, Any] = {"welkin.wait.seconds": wait.seconds}
        if wait.verdict is not None:
            told["welkin.verdict"] = wait.verdict
        self._span.add_event(_EVENTS[wait.reason], told)

    def ended(self, error: BaseException | None, /) -> None:
        """End the call's span."""
        while self._entered:
            _context.detach(self._entered.pop())
        span = self._span
        span.set_attribute("welkin.attempts", self._attempts)
        if error is not None:
            kind = type(error)
            span.set_attribute("error.type", f"{kind.__module__}.{kind.__qualname__}")
            reason = None
            if isinstance(error, RequestError):
                reason = error.reason  # words free of data
                span.set_attribute("welkin.safe_to_repeat", error.safe_to_repeat)
            span.set_status(Status(StatusCode.ERROR, reason))
        span.end()
