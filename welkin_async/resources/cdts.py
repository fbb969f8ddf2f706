"""Records of a patient's custom data types (CDTs)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, Unpack
from urllib.parse import unquote

from welkin_async.errors import InvalidInputError
from welkin_async.models.cdts import CdtBulkRow, CdtRecord
from welkin_async.models.formations import CdtFormation
from welkin_async.models.typed_cdts import CdtFields, TypedCdt
from welkin_async.pagination.pager import NESTED_SPRING, Pager
from welkin_async.resources._base.arguments import UNSET, given, mapping
from welkin_async.resources._base.mixins import DeleteMixin, GetMixin, OwnFieldsMixin
from welkin_async.resources._base.paths import Path
from welkin_async.resources._base.scope import CallOptions, Key, Scope, SortedQuery
from welkin_async.wire.records import decode_error, records_of
from welkin_async.wire.request import Shape

_COLLECTION = Path("cdts", "/{tenant}/{instance}/patients/{patient_id}/cdts/{cdt_name}")
_ONE = _COLLECTION / "{record_id}"

CREATE_CDT = _COLLECTION.post("create")

C = TypeVar("C", bound=CdtRecord)
T = TypeVar("T", bound=TypedCdt)


class CdtQuery(SortedQuery, total=False):
    """The query of a list of CDT records.

    Attributes:
        fields: Which fields to return; a projected record lacks the others.
        filters: One field with the values to be found; several fields at once are not documented.
        date_start: Records from this moment on; which of their dates counts is not documented.
        date_end: Records up to this moment.
    """

    fields: Sequence[str]
    filters: Mapping[str, str | int | float | bool | Sequence[str | int | float | bool]]
    date_start: datetime
    date_end: datetime


LIST_CDTS = _COLLECTION.pages("list", NESTED_SPRING, CdtQuery)


class BaseCdts(GetMixin[C], DeleteMixin[C]):
    """What records of a CDT can do, whether their fields are typed or not.

    Args:
        scope: Where they are.
        record: The class of the records, where it is another than the resource's own.
    """

    def __init__(self, scope: Scope, record: type[C] | None = None) -> None:
        super().__init__(scope)
        if record is not None:
            self._record = record

    _create_operation = CREATE_CDT
    _get_operation = _ONE.get("get")
    _update_operation = _ONE.patch("update")
    _delete_operation = _ONE.delete("delete")
    _bulk_update_operation = _COLLECTION.patch("bulk_update", Shape.OBJECT)
    _listing = LIST_CDTS

    @property
    def _name(self) -> str:
        name = self._scope.params["cdt_name"]
        return unquote(name) if "%" in name else name

    def _fits(self, fields: Mapping[str, Any], *, partial: bool = False) -> bool:
        checks = self._scope.checks
        return checks is None or checks.passes(self._name, fields, partial=partial)

    async def _check(self, fields: Mapping[str, Any], *, partial: bool = False) -> None:
        checks = self._scope.checks
        if checks is not None:
            await checks.judge(self._name, fields, self._formation, partial=partial)

    async def _formation(self) -> CdtFormation:
        from welkin_async.resources.formations import Formations

        scope = self._scope.in_passing()
        return await Formations(scope.within(version="current")).cdts.get(self._name)

    async def bulk_update(
        self, changes: Mapping[Key, Mapping[str, Any]], /, **options: Unpack[CallOptions]
    ) -> tuple[CdtBulkRow, ...]:
        """Change several records of the patient at once: ``PATCH .../cdts/{cdt_name}`` (recorded).

        Only select fields marked for bulk edit can be changed so. A 200 does not prove that each row was: look at
        each row's ``result``.

        Args:
            changes: What is to change, by record id.
            options: See `CallOptions`.

        Returns:
            A row for each record, with its result.

        Raises:
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        for fields in changes.values():
            await self._check(mapping(fields), partial=True)
        rows = [{"id": str(id), "jsonBody": fields} for id, fields in changes.items()]
        answer = await self._scope.send(self._bulk_update_operation, body={"rows": rows}, options=options)
        found = answer.data.get("rows")
        if not isinstance(found, list):
            raise decode_error("rows is not an array", answer)
        return records_of(CdtBulkRow, found, answer)

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
    ) -> Pager[C]:
        """List the patient's records: ``GET .../patients/{patient_id}/cdts/{cdt_name}`` (recorded).

        The keywords are those of `CdtQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        keywords = given(CdtQuery, locals())
        return self._list(keywords)


class Cdts(BaseCdts[CdtRecord], OwnFieldsMixin[CdtRecord]):
    """A patient's records of one CDT: ``welkin.patient(id).cdts(name)``.

    ``create`` is ``POST .../patients/{patient_id}/cdts/{cdt_name}`` (recorded, 201), ``get``, ``update`` and ``delete``
    are GET, PATCH and DELETE of ``.../cdts/{cdt_name}/{record_id}`` (recorded; delete answers 200 with no body).

    The fields are the customer's own, so they are always given as a mapping and never renamed; ``external_id`` and
    ``external_guid`` can be written too. The server drops unknown ones without an error (recorded), so they are held
    against the CDT's formation first; see `Welkin`, ``check``.
    """


class TypedCdts(BaseCdts[T]):
    """A patient's records of one CDT whose fields are typed: ``welkin.patient(id).cdts(Medication)``.

    The same operations as of `Cdts`. The class that is generated beside `Medication` declares ``create`` and ``update``
    with its fields.
    """

    async def _create_typed(self, kind: type[CdtFields], record: CdtFields | None, keywords: Mapping[str, Any]) -> T:
        """Create a record from fields, or from keywords among which are the call's options."""
        fields, options = _fields_and_options(kind, record, keywords)
        await self._check(fields)
        return await self._create(fields, options)

    async def _update_typed(
        self, kind: type[CdtFields], id: Key, changes: CdtFields | None, keywords: Mapping[str, Any]
    ) -> T:
        """Change a record by fields, or by keywords among which are the call's options."""
        fields, options = _fields_and_options(kind, changes, keywords)
        await self._check(fields, partial=True)
        return await self._update(id, fields, options)


def _fields_and_options(
    kind: type[CdtFields], fields: CdtFields | None, keywords: Mapping[str, Any]
) -> tuple[CdtFields, dict[str, Any]]:
    options = {name: value for name, value in keywords.items() if name in CallOptions.__optional_keys__}
    own = {name: value for name, value in keywords.items() if name not in options}
    if fields is None:
        return kind(**own), options
    if own:
        raise TypeError("give the fields as a record, or as keywords, not both")
    if not isinstance(fields, kind):
        raise InvalidInputError(f"fields are given as a {kind.__qualname__}, not as {type(fields).__name__}")
    return fields, options
