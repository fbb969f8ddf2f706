"""The options of ``welkin-async import`` and ``welkin-async import-patients``."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import typer

from welkin_async.bulk.keys import KeyField
from welkin_async.cli.connection import Connection
from welkin_async.cli.grouping import expanded
from welkin_async.cli.patient_import import PatientImport
from welkin_async.cli.record_import import RecordImport
from welkin_async.cli.row_flags import FieldFlags, File, KeyFlags, PatientFlags, RunFlags
from welkin_async.cli.text import CommandError
from welkin_async.cli.working import work_through

__all__ = ["import_file", "import_patients"]


class Key(StrEnum):
    """The fields that can carry a key."""

    EXTERNAL_ID = "external_id"
    EXTERNAL_GUID = "external_guid"
    NONE = "none"


_KEY_FIELDS: Mapping[Key, KeyField | None] = {
    Key.EXTERNAL_ID: "external_id",
    Key.EXTERNAL_GUID: "external_guid",
    Key.NONE: None,
}


@expanded
def import_file(
    context: typer.Context,
    *,
    file: File,
    cdt: Annotated[str, typer.Option(help="The custom data type to create records of.")],
    patients: PatientFlags,
    fields: FieldFlags,
    key_field: Annotated[
        Key, typer.Option(help="The field that carries each row's key, by which it is created exactly once.")
    ] = Key.EXTERNAL_ID,
    keys: KeyFlags,
    remove_doubles: Annotated[
        bool, typer.Option("--remove-doubles", help="Remove records that are there twice, equal and unedited.")
    ] = False,
    run: RunFlags,
    connection: Connection,
) -> None:
    """Create a record for each row of a CSV, NDJSON or Parquet file, exactly once.

    Ended in any way, the same command goes on where it ended. Rows that are not created go to a reject file, to be
    mended and imported. Rows that may be on the server, or are there otherwise than they should, go to a review file.

    Exit code: 0 every row is created, 1 some are not, 2 usage or configuration, 130 Ctrl-C.
    """

    def job() -> RecordImport:
        if key_field is Key.NONE and (keys.key_column is not None or remove_doubles):
            raise CommandError("without a key field there are neither keys nor doubles to be removed")
        return RecordImport(
            options=run.options(context, file, cdt, fields=fields, patients=patients),
            cdt=cdt,
            patient=patients.column,
            key_field=_KEY_FIELDS[key_field],
            key_column=keys.key_column,
            settle=keys.settle,
            final_settle=keys.final_settle,
            remove_doubles=remove_doubles,
        )

    work_through(job, connection)


@expanded
def import_patients(
    context: typer.Context, *, file: File, fields: FieldFlags, keys: KeyFlags, run: RunFlags, connection: Connection
) -> None:
    """Create a patient for each row of a CSV, NDJSON or Parquet file, exactly once.

    Columns are sent as the fields they are named after, such as firstName, lastName and birthDate, or as --map says.
    The key of a row goes into externalGuid, as it is where it is a UUID and else as one that is made of it; a column
    that is sent as externalGuid goes first. For the rest it is as with import.

    Exit code: 0 every row is created, 1 some are not, 2 usage or configuration, 130 Ctrl-C.
    """

    def job() -> PatientImport:
        return PatientImport(
            options=run.options(context, file, "patients", fields=fields),
            key_column=keys.key_column,
            settle=keys.settle,
            final_settle=keys.final_settle,
        )

    work_through(job, connection)
