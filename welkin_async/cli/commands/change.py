"""The options of ``welkin-async update`` and ``welkin-async delete``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from welkin_async.cli.commands.file_run import carry_out
from welkin_async.cli.options import panels
from welkin_async.cli.options.connection import Connection
from welkin_async.cli.options.field_options import FieldFlags, PatientFlags
from welkin_async.cli.options.groups import expanded
from welkin_async.cli.options.row_options import Files, RunFlags
from welkin_async.files.jobs.change_records import RecordDeletion, RecordUpdate

_Cdt = Annotated[str, typer.Option(help="The custom data type of the records.")]
_RecordColumn = Annotated[
    str, typer.Option(help="The column that holds the record's id.", rich_help_panel=panels.FIELDS)
]


@expanded
def update_records(
    context: typer.Context,
    *,
    files: Files,
    cdt: _Cdt,
    record_column: _RecordColumn,
    patients: PatientFlags,
    fields: FieldFlags,
    group: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Send up to so many rows of a patient, one after another in the file, in one request. "
            "Only fields marked for bulk edit can be changed so.",
            show_default="each by itself",
            rich_help_panel=panels.FIELDS,
        ),
    ] = None,
    run: RunFlags,
    connection: Connection,
) -> None:
    """Change the record that each row of a file names.

    A row changes the fields it has a value for; an empty cell changes nothing, and a null of an NDJSON or Parquet file
    clears the field. A record may have one row: a second one is refused, because rows are not sent in order. Ended in
    any way, the same command goes on where it ended; what it is not sure of it sends again, which does no harm.

    Exit code: 0 every record is changed, 1 some are not, 2 usage or configuration, 130 Ctrl-C.
    """

    def job(file: Path) -> RecordUpdate:
        return RecordUpdate(
            settings=run.settings(file, f"{cdt}.update", fields=fields, patients=patients),
            cdt=cdt,
            patient=patients.column,
            record=record_column,
            group=group,
        )

    carry_out(context, files, job, run, connection)


@expanded
def delete_records(
    context: typer.Context,
    *,
    files: Files,
    cdt: _Cdt,
    record_column: _RecordColumn,
    patients: PatientFlags,
    run: RunFlags,
    connection: Connection,
) -> None:
    """Delete the record that each row of a file names.

    Nothing is asked before: check with --dry-run what would be sent. A record that is not there is rejected, unless an
    earlier attempt may have deleted it. Ended in any way, the same command goes on where it ended.

    Exit code: 0 every record is deleted, 1 some are not, 2 usage or configuration, 130 Ctrl-C.
    """

    def job(file: Path) -> RecordDeletion:
        return RecordDeletion(
            settings=run.settings(file, f"{cdt}.delete", patients=patients),
            cdt=cdt,
            patient=patients.column,
            record=record_column,
        )

    carry_out(context, files, job, run, connection)
