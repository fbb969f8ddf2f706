"""Scope: where a request starts from, the session's options and the path parameters known so far."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, TypedDict
from uuid import UUID

import attrs
from yarl import URL

from welkin_async.errors import InvalidInputError, RequestLine
from welkin_async.http.stats import SessionStats
from welkin_async.validation.field_checks import FieldChecks
from welkin_async.wire.codec import Codec
from welkin_async.wire.exchange import Exchange
from welkin_async.wire.request import (
    Answer,
    Operation,
    Request,
    Streamed,
    StreamError,
    encode_query,
    encode_segment,
)

if TYPE_CHECKING:
    from cattrs import BaseConverter

Key = str | UUID
"""An id or another key of a record, as text or UUID; it is percent-encoded on its way."""


class CallOptions(TypedDict, total=False):
    """What every call takes beside its own arguments.

    Attributes:
        timeout: Seconds an attempt may wait for the server, instead of the session's.
        max_attempts: How many attempts in all, instead of the session's.
    """

    timeout: float
    max_attempts: int


class PageQuery(CallOptions, total=False):
    """What every list in numbered pages takes.

    Attributes:
        page: The number of the page to begin with, from 0.
        size: Records per page; the server's default is 20.
        prefetch: How many pages may be requested, or held unread, at once; 1, one after the other, by default. The
            order of the records is the same.
        limit: How many records at most, with no more pages requested than that takes; all by default.
    """

    page: int
    size: int
    prefetch: int
    limit: int


class SortedQuery(PageQuery, total=False):
    """What every list in numbered pages takes that can be sorted.

    Attributes:
        sort: ``field,asc`` or ``field,desc``.
    """

    sort: str


@attrs.frozen
class Defaults:
    """The options of a session's calls, which ``with_options`` replaces.

    Attributes:
        timeout: Seconds an attempt may wait for the server.
        max_attempts: How many attempts in all.
        max_wait: Seconds the server's throttling may hold a call back; None for no bound.
        sure: Whether a read that is refused is asked once more where the refusal may be another request's answer.
        patience: Seconds for which a call's own refusals may hold it back where ``max_wait`` is None.
    """

    timeout: float
    max_attempts: int
    max_wait: float | None
    sure: bool = False
    patience: float = math.inf


class Sender(Protocol):
    """What a scope sends through: an open transport."""

    async def send(self, request: Request) -> Answer:
        """Send a request until it is answered for good."""
        ...

    @property
    def stats(self) -> SessionStats:
        """A snapshot of what the session is doing."""
        ...

    def row_hook(self, line: RequestLine) -> Callable[[str], None] | None:
        """Return what is told the outcome of each row of a bulk operation; None where nobody listens."""
        ...


@lru_cache(maxsize=64)
def _origin(base_url: str) -> tuple[str, str, str]:
    """Take a base URL apart: its scheme, its authority, and a path before the API's own."""
    url = URL(base_url, encoded=True)
    return url.scheme, url.raw_authority, url.raw_path.rstrip("/")


@lru_cache(maxsize=256)
def _url(base_url: str, path: str, query: str) -> URL:
    """Return where a path of the API is; a place that is asked for again is as a rule asked for soon."""
    scheme, authority, before = _origin(base_url)
    return URL.build(scheme=scheme, authority=authority, path=before + path, query_string=query, encoded=True)


@attrs.frozen
class _RoutedSender:
    """Sends each request over a certain connection, or over a new one, or only as long as it is permitted."""

    sender: Sender
    fresh: bool = False
    via: Exchange | None = None
    permit: Callable[[], bool] | None = None

    @property
    def stats(self) -> SessionStats:
        return self.sender.stats

    def row_hook(self, line: RequestLine) -> Callable[[str], None] | None:
        return self.sender.row_hook(line)

    async def send(self, request: Request) -> Answer:
        request.fresh, request.via, request.permit = self.fresh, self.via, self.permit
        request.hand_back = request.ahead = self.permit is not None
        return await self.sender.send(request)


