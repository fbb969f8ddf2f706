"""The errors this package raises, and what each lets a caller do next.

::

    WelkinError
    ├── ConfigurationError         a setting is missing or does not fit; nothing was sent
    ├── SessionError               used before opening, after closing, or on another event loop; nothing was sent
    ├── InvalidInputError          a value was refused before anything was sent
    ├── PagingError                a walk over pages would have lost or repeated records
    └── RequestError               one request: method and path template, status, attempts, safe_to_repeat
        ├── NotSentError           the server did not act on it: repeating is safe
        │   ├── ConnectError       no connection could be made (DNS, TCP, TLS, proxy)
        │   ├── RateLimitedError   the server asked to wait longer than the caller allows: retry_after
        │   └── TokenUnavailableError   no token could be fetched just now: retry_after
        ├── AuthenticationError    the credentials or a fresh token were refused: repeating will not help
        ├── RejectedError          the server refused it: repeating it unchanged will not help
        │   ├── BadRequestError    400
        │   ├── PermissionDeniedError  403
        │   ├── NotFoundError      404
        │   ├── ConflictError      409
        │   └── UnprocessableError 422
        ├── NoAnswerError          a repeatable operation met only failures: repeat it later
        │   ├── ServerError        5xx, 408 or 425 at every attempt
        │   ├── ConnectionLostError  the connection broke or fell silent at every attempt
        │   └── DecodeError        an answer that is not what the API documents
        └── OutcomeUnknownError    a create may or may not have been carried out: look before repeating

The line that matters runs between `NotSentError` and `OutcomeUnknownError`: the first may be repeated freely, the
second may double a clinical record. ``safe_to_repeat`` says the same as a boolean on every `RequestError`.

No error quotes a URL, a record's value, an id, a body or a secret in its text; what the server said is in the
attributes ``body`` and ``errors``, which pickling drops.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import attrs

__all__ = [
    "AuthenticationError",
    "BadRequestError",
    "ConfigurationError",
    "ConflictError",
    "ConnectError",
    "ConnectionLostError",
    "DecodeError",
    "ErrorItem",
    "InvalidInputError",
    "NoAnswerError",
    "NotFoundError",
    "NotSentError",
    "OutcomeUnknownError",
    "PagingError",
    "PermissionDeniedError",
    "RateLimitedError",
    "RejectedError",
    "RequestError",
    "RequestLine",
    "ServerError",
    "SessionError",
    "TokenUnavailableError",
    "UnprocessableError",
    "WelkinError",
    "error_items",
    "printable",
    "rejection",
    "request_id_of",
    "safe_code",
]

# Codes are the server's own words in a documented form; anything else in their place might be data.
_REQUEST_IDS = ("X-Request-Id", "Request-Id", "X-Correlation-Id", "X-Amzn-RequestId", "Apigw-Requestid",
                "X-Amzn-Trace-Id", "X-Trace-Id", "CF-Ray", "X-Amz-Cf-Id")  # fmt: skip
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:;=+/-]{6,128}").fullmatch
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


def printable(text: str) -> str:
    """Return a text as a terminal may be shown it: what is no printable character is escaped, but for line ends.

    Names of columns and files come from whoever made them, and a terminal obeys control characters.

    Args:
        text: The text.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter == "\n" or letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


class RequestLine(NamedTuple):
    """What a request was, without anything that could identify a person.

    Attributes:
        method: The HTTP verb.
        template: The path with its parameters unfilled, such as ``/{tenant}/{instance}/patients/{patient_id}``.
        operation: The operation's name in the API, such as ``patients.get``.
    """

    method: str
    template: str
    operation: str


@attrs.frozen(repr=False)
class ErrorItem:
    """One object of the array a Welkin error body holds.

    Attributes:
        error_code: ``errorCode``, an open set such as ``DT_RECORD_NOT_FOUND``; None where the body has none.
        component_type: ``componentType``, such as ``CDT``.
        message: Human text; may quote what was sent, so it is kept out of `repr`.
        details: Ids and names of the failed look-up; may identify a person, so kept out of `repr`.
        date: When the server met the error, as it wrote it; absent in a recorded 403.
    """

    error_code: str | None = None
    component_type: str | None = None
    message: str | None = None
    details: Mapping[str, Any] = attrs.field(factory=lambda: MappingProxyType({}))
    date: str | None = None

    def __repr__(self) -> str:
        """Show the code alone."""
        return f"ErrorItem({safe_code(self.error_code)})"


