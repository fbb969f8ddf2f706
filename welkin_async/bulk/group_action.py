"""Changing many CDT records of a patient in one request, and what the answer says of each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from welkin_async.bulk.cdt_action import CdtAction, Check, checked_id
from welkin_async.bulk.change_actions import CHANGED_TWICE, CdtChange, change_content, change_fields
from welkin_async.bulk.group_source import Group, Member
from welkin_async.bulk.outcomes import Outcome, Status
from welkin_async.bulk.schema import Problem
from welkin_async.bulk.work import Kind
from welkin_async.codec import plain
from welkin_async.errors import RejectedError, RequestError
from welkin_async.models.cdts import CdtBulkRow
from welkin_async.models.formations import CdtFormation
from welkin_async.record import Record, answer_of, decode_error, records_of
from welkin_async.request import Answer, Request
from welkin_async.resources._base import Scope
from welkin_async.resources.cdts import Cdts

__all__ = ["GroupUpdate"]

_UPDATE = Kind(Status.UPDATED, Cdts._bulk_update_operation, CHANGED_TWICE)  # noqa: SLF001 - declared there once
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}").fullmatch


class GroupUpdate(CdtAction):
    """Turns groups of changes into requests, and takes the answers apart.

    Args:
        scope: The session's scope.
        cdt: The CDT's name.
        check: What to do about fields the formation does not allow, or does not mark for bulk edit.
    """

    def __init__(self, scope: Scope, cdt: str, *, check: Check) -> None:
        super().__init__(scope, cdt, kind=_UPDATE, check=check)
        self._marked: frozenset[str] = frozenset()

    def _learn(self, formation: CdtFormation) -> None:
        super()._learn(formation)
        self._marked = frozenset(str(field.name) for field in formation.fields or () if field.bulk_edit)

    def part(self, row: CdtChange) -> Mapping[str, Any]:
        """Return what is sent for one change.

        Raises:
            InvalidInputError: it cannot be sent.
        """
        fields = change_fields(row)
        id = checked_id("record_id", row.record_id)
        if self._schema is not None:
            problems = self._schema.check(fields, partial=True)
            known = {problem.field for problem in problems}
            problems += [
                Problem(str(name), "a field marked for bulk edit", type(value).__name__)
                for name, value in fields.items()
                if name not in self._marked and name not in known
            ]
            self._refusals.of(problems)
        return {"id": id, "jsonBody": plain(fields)}

    def request(self, group: Group, /) -> Request:
        """Put a group's request together."""
        body = {"rows": [member.body for member in group]}
        return self._unhurried_request(body=body, patient_id=group[0].row.patient_id)

    def record(self, answer: Answer) -> Record:
        """Wrap what came back.

        Raises:
            DecodeError: it holds no rows.
        """
        _rows(answer)
        return Record.from_wire(answer.data, answer)

    def lost(self, group: Group, record: Record) -> tuple[str, ...]:
        """Return no field: each row is compared by itself."""
        return ()

    def content(self, row: CdtChange) -> tuple[str | None, bytes]:
        """Return which record a row changes, and what it holds, for a journal's digest."""
        key, held = change_content(row)
        return self._digested(key, held)

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
        return [self._part_of(member, rows.get(member.body["id"].lower()), answer) for member in outcome.row]

    def _part_of(self, member: Member, row: CdtBulkRow | None, answer: Answer) -> Outcome[CdtChange, CdtBulkRow]:
        index, change, attempts = member.index, member.row, answer.attempts
        error: RequestError
        try:
            if row is None or row.result is None:
                raise decode_error("the answer does not say what became of the row", answer)
            status = row.result.get("status")
            altered = self.echo.lost(member.body["jsonBody"], row.body) if status == "OK" else ()
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
        )
        return Outcome(index, change, Status.REJECTED, None, error, attempts)


def _rows(answer: Answer) -> tuple[CdtBulkRow, ...]:
    found = answer.data.get("rows")
    if not isinstance(found, list):
        raise decode_error("rows is not an array", answer)
    return records_of(CdtBulkRow, found, answer)
