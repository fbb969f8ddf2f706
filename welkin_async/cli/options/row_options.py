"""Row options: what the commands that work through the rows of a file have in common."""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import attrs
import typer

from welkin_async.cli.wording import CommandError, as_options
from welkin_async.files.errors import FileError
from welkin_async.files.mapping.mapping_file import parse_zone, read_mapping
from welkin_async.files.mapping.patient_map import read_patient_map
from welkin_async.files.options import ColumnMap, Field, FileSettings, PatientColumn, parse_field, parse_stripped
from welkin_async.files.readers.file_format import ending_of_rows, stem_of
from welkin_async.resources.patients import PatientKeyType

Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...",
        help="A .csv, .tsv, .ndjson, .jsonl, .json, .parquet or .xlsx file, or several, or a folder of them; text may "
        "be compressed as .gz or .zst. - is standard input.",
    ),
]


class PatientType(StrEnum):
    """What a patient is named by."""

    ID = "ID"
    EGUID = "EGUID"
    EID = "EID"
    MRN = "MRN"


class Malformed(StrEnum):
    """What is done about malformed quotes of a CSV file."""

    STOP = "stop"
    REFUSE = "refuse"


class Existing(StrEnum):
    """Whether rows are looked for before they are sent."""

    CHECK = "check"
    TRUST = "trust"


class OrderedBy(StrEnum):
    """In which order rows are sent."""

    PATIENT = "patient"


class Check(StrEnum):
    """What is done about rows that do not fit the definition."""

    STRICT = "strict"
    WARN = "warn"
    OFF = "off"


@attrs.frozen(kw_only=True)
class PatientFlags:
    """How rows name their patients."""

    patient_column: Annotated[
        str,
        typer.Option(
            metavar="COLUMN[:strip(PREFIX)]",
            help="The column that names the patient, or a path such as subject.reference; strip(Patient/) takes away "
            "what stands before each.",
        ),
    ]
    patient_type: Annotated[PatientType, typer.Option(help="What that column holds.")] = PatientType.ID
    check_patients: Annotated[bool, typer.Option("--check-patients", help="Look patients up in a dry run, too.")] = (
        False
    )

    patient_map: Annotated[
        Path | None,
        typer.Option(help="A file with the key of each patient that rows have a reference to: reference, then key."),
    ] = None
    patient_map_reference: Annotated[
        str | None, typer.Option(help="The column or path of the reference in it.", show_default="its first column")
    ] = None
    patient_map_key: Annotated[
        str | None, typer.Option(help="The column or path of the key in it.", show_default="its second column")
    ] = None

    @cached_property
    def column(self) -> PatientColumn:
        """The column, with the patient map read, once for however many files.

        Raises:
            CommandError: options do not go together.
            FileError: the patient map cannot be read.
        """
        column, strip = parse_stripped(self.patient_column)
        kind: PatientKeyType = self.patient_type.value
        if self.patient_map is None:
            if self.patient_map_reference is not None or self.patient_map_key is not None:
                raise CommandError("--patient-map-reference and --patient-map-key go with --patient-map")
            return PatientColumn(column, kind, strip)
        reference, key = self.patient_map_reference, self.patient_map_key
        found = read_patient_map(self.patient_map, reference=reference, key=key, strip=strip)
        return PatientColumn(column, kind, strip, found)


@attrs.frozen(kw_only=True)
class FieldFlags:
    """Which columns become which fields."""

    map: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=field[:type[(format)]]",
            help="Send this column as this field; text, integer, number, boolean, date or datetime, such as "
            "date(%d/%m/%Y), boolean(ja/nein) or number(1.234,56). May be repeated; columns not named are then not "
            "sent. Of a JSON or Parquet file also a path, or a JMESPath expression.",
        ),
    ] = None
    mapping: Annotated[
        Path | None, typer.Option(help="A TOML file with these options: columns, set, null, ignore, timezone.")
    ] = None
    set: Annotated[
        list[str] | None,
        typer.Option(metavar="field=value", help="Send this field with each row. May be repeated."),
    ] = None
    null: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD", help="A word that stands for an empty cell, such as NULL. May be repeated."),
    ] = None
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Leave out this column where every column is sent. May be repeated."),
    ] = None
    timezone: Annotated[
        str | None, typer.Option(help="The zone of datetimes without an offset, which are refused otherwise.")
    ] = None
    check: Annotated[
        Check, typer.Option(help="Rows that the definition does not allow: refuse, send and warn, or don't look.")
    ] = Check.STRICT

    @property
    def options(self) -> dict[str, Any]:
        """What they come to as settings; the command's own go before those of the mapping file.

        Raises:
            CommandError: an option has another form.
            FileError: the mapping file has.
        """
        written: dict[str, Any] = {} if self.mapping is None else {**read_mapping(self.mapping)}
        columns: dict[str, Field] = dict(map(parse_map, self.map or ()))
        constants = dict(map(_constant, self.set or ()))
        zone = written.get("zone") if self.timezone is None else _zone(self.timezone)
        mapping = {**written.get("mapping", {}), **columns}
        return {
            "mapping": tuple(ColumnMap(column, field) for column, field in mapping.items()),
            "constants": {**written.get("constants", {}), **constants},
            "nulls": (*written.get("nulls", ()), *(self.null or ())),
            "ignore": (*written.get("ignore", ()), *(self.ignore or ())),
            "zone": zone,
            "check": self.check.value,
        }


