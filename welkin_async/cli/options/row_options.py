"""Row options: what the commands that work through the rows of a file have in common."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import attrs
import typer

from welkin_async.cli.options import panels
from welkin_async.cli.options.field_options import FieldFlags, PatientFlags
from welkin_async.cli.wording import CommandError, as_options
from welkin_async.files.options import FileSettings
from welkin_async.files.readers.file_format import ending_of_rows, stem_of

Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...",
        help="A .csv, .tsv, .ndjson, .jsonl, .json, .parquet or .xlsx file, or several, or a folder of them; text may "
        "be compressed as .gz or .zst. - is standard input.",
    ),
]


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


@attrs.frozen(kw_only=True)
class KeyFlags:
    """How rows are created exactly once."""

    key_column: Annotated[
        str | None,
        typer.Option(
            help="The column that holds keys; made from the file and the row otherwise.", rich_help_panel=panels.KEYS
        ),
    ] = None
    settle: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Seconds a record must not be found before its row is sent again.",
            rich_help_panel=panels.KEYS,
        ),
    ] = 5.0
    final_settle: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Seconds after the last doubtful row before doubles are looked for.",
            rich_help_panel=panels.KEYS,
        ),
    ] = 60.0
    existing: Annotated[
        Existing,
        typer.Option(
            help="Rows that may be there already: look for each before it is sent, or trust that none is there.",
            rich_help_panel=panels.KEYS,
        ),
    ] = Existing.CHECK
    max_lookups: Annotated[
        float,
        typer.Option(
            min=0.0, help="List requests that a row may take; above that nothing is sent.", rich_help_panel=panels.KEYS
        ),
    ] = 5.0


@attrs.frozen(kw_only=True)
class ReadFlags:
    """How a file is read that is only compared."""

    concurrency: Annotated[int, typer.Option(min=1, help="Requests at once.", rich_help_panel=panels.RUN)] = 32
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.", rich_help_panel=panels.OUTPUT)] = (
        False
    )
    malformed: Annotated[
        Malformed,
        typer.Option(
            help="Malformed quotes of a CSV file: stop, or refuse every line that may be no row.",
            rich_help_panel=panels.READING,
        ),
    ] = Malformed.STOP
    ignore_case: Annotated[
        bool,
        typer.Option(
            "--ignore-case",
            help="Take columns and fields whose names differ in case alone.",
            rich_help_panel=panels.READING,
        ),
    ] = False
    sheet: Annotated[
        str | None,
        typer.Option(help="The sheet of a workbook.", show_default="its only one", rich_help_panel=panels.READING),
    ] = None
    encoding: Annotated[
        str | None,
        typer.Option(help="The file's encoding.", show_default="found out, else utf-8", rich_help_panel=panels.READING),
    ] = None
    delimiter: Annotated[
        str | None,
        typer.Option(
            help="Between the cells of a CSV file; 'tab' for a tab.",
            show_default="found out",
            rich_help_panel=panels.READING,
        ),
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

    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the whole file and send nothing.", rich_help_panel=panels.RUN)
    ] = False
    journal: Annotated[
        Path | None,
        typer.Option(
            help="Keeps track, so that the same command goes on after any kind of end.",
            show_default="beside the file, ending in .journal",
            rich_help_panel=panels.RUN,
        ),
    ] = None
    no_journal: Annotated[bool, typer.Option("--no-journal", help="Keep no journal.", rich_help_panel=panels.RUN)] = (
        False
    )
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on where an earlier run ended; what happens anyway.", rich_help_panel=panels.RUN
        ),
    ] = False
    retry: Annotated[
        bool, typer.Option("--retry", help="Go on, and try rows again that were not done.", rich_help_panel=panels.RUN)
    ] = False
    restart: Annotated[
        bool,
        typer.Option(
            "--restart",
            help="Forget what the journal says of earlier runs, and take up every row anew.",
            rich_help_panel=panels.RUN,
        ),
    ] = False
    max_failures: Annotated[
        str | None,
        typer.Option(
            metavar="N|N%", help="Stop when more rows than that, or a larger share, failed.", rich_help_panel=panels.RUN
        ),
    ] = None
    ordered_by: Annotated[
        OrderedBy | None,
        typer.Option(
            help="Send one row of a patient at a time, in the order of the file.",
            show_default="in no order",
            rich_help_panel=panels.RUN,
        ),
    ] = None
    row_patience: Annotated[
        float,
        typer.Option(
            min=0,
            help="Seconds for which a row may be refused, while others pass, before it is given up.",
            rich_help_panel=panels.RUN,
        ),
    ] = 300.0
    concurrency: Annotated[int, typer.Option(min=1, help="Requests at once.", rich_help_panel=panels.RUN)] = 32
    rejects: Annotated[
        Path | None,
        typer.Option(
            help="Where rows go that are not done; what must be looked into goes beside it, as .review.",
            show_default="FILE.rejects.csv",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = None
    csv_safe: Annotated[
        bool,
        typer.Option(
            "--csv-safe",
            help="Write rejects so that a spreadsheet takes no cell for a formula.",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = False
    results: Annotated[
        Path | None,
        typer.Option(help="Write every row and what became of it to this NDJSON file.", rich_help_panel=panels.OUTPUT),
    ] = None
    report: Annotated[
        Path | None,
        typer.Option(
            help="Write a page with throughput and latency over time to this HTML file.", rich_help_panel=panels.OUTPUT
        ),
    ] = None
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.", rich_help_panel=panels.OUTPUT)] = (
        False
    )
    malformed: Annotated[
        Malformed,
        typer.Option(
            help="Malformed quotes of a CSV file: send nothing, or refuse every line that may be no row.",
            rich_help_panel=panels.READING,
        ),
    ] = Malformed.STOP
    ignore_case: Annotated[
        bool,
        typer.Option(
            "--ignore-case",
            help="Take columns and fields whose names differ in case alone.",
            rich_help_panel=panels.READING,
        ),
    ] = False
    skip: Annotated[
        int, typer.Option(min=0, help="Leave out so many rows at the beginning.", rich_help_panel=panels.READING)
    ] = 0
    limit: Annotated[
        int | None,
        typer.Option(
            min=0, help="Work through so many rows at most.", show_default="all", rich_help_panel=panels.READING
        ),
    ] = None
    sheet: Annotated[
        str | None,
        typer.Option(help="The sheet of a workbook.", show_default="its only one", rich_help_panel=panels.READING),
    ] = None
    encoding: Annotated[
        str | None,
        typer.Option(help="The file's encoding.", show_default="found out, else utf-8", rich_help_panel=panels.READING),
    ] = None
    delimiter: Annotated[
        str | None,
        typer.Option(
            help="Between the cells of a CSV file; 'tab' for a tab.",
            show_default="found out",
            rich_help_panel=panels.READING,
        ),
    ] = None

    def check_several(self, *, one_report: bool = False) -> None:
        """Check that the options may go with several files.

        Args:
            one_report: Whether there is one report of all.

        Raises:
            CommandError: one of them goes with a single file.
        """
        single = {
            "--journal": self.journal,
            "--rejects": self.rejects,
            "--results": self.results,
            "--report": None if one_report else self.report,
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
            journal=None if self.no_journal else self.journal or _beside(file, journal),
            resume="retry" if self.retry else "restart" if self.restart else "resume",
            max_failures=_most_failures(self.max_failures),
            ordered_by=None if self.ordered_by is None else "patient",
            row_patience=self.row_patience,
            dry_run=self.dry_run,
            check_patients=check_patients,
            wording=as_options,
        )


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


def _beside(file: Path, name: str) -> Path:
    """Return where the journal of a file is, also where the CDT is called by a name that no file can have."""
    return file.with_name(f"{file.name}.{quote(name, safe=' ')}.journal")
