"""Resource base class, and mixins for the verbs that look the same everywhere.

A resource declares its operations and its typed verbs. `get` and `delete` come from mixins, because they look the same
everywhere; `_create`, `_update` and `_list` of the base do the work of verbs whose public form, with the fields and
filters they take, stands on the resource.

Names follow one rule: a Python name is the snake_case of the documented name, with a trailing underscore where Python
reserves the word. So what a `TypedDict` of fields or filters declares is all there is to declare.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any, ClassVar, Generic, TypeVar, Unpack, get_args

from welkin_async.pagination.pager import Pager
from welkin_async.resources._base.arguments import keyed, mapping, pager_of, split_body, wire_names
from welkin_async.resources._base.children import Scoped
from welkin_async.resources._base.paths import Listing
from welkin_async.resources._base.scope import CallOptions, Key, Scope
from welkin_async.wire.records import Record, decode_error, records_of
from welkin_async.wire.request import Answer, Operation

__all__ = [
    "ArrayMixin",
    "DeleteMixin",
    "GetMixin",
    "Key",
    "OwnFieldsMixin",
    "Resource",
    "Scope",
    "SingleMixin",
    "wire_names",
]

R = TypeVar("R", bound=Record)
T = TypeVar("T", bound=Record)


class Resource(Scoped, Generic[R]):
    """The base of every resource: a scope, and the class of its records, which a subclass names in brackets.

    Args:
        scope: Where it is.
    """

    _record: type[R]
    _body_fields: ClassVar[type | None] = None
    _create_operation: ClassVar[Operation]
    _update_operation: ClassVar[Operation]
    _list_operation: ClassVar[Operation]
    _listing: ClassVar[Listing]

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        for base in vars(cls).get("__orig_bases__", ()):
            for record in get_args(base):
                if isinstance(record, type):
                    cls._record = record

    async def _one(self, operation: Operation, **arguments: Any) -> R:
        """Send, and wrap the object that comes back."""
        answer = await self._scope.send(operation, **arguments)
        return self._record.from_wire(answer.data, answer)

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

    async def _given(
        self,
        record: type[T],
        operation: Operation,
        given: Record | Mapping[str, Any] | None,
        fields: Mapping[str, Any],
        **arguments: Any,
    ) -> T:
        """Send a record, a mapping with wire names, or keyword fields, and wrap the object that comes back."""
        body, options = split_body(record, given, fields, self._body_fields)
        answer = await self._scope.send(operation, body=body, options=options, **arguments)
        return record.from_wire(answer.data, answer)

    def _pager(self, record: type[T], listing: Listing, query: Mapping[str, Any], body: object = None) -> Pager[T]:
        """Return a pager over an operation that answers in numbered pages; arguments as for `pager_of`."""
        return pager_of(self._scope, record, listing, query, body)

    def _create(self, given: Record | Mapping[str, Any] | None, fields: Mapping[str, Any]) -> Coroutine[Any, Any, R]:
        """Send a record, a mapping with wire names, or keyword fields."""
        return self._given(self._record, self._create_operation, given, fields)

    def _update(
        self,
        id: Key,
        given: Record | Mapping[str, Any] | None,
        fields: Mapping[str, Any],
        query: Mapping[str, Any] | None = None,
        operation: Operation | None = None,
    ) -> Coroutine[Any, Any, R]:
        """Send exactly what was given, with the update operation or another that takes the same."""
        operation = operation or self._update_operation
        return self._given(self._record, operation, given, fields, query=query, **keyed(operation, id))

    def _list(self, query: Mapping[str, Any]) -> Pager[R]:
        """Return a pager over the list operation."""
        return self._pager(self._record, self._listing, query)


class GetMixin(Resource[R]):
    """Get mixin: reads one record, with the operation in ``_get_operation``."""

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
    """Get mixin of what there is one of, with the operation in ``_get_operation``."""

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


class DeleteMixin(Resource[R]):
    """Delete mixin: deletes one record, with the operation in ``_delete_operation``."""

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


class ArrayMixin(Resource[R]):
    """List mixin where the answer is an array of all records, with the operation in ``_list_operation``."""

    async def list(self, **options: Unpack[CallOptions]) -> tuple[R, ...]:
        """List them all; the list is not paged.

        Args:
            options: See `CallOptions`.

        Raises:
            RequestError: see `errors`.
        """
        return await self._many(self._list_operation, options=options)


class OwnFieldsMixin(Resource[R]):
    """Create and update mixin of records whose fields are the customer's own: always a mapping, never renamed."""

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
        body, options_given = split_body(self._record, mapping(fields), options)
        if not self._fits(fields):
            await self._check(fields)
        answer = await self._scope.send(self._create_operation, body=body, options=options_given)
        return self._record.from_wire(answer.data, answer)

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
        if not self._fits(mapping(fields), partial=True):
            await self._check(fields, partial=True)
        return await self._update(id, fields, options)

    def _fits(self, fields: Mapping[str, Any], *, partial: bool = False) -> bool:
        """Tell at once whether fields are known to fit what defines them; where they are not, `_check` is asked."""
        return False

    async def _check(self, fields: Mapping[str, Any], *, partial: bool = False) -> None:
        """Hold fields against what defines them; nothing, where that is not known."""
