"""The options of ``welkin-async import``."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from welkin_async.bulk.keys import KeyField
from welkin_async.cli.again import resuming_command
from welkin_async.cli.connection import Connection
from welkin_async.cli.dry_run import dry_run as check_file
from welkin_async.cli.finishing import finish
from welkin_async.cli.importing import Import
from welkin_async.cli.loop import Interrupt
from welkin_async.cli.mapping import parse_map
from welkin_async.cli.meter import Meter
from welkin_async.cli.options import ImportOptions, most_failures
from welkin_async.cli.text import CommandError
from welkin_async.session import Welkin

__all__ = ["import_file"]


class PatientType(StrEnum):
    """What the patient column holds."""

    ID = "ID"
    EGUID = "EGUID"
    EID = "EID"
    MRN = "MRN"


class Environment(StrEnum):
    """The API's hosts."""

    LIVE = "live"
    SANDBOX = "sandbox"


class Check(StrEnum):
    """What is done about rows that do not fit the CDT's definition."""

    STRICT = "strict"
    WARN = "warn"
    OFF = "off"


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


def _zone(name: str | None) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise CommandError("--timezone takes an IANA name, such as America/New_York") from None


def import_file(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="A .csv, .ndjson, .jsonl or .parquet file.", exists=True, dir_okay=False)
    ],
    cdt: Annotated[str, typer.Option(help="The custom data type to create records of.")],
    patient_column: Annotated[str, typer.Option(help="The column that names the patient.")],
    patient_type: Annotated[PatientType, typer.Option(help="What that column holds.")] = PatientType.ID,
    map: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=field[:type]",
            help="Send this column as this field; text, integer, number, boolean, date or datetime. "
            "May be repeated; columns not named are then not sent.",
        ),
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="The zone of datetimes without an offset, which are refused otherwise.")
    ] = None,
    check: Annotated[
        Check, typer.Option(help="Rows that the CDT's definition does not allow: refuse, send and warn, or don't look.")
    ] = Check.STRICT,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the whole file and send nothing.")] = False,
    check_patients: Annotated[
        bool, typer.Option("--check-patients", help="Look patients up in a dry run, too.")
    ] = False,
    key_field: Annotated[
        Key, typer.Option(help="The field that carries each row's key, by which it is created exactly once.")
    ] = Key.EXTERNAL_ID,
    key_column: Annotated[
        str | None, typer.Option(help="The column that holds keys; made from the file and the row otherwise.")
    ] = None,
    journal: Annotated[
        Path | None,
        typer.Option(
            help="Keeps track, so that the same command goes on after any kind of end.", show_default="FILE.CDT.journal"
        ),
    ] = None,
    no_journal: Annotated[bool, typer.Option("--no-journal", help="Keep no journal.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an earlier run ended; what happens anyway.")
    ] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Go on, and try rows again that were not created.")] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Forget earlier runs and send every row, those created as well.")
    ] = False,
    settle: Annotated[
        float, typer.Option(min=0.0, help="Seconds a record must not be found before its row is sent again.")
    ] = 5.0,
    final_settle: Annotated[
        float, typer.Option(min=0.0, help="Seconds after the last doubtful row before doubles are looked for.")
    ] = 60.0,
    remove_doubles: Annotated[
        bool, typer.Option("--remove-doubles", help="Remove records that are there twice, equal and unedited.")
    ] = False,
    max_failures: Annotated[
        str | None, typer.Option(metavar="N|N%", help="Stop when so many rows, or so large a share, failed.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests at once.")] = 32,
    rate: Annotated[float | None, typer.Option(help="Requests per second at most.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds the server may take to answer.")] = 30.0,
    rejects: Annotated[
        Path | None,
        typer.Option(
            help="Where rows go that are not on the server; what must be looked into goes beside it, as .review.",
            show_default="FILE.rejects.csv",
        ),
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Write every row and what became of it to this NDJSON file.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write a page with throughput and latency over time to this HTML file.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    encoding: Annotated[
        str | None, typer.Option(help="The file's encoding.", show_default="found out, else utf-8")
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(help="Between the cells of a CSV file; 'tab' for a tab.", show_default="found out")
    ] = None,
    tenant: Annotated[str | None, typer.Option(envvar="WELKIN_TENANT")] = None,
    instance: Annotated[str | None, typer.Option(envvar="WELKIN_INSTANCE")] = None,
    api_client: Annotated[str | None, typer.Option(envvar="WELKIN_API_CLIENT")] = None,
    environment: Annotated[Environment | None, typer.Option(envvar="WELKIN_ENVIRONMENT")] = None,
    base_url: Annotated[str | None, typer.Option(envvar="WELKIN_BASE_URL")] = None,
    secret_file: Annotated[
        Path | None, typer.Option(help="A file with the secret; WELKIN_SECRET_KEY where it is not given.")
    ] = None,
) -> None:
    """Create a record for each row of a CSV, NDJSON or Parquet file, exactly once.

    Ended in any way, the same command goes on where it ended. Rows that are not created go to a reject file, to be
    mended and imported. Rows that may be on the server, or are there otherwise than they should, go to a review file.

    Exit code: 0 every row is created, 1 some are not, 2 usage or configuration, 130 Ctrl-C.
    """
    connection = Connection(
        tenant=tenant,
        instance=instance,
        api_client=api_client,
        environment=None if environment is None else environment.value,
        base_url=base_url,
        secret_file=secret_file,
    )

    async def main(interrupt: Interrupt) -> int:
        """Put the options together and import."""
        if sum((resume, retry, restart)) > 1:
            raise CommandError("--resume, --retry and --restart exclude each other")
        if no_journal and (journal is not None or resume or retry or restart):
            raise CommandError("--no-journal goes with none of --journal, --resume, --retry and --restart")
        if check_patients and not dry_run:
            raise CommandError("--check-patients goes with --dry-run; an import looks patients up anyway")
        if key_field is Key.NONE and (key_column is not None or remove_doubles):
            raise CommandError("without a key field there are neither keys nor doubles to be removed")
        options = ImportOptions(
            file=file,
            cdt=cdt,
            patient_column=patient_column,
            patient_type=patient_type.value,
            maps=tuple(parse_map(text) for text in map or ()),
            zone=_zone(timezone),
            check=check.value,
            concurrency=concurrency,
            rejects=rejects,
            results=results,
            encoding=encoding,
            delimiter="\t" if delimiter == "tab" else delimiter,
            key_field=_KEY_FIELDS[key_field],
            key_column=key_column,
            journal=None if no_journal else journal or file.with_name(f"{file.name}.{cdt}.journal"),
            mode="retry" if retry else "restart" if restart else "resume",
            settle=settle,
            final_settle=final_settle,
            max_failures=most_failures(max_failures),
            remove_doubles=remove_doubles,
            json=json,
            report=report,
            check_patients=check_patients,
            command=resuming_command(context),
        )
        if dry_run:
            return await check_file(connection.session(rate=rate, timeout=timeout), options)

        def session(meter: Meter) -> Welkin:
            """Return a session whose requests are counted."""
            return connection.session(rate=rate, timeout=timeout, on_attempt=meter.count)

        return await Import(session, options, interrupt).run()

    finish(main)
