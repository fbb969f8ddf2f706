"""A patient's contacts."""

from __future__ import annotations

from welkin_async.wire.records import Record, record, wire


@record
class Contact(Record):
    """A contact of a patient.

    Unconfirmed: the fields are those of a copy of the vendor's collection. The 2026 documentation has firstName,
    lastName, relationship and isPrimary instead, which are then in ``extra``.

    Attributes:
        phone: String E.164.
        relation: Prose says relationship.
    """

    id: str | None = wire("id")
    patient_id: str | None = wire("patientId")
    name: str | None = wire("name")
    phone: str | None = wire("phone")
    email: str | None = wire("email")
    relation: str | None = wire("relation")
    active: bool | None = wire("active")
    phone_label: str | None = wire("phoneLabel")
    email_label: str | None = wire("emailLabel")
    secondary_phone_label: str | None = wire("secondaryPhoneLabel")
    phone_pdt_field_name: str | None = wire("phonePdtFieldName")
    secondary_phone_pdt_field_name: str | None = wire("secondaryPhonePdtFieldName")
    pdt_record_id: str | None = wire("pdtRecordId")
