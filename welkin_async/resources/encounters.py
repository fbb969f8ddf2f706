"""Encounters of a patient, and of a user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack, overload

from welkin_async.models.calendar import CalendarEvent
from welkin_async.models.encounters import Encounter, FullEncounter
from welkin_async.paging import META_INFO, Pager
from welkin_async.request import Operation, Repeat, Shape
from welkin_async.resources._base import (
    CallOptions,
    CreateMixin,
    DeleteMixin,
    GetMixin,
    Key,
    ListMixin,
    SortedQuery,
    UpdateMixin,
    pager_of,
    wire_names,
)

__all__ = [
    "EncounterQuery",
    "EncounterStatus",
    "Encounters",
    "FullEncounterQuery",
    "NewEncounter",
    "UserEncounterQuery",
    "UserEncounters",
]

EncounterStatus = Literal["DRAFT", "OPEN", "ACTIVE", "FINALIZED", "CANCELLED"] | str

_PATIENT = "/{tenant}/{instance}/patients/{patient_id}"
_ONE = _PATIENT + "/encounters/{encounter_id}"
_USER = "/{tenant}/{instance}/users/{user_id}"


class NewEncounter(CallOptions, total=False):
    """The fields of an encounter that can be written.

    They are sent flat and in camelCase, and come back inside ``jsonBody``; each is named in `Encounter`.

    Attributes:
        title: ``title``.
        description: ``description``.
        template_name: ``templateName``; the template supplies the rest, such as the mode of the event.
        notes: ``notes``.
        status: ``status``; with ``update`` only, a new encounter is DRAFT.
        calendar_event_id: ``calendarEventId``; an event that exists already.
        current_scheduled_appointment: ``currentScheduledAppointment``; an event to be created with it: eventType
            ENCOUNTER, title, start, end, host and participants.
        location: ``location``; from the vendor's collection.
        responsible_party: ``responsibleParty``; SELF_PAY or INSURANCE, from the vendor's collection.
        visit_services: ``visitServices``; name, costs in cents and modifiers, from the vendor's collection.
    """

    title: str
    description: str | None
    template_name: str
    notes: str | None
    status: EncounterStatus
    calendar_event_id: Key | None
    current_scheduled_appointment: CalendarEvent | Mapping[str, Any]
    location: str
    responsible_party: str
    visit_services: Sequence[Mapping[str, Any]]


class EncounterQuery(SortedQuery, total=False):
    """The query of a list of a patient's encounters.

    Attributes:
        statuses: Only these.
    """

    statuses: Sequence[EncounterStatus]


class FullEncounterQuery(EncounterQuery, total=False):
    """The query of a list of full encounters.

    Attributes:
        only_with_calendar_event: Whether those without an event are left out.
    """

    only_with_calendar_event: bool


class UserEncounterQuery(EncounterQuery, total=False):
    """The query of a list of a user's encounters.

    Attributes:
        with_care_team: From a published client; recorded with false.
    """

    with_care_team: bool


class Encounters(
    CreateMixin[Encounter], GetMixin[Encounter], UpdateMixin[Encounter], DeleteMixin[Encounter], ListMixin[Encounter]
):
    """A patient's encounters: ``welkin.patient(id).encounters``.

    What belongs to one of them is at ``welkin.patient(id).encounter(encounter_id)``. An encounter that is gone answers
    with the code of a CDT record, DT_RECORD_NOT_FOUND (recorded).
    """

    _record = Encounter
    _body_names = wire_names(NewEncounter)
    _list_operation = Operation("encounters.list_for_patient", "GET", _PATIENT + "/encounters", answer=Shape.OBJECT)
    _list_style = META_INFO
    _list_query = wire_names(EncounterQuery)
    _list_full_operation = Operation(
        "encounters.list_full_for_patient", "GET", _PATIENT + "/full-encounters", answer=Shape.OBJECT
    )
    _create_operation = Operation("encounters.create", "POST", _PATIENT + "/encounters", repeat=Repeat.UNSAFE)
    _get_operation = Operation("encounters.get", "GET", _ONE)
    _get_full_operation = Operation(
        "encounters.get_full", "GET", _PATIENT + "/full-encounters/{encounter_id}", answer=Shape.OBJECT
    )
    _update_operation = Operation("encounters.update", "PATCH", _ONE)
    _delete_operation = Operation("encounters.delete", "DELETE", _ONE, answer=Shape.NOTHING)

    def list(self, **query: Unpack[EncounterQuery]) -> Pager[Encounter]:
        """List the patient's encounters: ``GET .../patients/{patient_id}/encounters`` (recorded).

        Args:
            query: See `EncounterQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        return self._list(query)

    def list_full(self, **query: Unpack[FullEncounterQuery]) -> Pager[FullEncounter]:
        """List encounters with all that belongs to them: ``GET .../{patient_id}/full-encounters`` (documented).

        Args:
            query: See `FullEncounterQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        return pager_of(
            self._scope, FullEncounter, self._list_full_operation, META_INFO, query, wire_names(FullEncounterQuery)
        )

    async def get_full(self, id: Key, /, **options: Unpack[CallOptions]) -> FullEncounter:
        """Read an encounter with all that belongs to it: ``GET .../full-encounters/{encounter_id}`` (recorded).

        Args:
            id: The encounter's id.
            options: See `CallOptions`.

        Returns:
            The encounter. It comes as a plain object (recorded); the documentation shows a page.

        Raises:
            NotFoundError: there is no such encounter.
            RequestError: see `errors`.
        """
        return await self._one_as(FullEncounter, self._get_full_operation, encounter_id=id, options=options)

    @overload
    async def create(self, record: Mapping[str, Any], /, **options: Unpack[CallOptions]) -> Encounter: ...
    @overload
    async def create(self, /, **fields: Unpack[NewEncounter]) -> Encounter: ...
    async def create(self, record: Mapping[str, Any] | None = None, /, **fields: Any) -> Encounter:
        """Create an encounter: ``POST .../patients/{patient_id}/encounters`` (recorded, 201).

        Args:
            record: A mapping with the documented names; or
            fields: the fields of `NewEncounter` as keywords.

        Returns:
            The encounter as the server answered, a DRAFT.

        Raises:
            OutcomeUnknownError: it may have been created; list the encounters before repeating.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._create(record, fields)

    @overload
    async def update(self, id: Key, record: Mapping[str, Any], /, **options: Unpack[CallOptions]) -> Encounter: ...
    @overload
    async def update(self, id: Key, /, **fields: Unpack[NewEncounter]) -> Encounter: ...
    async def update(self, id: Key, record: Mapping[str, Any] | None = None, /, **fields: Any) -> Encounter:
        """Change an encounter: ``PATCH .../patients/{patient_id}/encounters/{encounter_id}`` (recorded).

        Args:
            id: The encounter's id.
            record: A mapping with the documented names; or
            fields: the fields of `NewEncounter` as keywords. An explicit None is sent as null.

        Returns:
            The encounter as the server answered.

        Raises:
            NotFoundError: there is no such encounter.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._update(id, record, fields)


class UserEncounters(ListMixin[Encounter]):
    """Encounters of a user, in this instance: ``welkin.user(id).encounters``."""

    _record = Encounter
    _list_operation = Operation("encounters.list_for_user", "GET", _USER + "/encounters", answer=Shape.OBJECT)
    _list_style = META_INFO
    _list_query = wire_names(UserEncounterQuery)
    _list_full_operation = Operation(
        "encounters.list_full_for_user", "GET", _USER + "/full-encounters", answer=Shape.OBJECT
    )

    def list(self, **query: Unpack[UserEncounterQuery]) -> Pager[Encounter]:
        """List the user's encounters: ``GET /{tenant}/{instance}/users/{user_id}/encounters`` (recorded).

        These come with ``patient_info`` and without system fields, CDT name and version.

        Args:
            query: See `UserEncounterQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        return self._list(query)

    def list_full(self, **query: Unpack[FullEncounterQuery]) -> Pager[FullEncounter]:
        """List encounters with all that belongs to them: ``GET .../users/{user_id}/full-encounters`` (documented).

        Args:
            query: See `FullEncounterQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        return pager_of(
            self._scope, FullEncounter, self._list_full_operation, META_INFO, query, wire_names(FullEncounterQuery)
        )
