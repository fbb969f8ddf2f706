"""Operations of the API, one request of an operation, and its answer."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import date, datetime
from enum import Enum
from functools import cached_property
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote
from uuid import UUID

import attrs

from welkin_async.errors import InvalidInputError, RequestLine
from welkin_async.wire.codec import JSON
from welkin_async.wire.dates import format_date, format_datetime
from welkin_async.wire.exchange import Exchange

if TYPE_CHECKING:
    from multidict import MultiMapping
    from yarl import URL

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_PARAMETER = re.compile(r"\{(\w+)\}")
_METHOD = re.compile(r"[A-Za-z]{1,20}").fullmatch
_TEMPLATE = re.compile(
    r"/(?!/)(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2}|\{[A-Za-z_][A-Za-z0-9_]*\})*", re.ASCII
).fullmatch
_UNRESERVED = re.compile(r"[A-Za-z0-9_~-]+").fullmatch  # without the dot: "." and ".." are no segments
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch


class Repeat(Enum):
    """Whether an operation may be sent again after an attempt whose outcome is unknown."""

    SAFE = "safe"
    UNSAFE = "unsafe"
    REPLACE_ALL = "replace-all"


class Shape(Enum):
    """What a successful answer must be to count as read."""

    RECORD = "an object with an id"
    OBJECT = "an object"
    ARRAY = "an array"
    ANY = "JSON or nothing"
    NOTHING = "ignored"
    BYTES = "a file, taken by the request's stream"


@attrs.define(frozen=True, slots=False)
class Operation:
    """One operation of the API, declared once beside the resource that offers it.

    Attributes:
        name: Its name in the API's catalogue, such as ``cdts.create``.
        method: The HTTP verb.
        template: The path, its parameters in braces.
        repeat: Whether it may be sent again after an unknown outcome; it goes with the operation, not with the verb.
        answer: What a readable answer is.
    """

    name: str
    method: str
    template: str
    repeat: Repeat = Repeat.SAFE
    answer: Shape = Shape.RECORD

    @cached_property
    def line(self) -> RequestLine:
        """What logs, errors and spans show of a request."""
        return RequestLine(self.method, self.template, self.name)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The names of the path's parameters, in order."""
        return tuple(_PARAMETER.findall(self.template))

    def path(self, encoded: Mapping[str, str]) -> str:
        """Fill the template.

        Args:
            encoded: Each parameter as `encode_segment` returned it.

        Raises:
            InvalidInputError: a parameter is missing.
        """
        form, values_of = self._form
        try:
            path: str = form % values_of(encoded)
            return path
        except KeyError as error:
            missing = str(error.args[0])
        raise InvalidInputError("a path parameter is missing", (missing,))

    @cached_property
    def _form(self) -> tuple[str, Callable[[Mapping[str, str]], Any]]:
        """The template as ``%`` takes it, which is quicker than ``format``, and what takes its values out of a mapping.

        Raises:
            InvalidInputError: there are braces around something other than a name.
        """
        if {"{", "}"} & {*_PARAMETER.sub("", self.template)}:
            raise InvalidInputError("a path template with braces around something other than a name")
        values_of = itemgetter(*self.parameters) if self.parameters else lambda _: ()
        return _PARAMETER.sub("%s", self.template.replace("%", "%%")), values_of


def checked_method(method: object) -> str:
    """Return an HTTP verb in capitals.

    Args:
        method: What was given.

    Raises:
        InvalidInputError: it is no word of letters, so that it would change the request's form.
    """
    if not isinstance(method, str) or not _METHOD(method):
        raise InvalidInputError("an HTTP verb is a word of letters, such as GET", ("method",))
    return method.upper()


def check_template(template: object) -> None:
    """Refuse what is no path with parameters in braces, or would change the request's form.

    Args:
        template: What was given.

    Raises:
        InvalidInputError: it does not begin with a slash, has a space, a control character, a query or a dot segment,
            or has braces around anything but a name.
    """
    if not isinstance(template, str) or not _TEMPLATE(template) or "/./" in (path := f"{template}/") or "/../" in path:
        raise InvalidInputError(
            "a path template begins with a slash, and has names in braces and what a path may hold, percent-encoded",
            ("template",),
        )


class StreamError(Exception):
    """A stream's own end failed, such as the disk: not the connection's doing, so nothing is repeated.

    Attributes:
        cause: What was raised there.
    """

    def __init__(self, cause: Exception) -> None:
        super().__init__(type(cause).__name__)
        self.cause = cause


