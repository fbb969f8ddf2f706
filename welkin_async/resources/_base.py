"""What every resource is made of: a scope that knows where it is, and mixins with the engine behind the verbs.

A resource declares its `Operation` objects and its typed verbs. There is a mixin for each verb. `get` and `delete` are
public there, because they look the same everywhere; `_create`, `_update` and `_list` are the engine behind verbs whose
public form, with the fields and filters they take, stands on the resource.

Names follow one rule: a Python name is the snake_case of the documented name, with a trailing underscore where Python
reserves the word. So what a `TypedDict` of fields or filters declares is all there is to declare.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar, Unpack

from welkin_async.errors import InvalidInputError
from welkin_async.paging import Pager, PageStyle
from welkin_async.record import Record, decode_error, iter_records, wire_body
from welkin_async.request import Answer, Operation
from welkin_async.resources._scope import CallOptions, Defaults, Key, PageQuery, Scope, Sender, SortedQuery

__all__ = [
    "CallOptions",
    "CreateMixin",
    "Defaults",
    "DeleteMixin",
    "GetMixin",
    "Key",
    "ListMixin",
    "PageQuery",
    "Resource",
    "Scope",
    "Sender",
    "SortedQuery",
    "UpdateMixin",
    "mapping",
    "pager_of",
    "split_body",
    "split_query",
    "wire_names",
]

R = TypeVar("R", bound=Record)
T = TypeVar("T", bound=Record)

_OPTIONS = ("timeout", "max_attempts")
_WALK_OPTIONS = ("prefetch", "limit")


def wire_names(typed: Any, *more: str) -> dict[str, str]:
    """Return the documented name of each parameter or field of a `TypedDict`, by its Python name.

    Args:
        typed: The `TypedDict`; what concerns the call alone, such as ``timeout``, is left out.
        more: Further Python names.
    """
    names = [*typed.__required_keys__, *typed.__optional_keys__, *more]
    return {name: _documented(name) for name in sorted(names) if name not in (*_OPTIONS, *_WALK_OPTIONS)}


def _documented(name: str) -> str:
    first, *others = name.rstrip("_").split("_")
    return first + "".join(word.capitalize() for word in others)


class Resource(Generic[R]):
    """The base of every resource: a scope, and the class of its records.

    Args:
        scope: Where it is.
    """

    _record: type[R]
    _body_names: ClassVar[Mapping[str, str] | None] = None

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def __repr__(self) -> str:
        """Show the class: the scope's parameters identify a person."""
        return f"<{type(self).__name__}>"

    async def _one(self, operation: Operation, **arguments: Any) -> R:
        """Send, and wrap the object that comes back."""
        return await self._one_as(self._record, operation, **arguments)

    async def _many(self, operation: Operation, **arguments: Any) -> tuple[R, ...]:
        """Send, and wrap the objects of the array that comes back."""
        return await self._many_as(self._record, operation, **arguments)

    async def _one_as(self, record: type[T], operation: Operation, **arguments: Any) -> T:
        """Send, and wrap the object that comes back in another class than the resource's own."""
        answer = await self._scope.send(operation, **arguments)
        return record.from_wire(answer.data, answer)

    async def _many_as(self, record: type[T], operation: Operation, **arguments: Any) -> tuple[T, ...]:
        """Send, and wrap the objects of the array that comes back in another class than the resource's own."""
        answer = await self._scope.send(operation, **arguments)
        return tuple(iter_records(record, answer.data, answer))

    async def _some_as(self, record: type[T], operation: Operation, **arguments: Any) -> tuple[T, ...]:
        """Send, and wrap what comes back, one object or an array of them, where the sources disagree on which."""
        answer = await self._scope.send(operation, **arguments)
        data = [answer.data] if isinstance(answer.data, dict) else answer.data
        if data is None:
            return ()  # an empty body, or a DELETE whose first answer was lost
        if not isinstance(data, list):
            raise decode_error("the answer is neither an object nor an array", answer)
        return tuple(iter_records(record, data, answer))


