"""From the columns of a file to fields: what is sent, under which name, converted to which type. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import tzinfo
from typing import Any, NamedTuple

import attrs

from welkin_async.bulk import Status
from welkin_async.cli.columns import Column, ColumnMap, missing_column
from welkin_async.cli.conversions import Conversion, ConversionError, FieldType, conversion
from welkin_async.cli.rows import Problem, SourceRow
from welkin_async.cli.text import CommandError
from welkin_async.codec import JSON
from welkin_async.models.formations import CdtField, CdtFormation

__all__ = ["FieldMapping", "Mapped", "PatientMapping"]

_FORMATION_TYPES = {
    "integer": FieldType.INTEGER,
    "checkbox": FieldType.BOOLEAN,
    "date": FieldType.DATE,
    "datetime": FieldType.DATETIME,
    "text": FieldType.TEXT,
    "textarea": FieldType.TEXT,
    "select": FieldType.TEXT,
    "email": FieldType.TEXT,
    "phone": FieldType.TEXT,
}

_NO_PATIENT = Problem(Status.REJECTED, "the patient is missing")
_EMPTY = Problem(Status.REJECTED, "no field has a value")


class Mapped(NamedTuple):
    """What a row is about.

    Attributes:
        patient: The key of its patient; empty where there is none to be.
        fields: The fields to be sent.
    """

    patient: str
    fields: dict[str, JSON]


@attrs.frozen
class _Entry:
    column: str
    field: str
    convert: Conversion | None  # None leaves the value as it is


class PatientMapping:
    """Reads from rows whose they are, and nothing else.

    Args:
        columns: The columns of the file, or those that its first rows share.
        fixed: Whether every row has exactly these.
        patient_column: The column of the patient's key; None where rows belong to no patient.

    Raises:
        CommandError: there is no such column.
    """

    def __init__(self, columns: Sequence[str], *, fixed: bool, patient_column: str | None) -> None:
        self._patient = None if patient_column is None else Column(patient_column, columns, fixed=fixed)

    def apply(self, row: SourceRow) -> Mapped | Problem:
        """Return whose a row is, or why it cannot be sent.

        Args:
            row: A row of the file.
        """
        if row.problem is not None:
            return row.problem
        patient = "" if self._patient is None else self._patient.of(row)
        return Mapped(patient, {}) if patient or self._patient is None else _NO_PATIENT

    def column_of(self, field: str) -> str | None:
        """Return None: no field comes from a column."""
        return None


class FieldMapping(PatientMapping):
    """Turns rows into fields.

    Args:
        columns: The columns of the file, or those that its first rows share.
        fixed: Whether every row has exactly these.
        patient_column: The column of the patient's key; None where rows belong to no patient.
        maps: What is sent; empty to send every column but the patient's, under its own name.
        formation: The definition against which names are checked and by which types are chosen; None for no check,
            where a column without a type is sent as it is.
        zone: The zone of datetimes without an offset; None refuses them.
        lenient: Whether fields that are not defined are sent as they are.
        omitted: Columns that are not sent where all are, beside the patient's.
        owner: What the formation is of.

    Raises:
        CommandError: a column is missing, or a field is not defined, or cannot be written.
    """

    def __init__(
        self,
        columns: Sequence[str],
        *,
        fixed: bool,
        patient_column: str | None,
        maps: Sequence[ColumnMap] = (),
        formation: CdtFormation | None = None,
        zone: tzinfo | None = None,
        lenient: bool = False,
        omitted: Iterable[str] = (),
        owner: str = "the CDT",
    ) -> None:
        super().__init__(columns, fixed=fixed, patient_column=patient_column)
        self._owner = owner
        self._zone = zone
        self._lenient = lenient
        self._fixed = fixed
        self._defined = None if formation is None else {field.name: field for field in formation.fields or ()}
        self._unsent = unsent = {*omitted, *(() if patient_column is None else (patient_column,))}
        wanted = list(maps) or [ColumnMap(name, name) for name in columns if name not in unsent]
        if fixed:
            for each in wanted:
                if each.column not in columns:
                    raise missing_column(each.column)
        if any(not each.field for each in wanted):
            raise CommandError("a column has no name: name the columns to be sent with --map")
        _check_once(each.field for each in wanted)
        entries = [self._entry(each) for each in wanted]
        self._closed = bool(maps)
        self._by_name = {entry.column: entry for entry in entries} if not maps else {}
        self._entries = entries
        self._columns = {entry.field: entry.column for entry in entries}
        self._cells: list[tuple[int, str, Callable[[Any], JSON] | None, str]] = []
        if fixed:
            self._cells = [(columns.index(entry.column), entry.field, entry.convert, entry.column) for entry in entries]

    def _entry(self, wanted: ColumnMap) -> _Entry:
        """Choose the conversion of a column, by its given type or by its field's."""
        column, name, kind = wanted
        if self._defined is None:
            return _Entry(column, name, self._conversion(kind))
        field = self._defined.get(name)
        if self._lenient and (field is None or field.editable is False):
            return _Entry(column, name, self._conversion(kind))
        if field is None:
            raise CommandError(f"column {column}: {self._owner} has no field {name}; the server would drop it silently")
        if field.editable is False:
            raise CommandError(
                f"column {column}: the field {name} cannot be written; the server would drop it silently"
            )
        if kind is not None:
            return _Entry(column, name, self._conversion(kind))
        if _several(field):
            if self._fixed:
                raise CommandError(f"column {column}: the field {name} holds several values; import it from NDJSON")
            return _Entry(column, name, None)
        whole = field.type == "select" and field.value_type == "INTEGER"
        kind = FieldType.INTEGER if whole else _FORMATION_TYPES.get(field.type or "")
        return _Entry(column, name, self._conversion(kind))

    def _conversion(self, kind: FieldType | None) -> Conversion | None:
        # A cell of a CSV file is text to begin with.
        if self._fixed and kind in (None, FieldType.TEXT):
            return None
        return conversion(kind, self._zone)

    def column_of(self, field: str) -> str | None:
        """Return the column that a field comes from, None where there is none; see `RowMapping`."""
        return self._columns.get(field, None if self._closed or self._fixed else field)

    def apply(self, row: SourceRow) -> Mapped | Problem:
        """Return what a row is about, or why it cannot be sent.

        Args:
            row: A row of the file.
        """
        mapped = super().apply(row)
        if isinstance(mapped, Problem):
            return mapped
        values = row.values
        if isinstance(values, list):
            return self._from_cells(mapped.patient, values)
        assert isinstance(values, dict)
        return self._from_object(mapped.patient, values)

    def _from_cells(self, patient: str, cells: list[str]) -> Mapped | Problem:
        fields: dict[str, JSON] = {}
        column = ""
        try:
            for index, field, convert, name in self._cells:
                text, column = cells[index], name
                if text and not text.isspace():
                    fields[field] = text if convert is None else convert(text)
        except ConversionError as error:
            return _misfit(column, error, "")
        return Mapped(patient, fields) if fields else _EMPTY

    def _from_object(self, patient: str, values: dict[str, JSON]) -> Mapped | Problem:
        fields: dict[str, JSON] = {}
        column, value = "", None
        try:
            for entry in self._entries if self._closed else self._all_of(values):
                column = entry.column
                if column in values:
                    value = values[column]
                    fields[entry.field] = value if entry.convert is None or value is None else entry.convert(value)
        except ConversionError as error:
            return _misfit(column, error, value)
        except CommandError as error:
            return Problem(Status.REJECTED, str(error))
        return Mapped(patient, fields) if fields else _EMPTY

    def _all_of(self, values: dict[str, JSON]) -> Iterable[_Entry]:
        """Every key of an object that is to be sent; those that the first rows did not share are looked at now."""
        for name in values:
            if name in self._unsent:
                continue
            entry = self._by_name.get(name)
            if entry is None:
                entry = self._entry(ColumnMap(name, name))
                if self._defined is not None:  # else any number of names could come
                    self._by_name[name] = entry
            yield entry


def _several(field: CdtField) -> bool:
    """Tell whether a field holds a list: a select of several, or a checkbox with options."""
    meta = field.meta or {}
    return bool(meta.get("multiple")) or (field.type == "checkbox" and bool(meta.get("options")))


def _misfit(column: str, error: ConversionError, value: JSON) -> Problem:
    return Problem(Status.REJECTED, f"column {column}: {error}; got {type(value).__name__}")


def _check_once(fields: Iterable[str]) -> None:
    seen: set[str] = set()
    for field in fields:
        if field in seen:
            raise CommandError(f"field {field}: two columns are to become it")
        seen.add(field)
