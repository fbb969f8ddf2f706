"""Field mapping: from the columns of a file to fields, under which name, converted to which type. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from welkin_async.bulk import Status
from welkin_async.files.errors import FileError
from welkin_async.files.mapping.columns import Column, Columns
from welkin_async.files.mapping.description import describe
from welkin_async.files.mapping.names import fold, matching, nearest
from welkin_async.files.mapping.paths import MISSING, PathError, Read, root_of
from welkin_async.files.options import ColumnMap, Field, FieldType, PatientColumn
from welkin_async.files.readers.row import RowError, SourceRow
from welkin_async.models.formations import CdtField, CdtFormation
from welkin_async.validation import conversion, local_formats
from welkin_async.validation.conversion import ConversionError, Convert
from welkin_async.validation.field_types import field_type
from welkin_async.validation.local_formats import without_nulls, without_prefix
from welkin_async.wire.codec import JSON

CONVERSIONS: Mapping[str | None, Convert] = {
    FieldType.TEXT: conversion.to_text,
    FieldType.INTEGER: conversion.to_integer,
    FieldType.NUMBER: conversion.to_number,
    FieldType.BOOLEAN: conversion.to_boolean,
    FieldType.DATE: conversion.to_date,
    FieldType.DATETIME: conversion.to_datetime,
    None: conversion.to_json,
}
"""By the type that a mapping names."""

_NULL = frozenset({type(None)})
_ATOMS = _NULL | {str, int, float, bool}
_KEPT: Mapping[Convert | None, frozenset[type]] = {
    None: _ATOMS | {list, dict, datetime},
    conversion.to_json: _ATOMS,
    conversion.to_text: _NULL | {str},
    conversion.to_boolean: _NULL | {bool},
}
_NO_PATIENT = "the patient is missing"
_NO_REFERENCE = "expected a patient that is in the patient map"
_EMPTY = RowError(Status.REJECTED, "no field has a value")
_MOST_FIELDS = 60  # that are named


def conversion_to(where: str, field: Field) -> Convert:
    """Return the conversion to the type that a mapping names, from the form that it names.

    Args:
        where: What it belongs to, for the error.
        field: With its type and format.

    Raises:
        FileError: there is no such form.
    """
    if field.format is None:
        return CONVERSIONS[field.type]
    try:
        return _FORMATS[FieldType(field.type or FieldType.TEXT)](field.format)
    except (KeyError, ValueError) as error:
        reason = "text has no format" if isinstance(error, KeyError) else str(error)
        raise FileError(f"{where}: {reason}") from None


_FORMATS: Mapping[FieldType, Callable[[str], Convert]] = {
    FieldType.DATE: local_formats.date_format,
    FieldType.DATETIME: local_formats.datetime_format,
    FieldType.BOOLEAN: local_formats.boolean_words,
    FieldType.NUMBER: local_formats.number_format,
    FieldType.INTEGER: partial(local_formats.number_format, whole=True),
}


class RowFields(NamedTuple):
    """Row fields: a row's patient, and what is to be sent.

    Attributes:
        patient: The key of its patient; empty where there is none to be.
        fields: The fields to be sent.
        problems: Why they cannot be sent, by field; ``""`` stands for the patient. Empty where they can.
    """

    patient: str
    fields: dict[str, JSON]
    problems: Mapping[str, str] = MappingProxyType({})


_Entry = tuple[str, str, frozenset[type], Read | None, "ColumnBinding"]


class ColumnBinding(NamedTuple):
    """A column bound to a field and a conversion."""

    column: str
    field: str
    convert: Convert | None  # None leaves the value as it is
    kept: frozenset[type]  # the types whose values are left as they are
    zone: tzinfo | None = None
    read: Read | None = None  # of a path

    @property
    def entry(self) -> _Entry:
        """What is looked at for each row, and the binding for the rest."""
        return self.column, self.field, self.kept, self.read, self


class PatientMapping:
    """Patient mapping: reads the patient of each row, and no fields.

    Args:
        columns: The columns of the file.
        patient_column: The column of the patient's key; None where rows belong to no patient.
        nulls: Texts that stand for none.

    Raises:
        FileError: there is no such column.
    """

    def __init__(
        self, columns: Columns, *, patient_column: PatientColumn | str | None, nulls: Collection[str] = ()
    ) -> None:
        given = PatientColumn(patient_column) if isinstance(patient_column, str) else patient_column
        self._patient = None if given is None else Column(given.column, columns, strip=given.strip, nulls=nulls)
        self._references = None if given is None else given.references

    def apply(self, row: SourceRow) -> RowFields | RowError:
        """Return what a row is about, or why it could not be read.

        Args:
            row: A row of the file.
        """
        if row.problem is not None:
            return row.problem
        patient, problem = self._patient_of(row)
        return RowFields(patient, {}, {"": problem}) if problem else RowFields(patient, {})

    def _patient_of(self, row: SourceRow) -> tuple[str, str]:
        """Return the key of a row's patient, or an empty one and why there is none."""
        if self._patient is None:
            return "", ""
        try:
            patient = self._patient.text(row)
        except ConversionError as error:
            return "", str(error)
        if not patient:
            return "", _NO_PATIENT
        if self._references is not None:
            patient = self._references.get(patient, "")
            if not patient:
                return "", f"column {self._patient.name}: {_NO_REFERENCE}"
        return patient, ""

    def column_of(self, field: str) -> str | None:
        """Return None: no field comes from a column."""
        return None


