"""What every resource is made of: a scope that knows where it is, and mixins with the engine behind the verbs.

A resource declares its `Operation` objects and its typed verbs. There is a mixin for each verb. `get` and `delete` are
public there, because they look the same everywhere; `_create`, `_update` and `_list` are the engine behind verbs whose
public form, with the fields and filters they take, stands on the resource.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, Protocol, TypedDict, TypeVar, Unpack
from uuid import UUID

import attrs
from yarl import URL

from welkin_async.codec import JSON, Codec
from welkin_async.paging import Pager, PageStyle
from welkin_async.record import Record, iter_records, wire_body
from welkin_async.request import Answer, Operation, Request, encode_query, encode_segment

__all__ = [
    "CallOptions",
    "CreateMixin",
    "Defaults",
    "DeleteMixin",
    "GetMixin",
    "Key",
    "ListMixin",
    "Resource",
    "Scope",
    "Sender",
    "UpdateMixin",
    "split_body",
    "split_query",
]

R = TypeVar("R", bound=Record)

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


@attrs.frozen
class Defaults:
    """The options of a session's calls, which ``with_options`` replaces.

    Attributes:
        timeout: Seconds an attempt may wait for the server.
        max_attempts: How many attempts in all.
        max_wait: Seconds the server's throttling may hold a call back; None for no bound.
    """

    timeout: float
    max_attempts: int
    max_wait: float | None


class Sender(Protocol):
    """What a scope sends through: an open transport."""

    async def send(self, request: Request) -> Answer:
        """Send a request until it is answered for good."""
        ...


@attrs.frozen(eq=False)
class Scope:
    """A place in the API: where to send, with which options, and the path parameters known so far.

    Attributes:
        sender: Returns the open transport, or raises `SessionError`.
        codec: Encodes bodies.
        base_url: Scheme and host.
        params: Path parameters by name, percent-encoded.
        defaults: Options of calls that give none.
    """

    sender: Callable[[], Sender]
    codec: Codec
    base_url: str
    params: Mapping[str, str] = attrs.field(repr=False)
    defaults: Defaults

    def within(self, **params: Key) -> Scope:
        """Return the scope one level down.

        Args:
            params: Further path parameters, not encoded.

        Raises:
            InvalidInputError: one is empty, ``.`` or ``..``.
        """
        encoded = {name: encode_segment(value, name) for name, value in params.items()}
        return attrs.evolve(self, params={**self.params, **encoded})

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
        known = self.params
        if params:
            known = {**known, **{name: encode_segment(value, name) for name, value in params.items()}}
        url = self.base_url + operation.path(known)
        if query:
            text = encode_query(query)
            if text:
                url = f"{url}?{text}"
        options = options or {}
        defaults = self.defaults
        return Request(
            operation,
            URL(url, encoded=True),
            None if body is None else self.codec.encode(body),
            options.get("timeout", defaults.timeout),
            options.get("max_attempts", defaults.max_attempts),
            defaults.max_wait,
        )

    async def send(self, operation: Operation, **arguments: Any) -> Answer:
        """Put a request together and send it; arguments as for `request`."""
        sender: Sender = self.sender()
        return await sender.send(self.request(operation, **arguments))


class Resource(Generic[R]):
    """The base of every resource: a scope, and the class of its records.

    Args:
        scope: Where it is.
    """

    _record: type[R]

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def __repr__(self) -> str:
        """Show the class: the scope's parameters identify a person."""
        return f"<{type(self).__name__}>"

    async def _one(self, operation: Operation, **arguments: Any) -> R:
        """Send, and wrap the object that comes back."""
        answer = await self._scope.send(operation, **arguments)
        return self._record.from_wire(answer.data, answer)

    async def _many(self, operation: Operation, **arguments: Any) -> tuple[R, ...]:
        """Send, and wrap the objects of the array that comes back."""
        answer = await self._scope.send(operation, **arguments)
        return tuple(iter_records(self._record, answer.data, answer))


class CreateMixin(Resource[R]):
    """Creates records, with the operation in ``_create_operation``."""

    _create_operation: ClassVar[Operation]

    async def _create(self, given: Record | Mapping[str, Any] | None, fields: Mapping[str, Any]) -> R:
        """Send a record, a mapping with wire names, or keyword fields."""
        body, options = split_body(self._record, given, fields)
        return await self._one(self._create_operation, body=body, options=options)


