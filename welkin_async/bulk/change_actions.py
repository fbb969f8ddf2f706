"""Changing and deleting a CDT record: the rows, and what is sent for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import attrs

from welkin_async.bulk.cdt_action import CdtAction, Check
from welkin_async.bulk.outcomes import Status
from welkin_async.bulk.work import Kind
from welkin_async.codec import plain
from welkin_async.errors import InvalidInputError
from welkin_async.models.cdts import CdtRecord
from welkin_async.request import Answer, Request
from welkin_async.resources._base import Scope
from welkin_async.resources.cdts import Cdts

__all__ = ["CHANGED_TWICE", "CdtChange", "CdtRef", "DeleteCdt", "UpdateCdt", "change_content", "change_fields"]

CHANGED_TWICE: Final = "another row changes the same record; put what is to change of a record into one row"

_UPDATE = Kind(Status.UPDATED, Cdts._update_operation, CHANGED_TWICE)  # noqa: SLF001 - declared there once
_DELETE = Kind(Status.DELETED, Cdts._delete_operation)  # noqa: SLF001 - declared there once


@attrs.frozen(repr=False)
class CdtChange:
    """One CDT record to be changed.

    Attributes:
        patient_id: The id of the patient it belongs to.
        record_id: The record's id.
        fields: Exactly what is to change, by the customer's own names; None clears a field.
        key: What the caller knows the row by; comes back with its outcome.
    """

    patient_id: str | UUID
    record_id: str | UUID
    fields: Mapping[str, Any]
    key: str | None = None

    def __repr__(self) -> str:
        """Show the class: everything in it may identify a person."""
        return "<CdtChange>"


@attrs.frozen(repr=False)
class CdtRef:
    """One CDT record to be deleted.

    Attributes:
        patient_id: The id of the patient it belongs to.
        record_id: The record's id.
    """

    patient_id: str | UUID
    record_id: str | UUID

    def __repr__(self) -> str:
        """Show the class: the ids identify a person."""
        return "<CdtRef>"


def change_fields(row: CdtChange) -> Mapping[str, Any]:
    """Return the fields of a change.

    Raises:
        InvalidInputError: it is no `CdtChange`, or its fields are no mapping.
    """
    if not isinstance(row, CdtChange):
        raise InvalidInputError(f"a row is a CdtChange, not a {type(row).__name__}")
    if not isinstance(row.fields, Mapping):
        raise InvalidInputError(f"fields are a mapping, not a {type(row.fields).__name__}")
    return row.fields


def change_content(row: CdtChange) -> tuple[str | None, Any]:
    """Return which record a row changes, by which a journal knows a second change of it, and what it holds."""
    try:
        fields = change_fields(row)
    except InvalidInputError:
        return None, None
    held = {"patient": row.patient_id, "record": row.record_id, "key": row.key, "fields": fields}
    return _record_key(row), held


def _record_key(row: CdtChange | CdtRef) -> str:
    """Name a record in one way, however its ids are written."""
    return f"{row.patient_id}/{row.record_id}".lower()


class UpdateCdt(CdtAction):
    """Turns changes into requests, and compares what comes back.

    Args:
        scope: The session's scope.
        cdt: The CDT's name.
        check: What to do about fields the formation does not allow.
    """

    def __init__(self, scope: Scope, cdt: str, *, check: Check) -> None:
        super().__init__(scope, cdt, kind=_UPDATE, check=check)

    def request(self, row: CdtChange, /) -> Request:
        """Put the row's request together."""
        fields = change_fields(row)
        self._check(fields, partial=True)
        return self._unhurried_request(body=fields, patient_id=row.patient_id, record_id=row.record_id)

    def record(self, answer: Answer) -> CdtRecord:
        """Wrap what came back."""
        return CdtRecord.from_wire(answer.data, answer)

    def lost(self, row: CdtChange, record: CdtRecord) -> tuple[str, ...]:
        """Name the fields that the server dropped or changed otherwise."""
        return self.echo.lost(plain(row.fields), record.body)

    def content(self, row: CdtChange) -> tuple[str | None, bytes]:
        """Return which record a row changes, and what it holds, for a journal's digest."""
        key, held = change_content(row)
        return self._digested(key, held)


class DeleteCdt(CdtAction):
    """Turns references into requests.

    Args:
        scope: The session's scope.
        cdt: The CDT's name.
    """

    def __init__(self, scope: Scope, cdt: str) -> None:
        super().__init__(scope, cdt, kind=_DELETE, check="off")

    def request(self, row: CdtRef, /) -> Request:
        """Put the row's request together."""
        if not isinstance(row, CdtRef):
            raise InvalidInputError(f"a row is a CdtRef, not a {type(row).__name__}")
        return self._unhurried_request(patient_id=row.patient_id, record_id=row.record_id)

    def record(self, answer: Answer) -> None:
        """Return nothing: the record is gone."""

    def lost(self, row: CdtRef, record: Any) -> tuple[str, ...]:
        """Return no field: there is nothing to compare."""
        return ()

    def content(self, row: CdtRef) -> tuple[str | None, bytes]:
        """Return which record a row names, for a journal's digest."""
        try:
            return self._digested(_record_key(row), [row.patient_id, row.record_id])
        except AttributeError:
            return None, b""
