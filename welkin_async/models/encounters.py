"""Encounters with comments, assessments and disposition."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from welkin_async.models.calendar import CalendarEvent
from welkin_async.models.cdts import CdtRecord
from welkin_async.models.metadata import AuthoredById
from welkin_async.models.users import User
from welkin_async.wire.records import Record, record, wire


@record
class EncounterComment(AuthoredById):
    """A comment on an encounter."""

    id: str | None = wire("id")
    encounter_id: str | None = wire("encounterId")
    text: str | None = wire("text")


@record
class EncounterAssessmentLink(CdtRecord):
    """An assessment linked to an encounter.

    Values seen, none of them closed sets:

    - jsonBody.relation: ASSESSMENT.
    """

    from_template: bool | None = wire("fromTemplate", inside="jsonBody")
    assessment_title: str | None = wire("assessmentTitle", inside="jsonBody")
    relation: str | None = wire("relation", inside="jsonBody")
    assessment_name: str | None = wire("assessmentName", inside="jsonBody")
    assessment_record_id: str | None = wire("assessmentRecordId", inside="jsonBody")


@record
class EncounterDisposition(CdtRecord):
    """The disposition of an encounter; its fields are tenant-defined."""


@record
class Encounter(CdtRecord):
    """An encounter.

    Mixed naming inside jsonBody: snake_case system fields, camelCase encounter fields, and startDatetime (small
    t) beside the event key startDateTime.

    Values seen, none of them closed sets:

    - status (the 2021 documentation): DRAFT, OPEN, ACTIVE, FINALIZED.
    - status (a published client adds): CANCELLED.
    - status (recorded): DRAFT.

    Attributes:
        local_updated_at: ``jsonBody.local_updated_at``.
        type: The template name in recordings.
        calendar_event_id: Null in the 2021 documentation samples.
        calendar_event: Assumed null or absent without an event.
        local_created_at: ``jsonBody.local_created_at``.
        patient_info: Object {patientId, firstName, lastName}; only in the by-user list.
    """

    start_datetime: datetime | None = wire("startDatetime", inside="jsonBody")
    local_updated_at: datetime | None = wire("local_updated_at", inside="jsonBody")
    notes: str | None = wire("notes", inside="jsonBody")
    description: str | None = wire("description", inside="jsonBody")
    type: str | None = wire("type", inside="jsonBody")
    title: str | None = wire("title", inside="jsonBody")
    active_user_name: str | None = wire("activeUserName", inside="jsonBody")
    current_scheduled_appointment: CalendarEvent | None = wire("currentScheduledAppointment", inside="jsonBody")
    local_calendar_event_start_datetime: datetime | None = wire("localCalendarEventStartDatetime", inside="jsonBody")
    owner_user_name: str | None = wire("ownerUserName", inside="jsonBody")
    template_title: str | None = wire("templateTitle", inside="jsonBody")
    calendar_event_id: str | None = wire("calendarEventId", inside="jsonBody")
    active_user_id: str | None = wire("activeUserId", inside="jsonBody")
    calendar_event: CalendarEvent | None = wire("calendarEvent", inside="jsonBody")
    calendar_event_start_datetime: datetime | None = wire("calendarEventStartDatetime", inside="jsonBody")
    disposition_id: str | None = wire("dispositionId", inside="jsonBody")
    local_end_datetime: datetime | None = wire("localEndDatetime", inside="jsonBody")
    local_created_at: datetime | None = wire("local_created_at", inside="jsonBody")
    template_name: str | None = wire("templateName", inside="jsonBody")
    instruction: str | None = wire("instruction", inside="jsonBody")
    owner_user_id: str | None = wire("ownerUserId", inside="jsonBody")
    end_datetime: datetime | None = wire("endDatetime", inside="jsonBody")
    local_start_datetime: datetime | None = wire("localStartDatetime", inside="jsonBody")
    status: str | None = wire("status", inside="jsonBody")
    patient_info: Mapping[str, Any] | None = wire("patientInfo", inside="jsonBody")


@record
class FullEncounter(Record):
    """An encounter with all that belongs to it.

    Attributes:
        user_related_to_calendar_event: A User without applicationAccess, with locale.
    """

    encounter: Encounter | None = wire("encounter")
    disposition: EncounterDisposition | None = wire("disposition")
    calendar_event: CalendarEvent | None = wire("calendarEvent")
    user_related_to_calendar_event: User | None = wire("userRelatedToCalendarEvent")
    assessment_links: tuple[EncounterAssessmentLink, ...] | None = wire("assessmentLinks")
    comments: tuple[EncounterComment, ...] | None = wire("comments")
