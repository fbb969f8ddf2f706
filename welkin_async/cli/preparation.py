"""From a row as it stands in the file to what is to be done, or the reason why not; all but its patient. Pure."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import attrs

from welkin_async.bulk import Status
from welkin_async.bulk.schema import Schema
from welkin_async.cli.mapping import Mapped
from welkin_async.cli.row_keys import Keying
from welkin_async.cli.rows import Problem, SourceRow
from welkin_async.codec import JSON

__all__ = ["Prepared", "Preparing", "RowMapping"]


class Prepared(NamedTuple):
    """A row that only lacks its patient's id.

    Attributes:
        row: As it stands in the file.
        key: Its key, None where there are none.
        patient: The key of its patient.
        fields: What is to be sent.
        problem: Why it cannot be sent, or None.
        made: Whether its key was made, and is none that the row carries.
    """

    row: SourceRow
    key: str | None
    patient: str
    fields: dict[str, JSON]
    problem: Problem | None
    made: bool = False


class RowMapping(Protocol):
    """Says what a row is about."""

    def apply(self, row: SourceRow, /) -> Mapped | Problem:
        """Return what a row is about, or why it cannot be sent."""
        ...


@attrs.frozen
class Preparing:
    """Maps, converts and checks rows, and gives them their keys.

    Attributes:
        mapping: From columns to fields.
        keys: Gives rows their keys.
        schema: What the fields may be; None for no check.
        partial: Whether fields change a record, so that one that is required may be left out.
    """

    mapping: RowMapping
    keys: Keying
    schema: Schema | None = None
    partial: bool = False

    def prepare(self, row: SourceRow) -> Prepared:
        """Make ready what can be.

        Args:
            row: A row of the file.
        """
        mapped = self.mapping.apply(row)
        if isinstance(mapped, Problem):
            return self._keyed(Prepared(row, None, "", {}, mapped))
        prepared = self._keyed(Prepared(row, None, mapped.patient, mapped.fields, None))
        if prepared.problem is not None:
            return prepared
        if self.schema is not None and (wrong := self.schema.check(mapped.fields, partial=self.partial)):
            reason = "; ".join(each.text for each in wrong)
            return prepared._replace(patient="", fields={}, problem=Problem(Status.REJECTED, reason))
        return prepared

    def _keyed(self, prepared: Prepared) -> Prepared:
        given = self.keys.given(prepared.row, prepared.fields)
        if isinstance(given, Problem):
            return prepared._replace(patient="", fields={}, problem=prepared.problem or given)
        if given is not None:
            return prepared._replace(key=given)
        return prepared._replace(key=self.keys.made(prepared.row), made=True)
