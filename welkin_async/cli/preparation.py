"""From a row as it stands in the file to what is to be done, or the reason why not; all but its patient. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import attrs

from welkin_async.bulk import Status
from welkin_async.cli.mapping import Mapped
from welkin_async.cli.row_keys import Keying
from welkin_async.cli.rows import Problem, SourceRow
from welkin_async.codec import JSON

__all__ = ["Misfit", "Prepared", "Preparing", "RowMapping", "Rules"]


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

    def column_of(self, field: str, /) -> str | None:
        """Return the column that a field comes from, None where there is none."""
        ...


class Misfit(Protocol):
    """Why a field cannot be sent."""

    @property
    def field(self) -> str:
        """The field's name."""
        ...

    @property
    def text(self) -> str:
        """The name again, what is allowed, and the type of what is there."""
        ...


class Rules(Protocol):
    """Says what fields may be."""

    def check(self, fields: Mapping[str, JSON], /, *, partial: bool) -> Sequence[Misfit]:
        """Return what is wrong with the fields of a row.

        Args:
            fields: What is to be sent.
            partial: Whether fields change a record, so that one that is required may be left out.
        """
        ...


@attrs.frozen
class Preparing:
    """Maps, converts and checks rows, and gives them their keys.

    Attributes:
        mapping: From columns to fields.
        keys: Gives rows their keys.
        rules: What the fields may be; None for no check.
        partial: Whether fields change a record, so that one that is required may be left out.
    """

    mapping: RowMapping
    keys: Keying
    rules: Rules | None = None
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
        if self.rules is not None and (wrong := self.rules.check(mapped.fields, partial=self.partial)):
            reason = "; ".join(self._named(each) for each in wrong)
            return prepared._replace(patient="", fields={}, problem=Problem(Status.REJECTED, reason))
        return prepared

    def _named(self, misfit: Misfit) -> str:
        """Say where the file has what is wrong: a field may come from a column of another name."""
        column = self.mapping.column_of(misfit.field)
        if column is None:
            return f"field {misfit.text}"
        return f"column {misfit.text}" if column == misfit.field else f"column {column}, field {misfit.text}"

    def _keyed(self, prepared: Prepared) -> Prepared:
        given = self.keys.given(prepared.row, prepared.fields)
        if isinstance(given, Problem):
            return prepared._replace(patient="", fields={}, problem=prepared.problem or given)
        if given is not None:
            return prepared._replace(key=given)
        return prepared._replace(key=self.keys.made(prepared.row), made=True)
