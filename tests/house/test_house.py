"""The house stays one that a newcomer reads: few modules to a folder, none too long, and a map that is true."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from .floor_plan import PACKAGE, PAGE, PICTURE, picture, with_tables

FOLDERS = sorted({path.parent for path in PACKAGE.rglob("*.py")})
# One file for each section of the API, in an order that a reader knows already.
BY_SECTION = {PACKAGE / "models", PACKAGE / "resources", PACKAGE / "sandbox" / "api"}


def name(path: Path) -> str:
    return str(path.relative_to(PACKAGE.parent))


@pytest.mark.parametrize("folder", [each for each in FOLDERS if each not in BY_SECTION], ids=name)
def test_a_folder_holds_at_most_sixteen_modules(folder: Path) -> None:
    assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= 16


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=name)
def test_a_module_is_at_most_seven_hundred_lines_and_says_what_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 700
    assert ast.get_docstring(ast.parse(text))


def test_the_map_is_the_one_of_the_contracts() -> None:
    stale = "run `python -m tests.house`"
    assert PICTURE.read_text(encoding="utf-8") == picture(), stale
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_tables(page), stale
