"""A patient's contacts. Unconfirmed: see `Contacts`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack, overload

from welkin_async.models.contacts import Contact
from welkin_async.paging import ANY_STYLE, Pager
from welkin_async.request import Operation, Repeat, Shape
from welkin_async.resources._base import (
    CallOptions,
    CreateMixin,
    GetMixin,
    Key,
    ListMixin,
    PageQuery,
    UpdateMixin,
    wire_names,
)

__all__ = ["Contacts", "NewContact"]

_COLLECTION = "/{tenant}/{instance}/patients/{patient_id}/contacts"
_ONE = _COLLECTION + "/{contact_id}"


class NewContact(CallOptions, total=False):
    """The fields of a contact that can be written; each is named in `Contact`."""

    name: str
    phone: str | None
    email: str | None
    relation: str | None
    active: bool
    phone_label: str | None
    email_label: str | None
    secondary_phone_label: str | None
    phone_pdt_field_name: str | None
    secondary_phone_pdt_field_name: str | None
    pdt_record_id: Key | None


class Contacts(CreateMixin[Contact], GetMixin[Contact], UpdateMixin[Contact], ListMixin[Contact]):
    """A patient's contacts: ``welkin.patient(id).contacts``.

    Unconfirmed: the release notes say that contacts exist, a copy of the vendor's collection shows their fields, and
    the paths of the reads are from the documentation of 2026 alone, which recordings contradict in other places. There
    is no delete; a contact is put out of use with ``active=False``.
    """

    _record = Contact
    _list_operation = Operation("contacts.list", "GET", _COLLECTION, answer=Shape.OBJECT)
    _list_style = ANY_STYLE
    _list_query = wire_names(PageQuery)
    _get_operation = Operation("contacts.get", "GET", _ONE, answer=Shape.OBJECT)
    _create_operation = Operation("contacts.create", "POST", _COLLECTION, repeat=Repeat.UNSAFE, answer=Shape.OBJECT)
    _update_operation = Operation("contacts.update", "PATCH", _ONE, answer=Shape.OBJECT)

    def list(self, **query: Unpack[PageQuery]) -> Pager[Contact]:
        """List the patient's contacts: ``GET .../patients/{patient_id}/contacts`` (unconfirmed).

        Args:
            query: See `PageQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated. How the answer states its pages is not
            documented: any of the documented styles is read, and where none is stated the walk is a `PagingError`;
            `Welkin.request` then gives the answer as it is.
        """
        return self._list(query)

    @overload
    async def create(self, record: Contact | Mapping[str, Any], /, **options: Unpack[CallOptions]) -> Contact: ...
    @overload
    async def create(self, /, **fields: Unpack[NewContact]) -> Contact: ...
    async def create(self, record: Contact | Mapping[str, Any] | None = None, /, **fields: Any) -> Contact:
        """Create a contact: ``POST .../patients/{patient_id}/contacts`` (unconfirmed).

        The documentation of 2026 has firstName, lastName and relationship in place of name and relation: give a
        mapping to send those.

        Args:
            record: A record, or a mapping with the documented names; or
            fields: the fields of `NewContact` as keywords.

        Returns:
            The contact as the server answered.

        Raises:
            OutcomeUnknownError: it may have been created; list the contacts before repeating.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._create(record, fields)

    @overload
    async def update(
        self, id: Key, record: Contact | Mapping[str, Any], /, **options: Unpack[CallOptions]
    ) -> Contact: ...
    @overload
    async def update(self, id: Key, /, **fields: Unpack[NewContact]) -> Contact: ...
    async def update(self, id: Key, record: Contact | Mapping[str, Any] | None = None, /, **fields: Any) -> Contact:
        """Change a contact: ``PATCH .../patients/{patient_id}/contacts/{contact_id}`` (unconfirmed).

        Args:
            id: The contact's id.
            record: A record, or a mapping with the documented names; or
            fields: the fields of `NewContact` as keywords. An explicit None is sent as null.

        Returns:
            The contact as the server answered.

        Raises:
            NotFoundError: there is no such contact.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._update(id, record, fields)
