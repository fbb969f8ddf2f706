"""Events of the calendar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Unpack, overload

from welkin_async.models.calendar import CalendarEvent, EventParticipant, PsmEventSummary
from welkin_async.paging import SPRING, Pager
from welkin_async.request import Answer, Operation, Repeat, Shape
from welkin_async.resources._base import (
    CallOptions,
    CreateMixin,
    DeleteMixin,
    Key,
    ListMixin,
    SortedQuery,
    UpdateMixin,
    wire_names,
)

__all__ = ["EventKeyType", "EventQuery", "Events", "NewEvent"]

EventKeyType = Literal["EXTERNAL_ID"]
"""What an event is named by where it is not the id: its externalId (documented, not recorded)."""

_COLLECTION = "/{tenant}/{instance}/calendar/events"
_ONE = _COLLECTION + "/{event_id}"


class NewEvent(CallOptions, total=False):
    """The fields of an event that can be written; each is named in `CalendarEvent`.

    Start, end, host and participants are required, and the host is one of the participants. The ``local`` fields are
    read-only; another client was refused for sending them (400).
    """

    start_date_time: datetime
    end_date_time: datetime
    host_id: Key
    participants: Sequence[EventParticipant | Mapping[str, Any]]
    event_title: str | None
    event_description: str | None
    event_type: str
    event_status: str
    event_mode: str
    external_id: str
    additional_info: Mapping[str, Any]
    created_by: Key


class EventQuery(SortedQuery, total=False):
    """The query of a list of events, beside its period.

    Attributes:
        participant_ids: Users or patients who take part.
        event_type: Such as ``APPOINTMENT`` or ``ENCOUNTER``.
        include_cancelled: Whether cancelled events are listed too.
        include_encounter_info: Whether events of encounters say which (one table spells it includeEncountersInfo).
        exclude_assigned_to_encounter_events: Whether events that an encounter has are left out.
        viewer_timezone: The IANA zone of the ``local`` fields.
    """

    participant_ids: Sequence[Key]
    event_type: str
    include_cancelled: bool
    include_encounter_info: bool
    exclude_assigned_to_encounter_events: bool
    viewer_timezone: str


class Events(
    CreateMixin[CalendarEvent], UpdateMixin[CalendarEvent], DeleteMixin[CalendarEvent], ListMixin[CalendarEvent]
):
    """Events of the calendar: ``welkin.calendar.events``."""

    _record = CalendarEvent
    _list_operation = Operation("calendar_events.list", "GET", _COLLECTION, answer=Shape.OBJECT)
    _list_style = SPRING
    _list_query = wire_names(EventQuery, "from_", "to")
    _create_operation = Operation("calendar_events.create", "POST", _COLLECTION, repeat=Repeat.UNSAFE)
    _get_operation = Operation("calendar_events.get", "GET", _ONE)
    _replace_operation = Operation("calendar_events.replace", "PUT", _ONE)
    _update_operation = Operation("calendar_events.update", "PATCH", _ONE)
    _respond_operation = Operation(
        "calendar_events.respond", "PUT", _ONE + "/invitation-response", answer=Shape.NOTHING
    )
    _delete_operation = Operation("calendar_events.delete", "DELETE", _ONE, answer=Shape.NOTHING)
    _summary_operation = Operation(
        "calendar_events.psm_summary", "GET", "/{tenant}/{instance}/calendar/psm-event-summary", answer=Shape.OBJECT
    )

    def list(self, *, from_: datetime, to: datetime, **query: Unpack[EventQuery]) -> Pager[CalendarEvent]:
        """List events: ``GET /{tenant}/{instance}/calendar/events`` (recorded).

        Another client saw one event twice in a result; tell them apart by id where that matters.

        Args:
            from_: From this moment, an aware datetime.
            to: Up to this moment.
            query: See `EventQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        return self._list({**query, "from_": from_, "to": to})

    @overload
    async def create(
        self, record: CalendarEvent | Mapping[str, Any], /, **options: Unpack[CallOptions]
    ) -> CalendarEvent: ...
    @overload
    async def create(self, /, **fields: Unpack[NewEvent]) -> CalendarEvent: ...
    async def create(self, record: CalendarEvent | Mapping[str, Any] | None = None, /, **fields: Any) -> CalendarEvent:
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
        self, id: Key, record: CalendarEvent | Mapping[str, Any], /, **options: Unpack[CallOptions]
    ) -> CalendarEvent: ...
    @overload
    async def replace(self, id: Key, /, **fields: Unpack[NewEvent]) -> CalendarEvent: ...
    async def replace(
        self, id: Key, record: CalendarEvent | Mapping[str, Any] | None = None, /, **fields: Any
    ) -> CalendarEvent:
        """Replace an event as a whole: ``PUT .../calendar/events/{event_id}`` (documented, not recorded).

        Required fields are those of `create`; participants keep their ids. Arguments, answer and errors are otherwise
        those of `update`.
        """
        return await self._update(id, record, fields, operation=self._replace_operation)

    @overload
    async def update(
        self, id: Key, record: CalendarEvent | Mapping[str, Any], /, **options: Unpack[CallOptions]
    ) -> CalendarEvent: ...
    @overload
    async def update(self, id: Key, /, **fields: Unpack[NewEvent]) -> CalendarEvent: ...
    async def update(
        self, id: Key, record: CalendarEvent | Mapping[str, Any] | None = None, /, **fields: Any
    ) -> CalendarEvent:
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
