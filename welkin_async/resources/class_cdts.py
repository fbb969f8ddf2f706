"""Records of a patient's CDT as objects of the caller's own classes, by a cattrs converter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Unpack

from welkin_async.errors import InvalidInputError
from welkin_async.models.cdts import SYSTEM_FIELDS, WRITABLE_SYSTEM_FIELDS, CdtRecord
from welkin_async.pagination.pager import Pager
from welkin_async.resources._base.arguments import UNSET, given
from welkin_async.resources._base.children import Scoped
from welkin_async.resources._base.scope import CallOptions, Key, Scope
from welkin_async.resources.cdts import CdtQuery, Cdts
from welkin_async.wire.records import answer_of, decode_error
from welkin_async.wire.request import Answer
from welkin_async.wire.structure import plain_converter

if TYPE_CHECKING:
    from cattrs import BaseConverter

V = TypeVar("V")

_READ_ONLY = SYSTEM_FIELDS - WRITABLE_SYSTEM_FIELDS


class _Conversion(Generic[V]):
    """What turns records into objects of a class, and those into fields.

    Args:
        kind: The class.
        converter: Structures and unstructures its objects.
    """

    def __init__(self, kind: type[V], converter: BaseConverter) -> None:
        self._kind = kind
        self._converter = converter

    def structured(self, record: CdtRecord) -> V:
        """Make an object of a record: of its ``jsonBody``, with ``id`` and ``patient_id`` beside the fields.

        Raises:
            DecodeError: the converter refuses it; its reason might quote a value, and is left out.
        """
        try:
            return self._converter.structure(
                {"patient_id": record.patient_id, **record.body, "id": record.id}, self._kind
            )
        except Exception:  # noqa: S110 - whatever a converter raises
            pass
        raise decode_error(f"the record is no {self._kind.__name__}", answer_of(record))

    def fields(self, value: V | Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what is to be written: system fields that cannot be are left out.

        Raises:
            InvalidInputError: the converter refuses the object, or makes no mapping of it.
        """
        if isinstance(value, Mapping):
            return value
        try:
            made: Any = self._converter.unstructure(value)
        except Exception:  # its reason might quote a value
            made = None
        if not isinstance(made, Mapping):
            raise InvalidInputError(f"the converter makes no mapping of a {type(value).__name__}")
        return {name: each for name, each in made.items() if name not in _READ_ONLY and name != "patient_id"}


class ClassPager(Generic[V]):
    """A list of records as objects, in pages fetched as it is read.

    ``await pager`` gives those of the first page, ``async for value in pager`` all, ``await pager.total()`` the count.
    """

    def __init__(self, pager: Pager[CdtRecord], conversion: _Conversion[V]) -> None:
        self._pager = pager
        self._conversion = conversion

    def __await__(self) -> Generator[Any, None, tuple[V, ...]]:
        """Fetch the first page.

        Raises:
            DecodeError: a record is none of the class.
            RequestError: it could not be had.
        """
        page = yield from self._pager.__await__()
        return tuple(self._conversion.structured(record) for record in page.items)

    async def __aiter__(self) -> AsyncIterator[V]:
        """Walk over all, fetching as needed.

        Raises:
            DecodeError: a record is none of the class.
            RequestError: a page could not be had.
            PagingError: the server contradicts itself.
        """
        async for record in self._pager:
            yield self._conversion.structured(record)

    async def total(self) -> int:
        """Ask how many records there are; see `Pager.total`."""
        return await self._pager.total()


class ClassCdts(Scoped, Generic[V]):
    """A patient's records of one CDT as objects of a class: ``welkin.patient(id).cdts(name, Medication)``.

    The same operations as of `Cdts`; the class may be of attrs, dataclasses, pydantic or whatever the session's
    converter knows.

    Args:
        scope: Where they are.
        kind: The class.
    """

    def __init__(self, scope: Scope, kind: type[V]) -> None:
        super().__init__(scope)
        self._cdts = Cdts(scope)
        self._conversion = _Conversion(kind, scope.converter or plain_converter())

    async def create(self, value: V | Mapping[str, Any], /, **options: Unpack[CallOptions]) -> V:
        """Create a record; see `Cdts.create`.

        Args:
            value: An object of the class, or fields by their own names.
            options: See `CallOptions`.

        Raises:
            OutcomeUnknownError: it may have been created; look before repeating.
            DecodeError: the answer's record is none of the class; it was created.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return self._conversion.structured(await self._cdts.create(self._conversion.fields(value), **options))

    async def get(self, id: Key, /, **options: Unpack[CallOptions]) -> V:
        """Read one record; see `Cdts.get`.

        Args:
            id: The record's id.
            options: See `CallOptions`.

        Raises:
            NotFoundError: there is no such record.
            DecodeError: it is none of the class.
            RequestError: see `errors`.
        """
        return self._conversion.structured(await self._cdts.get(id, **options))

    async def update(self, id: Key, changes: V | Mapping[str, Any], /, **options: Unpack[CallOptions]) -> V:
        """Change a record; see `Cdts.update`.

        Args:
            id: The record's id.
            changes: The fields that are to change, by their own names; or an object, whose fields are all sent.
            options: See `CallOptions`.

        Raises:
            NotFoundError: there is no such record.
            DecodeError: the answer's record is none of the class; it was changed.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return self._conversion.structured(await self._cdts.update(id, self._conversion.fields(changes), **options))

    async def delete(self, id: Key, /, **options: Unpack[CallOptions]) -> Answer:
        """Delete one record; see `Cdts.delete`."""
        return await self._cdts.delete(id, **options)

    def list(  # keywords of CdtQuery
        self,
        *,
        fields: Sequence[str] = UNSET,
        filters: Mapping[str, str | int | float | bool | Sequence[str | int | float | bool]] = UNSET,
        date_start: datetime = UNSET,
        date_end: datetime = UNSET,
        sort: str = UNSET,
        page: int = UNSET,
        size: int = UNSET,
        prefetch: int = UNSET,
        limit: int = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> ClassPager[V]:
        """List the patient's records; see `Cdts.list` and, for the keywords, `CdtQuery`."""
        keywords = given(CdtQuery, locals())
        return ClassPager(self._cdts.list(**keywords), self._conversion)
