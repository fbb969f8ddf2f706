"""Formations: how the instance defines its data types."""

from __future__ import annotations

from typing import Unpack

from welkin_async.models.formations import CdtFormation
from welkin_async.request import Operation, Shape
from welkin_async.resources._base import CallOptions, GetMixin, Scope

__all__ = ["CdtFormations", "Formations"]


class CdtFormations(GetMixin[CdtFormation]):
    """Definitions of CDTs, by name: ``welkin.formations().cdts`` (recorded)."""

    _record = CdtFormation
    _get_operation = Operation("formation_cdts.get", "GET", "/{tenant}/{instance}/formations/{version}/cdts/{cdt_name}")
    _list_operation = Operation(
        "formation_cdts.list", "GET", "/{tenant}/{instance}/formations/{version}/cdts", answer=Shape.ARRAY
    )

    async def list(self, **options: Unpack[CallOptions]) -> tuple[CdtFormation, ...]:
        """List the definitions: ``GET /{tenant}/{instance}/formations/{version}/cdts`` (recorded; not paged).

        Args:
            options: See `CallOptions`.

        Raises:
            RequestError: see `errors`.
        """
        return await self._many(self._list_operation, options=options)


class Formations:
    """One version of the instance's definitions: ``welkin.formations(version)``.

    Attributes:
        cdts: Custom data types.
    """

    def __init__(self, scope: Scope) -> None:
        self.cdts = CdtFormations(scope)
