"""The options of ``welkin-async export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from welkin_async.cli.commands.file_run import finish_run
from welkin_async.cli.options import panels
from welkin_async.cli.options.connection import Connection
from welkin_async.cli.options.field_options import PatientType
from welkin_async.cli.options.groups import expanded
from welkin_async.cli.options.resume_command import command_shown, resume_command
from welkin_async.cli.wording import CommandError
from welkin_async.files.run.export_run import ExportRun, ExportSettings


@expanded
def export_file(
    context: typer.Context,
    *,
    file: Annotated[
        Path, typer.Argument(help="The .ndjson, .jsonl, .parquet or .csv file to be written.", dir_okay=False)
    ],
    cdt: Annotated[str | None, typer.Option(help="The custom data type whose records are wanted.")] = None,
    patient: Annotated[
        list[str] | None,
        typer.Option(
            help="A patient whose records are wanted, those of no other then; may be repeated.",
            rich_help_panel=panels.PATIENTS,
        ),
    ] = None,
    patient_type: Annotated[
        PatientType, typer.Option(help="What --patient gives.", rich_help_panel=panels.PATIENTS)
    ] = PatientType.ID,
    all_patients: Annotated[
        bool,
        typer.Option(
            "--all-patients",
            help="List each patient's records: that needs no policy for exports, but many requests.",
            rich_help_panel=panels.PATIENTS,
        ),
    ] = False,
    resource: Annotated[
        str | None, typer.Option(help="All records of a kind instead, such as PATIENT or CDT_RECORD.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            help="Begin at this moment, or at the cursor an earlier export ended with.", rich_help_panel=panels.RUN
        ),
    ] = None,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart", help="Forget what earlier runs have read, and replace the file.", rich_help_panel=panels.RUN
        ),
    ] = False,
    page_size: Annotated[
        int | None,
        typer.Option(min=1, help="Records per page.", show_default="200 or 1000", rich_help_panel=panels.RUN),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Patients listed at once.", rich_help_panel=panels.RUN)] = 8,
    flat: Annotated[
        bool,
        typer.Option(
            "--flat",
            help="Have a column for each field of the CDT, of its type; for Parquet and CSV.",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON.", rich_help_panel=panels.OUTPUT)
    ] = False,
    connection: Connection,
) -> None:
    """Write records to an NDJSON, Parquet or CSV file, each once.

    Ended in any way, the same command goes on where it ended; the file appears when it is whole. It is readable by its
    owner alone. Without --patient and --all-patients the API's export is read, which needs a policy for it.

    Exit code: 0 the file is whole, 1 it is not, 2 usage or configuration, 130 Ctrl-C.
    """
    shown = command_shown(context)

    def settings() -> ExportSettings:
        if (cdt is None) is (resource is None):
            raise CommandError("give either --cdt or --resource")
        if resource is not None and (patient or all_patients):
            raise CommandError("--patient and --all-patients go with --cdt")
        if patient and all_patients:
            raise CommandError("--patient and --all-patients exclude each other")
        return ExportSettings(
            file=file,
            cdt=cdt,
            resource=resource,
            patients="all" if all_patients else patient or None,
            patient_type=patient_type.value,
            start=start,
            page_size=page_size,
            concurrency=concurrency,
            restart=restart,
            flat=flat,
            command=shown,
        )

    finish_run(lambda stop: ExportRun(settings(), stop=stop), connection, resume=resume_command(context), as_json=json)
