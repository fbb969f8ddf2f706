"""Options of file runs: as keywords, and as the settings that come of them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import tzinfo
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict

import attrs

from welkin_async.bulk import Progress
from welkin_async.bulk import options as bulk_options
from welkin_async.bulk.keys.cdt_keys import KeyField
from welkin_async.files.errors import FileError
from welkin_async.resources.patients import PatientKeyType

Check = Literal["strict", "warn", "off"]
Existing = Literal["check", "trust"]
Format = Literal["csv", "ndjson", "json", "parquet", "xlsx"]
Malformed = Literal["stop", "refuse"]
StrPath = str | os.PathLike[str]


class FieldType(StrEnum):
    """What a column can be read as."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"


class PatientColumn(NamedTuple):
    """The column by which a row names its patient.

    Attributes:
        column: The column's name, or a path such as ``subject.reference``.
        type: What the key in it is, or that in the patient map.
        strip: What stands before each key, such as ``Patient/``, and is taken away; a row without it is refused.
        references: The patient map: by what rows have the key that is meant; None where rows have the key itself. A row
            whose patient is not in it is refused. See `read_patient_map`.
    """

    column: str
    type: PatientKeyType = "ID"
    strip: str = ""
    references: Mapping[str, str] | None = None

    def __repr__(self) -> str:
        """Show the column: the patient map identifies persons."""
        return f"<PatientColumn {self.column}, {self.type}>"

    @property
    def decisive(self) -> tuple[str, ...]:
        """What decides which patient a row is about; a digest stands for the patient map."""
        found: tuple[str, ...] = (self.column, self.type)
        if self.strip:
            found = (*found, f"strip {self.strip}")
        if self.references is not None:
            text = repr(sorted(self.references.items()))
            found = (*found, hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest())
        return found


class Field(NamedTuple):
    """The field that a column becomes.

    Attributes:
        name: The field's name.
        type: What the column is read as: ``text``, ``integer``, ``number``, ``boolean``, ``date`` or ``datetime``; None
            for the field's own type.
        zone: The zone of this column's datetimes without an offset; None for that of the whole run.
        format: How values are written, where that is not as JSON does: of a date or datetime the form that
            `datetime.strptime` takes, of a boolean its words as ``ja/nein``, of a number a sample as ``1.234,56``.
        strip: What stands before each value and is taken away; a row without it is refused.
    """

    name: str
    type: FieldType | Literal["text", "integer", "number", "boolean", "date", "datetime"] | None = None
    zone: tzinfo | None = None
    format: str | None = None
    strip: str = ""


class ColumnMap(NamedTuple):
    """Which column becomes which field."""

    column: str
    field: Field


_PARTS = re.compile(r":(?P<word>[a-z]*)(?:\((?P<argument>[^()]*)\))?")
_STRIPPED = re.compile(r"(?P<column>.+):strip\((?P<prefix>[^()]+)\)", re.DOTALL).fullmatch
_FORMATTED = frozenset({FieldType.INTEGER, FieldType.NUMBER, FieldType.BOOLEAN, FieldType.DATE, FieldType.DATETIME})


def parse_field(column: str, text: str) -> Field:
    """Read a field that is written as text.

    Args:
        column: The column that becomes it.
        text: ``field``, ``field:type`` or ``field:type(format)``, and ``:strip(prefix)`` behind any of these.

    Raises:
        FileError: it has another form.
    """
    name, colon, rest = text.partition(":")
    if not name:
        raise FileError(f"mapping= for column {column}: a field is written as field or field:type")
    kind: FieldType | None = None
    format, strip, at = None, "", 0
    rest = colon + rest
    while at < len(rest):
        part = _PARTS.match(rest, at)
        if part is None:
            raise FileError(f"mapping= for column {column}: a field is written as field:type or field:type(format)")
        at = part.end()
        word, argument = part["word"], part["argument"]
        if word == "strip" and argument and not strip:
            strip = argument
        elif word in list(FieldType) and kind is None and (argument is None or FieldType(word) in _FORMATTED):
            kind, format = FieldType(word), argument
        else:
            raise FileError(
                f"mapping= for column {column}: the type is one of {', '.join(FieldType)}, all but text with a format "
                "in parentheses where that is wanted, or strip(PREFIX)"
            )
    return Field(name, kind, None, format, strip)