def _constant(text: str) -> tuple[str, str]:
    field, equals, value = text.partition("=")
    if not equals or not field or not value.strip():
        raise CommandError("--set takes field=value")
    return field, value


def _zone(name: str) -> ZoneInfo:
    try:
        return parse_zone(name)
    except FileError:
        raise CommandError("--timezone takes an IANA name, such as America/New_York") from None


@attrs.frozen(kw_only=True)
class KeyFlags:
    """How rows are created exactly once."""

    key_column: Annotated[
        str | None, typer.Option(help="The column that holds keys; made from the file and the row otherwise.")
    ] = None
    settle: Annotated[
        float, typer.Option(min=0.0, help="Seconds a record must not be found before its row is sent again.")
    ] = 5.0
    final_settle: Annotated[
        float, typer.Option(min=0.0, help="Seconds after the last doubtful row before doubles are looked for.")
    ] = 60.0
    existing: Annotated[
        Existing,
        typer.Option(
            help="Rows that may be there already: look for each before it is sent, or trust that none is there."
        ),
    ] = Existing.CHECK
    max_lookups: Annotated[
        float, typer.Option(min=0.0, help="List requests that a row may take; above that nothing is sent.")
    ] = 5.0


@attrs.frozen(kw_only=True)
class ReadFlags:
    """How a file is read that is only compared."""

    concurrency: Annotated[int, typer.Option(min=1, help="Requests at once.")] = 32
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False
    malformed: Annotated[
        Malformed, typer.Option(help="Malformed quotes of a CSV file: stop, or refuse every line that may be no row.")
    ] = Malformed.STOP
    ignore_case: Annotated[
        bool, typer.Option("--ignore-case", help="Take columns and fields whose names differ in case alone.")
    ] = False
    sheet: Annotated[str | None, typer.Option(help="The sheet of a workbook.", show_default="its only one")] = None
    encoding: Annotated[str | None, typer.Option(help="The file's encoding.", show_default="found out, else utf-8")] = (
        None
    )
    delimiter: Annotated[
        str | None, typer.Option(help="Between the cells of a CSV file; 'tab' for a tab.", show_default="found out")
    ] = None

    def settings(self, file: Path, fields: FieldFlags) -> FileSettings:
        """Put together how a file is read.

        Args:
            file: The file.
            fields: How columns become fields.

        Raises:
            CommandError: an option has another form.
        """
        return FileSettings(
            file=file,
            **fields.options,
            concurrency=self.concurrency,
            malformed=self.malformed.value,
            ignore_case=self.ignore_case,
            sheet=self.sheet,
            encoding=self.encoding,
            delimiter="\t" if self.delimiter == "tab" else self.delimiter,
            wording=as_options,
        )


