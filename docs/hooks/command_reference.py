"""The reference of the commands, made from the command line's own application when the site is built."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import typer

from welkin_async.cli.app import app

COMMANDS = "<!-- commands -->"
"""Where a page has every command and option."""

_PARAGRAPH = re.compile(r"\n\s*\n")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill in what is made (an event of MkDocs).

    Args:
        markdown: A page as it is written.
    """
    return markdown.replace(COMMANDS, commands()) if COMMANDS in markdown else markdown


def commands() -> str:
    """Return every command of the command line with its arguments and options, as Markdown."""
    return "\n".join(_sections(typer.main.get_command(app), "welkin-async", None))


def _sections(command: Any, name: str, parent: Any) -> Iterator[str]:
    context = command.context_class(command, info_name=name.rpartition(" ")[2], parent=parent)
    if parent is not None and not hasattr(command, "commands"):
        yield from _section(command, name, context)
    for child in getattr(command, "commands", {}).values():
        yield from _sections(child, f"{name} {child.name}", context)


def _section(command: Any, name: str, context: Any) -> Iterator[str]:
    yield f"## {name}\n"
    yield _PARAGRAPH.sub("\n\n", (command.help or "").strip()) + "\n"
    yield f"```text\n{name} {' '.join(command.collect_usage_pieces(context))}\n```\n"
    rows = [record for each in command.get_params(context) if (record := each.get_help_record(context)) is not None]
    if rows:
        yield "| argument or option | what it is |\n|---|---|"
        for written, told in rows:
            yield f"| {_option(written)} | {_cell(told)} |"
        yield ""


def _option(written: str) -> str:
    # Not in backticks: a bar would end the cell.
    names = (html.escape(each.strip()).replace("|", "&#124;") for each in written.split(", "))
    return ", ".join(f"<code>{each}</code>" for each in names if each)


def _cell(text: str) -> str:
    for sign, escaped in (("|", "\\|"), ("<", "&lt;"), ("*", "\\*"), ("[", "\\["), ("]", "\\]")):
        text = text.replace(sign, escaped)
    return " ".join(text.split())
