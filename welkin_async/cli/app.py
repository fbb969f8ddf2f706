"""The commands and their options."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from welkin_async.bulk.keys import KeyField
from welkin_async.cli.again import resuming_command
from welkin_async.cli.connection import Connection
from welkin_async.cli.demo import Demo
from welkin_async.cli.dry_run import dry_run as check_file
from welkin_async.cli.importing import Import
from welkin_async.cli.loop import Interrupt, run
from welkin_async.cli.mapping import parse_map
from welkin_async.cli.meter import Meter
from welkin_async.cli.options import ImportOptions, most_failures
from welkin_async.cli.sandbox import run_sandbox
from welkin_async.cli.text import CommandError
from welkin_async.errors import WelkinError
from welkin_async.session import Welkin

__all__ = ["app", "run_command"]

app = typer.Typer(
    name="welkin-async",
    help="Import records into Welkin Health, and try it on a local server.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    # A traceback would show the values of a patient's row.
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
)


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


class RetryAfter(StrEnum):
    """Forms of the header on a 429."""

    SECONDS = "seconds"
    DATE = "date"
    NONE = "none"


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; None for the process' own.

    Returns:
        The exit code.
    """
    try:
        app(args=None if arguments is None else list(arguments), prog_name="welkin-async")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _finish(main: Callable[[Interrupt], Awaitable[int]]) -> None:
    """Run a command to its end, and say in one line what went wrong."""
    try:
        code = run(main)
    except CommandError as error:
        code, message = error.exit_code, str(error)
    except WelkinError as error:
        code, message = 2, str(error)
    except (KeyboardInterrupt, asyncio.CancelledError):
        code, message = 130, "stopped"
    except Exception as error:
        # A defect of this program. The text of the exception might quote a patient's data; its place cannot.
        code, message = 1, f"a defect: {type(error).__name__} in {_place(error)}; please report it"
    else:
        raise typer.Exit(code)
    sys.stderr.write(f"welkin-async: {message}\n")
    raise typer.Exit(code)


def _place(error: BaseException) -> str:
    trace, place = error.__traceback__, "?"
    while trace is not None:
        place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _zone(name: str | None) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise CommandError("--timezone takes an IANA name, such as America/New_York") from None


@app.command("import")
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

    _finish(main)


@app.command("sandbox")
def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on, 0 for a free one.")] = 8080,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    tenant: Annotated[str, typer.Option(help="The tenant's name.")] = "gh",
    instance: Annotated[str, typer.Option(help="The instance's name.")] = "sb-demo",
    api_client: Annotated[str, typer.Option(help="The api client's name.")] = "SANDBOX",
    token_life: Annotated[float, typer.Option(help="Seconds a token is accepted.")] = 3600.0,
    rate: Annotated[float | None, typer.Option(help="Requests per second before 429.")] = None,
    burst: Annotated[float | None, typer.Option(help="The size of a token bucket, instead of a window.")] = None,
    retry_after: Annotated[RetryAfter, typer.Option(help="The header of a 429.")] = RetryAfter.SECONDS,
    latency: Annotated[float, typer.Option(min=0.0, help="Seconds every request waits.")] = 0.0,
    seed: Annotated[int, typer.Option(help="The start of its ids.")] = 0,
    allow_delete: Annotated[bool, typer.Option("--allow-delete", help="Let patients and users be deleted.")] = False,
) -> None:
    """Run a local Welkin V8 server until Ctrl-C, and print the variables that point to it."""
    options: dict[str, Any] = {
        "port": port,
        "host": host,
        "tenant": tenant,
        "instance": instance,
        "api_client": api_client,
        "token_life": token_life,
        "rate": rate,
        "burst": burst,
        "retry_after": retry_after.value,
        "latency": latency,
        "seed": seed,
        "allow_delete": allow_delete,
    }
    # Its records are kept for good; looking through them again and again for garbage costs more than serving.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    _finish(lambda interrupt: run_sandbox(options, interrupt))


@app.command("demo")
def demo(
    records: Annotated[int, typer.Option(min=1, help="How many records.")] = 20_000,
    patients: Annotated[int, typer.Option(min=1, help="For how many patients.")] = 200,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests at once.")] = 64,
    seed: Annotated[int, typer.Option(help="Which records.")] = 1,
) -> None:
    """Import made-up records into a local server, read them all back, and compare."""
    _finish(lambda _: Demo(records, patients, concurrency, seed).run())