@attrs.frozen(kw_only=True)
class RunFlags:
    """How a file is worked through, and where rows go."""

    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the whole file and send nothing.")] = False
    journal: Annotated[
        Path | None,
        typer.Option(
            help="Keeps track, so that the same command goes on after any kind of end.",
            show_default="beside the file, ending in .journal",
        ),
    ] = None
    no_journal: Annotated[bool, typer.Option("--no-journal", help="Keep no journal.")] = False
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an earlier run ended; what happens anyway.")] = (
        False
    )
    retry: Annotated[bool, typer.Option("--retry", help="Go on, and try rows again that were not done.")] = False
    restart: Annotated[
        bool,
        typer.Option("--restart", help="Forget what the journal says of earlier runs, and take up every row anew."),
    ] = False
    max_failures: Annotated[
        str | None, typer.Option(metavar="N|N%", help="Stop when more rows than that, or a larger share, failed.")
    ] = None
    ordered_by: Annotated[
        OrderedBy | None,
        typer.Option(help="Send one row of a patient at a time, in the order of the file.", show_default="in no order"),
    ] = None
    row_patience: Annotated[
        float,
        typer.Option(min=0, help="Seconds for which a row may be refused, while others pass, before it is given up."),
    ] = 300.0
    concurrency: Annotated[int, typer.Option(min=1, help="Requests at once.")] = 32
    rejects: Annotated[
        Path | None,
        typer.Option(
            help="Where rows go that are not done; what must be looked into goes beside it, as .review.",
            show_default="FILE.rejects.csv",
        ),
    ] = None
    csv_safe: Annotated[
        bool,
        typer.Option("--csv-safe", help="Write rejects so that a spreadsheet takes no cell for a formula."),
    ] = False
    results: Annotated[Path | None, typer.Option(help="Write every row and what became of it to this NDJSON file.")] = (
        None
    )
    report: Annotated[
        Path | None, typer.Option(help="Write a page with throughput and latency over time to this HTML file.")
    ] = None
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False
    malformed: Annotated[
        Malformed,
        typer.Option(help="Malformed quotes of a CSV file: send nothing, or refuse every line that may be no row."),
    ] = Malformed.STOP
    ignore_case: Annotated[
        bool, typer.Option("--ignore-case", help="Take columns and fields whose names differ in case alone.")
    ] = False
    skip: Annotated[int, typer.Option(min=0, help="Leave out so many rows at the beginning.")] = 0
    limit: Annotated[int | None, typer.Option(min=0, help="Work through so many rows at most.", show_default="all")] = (
        None
    )
    sheet: Annotated[str | None, typer.Option(help="The sheet of a workbook.", show_default="its only one")] = None
    encoding: Annotated[str | None, typer.Option(help="The file's encoding.", show_default="found out, else utf-8")] = (
        None
    )
    delimiter: Annotated[
        str | None, typer.Option(help="Between the cells of a CSV file; 'tab' for a tab.", show_default="found out")
    ] = None

    def check_several(self) -> None:
        """Check that the options may go with several files.

        Raises:
            CommandError: one of them goes with a single file.
        """
        single = {
            "--journal": self.journal,
            "--rejects": self.rejects,
            "--results": self.results,
            "--report": self.report,
            "--skip": self.skip or None,
            "--limit": self.limit,
        }
        given = [name for name, value in single.items() if value is not None]
        if given:
            raise CommandError(f"{' and '.join(given)} goes with a single file: each has its own beside it")

    def settings(
        self,
        file: Path,
        journal: str,
        *,
        fields: FieldFlags | None = None,
        patients: PatientFlags | None = None,
    ) -> FileSettings:
        """Put together what every job is told.

        Args:
            file: The file.
            journal: What tells its journal from those of other commands with the same file.
            fields: How columns become fields; None where none are sent.
            patients: How rows name their patients; None where they have none.

        Raises:
            CommandError: options do not go together, or have another form.
        """
        if sum((self.resume, self.retry, self.restart)) > 1:
            raise CommandError("--resume, --retry and --restart exclude each other")
        if self.no_journal and (self.journal is not None or self.resume or self.retry or self.restart):
            raise CommandError("--no-journal goes with none of --journal, --resume, --retry and --restart")
        check_patients = patients is not None and patients.check_patients
        if check_patients and not self.dry_run:
            raise CommandError("--check-patients goes with --dry-run; otherwise patients are looked up anyway")
        options: dict[str, Any] = {"check": "off"} if fields is None else fields.options
        suffix, stem = ending_of_rows(file), stem_of(file)
        rejects = self.rejects or file.with_name(f"{stem}.rejects{suffix}")
        review = stem if self.rejects is None else rejects.stem.removesuffix(".rejects")
        return FileSettings(
            file=file,
            **options,
            concurrency=self.concurrency,
            rejects=None if self.dry_run and self.rejects is None else rejects,
            review=rejects.with_name(f"{review}.review{suffix}"),
            csv_safe=self.csv_safe,
            results=self.results,
            malformed=self.malformed.value,
            ignore_case=self.ignore_case,
            skip=self.skip,
            limit=self.limit,
            sheet=self.sheet,
            html=self.report,
            encoding=self.encoding,
            delimiter="\t" if self.delimiter == "tab" else self.delimiter,
            journal=None if self.no_journal else self.journal or file.with_name(f"{file.name}.{journal}.journal"),
            resume="retry" if self.retry else "restart" if self.restart else "resume",
            max_failures=_most_failures(self.max_failures),
            ordered_by=None if self.ordered_by is None else "patient",
            row_patience=self.row_patience,
            dry_run=self.dry_run,
            check_patients=check_patients,
            wording=as_options,
        )


def parse_map(text: str) -> ColumnMap:
    """Read a ``--map`` option.

    Args:
        text: ``COLUMN=field`` or ``COLUMN=field:type``.

    Raises:
        CommandError: it has another form.
        FileError: the field has.
    """
    column, equals, field = text.rpartition("=")
    if not equals or not column or not field:
        raise CommandError("--map takes COLUMN=field or COLUMN=field:type")
    return ColumnMap(column, parse_field(column, field))


def _most_failures(text: str | None) -> float | None:
    """Read ``--max-failures``: a count, or a share such as ``2%``."""
    if text is None:
        return None
    share = text.endswith("%")
    try:
        number = float(text.removesuffix("%")) / 100 if share else float(int(text))
    except ValueError:
        number = -1.0
    if number < 0 or (share and not 0 < number < 1):
        raise CommandError("--max-failures takes a count, or a share of the rows such as 2%")
    return number
