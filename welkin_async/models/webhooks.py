"""What Welkin posts to an integrator."""

from __future__ import annotations

from welkin_async.record import Record, record, wire

__all__ = ["ChatWebhook"]


@record
class ChatWebhook(Record):
    """What is posted when a user writes to a patient.

    Inbound POST to the integrator when a user writes to a patient. Headers X-WEBHOOK-API-KEY and X-WEBHOOK-API-
    SECRET. General webhooks let the tenant choose predefined fields EVENT_ENTITY, EVENT_SUBTYPE, INSTANCE_NAME,
    PATIENT_ID, SOURCE_ID, SOURCE_NAME, TENANT_NAME, URL (recorded in webhook audit) plus custom fields.

    Attributes:
        patient_id: ``patientId``.
        patient_url: ``patientUrl``; string (URL).
        tenant_name: ``tenantName``.
        instance_name: ``instanceName``.
        message: ``message``.
    """

    patient_id: str | None = wire("patientId")
    patient_url: str | None = wire("patientUrl")
    tenant_name: str | None = wire("tenantName")
    instance_name: str | None = wire("instanceName")
    message: str | None = wire("message")
