"""The programs of docs/clusters.md that need what is not here: their syntax, and that what they name is there."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "clusters.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_every_program_is_here() -> None:
    assert len(PROGRAMS) == 4


@pytest.mark.parametrize("program", PROGRAMS, ids=["ray", "spark", "airflow", "temporal"])
def test_what_a_program_takes_of_this_package_is_there(program: str) -> None:
    tree = ast.parse(program)
    taken = [
        (node.module, name.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("welkin_async")
        for name in node.names
    ]
    assert taken
    for module, name in taken:
        assert hasattr(import_module(str(module)), name), name
    used = {
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "files"
    }
    for _, name in used:
        assert hasattr(import_module("welkin_async.files"), name), name


def test_the_pages_files_are_there() -> None:
    for name in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert (PROJECT / "docs" / name).exists(), name
