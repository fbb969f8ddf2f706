"""Bulk actions that change or delete a CDT record: what is sent for each row, and how its answer is read."""

from __future__ import annotations

from typing import Final

from welkin_async.bulk.actions.action import BulkOperation
from welkin_async.bulk.actions.base import CdtAction, checked_fields, checked_id
from welkin_async.bulk.results import Status
from welkin_async.bulk.rows import CdtChange, CdtRef, PreparedRow
from welkin_async.errors import InvalidInputError, NotFoundError
from welkin_async.http.identities import IDENTITIES
from welkin_async.models.cdts import CdtRecord
from welkin_async.models.typed_cdts import TypedCdt, cdt_and_record
from welkin_async.resources._base.mixins import Scope
from welkin_async.resources.cdts import Cdts
from welkin_async.validation.refusals import Check
from welkin_async.wire.codec import plain
from welkin_async.wire.request import Answer

CHANGED_TWICE: Final = "another row changes the same record; put what is to change of a record into one row"

_UPDATE = BulkOperation(Status.UPDATED, Cdts._update_operation, CHANGED_TWICE)  # noqa: SLF001 - declared there once
_DELETE = BulkOperation(Status.DELETED, Cdts._delete_operation)  # noqa: SLF001 - declared there once


def name_record(prepared: PreparedRow, row: CdtChange | CdtRef) -> None:
    """Give a row the key by which a journal knows a second one about the same record, however its ids are written.

    Raises:
        InvalidInputError: an id is none.
    """
    prepared.group, record = checked_id("patient_id", row.patient_id), checked_id("record_id", row.record_id)
    prepared.key, prepared.own_key = f"{prepared.group}/{record}".lower(), True


async def _read(action: CdtAction, row: CdtChange | CdtRef) -> CdtRecord | None:
    """Read the record of a row; None where the server says, in its own words, that this very record is not there.

    Raises:
        RequestError: it could not be read.
    """
    try:
        return await Cdts(action.lookup_scope.within(patient_id=row.patient_id, cdt_name=action.cdt)).get(row.record_id)
    except NotFoundError as error:
        if not IDENTITIES[_DELETE.operation.name].says_gone(error.errors):
            raise
    return None


class UpdateCdt(CdtAction):
    """Action that changes a record with each row, and compares what comes back.

    Args:
        scope: The session's scope.
        cdt: The CDT's name, or its generated class.
        check: What to do about fields the formation does not allow.
    """

    def __init__(self, scope: Scope, cdt: str | type[TypedCdt], *, check: Check) -> None:
        name, self._record = cdt_and_record(cdt)
        super().__init__(scope, name, _UPDATE, check=check)

    def _fill(self, prepared: PreparedRow) -> None:
        row: CdtChange = prepared.row
        prepared.fields = checked_fields(row, CdtChange)
        name_record(prepared, row)
        prepared.body = self._encode(prepared.fields)
        self._check(prepared.fields, partial=True)
        self._address(prepared, patient_id=row.patient_id, record_id=row.record_id)
        prepared.group = prepared.asked["patient_id"]

    async def look(self, prepared: PreparedRow) -> tuple[bool, CdtRecord | None]:
        """Read the record, and tell whether it holds what is to be changed; see `Action`."""
        record = await _read(self, prepared.row)
        return record is not None and not self.comparison.changed_fields(plain(prepared.fields), record.body), record

    def read(self, prepared: PreparedRow, answer: Answer) -> tuple[CdtRecord, tuple[str, ...]]:
        """Wrap what came back, and name the fields that the server dropped or changed otherwise."""
        record = self._record.from_wire(answer.data, answer)
        return record, self.comparison.changed_fields(plain(prepared.fields), record.body)


class DeleteCdt(CdtAction):
    """Action that deletes the record each row names.

    Args:
        scope: The session's scope.
        cdt: The CDT's name, or its generated class.
    """

    def __init__(self, scope: Scope, cdt: str | type[TypedCdt]) -> None:
        super().__init__(scope, cdt_and_record(cdt)[0], _DELETE, check="off")

    def _fill(self, prepared: PreparedRow) -> None:
        row: CdtRef = prepared.row
        if not isinstance(row, CdtRef):
            raise InvalidInputError(f"a row is a CdtRef, not a {type(row).__name__}")
        name_record(prepared, row)
        self._address(prepared, patient_id=row.patient_id, record_id=row.record_id)
        prepared.group = prepared.asked["patient_id"]

    async def look(self, prepared: PreparedRow) -> tuple[bool, None]:
        """Read the record, and tell whether it is gone; see `Action`."""
        return await _read(self, prepared.row) is None, None

    def read(self, prepared: PreparedRow, answer: Answer) -> tuple[None, tuple[str, ...]]:
        """Return nothing: the record is gone."""
        return None, ()
