"""Chat, emails and text messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from welkin_async.models.pages import TokenMeta
from welkin_async.record import Record, record, wire

__all__ = ["ChatMessage", "ChatParty", "ChatSearchHit", "Email", "Sms"]


@record
class ChatParty(Record):
    """Who sent or received a chat message.

    Values seen, none of them closed sets:

    - clientType: PATIENT, USER.

    Attributes:
        client_type: ``clientType``.
        id: ``id``.
        title_name: ``titleName``; first and last name, users only.
        patient_full_name: ``patientFullName``; filled only in the answer to a send (recorded).
    """

    client_type: str | None = wire("clientType")
    id: str = wire("id", required=True)
    title_name: str | None = wire("titleName")
    patient_full_name: str | None = wire("patientFullName")


@record
class ChatMessage(Record):
    """A chat message.

    No id field: externalId (provider id, IM + 32 hex) is the key. receiver only in search results.

    Attributes:
        sender: ``sender``.
        message: ``message``.
        external_id: ``externalId``.
        created_at: ``createdAt``.
        receiver: ``receiver``.
    """

    sender: ChatParty | None = wire("sender")
    message: str | None = wire("message")
    external_id: str | None = wire("externalId")
    created_at: datetime | None = wire("createdAt")
    receiver: ChatParty | None = wire("receiver")


@record
class ChatSearchHit(Record):
    """A chat message found by a search, with the place to read on from.

    Attributes:
        meta: ``meta``; its tokens lead to the message's place in the chat: for `Chat.list`, not for a search.
        message: ``message``.
    """

    meta: TokenMeta | None = wire("meta")
    message: ChatMessage | None = wire("message")


@record
class Email(Record):
    """An email.

    No full record is recorded.

    Values seen, none of them closed sets:

    - direction: IN, OUT.
    - status: SCHEDULED, ACCEPTED, DELIVERED, REJECTED, FAILED, UNRECOGNISED.

    Attributes:
        id: ``id``.
        send_now: ``sendNow``.
        scheduled_at: ``scheduledAt``.
        sent_at: ``sentAt``.
        received_at: ``receivedAt``.
        date: ``date``.
        care_team: ``careTeam``.
        patient_info: ``patientInfo``.
        timezone: ``timezone``.
        sender: ``sender``.
        from_: ``from``; reserved word in Python.
        receiver: ``receiver``.
        to: ``to``.
        direction: ``direction``.
        external_id: ``externalId``.
        starred: ``starred``.
        sender_name: ``senderName``.
        receiver_name: ``receiverName``.
        subject: ``subject``.
        body: ``body``.
        secure: ``secure``.
        attachments: ``attachments``.
        status: ``status``.
    """

    id: str | None = wire("id")
    send_now: bool | None = wire("sendNow")
    scheduled_at: datetime | None = wire("scheduledAt")
    sent_at: datetime | None = wire("sentAt")
    received_at: datetime | None = wire("receivedAt")
    date: datetime | None = wire("date")
    care_team: str | None = wire("careTeam")
    patient_info: str | None = wire("patientInfo")
    timezone: str | None = wire("timezone")
    sender: str | None = wire("sender")
    from_: str | None = wire("from")
    receiver: str | None = wire("receiver")
    to: str | None = wire("to")
    direction: str | None = wire("direction")
    external_id: str | None = wire("externalId")
    starred: bool | None = wire("starred")
    sender_name: str | None = wire("senderName")
    receiver_name: str | None = wire("receiverName")
    subject: str | None = wire("subject")
    body: str | None = wire("body")
    secure: bool | None = wire("secure")
    attachments: tuple[Any, ...] | None = wire("attachments")
    status: str | None = wire("status")


@record
class Sms(Record):
    """A text message.

    No full record is recorded. The 2021 documentation spells the status UNRECOGNIZED in prose and UNRECOGNISED
    in the enumeration.

    Values seen, none of them closed sets:

    - direction: IN, OUT.
    - status: SCHEDULED, ACCEPTED, SENT, RECEIVED, DELIVERED, UNDELIVERED, FAILED, UNRECOGNISED.

    Attributes:
        id: ``id``.
        send_now: ``sendNow``.
        scheduled_at: ``scheduledAt``.
        sent_at: ``sentAt``.
        received_at: ``receivedAt``.
        date: ``date``.
        care_team: ``careTeam``.
        patient_info: ``patientInfo``.
        timezone: ``timezone``.
        sender: ``sender``.
        from_: ``from``; reserved word in Python.
        receiver: ``receiver``.
        to: ``to``.
        direction: ``direction``.
        external_id: ``externalId``.
        starred: ``starred``.
        sender_name: ``senderName``.
        receiver_name: ``receiverName``.
        message: ``message``.
        parts: ``parts``.
        status: ``status``.
    """

    id: str | None = wire("id")
    send_now: bool | None = wire("sendNow")
    scheduled_at: datetime | None = wire("scheduledAt")
    sent_at: datetime | None = wire("sentAt")
    received_at: datetime | None = wire("receivedAt")
    date: datetime | None = wire("date")
    care_team: str | None = wire("careTeam")
    patient_info: str | None = wire("patientInfo")
    timezone: str | None = wire("timezone")
    sender: str | None = wire("sender")
    from_: str | None = wire("from")
    receiver: str | None = wire("receiver")
    to: str | None = wire("to")
    direction: str | None = wire("direction")
    external_id: str | None = wire("externalId")
    starred: bool | None = wire("starred")
    sender_name: str | None = wire("senderName")
    receiver_name: str | None = wire("receiverName")
    message: str | None = wire("message")
    parts: int | None = wire("parts")
    status: str | None = wire("status")
