"""Keys: what lets a record be found again, minted once for each row, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

from welkin_async.bulk.echo import Echo
from welkin_async.bulk.outcomes import CdtRow
from welkin_async.bulk.reconcile import Found
from welkin_async.codec import plain
from welkin_async.errors import InvalidInputError
from welkin_async.models.cdts import CdtRecord
from welkin_async.resources._base import Scope
from welkin_async.resources.cdts import Cdts
from welkin_async.times import from_timestamp

__all__ = ["CdtKeys", "KeyField", "canonical", "file_key"]

KeyField = Literal["external_id", "external_guid"]
"""The system fields a caller can write, so the ones that can carry a key."""

_PAGE = 200
_HEAD_START = 900.0  # seconds before the first send: which of a record's dates the server compares is not documented


def file_key(target: str, digest: str, position: int) -> str:
    """Mint the key of a file's row: the same file imported into the same place has the same keys.

    Args:
        target: Base URL, tenant, instance and CDT.
        digest: SHA-256 of the file's bytes, in hex.
        position: The row's number.

    Returns:
        A UUID in text form, version 5.
    """
    return str(uuid5(NAMESPACE_URL, f"{target}#{digest}#{position}"))


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
        own = row.fields.get(self.field)
        if own is not None:
            return row.fields
        if row.key is None:
            raise InvalidInputError(f"a row needs a key: CdtRow(key=...), or {self.field} among its fields")
        return {**row.fields, self.field: self._value(row.key)}

    def group(self, row: CdtRow) -> str:
        """Return the patient whose records are listed to find a row."""
        return str(row.patient_id)

    def repeats(self, record: CdtRecord, kept: CdtRecord) -> bool:
        """Tell whether a record repeats another to the letter and was never edited."""
        return record.fields == kept.fields and record.updated_at == record.created_at

    def key(self, row: CdtRow) -> str:
        """Return what the record of a row carries in the key field."""
        own = row.fields.get(self.field)
        return str(own) if own is not None else self._value(row.key or "")

    def _value(self, key: str) -> str:
        return key if self.field == "external_id" else str(uuid5(NAMESPACE_URL, key))

    def key_of(self, record: CdtRecord) -> str | None:
        """Return what a record carries in the key field."""
        value = record.body.get(self.field)
        if value is None:
            return None
        return canonical(value) if self.field == "external_guid" else str(value)

    def found(self, row: CdtRow, record: CdtRecord) -> Found:
        """Compare a row with the record that carries its key."""
        equal = not self._echo().lost(plain(self.fields(row)), record.body)
        created = record.created_at
        return Found(record, equal, None if created is None else created.timestamp())

    async def listing(self, patient: str, since: float) -> Sequence[CdtRecord] | None:
        """List a patient's records created since shortly before a moment.

        Args:
            patient: The patient's id.
            since: Wall-clock seconds.

        Returns:
            The records, oldest first; None where their number is not what the last page states, because the list
            moved while it was walked.

        Raises:
            RequestError: a page could not be had.
        """
        cdts = Cdts(self._scope.within(patient_id=patient, cdt_name=self._cdt))
        pager = cdts.list(sort="created_at,asc", size=_PAGE, date_start=from_timestamp(since - _HEAD_START))
        records: dict[str, CdtRecord] = {}
        total = None
        async for page in pager.pages():
            total = page.total_elements
            records.update((record.id, record) for record in page.items)
        return list(records.values()) if total == len(records) else None

    async def copies(
        self, patient: str, reported: Mapping[str, str | None], since: float
    ) -> Sequence[CdtRecord] | None:
        """List a patient's records once more for the last sweep; see `listing`."""
        return await self.listing(patient, since)

    async def remove(self, patient: str, id: str) -> None:
        """Delete a record that repeats another."""
        await Cdts(self._scope.within(patient_id=patient, cdt_name=self._cdt)).delete(id)


def canonical(value: object) -> str:
    """Write a GUID as the server does; what is none is left as it is."""
    try:
        return str(UUID(str(value)))
    except ValueError:
        return str(value)
