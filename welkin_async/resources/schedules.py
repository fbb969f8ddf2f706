"""Schedules: what users have to do, and when they work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Unpack

from welkin_async.models.calendar import Schedule
from welkin_async.request import Operation, Shape
from welkin_async.resources._base import CallOptions, Key, Resource

__all__ = ["Schedules"]

_CALENDAR = "/{tenant}/{instance}/calendar/"


class Schedules(Resource[Schedule]):
    """Schedules of users (the API calls them PSMs): ``welkin.calendar.schedules``. None of the lists is paged."""

    _record = Schedule
    _list_operation = Operation("schedules.list", "GET", _CALENDAR + "psm-schedules", answer=Shape.ARRAY)
    _available_operation = Operation(
        "schedules.list_available", "GET", _CALENDAR + "available-psm-schedules", answer=Shape.ARRAY
    )
    _full_operation = Operation("schedules.list_full", "GET", _CALENDAR + "full-psm-schedules", answer=Shape.ARRAY)

    async def list(
        self,
        *,
        psm_ids: Sequence[Key],
        from_: datetime,
        to: datetime,
        include_cancelled: bool | None = None,
        **options: Unpack[CallOptions],
    ) -> tuple[Schedule, ...]:
        """Read events and working hours: ``GET .../calendar/psm-schedules`` (recorded).

        Args:
            psm_ids: The users.
            from_: From this moment, an aware datetime.
            to: Up to this moment.
            include_cancelled: Whether cancelled events are included.
            options: See `CallOptions`.

        Returns:
            A schedule for each user, in the server's order.

        Raises:
            RequestError: see `errors`.
            InvalidInputError: a datetime is naive; nothing was sent.
        """
        return await self._read(self._list_operation, psm_ids, from_, to, include_cancelled, options)

    async def list_available(
        self,
        *,
        psm_ids: Sequence[Key],
        from_: datetime,
        to: datetime,
        include_cancelled: bool | None = None,
        **options: Unpack[CallOptions],
    ) -> tuple[Schedule, ...]:
        """Read when users are free: ``GET .../calendar/available-psm-schedules`` (documented).

        The documentation's examples show the URL of `list`; a published client uses this one. Arguments, answer and
        errors are those of `list`.
        """
        return await self._read(self._available_operation, psm_ids, from_, to, include_cancelled, options)

    async def list_full(
        self,
        *,
        psm_ids: Sequence[Key],
        from_: datetime,
        to: datetime,
        include_cancelled: bool | None = None,
        **options: Unpack[CallOptions],
    ) -> tuple[Schedule, ...]:
        """Read full schedules: ``GET .../calendar/full-psm-schedules`` (from a published client alone).

        Arguments, answer and errors are those of `list`.
        """
        return await self._read(self._full_operation, psm_ids, from_, to, include_cancelled, options)

    async def _read(
        self,
        operation: Operation,
        psm_ids: Sequence[Key],
        from_: datetime,
        to: datetime,
        include_cancelled: bool | None,
        options: CallOptions,
    ) -> tuple[Schedule, ...]:
        query = {"psmIds": psm_ids, "from": from_, "to": to, "includeCancelled": include_cancelled}
        return await self._many(operation, query=query, options=options)