def parse_stripped(text: str) -> tuple[str, str]:
    """Read a column with what is to be taken away from its values.

    Args:
        text: ``COLUMN`` or ``COLUMN:strip(PREFIX)``.

    Returns:
        The column and the prefix, empty for none.
    """
    found = _STRIPPED(text)
    return (found["column"], found["prefix"]) if found else (text, "")


def _column_maps(mapping: Mapping[str, str | Field] | tuple[ColumnMap, ...] | None) -> tuple[ColumnMap, ...]:
    if mapping is None or isinstance(mapping, tuple):
        return mapping or ()
    return tuple(
        ColumnMap(column, parse_field(column, field) if isinstance(field, str) else field)
        for column, field in mapping.items()
    )


def _constants(constants: Mapping[str, Any] | tuple[tuple[str, Any], ...] | None) -> tuple[tuple[str, Any], ...]:
    return constants if isinstance(constants, tuple) else tuple((constants or {}).items())


def _names(names: Iterable[str] | None) -> tuple[str, ...]:
    if isinstance(names, str):
        raise FileError("nulls= and ignore= are lists of text")
    return tuple(names or ())


def _path(path: StrPath | None) -> Path | None:
    return None if path is None else Path(path)


@attrs.frozen(kw_only=True)
class FileProgress:
    """A snapshot of a running file run; as text, a line that says how far it is and what it waits for.

    Attributes:
        total: How many rows there are, or None while that is not known.
        rows: Rows that have their outcome, or records that were exported.
        done: Rows among them that are done, those of earlier runs included.
        rejected: Rows refused, by the server or before anything was sent.
        failed: Rows that could not be sent.
        unknown: Rows that may or may not be on the server.
        conflict: Rows whose key is on the server with something else.
        retried: Requests beyond the first of each row.
        seconds: Since the first row.
        waiting: What the bulk operation waits for; None before its first snapshot and for an export.
        text: The line.
    """

    total: int | None
    rows: int
    done: int
    rejected: int = 0
    failed: int = 0
    unknown: int = 0
    conflict: int = 0
    retried: int = 0
    seconds: float
    waiting: Progress | None = None
    text: str

    def __str__(self) -> str:
        """Say in one line how far it is."""
        return self.text


