"""The calendar: working hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Unpack, overload

from welkin_async.models.calendar import DayInfo, WorkHours
from welkin_async.request import Operation, Repeat, Shape
from welkin_async.resources._base import CallOptions, Key, Resource, Scope

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


_WIRE_NAMES = {
    "psm_id": "psmId",
    "start_date_time": "startDateTime",
    "end_date_time": "endDateTime",
    "days_info": "daysInfo",
    "created_by": "createdBy",
    "updated_by": "updatedBy",
}


class WorkHoursResource(Resource[WorkHours]):
    """Working hours of users: ``welkin.calendar.work_hours``."""

    _record = WorkHours
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
        body, options = _work_hours_body(record, fields)
        return await self._one(self._create_operation, body=body, options=options)

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
        body, options = _work_hours_body(record, fields)
        return await self._one(self._update_operation, work_hours_id=id, body=body, options=options)


def _work_hours_body(
    record: Mapping[str, Any] | None, fields: Mapping[str, Any]
) -> tuple[Mapping[str, Any], dict[str, Any]]:
    options = {name: fields[name] for name in CallOptions.__annotations__ if name in fields}
    own = {name: value for name, value in fields.items() if name not in options}
    if record is None:
        unknown = own.keys() - _WIRE_NAMES.keys()
        if unknown:
            raise TypeError(f"unexpected keyword argument {min(unknown)!r}; one of {', '.join(sorted(_WIRE_NAMES))}")
        return {_WIRE_NAMES[name]: value for name, value in own.items()}, options
    if own:
        raise TypeError("give a mapping, or keyword fields, not both")
    return record, options


class Calendar:
    """The calendar of the instance: ``welkin.calendar``.

    Attributes:
        work_hours: Working hours of users.
    """

    def __init__(self, scope: Scope) -> None:
        self.work_hours = WorkHoursResource(scope)
