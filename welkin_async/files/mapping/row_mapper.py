"""Row mapping: from a row as it stands in the file to fields and a key, or the reason why not. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import attrs

from welkin_async.bulk import Status
from welkin_async.files.mapping.description import describe
from welkin_async.files.mapping.fields import PatientMapping
from welkin_async.files.mapping.row_keys import RecordIds, RowKeys
from welkin_async.files.readers.row import RowError, SourceRow
from welkin_async.validation.schema import FieldError
from welkin_async.wire.codec import JSON

_MOST_WARNINGS = 100


class MappedRow(NamedTuple):
    """Mapped row: a row that only lacks its patient's id.

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
    problem: RowError | None


class FieldRules(Protocol):
    """Rules of fields: says what they may be."""

    def check(self, fields: Mapping[str, JSON], /, *, partial: bool) -> Sequence[FieldError]:
        """Return what is wrong with the fields of a row.

        Args:
            fields: What is to be sent.
            partial: Whether fields change a record, so that one that is required may be left out.
        """
        ...


@attrs.frozen
class RowMapper:
    """Row mapper: maps, converts and checks rows, and gives them their keys.

    Attributes:
        mapping: From columns to fields.
        keys: Gives rows their keys.
        rules: What the fields may be; None for no check.
        partial: Whether fields change a record, so that one that is required may be left out.
        advice: Rules by which a row is only warned of; None for none.
        warned: How often each warning was met; of more than some reasons, only the first.
    """

    mapping: PatientMapping
    keys: RowKeys | RecordIds
    rules: FieldRules | None = None
    partial: bool = False
    advice: FieldRules | None = None
    warned: Counter[str] = attrs.field(factory=Counter, init=False)

    def map(self, row: SourceRow) -> MappedRow:
        """Map, convert and check a row; what cannot be sent comes with its problem.

        Args:
            row: A row of the file.
        """
        try:
            return self._map(row)
        except Exception as error:  # whatever a value does to a conversion or a check, the other rows are sent
            reason = f"a value that cannot be checked ({type(error).__name__})"
            return self._keyed(MappedRow(row, None, "", {}, RowError(Status.REJECTED, reason)))

    def _map(self, row: SourceRow) -> MappedRow:
        found = self.mapping.apply(row)
        if isinstance(found, RowError):
            return self._keyed(MappedRow(row, None, "", {}, found))
        mapped = self._keyed(MappedRow(row, None, found.patient, found.fields, None))
        problems = [] if mapped.problem is None else [mapped.problem.reason]
        problems += found.problems.values()
        if self.rules is not None:
            wrong = self.rules.check(found.fields, partial=self.partial)
            # A field that could not be converted is not missing, too.
            problems += [self._named(each, found.fields) for each in wrong if each.field not in found.problems]
        if not problems:
            if self.advice is not None:
                self._warn(found.fields)
            return mapped
        problem = RowError(Status.REJECTED, "; ".join(problems))
        return mapped._replace(patient="", fields={}, problem=problem)

    def _warn(self, fields: Mapping[str, JSON]) -> None:
        assert self.advice is not None
        for error in self.advice.check(fields, partial=self.partial):
            reason = self._named(error, fields)
            if reason in self.warned or len(self.warned) < _MOST_WARNINGS:
                self.warned[reason] += 1

    def _named(self, error: FieldError, fields: Mapping[str, JSON]) -> str:
        """Say where the file has what is wrong: a field may come from a column of another name."""
        column = self.mapping.column_of(error.field)
        place = f"field {error.field}" if column is None else f"column {column}"
        if column is not None and column != error.field:
            place += f", field {error.field}"
        return f"{place}: expected {error.expected}; got {describe(fields.get(error.field))}"

    def _keyed(self, mapped: MappedRow) -> MappedRow:
        key = self.keys.key_of(mapped.row, mapped.fields)
        if isinstance(key, RowError):
            return mapped._replace(patient="", fields={}, problem=mapped.problem or key)
        return mapped._replace(key=key)
