"""What the copy button of a console block copies: its commands, without the prompt and without what they print."""

from __future__ import annotations

import html
import re
from typing import Any

_CONSOLE = re.compile(r'<div class="language-console highlight">(?P<code>.*?)</div>', re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_PROMPT = "$ "


def on_page_content(content: str, **_: Any) -> str:
    """Say at each console block what is copied of it (an event of MkDocs).

    Args:
        content: A page as HTML.
    """
    return _CONSOLE.sub(_with_commands, content)


def _with_commands(block: re.Match[str]) -> str:
    commands = html.escape(commands_of(html.unescape(_TAG.sub("", block["code"]))))
    return block[0].replace("<div ", f'<div data-copy="{commands}" ', 1)


def commands_of(text: str) -> str:
    """Return the commands of a console block, each with the lines that it goes on in.

    Args:
        text: The block as it is read.
    """
    kept, goes_on = [], False
    for line in text.splitlines():
        if line.startswith(_PROMPT) or goes_on:
            kept.append(line.removeprefix(_PROMPT))
            goes_on = line.endswith("\\")
    return "\n".join(kept)
