"""The calendar: events, schedules and working hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Unpack, overload

from welkin_async.models.calendar import DayInfo, WorkHours
from welkin_async.request import Operation, Repeat, Shape
from welkin_async.resources._base import CallOptions, CreateMixin, Key, Scope, UpdateMixin, wire_names
from welkin_async.resources.events import Events
from welkin_async.resources.schedules import Schedules

__all__ = ["Calendar", "NewWorkHours", "WorkHoursResource"]

_COLLECTION = "/{tenant}/{instance}/calendar/work-hours"


class NewWorkHours(CallOptions, total=False):
    """Working hours over a period, as they are written: flat, although the answer nests the period.

    Attributes:
        psm_id: The id of the user they are of.
        start_date_time: When the period begins.
        end_date_time: When it ends.
        days_info: Hours by weekday, 1 for Monday to 7 for Sunday.
        created_by: Who created them; with ``create`` only.
        updated_by: Who changed them; with ``update`` only.
    """

    psm_id: Key
    start_date_time: datetime
    end_date_time: datetime
    days_info: Sequence[DayInfo | Mapping[str, Any]]
    created_by: Key
    updated_by: Key


class WorkHoursResource(CreateMixin[WorkHours], UpdateMixin[WorkHours]):
    """Working hours of users: ``welkin.calendar.work_hours``."""

    _record = WorkHours
    _body_names = wire_names(NewWorkHours)
    _list_operation = Operation("work_hours.list", "GET", _COLLECTION, answer=Shape.ARRAY)
    _create_operation = Operation("work_hours.create", "POST", _COLLECTION, repeat=Repeat.UNSAFE, answer=Shape.OBJECT)
    _update_operation = Operation("work_hours.update", "PUT", _COLLECTION + "/{work_hours_id}", answer=Shape.OBJECT)

    async def list(
        self,
        *,
        from_: datetime,
        to: datetime,
        psm_ids: Sequence[Key],
        viewer_timezone: str | None = None,
        psm_ids_name: Literal["psmIds", "psm-ids"] = "psmIds",
        **options: Unpack[CallOptions],
    ) -> tuple[WorkHours, ...]:
        """Read working hours: ``GET /{tenant}/{instance}/calendar/work-hours`` (recorded; not paged).

        Args:
            from_: From this moment, an aware datetime.
            to: Up to this moment.
            psm_ids: The users. Whether the server filters by them is unproven; users without hours are left out.
            viewer_timezone: The IANA zone of the ``local`` fields.
            psm_ids_name: The parameter's name: ``psmIds`` is recorded, ``psm-ids`` documented.
            options: See `CallOptions`.

        Returns:
            The hours of each user, in the server's order.

        Raises:
            RequestError: see `errors`.
            InvalidInputError: a datetime is naive; nothing was sent.
        """
        query = {"from": from_, "to": to, psm_ids_name: psm_ids, "viewerTimezone": viewer_timezone}
        return await self._many(self._list_operation, query=query, options=options)

    @overload
    async def create(self, record: Mapping[str, Any], /, **options: Unpack[CallOptions]) -> WorkHours: ...
    @overload
    async def create(self, /, **fields: Unpack[NewWorkHours]) -> WorkHours: ...
    async def create(self, record: Mapping[str, Any] | None = None, /, **fields: Any) -> WorkHours:
        """Create working hours: ``POST /{tenant}/{instance}/calendar/work-hours`` (documented).

        Args:
            record: A mapping with the documented names; or
            fields: the fields of `NewWorkHours` as keywords.

        Returns:
            The user's hours as the server answered.

        Raises:
            OutcomeUnknownError: they may have been created; list before repeating.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._create(record, fields)

    @overload
    async def update(self, id: Key, record: Mapping[str, Any], /, **options: Unpack[CallOptions]) -> WorkHours: ...
    @overload
    async def update(self, id: Key, /, **fields: Unpack[NewWorkHours]) -> WorkHours: ...
    async def update(self, id: Key, record: Mapping[str, Any] | None = None, /, **fields: Any) -> WorkHours:
        """Change working hours: ``PUT /{tenant}/{instance}/calendar/work-hours/{work_hours_id}`` (documented).

        Args:
            id: ``work_hours_id`` of the period.
            record: A mapping with the documented names; or
            fields: the fields of `NewWorkHours` as keywords, all the required ones.

        Returns:
            The hours as the server answered: the documentation shows the flat request echoed, so the period may stand
            in ``extra`` instead of ``details``.

        Raises:
            NotFoundError: there is no such period.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._update(id, record, fields)


class Calendar:
    """The calendar of the instance: ``welkin.calendar``.

    Attributes:
        events: Events: appointments, encounters, leave.
        schedules: What users have to do, and when they work.
        work_hours: Working hours of users.
    """

    def __init__(self, scope: Scope) -> None:
        self.events = Events(scope)
        self.schedules = Schedules(scope)
        self.work_hours = WorkHoursResource(scope)
