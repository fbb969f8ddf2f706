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
from welkin_async.cli.commands.export import export_file
from welkin_async.cli.commands.formations import codegen, describe
from welkin_async.cli.commands.import_ import import_file, import_patients, upsert_file, verify_file
from welkin_async.cli.commands.map_ import map_file
from welkin_async.cli.commands.sandbox import serve_sandbox
from welkin_async.cli.commands.shared import shared
from welkin_async.cli.runtime import finish
from welkin_async.errors import printable


class _Commands(TyperGroup):
    """The commands; one that is called wrongly ends with a JSON object, too, where ``--json`` asks for one."""

    def main(self, args: Sequence[str] | None = None, **extra: Any) -> Any:  # type: ignore[override]
        """Run a command; see `TyperGroup`."""
        given = sys.argv[1:] if args is None else list(args)
        if not extra.setdefault("standalone_mode", True) or "--json" not in given:
            return super().main(given, **extra)
        try:
            code = super().main(given, **{**extra, "standalone_mode": False})
        except Exception as error:
            told: Any = error  # the class is typer's own in some versions, and click's in others
            if not hasattr(error, "format_message"):
                raise
            told.show()
            report = {"outcome": "error", "error": printable(told.format_message()), "exit_code": told.exit_code}
            sys.stdout.write(f"{json.dumps(report, indent=2)}\n")
            code = told.exit_code
        sys.exit(code if isinstance(code, int) else 0)


app = typer.Typer(
    name="welkin-async",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
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


app.command("import")(import_file)
app.command("import-patients")(import_patients)
app.command("upsert")(upsert_file)
app.command("verify")(verify_file)
app.command("update")(update_records)
app.command("delete")(delete_records)
app.command("map")(map_file)
app.command("export")(export_file)
app.command("codegen")(codegen)
app.command("describe")(describe)
app.command("sandbox")(serve_sandbox)
app.add_typer(shared)


@app.command("demo")
def demo(
    records: Annotated[int, typer.Option(min=1, help="How many records.")] = 20_000,
    patients: Annotated[int, typer.Option(min=1, help="For how many patients.")] = 200,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests at once.")] = 64,
    seed: Annotated[int, typer.Option(help="Which records.")] = 1,
) -> None:
    """Import made-up records into a local server, read them all back, and compare."""
    finish(lambda _: Demo(records, patients, concurrency, seed).run())
