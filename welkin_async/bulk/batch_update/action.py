"""Group update: many CDT records of a patient changed in one request, and what its answer says of each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from welkin_async.bulk.actions.action import BulkOperation
from welkin_async.bulk.actions.base import CdtAction, checked_fields
from welkin_async.bulk.actions.change_cdt import CHANGED_TWICE, name_record
from welkin_async.bulk.batch_update.source import Group
from welkin_async.bulk.results import Outcome, Status
from welkin_async.bulk.rows import CdtChange, PreparedRow
from welkin_async.errors import InvalidInputError, RejectedError, RequestError, request_id_of
from welkin_async.models.cdts import CdtBulkRow
from welkin_async.models.formations import CdtFormation
from welkin_async.models.typed_cdts import TypedCdt, cdt_and_record
from welkin_async.resources._base.mixins import Scope
from welkin_async.resources.cdts import Cdts
from welkin_async.validation.refusals import Check
from welkin_async.validation.schema import FieldError
from welkin_async.wire.codec import plain
from welkin_async.wire.records import Record, answer_of, decode_error, records_of
from welkin_async.wire.request import Answer

_UPDATE = BulkOperation(Status.UPDATED, Cdts._bulk_update_operation, CHANGED_TWICE)  # noqa: SLF001 - declared there once
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}").fullmatch


class GroupUpdate(CdtAction):
    """Action that changes the records of a group of rows in one request, and takes the answer apart.

    Args:
        scope: The session's scope.
        cdt: The CDT's name, or its generated class.
        check: What to do about fields the formation does not allow, or does not mark for bulk edit.
        size: How many rows a group has at most.

    Attributes:
        size: How many rows a group has at most.
    """

    def __init__(self, scope: Scope, cdt: str | type[TypedCdt], *, check: Check, size: int = 1) -> None:
        super().__init__(scope, cdt_and_record(cdt)[0], _UPDATE, check=check)
        self.size = size
        self._marked: frozenset[str] = frozenset()

    def _learn(self, formation: CdtFormation) -> None:
        super()._learn(formation)
        self._marked = frozenset(str(field.name) for field in formation.fields or () if field.bulk_edit)

    def check(self, fields: Mapping[str, Any], /, *, partial: bool = True) -> list[FieldError]:
        """Return which fields may not be changed for many records at once, and why.

        Args:
            fields: What is to be sent.
            partial: Whether a required field may be left out.
        """
        if self._schema is None:
            return []
        errors = self._schema.check(fields, partial=partial)
        known = {error.field for error in errors}
        return errors + [
            FieldError(str(name), "a field marked for bulk edit", type(value).__name__)
            for name, value in fields.items()
            if name not in self._marked and name not in known
        ]

    def _fill(self, prepared: PreparedRow) -> None:
        row: CdtChange = prepared.row
        fields = checked_fields(row, CdtChange)
        name_record(prepared, row)
        prepared.fields = plain(fields)
        prepared.body = self._encode(prepared.fields)
        self._refusals.judge(self.check(fields))

    def prepare_group(self, group: Group) -> PreparedRow:
        """Put a group together as what one request sends.

        Args:
            group: Its rows.
        """
        prepared = PreparedRow(group[0].index, group)
        try:
            prepared.fields = {"rows": [{"id": _id(each), "jsonBody": each.fields} for each in group]}
            prepared.body = self._encode(prepared.fields)
            self._address(prepared, patient_id=group[0].row.patient_id)
        except InvalidInputError as error:
            prepared.refusal = error
        return prepared

    def read(self, prepared: PreparedRow, answer: Answer) -> tuple[Record, tuple[str, ...]]:
        """Wrap what came back; each row is compared by itself.

        Raises:
            DecodeError: it holds no rows.
        """
        _rows(answer)
        return Record.from_wire(answer.data, answer), ()

    def spread(self, outcome: Outcome[Group, Record]) -> list[Outcome[CdtChange, CdtBulkRow]]:
        """Return what became of each row of a group.

        Args:
            outcome: What became of its request.
        """
        if outcome.record is None:
            return [
                Outcome(member.index, member.row, outcome.status, None, outcome.error, outcome.attempts)
                for member in outcome.row
            ]
        answer = answer_of(outcome.record)
        rows = {str(row.__wire__().get("id")).lower(): row for row in _rows(answer)}
        return [self._outcome_of(member, rows.get(_id(member).lower()), answer) for member in outcome.row]

    def _outcome_of(
        self, member: PreparedRow, row: CdtBulkRow | None, answer: Answer
    ) -> Outcome[CdtChange, CdtBulkRow]:
        index, change, attempts = member.index, member.row, answer.attempts
        error: RequestError
        try:
            if row is None or row.result is None:
                raise decode_error("the answer does not say what became of the row", answer)
            status = row.result.get("status")
            altered = self.comparison.changed_fields(member.fields, row.body) if status == "OK" else ()
        except RequestError as failure:
            return Outcome(index, change, Status.UNKNOWN, None, failure, attempts)
        if status == "OK":
            return Outcome(index, change, Status.UPDATED, row, None, attempts, altered=altered)
        error = RejectedError(
            "the server did not change the row",
            request=answer.request,
            status=answer.status,
            error_codes=[status if isinstance(status, str) and _CODE(status) else "UNRECOGNISED"],
            attempts=attempts,
            request_id=request_id_of(answer.headers),
        )
        return Outcome(index, change, Status.REJECTED, None, error, attempts)


def _id(member: PreparedRow) -> str:
    return str(member.row.record_id)


def _rows(answer: Answer) -> tuple[CdtBulkRow, ...]:
    found = answer.data.get("rows")
    if not isinstance(found, list):
        raise decode_error("rows is not an array", answer)
    return records_of(CdtBulkRow, found, answer)
