"""The options of ``welkin-async export``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from welkin_async.cli.again import resuming_command
from welkin_async.cli.connection import Connection
from welkin_async.cli.exporting import Export, ExportOptions
from welkin_async.cli.finishing import finish
from welkin_async.cli.grouping import expanded
from welkin_async.cli.loop import Interrupt
from welkin_async.cli.meter import Meter
from welkin_async.cli.row_flags import PatientType
from welkin_async.cli.text import CommandError
from welkin_async.session import Welkin

__all__ = ["export_file"]

_FORMATS: Mapping[str, Literal["ndjson", "parquet"]] = {
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
}


@expanded
def export_file(
    context: typer.Context,
    *,
    file: Annotated[Path, typer.Argument(help="The .ndjson, .jsonl or .parquet file to be written.", dir_okay=False)],
    cdt: Annotated[str | None, typer.Option(help="The custom data type whose records are wanted.")] = None,
    patient: Annotated[
        list[str] | None,
        typer.Option(help="A patient whose records are wanted, those of no other then; may be repeated."),
    ] = None,
    patient_type: Annotated[PatientType, typer.Option(help="What --patient gives.")] = PatientType.ID,
    all_patients: Annotated[
        bool,
        typer.Option(
            "--all-patients",
            help="List each patient's records: that needs no policy for exports, but many requests.",
        ),
    ] = False,
    resource: Annotated[
        str | None, typer.Option(help="All records of a kind instead, such as PATIENT or CDT_RECORD.")
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="Begin at this moment, or at the cursor an earlier export ended with.")
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Forget what earlier runs have read, and replace the file.")
    ] = False,
    page_size: Annotated[int | None, typer.Option(min=1, help="Records per page.", show_default="200 or 1000")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Patients listed at once.")] = 8,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    connection: Connection,
) -> None:
    """Write records to an NDJSON or Parquet file, each once.

    Ended in any way, the same command goes on where it ended; the file appears when it is whole. It is readable by its
    owner alone. Without --patient and --all-patients the API's export is read, which needs a policy for it.

    Exit code: 0 the file is whole, 1 it is not, 2 usage or configuration, 130 Ctrl-C.
    """

    async def main(interrupt: Interrupt) -> int:
        """Put the options together and export."""
        if (cdt is None) is (resource is None):
            raise CommandError("give either --cdt or --resource")
        if resource is not None and (patient or all_patients):
            raise CommandError("--patient and --all-patients go with --cdt")
        if patient and all_patients:
            raise CommandError("--patient and --all-patients exclude each other")
        if start is not None and resource is None:
            raise CommandError("--start goes with --resource")
        options = ExportOptions(
            file=file,
            format=_format(file),
            cdt=cdt,
            resource=resource,
            patients=tuple(patient or ()),
            patient_type=patient_type.value,
            all_patients=all_patients,
            start=start,
            page_size=page_size,
            concurrency=concurrency,
            restart=restart,
            json=json,
            command=resuming_command(context),
        )
        if not restart and file.exists() and not file.with_name(f"{file.name}.resume").exists():
            raise CommandError(f"{file} exists: name another file, or have it replaced with --restart")

        def session(meter: Meter) -> Welkin:
            """Return a session whose requests are counted."""
            return connection.session(meter.count)

        return await Export(session, options, interrupt).run()

    finish(main)


def _format(file: Path) -> Literal["ndjson", "parquet"]:
    found = _FORMATS.get(file.suffix.lower())
    if found is None:
        raise CommandError("the file is to end in .ndjson, .jsonl or .parquet")
    if not file.parent.is_dir():
        raise CommandError(f"{file.parent} is not a folder: an export goes to one that exists")
    return found