class CreateMixin(Resource[R]):
    """Creates records, with the operation in ``_create_operation``."""

    _create_operation: ClassVar[Operation]

    async def _create(self, given: Record | Mapping[str, Any] | None, fields: Mapping[str, Any]) -> R:
        """Send a record, a mapping with wire names, or keyword fields."""
        body, options = split_body(self._record, given, fields, self._body_names)
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
        operation: Operation | None = None,
    ) -> R:
        """Send exactly what was given, with the update operation or another that takes the same."""
        operation = operation or self._update_operation
        body, options = split_body(self._record, given, fields, self._body_names)
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
        return pager_of(self._scope, self._record, self._list_operation, self._list_style, query, self._list_query)


def pager_of(
    scope: Scope,
    record: type[R],
    operation: Operation,
    style: PageStyle,
    query: Mapping[str, Any],
    names: Mapping[str, str],
    body: object = None,
) -> Pager[R]:
    """Return a pager over an operation that answers in numbered pages.

    Args:
        scope: Where it is.
        record: The class of its records.
        operation: The operation.
        style: Where its answers keep their records.
        query: The typed query by Python name, options among it.
        names: The wire name of each parameter by Python name.
        body: What to send as JSON; None for no body.
    """
    wire, options = split_query(query, names)
    first = wire.pop("page", None) or 0
    walk = {name: options.pop(name) for name in _WALK_OPTIONS if name in options}

    async def fetch(number: int, size: int | None) -> Answer:
        asked = {**wire, "page": number}
        if size is not None:
            asked["size"] = size
        return await scope.send(operation, query=asked, body=body, options=options)

    return Pager(fetch, style, record, first, **walk)


def mapping(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the customer's own fields, which are always given as a mapping.

    Raises:
        InvalidInputError: they are something else.
    """
    if not isinstance(fields, Mapping):
        raise InvalidInputError(f"fields are given as a mapping, not as {type(fields).__name__}")
    return fields


def _keyed(operation: Operation, id: Key) -> dict[str, Key]:
    """Name the id as the operation's path does: its last parameter."""
    return {operation.parameters[-1]: id}


def split_query(query: Mapping[str, Any], names: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tell a typed query's parameters, by wire name, from its options.

    Raises:
        TypeError: a keyword is neither, as with any Python function.
    """
    wire: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for name, value in query.items():
        if name in names:
            wire[names[name]] = value
        elif name in _OPTIONS or name in _WALK_OPTIONS:
            options[name] = value
        else:
            raise TypeError(f"unexpected keyword argument {name!r}; one of {', '.join(sorted(names))}")
    return wire, options


def split_body(
    record: type[Record],
    given: Record | Mapping[str, Any] | None,
    fields: Mapping[str, Any],
    names: Mapping[str, str] | None = None,
) -> tuple[object, dict[str, Any]]:
    """Tell what to send from the call options, for verbs that take a record, a mapping, or keyword fields.

    Args:
        record: The class whose field names the keywords are, where ``names`` does not say.
        given: A record, or a mapping with wire names; or None where keywords are used.
        fields: Keywords: fields and call options.
        names: The wire name of each keyword, where what is sent is not formed like what comes back.

    Returns:
        The body, and the options.

    Raises:
        TypeError: both a record and keyword fields were given.
        InvalidInputError: a keyword is not a field.
    """
    options = {name: fields[name] for name in _OPTIONS if name in fields}
    own = {name: value for name, value in fields.items() if name not in options}
    if given is not None:
        if own:
            raise TypeError("give a record or mapping, or keyword fields, not both")
        return given, options
    if names is None:
        return wire_body(record, own), options
    for name in own:
        if name not in names:
            raise InvalidInputError("no such field; for others pass a mapping of wire names", (name,))
    return {names[name]: value for name, value in own.items()}, options
