"""Resume command: the command line that goes on where a run stopped; and the command line that a report shows."""

from __future__ import annotations

import shlex
from enum import Enum
from typing import Any

import typer

_ANEW = frozenset({"retry", "restart", "dry_run", "check_patients"})
# Options whose text a report may show: names of columns, fields and connections. Of any other the text may be a path,
# a value of a row, a patient's key or a URL with a password, and a report is sent around.
_SHOWN = frozenset({
    *("cdt", "patient_column", "record_column", "key_column", "key_space", "map", "ignore", "timezone"),
    *("max_failures", "sheet", "encoding", "delimiter", "resource", "tenant", "instance", "profile"),
})  # fmt: skip
_WITHHELD = "..."


def resume_command(context: typer.Context) -> str:
    """Return the command as it was given, without what makes it do something else than go on.

    Args:
        context: Of the command that runs.
    """
    words = ["welkin-async", context.info_name or "import"]
    for parameter in context.command.params:
        name = parameter.name or ""
        value = context.params.get(name)
        if name in _ANEW or not _given(context, name):
            continue
        words += _words(parameter, value)
    return shlex.join(words)


def command_shown(context: typer.Context) -> str:
    """Return the command as a report may show it: without the names of files, and without values of rows.

    Args:
        context: Of the command that runs.
    """
    words = ["welkin-async", context.info_name or "import"]
    for parameter in context.command.params:
        name = parameter.name or ""
        if not _given(context, name):
            continue
        value = context.params.get(name)
        if parameter.param_type_name == "argument":
            words.append("FILE")
        elif name in _SHOWN or isinstance(value, bool | int | float | Enum) or _is_choice(parameter):
            words += _words(parameter, value)
        else:
            words += [parameter.opts[0], _WITHHELD]
    return shlex.join(words)


def _is_choice(parameter: object) -> bool:
    """Tell whether an option is one of a few words; older typers hand on the word, and no member of its class."""
    return hasattr(getattr(parameter, "type", None), "choices")


def _given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _words(parameter: Any, value: Any) -> list[str]:
    if parameter.param_type_name == "argument":
        return [_text(each) for each in (value if isinstance(value, list | tuple) else [value])]
    if isinstance(value, bool):
        names = parameter.opts if value else parameter.secondary_opts
        return [names[0]] if names else []
    values = value if isinstance(value, list | tuple) else [value]
    return [word for each in values for word in (parameter.opts[0], _text(each))]


def _text(value: Any) -> str:
    return str(value.value if isinstance(value, Enum) else value)
