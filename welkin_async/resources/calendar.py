"""Calendar: events, schedules of users, and their working hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Unpack, overload

from welkin_async.models.calendar import CalendarEvent, DayInfo, EventParticipant, PsmEventSummary, Schedule, WorkHours
from welkin_async.pagination.pager import SPRING, Pager
from welkin_async.resources._base.arguments import UNSET, Body, given, split_query
from welkin_async.resources._base.children import Child, Scoped
from welkin_async.resources._base.mixins import DeleteMixin, Resource
from welkin_async.resources._base.paths import Path
from welkin_async.resources._base.scope import CallOptions, Key, SortedQuery
from welkin_async.wire.request import Answer, Operation, Shape

_CALENDAR = "/{tenant}/{instance}/calendar"
_EVENTS = Path("calendar_events", f"{_CALENDAR}/events")
_EVENT = _EVENTS / "{event_id}"
_SUMMARY = Path("calendar_events", f"{_CALENDAR}/psm-event-summary")
_SCHEDULES = Path("schedules", f"{_CALENDAR}/psm-schedules")
_AVAILABLE = Path("schedules", f"{_CALENDAR}/available-psm-schedules")
_FULL = Path("schedules", f"{_CALENDAR}/full-psm-schedules")
_WORK_HOURS = Path("work_hours", f"{_CALENDAR}/work-hours")
EventKeyType = Literal["EXTERNAL_ID"]
"""What an event is named by where it is not the id: its externalId (documented, not recorded)."""


class NewEvent(CallOptions, total=False):
    """The fields of an event that can be written; each is named in `CalendarEvent`.

    Start, end, host and participants are required, and the host is one of the participants. The ``local`` fields are
    read-only; another client was refused for sending them (400).
    """

    start_date_time: datetime
    end_date_time: datetime
    host_id: Key
    participants: Sequence[Body[EventParticipant]]
    event_title: str | None
    event_description: str | None
    event_type: str
    event_status: str
    event_mode: str
    external_id: str
    additional_info: Mapping[str, Any]
    created_by: Key


class _EventFilters(SortedQuery, total=False):
    participant_ids: Sequence[Key]
    event_type: str
    include_cancelled: bool
    include_encounter_info: bool
    exclude_assigned_to_encounter_events: bool
    viewer_timezone: str


class EventQuery(_EventFilters):
    """The query of a list of events; its period must be given.

    Attributes:
        from_: From this moment, an aware datetime.
        to: Up to this moment.
        participant_ids: Users or patients who take part.
        event_type: Such as ``APPOINTMENT`` or ``ENCOUNTER``.
        include_cancelled: Whether cancelled events are listed too.
        include_encounter_info: Whether events of encounters say which (one table spells it includeEncountersInfo).
        exclude_assigned_to_encounter_events: Whether events that an encounter has are left out.
        viewer_timezone: The IANA zone of the ``local`` fields.
    """

    from_: datetime
    to: datetime


class Events(DeleteMixin[CalendarEvent]):
    """Events of the calendar: ``welkin.calendar.events``."""

    _listing = _EVENTS.pages("list", SPRING, EventQuery)
    _create_operation = _EVENTS.post("create")
    _get_operation = _EVENT.get("get")
    _replace_operation = _EVENT.put("replace")
    _update_operation = _EVENT.patch("update")
    _respond_operation = (_EVENT / "invitation-response").put("respond", Shape.NOTHING)
    _delete_operation = _EVENT.delete("delete")
    _summary_operation = _SUMMARY.get("psm_summary", Shape.OBJECT)

    def list(  # keywords of EventQuery
        self,
        *,
        from_: datetime,
        to: datetime,
        participant_ids: Sequence[Key] = UNSET,
        event_type: str = UNSET,
        include_cancelled: bool = UNSET,
        include_encounter_info: bool = UNSET,
        exclude_assigned_to_encounter_events: bool = UNSET,
        viewer_timezone: str = UNSET,
        sort: str = UNSET,
        page: int = UNSET,
        size: int = UNSET,
        prefetch: int = UNSET,
        limit: int = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> Pager[CalendarEvent]:
        """List events: ``GET /{tenant}/{instance}/calendar/events`` (recorded).

        Another client saw one event twice in a result; tell them apart by id where that matters.

        The keywords are those of `EventQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        keywords = given(EventQuery, locals())
        return self._list(keywords)

    @overload
    async def create(self, record: Body[CalendarEvent], /, **options: Unpack[CallOptions]) -> CalendarEvent: ...
    @overload
    async def create(self, /, **fields: Unpack[NewEvent]) -> CalendarEvent: ...
    async def create(self, record: Body[CalendarEvent] | None = None, /, **fields: Any) -> CalendarEvent:
        """Create an event: ``POST /{tenant}/{instance}/calendar/events`` (recorded, 201).

        Args:
            record: A record, or a mapping with the documented names; or
            fields: the fields of `NewEvent` as keywords.

        Returns:
            The event as the server answered; enumerations that were left out are null.

        Raises:
            OutcomeUnknownError: it may have been created; give each event an ``external_id`` and look it up by that.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._create(record, fields)

    async def get(
        self, key: Key, /, *, type: EventKeyType | None = None, **options: Unpack[CallOptions]
    ) -> CalendarEvent:
        """Read an event: ``GET /{tenant}/{instance}/calendar/events/{event_id}`` (recorded).

        Args:
            key: The id, or the key that ``type`` says.
            type: What the key is; the server takes it for an id where this is not given.
            options: See `CallOptions`.

        Raises:
            NotFoundError: there is no such event.
            RequestError: see `errors`.
        """
        return await self._one(self._get_operation, event_id=key, query={"type": type}, options=options)

    @overload
    async def replace(
        self, id: Key, record: Body[CalendarEvent], /, **options: Unpack[CallOptions]
    ) -> CalendarEvent: ...
    @overload
    async def replace(self, id: Key, /, **fields: Unpack[NewEvent]) -> CalendarEvent: ...
    async def replace(self, id: Key, record: Body[CalendarEvent] | None = None, /, **fields: Any) -> CalendarEvent:
        """Replace an event as a whole: ``PUT .../calendar/events/{event_id}`` (documented, not recorded).

        Required fields are those of `create`; participants keep their ids. Arguments, answer and errors are otherwise
        those of `update`.
        """
        return await self._update(id, record, fields, operation=self._replace_operation)

    @overload
    async def update(
        self, id: Key, record: Body[CalendarEvent], /, **options: Unpack[CallOptions]
    ) -> CalendarEvent: ...
    @overload
    async def update(self, id: Key, /, **fields: Unpack[NewEvent]) -> CalendarEvent: ...
    async def update(self, id: Key, record: Body[CalendarEvent] | None = None, /, **fields: Any) -> CalendarEvent:
        """Change an event: ``PATCH .../calendar/events/{event_id}`` (recorded).

        Args:
            id: The event's id.
            record: A record, or a mapping with the documented names; or
            fields: the fields of `NewEvent` as keywords. An explicit None is sent as null.

        Returns:
            The event as the server answered.

        Raises:
            NotFoundError: there is no such event.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._update(id, record, fields)

    async def respond(
        self, id: Key, /, *, participant_id: Key, participation_status: str, **options: Unpack[CallOptions]
    ) -> Answer:
        """Answer an invitation: ``PUT .../calendar/events/{event_id}/invitation-response`` (documented).

        Args:
            id: The event's id.
            participant_id: Who answers.
            participation_status: The answer; ``Yes`` in the documentation's example.
            options: See `CallOptions`.

        Returns:
            The answer; its body is not documented.

        Raises:
            NotFoundError: there is no such event.
            RequestError: see `errors`.
        """
        body = {"participantId": participant_id, "participationStatus": participation_status}
        return await self._scope.send(self._respond_operation, event_id=id, body=body, options=options)

    async def delete(self, id: Key, /, **options: Unpack[CallOptions]) -> Answer:
        """Delete an event: ``DELETE .../calendar/events/{event_id}`` (recorded, 204).

        Only future events are deleted (documented). A past, cancelled one answered 204 as well and stayed readable
        (recorded), so do not take the answer for proof.

        Args:
            id: The event's id.
            options: See `CallOptions`.

        Returns:
            The answer.

        Raises:
            NotFoundError: there is no such event.
            RequestError: see `errors`.
        """
        return await super().delete(id, **options)

    async def psm_summary(
        self, *, psm_ids: Key | Sequence[Key], from_: datetime, to: datetime, **options: Unpack[CallOptions]
    ) -> PsmEventSummary:
        """Count the events of users: ``GET /{tenant}/{instance}/calendar/psm-event-summary`` (documented).

        Args:
            psm_ids: A user, or several (``psmIds``; one table spells it psm-ids).
            from_: From this moment, an aware datetime.
            to: Up to this moment.
            options: See `CallOptions`.

        Returns:
            The counts. Hours and occupancy are texts with units, not numbers.

        Raises:
            RequestError: see `errors`.
            InvalidInputError: a datetime is naive; nothing was sent.
        """
        query = {"psmIds": psm_ids, "from": from_, "to": to}
        return await self._one_as(PsmEventSummary, self._summary_operation, query=query, options=options)


class _ScheduleFilters(CallOptions, total=False):
    include_cancelled: bool | None


class ScheduleQuery(_ScheduleFilters):
    """The query of a list of schedules; users and period must be given.

    Attributes:
        psm_ids: The users.
        from_: From this moment, an aware datetime.
        to: Up to this moment.
        include_cancelled: Whether cancelled events are included.
    """

    psm_ids: Sequence[Key]
    from_: datetime
    to: datetime


class Schedules(Resource[Schedule]):
    """Schedules of users (the API calls them PSMs): ``welkin.calendar.schedules``. None of the lists is paged."""

    _list_operation = _SCHEDULES.get("list", Shape.ARRAY)
    _available_operation = _AVAILABLE.get("list_available", Shape.ARRAY)
    _full_operation = _FULL.get("list_full", Shape.ARRAY)

    async def list(  # keywords of ScheduleQuery
        self,
        *,
        psm_ids: Sequence[Key],
        from_: datetime,
        to: datetime,
        include_cancelled: bool | None = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> tuple[Schedule, ...]:
        """Read events and working hours: ``GET .../calendar/psm-schedules`` (recorded).

        The keywords are those of `ScheduleQuery`.

        Returns:
            A schedule for each user, in the server's order.

        Raises:
            RequestError: see `errors`.
            InvalidInputError: a datetime is naive; nothing was sent.
        """
        keywords = given(ScheduleQuery, locals())
        return await self._read(self._list_operation, keywords)

    async def list_available(  # keywords of ScheduleQuery
        self,
        *,
        psm_ids: Sequence[Key],
        from_: datetime,
        to: datetime,
        include_cancelled: bool | None = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> tuple[Schedule, ...]:
        """Read when users are free: ``GET .../calendar/available-psm-schedules`` (documented).

        The documentation's examples show the URL of `list`; a published client uses this one. Arguments, answer and
        errors are those of `list`.
        """
        keywords = given(ScheduleQuery, locals())
        return await self._read(self._available_operation, keywords)

    async def list_full(  # keywords of ScheduleQuery
        self,
        *,
        psm_ids: Sequence[Key],
        from_: datetime,
        to: datetime,
        include_cancelled: bool | None = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> tuple[Schedule, ...]:
        """Read full schedules: ``GET .../calendar/full-psm-schedules`` (from a published client alone).

        Arguments, answer and errors are those of `list`.
        """
        keywords = given(ScheduleQuery, locals())
        return await self._read(self._full_operation, keywords)

    async def _read(self, operation: Operation, query: Mapping[str, Any]) -> tuple[Schedule, ...]:
        wire, options = split_query(query, ScheduleQuery)
        return await self._many(operation, query=wire, options=options)


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
    days_info: Sequence[Body[DayInfo]]
    created_by: Key
    updated_by: Key


class WorkHoursResource(Resource[WorkHours]):
    """Working hours of users: ``welkin.calendar.work_hours``."""

    _body_fields = NewWorkHours
    _list_operation = _WORK_HOURS.get("list", Shape.ARRAY)
    _create_operation = _WORK_HOURS.post("create", Shape.OBJECT)
    _update_operation = (_WORK_HOURS / "{work_hours_id}").put("update", Shape.OBJECT)

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


class Calendar(Scoped):
    """The calendar of the instance: ``welkin.calendar``."""

    events: Child[Events] = Child(Events)
    """Events: appointments, encounters, leave."""

    schedules: Child[Schedules] = Child(Schedules)
    """What users have to do, and when they work."""

    work_hours: Child[WorkHoursResource] = Child(WorkHoursResource)
    """Working hours of users."""
