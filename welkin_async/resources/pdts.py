"""Records of profile data types (PDTs). Unconfirmed: see `Pdts`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from welkin_async.models.cdts import CdtRecord
from welkin_async.models.formations import CdtFormation
from welkin_async.models.patients import Patient
from welkin_async.pagination.pager import ANY_STYLE, Pager
from welkin_async.resources._base.arguments import UNSET, given
from welkin_async.resources._base.mixins import DeleteMixin, GetMixin, OwnFieldsMixin, Resource
from welkin_async.resources._base.paths import Path
from welkin_async.resources._base.scope import PageQuery

_COLLECTION = Path("pdts", "/{tenant}/{instance}/patients/{patient_id}/pdts/{pdt_name}")
_ONE = _COLLECTION / "{record_id}"
_PATIENTS = Path("pdts", "/{tenant}/{instance}/pdts/{pdt_name}/patients")


class Pdts(OwnFieldsMixin[CdtRecord], GetMixin[CdtRecord], DeleteMixin[CdtRecord]):
    """A patient's records of one profile data type: ``welkin.patient(id).pdts(name)``.

    Unconfirmed: the release notes say that profiles have an API, but these paths are from the documentation of 2026
    alone, which recordings contradict in other places: ``POST .../patients/{patient_id}/pdts/{pdt_name}`` for
    ``create``, GET, PATCH and DELETE of ``.../pdts/{pdt_name}/{record_id}`` for ``get``, ``update`` and ``delete``.
    The fields are the customer's own, so they are always given as a mapping and never renamed. They are held against
    the profile's formation first, where that can be read; see `Welkin`, ``check``.
    """

    _listing = _COLLECTION.pages("list", ANY_STYLE, PageQuery)
    _get_operation = _ONE.get("get")
    _create_operation = _COLLECTION.post("create")
    _update_operation = _ONE.patch("update")
    _delete_operation = _ONE.delete("delete")

    async def _check(self, fields: Mapping[str, Any], *, partial: bool = False) -> None:
        checks, name = self._scope.checks, unquote(self._scope.params["pdt_name"])
        if checks is not None:
            await checks.judge(f"profile {name}", fields, self._formation, partial=partial)

    async def _formation(self) -> CdtFormation:
        from welkin_async.resources.formations import Formations

        scope = self._scope.in_passing()
        return await Formations(scope.within(version="current")).pdts.get(unquote(scope.params["pdt_name"]))

    def list(  # keywords of PageQuery
        self,
        *,
        page: int = UNSET,
        size: int = UNSET,
        prefetch: int = UNSET,
        limit: int = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> Pager[CdtRecord]:
        """List the patient's records: ``GET .../patients/{patient_id}/pdts/{pdt_name}`` (unconfirmed).

        The keywords are those of `PageQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated. How the answer states its pages is not
            documented: any of the documented styles is read, and where none is stated the walk is a `PagingError`.
        """
        keywords = given(PageQuery, locals())
        return self._list(keywords)


class PdtPatients(Resource[Patient]):
    """The patients that have a profile: ``welkin.pdt(name)``. Unconfirmed, as `Pdts` are."""

    _listing = Path("pdts", "/{tenant}/{instance}/pdts/{pdt_name}/patients").pages(
        "list_patients", ANY_STYLE, PageQuery
    )

    def list_patients(  # keywords of PageQuery
        self,
        *,
        page: int = UNSET,
        size: int = UNSET,
        prefetch: int = UNSET,
        limit: int = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> Pager[Patient]:
        """List the patients: ``GET /{tenant}/{instance}/pdts/{pdt_name}/patients`` (unconfirmed).

        The keywords are those of `PageQuery`.

        Returns:
            A pager; see `Pdts.list` on its pages.
        """
        keywords = given(PageQuery, locals())
        return self._list(keywords)