class RunOptions(TypedDict, total=False):
    """The options that every run over the rows of a file has; each path that is None leaves nothing behind.

    Attributes:
        format: ``csv``, ``ndjson`` or ``parquet``; by default the ending of the path, or of a binary file's name.
        encoding: The encoding of a text file; found out by its beginning where it is None.
        delimiter: What stands between the cells of a CSV file; found out by its header where it is None.
        sheet: The sheet of a workbook; None for its only one.
        malformed: What to do about a CSV file with malformed quotes. ``stop``, the default: nothing is sent.
            ``refuse``: every line that may be text of a cell is refused, and what is certain to be a row is sent.
        nan: What a float that is no number is in a polars frame or Arrow data. ``refuse``, the default: its row is
            refused. ``null``: it is null, as it always is in a pandas frame.
        ignore_case: Whether columns and fields are meant whose names differ in case from those that are asked for.
        skip: How many rows are left out at the beginning; the others keep their keys. A journal is of one number.
        limit: How many rows are worked through at most; a run without it goes on behind them, by the same journal.
        concurrency: How many requests at once; 32 by default.
        journal: A file that keeps track of the run, so that the same call goes on after any kind of end.
        resume: What a run with an existing journal takes up: ``resume``, the default: what was not sent; ``retry``:
            also rows that were not done; ``restart``: every row, forgetting the
            journal; those that are there are found where ``existing`` is ``check``.
        max_failures: How many rows may not be done before the run stops; a share below 1.0; None for any number.
        ordered_by: ``patient`` to send one row of a patient at a time, in the order of the file; None for no order.
        row_patience: Seconds for which the server may refuse a row for the rate, while it accepts others or none are
            left, before the row is given up.
        rejects: Where rows go that are known not to be done, to be mended and given to the same function.
        review: Where rows go that a person must check: unknown, altered, doubled, or in conflict.
        csv_safe: Whether cells of these two that a spreadsheet would take for formulas get an apostrophe before them;
            importing such a file takes it away again.
        results: Where every row goes with what became of it, as NDJSON.
        html: Where a page with throughput and latency over time goes; it holds no data of any row.
        dry_run: Whether the whole file is only checked, and nothing is sent.
        check_patients: Whether a dry run looks patients up.
        stop: An event that asks for an orderly end: what is on the wire is waited for, nothing else is sent.
        on_progress: Called with a snapshot about four times a second while rows get their outcomes, once a second while
            the run waits, and at the end.
    """

    format: Format | None
    encoding: str | None
    delimiter: str | None
    sheet: str | None
    malformed: Malformed
    nan: Literal["refuse", "null"]
    ignore_case: bool
    skip: int
    limit: int | None
    concurrency: int
    journal: StrPath | None
    resume: Literal["resume", "retry", "restart"]
    max_failures: float | None
    ordered_by: Literal["patient"] | None
    row_patience: float
    rejects: StrPath | None
    review: StrPath | None
    csv_safe: bool
    results: StrPath | None
    html: StrPath | None
    dry_run: bool
    check_patients: bool
    stop: asyncio.Event | None
    on_progress: Callable[[FileProgress], None] | None


class FieldOptions(RunOptions, total=False):
    """How columns become fields; further options in `RunOptions`.

    Attributes:
        mapping: Which columns become which fields: by the column's name the field's, as ``field``, ``field:type`` or
            ``field:type(format)``, or a `Field`. Where rows are objects, a name that no key has is a path such as
            ``code.coding[0].code``, or a JMESPath expression. None sends every column as the field of its own name.
        constants: Fields that are the same in each row, with their values.
        nulls: Words that stand for an empty cell or a null, such as ``NULL``.
        ignore: Columns that are not sent where every column is.
        zone: The zone of datetimes without an offset; None refuses them.
        check: What to do about rows that the definition does not allow. ``strict``, the default: they are not sent.
            ``warn``: they are sent. ``off``: the definition is not read.
    """

    mapping: Mapping[str, str | Field] | None
    constants: Mapping[str, Any] | None
    nulls: Iterable[str]
    ignore: Iterable[str]
    zone: tzinfo | None
    check: Check


class PatientImportOptions(FieldOptions, total=False):
    """The options of `import_patients`; further ones in `FieldOptions` and `RunOptions`.

    Attributes:
        key: The column that holds the rows' keys; made from the file and the row's place in it where it is None.
        settle: Seconds for which a key must stay absent before its row is sent again; 5 by default.
        final_settle: Seconds after the last unknown outcome before the duplicate scan; 60 by default.
        existing: Whether rows may be on the server already. ``check``, the default: each row that the journal does not
            know to be done is looked for before it is sent, by one listing of its patient, and is ``unchanged`` or in
            conflict where it is there. ``trust``: it is sent without a look, and is there twice if it was there.
        max_lookups: How many list requests a row may take where rows are looked for, as the totals of a sample of
            patients tell before the run; 5 by default. Above that, and above 20 for all rows, nothing is
            sent. None for any number.
    """

    key: str | None
    settle: float
    final_settle: float
    existing: Existing
    max_lookups: float | None


