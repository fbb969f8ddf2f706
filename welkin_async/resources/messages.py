"""Messages: emails and text messages, each of a patient or of unrecognized senders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, Unpack, overload

from welkin_async.models.messages import Email, Sms
from welkin_async.pagination.pager import SPRING, Pager
from welkin_async.resources._base.arguments import UNSET, Body, given, split_body
from welkin_async.resources._base.mixins import DeleteMixin, GetMixin
from welkin_async.resources._base.paths import Path
from welkin_async.resources._base.scope import CallOptions, Key, SortedQuery
from welkin_async.wire.dates import format_datetime
from welkin_async.wire.records import Record
from welkin_async.wire.request import Shape

if TYPE_CHECKING:
    from welkin_async.http.multipart import FileSource

R = TypeVar("R", bound=Record)

_EMAILS = Path("emails", "/{tenant}/{instance}/patients/{patient_id}/emails")
_SMS = Path("sms", "/{tenant}/{instance}/patients/{patient_id}/sms")


class MessageQuery(SortedQuery, total=False):
    """The query of a list of messages.

    Attributes:
        search: Free text over what they say.
        sender: From this user or patient.
        receiver: To this user or patient.
        direction: ``IN`` or ``OUT``.
        starred: Whether they have a star.
        from_: From this address or number.
        to: To this address or number.
        sender_name: From someone of this name.
        receiver_name: To someone of this name.
        status: Only these, such as ``SCHEDULED`` or ``DELIVERED``.
    """

    search: str
    sender: Key
    receiver: Key
    direction: Literal["IN", "OUT"] | str
    starred: bool
    from_: str
    to: str
    sender_name: str
    receiver_name: str
    status: Sequence[str]


class _Messages(GetMixin[R], DeleteMixin[R]):
    """Messages of one kind, of a patient or of unrecognized senders: the four operations that all of them have.

    Args of a subclass:
        kind: ``emails`` or ``sms``, in the catalogue and in the path.
        unrecognized: Whether they are of unrecognized senders.
    """

    _list_query: ClassVar[type]

    def __init_subclass__(cls, kind: str | None = None, *, unrecognized: bool = False) -> None:
        super().__init_subclass__()
        if kind is None:
            return
        owner, suffix = ("unrecognized-patients", "_unrecognized") if unrecognized else ("patients/{patient_id}", "")
        collection = Path(kind, f"/{{tenant}}/{{instance}}/{owner}/{kind}")
        one = collection / "{message_id}"
        cls._listing = collection.pages(f"list{suffix}", SPRING, cls._list_query)
        cls._get_operation = one.get(f"get{suffix}", Shape.OBJECT)
        cls._update_operation = one.put(f"update{suffix}", Shape.OBJECT)
        cls._delete_operation = one.delete(f"delete{suffix}")


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


class Attachments(CallOptions, total=False):
    """What goes with an email.

    Attributes:
        attachments: Files to go with it, streamed from disk; the fields then travel as text parts.
    """

    attachments: Sequence[FileSource]


class EmailWithFiles(NewEmail, Attachments, total=False):
    """The fields of an email, and what goes with it."""


class EmailQuery(MessageQuery, total=False):
    """The query of a list of emails.

    Attributes:
        email: From or to this address.
    """

    email: str


class _AnyEmails(_Messages[Email]):
    """Emails of a patient or of unrecognized senders: what both kinds of list and change take."""

    _list_query = EmailQuery

    def list(  # keywords of EmailQuery
        self,
        *,
        email: str = UNSET,
        search: str = UNSET,
        sender: Key = UNSET,
        receiver: Key = UNSET,
        direction: Literal["IN", "OUT"] | str = UNSET,
        starred: bool = UNSET,
        from_: str = UNSET,
        to: str = UNSET,
        sender_name: str = UNSET,
        receiver_name: str = UNSET,
        status: Sequence[str] = UNSET,
        sort: str = UNSET,
        page: int = UNSET,
        size: int = UNSET,
        prefetch: int = UNSET,
        limit: int = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> Pager[Email]:
        """List emails: ``GET`` on the collection.

        The keywords are those of `EmailQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        keywords = given(EmailQuery, locals())
        return self._list(keywords)

    @overload
    async def update(self, id: Key, record: Body[Email], /, **options: Unpack[CallOptions]) -> Email: ...
    @overload
    async def update(self, id: Key, /, **fields: Unpack[NewEmail]) -> Email: ...
    async def update(self, id: Key, record: Body[Email] | None = None, /, **fields: Any) -> Email:
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


class Emails(_AnyEmails, kind="emails"):
    """A patient's emails: ``welkin.patient(id).emails``, at ``.../patients/{patient_id}/emails[/{message_id}]``.

    Only an empty page and a 404 are recorded. An email can be deleted while it is SCHEDULED or UNRECOGNISED.
    """

    _send_operation = _EMAILS.post("send", Shape.OBJECT)

    @overload
    async def send(self, record: Body[Email], /, **options: Unpack[Attachments]) -> Email: ...
    @overload
    async def send(self, /, **fields: Unpack[EmailWithFiles]) -> Email: ...
    async def send(self, record: Body[Email] | None = None, /, **fields: Any) -> Email:
        """Send or schedule an email: ``POST .../patients/{patient_id}/emails`` (documented).

        Args:
            record: A record, or a mapping with the documented names; or
            fields: the fields of `NewEmail` as keywords, beside both ``attachments``; see `Attachments`.

        Returns:
            The email as the server answered.

        Raises:
            OutcomeUnknownError: it may have been sent; it is never sent again by itself.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
            OSError: an attachment cannot be read.
        """
        attachments = fields.pop("attachments", ())
        body, options = split_body(Email, record, fields)
        if not attachments:
            return await self._one(self._send_operation, body=body, options=options)
        from welkin_async.http.multipart import Multipart
        from welkin_async.wire.codec import plain

        texts = {name: _text(value) for name, value in plain(body).items() if value is not None}
        multipart = await Multipart.build(attachments, "attachmentsAsFiles", texts)
        answer = await self._scope.transfer(self._send_operation, multipart, options=options)
        return Email.from_wire(answer.data, answer)


class UnrecognizedEmails(_AnyEmails, kind="emails", unrecognized=True):
    """Emails of unrecognized senders: ``welkin.unrecognized.emails`` (documented).

    They are at ``/{tenant}/{instance}/unrecognized-patients/emails[/{message_id}]``. ``update(id, sender=patient_id)``
    assigns one to a patient. The documentation of 2026 has another path, which nothing confirms.
    """


def _text(value: object) -> str:
    """Write a value as a form's text part."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return format_datetime(value) if isinstance(value, datetime) else str(value)


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


class _AnySms(_Messages[Sms]):
    """Text messages of a patient or of unrecognized senders: what both kinds of list and change take."""

    _list_query = SmsQuery

    def list(  # keywords of SmsQuery
        self,
        *,
        phone: str = UNSET,
        search: str = UNSET,
        sender: Key = UNSET,
        receiver: Key = UNSET,
        direction: Literal["IN", "OUT"] | str = UNSET,
        starred: bool = UNSET,
        from_: str = UNSET,
        to: str = UNSET,
        sender_name: str = UNSET,
        receiver_name: str = UNSET,
        status: Sequence[str] = UNSET,
        sort: str = UNSET,
        page: int = UNSET,
        size: int = UNSET,
        prefetch: int = UNSET,
        limit: int = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> Pager[Sms]:
        """List text messages: ``GET`` on the collection.

        The keywords are those of `SmsQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        keywords = given(SmsQuery, locals())
        return self._list(keywords)

    @overload
    async def update(self, id: Key, record: Body[Sms], /, **options: Unpack[CallOptions]) -> Sms: ...
    @overload
    async def update(self, id: Key, /, **fields: Unpack[NewSms]) -> Sms: ...
    async def update(self, id: Key, record: Body[Sms] | None = None, /, **fields: Any) -> Sms:
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


class SmsMessages(_AnySms, kind="sms"):
    """A patient's text messages: ``welkin.patient(id).sms``, at ``.../patients/{patient_id}/sms[/{message_id}]``.

    Only an empty page and a 404 are recorded. One can be deleted while it is SCHEDULED or UNRECOGNISED.
    """

    _create_operation = _SMS.post("send", Shape.OBJECT)

    @overload
    async def send(self, record: Body[Sms], /, **options: Unpack[CallOptions]) -> Sms: ...
    @overload
    async def send(self, /, **fields: Unpack[NewSms]) -> Sms: ...
    async def send(self, record: Body[Sms] | None = None, /, **fields: Any) -> Sms:
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


class UnrecognizedSms(_AnySms, kind="sms", unrecognized=True):
    """Text messages of unrecognized senders: ``welkin.unrecognized.sms`` (documented).

    They are at ``/{tenant}/{instance}/unrecognized-patients/sms[/{message_id}]``. ``update(id, sender=patient_id)``
    assigns one to a patient. The documentation of 2026 has another path, which nothing confirms.
    """
