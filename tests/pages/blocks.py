"""Fenced blocks of the documentation's pages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs"
PAGES = sorted(path for path in (*DOCS.rglob("*.md"), PROJECT / "README.md", PROJECT / "CONTRIBUTING.md"))

_FENCED = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_TITLED = re.compile(r'(?P<language>\w+)(?: title="(?P<title>[^"]+)")?')


class Block(NamedTuple):
    """A fenced block.

    Attributes:
        language: What it is written in.
        title: What stands above it; a block with a title needs what is not installed, and is parsed alone.
        text: The block.
        before: The page up to it.
    """

    language: str
    title: str | None
    text: str
    before: str


def name_of(page: Path) -> str:
    return str(page.relative_to(DOCS if page.is_relative_to(DOCS) else PROJECT))


def blocks_of(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for each in _FENCED.finditer(text):
        info = _TITLED.fullmatch(each["info"])
        assert info is not None, f"{page}: a block of {each['info']!r}"
        found.append(Block(info["language"], info["title"], each["text"], text[: each.start()]))
    return found


def commands_of(text: str) -> list[str]:
    """Return the commands of a console block, continued lines joined; what a command prints is left out."""
    joined = text.replace("\\\n", " ")
    return [line.removeprefix("$ ") for line in joined.splitlines() if line.startswith("$ ")]
