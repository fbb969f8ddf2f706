"""Records of a patient's custom data types (CDTs)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Unpack

from welkin_async.models.cdts import CdtBulkRow, CdtRecord
from welkin_async.paging import NESTED_SPRING, Pager
from welkin_async.record import decode_error, records_of
from welkin_async.request import Operation, Repeat, Shape
from welkin_async.resources._base import (
    CallOptions,
    DeleteMixin,
    GetMixin,
    Key,
    ListMixin,
    OwnFieldsMixin,
    SortedQuery,
    wire_names,
)

__all__ = ["CREATE_CDT", "CdtQuery", "Cdts"]

_COLLECTION = "/{tenant}/{instance}/patients/{patient_id}/cdts/{cdt_name}"
_ONE = _COLLECTION + "/{record_id}"

CREATE_CDT = Operation("cdts.create", "POST", _COLLECTION, repeat=Repeat.UNSAFE)


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


class Cdts(OwnFieldsMixin[CdtRecord], GetMixin[CdtRecord], DeleteMixin[CdtRecord], ListMixin[CdtRecord]):
    """A patient's records of one CDT: ``welkin.patient(id).cdts(name)``.

    ``create`` is ``POST .../patients/{patient_id}/cdts/{cdt_name}`` (recorded, 201), ``get``, ``update`` and ``delete``
    are GET, PATCH and DELETE of ``.../cdts/{cdt_name}/{record_id}`` (recorded; delete answers 200 with no body).

    The fields are the customer's own, so they are always given as a mapping and never renamed; ``external_id`` and
    ``external_guid`` can be written too. The server drops unknown ones without an error (recorded), so compare what
    comes back where a misspelt name would matter.
    """

    _record = CdtRecord
    _create_operation = CREATE_CDT
    _get_operation = Operation("cdts.get", "GET", _ONE)
    _update_operation = Operation("cdts.update", "PATCH", _ONE)
    _delete_operation = Operation("cdts.delete", "DELETE", _ONE, answer=Shape.NOTHING)
    _bulk_update_operation = Operation("cdts.bulk_update", "PATCH", _COLLECTION, answer=Shape.OBJECT)
    _list_operation = Operation("cdts.list", "GET", _COLLECTION, answer=Shape.OBJECT)
    _list_style = NESTED_SPRING
    _list_query = wire_names(CdtQuery)

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
        rows = [{"id": str(id), "jsonBody": fields} for id, fields in changes.items()]
        answer = await self._scope.send(self._bulk_update_operation, body={"rows": rows}, options=options)
        found = answer.data.get("rows")
        if not isinstance(found, list):
            raise decode_error("rows is not an array", answer)
        return records_of(CdtBulkRow, found, answer)

    def list(self, **query: Unpack[CdtQuery]) -> Pager[CdtRecord]:
        """List the patient's records: ``GET .../patients/{patient_id}/cdts/{cdt_name}`` (recorded).

        Args:
            query: See `CdtQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        return self._list(query)