class ImportOptions(PatientImportOptions, total=False):
    """The options of `import_records`; further ones in `PatientImportOptions`, `FieldOptions` and `RunOptions`.

    Attributes:
        key_field: The field that carries each row's key, by which it is created exactly once: ``external_id``, the
            default, or ``external_guid``. None for no keys: an unknown outcome then stays unknown.
        key_space: A name that stands before each key, as ``NAME/key``; goes with ``external_id``. None, the default, to
            send keys as they are.
        single_record: Whether a patient has one record of the CDT, which is then found by its patient, whatever its
            key; a second row of a patient is refused. False by default.
        remove_doubles: Whether records that are there more than once are removed, where they are equal, unedited and
            younger than the one that was reported.
    """

    key_field: KeyField | None
    key_space: str | None
    single_record: bool
    remove_doubles: bool


class ProcessImportOptions(TypedDict, total=False):
    """The options of `prepare_import`, a part of those of `import_records`.

    Attributes:
        format: See `RunOptions`, as for those up to ``row_patience``.
        encoding: The encoding of a text file.
        delimiter: What stands between the cells of a CSV file.
        sheet: The sheet of a workbook.
        malformed: What to do about a CSV file with malformed quotes.
        ignore_case: Whether names may differ in case.
        skip: How many rows are left out at the beginning.
        limit: How many rows are worked through at most.
        concurrency: How many requests at once, of each process; 32 by default.
        row_patience: Seconds for which the server may refuse a row for the rate, while it accepts others.
        mapping: See `FieldOptions`, as for ``zone`` and ``check``.
        zone: The zone of datetimes without an offset.
        check: What to do about rows that the definition does not allow.
        key: See `ImportOptions`, as for the following ones.
        settle: Seconds for which a key must stay absent before its row is sent again.
        final_settle: Seconds after the last unknown outcome before the final scan.
        key_field: ``external_id`` or ``external_guid``.
        key_space: A name that stands before each key.
    """

    format: Format | None
    encoding: str | None
    delimiter: str | None
    sheet: str | None
    malformed: Malformed
    ignore_case: bool
    skip: int
    limit: int | None
    concurrency: int
    row_patience: float
    mapping: Mapping[str, str | Field] | None
    zone: tzinfo | None
    check: Check
    key: str | None
    settle: float
    final_settle: float
    key_field: KeyField
    key_space: str | None


class ChunkFileOptions(ProcessImportOptions, total=False):
    """The options of `prepare_import` and `file_work`; further ones in `ProcessImportOptions`.

    Meanwhile the rows of each chunk that is done wait in a private folder beside the first of these files, called the
    same with ``.parts`` appended, which goes when no row is left to be done.

    Attributes:
        rejects: Where rows go that are known not to be done; see `RunOptions`, as for the following ones.
        review: Where rows go that a person must check.
        csv_safe: Whether these two have no cells that a spreadsheet would take for formulas.
        results: Where every row goes with what became of it.
    """

    rejects: StrPath | None
    review: StrPath | None
    csv_safe: bool
    results: StrPath | None


class ProcessFileOptions(ChunkFileOptions, total=False):
    """The options of `import_in_processes` and `ray_import`; further ones in `ChunkFileOptions`.

    Attributes:
        html: Where a page with throughput and latency over time goes, of all processes together.
        max_lookups: How many list requests a row may take; see `ImportOptions`.
    """

    html: StrPath | None
    max_lookups: float | None


class UpsertOptions(ImportOptions, total=False):
    """The options of `upsert_records`; further ones in `ImportOptions`, `FieldOptions` and `RunOptions`.

    Attributes:
        overwrite: Whether a record is changed that somebody other than this api client changed last; False by default:
            it is in conflict.
        recreate: Whether a record is created again that the journal calls created and that is gone.
        empty: ``keep``, the default: an empty cell or a null changes nothing. ``clear``: it clears the field.
    """

    overwrite: bool
    recreate: bool
    empty: Literal["keep", "clear"]


