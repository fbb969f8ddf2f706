"""The options of ``welkin-async map``."""

from __future__ import annotations

import json as json_format
import shlex
import sys
from pathlib import Path
from typing import Annotated

import attrs
import typer

from welkin_async.cli.options import panels
from welkin_async.cli.options.connection import Connection
from welkin_async.cli.options.groups import expanded
from welkin_async.cli.runtime import Interrupt, finish
from welkin_async.cli.wording import CommandError
from welkin_async.errors import printable
from welkin_async.files import MappingProposal, propose_mapping


@expanded
def map_file(
    *,
    file: Annotated[Path, typer.Argument(help="The file.", dir_okay=False)],
    cdt: Annotated[str, typer.Option(help="The custom data type whose fields its columns could become.")],
    toml: Annotated[
        Path | None, typer.Option(help="Write the proposal to this file, for --mapping.", rich_help_panel=panels.OUTPUT)
    ] = None,
    sheet: Annotated[
        str | None,
        typer.Option(help="The sheet of a workbook.", show_default="its only one", rich_help_panel=panels.READING),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(help="The file's encoding.", show_default="found out, else utf-8", rich_help_panel=panels.READING),
    ] = (None),
    delimiter: Annotated[
        str | None,
        typer.Option(
            help="Between the cells of a CSV file; 'tab' for a tab.",
            show_default="found out",
            rich_help_panel=panels.READING,
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the proposal as JSON.", rich_help_panel=panels.OUTPUT)
    ] = False,
    connection: Connection,
) -> None:
    """Propose which columns of a file become which fields, by their names, and print the command that says so.

    Nothing is sent. A field that is marked as similar is a guess: look it through before the command is used.

    Exit code: 0 there is a proposal, 1 no column is like a field, 2 usage or configuration, 130 Ctrl-C.
    """

    async def main(interrupt: Interrupt) -> int:
        """Read the header and the definition."""
        if toml is not None and toml.exists():
            raise CommandError(f"{toml} exists: name another file")
        async with connection.session() as welkin:
            found = await propose_mapping(
                welkin,
                file,
                cdt=cdt,
                encoding=encoding,
                delimiter="\t" if delimiter == "tab" else delimiter,
                sheet=sheet,
            )
        command = import_command(file, cdt, found, toml)
        if toml is not None and found.columns:
            try:
                toml.write_text(found.to_toml(), encoding="utf-8")
            except OSError as error:
                raise CommandError(f"{toml} cannot be written: {error.strerror}") from None
        text = f"{found}\n\n{command}"
        if json:
            text = json_format.dumps({**attrs.asdict(found), "command": command}, indent=2)
        sys.stdout.write(f"{text if json else printable(text)}\n")
        return 0 if found.columns else 1

    finish(main, as_json=json)


def import_command(file: Path, cdt: str, found: MappingProposal, toml: Path | None = None) -> str:
    """Return the command that imports a file as it was proposed; a placeholder stands for what is not known.

    Args:
        file: The file.
        cdt: The CDT's name.
        found: The proposal.
        toml: A mapping file that has it, or None.
    """
    lines = [["welkin-async", "import", str(file), "--cdt", cdt]]
    lines.append(["--patient-column", found.patient or "COLUMN", "--patient-type", found.patient_type])
    if toml is not None:
        lines.append(["--mapping", str(toml)])
    else:
        lines += [["--map", f"{column}={field}"] for column, field in found.columns.items()]
    return " \\\n    ".join(shlex.join(line) for line in lines)
