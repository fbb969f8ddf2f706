"""``welkin-async codegen`` and ``welkin-async describe``: what the Designer says of CDTs, as Python and for people."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from welkin_async.cli.options import panels
from welkin_async.cli.options.connection import Connection
from welkin_async.cli.options.groups import expanded
from welkin_async.cli.progress import say
from welkin_async.cli.runtime import finish
from welkin_async.cli.wording import CommandError
from welkin_async.codegen import CodegenError, compare, generate
from welkin_async.codegen.fields import GeneratedField, own_fields
from welkin_async.codegen.generated_file import read_generated
from welkin_async.errors import NotFoundError, printable
from welkin_async.models.formations import CdtFormation
from welkin_async.wire.records import to_wire


@expanded
def codegen(
    *,
    cdt: Annotated[list[str] | None, typer.Option(help="A custom data type; may be repeated.")] = None,
    all_cdts: Annotated[bool, typer.Option("--all", help="Every custom data type of the instance.")] = False,
    formation: Annotated[
        list[Path] | None,
        typer.Option(help="A JSON file with formations, instead of the instance's; may be repeated.", dir_okay=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The Python file to be written; else stdout.",
            dir_okay=False,
            rich_help_panel=panels.OUTPUT,
        ),
    ] = None,
    closed_options: Annotated[
        bool, typer.Option("--closed-options", help="A value outside an option list is a type error.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Write nothing; tell whether the formations are those the file was made from.",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = False,
    connection: Connection,
) -> None:
    """Make typed classes from the formations of custom data types.

    With --check the custom data types are those of the file, unless some are named.

    Exit code: 0 made, or the file is up to date; 1 it is not; 2 usage or configuration.
    """

    async def main(_: object) -> int:
        names = list(cdt or ())
        if sum(map(bool, (names, all_cdts, formation))) > 1:
            raise CommandError("give one of --cdt, --all and --formation")
        if check and output is None:
            raise CommandError("--check goes with --output, the file that is checked")
        if not (names or all_cdts or formation or check):
            raise CommandError("give --cdt, --all or --formation")
        made = _read(output) if check and output is not None else ""
        try:
            if not (names or all_cdts or formation):
                names = [each.name for each in read_generated(made)]
            found = _from_files(formation) if formation else await _from_instance(connection, names, every=all_cdts)
            if check:
                return _told(made, found, only=None if all_cdts else names, file=str(output))
            text = generate(found, closed_options=closed_options)
        except CodegenError as error:
            raise CommandError(f"codegen: {error}") from None
        if output is None:
            sys.stdout.write(text)
        else:
            _write(output, text)
        return 0

    finish(main)


def _told(made: str, formations: Sequence[CdtFormation], *, only: Sequence[str] | None, file: str) -> int:
    """Say what has changed, and return the exit code."""
    drifts = [drift for drift in compare(made, formations) if not only or drift.cdt in only]
    for drift in drifts:
        say(f"{drift.cdt}: {drift.reason}")
    say(f"{file} is out of date: run codegen again" if drifts else f"{file} is up to date")
    return 1 if drifts else 0


@expanded
def describe(
    *,
    cdt: Annotated[list[str] | None, typer.Option(help="A custom data type; may be repeated. Else all.")] = None,
    formation: Annotated[
        list[Path] | None,
        typer.Option(help="A JSON file with formations, instead of the instance's; may be repeated.", dir_okay=False),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the formations as JSON.", rich_help_panel=panels.OUTPUT)
    ] = False,
    connection: Connection,
) -> None:
    """Show the fields of custom data types: names, types, what may be written, options.

    Exit code: 0 shown, 2 usage or configuration.
    """

    async def main(_: object) -> int:
        if formation and cdt:
            raise CommandError("give either --cdt or --formation")
        found = _from_files(formation) if formation else await _from_instance(connection, cdt or (), every=not cdt)
        if as_json:
            sys.stdout.write(f"{json.dumps([to_wire(each) for each in found], indent=2)}\n")
        else:
            sys.stdout.write("\n".join(line for each in found for line in _description(each)) + "\n")
        return 0

    finish(main, as_json=as_json)


def _description(formation: CdtFormation) -> Iterable[str]:
    fields = own_fields(formation)
    title = formation.label or formation.title
    yield printable(f"{formation.name}" + (f": {title}" if title else "") + f" ({len(fields)} fields)")
    width = max((len(field.name) for field in fields), default=0)
    kinds = max((len(field.type or "?") for field in fields), default=0)
    for field in fields:
        said = "; ".join([*([field.label] if field.label else []), *_flags(field)])
        yield printable(f"  {field.name:{width}}  {field.type or '?':{kinds}}  {said}").rstrip()


def _flags(field: GeneratedField) -> Iterable[str]:
    flags = {
        "required": field.required,
        "read-only": not field.editable,
        "several values": field.multiple,
        "bulk edit": field.bulk_edit,
        "PHI": field.phi,
    }
    yield from (word for word, is_so in flags.items() if is_so)
    if field.dictionary:
        yield f"dictionary {field.dictionary}"
    if field.minimum is not None or field.maximum is not None:
        yield f"{field.minimum or ''}..{field.maximum or ''}"
    if field.options:
        yield "one of " + ", ".join(str(option.value) for option in field.options)


async def _from_instance(connection: Connection, names: Iterable[str], *, every: bool) -> list[CdtFormation]:
    """Read formations from the instance.

    Raises:
        CommandError: there is no such CDT.
    """
    async with connection.session() as welkin:
        cdts = welkin.formations().cdts
        if every:
            return sorted((each for each in await cdts.list() if each.fields), key=lambda each: each.name or "")
        found = []
        for name in names:
            try:
                found.append(await cdts.get(name))
            except NotFoundError:
                raise CommandError(f"the instance has no CDT {name}, or none the api client may see", 1) from None
        return found


def _from_files(paths: Iterable[Path]) -> list[CdtFormation]:
    """Read formations from JSON files, which hold one or an array of them.

    Raises:
        CommandError: a file holds something else.
    """
    found = []
    for path in paths:
        try:
            content: Any = json.loads(path.read_bytes())
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from None
        except (ValueError, RecursionError):
            raise CommandError(f"{path}: it is not JSON") from None
        for each in content if isinstance(content, list) else [content]:
            if not isinstance(each, dict) or not isinstance(each.get("fields"), list):
                raise CommandError(f"{path}: it holds no formation, which has a name and fields")
            found.append(CdtFormation.from_wire(each))
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", 1) from None
    except UnicodeError:
        raise CommandError(f"{path}: it is not text") from None


def _write(path: Path, text: str) -> None:
    """Replace a file by its new text, whole.

    Raises:
        CommandError: it cannot be written.
    """
    try:
        handle, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            Path(made).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
            Path(made).replace(path)
        except BaseException:
            Path(made).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
