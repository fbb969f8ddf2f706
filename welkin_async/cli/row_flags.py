"""Options that the commands share which work through the rows of a file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import attrs
import typer

from welkin_async.cli.again import resuming_command
from welkin_async.cli.columns import parse_map
from welkin_async.cli.options import FileOptions, PatientColumn, most_failures
from welkin_async.cli.text import CommandError

__all__ = ["FieldFlags", "File", "KeyFlags", "PatientFlags", "PatientType", "RunFlags"]

File = Annotated[Path, typer.Argument(help="A .csv, .ndjson, .jsonl or .parquet file.", exists=True, dir_okay=False)]


class PatientType(StrEnum):
    """What a patient is named by."""

    ID = "ID"
    EGUID = "EGUID"
    EID = "EID"
    MRN = "MRN"


class Check(StrEnum):
    """What is done about rows that do not fit the definition."""

    STRICT = "strict"
    WARN = "warn"
    OFF = "off"


@attrs.frozen(kw_only=True)
class PatientFlags:
    """How rows name their patients."""

    patient_column: Annotated[str, typer.Option(help="The column that names the patient.")]
    patient_type: Annotated[PatientType, typer.Option(help="What that column holds.")] = PatientType.ID
    check_patients: Annotated[bool, typer.Option("--check-patients", help="Look patients up in a dry run, too.")] = (
        False
    )

    @property
    def column(self) -> PatientColumn:
        """The column."""
        return PatientColumn(self.patient_column, self.patient_type.value)


@attrs.frozen(kw_only=True)
class FieldFlags:
    """Which columns become which fields."""

    map: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=field[:type]",
            help="Send this column as this field; text, integer, number, boolean, date or datetime. "
            "May be repeated; columns not named are then not sent.",
        ),
    ] = None
    timezone: Annotated[
        str | None, typer.Option(help="The zone of datetimes without an offset, which are refused otherwise.")
    ] = None
    check: Annotated[
        Check, typer.Option(help="Rows that the definition does not allow: refuse, send and warn, or don't look.")
    ] = Check.STRICT

    @property
    def zone(self) -> ZoneInfo | None:
        """The zone of datetimes without an offset.

        Raises:
            CommandError: there is no such zone.
        """
        if self.timezone is None:
            return None
        try:
            return ZoneInfo(self.timezone)
        except (LookupError, ValueError, OSError):
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
        bool, typer.Option("--restart", help="Forget earlier runs and send every row, those done as well.")
    ] = False
    max_failures: Annotated[
        str | None, typer.Option(metavar="N|N%", help="Stop when more rows than that, or a larger share, failed.")
    ] = None
    concurrency: Annotated[int, typer.Option(min=1, help="Requests at once.")] = 32
    rejects: Annotated[
        Path | None,
        typer.Option(
            help="Where rows go that are not done; what must be looked into goes beside it, as .review.",
            show_default="FILE.rejects.csv",
        ),
    ] = None
    results: Annotated[Path | None, typer.Option(help="Write every row and what became of it to this NDJSON file.")] = (
        None
    )
    report: Annotated[
        Path | None, typer.Option(help="Write a page with throughput and latency over time to this HTML file.")
    ] = None
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False
    encoding: Annotated[str | None, typer.Option(help="The file's encoding.", show_default="found out, else utf-8")] = (
        None
    )
    delimiter: Annotated[
        str | None, typer.Option(help="Between the cells of a CSV file; 'tab' for a tab.", show_default="found out")
    ] = None

    def options(
        self,
        context: typer.Context,
        file: Path,
        journal: str,
        *,
        fields: FieldFlags | None = None,
        patients: PatientFlags | None = None,
    ) -> FileOptions:
        """Put together what every job is told.

        Args:
            context: Of the command.
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
        beside = self.journal or file.with_name(f"{file.name}.{journal}.journal")
        return FileOptions(
            file=file,
            maps=() if fields is None else tuple(parse_map(text) for text in fields.map or ()),
            zone=None if fields is None else fields.zone,
            check="off" if fields is None else fields.check.value,
            concurrency=self.concurrency,
            rejects=self.rejects,
            results=self.results,
            encoding=self.encoding,
            delimiter="\t" if self.delimiter == "tab" else self.delimiter,
            journal=None if self.no_journal else beside,
            mode="retry" if self.retry else "restart" if self.restart else "resume",
            max_failures=most_failures(self.max_failures),
            json=self.json,
            report=self.report,
            dry_run=self.dry_run,
            check_patients=check_patients,
            command=resuming_command(context),
        )