@attrs.define(eq=False)  # not frozen, though nothing is changed: one is made for each patient, at thrice the cost
class Scope:
    """A place in the API: where to send, with which options, and the path parameters known so far.

    Attributes:
        sender: Returns the open transport, or raises `SessionError`.
        codec: Encodes bodies.
        base_url: Scheme and host.
        params: Path parameters by name, percent-encoded.
        defaults: Options of calls that give none.
        checks: Holds what is written against its formation; None where nothing does.
        converter: Turns records into objects of the caller's classes, and back; None for the usual one.
    """

    sender: Callable[[], Sender]
    codec: Codec
    base_url: str
    params: Mapping[str, str] = attrs.field(repr=False)
    defaults: Defaults
    checks: FieldChecks | None = attrs.field(default=None, repr=False)
    converter: BaseConverter | None = attrs.field(default=None, repr=False)

    def within(self, **params: Key) -> Scope:
        """Return the scope one level down.

        Args:
            params: Further path parameters, not encoded.

        Raises:
            InvalidInputError: one is empty, ``.`` or ``..``.
        """
        inner = {**self.params}
        for name, value in params.items():
            inner[name] = encode_segment(value, name)
        return Scope(self.sender, self.codec, self.base_url, inner, self.defaults, self.checks, self.converter)

    def without_max_wait(self, max_attempts: int | None = None) -> Scope:
        """Return the same scope for calls that wait out whatever pause the server asks for, as bulk operations do.

        Args:
            max_attempts: How many attempts a call makes; None for as many as the session's calls.
        """
        most = self.defaults.max_attempts if max_attempts is None else max_attempts
        return attrs.evolve(self, defaults=attrs.evolve(self.defaults, max_wait=None, max_attempts=most))

    def unchecked(self) -> Scope:
        """Return the same scope for writes that were held against the formation before, as those of bulk rows are."""
        return attrs.evolve(self, checks=None)

    def in_passing(self) -> Scope:
        """Return the same scope for calls that can be done without: they are made once, and wait 5 seconds at most."""
        quick = attrs.evolve(self.defaults, timeout=min(5.0, self.defaults.timeout), max_wait=0.0, max_attempts=1)
        return attrs.evolve(self, defaults=quick)

    def with_sure_refusals(self) -> Scope:
        """Return the same scope for reads on which much depends, such as all rows of a patient.

        A refusal names no record, so that it may be another request's answer: then it is asked for once more, over a
        new connection, before it is believed.
        """
        return attrs.evolve(self, defaults=attrs.evolve(self.defaults, sure=True))

    def with_patience(self, seconds: float) -> Scope:
        """Return the same scope for calls that wait out the session's pauses, but no refusals of their own for ever.

        Args:
            seconds: For how long a call may be held back by its own refusals.
        """
        return attrs.evolve(self, defaults=attrs.evolve(self.defaults, patience=seconds))

    def over_new_connections(self) -> Scope:
        """Return the same scope for calls that each go over a new connection, which nothing else was asked on.

        An answer that names no record (an error, an empty page) can be believed there.
        """
        return attrs.evolve(self, sender=lambda: _RoutedSender(self.sender(), fresh=True))

    def over(self, exchange: Exchange) -> Scope:
        """Return the same scope for calls that go over the connection of an exchange, if that is idle.

        Args:
            exchange: One whose answer a later one on its connection is to confirm.
        """
        return attrs.evolve(self, sender=lambda: _RoutedSender(self.sender(), via=exchange))

    def once(self, permit: Callable[[], bool]) -> Scope:
        """Return the same scope for calls that follow from one before: made once, ahead of those that wait.

        Args:
            permit: Asked before the first byte whether it may still go out; where not, `NotSentError` is raised.
        """
        defaults = attrs.evolve(self.defaults, max_attempts=1)
        return attrs.evolve(self, defaults=defaults, sender=lambda: _RoutedSender(self.sender(), permit=permit))

    def request(
        self,
        operation: Operation,
        *,
        body: object = None,
        query: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        **params: Key,
    ) -> Request:
        """Put a request together; nothing is sent yet.

        Args:
            operation: What it is.
            body: What to send as JSON; None for no body.
            query: Query parameters by wire name.
            options: `CallOptions`.
            params: The path parameters the scope does not know, not encoded.

        Raises:
            InvalidInputError: a parameter, the query or the body cannot be sent.
        """
        return self._made(operation, body, query, options, params)

    def _made(
        self,
        operation: Operation,
        body: object,
        query: Mapping[str, Any] | None,
        options: Mapping[str, Any] | None,
        params: Mapping[str, Key],
    ) -> Request:
        """Put a request together; by position, as handing keywords on takes a third as long as all of this."""
        asked = self.params
        if params:
            asked = {**asked}
            for name, value in params.items():
                asked[name] = encode_segment(value, name)
        defaults = self.defaults
        timeout, max_attempts = defaults.timeout, defaults.max_attempts
        if options:
            timeout = options.get("timeout", timeout)
            max_attempts = options.get("max_attempts", max_attempts)
        if not 0 < timeout < math.inf:
            raise InvalidInputError("a number of seconds above 0", ("timeout",))
        if max_attempts < 1:
            raise InvalidInputError("at least 1: the first attempt counts too", ("max_attempts",))
        return Request(
            operation,
            self.url(operation.path(asked), encode_query(query) if query else ""),
            None if body is None else self.codec.encode(body),
            timeout,
            max_attempts,
            defaults.max_wait,
            asked,
            body,
            query=query,
            sure=defaults.sure,
            patience=defaults.patience,
        )

    def url(self, path: str, query: str = "") -> URL:
        """Return where a path of the API is; made of its parts, which need not be told apart again.

        Args:
            path: The path, percent-encoded.
            query: The query string, likewise, without its question mark.
        """
        return _url(self.base_url, path, query)

    def send(
        self,
        operation: Operation,
        *,
        body: object = None,
        query: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        **params: Key,
    ) -> Coroutine[Any, Any, Answer]:
        """Put a request together and send it; arguments as for `request`."""
        return self.sender().send(self._made(operation, body, query, options, params))

    async def transfer(self, operation: Operation, stream: Streamed, **arguments: Any) -> Answer:
        """Put a request together whose body passes through a stream, and send it; arguments as for `request`.

        Raises:
            OSError: the stream's own end failed, such as the disk.
        """
        sender: Sender = self.sender()
        request = self.request(operation, **arguments)
        request.stream, stream.request = stream, request
        try:
            return await sender.send(request)
        except StreamError as error:
            cause = error.cause
        raise cause