class UpdateOptions(FieldOptions, total=False):
    """The options of `update_records`; further ones in `FieldOptions` and `RunOptions`.

    Attributes:
        group: How many rows of a patient, one after another in the file, go in one request at most; only fields marked
            for bulk edit can be changed so. None, the default, to send each by itself.
    """

    group: int | None


@attrs.frozen(kw_only=True)
class FileSettings:
    """The settings of a run: which file is worked through, and how; see `RunOptions` and `FieldOptions`."""

    file: Path
    url: str | None = attrs.field(default=None, repr=False)  # of an object storage, where each process fetches the file
    format: Format | Literal["mappings"] | None = None
    mapping: tuple[ColumnMap, ...] = attrs.field(default=(), converter=_column_maps)
    constants: tuple[tuple[str, Any], ...] = attrs.field(default=(), converter=_constants)
    nulls: tuple[str, ...] = attrs.field(default=(), converter=_names)
    ignore: tuple[str, ...] = attrs.field(default=(), converter=_names)
    zone: tzinfo | None = None
    check: Check = "strict"
    concurrency: int = 32
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    malformed: Malformed = "stop"
    ignore_case: bool = False
    skip: int = 0
    limit: int | None = None
    journal: Path | None = attrs.field(default=None, converter=_path)
    resume: Literal["resume", "retry", "restart"] = "resume"
    max_failures: float | None = None
    ordered_by: Literal["patient"] | None = None
    row_patience: float = 300.0
    rejects: Path | None = attrs.field(default=None, converter=_path)
    review: Path | None = attrs.field(default=None, converter=_path)
    csv_safe: bool = False
    results: Path | None = attrs.field(default=None, converter=_path)
    html: Path | None = attrs.field(default=None, converter=_path)
    dry_run: bool = False
    check_patients: bool = False
    wording: Callable[[str], str] = str  # for reasons: a command line has other names for options
    command: str = ""  # for the report: the command line, without what identifies a person

    def bulk(self, digest: str, on_progress: Callable[[Progress], None], *decisive: object) -> bulk_options.RunOptions:
        """Return the options of the bulk operation.

        See `identity`.

        Args:
            digest: SHA-256 of the file.
            on_progress: Called with a snapshot now and then.
            decisive: What decides a row's patient, key and fields, beside the settings.
        """
        return {
            "concurrency": self.concurrency,
            "journal": self.journal,
            "resume": self.resume,
            "source": self.identity(digest, *decisive),
            "max_failures": self.max_failures,
            "ordered_by": self.ordered_by,
            "row_patience": self.row_patience,
            "on_progress": on_progress,
        }

    def identity(self, digest: str, *decisive: object) -> str:
        """Return what identifies the file, and how its rows are read.

        A journal knows its source by the file and by what decides a row's patient, key and fields: another patient
        column, for one, would have rows looked for under the wrong patients, and sent again.

        Args:
            digest: SHA-256 of the file.
            decisive: What decides a row's patient, key and fields, beside the settings.
        """
        maps: list[Any] = [
            (
                column,
                field.name,
                field.type and FieldType(field.type),
                *([] if field.zone is None else [str(field.zone)]),
                *([] if field.format is None else [f"format {field.format}"]),
                *([f"strip {field.strip}"] if field.strip else []),
            )
            for column, field in self.mapping
        ]
        for name in ("constants", "nulls", "ignore"):
            if given := getattr(self, name):
                decisive = (*decisive, name, given)
        if self.ignore_case:
            decisive = (*decisive, "ignore_case")
        if self.skip:
            decisive = (*decisive, "skip", self.skip)  # a journal knows rows by their numbers in the run
        everything = repr((*decisive, self.encoding, self.delimiter, str(self.zone), maps))
        identity = hashlib.sha256(everything.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return f"{digest} {identity}"
