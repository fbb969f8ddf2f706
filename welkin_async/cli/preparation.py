"""From a row as it stands in the file to a record to be created, or the reason why not; all but its patient. Pure."""

from __future__ import annotations

from typing import NamedTuple

import attrs

from welkin_async.bulk import Status
from welkin_async.bulk.schema import Schema
from welkin_async.cli.mapping import FieldMapping
from welkin_async.cli.row_keys import RowKeys
from welkin_async.cli.rows import Problem, SourceRow
from welkin_async.codec import JSON

__all__ = ["Prepared", "Preparing"]


class Prepared(NamedTuple):
    """A row that only lacks its patient's id.

    Attributes:
        row: As it stands in the file.
        key: Its key, None where there are none.
        patient: The key of its patient.
        fields: What is to be sent.
        problem: Why it cannot be sent, or None.
    """

    row: SourceRow
    key: str | None
    patient: str
    fields: dict[str, JSON]
    problem: Problem | None


@attrs.frozen
class Preparing:
    """Maps, converts and checks rows, and gives them their keys.

    Attributes:
        mapping: From columns to fields.
        keys: Gives rows their keys.
        schema: What the CDT allows; None for no check.
    """

    mapping: FieldMapping
    keys: RowKeys
    schema: Schema | None = None

    def prepare(self, row: SourceRow) -> Prepared:
        """Make ready what can be.

        Args:
            row: A row of the file.
        """
        mapped = self.mapping.apply(row)
        if isinstance(mapped, Problem):
            return self._refused(row, mapped)
        key = self.keys.of(row, mapped.fields)
        if isinstance(key, Problem):
            return self._refused(row, key)
        if self.schema is not None and (wrong := self.schema.check(mapped.fields)):
            reason = "; ".join(each.text for each in wrong)
            return Prepared(row, key, "", {}, Problem(Status.REJECTED, reason))
        return Prepared(row, key, mapped.patient, mapped.fields, None)

    def _refused(self, row: SourceRow, problem: Problem) -> Prepared:
        key = self.keys.of(row)
        return Prepared(row, None if isinstance(key, Problem) else key, "", {}, problem)
