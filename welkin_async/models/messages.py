"""Chat, emails and text messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from welkin_async.models.pages import TokenMeta
from welkin_async.wire.records import Record, record, wire


@record
class ChatParty(Record):
    """Who sent or received a chat message.

    Values seen, none of them closed sets:

    - clientType: PATIENT, USER.

    Attributes:
        title_name: First and last name, users only.
        patient_full_name: Filled only in the answer to a send (recorded).
    """

    client_type: str | None = wire("clientType")
    id: str = wire("id", required=True)
    title_name: str | None = wire("titleName")
    patient_full_name: str | None = wire("patientFullName")


@record
class ChatMessage(Record):
    """A chat message.

    No id field: externalId (provider id, IM + 32 hex) is the key. receiver only in search results.
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
        meta: Its tokens lead to the message's place in the chat: for `Chat.list`, not for a search.
    """

    meta: TokenMeta | None = wire("meta")
    message: ChatMessage | None = wire("message")


@record
class Message(Record):
    """A message of any kind: who sent it, who gets it, and when."""

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
    status: str | None = wire("status")


@record
class Email(Message):
    """An email.

    No full record is recorded.

    Values seen, none of them closed sets:

    - direction: IN, OUT.
    - status: SCHEDULED, ACCEPTED, DELIVERED, REJECTED, FAILED, UNRECOGNISED.
    """

    subject: str | None = wire("subject")
    body: str | None = wire("body")
    secure: bool | None = wire("secure")
    attachments: tuple[Any, ...] | None = wire("attachments")


@record
class Sms(Message):
    """A text message.

    No full record is recorded. The 2021 documentation spells the status UNRECOGNIZED in prose and UNRECOGNISED
    in the enumeration.

    Values seen, none of them closed sets:

    - direction: IN, OUT.
    - status: SCHEDULED, ACCEPTED, SENT, RECEIVED, DELIVERED, UNDELIVERED, FAILED, UNRECOGNISED.
    """

    message: str | None = wire("message")
    parts: int | None = wire("parts")
