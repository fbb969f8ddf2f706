"""Calendar events, schedules and working hours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time
from typing import Any

from welkin_async.models.metadata import Dated
from welkin_async.wire.records import Record, record, wire


@record
class EventParticipant(Record):
    """Who takes part in a calendar event.

    Values seen, none of them closed sets:

    - participantRole: psm, patient.
    - participationStatus (the 2021 documentation example): empty string, Yes.

    Attributes:
        participant_id: User id for psm, patient id for patient.
    """

    id: str = wire("id", required=True)
    participant_id: str | None = wire("participantId")
    participant_role: str | None = wire("participantRole")
    participation_status: str | None = wire("participationStatus")
    attended: bool | None = wire("attended")
    timezone: str | None = wire("timezone")
    first_name: str | None = wire("firstName")
    last_name: str | None = wire("lastName")
    deleted: bool | None = wire("deleted")
    has_access: bool | None = wire("hasAccess")
    email: str | None = wire("email")
    phone: str | None = wire("phone")
    gender: str | None = wire("gender")
    birth_date: datetime | None = wire("birthDate")
    enabled: bool | None = wire("enabled")


@record
class CalendarEvent(Record):
    """An event in the calendar.

    duration is in seconds. The ``local`` fields are read only.

    Values seen, none of them closed sets:

    - eventType: GROUP_THERAPY, APPOINTMENT, LEAVE, ENCOUNTER (a published client, recorded).
    - eventStatus: SCHEDULED, CANCELLED, COMPLETED, MISSED, Scheduled (recorded once in mixed case: compare
      case-insensitively).
    - eventMode: IN-PERSON, CALL, VIDEO.
    - eventColor (recorded): a colour word or #rrggbb.

    Attributes:
        duration: Integer (seconds).
        event_mode: Note the hyphen in IN-PERSON.
        timezone: IANA name.
        additional_info: Object (free form).
        encounter_info: Only for ENCOUNTER events when includeEncounterInfo is true.
    """

    id: str = wire("id", required=True)
    created_by: str | None = wire("createdBy")
    created_at: datetime | None = wire("createdAt")
    updated_by: str | None = wire("updatedBy")
    updated_at: datetime | None = wire("updatedAt")
    external_id: str | None = wire("externalId")
    external_id_updated_at: datetime | None = wire("externalIdUpdatedAt")
    event_title: str | None = wire("eventTitle")
    event_description: str | None = wire("eventDescription")
    start_date_time: datetime | None = wire("startDateTime")
    local_start_date_time: datetime | None = wire("localStartDateTime")
    end_date_time: datetime | None = wire("endDateTime")
    local_end_date_time: datetime | None = wire("localEndDateTime")
    all_day_event: bool | None = wire("allDayEvent")
    duration: int | None = wire("duration")
    event_type: str | None = wire("eventType")
    event_status: str | None = wire("eventStatus")
    event_mode: str | None = wire("eventMode")
    event_color: str | None = wire("eventColor")
    host_id: str | None = wire("hostId")
    timezone: str | None = wire("timezone")
    additional_info: Mapping[str, Any] | None = wire("additionalInfo")
    participants: tuple[EventParticipant, ...] | None = wire("participants")
    encounter_info: Mapping[str, Any] | None = wire("encounterInfo")


@record
class PsmEventSummary(Record):
    """Counts of events per user.

    Attributes:
        summary: Array of {psmId, totalCreatedEvents, totalOccurredEvents, totalFutureEvents,
            eventStatusCount{status:int}, totalWorkingHours string, totalEventHours string, occupancy string}.
    """

    start_date_time: datetime | None = wire("startDateTime")
    end_date_time: datetime | None = wire("endDateTime")
    summary: tuple[Mapping[str, Any], ...] | None = wire("summary")


@record
class DayInfo(Record):
    """Working hours of one weekday.

    Attributes:
        start_time: HH:MM:SS, null recorded for a day off.
        day: 1 Monday to 7 Sunday.
    """

    start_time: time | None = wire("startTime")
    end_time: time | None = wire("endTime")
    day: int | None = wire("day")
    days_info_id: str | None = wire("daysInfoId")


@record
class WorkHoursPeriod(Dated):
    """Working hours over a period.

    Values seen, none of them closed sets:

    - type (recorded): WORKING_HOURS, AVAILABILITY.
    - ruleType (recorded): DEFAULT, OVERRIDE.

    Attributes:
        end_date_time: Null or a far future date (2073) means open ended.
        encounters: Array of string (template names).
    """

    created_by: str | None = wire("createdBy")
    updated_by: str | None = wire("updatedBy")
    name: str | None = wire("name")
    type: str | None = wire("type")
    rule_type: str | None = wire("ruleType")
    start_date_time: datetime | None = wire("startDateTime")
    end_date_time: datetime | None = wire("endDateTime")
    local_start_date_time: datetime | None = wire("localStartDateTime")
    local_end_date_time: datetime | None = wire("localEndDateTime")
    days_info: tuple[DayInfo, ...] | None = wire("daysInfo")
    work_hours_id: str | None = wire("workHoursId")
    encounters: tuple[str, ...] | None = wire("encounters")


@record
class WorkHours(Record):
    """The working hours of one user.

    psmId is a user id.
    """

    psm_id: str | None = wire("psmId")
    details: tuple[WorkHoursPeriod, ...] | None = wire("details")


@record
class Schedule(Record):
    """A user's events and working hours over a period.

    Only empty lists are recorded.

    Attributes:
        events: Array of {id, eventId (deprecated twin of id), eventTitle, eventType, eventColor, allDayEvent,
            startDateTime, localStartDateTime, endDateTime, localEndDateTime}.
    """

    psm_id: str | None = wire("psmId")
    work_hours: tuple[WorkHoursPeriod, ...] | None = wire("workHours")
    events: tuple[Mapping[str, Any], ...] | None = wire("events")
