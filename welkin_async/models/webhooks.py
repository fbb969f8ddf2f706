"""Webhooks: what Welkin posts to an integrator."""

from __future__ import annotations

from welkin_async.wire.records import Record, record, wire


@record
class ChatWebhook(Record):
    """What is posted when a user writes to a patient.

    A POST to the integrator, with the headers X-WEBHOOK-API-KEY and X-WEBHOOK-API-SECRET. A tenant can choose the
    fields of its other webhooks: EVENT_ENTITY, EVENT_SUBTYPE, INSTANCE_NAME, PATIENT_ID, SOURCE_ID, SOURCE_NAME,
    TENANT_NAME and URL (recorded in the audit of webhooks), and custom ones.

    Attributes:
        patient_url: String (URL).
    """

    patient_id: str | None = wire("patientId")
    patient_url: str | None = wire("patientUrl")
    tenant_name: str | None = wire("tenantName")
    instance_name: str | None = wire("instanceName")
    message: str | None = wire("message")
