"""Idempotency keys of CDT records: minted once for each row, before anything is sent, and how one is looked up."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

from welkin_async.bulk.keys.key_filter import KeyFilter
from welkin_async.bulk.keys.protocol import LongListingError, says_not_found
from welkin_async.bulk.rows import PreparedRow
from welkin_async.errors import InvalidInputError, NotFoundError, RequestError
from welkin_async.models.cdts import SYSTEM_FIELDS, WRITABLE_SYSTEM_FIELDS, CdtRecord
from welkin_async.resources._base.list_template import FirstPage, ListTemplate
from welkin_async.resources._base.mixins import Scope
from welkin_async.resources.cdts import LIST_CDTS, Cdts
from welkin_async.validation.canonical import Forms, canonical_forms
from welkin_async.validation.comparison import FieldComparison
from welkin_async.wire.codec import plain
from welkin_async.wire.dates import from_timestamp
from welkin_async.wire.exchange import Exchange
from welkin_async.wire.request import Answer

KeyField = Literal["external_id", "external_guid"]
"""The system fields a caller can write, so the ones that can carry a key."""

_SPACE = re.compile(r"[^\s/]+").fullmatch
_SIZES = (500, 1000)  # of pages: each listing asks for another size, by which its answer is known for its own
_NOT_ASKED_FOR = SYSTEM_FIELDS - WRITABLE_SYSTEM_FIELDS
_LONG = 2 * _SIZES[1]  # records of a patient beyond which keys are asked for, where that is honoured
_WALKS = 5  # until two are alike
_TEMPLATES = 8  # of listings that differ in since when records are listed, kept at once
_CONFIRM_PAUSES = (0.005, 0.015, 0.03)  # seconds for which other answers may confirm an empty page, before one is asked


class MintedKey(str):
    """A key that was minted from a row's position, so that no other row of the source can have it.

    Attributes:
        origin: What else its row's key was minted from by earlier versions, as text; empty for nothing.
    """

    __slots__ = ("origin",)

    origin: str

    @property
    def former(self) -> str | None:
        """The key that earlier versions minted for the row; None for none."""
        origin = getattr(self, "origin", "")
        return str(uuid5(NAMESPACE_URL, origin)) if origin else None


class EarlierKey(str):
    """A key that an earlier import gave to a row which its reject file hands on: the row may be there by now."""

    __slots__ = ()


def file_key(target: str, digest: str, position: int, former_target: str = "") -> MintedKey:
    """Mint the key of a file's row: the same file imported into the same place has the same keys.

    Args:
        target: Tenant, instance and CDT, by whatever address the server is reached.
        digest: SHA-256 of the file's bytes, in hex.
        position: The row's number.
        former_target: What earlier versions took for the target, which had the base URL in it; empty for nothing.

    Returns:
        A UUID in text form, version 5.
    """
    key = MintedKey(uuid5(NAMESPACE_URL, f"{target}#{digest}#{position}"))
    key.origin = f"{former_target}#{digest}#{position}" if former_target else ""
    return key


class CdtKeys:
    """CDT keys: gives rows their keys, and finds records by them.

    Args:
        scope: The session's scope.
        cdt: The CDT's name.
        field: Which field carries the key.
        comparison: Returns what compares what was sent with what is there, once the formation is known.
        confirm: Makes a harmless read over the connection of an exchange; None where nothing does.
        space: The key space, which stands before the keys that rows are given: ``space/key``; None for none.
        record: The class of the records.

    Attributes:
        filter: Finds records by asking for their keys; None where nothing does.
        single: Whether a patient has one record, which is found by its patient.

    Raises:
        InvalidInputError: the field cannot carry a key, or the key space is none.
    """

    sees_all = True
    single = False

    def __init__(
        self,
        scope: Scope,
        cdt: str,
        field: KeyField,
        comparison: Callable[[], FieldComparison],
        confirm: Callable[[Exchange], Awaitable[None]] | None = None,
        *,
        space: str | None = None,
        record: type[CdtRecord] = CdtRecord,
    ) -> None:
        if space is not None and (field != "external_id" or not _SPACE(space)):
            raise InvalidInputError("a key space is a name without a slash or white space, and goes with external_id")
        if field not in ("external_id", "external_guid"):
            raise InvalidInputError("key_field is external_id or external_guid, the system fields that can be written")
        self._scope = scope.unchecked()
        self._cdt = cdt
        self.field: str = field
        self._is_text = field == "external_id"
        self._comparison = comparison
        self._confirm = confirm
        self.space = space
        self.filter: KeyFilter | None = None
        if field == "external_id":
            self.filter = KeyFilter(self._carrying, self.key_of)
        self._proving = asyncio.Lock()
        self._record = record
        self._sizes = itertools.cycle(range(*_SIZES))
        self._templates: dict[tuple[float, bool], ListTemplate[CdtRecord]] = {}  # by since when, and whether projected

    def assign(self, key: str | None, fields: dict[str, Any]) -> str:
        """Put a row's key among its fields, unless it has one there, and return it as it is compared.

        Args:
            key: The key the row was given, or None.
            fields: Its fields; the key is added.

        Raises:
            InvalidInputError: it has neither.
        """
        own = fields.get(self.field)
        if own is None or _is_blank(own):
            if key is None or _is_blank(key):
                raise InvalidInputError(f"a row needs a key: CdtRow(key=...), or {self.field} among its fields")
            own = fields[self.field] = self._carried(key)
        return self._comparable(own)

    def _carried(self, key: str) -> str:
        """Return what a record carries for a key that its row was given."""
        if self.field != "external_id":
            return str(uuid5(NAMESPACE_URL, key))
        # Of a key that was minted the text alone, which is sent and compared the fastest.
        return str(key) if self.space is None else f"{self.space}/{key}"

    def former(self, prepared: PreparedRow) -> tuple[str, ...]:
        """Return under which other keys a row's record may be there: those it had before there was a key space.

        Earlier versions minted the keys of a file otherwise; see `MintedKey.former`.
        """
        key = prepared.row.key
        if type(key) is not MintedKey:
            spaced = self.space is not None and prepared.key == f"{self.space}/{key}".strip()
            # A key that begins as the space does is, as it was without one, another row's with it.
            spaced = spaced and not str(key).strip().startswith(f"{self.space}/")
            return (self._comparable(key),) if spaced else ()
        if not prepared.own_key and (former := key.former) is not None:
            plain_forms = (str(key),) if self.space is not None else ()
            return tuple(map(self._comparable, (*plain_forms, self._former_carried(former))))
        return ()

    def _former_carried(self, key: str) -> str:
        return key if self.field == "external_id" else str(uuid5(NAMESPACE_URL, key))

    def repeats(self, record: CdtRecord, kept: CdtRecord) -> bool:
        """Tell whether a record repeats another to the letter and was never edited."""
        return record.fields == kept.fields and record.updated_at == record.created_at

    def key_of(self, record: CdtRecord) -> str | None:
        """Return what a record carries in the key field."""
        body = record.__wire__().get("jsonBody")
        value = (body if type(body) is dict else record.body).get(self.field)
        if type(value) is str and self._is_text:  # as nearly always: without the call
            return value.strip()
        return None if value is None else self._comparable(value)

    def _comparable(self, value: object) -> str:
        """Write a key in the one form in which keys are compared: the server may trim text, and write GUIDs its way."""
        return str(value).strip() if self._is_text else canonical(value)

    def shows(self, record: CdtRecord, created: CdtRecord) -> bool:
        """Tell whether a record that was found is the one that was created: others may have its key, from before."""
        return record.id == created.id

    def changed_in(self, prepared: PreparedRow, record: CdtRecord) -> tuple[str, ...]:
        """Name the fields of a row that a record does not hold."""
        return self.changed_fields(plain(prepared.fields), record.body)

    def changed_fields(self, sent: Mapping[str, Any], body: Mapping[str, Any]) -> tuple[str, ...]:
        """Name the fields that the server dropped or changed; a key that it writes its own way is the same key."""
        changed = self._comparison().changed_fields(sent, body)
        if self.field in changed and body.get(self.field) is not None:
            same = self._comparable(sent[self.field]) == self._comparable(body[self.field])
            return tuple(name for name in changed if name != self.field or not same)
        return changed

    def sent(self, prepared: PreparedRow) -> Mapping[str, Any]:
        """Return what a row asks for, as plain JSON values by field; its key, by which it was found, left out."""
        return {name: value for name, value in plain(prepared.fields).items() if name != self.field}

    def held(self, record: CdtRecord) -> Mapping[str, Any]:
        """Return what a record holds of what can be asked for, as plain JSON values by field."""
        return {name: value for name, value in record.body.items() if name not in _NOT_ASKED_FOR}

    def stamps(self, record: CdtRecord) -> tuple[str | None, str | None, str | None]:
        """Return when a record was created and changed last, and by whom, as the server writes it."""
        body = record.body
        author = body.get("updated_by_name") or body.get("updated_by")
        return text_or_none(body.get("created_at")), text_or_none(body.get("updated_at")), text_or_none(author)

    def forms(self, field: str, value: Any) -> Forms:
        """Return the forms in which values of a field are compared."""
        return canonical_forms(self._comparison().equal_of(field), value)

    def listing_or_long(self, patient: str) -> Coroutine[Any, Any, Sequence[CdtRecord] | None]:
        """List a patient's records completely, unless there are thousands and they can be found by their keys.

        Args:
            patient: The patient's id.

        Raises:
            LongListingError: they can; the listing was broken off.
            RequestError: a page could not be had.
        """
        return self.listing(patient, 0.0, may_be_long=self.filter is not None and self.filter.bound != 0)

    async def _carrying(self, patient: str, keys: Sequence[str]) -> Sequence[CdtRecord] | None:
        """List the records of a patient that carry one of the keys, if the server honours that."""
        return await self.listing(patient, 0.0, keys=keys)

    async def listing(
        self,
        patient: str,
        since: float,
        *,
        keys: Sequence[str] = (),
        may_be_long: bool = False,
        projected: bool = False,
    ) -> Sequence[CdtRecord] | None:
        """List a patient's records completely.

        A walk is complete where it meets the total that its last page states, or shows the same records as the walk
        before: a total may count what is deleted. A total that falls from page to page says that something was deleted
        meanwhile, so that what came after it has moved up and may be on no page: then only another walk tells. An empty
        page names no patient, and so may be another request's
        answer: it is believed where it states the size that was asked for, which is another in each listing, or where a
        later answer on its connection confirms it, or over a new connection.

        Args:
            patient: The patient's id.
            since: Wall-clock seconds since which records were created, by the server's clock; 0 for all there are.
            keys: Keys that are asked for; none for all records.
            may_be_long: Whether it is broken off where it is long and records can be found by their keys.
            projected: Whether no field but the key is asked for.

        Returns:
            The records, oldest first; none where there can be no such patient, or the API says that there is none; None
            where no walk of five was complete.

        Raises:
            RequestError: a page could not be had.
            LongListingError: it is broken off.
        """
        before: dict[str, CdtRecord] | None = None
        scope = self._scope
        for _ in range(_WALKS):
            try:
                size = next(self._sizes)
                first = await self._template(scope, since, keys, projected=projected).first_page(patient, size)
                records, total = {record.id: record for record in first.items}, first.total
                is_own, exchange = _states(first.answer, size), first.exchange
                if first.following is not None:
                    total, is_own = await self._follow(first, records, patient, size, may_be_long=may_be_long)
            except InvalidInputError:
                return []  # no path can name it, so that nothing was ever sent for it
            except NotFoundError as error:
                if not says_not_found(error):
                    raise  # a gateway's 404, say, which is not about the patient
                records, total, is_own, exchange = {}, 0, False, None
            sure = records or is_own or scope is not self._scope or await self._is_confirmed(exchange)
            if sure and (total == len(records) or (before is not None and before.keys() == records.keys())):
                return list(records.values())
            before = records if sure else None
            if not records:
                scope = self._scope.over_new_connections()
        return None

    def _template(self, scope: Scope, since: float, keys: Sequence[str], *, projected: bool) -> ListTemplate[CdtRecord]:
        """Return what lists patients' records; all that is created since a moment is listed by one and the same."""
        kept = scope is self._scope and not keys
        if kept and (known := self._templates.get((since, projected))) is not None:
            return known
        query: dict[str, Any] = {"sort": "created_at,asc"}
        if projected:
            query["fields"] = [self.field]
        if keys:
            query["filters"] = {self.field: [*keys]}
        if since > 0.0:
            query["date_start"] = from_timestamp(since)
        template = ListTemplate(scope.within(cdt_name=self._cdt), self._record, LIST_CDTS, "patient_id", query)
        if kept:
            if len(self._templates) >= _TEMPLATES:
                self._templates.clear()
            self._templates[since, projected] = template
        return template

    async def _is_confirmed(self, exchange: Exchange | None) -> bool:
        """Tell whether an answer that names nothing is known to be the request's own."""
        if exchange is None or self._confirm is None:
            return False
        for pause in _CONFIRM_PAUSES:
            if exchange.confirmed or not exchange.pending:
                break
            await asyncio.sleep(pause)
        if exchange.pending:
            with contextlib.suppress(RequestError):
                await self._confirm(exchange)
        return exchange.confirmed

    async def _follow(
        self, first: FirstPage[CdtRecord], records: dict[str, CdtRecord], patient: str, size: int, *, may_be_long: bool
    ) -> tuple[int | None, bool]:
        """Walk the pages after the first, and add their records to those by id.

        Returns:
            The total that the last page states, None where one before it has stated more; and whether it states the
            size asked for.
        """
        total = first.total
        if may_be_long and total is not None and total > _LONG and await self._can_filter(patient, records.values()):
            raise LongListingError(-(-total // size))
        pages, answer, fell = first.following, first.answer, False
        while pages is not None:
            page = await anext(pages)
            records.update((record.id, record) for record in page.items)
            fell = fell or (page.total_elements or 0) < (total or 0)
            total, answer = page.total_elements, page.answer
            if page.last:
                pages = None
        return None if fell else total, _states(answer, size)

    async def _can_filter(self, patient: str, records: Iterable[CdtRecord]) -> bool:
        """Tell whether records can be found by their keys; found out with the first long listing that shows keys."""
        if self.filter is None:
            return False
        async with self._proving:
            with contextlib.suppress(RequestError):
                return await self.filter.prove(patient, records)
        return False

    async def count_listings(self, patient: str) -> int:
        """Return how many requests a complete listing of a patient takes, as the total tells that a page states.

        Raises:
            RequestError: the page could not be had.
        """
        page = await self._records(self._scope, patient).list(size=1)
        return max(1, -(-(page.total_elements or 0) // _SIZES[0]))

    def _records(self, scope: Scope, patient: str) -> Cdts:
        return Cdts(scope.within(patient_id=patient, cdt_name=self._cdt), self._record)

    def copies(
        self, patient: str, reported: Mapping[str, str | None], since: float
    ) -> Coroutine[Any, Any, Sequence[CdtRecord] | None]:
        """List a patient's records once more for the final scan; see `listing`."""
        return self.listing(patient, since)

    def projected(self, patient: str, since: float) -> Coroutine[Any, Any, Sequence[CdtRecord] | None]:
        """List a patient's records, asking for no field but the key; see `listing`.

        A server may leave the key out of such a list, too: what it shows is to be held against what is known.
        """
        return self.listing(patient, since, projected=True)

    def authors(self, record: CdtRecord) -> tuple[str | None, str | None]:
        """Return by whom a record was changed last: the name and the id, each None where it does not say."""
        return text_or_none(record.body.get("updated_by_name")), text_or_none(record.body.get("updated_by"))

    def difference(self, prepared: PreparedRow, record: CdtRecord) -> dict[str, Any]:
        """Return what is to be sent so that a record holds what a row asks for; its key is no part of that."""
        asked = plain(prepared.fields)
        changed = self._comparison().changed_fields(asked, record.body)
        return {name: asked[name] for name in changed if name != self.field}

    async def read(self, patient: str, id: str) -> CdtRecord:
        """Read one record."""
        return await self._records(self._scope, patient).get(id)

    async def write(self, patient: str, id: str, fields: Mapping[str, Any], permit: Callable[[], bool]) -> CdtRecord:
        """Change fields of a record, in one attempt, and return it as the server answers."""
        return await self._records(self._scope.once(permit), patient).update(id, fields)

    async def remove(self, patient: str, id: str, permit: Callable[[], bool]) -> None:
        """Delete a record that was read right before, in one attempt."""
        await self._records(self._scope.once(permit), patient).delete(id)


def _states(answer: Answer, size: int) -> bool:
    """Tell whether a page states the size that was asked for."""
    page = answer.data.get("data") if isinstance(answer.data, dict) else None
    return isinstance(page, dict) and page.get("size") == size


def _is_blank(key: object) -> bool:
    """Tell whether a key is none: blank text, which the server may keep as no value at all."""
    return key is None or (isinstance(key, str) and not key.strip())


def text_or_none(value: object) -> str | None:
    """Return text, and None for anything else."""
    return value if isinstance(value, str) else None


def canonical(value: object) -> str:
    """Write a GUID as the server does; what is none is left as it is."""
    try:
        return str(UUID(str(value).strip()))
    except ValueError:
        return str(value).strip()
