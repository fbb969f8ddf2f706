"""Records of profile data types (PDTs). Unconfirmed: see `Pdts`."""

from __future__ import annotations

from typing import Unpack

from welkin_async.models.cdts import CdtRecord
from welkin_async.models.patients import Patient
from welkin_async.paging import ANY_STYLE, Pager
from welkin_async.request import Operation, Repeat, Shape
from welkin_async.resources._base import (
    DeleteMixin,
    GetMixin,
    ListMixin,
    OwnFieldsMixin,
    PageQuery,
    wire_names,
)

__all__ = ["PdtPatients", "Pdts"]

_COLLECTION = "/{tenant}/{instance}/patients/{patient_id}/pdts/{pdt_name}"
_ONE = _COLLECTION + "/{record_id}"


class Pdts(OwnFieldsMixin[CdtRecord], GetMixin[CdtRecord], DeleteMixin[CdtRecord], ListMixin[CdtRecord]):
    """A patient's records of one profile data type: ``welkin.patient(id).pdts(name)``.

    Unconfirmed: the release notes say that profiles have an API, but these paths are from the documentation of 2026
    alone, which recordings contradict in other places: ``POST .../patients/{patient_id}/pdts/{pdt_name}`` for
    ``create``, GET, PATCH and DELETE of ``.../pdts/{pdt_name}/{record_id}`` for ``get``, ``update`` and ``delete``.
    The fields are the customer's own, so they are always given as a mapping and never renamed.
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
