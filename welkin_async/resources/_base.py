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

from welkin_async.paging import Pager, PageStyle
from welkin_async.record import Record, decode_error, records_of
from welkin_async.request import Answer, Operation
from welkin_async.resources._arguments import keyed, mapping, pager_of, split_body, split_query, wire_names
from welkin_async.resources._scope import CallOptions, Defaults, Key, PageQuery, Scope, Sender, SortedQuery

__all__ = [
    "ArrayMixin",
    "CallOptions",
    "CreateMixin",
    "Defaults",
    "DeleteMixin",
    "GetMixin",
    "Key",
    "ListMixin",
    "OwnFieldsMixin",
    "PageQuery",
    "Resource",
    "Scope",
    "Sender",
    "SingleMixin",
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
        return records_of(record, answer.data, answer)

    async def _some_as(self, record: type[T], operation: Operation, **arguments: Any) -> tuple[T, ...]:
        """Send, and wrap what comes back, one object or an array of them, where the sources disagree on which."""
        answer = await self._scope.send(operation, **arguments)
        data = [answer.data] if isinstance(answer.data, dict) else answer.data
        if data is None:
            return ()  # an empty body, or a DELETE whose first answer was lost
        if not isinstance(data, list):
            raise decode_error("the answer is neither an object nor an array", answer)
        return records_of(record, data, answer)


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
        return await self._one(self._get_operation, options=options, **keyed(self._get_operation, id))


class SingleMixin(Resource[R]):
    """Reads what there is one of, with the operation in ``_get_operation``."""

    _get_operation: ClassVar[Operation]

    async def get(self, **options: Unpack[CallOptions]) -> R:
        """Read it.

        Args:
            options: See `CallOptions`.

        Raises:
            NotFoundError: there is none, or nothing that it could belong to.
            RequestError: see `errors`.
        """
        return await self._one(self._get_operation, options=options)


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
        return await self._one(operation, body=body, query=query, options=options, **keyed(operation, id))


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
        return await self._scope.send(operation, options=options, **keyed(operation, id))


class ListMixin(Resource[R]):
    """Lists records, with the operation, page style and wire names of the query in three class attributes."""

    _list_operation: ClassVar[Operation]
    _list_style: ClassVar[PageStyle]
    _list_query: ClassVar[Mapping[str, str]]

    def _list(self, query: Mapping[str, Any]) -> Pager[R]:
        """Return a pager over the list operation."""
        return pager_of(self._scope, self._record, self._list_operation, self._list_style, query, self._list_query)


class ArrayMixin(Resource[R]):
    """Lists records where the answer is an array of all of them, with the operation in ``_list_operation``."""

    _list_operation: ClassVar[Operation]

    async def list(self, **options: Unpack[CallOptions]) -> tuple[R, ...]:
        """List them all; the list is not paged.

        Args:
            options: See `CallOptions`.

        Raises:
            RequestError: see `errors`.
        """
        return await self._many(self._list_operation, options=options)


class OwnFieldsMixin(CreateMixin[R], UpdateMixin[R]):
    """Creates and changes records whose fields are the customer's own: always a mapping, never renamed."""

    async def create(self, fields: Mapping[str, Any], /, **options: Unpack[CallOptions]) -> R:
        """Create a record.

        Args:
            fields: The customer's fields by their own names.
            options: See `CallOptions`.

        Returns:
            The record as the server answered, with what it kept of the fields.

        Raises:
            OutcomeUnknownError: it may have been created; look before repeating.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._create(mapping(fields), options)

    async def update(self, id: Key, fields: Mapping[str, Any], /, **options: Unpack[CallOptions]) -> R:
        """Change a record.

        Args:
            id: The record's id.
            fields: Exactly what is to change; None clears a field.
            options: See `CallOptions`.

        Returns:
            The record as the server answered.

        Raises:
            NotFoundError: there is no such record.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._update(id, mapping(fields), options)
