"""The messages that troubleshooting.md explains are those that the code says."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator

import pytest

from welkin_async.cli.wording import as_options

from .blocks import DOCS, PROJECT

HOLE = "…"
_CODE = re.compile(r"%[sdr]")


def quoted() -> list[str]:
    """Return the terms of the page's definition lists, each without its backticks."""
    lines = (DOCS / "troubleshooting.md").read_text(encoding="utf-8").splitlines()
    terms = [line for line, below in itertools.pairwise(lines) if below.startswith(":   ")]
    assert all(each.startswith("`") and each.endswith("`") for each in terms)
    return [each.strip("`").strip() for each in terms]


def said() -> Iterator[str]:
    """Yield every text of the source, with a hole for each value that is put in."""
    for path in sorted((PROJECT / "welkin_async").rglob("*.py")):
        for node in ast.walk(_without_docstrings(ast.parse(path.read_text(encoding="utf-8")))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield _CODE.sub(HOLE, node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = (each.value if isinstance(each, ast.Constant) else HOLE for each in node.values)
                yield "".join(map(str, parts))


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            body[:] = [
                each for each in body if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
            ]
    return tree


@pytest.fixture(scope="module")
def texts() -> list[str]:
    found = [" ".join(each.split()) for each in said() if len(each) > 12]
    return [*found, *(changed for each in found if (changed := as_options(each)) != each)]


@pytest.mark.parametrize("message", quoted())
def test_a_message_that_is_explained_is_said(message: str, texts: list[str]) -> None:
    # A hole of the page stands for one of the source, or for any text that follows or precedes.
    pattern = re.compile(".*".join(re.escape(each.strip()) for each in message.split(HOLE)))
    assert any(pattern.search(each) for each in texts)


def test_most_of_the_page_is_words_and_not_holes() -> None:
    assert len(quoted()) >= 50
    for message in quoted():
        assert len(message.replace(HOLE, "")) > 15
