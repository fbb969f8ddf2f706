"""Command line: the commands and their options."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from welkin_async._version import __version__
from welkin_async.cli.commands.change import delete_records, update_records
from welkin_async.cli.commands.demo import Demo
from welkin_async.cli.commands.doctor import doctor
from welkin_async.cli.commands.export import export_file
from welkin_async.cli.commands.formations import codegen, describe
from welkin_async.cli.commands.import_ import import_file, import_patients, upsert_file, verify_file
from welkin_async.cli.commands.map_ import map_file
from welkin_async.cli.commands.sandbox import serve_sandbox
from welkin_async.cli.commands.shared import shared
from welkin_async.cli.options import panels
from welkin_async.cli.runtime import finish
from welkin_async.errors import printable


class _Commands(TyperGroup):
    """The commands; one that is called wrongly ends with a plain line, and with a JSON object where ``--json`` asks."""

    def main(self, args: Sequence[str] | None = None, **extra: Any) -> Any:  # type: ignore[override]
        """Run a command; see `TyperGroup`."""
        if not extra.setdefault("standalone_mode", True):
            return super().main(args, **extra)
        given = sys.argv[1:] if args is None else args
        try:
            code = super().main(args, **{**extra, "standalone_mode": False})
        except typer.Abort:
            sys.stderr.write("welkin-async: stopped\n")
            code = 1
        except Exception as error:
            told: Any = error  # the class is typer's own in some versions, and click's in others
            if not hasattr(error, "format_message"):
                raise
            told.show()  # plain text: a box drawn around it, as typer does, breaks what scripts look for over lines
            code = told.exit_code
            if "--json" in given:
                report = {"outcome": "error", "error": printable(told.format_message()), "exit_code": code}
                sys.stdout.write(f"{json.dumps(report, indent=2)}\n")
        sys.exit(code if isinstance(code, int) else 0)


app = typer.Typer(
    name="welkin-async",
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    # A traceback would show the values of a patient's row.
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
)


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


def _print_version(wanted: bool) -> None:
    if wanted:
        python, loop = platform.python_version(), "uvloop" if find_spec("uvloop") else "asyncio"
        sys.stdout.write(f"welkin-async {__version__} (Python {python}, {loop})\n")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Bring records into Welkin Health and out of it, and try it on a local server."""


app.command("import", rich_help_panel=panels.FILE_TO_SERVER)(import_file)
app.command("import-patients", rich_help_panel=panels.FILE_TO_SERVER)(import_patients)
app.command("upsert", rich_help_panel=panels.FILE_TO_SERVER)(upsert_file)
app.command("update", rich_help_panel=panels.FILE_TO_SERVER)(update_records)
app.command("delete", rich_help_panel=panels.FILE_TO_SERVER)(delete_records)
app.command("map", rich_help_panel=panels.FILE_TO_SERVER)(map_file)
app.command("export", rich_help_panel=panels.SERVER_TO_FILE)(export_file)
app.command("verify", rich_help_panel=panels.SERVER_TO_FILE)(verify_file)
app.command("doctor", rich_help_panel=panels.AROUND)(doctor)
app.command("describe", rich_help_panel=panels.AROUND)(describe)
app.command("codegen", rich_help_panel=panels.AROUND)(codegen)
app.add_typer(shared, rich_help_panel=panels.AROUND)
app.command("sandbox", rich_help_panel=panels.LOCAL)(serve_sandbox)


@app.command("demo", rich_help_panel=panels.LOCAL)
def demo(
    records: Annotated[int, typer.Option(min=1, help="How many records.")] = 20_000,
    patients: Annotated[int, typer.Option(min=1, help="For how many patients.")] = 200,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests at once.")] = 64,
    seed: Annotated[int, typer.Option(help="Which records.")] = 1,
) -> None:
    """Import made-up records into a local server, read them all back, and compare."""
    finish(lambda _: Demo(records, patients, concurrency, seed).run())
