"""The options of ``welkin-async import``, ``import-patients``, ``upsert`` and ``verify``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from welkin_async.bulk.keys.cdt_keys import KeyField
from welkin_async.cli.commands.file_run import carry_out, compare
from welkin_async.cli.commands.process_run import carry_out_in_processes
from welkin_async.cli.options import panels
from welkin_async.cli.options.connection import Connection
from welkin_async.cli.options.field_options import FieldFlags, PatientFlags
from welkin_async.cli.options.groups import expanded
from welkin_async.cli.options.row_options import Files, KeyFlags, ReadFlags, RunFlags
from welkin_async.cli.wording import CommandError
from welkin_async.files.jobs.create_patients import PatientImport
from welkin_async.files.jobs.create_records import RecordImport
from welkin_async.files.jobs.job import FileJob
from welkin_async.files.jobs.upsert_records import RecordUpsert
from welkin_async.files.run.absent_deletion import AbsentDeletion, read_plan


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


class RecordKey(StrEnum):
    """The fields that can carry a key."""

    EXTERNAL_ID = "external_id"
    EXTERNAL_GUID = "external_guid"


KeySpace = Annotated[
    str | None,
    typer.Option(
        help="Have this name before each key, as NAME/key.",
        show_default="keys as they are",
        rich_help_panel=panels.KEYS,
    ),
]


SingleRecord = Annotated[
    bool,
    typer.Option(
        "--single-record",
        help="A patient has one record of this kind: find it by its patient.",
        rich_help_panel=panels.KEYS,
    ),
]


class Empty(StrEnum):
    """What an empty cell asks for."""

    KEEP = "keep"
    CLEAR = "clear"


EmptyCells = Annotated[
    Empty,
    typer.Option(help="What an empty cell asks for: leave the field, or clear it.", rich_help_panel=panels.FIELDS),
]


@expanded
def import_file(
    context: typer.Context,
    *,
    files: Files,
    cdt: Annotated[str, typer.Option(help="The custom data type to create records of.")],
    patients: PatientFlags,
    fields: FieldFlags,
    key_field: Annotated[
        Key,
        typer.Option(
            help="The field that carries each row's key, by which it is created exactly once.",
            rich_help_panel=panels.KEYS,
        ),
    ] = Key.EXTERNAL_ID,
    keys: KeyFlags,
    key_space: KeySpace = None,
    single_record: SingleRecord = False,
    remove_doubles: Annotated[
        bool,
        typer.Option(
            "--remove-doubles",
            help="Remove records that are there twice, equal and unedited.",
            rich_help_panel=panels.KEYS,
        ),
    ] = False,
    processes: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Import by so many processes of this machine, with a ledger in place of a journal.",
            rich_help_panel=panels.RUN,
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Import by so many processes (2) of a Ray cluster, with a ledger in --shared; host:port of its head.",
            rich_help_panel=panels.RUN,
        ),
    ] = None,
    no_rejects: Annotated[
        bool,
        typer.Option(
            "--no-rejects",
            help="With --processes or --ray: write no reject and review files, where no folder is shared by all nodes.",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = False,
    run: RunFlags,
    connection: Connection,
) -> None:
    """Create a record for each row of a file, exactly once.

    Ended in any way, the same command goes on where it ended. Rows that are not created go to a reject file, to be
    mended and imported. Rows that may be on the server, or are there otherwise than they should, go to a review file.

    Exit code: 0 every row is created, 1 some are not, 2 usage or configuration, 130 Ctrl-C.
    """

    def job(file: Path) -> RecordImport:
        if key_field is Key.NONE and (
            keys.key_column is not None or key_space is not None or single_record or remove_doubles
        ):
            raise CommandError("without a key field there are neither keys nor doubles to be removed")
        return RecordImport(
            settings=run.settings(file, cdt, fields=fields, patients=patients),
            cdt=cdt,
            patient=patients.column,
            key_field=_KEY_FIELDS[key_field],
            key=keys.key_column,
            key_space=key_space,
            single_record=single_record,
            settle=keys.settle,
            final_settle=keys.final_settle,
            existing=keys.existing.value,
            max_lookups=keys.max_lookups,
            remove_doubles=remove_doubles,
        )

    if (processes is not None or ray is not None) and single_record:
        raise typer.BadParameter("--single-record does not go with --processes or --ray")
    if (processes is not None or ray is not None) and remove_doubles:
        raise typer.BadParameter("--remove-doubles does not go with --processes or --ray, which name doubles")
    if ray is not None and connection.resolve().shared is None:
        raise typer.BadParameter("--ray needs --shared, a store that all nodes of the cluster reach")
    if no_rejects and processes is None and ray is None:
        raise typer.BadParameter("--no-rejects goes with --processes or --ray")
    if processes is not None or ray is not None:
        carry_out_in_processes(context, files, job, run, connection, processes or 2, ray, rejects=not no_rejects)
    carry_out(context, files, job, run, connection)


@expanded
def upsert_file(
    context: typer.Context,
    *,
    files: Files,
    cdt: Annotated[str, typer.Option(help="The custom data type to upsert records of.")],
    patients: PatientFlags,
    fields: FieldFlags,
    key_field: Annotated[
        RecordKey,
        typer.Option(
            help="The field that carries each row's key, by which its record is found.", rich_help_panel=panels.KEYS
        ),
    ] = RecordKey.EXTERNAL_ID,
    keys: KeyFlags,
    key_space: KeySpace = None,
    single_record: SingleRecord = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Change records, too, that somebody else changed last.", rich_help_panel=panels.KEYS
        ),
    ] = False,
    recreate: Annotated[
        bool,
        typer.Option(
            "--recreate",
            help="Make records again that the journal calls created and that are gone.",
            rich_help_panel=panels.KEYS,
        ),
    ] = False,
    empty: EmptyCells = Empty.KEEP,
    plan_file: Annotated[
        Path | None,
        typer.Option(
            help="With --dry-run: write what would be created and changed to this NDJSON file, no values.",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = None,
    delete_absent: Annotated[
        bool,
        typer.Option(
            "--delete-absent",
            help="Delete what the file no longer names; with --dry-run --plan-file, plan that.",
            rich_help_panel=panels.RUN,
        ),
    ] = False,
    plan: Annotated[
        Path | None,
        typer.Option(
            help="With --delete-absent: what an earlier --plan-file wrote; nothing else goes.",
            rich_help_panel=panels.RUN,
        ),
    ] = None,
    max_deletes: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="With --delete-absent: how many records may go.",
            show_default="must be given",
            rich_help_panel=panels.RUN,
        ),
    ] = None,
    run: RunFlags,
    connection: Connection,
) -> None:
    """Bring the record of each row to what the row asks for, and create it where there is none.

    What is there with the same fields is left; of what differs the fields that do are changed, unless somebody else
    has changed the record last. With --dry-run the file is compared with the server and nothing is written.

    With --delete-absent records of the key space that the file no longer names, of the patients that it names, are
    deleted afterwards, as far as a plan from an earlier dry run names them and nobody has changed them since.

    Exit code: 0 every row is there as asked for, 1 some are not, 2 usage or configuration, 130 Ctrl-C.
    """

    def job(file: Path) -> RecordUpsert:
        if plan_file is not None and not run.dry_run:
            raise CommandError("--plan-file goes with --dry-run")
        return RecordUpsert(
            settings=run.settings(file, f"{cdt}.upsert", fields=fields, patients=patients),
            cdt=cdt,
            patient=patients.column,
            key_field=key_field.value,
            key=keys.key_column,
            key_space=key_space,
            single_record=single_record,
            settle=keys.settle,
            final_settle=keys.final_settle,
            existing=keys.existing.value,
            max_lookups=keys.max_lookups,
            overwrite=overwrite,
            recreate=recreate,
            empty=empty.value,
        )

    if (plan is not None or max_deletes is not None) and (run.dry_run or not delete_absent):
        raise typer.BadParameter("--plan and --max-deletes go with --delete-absent, and not with --dry-run")
    if run.dry_run:
        unexpected: Literal["delete"] | None = "delete" if delete_absent else None
        compare(context, files, job, plan_file, connection, as_json=run.json, planned=True, unexpected=unexpected)
    deletion: Callable[[FileJob], AbsentDeletion] | None = None
    if delete_absent:
        if plan is None or max_deletes is None:
            raise typer.BadParameter("--delete-absent needs --plan and --max-deletes, or --dry-run")
        deletion = partial(_deletion, plan=plan, most=max_deletes)
    carry_out(context, files, job, run, connection, deletion)


def _deletion(job: FileJob, *, plan: Path, most: int) -> AbsentDeletion:
    """Return what deletes absent records, as a plan says."""
    assert isinstance(job, RecordUpsert)
    deletion = AbsentDeletion(job=job, planned=read_plan(plan, most))
    deletion.check()
    return deletion


@expanded
def verify_file(
    context: typer.Context,
    *,
    files: Files,
    cdt: Annotated[str, typer.Option(help="The custom data type whose records are compared.")],
    patients: PatientFlags,
    fields: FieldFlags,
    key_field: Annotated[
        RecordKey,
        typer.Option(
            help="The field that carries each row's key, by which its record is found.", rich_help_panel=panels.KEYS
        ),
    ] = RecordKey.EXTERNAL_ID,
    key_column: Annotated[
        str | None,
        typer.Option(
            help="The column that holds keys; made from the file and the row otherwise.", rich_help_panel=panels.KEYS
        ),
    ] = None,
    key_space: KeySpace = None,
    single_record: SingleRecord = False,
    empty: EmptyCells = Empty.KEEP,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Find records of the key space, too, that the file does not name.",
            rich_help_panel=panels.RUN,
        ),
    ] = False,
    findings: Annotated[
        Path | None,
        typer.Option(
            help="Write each row that is not there once and equal to this NDJSON file.", rich_help_panel=panels.OUTPUT
        ),
    ] = None,
    reading: ReadFlags,
    connection: Connection,
) -> None:
    """Hold each row of a file against what is on the server, and write nothing there.

    Each row is present, altered, missing, doubled or refused; with --strict, which needs --key-column and --key-space,
    records that the file does not name are unexpected. The findings name keys, record ids and fields, no values.

    Exit code: 0 every row is there once and equal, 1 some are not, 2 usage or configuration, 130 Ctrl-C.
    """

    def job(file: Path) -> RecordUpsert:
        return RecordUpsert(
            settings=reading.settings(file, fields),
            cdt=cdt,
            patient=patients.column,
            key_field=key_field.value,
            key=key_column,
            key_space=key_space,
            single_record=single_record,
            empty=empty.value,
        )

    compare(
        context, files, job, findings, connection, as_json=reading.json, unexpected="unexpected" if strict else None
    )


@expanded
def import_patients(
    context: typer.Context, *, files: Files, fields: FieldFlags, keys: KeyFlags, run: RunFlags, connection: Connection
) -> None:
    """Create a patient for each row of a file, exactly once.

    Columns are sent as the fields they are named after, such as firstName, lastName and birthDate, or as --map says.
    The key of a row goes into externalGuid, as it is where it is a UUID and else as one that is made of it; a column
    that is sent as externalGuid goes first. For the rest it is as with import.

    Exit code: 0 every row is created, 1 some are not, 2 usage or configuration, 130 Ctrl-C.
    """

    def job(file: Path) -> PatientImport:
        return PatientImport(
            settings=run.settings(file, "patients", fields=fields),
            key=keys.key_column,
            settle=keys.settle,
            final_settle=keys.final_settle,
            existing=keys.existing.value,
            max_lookups=keys.max_lookups,
        )

    carry_out(context, files, job, run, connection)
