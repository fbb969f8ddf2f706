"""Keys: what lets a record be found again, minted once for each row, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

from welkin_async.bulk.echo import Echo
from welkin_async.bulk.outcomes import CdtRow
from welkin_async.bulk.reconcile import Found
from welkin_async.codec import plain
from welkin_async.errors import InvalidInputError, NotFoundError
from welkin_async.models.cdts import CdtRecord
from welkin_async.resources._base import Scope
from welkin_async.resources.cdts import Cdts
from welkin_async.times import from_timestamp

__all__ = ["CdtKeys", "KeyField", "MintedKey", "canonical", "file_key"]

KeyField = Literal["external_id", "external_guid"]
"""The system fields a caller can write, so the ones that can carry a key."""

_PAGE = 200
_HEAD_START = 900.0  # seconds before the first send: which of a record's dates the server compares is not documented


class MintedKey(str):
    """A key that was minted from a row's position, so that no other row of the source can have it."""

    __slots__ = ()


def file_key(target: str, digest: str, position: int) -> MintedKey:
    """Mint the key of a file's row: the same file imported into the same place has the same keys.

    Args:
        target: Base URL, tenant, instance and CDT.
        digest: SHA-256 of the file's bytes, in hex.
        position: The row's number.

    Returns:
        A UUID in text form, version 5.
    """
    return MintedKey(uuid5(NAMESPACE_URL, f"{target}#{digest}#{position}"))


class CdtKeys:
    """Gives CDT rows their keys, and finds records by them.

    Args:
        scope: The session's scope.
        cdt: The CDT's name.
        field: Which field carries the key.
        echo: Returns what compares what was sent with what is there, once the formation is known.
    """

    def __init__(self, scope: Scope, cdt: str, field: KeyField, echo: Callable[[], Echo]) -> None:
        if field not in ("external_id", "external_guid"):
            raise InvalidInputError("key_field is external_id or external_guid, the system fields that can be written")
        self._scope = scope
        self._cdt = cdt
        self.field: str = field
        self._echo = echo

    def fields(self, row: CdtRow) -> Mapping[str, Any]:
        """Return a row's fields with its key among them.

        Raises:
            InvalidInputError: the row has no key, or two that differ.
        """
        if self._own(row) is not None:
            return row.fields
        if _is_blank(row.key):
            raise InvalidInputError(f"a row needs a key: CdtRow(key=...), or {self.field} among its fields")
        return {**row.fields, self.field: self._value(row.key or "")}

    def _own(self, row: CdtRow) -> object:
        """Return the key that a row carries among its fields; None where it has none there."""
        own = row.fields.get(self.field)
        return None if own is None or _is_blank(own) else own

    def group(self, row: CdtRow) -> str:
        """Return the patient whose records are listed to find a row."""
        return str(row.patient_id)

    def repeats(self, record: CdtRecord, kept: CdtRecord) -> bool:
        """Tell whether a record repeats another to the letter and was never edited."""
        return record.fields == kept.fields and record.updated_at == record.created_at

    def key(self, row: Any) -> str:
        """Return what the record of a row carries in the key field; an empty text where the row has no key."""
        if not isinstance(row, CdtRow) or not isinstance(row.fields, Mapping):
            return ""
        own = self._own(row)
        if own is not None:
            return self._comparable(own)
        return "" if row.key is None or _is_blank(row.key) else self._comparable(self._value(row.key))

    def _value(self, key: str) -> str:
        # Of a key that was minted the text alone, which is sent and compared the fastest.
        return str(key) if self.field == "external_id" else str(uuid5(NAMESPACE_URL, key))

    def key_of(self, record: CdtRecord) -> str | None:
        """Return what a record carries in the key field."""
        value = record.body.get(self.field)
        return None if value is None else self._comparable(value)

    def _comparable(self, value: object) -> str:
        """Write a key in the one form in which keys are compared: the server may trim text, and write GUIDs its way."""
        return canonical(value) if self.field == "external_guid" else str(value).strip()

    def shows(self, record: CdtRecord, created: CdtRecord) -> bool:
        """Tell whether a record that was found is the one that was created: others may have its key, from before."""
        return record.id == created.id

    def found(self, row: CdtRow, record: CdtRecord) -> Found:
        """Compare a row with the record that carries its key."""
        equal = not self.lost(plain(self.fields(row)), record.body)
        created = record.created_at
        return Found(record, equal, None if created is None else created.timestamp())

    def lost(self, sent: Mapping[str, Any], body: Mapping[str, Any]) -> tuple[str, ...]:
        """Name the fields that the server dropped or changed; a key that it writes its own way is the same key."""
        lost = self._echo().lost(sent, body)
        if self.field in lost and body.get(self.field) is not None:
            same = self._comparable(sent[self.field]) == self._comparable(body[self.field])
            return tuple(name for name in lost if name != self.field or not same)
        return lost

    async def listing(self, patient: str, since: float) -> Sequence[CdtRecord] | None:
        """List a patient's records created since shortly before a moment.

        Args:
            patient: The patient's id.
            since: Wall-clock seconds; 0 for all there are.

        Returns:
            The records, oldest first; none where there can be no such patient, or the API says that there is none; None
            where their number is not what the last page states, because the list moved while it was walked.

        Raises:
            RequestError: a page could not be had.
        """
        records: dict[str, CdtRecord] = {}
        total = None
        try:
            cdts = Cdts(self._scope.within(patient_id=patient, cdt_name=self._cdt))
            pager = cdts.list(sort="created_at,asc", size=_PAGE)
            if since > 0.0:
                pager = cdts.list(sort="created_at,asc", size=_PAGE, date_start=from_timestamp(since - _HEAD_START))
            async for page in pager.pages():
                total = page.total_elements
                records.update((record.id, record) for record in page.items)
        except NotFoundError as error:
            if not error.error_codes:
                raise  # a gateway's 404, say, which is not about the patient
            return []
        except InvalidInputError:
            return []  # no path can name it, so that nothing was ever sent for it
        return list(records.values()) if total == len(records) else None

    async def copies(
        self, patient: str, reported: Mapping[str, str | None], since: float
    ) -> Sequence[CdtRecord] | None:
        """List a patient's records once more for the last sweep; see `listing`."""
        return await self.listing(patient, since)

    async def remove(self, patient: str, id: str) -> None:
        """Delete a record that repeats another."""
        await Cdts(self._scope.within(patient_id=patient, cdt_name=self._cdt)).delete(id)


def _is_blank(key: object) -> bool:
    """Tell whether a key is none: blank text, which the server may keep as no value at all."""
    return key is None or (isinstance(key, str) and not key.strip())


def canonical(value: object) -> str:
    """Write a GUID as the server does; what is none is left as it is."""
    try:
        return str(UUID(str(value).strip()))
    except ValueError:
        return str(value).strip()
