"""Payloads of webhooks: what Welkin posts, as records that keep what they do not know."""

from __future__ import annotations

from functools import cache
from typing import TypeVar

from welkin_async.models.webhooks import ChatWebhook
from welkin_async.webhooks.errors import WebhookPayloadError
from welkin_async.wire.codec import best_codec
from welkin_async.wire.records import Record, record, wire

MAX_PAYLOAD = 1 << 20
"""Bytes of the largest payload that is read: the documented ones have some hundreds."""

_R = TypeVar("_R", bound=Record)
_codec = cache(best_codec)  # an extra is imported when it is used, and not with this module


@record
class EventWebhook(Record):
    """What is posted when something was created or changed, such as a CDT record or a calendar event.

    Which fields a webhook has is chosen in the Designer: predefined ones, called EVENT_ENTITY, EVENT_SUBTYPE,
    INSTANCE_NAME, PATIENT_ID, SOURCE_ID, SOURCE_NAME, TENANT_NAME and URL there (recorded in the audit of webhooks),
    and custom ones; so every field may be None. No documentation says what they are called in the body: the names here
    are those that published receivers read. What comes under any other name is in ``extra``, and in `to_wire`.

    Attributes:
        event_entity: What it is about, such as ``CDT``, ``ASSESSMENT``, ``CALENDAR`` or ``USER_APP_ACCESS``.
        event_subtype: What happened, such as ``CDT_CREATED``, ``CDT_UPDATED`` or ``CALENDAR_EVENT_UPDATED``.
        patient_id: The patient's id; None for what belongs to none.
        source_id: The id of what was created or changed.
        source_name: Its kind, such as the CDT's name.
        url: Where it is read from the API.
        initiated_by: Who did it (since 2025.60, as the next five).
        initiated_time: When, as text: no source says in which form.
    """

    tenant_name: str | None = wire("tenantName")
    instance_name: str | None = wire("instanceName")
    event_entity: str | None = wire("eventEntity")
    event_subtype: str | None = wire("eventSubtype")
    patient_id: str | None = wire("patientId")
    source_id: str | None = wire("sourceId")
    source_name: str | None = wire("sourceName")
    url: str | None = wire("url")
    initiated_by: str | None = wire("initiatedBy")
    initiated_by_name: str | None = wire("initiatedByName")
    initiated_by_object_id: str | None = wire("initiatedByObjectId")
    initiated_by_object_type: str | None = wire("initiatedByObjectType")
    initiated_by_client_type: str | None = wire("initiatedByClientType")
    initiated_time: str | None = wire("initiatedTime")


def read_chat(body: bytes) -> ChatWebhook:
    """Read the body of a chat webhook, which is posted when a user writes to a patient (documented).

    Args:
        body: As it was received. Call `verify` first.

    Returns:
        The payload; a field is decoded when it is read.

    Raises:
        WebhookPayloadError: it is no JSON object, or larger than `MAX_PAYLOAD`.
    """
    return _read(ChatWebhook, body)


def read_event(body: bytes) -> EventWebhook:
    """Read the body of a webhook of an event.

    Args:
        body: As it was received. Call `verify` first.

    Returns:
        The payload; a field is decoded when it is read.

    Raises:
        WebhookPayloadError: it is no JSON object, or larger than `MAX_PAYLOAD`.
    """
    return _read(EventWebhook, body)


def _read(cls: type[_R], body: bytes) -> _R:
    if len(body) > MAX_PAYLOAD:
        raise WebhookPayloadError(f"the payload has more than {MAX_PAYLOAD} bytes")
    try:
        data = _codec().loads(body)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise WebhookPayloadError("the payload is no JSON object")
    return cls.from_wire(data)
