"""A patient's contacts. Unconfirmed: see `Contacts`."""

from __future__ import annotations

from typing import Any, Unpack, overload

from welkin_async.models.contacts import Contact
from welkin_async.pagination.pager import ANY_STYLE, Pager
from welkin_async.resources._base.arguments import UNSET, Body, given
from welkin_async.resources._base.mixins import GetMixin
from welkin_async.resources._base.paths import Path
from welkin_async.resources._base.scope import CallOptions, Key, PageQuery
from welkin_async.wire.request import Shape

_COLLECTION = Path("contacts", "/{tenant}/{instance}/patients/{patient_id}/contacts")
_ONE = _COLLECTION / "{contact_id}"


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


class Contacts(GetMixin[Contact]):
    """A patient's contacts: ``welkin.patient(id).contacts``.

    Unconfirmed: the release notes say that contacts exist, a copy of the vendor's collection shows their fields, and
    the paths of the reads are from the documentation of 2026 alone, which recordings contradict in other places. There
    is no delete; a contact is put out of use with ``active=False``.
    """

    _listing = _COLLECTION.pages("list", ANY_STYLE, PageQuery)
    _get_operation = _ONE.get("get", Shape.OBJECT)
    _create_operation = _COLLECTION.post("create", Shape.OBJECT)
    _update_operation = _ONE.patch("update", Shape.OBJECT)

    def list(  # keywords of PageQuery
        self,
        *,
        page: int = UNSET,
        size: int = UNSET,
        prefetch: int = UNSET,
        limit: int = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> Pager[Contact]:
        """List the patient's contacts: ``GET .../patients/{patient_id}/contacts`` (unconfirmed).

        The keywords are those of `PageQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated. How the answer states its pages is not
            documented: any of the documented styles is read, and where none is stated the walk is a `PagingError`;
            `Welkin.request` then gives the answer as it is.
        """
        keywords = given(PageQuery, locals())
        return self._list(keywords)

    @overload
    async def create(self, record: Body[Contact], /, **options: Unpack[CallOptions]) -> Contact: ...
    @overload
    async def create(self, /, **fields: Unpack[NewContact]) -> Contact: ...
    async def create(self, record: Body[Contact] | None = None, /, **fields: Any) -> Contact:
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
    async def update(self, id: Key, record: Body[Contact], /, **options: Unpack[CallOptions]) -> Contact: ...
    @overload
    async def update(self, id: Key, /, **fields: Unpack[NewContact]) -> Contact: ...
    async def update(self, id: Key, record: Body[Contact] | None = None, /, **fields: Any) -> Contact:
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
