"""The commands and their options."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

from welkin_async.cli.change_commands import delete_records, update_records
from welkin_async.cli.demo import Demo
from welkin_async.cli.export_command import export_file
from welkin_async.cli.finishing import finish
from welkin_async.cli.import_command import import_file, import_patients
from welkin_async.cli.sandbox import run_sandbox

__all__ = ["app", "run_command"]

app = typer.Typer(
    name="welkin-async",
    help="Bring records into Welkin Health and out of it, and try it on a local server.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    # A traceback would show the values of a patient's row.
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
)


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


app.command("import")(import_file)
app.command("import-patients")(import_patients)
app.command("update")(update_records)
app.command("delete")(delete_records)
app.command("export")(export_file)


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
    finish(lambda interrupt: run_sandbox(options, interrupt))


@app.command("demo")
def demo(
    records: Annotated[int, typer.Option(min=1, help="How many records.")] = 20_000,
    patients: Annotated[int, typer.Option(min=1, help="For how many patients.")] = 200,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests at once.")] = 64,
    seed: Annotated[int, typer.Option(help="Which records.")] = 1,
) -> None:
    """Import made-up records into a local server, read them all back, and compare."""
    finish(lambda _: Demo(records, patients, concurrency, seed).run())
