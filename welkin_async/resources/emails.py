"""Emails of a patient, and of nobody known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Unpack, overload

from welkin_async.models.messages import Email
from welkin_async.paging import SPRING, Pager
from welkin_async.request import Operation, Repeat, Shape
from welkin_async.resources._base import (
    CallOptions,
    DeleteMixin,
    GetMixin,
    Key,
    ListMixin,
    UpdateMixin,
    split_body,
    wire_names,
)
from welkin_async.resources._messages import MessageQuery, operations
from welkin_async.times import format_datetime

if TYPE_CHECKING:
    from welkin_async.files import FileSource

__all__ = ["EmailQuery", "Emails", "NewEmail", "UnrecognizedEmails"]

_OF_PATIENT = operations("emails", unrecognized=False)
_OF_NOBODY = operations("emails", unrecognized=True)


class NewEmail(CallOptions, total=False):
    """The fields of an email that can be written; each is named in `Email`.

    Attributes:
        secure: Whether it goes through Paubox, else Mailgun.
        send_now: Whether it is sent at once; the answer says false once it is accepted.
        scheduled_at: When it is to be sent, an aware datetime.
        sender: Who sends it; of an inbound email, the patient it is to be assigned to.
        starred: With ``update`` only.
    """

    subject: str
    body: str
    receiver: Key
    sender: Key
    send_now: bool
    scheduled_at: datetime | None
    secure: bool
    starred: bool


class EmailQuery(MessageQuery, total=False):
    """The query of a list of emails.

    Attributes:
        email: From or to this address.
    """

    email: str


class _AnyEmails(GetMixin[Email], UpdateMixin[Email], DeleteMixin[Email], ListMixin[Email]):
    """What emails of a patient and of nobody known share."""

    _record = Email
    _list_style = SPRING
    _list_query = wire_names(EmailQuery)

    def list(self, **query: Unpack[EmailQuery]) -> Pager[Email]:
        """List emails: ``GET`` on the collection.

        Args:
            query: See `EmailQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        return self._list(query)

    @overload
    async def update(self, id: Key, record: Email | Mapping[str, Any], /, **options: Unpack[CallOptions]) -> Email: ...
    @overload
    async def update(self, id: Key, /, **fields: Unpack[NewEmail]) -> Email: ...
    async def update(self, id: Key, record: Email | Mapping[str, Any] | None = None, /, **fields: Any) -> Email:
        """Change an email: ``PUT .../{message_id}`` (documented; its code sample calls post, a slip).

        ``starred`` can be changed always, ``sender`` of an inbound one, all of it while it is SCHEDULED.

        Args:
            id: The email's id.
            record: A record, or a mapping with the documented names; or
            fields: the fields of `NewEmail` as keywords.

        Returns:
            The email as the server answered.

        Raises:
            NotFoundError: there is no such email (EMAIL_NOT_FOUND).
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._update(id, record, fields)


class Emails(_AnyEmails):
    """A patient's emails: ``welkin.patient(id).emails``, at ``.../patients/{patient_id}/emails[/{message_id}]``.

    Only an empty page and a 404 are recorded. An email can be deleted while it is SCHEDULED or UNRECOGNISED.
    """

    _list_operation = _OF_PATIENT["list"]
    _get_operation = _OF_PATIENT["get"]
    _update_operation = _OF_PATIENT["update"]
    _delete_operation = _OF_PATIENT["delete"]
    _send_operation = Operation(
        "emails.send", "POST", _OF_PATIENT["list"].template, repeat=Repeat.UNSAFE, answer=Shape.OBJECT
    )

    @overload
    async def send(
        self,
        record: Email | Mapping[str, Any],
        /,
        *,
        attachments: Sequence[FileSource] = (),
        **options: Unpack[CallOptions],
    ) -> Email: ...
    @overload
    async def send(self, /, *, attachments: Sequence[FileSource] = (), **fields: Unpack[NewEmail]) -> Email: ...
    async def send(
        self,
        record: Email | Mapping[str, Any] | None = None,
        /,
        *,
        attachments: Sequence[FileSource] = (),
        **fields: Any,
    ) -> Email:
        """Send or schedule an email: ``POST .../patients/{patient_id}/emails`` (documented).

        Args:
            record: A record, or a mapping with the documented names; or
            attachments: Files to go with it, streamed from disk; the fields then travel as text parts.
            fields: the fields of `NewEmail` as keywords.

        Returns:
            The email as the server answered.

        Raises:
            OutcomeUnknownError: it may have been sent; it is never sent again by itself.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
            OSError: an attachment cannot be read.
        """
        body, options = split_body(Email, record, fields)
        if not attachments:
            return await self._one(self._send_operation, body=body, options=options)
        from welkin_async.codec import plain
        from welkin_async.files import Multipart

        texts = {name: _text(value) for name, value in plain(body).items() if value is not None}
        multipart = await Multipart.of(attachments, "attachmentsAsFiles", texts)
        answer = await self._scope.transfer(self._send_operation, multipart, options=options)
        return Email.from_wire(answer.data, answer)


class UnrecognizedEmails(_AnyEmails):
    """Emails of nobody known: ``welkin.unrecognized.emails`` (documented).

    They are at ``/{tenant}/{instance}/unrecognized-patients/emails[/{message_id}]``. ``update(id, sender=patient_id)``
    assigns one to a patient. The documentation of 2026 has another path, which nothing confirms.
    """

    _list_operation = _OF_NOBODY["list"]
    _get_operation = _OF_NOBODY["get"]
    _update_operation = _OF_NOBODY["update"]
    _delete_operation = _OF_NOBODY["delete"]


def _text(value: object) -> str:
    """Write a value as a form's text part."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return format_datetime(value) if isinstance(value, datetime) else str(value)
