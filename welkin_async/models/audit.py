"""Audit events: data, security, webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from welkin_async.wire.records import Record, record, wire


@record
class DataAuditEvent(Record):
    """An action on data.

    Key set varies by event; SYSTEM events have no subjectUserId or subjectUsername. Only one event in 20 had
    eventId.

    Values seen, none of them closed sets:

    - eventEntity: CDT, PATIENT (the 2021 documentation), TASK (recorded).
    - eventSubtype (recorded, the 2021 documentation): CDT_CREATED, CDT_UPDATED, CDT_DELETED, TASK_CREATED,
      PATIENT_UPDATED.
    - subjectActor: API_CLIENT, PATIENT, CS_TOOL_CLIENT, USER, SYSTEM (recorded).
    - cdtRelation (recorded): COMMON, ENCOUNTER_DISPOSITION, PATIENT_INFO.

    Attributes:
        record: Object (the entity after the action).
        cdt: Formation, with includeFormation.
    """

    event_id: str | None = wire("eventId")
    event_entity: str | None = wire("eventEntity")
    subject_username: str | None = wire("subjectUsername")
    subject_user_id: str | None = wire("subjectUserId")
    subject_actor: str | None = wire("subjectActor")
    subject_full_name: str | None = wire("subjectFullName")
    patient_full_name: str | None = wire("patientFullName")
    patient_id: str | None = wire("patientId")
    instance: str | None = wire("instance")
    cdt_name: str | None = wire("cdtName")
    cdt_relation: str | None = wire("cdtRelation")
    event_subtype: str | None = wire("eventSubtype")
    sent_at: datetime | None = wire("sentAt")
    record: Mapping[str, Any] | None = wire("record")
    url: str | None = wire("url")
    cdt: Mapping[str, Any] | None = wire("cdt")


@record
class SecurityAuditEvent(Record):
    """An action on accounts and rights.

    Values seen, none of them closed sets:

    - eventSubtype (the 2021 documentation sample): USER_ACCESS_UPDATED.
    - actor: API_CLIENT, PATIENT, CS_TOOL_CLIENT, USER.
    """

    sent_at: datetime | None = wire("sentAt")
    subject_username: str | None = wire("subjectUsername")
    subject_user_id: str | None = wire("subjectUserId")
    subject_actor: str | None = wire("subjectActor")
    subject_full_name: str | None = wire("subjectFullName")
    object_username: str | None = wire("objectUsername")
    object_user_id: str | None = wire("objectUserId")
    object_actor: str | None = wire("objectActor")
    object_full_name: str | None = wire("objectFullName")
    event_subtype: str | None = wire("eventSubtype")
    record: Mapping[str, Any] | None = wire("record")


@record
class WebhookAuditEvent(Record):
    """A delivery of a webhook.

    statusCode and response are absent when no answer came. response may be a whole HTML page of another system:
    do not log it.

    Values seen, none of them closed sets:

    - status: SENT, DELIVERED, FAILED.
    - statusCode (recorded, names of HTTP statuses): OK, BAD_REQUEST, INTERNAL_SERVER_ERROR, BAD_GATEWAY,
      SERVICE_UNAVAILABLE.
    - eventEntity: CDT, ASSESSMENT (the 2021 documentation), CALENDAR (recorded), USER_APP_ACCESS (recorded).
    - eventSubtype: ASSESSMENT_COMPLETED (the 2021 documentation), CALENDAR_EVENT_CREATED,
      CALENDAR_EVENT_UPDATED, CDT_CREATED, CDT_UPDATED, USER_ACCESS_UPDATED.

    Attributes:
        record: Object {name, title, url, headers[{name,value}], queryParameters[{name,value}], payload{customFields[],
            predefinedFields[]}, active, enabled}.
    """

    id: str = wire("id", required=True)
    sent_at: datetime | None = wire("sentAt")
    event_entity: str | None = wire("eventEntity")
    instance: str | None = wire("instance")
    status: str | None = wire("status")
    status_code: str | None = wire("statusCode")
    response: str | None = wire("response")
    event_subtype: str | None = wire("eventSubtype")
    record: Mapping[str, Any] | None = wire("record")
    patient_id: str | None = wire("patientId")