class WelkinError(Exception):
    """The base of every error this package raises on purpose."""


class ConfigurationError(WelkinError):
    """A setting is missing or does not fit; the text names it and where it can be set."""


class SessionError(WelkinError):
    """The session was used before it was opened, after it was closed, or on another event loop."""


class InvalidInputError(WelkinError, ValueError):
    """A value was refused before anything was sent.

    Attributes:
        path: Where the value stood, such as ``("rows", "0", "dose")``; never the value itself.
    """

    def __init__(self, reason: str, path: Sequence[str] = ()) -> None:
        self.reason = reason
        self.path = tuple(path)
        where = ".".join(self.path)
        super().__init__(printable(f"{where}: {reason}" if where else reason))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason, self.path)


class PagingError(WelkinError):
    """A walk was stopped because going on would have lost or repeated records in silence."""


class RequestError(WelkinError):
    """One request did not bring what was asked.

    Attributes:
        request: Method, path template and operation name.
        status: The HTTP status of the last answer, or None where there was none.
        errors: The parsed error body, as `ErrorItem` objects; empty after unpickling.
        error_codes: Their codes; kept by pickling.
        body: The raw body of the last answer; may hold patient data, dropped by pickling.
        attempts: How many requests went out on the wire.
        safe_to_repeat: Whether sending the same request again cannot act twice.
        reason: What went wrong, in words free of data.
        request_id: What the server, or what stands before it, called the last attempt; None where its answer has no
            such header. It is what the vendor's support asks for.
    """

    advice = ""
    safe_to_repeat = False

    def __init__(
        self,
        reason: str,
        *,
        request: RequestLine,
        status: int | None = None,
        errors: Sequence[ErrorItem] = (),
        error_codes: Sequence[str] | None = None,
        body: bytes | None = None,
        attempts: int = 0,
        safe_to_repeat: bool | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        self.reason = reason
        self.request = request
        self.request_id = request_id
        self.status = status
        self.errors = tuple(errors)
        if error_codes is None:
            error_codes = [item.error_code for item in errors if item.error_code]
        self.error_codes = tuple(error_codes)
        self.body = body
        self.attempts = attempts
        self.retry_after = retry_after
        if safe_to_repeat is not None:
            self.safe_to_repeat = safe_to_repeat
        super().__init__(self._text())

    def _text(self) -> str:
        """Put together the line a log shows: template, reason, codes, attempts, advice."""
        parts = [f"{self.request.method} {self.request.template}: {self.reason}"]
        if self.error_codes:
            parts.append(" [" + ", ".join(safe_code(code) for code in self.error_codes) + "]")
        if self.request_id is not None:
            parts.append(f" (request id {self.request_id})")
        parts.append(f" after {self.attempts} attempt{'' if self.attempts == 1 else 's'}.")
        if self.advice:
            parts.append(" " + self.advice)
        return "".join(parts)

    def __reduce__(self) -> tuple[Any, ...]:
        state = {
            "reason": self.reason,
            "request": self.request,
            "status": self.status,
            "error_codes": self.error_codes,
            "attempts": self.attempts,
            "safe_to_repeat": self.safe_to_repeat,
            "retry_after": self.retry_after,
            "request_id": self.request_id,
        }
        return _rebuild, (type(self), state)


def _rebuild(cls: type[RequestError], state: Mapping[str, Any]) -> RequestError:
    """Unpickle: a module-level function, because the arguments are keyword-only."""
    return cls(**state)


class NotSentError(RequestError):
    """The server did not act on the request; repeating it is safe."""

    advice = "Nothing was changed on the server; the request may be repeated."
    safe_to_repeat = True


class ConnectError(NotSentError):
    """No connection could be made: DNS, TCP, TLS or the proxy."""


class RateLimitedError(NotSentError):
    """The server asked to wait longer than the caller's ``max_wait``.

    Attributes:
        retry_after: Seconds until the server may be asked again.
    """

    advice = "Nothing was changed on the server; repeat the request after `retry_after` seconds."


class TokenUnavailableError(NotSentError):
    """No token could be fetched just now; the token endpoint failed or its budget is used up.

    Attributes:
        retry_after: Seconds until the next token request will be made.
    """


class AuthenticationError(RequestError):
    """The credentials, or a token fresh from the server, were refused."""

    advice = "Check the api client, its secret, and that it is enabled for this tenant and instance."


class RejectedError(RequestError):
    """The server refused the request (3xx or 4xx); it was not carried out.

    Attributes:
        after_unknown: Whether an attempt before ended unknown, which may have been carried out; dropped by pickling.
    """

    after_unknown = False
    advice = "The server refused it; sending the same again will not help."


class BadRequestError(RejectedError):
    """400: the server could not accept the body or a parameter."""


class PermissionDeniedError(RejectedError):
    """403: the api client lacks the right, such as ACCESS_FOR_API_CLIENT_RESTRICTED."""

    advice = "The api client lacks the right for this operation; grant it in the Welkin Admin."


class NotFoundError(RejectedError):
    """404: there is no such record, such as DT_RECORD_NOT_FOUND."""

    advice = "There is no such record for this api client."


class ConflictError(RejectedError):
    """409: the request contradicts what the server holds."""


class UnprocessableError(RejectedError):
    """422: the body was understood but not acceptable."""


class NoAnswerError(RequestError):
    """An operation that is safe to repeat met only failures, at every attempt."""

    advice = "The operation is safe to repeat; try again later."
    safe_to_repeat = True


class ServerError(NoAnswerError):
    """5xx, 408 or 425 at the last attempt.

    Or, where a deletion met one of these before, a 404 that does not say in Welkin's own words that the record is gone.
    """


class ConnectionLostError(NoAnswerError):
    """The connection broke or fell silent before an answer was read."""


class DecodeError(NoAnswerError):
    """An answer is not what the API documents: not JSON, or a field of another type.

    The text names the operation and the path of the field, and quotes no value.
    """

    advice = "The answer is not what the API documents; the raw body is in `body` where it was kept."


class OutcomeUnknownError(RequestError):
    """A request that must not be repeated blindly may or may not have been carried out.

    Raised where a create was on the wire and no readable answer of its own came back: reset, timeout, 5xx, unreadable
    body, or the answer to another request.
    """

    advice = "It may have been carried out. Look for the record before sending it again."


_BY_STATUS: dict[int, type[RejectedError]] = {
    400: BadRequestError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableError,
}


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Return what an answer says its request was called, where it has the form of an id.

    No recorded answer of Welkin has one; gateways and load balancers add theirs.

    Args:
        headers: The answer's headers, case-insensitive.
    """
    for name in _REQUEST_IDS:
        found = headers.get(name)
        if found is not None and _REQUEST_ID(found):
            return found
    return None


def rejection(status: int) -> type[RejectedError]:
    """Return the error class for a refusing status.

    Args:
        status: A 3xx or 4xx HTTP status.
    """
    return _BY_STATUS.get(status, RejectedError)


def error_items(data: object) -> tuple[ErrorItem, ...]:
    """Read an error body as far as it can be read.

    Every recorded Welkin error is an array of objects; a proxy may answer with anything, so a single object is
    accepted too and everything else gives no items.

    Args:
        data: The parsed JSON of the body, or None where it was not JSON.
    """
    candidates = data if isinstance(data, list) else [data]
    items = []
    for candidate in candidates:
        if not isinstance(candidate, dict):
            continue
        details = candidate.get("details")
        items.append(
            ErrorItem(
                error_code=_text_or_none(candidate.get("errorCode")),
                component_type=_text_or_none(candidate.get("componentType")),
                message=_text_or_none(candidate.get("message")),
                details=MappingProxyType(details if isinstance(details, dict) else {}),
                date=_text_or_none(candidate.get("date")),
            )
        )
    return tuple(items)


def _text_or_none(value: object) -> str | None:
    """Keep text, drop everything else."""
    return value if isinstance(value, str) else None


def safe_code(code: str | None) -> str:
    """Return the code if it has the documented form, else a placeholder."""
    if code is None:
        return "no code"
    return code if _CODE.fullmatch(code) else "unrecognised code"