class Streamed(Protocol):
    """A body that does not fit into memory: sent, or received, piece by piece at each attempt anew.

    Attributes:
        request: The request it belongs to; a stream that cannot begin again sets its ``last``.
        headers: What goes with the request beside the token.
        sent: Bytes handed out for sending in the present attempt.
        received: Bytes taken in in the present attempt.
        failure: What the stream's own end raised while a body was sent, where it did.
        max_size: Bytes it takes in at most; None for no bound.
    """

    request: Request | None
    headers: Mapping[str, str]
    sent: int
    received: int
    failure: Exception | None
    max_size: int | None

    def body(self) -> AsyncIterator[bytes] | None:
        """Begin to send; None where there is no body."""
        ...

    async def receive(self, headers: Mapping[str, str], chunks: AsyncIterator[bytes]) -> bool:
        """Take the body of a 2xx in.

        Args:
            headers: The answer's headers, case-insensitive.
            chunks: The body.

        Returns:
            Whether it was taken; if not, it is read as any other answer's.

        Raises:
            StreamError: it could not be kept.
        """
        ...


@attrs.define(eq=False)
class Request:
    """One request, and its progress, which `Transport.send` keeps here.

    Attributes:
        operation: What it is.
        url: Where it goes, percent-encoded already.
        body: The encoded body, the same bytes at every attempt; None for no body.
        timeout: Seconds an attempt may wait for the server; None for the session's setting.
        max_attempts: How many attempts in all; None for the session's setting.
        max_wait: How many seconds the server's throttling may hold it back; None for no bound.
        held: For how many seconds the server's throttling has held it back so far.
        attempts: How many requests went out on the wire so far.
        failures: How many times it failed so far; being refused for the rate, or asked for another token, is none.
        refusals: How many times it was refused for the rate so far, and waited that out.
        renewed: Whether the token was renewed after a 401.
        doubted: Whether a fresh token was refused and is tried once more.
        on_wire: Whether one is out now.
        unknown: Whether an attempt ended unknown; then "not there" no longer means "never done".
        last: Set by a caller that is leaving: no attempt is begun after the present one.
        hand_back: Whether a refusal for the rate is raised instead of waited out, for a caller that has other work.
        trial: Whether it tries what the server is known to refuse while it accepts the rest: another refusal says
            nothing about the rate.
        stream: Sends or receives a body that does not fit into memory, in place of ``body``.
        asked: The path's parameters by name, percent-encoded: what the answer is checked against.
        query: The query by wire name, as given.
        sent: The body as given.
        fresh: Whether it goes over a new connection, which nothing else was asked on.
        sure: Whether a refusal that may be another request's answer is not believed: a read is sent once more then,
            over a new connection.
        waited_alone: Seconds of ``held`` that were no pause of the whole session.
        patience: Seconds for which its own refusals may hold it back where ``max_wait`` is None; another one is raised
            then. Pauses of the whole session do not count.
        via: The exchange whose connection it goes over, if that is idle; None for any connection.
        exchange: Where the last answer came from, whatever its status; None where the last attempt brought none.
        differences: What the last answer that was not the request's had in place of what was asked for.
        verbatim: Whether the last answer is known to have every field of the body as it was sent, to the letter.
        permit: Asked last, on the connection and before the first byte of each attempt, whether it may go out; None
            where it always may.
        ahead: Whether it goes ahead of those that wait for admission, as it follows from one that has waited.
    """

    operation: Operation
    url: URL
    body: bytes | None = None
    timeout: float | None = None
    max_attempts: int | None = None
    max_wait: float | None = None
    asked: Mapping[str, str] = _NOTHING
    sent: object = None
    hand_back: bool = False
    permit: Callable[[], bool] | None = None
    held: float = 0.0
    attempts: int = 0
    failures: int = 0
    refusals: int = 0
    renewed: bool = False
    doubted: bool = False
    on_wire: bool = False
    unknown: bool = False
    last: bool = False
    trial: bool = False
    stream: Streamed | None = None
    query: Mapping[str, Any] | None = None
    fresh: bool = False
    sure: bool = False
    patience: float = math.inf
    waited_alone: float = 0.0
    via: Exchange | None = None
    exchange: Exchange | None = None
    differences: tuple[tuple[str, object], ...] = ()
    verbatim: bool = False
    ahead: bool = False

    def page(self, url: URL, number: int) -> Request:
        """Return a request for a page of the same list, with no progress yet.

        Args:
            url: Where it goes, percent-encoded already.
            number: The page's number.
        """
        return Request(
            self.operation,
            url,
            self.body,
            self.timeout,
            self.max_attempts,
            self.max_wait,
            asked=self.asked,
            query={**(self.query or _NOTHING), "page": number},
            sent=self.sent,
            sure=self.sure,
            patience=self.patience,
        )

    def __repr__(self) -> str:
        """Show the template: the URL identifies a person."""
        return f"<Request {self.operation.method} {self.operation.template}>"