class GetMixin(Resource[R]):
    """Reads one record, with the operation in ``_get_operation``."""

    _get_operation: ClassVar[Operation]

    async def get(self, id: Key, /, **options: Unpack[CallOptions]) -> R:
        """Read one record.

        Args:
            id: The record's id.
            options: See `CallOptions`.

        Raises:
            NotFoundError: there is no such record.
            RequestError: see `errors`.
        """
        return await self._one(self._get_operation, options=options, **_keyed(self._get_operation, id))


class UpdateMixin(Resource[R]):
    """Changes one record, with the operation in ``_update_operation``."""

    _update_operation: ClassVar[Operation]

    async def _update(
        self,
        id: Key,
        given: Record | Mapping[str, Any] | None,
        fields: Mapping[str, Any],
        query: Mapping[str, Any] | None = None,
    ) -> R:
        """Send exactly what was given."""
        operation = self._update_operation
        body, options = split_body(self._record, given, fields)
        return await self._one(operation, body=body, query=query, options=options, **_keyed(operation, id))


class DeleteMixin(Resource[R]):
    """Deletes one record, with the operation in ``_delete_operation``."""

    _delete_operation: ClassVar[Operation]

    async def delete(self, id: Key, /, **options: Unpack[CallOptions]) -> Answer:
        """Delete one record.

        Args:
            id: The record's id.
            options: See `CallOptions`.

        Returns:
            The answer; its status is 404 where an earlier attempt of this call deleted it and its answer was lost.

        Raises:
            NotFoundError: there is no such record.
            RequestError: see `errors`.
        """
        operation = self._delete_operation
        return await self._scope.send(operation, options=options, **_keyed(operation, id))


class ListMixin(Resource[R]):
    """Lists records, with the operation, page style and wire names of the query in three class attributes."""

    _list_operation: ClassVar[Operation]
    _list_style: ClassVar[PageStyle]
    _list_query: ClassVar[Mapping[str, str]]

    def _list(self, query: Mapping[str, Any]) -> Pager[R]:
        """Return a pager over the list operation."""
        return self._pager(self._list_operation, self._list_style, query, self._list_query)

    def _pager(
        self,
        operation: Operation,
        style: PageStyle,
        query: Mapping[str, Any],
        names: Mapping[str, str],
        body: object = None,
    ) -> Pager[R]:
        """Return a pager over any operation that answers in pages.

        Args:
            operation: The operation.
            style: Where its answers keep their records.
            query: The typed query by Python name, call options among it.
            names: The wire name of each parameter by Python name.
            body: What to send as JSON; None for no body.
        """
        wire, options = split_query(query, names)
        first = wire.pop("page", None) or 0

        async def fetch(number: int, size: int | None) -> Answer:
            asked = {**wire, "page": number}
            if size is not None:
                asked["size"] = size
            return await self._scope.send(operation, query=asked, body=body, options=options)

        return Pager(fetch, style, self._record, first)


def _keyed(operation: Operation, id: Key) -> dict[str, Key]:
    """Name the id as the operation's path does: its last parameter."""
    return {operation.parameters[-1]: id}


def split_query(query: Mapping[str, Any], names: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tell a typed query's parameters, by wire name, from its call options.

    Raises:
        TypeError: a keyword is neither, as with any Python function.
    """
    wire: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for name, value in query.items():
        if name in names:
            wire[names[name]] = value
        elif name in CallOptions.__annotations__:
            options[name] = value
        else:
            raise TypeError(f"unexpected keyword argument {name!r}; one of {', '.join(sorted(names))}")
    return wire, options


def split_body(
    record: type[Record], given: Record | Mapping[str, Any] | None, fields: Mapping[str, Any]
) -> tuple[object, dict[str, Any]]:
    """Tell what to send from the call options, for verbs that take a record, a mapping, or keyword fields.

    Args:
        record: The class whose field names the keywords are.
        given: A record, or a mapping with wire names; or None where keywords are used.
        fields: Keywords: fields and call options.

    Returns:
        The body, and the options.

    Raises:
        TypeError: both a record and keyword fields were given.
        InvalidInputError: a keyword is not a field.
    """
    options = {name: fields[name] for name in CallOptions.__annotations__ if name in fields}
    own: dict[str, JSON] = {name: value for name, value in fields.items() if name not in options}
    if given is None:
        return wire_body(record, own), options
    if own:
        raise TypeError("give a record or mapping, or keyword fields, not both")
    return given, options
