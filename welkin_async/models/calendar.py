"""Calendar events, schedules and working hours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time
from typing import Any

from welkin_async.record import Record, record, wire

__all__ = [
    "CalendarEvent",
    "DayInfo",
    "EventParticipant",
    "PsmEventSummary",
    "Schedule",
    "WorkHours",
    "WorkHoursPeriod",
]


@record
class EventParticipant(Record):
    """Who takes part in a calendar event.

    Values seen, none of them closed sets:

    - participantRole: psm, patient.
    - participationStatus (the 2021 documentation example): empty string, Yes.

    Attributes:
        id: ``id``.
        participant_id: ``participantId``; user id for psm, patient id for patient.
        participant_role: ``participantRole``.
        participation_status: ``participationStatus``.
        attended: ``attended``.
        timezone: ``timezone``.
        first_name: ``firstName``.
        last_name: ``lastName``.
        deleted: ``deleted``.
        has_access: ``hasAccess``.
        email: ``email``.
        phone: ``phone``.
        gender: ``gender``.
        birth_date: ``birthDate``.
        enabled: ``enabled``.
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

    duration is in seconds. local* fields are read only.

    Values seen, none of them closed sets:

    - eventType: GROUP_THERAPY, APPOINTMENT, LEAVE, ENCOUNTER (a published client, recorded).
    - eventStatus: SCHEDULED, CANCELLED, COMPLETED, MISSED, Scheduled (recorded once in mixed case: compare
      case-insensitively).
    - eventMode: IN-PERSON, CALL, VIDEO.
    - eventColor (recorded): a colour word or #rrggbb.

    Attributes:
        id: ``id``.
        created_by: ``createdBy``.
        created_at: ``createdAt``.
        updated_by: ``updatedBy``.
        updated_at: ``updatedAt``.
        external_id: ``externalId``.
        external_id_updated_at: ``externalIdUpdatedAt``.
        event_title: ``eventTitle``.
        event_description: ``eventDescription``.
        start_date_time: ``startDateTime``.
        local_start_date_time: ``localStartDateTime``.
        end_date_time: ``endDateTime``.
        local_end_date_time: ``localEndDateTime``.
        all_day_event: ``allDayEvent``.
        duration: ``duration``; integer (seconds).
        event_type: ``eventType``.
        event_status: ``eventStatus``.
        event_mode: ``eventMode``; note the hyphen in IN-PERSON.
        event_color: ``eventColor``.
        host_id: ``hostId``.
        timezone: ``timezone``; IANA name.
        additional_info: ``additionalInfo``; object (free form).
        participants: ``participants``.
        encounter_info: ``encounterInfo``; only for ENCOUNTER events when includeEncounterInfo is true.
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
        start_date_time: ``startDateTime``.
        end_date_time: ``endDateTime``.
        summary: ``summary``; array of {psmId, totalCreatedEvents, totalOccurredEvents, totalFutureEvents,
            eventStatusCount{status:int}, totalWorkingHours string, totalEventHours string, occupancy string}.
    """

    start_date_time: datetime | None = wire("startDateTime")
    end_date_time: datetime | None = wire("endDateTime")
    summary: tuple[Mapping[str, Any], ...] | None = wire("summary")


@record
class DayInfo(Record):
    """Working hours of one weekday.

    Attributes:
        start_time: ``startTime``; HH:MM:SS, null recorded for a day off.
        end_time: ``endTime``.
        day: ``day``; 1 Monday to 7 Sunday.
        days_info_id: ``daysInfoId``.
    """

    start_time: time | None = wire("startTime")
    end_time: time | None = wire("endTime")
    day: int | None = wire("day")
    days_info_id: str | None = wire("daysInfoId")


@record
class WorkHoursPeriod(Record):
    """Working hours over a period.

    Values seen, none of them closed sets:

    - type (recorded): WORKING_HOURS, AVAILABILITY.
    - ruleType (recorded): DEFAULT, OVERRIDE.

    Attributes:
        created_at: ``createdAt``.
        updated_at: ``updatedAt``.
        created_by: ``createdBy``.
        updated_by: ``updatedBy``.
        name: ``name``.
        type: ``type``.
        rule_type: ``ruleType``.
        start_date_time: ``startDateTime``.
        end_date_time: ``endDateTime``; null or a far future date (2073) means open ended.
        local_start_date_time: ``localStartDateTime``.
        local_end_date_time: ``localEndDateTime``.
        days_info: ``daysInfo``.
        work_hours_id: ``workHoursId``.
        encounters: ``encounters``; array of string (template names).
    """

    created_at: datetime | None = wire("createdAt")
    updated_at: datetime | None = wire("updatedAt")
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

    Attributes:
        psm_id: ``psmId``.
        details: ``details``.
    """

    psm_id: str | None = wire("psmId")
    details: tuple[WorkHoursPeriod, ...] | None = wire("details")


@record
class Schedule(Record):
    """A user's events and working hours over a period.

    Only empty lists are recorded.

    Attributes:
        psm_id: ``psmId``.
        work_hours: ``workHours``.
        events: ``events``; array of {id, eventId (deprecated twin of id), eventTitle, eventType, eventColor,
            allDayEvent, startDateTime, localStartDateTime, endDateTime, localEndDateTime}.
    """

    psm_id: str | None = wire("psmId")
    work_hours: tuple[WorkHoursPeriod, ...] | None = wire("workHours")
    events: tuple[Mapping[str, Any], ...] | None = wire("events")
