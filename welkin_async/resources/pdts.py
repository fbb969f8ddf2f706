"""Records of profile data types (PDTs). Unconfirmed: see `Pdts`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from welkin_async.models.cdts import CdtRecord
from welkin_async.models.patients import Patient
from welkin_async.paging import ANY_STYLE, Pager
from welkin_async.request import Operation, Repeat, Shape
from welkin_async.resources._base import (
    CallOptions,
    CreateMixin,
    DeleteMixin,
    GetMixin,
    Key,
    ListMixin,
    PageQuery,
    UpdateMixin,
    mapping,
    wire_names,
)

__all__ = ["PdtPatients", "Pdts"]

_COLLECTION = "/{tenant}/{instance}/patients/{patient_id}/pdts/{pdt_name}"
_ONE = _COLLECTION + "/{record_id}"


class Pdts(
    CreateMixin[CdtRecord], GetMixin[CdtRecord], UpdateMixin[CdtRecord], DeleteMixin[CdtRecord], ListMixin[CdtRecord]
):
    """A patient's records of one profile data type: ``welkin.patient(id).pdts(name)``.

    Unconfirmed: the release notes say that profiles have an API, but these paths are from the documentation of 2026
    alone, which recordings contradict in other places. The fields are the customer's own, so they are always given as
    a mapping and never renamed.
    """

    _record = CdtRecord
    _list_operation = Operation("pdts.list", "GET", _COLLECTION, answer=Shape.OBJECT)
    _list_style = ANY_STYLE
    _list_query = wire_names(PageQuery)
    _get_operation = Operation("pdts.get", "GET", _ONE)
    _create_operation = Operation("pdts.create", "POST", _COLLECTION, repeat=Repeat.UNSAFE)
    _update_operation = Operation("pdts.update", "PATCH", _ONE)
    _delete_operation = Operation("pdts.delete", "DELETE", _ONE, answer=Shape.NOTHING)

    def list(self, **query: Unpack[PageQuery]) -> Pager[CdtRecord]:
        """List the patient's records: ``GET .../patients/{patient_id}/pdts/{pdt_name}`` (unconfirmed).

        Args:
            query: See `PageQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated. How the answer states its pages is not
            documented: any of the documented styles is read, and where none is stated the walk is a `PagingError`.
        """
        return self._list(query)

    async def create(self, fields: Mapping[str, Any], /, **options: Unpack[CallOptions]) -> CdtRecord:
        """Create a record: ``POST .../patients/{patient_id}/pdts/{pdt_name}`` (unconfirmed).

        Args:
            fields: The customer's fields by their own names.
            options: See `CallOptions`.

        Returns:
            The record as the server answered.

        Raises:
            OutcomeUnknownError: it may have been created; look before repeating.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._create(mapping(fields), options)

    async def update(self, id: Key, fields: Mapping[str, Any], /, **options: Unpack[CallOptions]) -> CdtRecord:
        """Change a record: ``PATCH .../pdts/{pdt_name}/{record_id}`` (unconfirmed).

        Args:
            id: The record's id.
            fields: Exactly what is to change.
            options: See `CallOptions`.

        Returns:
            The record as the server answered.

        Raises:
            NotFoundError: there is no such record.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._update(id, mapping(fields), options)


class PdtPatients(ListMixin[Patient]):
    """The patients that have a profile: ``welkin.pdt(name)``. Unconfirmed, as `Pdts` are."""

    _record = Patient
    _list_operation = Operation(
        "pdts.list_patients", "GET", "/{tenant}/{instance}/pdts/{pdt_name}/patients", answer=Shape.OBJECT
    )
    _list_style = ANY_STYLE
    _list_query = wire_names(PageQuery)

    def list_patients(self, **query: Unpack[PageQuery]) -> Pager[Patient]:
        """List the patients: ``GET /{tenant}/{instance}/pdts/{pdt_name}/patients`` (unconfirmed).

        Args:
            query: See `PageQuery`.

        Returns:
            A pager; see `Pdts.list` on its pages.
        """
        return self._list(query)
