"""Text messages of a patient, and of nobody known."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Unpack, overload

from welkin_async.models.messages import Sms
from welkin_async.paging import SPRING, Pager
from welkin_async.request import Operation, Repeat, Shape
from welkin_async.resources._base import (
    CallOptions,
    CreateMixin,
    DeleteMixin,
    GetMixin,
    Key,
    ListMixin,
    UpdateMixin,
    wire_names,
)
from welkin_async.resources._messages import MessageQuery, operations

__all__ = ["NewSms", "SmsMessages", "SmsQuery", "UnrecognizedSms"]

_OF_PATIENT = operations("sms", unrecognized=False)
_OF_NOBODY = operations("sms", unrecognized=True)


class NewSms(CallOptions, total=False):
    """The fields of a text message that can be written; each is named in `Sms`.

    Attributes:
        send_now: Whether it is sent at once; the answer says false once it is accepted.
        scheduled_at: When it is to be sent, an aware datetime.
        sender: With ``update`` only: of an inbound one, the patient it is to be assigned to.
        starred: With ``update`` only.
    """

    message: str
    receiver: Key
    sender: Key
    send_now: bool
    scheduled_at: datetime | None
    starred: bool


class SmsQuery(MessageQuery, total=False):
    """The query of a list of text messages.

    Attributes:
        phone: From or to this number, E.164.
    """

    phone: str


class _AnySms(GetMixin[Sms], UpdateMixin[Sms], DeleteMixin[Sms], ListMixin[Sms]):
    """What text messages of a patient and of nobody known share."""

    _record = Sms
    _list_style = SPRING
    _list_query = wire_names(SmsQuery)

    def list(self, **query: Unpack[SmsQuery]) -> Pager[Sms]:
        """List text messages: ``GET`` on the collection.

        Args:
            query: See `SmsQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        return self._list(query)

    @overload
    async def update(self, id: Key, record: Sms | Mapping[str, Any], /, **options: Unpack[CallOptions]) -> Sms: ...
    @overload
    async def update(self, id: Key, /, **fields: Unpack[NewSms]) -> Sms: ...
    async def update(self, id: Key, record: Sms | Mapping[str, Any] | None = None, /, **fields: Any) -> Sms:
        """Change a text message: ``PUT .../{message_id}`` (documented; its code sample calls post, a slip).

        ``starred`` can be changed always, ``sender`` of an inbound one, all of it while it is SCHEDULED.

        Args:
            id: The message's id.
            record: A record, or a mapping with the documented names; or
            fields: the fields of `NewSms` as keywords.

        Returns:
            The message as the server answered.

        Raises:
            NotFoundError: there is no such message (SMS_NOT_FOUND).
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._update(id, record, fields)


class SmsMessages(_AnySms, CreateMixin[Sms]):
    """A patient's text messages: ``welkin.patient(id).sms``, at ``.../patients/{patient_id}/sms[/{message_id}]``.

    Only an empty page and a 404 are recorded. One can be deleted while it is SCHEDULED or UNRECOGNISED.
    """

    _list_operation = _OF_PATIENT["list"]
    _get_operation = _OF_PATIENT["get"]
    _update_operation = _OF_PATIENT["update"]
    _delete_operation = _OF_PATIENT["delete"]
    _create_operation = Operation(
        "sms.send", "POST", _OF_PATIENT["list"].template, repeat=Repeat.UNSAFE, answer=Shape.OBJECT
    )

    @overload
    async def send(self, record: Sms | Mapping[str, Any], /, **options: Unpack[CallOptions]) -> Sms: ...
    @overload
    async def send(self, /, **fields: Unpack[NewSms]) -> Sms: ...
    async def send(self, record: Sms | Mapping[str, Any] | None = None, /, **fields: Any) -> Sms:
        """Send or schedule a text message: ``POST .../patients/{patient_id}/sms`` (documented; needs Twilio).

        Args:
            record: A record, or a mapping with the documented names; or
            fields: the fields of `NewSms` as keywords.

        Returns:
            The message as the server answered.

        Raises:
            OutcomeUnknownError: it may have been sent; it is never sent again by itself.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._create(record, fields)


class UnrecognizedSms(_AnySms):
    """Text messages of nobody known: ``welkin.unrecognized.sms`` (documented).

    They are at ``/{tenant}/{instance}/unrecognized-patients/sms[/{message_id}]``. ``update(id, sender=patient_id)``
    assigns one to a patient. The documentation of 2026 has another path, which nothing confirms.
    """

    _list_operation = _OF_NOBODY["list"]
    _get_operation = _OF_NOBODY["get"]
    _update_operation = _OF_NOBODY["update"]
    _delete_operation = _OF_NOBODY["delete"]