@attrs.define(eq=False, repr=False)
class Answer:
    """A successful answer of the server.

    Attributes:
        status: The HTTP status, 2xx.
        headers: The answer's headers, case-insensitive.
        data: The parsed JSON; None for an empty body.
        attempts: How many requests it took.
        request: Method, path template and operation.
        verbatim: Whether it is known to have every field of the request's body as it was sent, to the letter.
    """

    status: int
    headers: MultiMapping[str]
    data: JSON
    attempts: int
    request: RequestLine
    verbatim: bool = False

    def __repr__(self) -> str:
        """Show status and template; the data may be a patient's."""
        return f"<Answer {self.status} of {self.request.method} {self.request.template}>"


def encode_segment(value: str | UUID | int, name: str = "path parameter") -> str:
    """Percent-encode a path parameter so that it reaches the server as one segment, a literal ``%`` as ``%25``.

    Args:
        value: The parameter, not encoded.
        name: What it is, for the error.

    Raises:
        InvalidInputError: it is empty, ``.`` or ``..``, or cannot be written in UTF-8.
    """
    if type(value) is str and _UNRESERVED(value):
        return value
    given: object = value
    if not isinstance(given, (str, UUID, int)) or isinstance(given, bool):
        raise InvalidInputError(f"a path parameter of type {type(value).__name__}", (name,))
    text = value if isinstance(value, str) else str(value)
    if text in ("", ".", ".."):
        raise InvalidInputError("a path parameter that is empty, '.' or '..'", (name,))
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        pass
    raise InvalidInputError("text with a lone surrogate, which UTF-8 cannot say", (name,))


def encode_query(parameters: Mapping[str, Any]) -> str:
    """Write a query string the way the API reads it.

    None is left out, an empty string is kept (it means "patients without one"), booleans are lower case, datetimes
    the Z form with milliseconds, sequences one comma-joined value, mappings ``key=v1,v2`` in one value. Everything but
    unreserved characters is percent-encoded.

    Args:
        parameters: Values by wire name.

    Returns:
        The query without its question mark; empty where there is nothing to send.

    Raises:
        InvalidInputError: a naive datetime, a mapping of several keys, or a type that has no query form.
    """
    parts = []
    for name, value in parameters.items():
        if value is None:
            continue
        try:
            text = _query_text(value)
            parts.append(f"{_quoted(name)}={_quoted(text)}")
            continue
        except UnicodeEncodeError:
            reason = "text with a lone surrogate, which UTF-8 cannot say"
        except ValueError as error:
            reason = str(error)
        raise InvalidInputError(reason, (name,))
    return "&".join(parts)


def _quoted(text: str) -> str:
    return text if _PLAIN(text) else quote(text, safe="")


def _query_text(value: Any) -> str:
    if type(value) is str:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return _query_text(value.value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("NaN or infinity")
    if isinstance(value, (str, int, float, UUID)):
        return str(value)
    if isinstance(value, datetime):
        return format_datetime(value)
    if isinstance(value, date):
        return format_date(value)
    if isinstance(value, Mapping):
        if len(value) != 1:
            raise ValueError("filters on several fields at once are not documented; give one")
        ((key, wanted),) = value.items()
        if not isinstance(key, str) or not key or "=" in key or "," in key:
            raise ValueError("a field's name with '=' or ','")
        texts = wanted if isinstance(wanted, (list, tuple, set, frozenset)) else [wanted]
        return f"{key}={_query_text(texts)}"
    if isinstance(value, (list, tuple, set, frozenset)):
        if not value:
            raise ValueError("an empty list; leave the parameter out")
        texts = [_query_text(item) for item in value]
        if any("," in text for text in texts):
            raise ValueError("a value with a comma, which separates the values of a list")
        return ",".join(texts)
    raise ValueError(f"a value of type {type(value).__name__}, which has no query form")