class FieldMapping(PatientMapping):
    """Field mapping: turns rows into fields.

    Args:
        columns: The columns of the file.
        patient_column: The column of the patient's key; None where rows belong to no patient.
        maps: What is sent; empty to send every column but the patient's, as the field of its own name.
        formation: The definition against which names are checked and by which types are chosen; None for no check,
            where a column without a type is sent as it is.
        zone: The zone of datetimes without an offset; None refuses them.
        lenient: Whether fields that are not defined are sent as they are.
        omitted: Columns that are not sent where all are, beside the patient's.
        owner: What the formation is of.
        clears: Whether an empty cell becomes null.
        constants: Fields that are the same in each row, with their values; text is converted as a cell's is.
        nulls: Texts that stand for an empty cell, or for null.

    Raises:
        FileError: a column is missing, or a field is not defined, or cannot be written; it names all of these.
    """

    def __init__(
        self,
        columns: Columns,
        *,
        patient_column: PatientColumn | str | None,
        maps: Sequence[ColumnMap] = (),
        formation: CdtFormation | None = None,
        zone: tzinfo | None = None,
        lenient: bool = False,
        omitted: Iterable[str] = (),
        owner: str = "the CDT",
        clears: bool = False,
        constants: Sequence[tuple[str, JSON]] = (),
        nulls: Collection[str] = (),
    ) -> None:
        self._owner = owner
        self._zone = zone
        self._lenient = lenient
        self._fixed = columns.fixed
        self._ignore_case = columns.ignore_case
        self._closed = bool(maps)
        self._clears = clears
        self._defined = None if formation is None else {str(field.name): field for field in formation.fields or ()}
        patient = patient_column.column if isinstance(patient_column, PatientColumn) else patient_column
        given = [*omitted, *(() if patient is None else (patient,))]
        self._check_header(columns, [*given, *(each.column for each in maps)])
        problems: list[str] = []
        self._nulls = frozenset(nulls)
        try:
            super().__init__(columns, patient_column=patient_column, nulls=self._nulls)
        except FileError as error:
            problems += error.problems
        self._unsent = {matching(name, columns.names, ignore_case=columns.ignore_case) or name for name in given}
        wanted = list(maps) or [ColumnMap(name, Field(name)) for name in columns.names if name not in self._unsent]
        bindings = self._bound(columns, wanted, problems)
        if any(not each.field.name for each in wanted):
            problems.append("a column has no name: name the columns to be sent with mapping=")
        names = [self._field(each.field.name) for each in wanted]
        problems += [f"field {name}: two columns are to become it" for name in {*names} if names.count(name) > 1]
        self._constants = self._constant_fields(constants, names, problems)
        if problems:
            raise FileError(*problems)
        self._entries = [binding.entry for binding in bindings]
        self._by_name = {binding.column: binding.entry for binding in bindings} if not maps else {}
        self._columns = {binding.field: binding.column for binding in bindings}
        self._cells: list[tuple[int, str, Convert | None, ColumnBinding]] = []
        if columns.fixed:
            index = list(columns.names).index
            self._cells = [(index(each.column), each.field, each.convert, each) for each in bindings]

    def _check_header(self, columns: Columns, given: Collection[str]) -> None:
        """Refuse a header of which no name is known, without quoting it: it may be the first row of a file without."""
        if not columns.complete or self._defined is None or self._lenient:
            return
        known = {fold(name) for each in given for name in (each, root_of(each))} | {
            fold(name) for name in self._defined
        }
        if not any(fold(name) in known for name in columns.names):
            count = len(columns.names)
            raise FileError(
                *(f"column {name}: the file has no such column" for name in given),
                f"line 1 does not look like a header: of its {count} cells none is the name of a field of "
                f"{self._owner} or of a column that was asked for",
                *self._listed(),
            )

    def _bound(self, columns: Columns, wanted: Sequence[ColumnMap], problems: list[str]) -> list[ColumnBinding]:
        """Bind the columns that are sent; adds what is wrong to the problems."""
        bindings, unknown = [], False
        for each in wanted:
            try:
                column = columns.find(each.column) if self._closed else each.column
                bindings.append(self._binding(columns, each._replace(column=column)))
            except _UnknownFieldError as error:
                problems += error.problems
                unknown = True
            except FileError as error:
                problems += error.problems
        if unknown:
            problems += self._listed()
        return bindings

    def _constant_fields(
        self, constants: Sequence[tuple[str, JSON]], mapped: Collection[str], problems: list[str]
    ) -> dict[str, JSON]:
        """Convert what is the same in each row; adds what is wrong to the problems."""
        found: dict[str, JSON] = {}
        for given, value in constants:
            name = self._field(given)
            if name in mapped or name in found:
                problems.append(f"field {name}: it is given twice, by constants= and by a column or another constant")
                continue
            try:
                convert = self._conversion(f"constants= for {name}", Field(name), name)
                found[name] = value if convert is None or value is None else convert(value, self._zone)
            except FileError as error:
                problems += error.problems
            except ConversionError as error:
                problems.append(f"constants= for {name}: {error}; got {describe(value)}")
        return found

    def _field(self, name: str) -> str:
        """Return a field's name as the definition has it."""
        return matching(name, self._defined or (), ignore_case=self._ignore_case) or name

    def _listed(self) -> list[str]:
        """Name the fields that may be written."""
        names = [name for name, field in (self._defined or {}).items() if field.editable is not False]
        more = f" and {len(names) - _MOST_FIELDS} more" if len(names) > _MOST_FIELDS else ""
        return [f"the fields of {self._owner} are {', '.join(names[:_MOST_FIELDS])}{more}"]

    def _binding(self, columns: Columns | None, wanted: ColumnMap) -> ColumnBinding:
        """Choose how a column is read and converted; of a key that the first rows did not share no path is made."""
        column, given = wanted
        name = self._field(given.name)
        convert = self._conversion(f"column {column}", given, name)
        if convert is None and self._fixed:
            raise FileError(f"column {column}: the field {name} holds several values; import it from NDJSON")
        if self._fixed and convert in (conversion.to_json, conversion.to_text):
            convert = None  # a cell of a CSV file is text to begin with
        if given.strip:
            convert = without_prefix(given.strip, convert)
        kept = _KEPT.get(convert, _NULL)
        if self._nulls and not self._fixed:
            kept -= {str}
            convert = without_nulls(self._nulls, convert)
        read = None if columns is None else columns.read(column)
        return ColumnBinding(column, name, convert, kept, given.zone or self._zone, read)

    def _conversion(self, where: str, given: Field, name: str) -> Convert | None:
        """Choose the conversion to a field, by the given type or by its own; None to leave values as they are."""
        field = None if self._defined is None else self._defined.get(name)
        unknown = field is None or field.editable is False
        convert: Convert | None
        if given.type is not None or self._defined is None or (unknown and self._lenient):
            convert = conversion_to(where, given)
        elif field is not None and _several(field):
            convert = None
        elif field is not None and field.type == "select" and field.value_type == "INTEGER":
            convert = conversion.to_integer
        else:
            convert = field_type(None if field is None else field.type).converts
        if self._defined is not None and not self._lenient:
            if field is None:
                near = nearest(name, [each for each, known in self._defined.items() if known.editable is not False])
                why = f"{self._owner} has no field {name}" + ("" if near is None else f" (perhaps {near})")
                raise _UnknownFieldError(f"{where}: {why}; the server would drop it silently")
            if field.editable is False:
                raise FileError(f"{where}: the field {name} cannot be written; the server would drop it silently")
        return convert

    def column_of(self, field: str) -> str | None:
        """Return the column that a field comes from, None where there is none; see `PatientMapping`."""
        return self._columns.get(field, None if self._closed or self._fixed else field)

    def apply(self, row: SourceRow) -> RowFields | RowError:
        """Return what a row is about, or why it could not be read.

        Args:
            row: A row of the file.
        """
        if row.problem is not None:
            return row.problem
        patient, problem = self._patient_of(row)
        problems = {"": problem} if problem else {}
        values = row.values
        if isinstance(values, list):
            fields = self._from_cells(values, problems)
        else:
            assert isinstance(values, dict)
            fields = self._from_object(values, problems)
        if self._constants and fields:
            for name in self._constants.keys() & fields.keys():
                problems[name] = f"field {name}: it is given twice, by the row and by constants="
            fields.update(self._constants)
        if problems:
            return RowFields(patient, fields, problems)
        return RowFields(patient, fields) if fields else _EMPTY

    def _from_cells(self, cells: list[str], problems: dict[str, str]) -> dict[str, JSON]:
        fields: dict[str, JSON] = {}
        if self._nulls:
            cells = ["" if cell.strip() in self._nulls else cell for cell in cells]
        for index, field, convert, binding in self._cells:
            text = cells[index]
            if text and not text.isspace():
                try:
                    fields[field] = text if convert is None else convert(text, binding.zone)
                except ConversionError as error:
                    problems[field] = f"column {binding.column}: {error}; got {describe(text)}"
            elif self._clears:
                fields[field] = None
        return fields

    def _from_object(self, values: dict[str, JSON], problems: dict[str, str]) -> dict[str, JSON]:
        fields: dict[str, JSON] = {}
        absent, get = MISSING, values.get
        for column, field, kept, read, binding in self._entries if self._closed else self._all_of(values, problems):
            try:
                value: JSON = get(column, absent) if read is None else read(values)
            except PathError as error:
                problems[field] = f"column {column}: {error}"
                continue
            if type(value) in kept:
                fields[field] = value
            elif value is not absent:
                try:
                    fields[field] = value if binding.convert is None else binding.convert(value, binding.zone)
                except ConversionError as error:
                    problems[field] = f"column {column}: {error}; got {describe(value)}"
        return fields

    def _all_of(self, values: dict[str, JSON], problems: dict[str, str]) -> Iterator[_Entry]:
        """Every key of an object that is to be sent; those that the first rows did not share are looked at now."""
        for name in values:
            if name in self._unsent:
                continue
            entry = self._by_name.get(name)
            if entry is None:
                try:
                    entry = self._binding(None, ColumnMap(name, Field(name))).entry
                except FileError as error:
                    problems[name] = str(error)
                    continue
                if self._defined is not None:  # else any number of names could come
                    self._by_name[name] = entry
            yield entry


class _UnknownFieldError(FileError):
    """A column is to become a field that is not defined."""


def _several(field: CdtField) -> bool:
    """Tell whether a field holds a list: a select of several, or a checkbox with options."""
    meta = field.meta or {}
    return bool(meta.get("multiple")) or (field.type == "checkbox" and bool(meta.get("options")))
