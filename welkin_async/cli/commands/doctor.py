"""``welkin-async doctor``: the settings and where they are from, and whether a run could begin with them."""

from __future__ import annotations

import json
import platform
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import attrs
import typer

from welkin_async._version import __version__
from welkin_async.cli.commands.diagnosis import Diagnosis, Resource, State
from welkin_async.cli.options import panels
from welkin_async.cli.options.connection import Connection, ResolvedConnection
from welkin_async.cli.options.groups import expanded
from welkin_async.cli.options.profiles import profiles_file
from welkin_async.cli.runtime import Interrupt, finish
from welkin_async.errors import printable

_WITHHELD = "shared"  # its URL may have a password in it
_MARKS = {State.OK: "ok", State.WARNING: "!", State.FAILED: "FAILED", State.SKIPPED: "-"}


@expanded
def doctor(
    *,
    resource: Annotated[
        list[Resource] | None,
        typer.Option(
            metavar="RESOURCE",
            help=f"A resource that must be readable: {', '.join(Resource)}; may be repeated. Else all are asked, and "
            "one that may not be read is no failure.",
        ),
    ] = None,
    cdt: Annotated[
        list[str] | None, typer.Option(help="A custom data type whose formation must be readable; may be repeated.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print everything as JSON.", rich_help_panel=panels.OUTPUT)
    ] = False,
    connection: Connection,
) -> None:
    """Find out what stands between the settings and a run. Nothing is written, and no secret is shown.

    It shows each setting and where it is from, then whether the host is reached, a token is granted, the instance
    answers, formations can be read, which resources the api client may read, and how the clocks differ. Whether it may
    write cannot be found out without writing.

    Exit code: 0 nothing failed, 1 something did, 2 settings are missing or do not fit.
    """

    async def main(_: Interrupt) -> int:
        """Make the checks."""
        found = connection.resolve()
        diagnosis = Diagnosis(found, resource or (), cdt or ())
        await diagnosis.run()
        code = 2 if not diagnosis.usable else 1 if diagnosis.failed else 0
        text = json.dumps(_values(found, diagnosis, code), indent=2) if as_json else _text(found, diagnosis)
        sys.stdout.write(f"{text if as_json else printable(text)}\n")
        return code

    finish(main, as_json=as_json)


def _settings(found: ResolvedConnection) -> list[tuple[str, Any, str]]:
    """Return name, value and source of each setting; of what may not be shown the source alone."""
    shown = [
        (name, "given" if name == _WITHHELD else setting.value, setting.source)
        for name, setting in found.settings.items()
    ]
    if found.profile is not None:
        shown.insert(0, ("profile", found.profile.name, str(found.profile_source)))
    return [*shown, ("secret", "given", found.secret_source)] if found.secret_source else shown


def _values(found: ResolvedConnection, diagnosis: Diagnosis, code: int) -> dict[str, Any]:
    return {
        "outcome": "failed" if code else "ok",
        "exit_code": code,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": __version__,
        "python": platform.python_version(),
        "profiles_file": str(profiles_file()) if profiles_file().exists() else None,
        "settings": {name: {"value": value, "source": source} for name, value, source in _settings(found)},
        "findings": [attrs.asdict(each) for each in diagnosis.findings],
    }


def _text(found: ResolvedConnection, diagnosis: Diagnosis) -> str:
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    lines = [f"welkin-async {__version__}, Python {platform.python_version()}, {when}", ""]
    settings = _settings(found)
    for name, value, source in settings:
        text = f"{value:g}" if isinstance(value, float) else f"{value}"
        lines.append(f"  {name.replace('_', ' '):<11}  {text}  ({source})")
    lines.append("")
    width = max(len(each.check) for each in diagnosis.findings)
    for each in diagnosis.findings:
        lines.append(f"{_MARKS[each.state]:>6}  {each.check:<{width}}  {each.text}")
        if each.advice:
            lines.append(f"{'':>6}  {'':<{width}}  {each.advice}")
    failed = sum(each.state is State.FAILED for each in diagnosis.findings)
    lines += ["", f"{failed} failed" if failed else "nothing failed"]
    return "\n".join(lines)
