"""The reference has every public name, error, setting and command."""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest
import typer

import welkin_async
from welkin_async.cli.app import app
from welkin_async.errors import WelkinError
from welkin_async.http.settings import Settings

from .blocks import DOCS, PROJECT

REFERENCE = DOCS / "reference"
PACKAGES = ["", ".bulk", ".files", ".sandbox", ".shared", ".typed", ".webhooks"]
SHOWN = {
    found
    for page in REFERENCE.glob("*.md")
    for found in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
}


def public(package: str) -> list[tuple[str, Any]]:
    module = importlib.import_module(f"welkin_async{package}")
    return [(f"{module.__name__}.{name}", getattr(module, name)) for name in module.__all__]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_in_the_reference(package: str) -> None:
    assert {name for name, _ in public(package)} <= SHOWN


def test_every_fixture_is_in_the_reference() -> None:
    import welkin_async_pytest

    assert {f"welkin_async_pytest.{name}" for name in welkin_async_pytest.__all__} <= SHOWN


@pytest.mark.parametrize("section", ["models", "resources"])
def test_every_record_and_resource_is_in_the_reference(section: str) -> None:
    # What generated classes are made of is in typed; where resources are is shown class by class.
    elsewhere = {"__init__", "typed_cdts", "navigation", "nested"}
    modules = {path.stem for path in (PROJECT / "welkin_async" / section).glob("*.py")} - elsewhere
    assert {f"welkin_async.{section}.{name}" for name in modules} <= SHOWN


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_what_the_reference_names_is_there(name: str) -> None:
    found: Any = None
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        break
    for each in parts[end:]:
        found = getattr(found, each)
    assert found is not None


def test_each_error_has_a_line_that_says_what_to_do() -> None:
    page = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([\w.]+)` \| (.+) \|$", page, flags=re.MULTILINE))
    errors = {
        name.removeprefix("welkin_async.")
        for package in PACKAGES
        for name, value in public(package)
        if isinstance(value, type) and issubclass(value, WelkinError)
    }
    assert rows.keys() == errors
    for name in errors - {"WelkinError"}:
        assert rows[name].count("|") == 1
        assert rows[name].partition("|")[2].strip(), name


def test_each_setting_and_variable_is_on_the_page_of_settings() -> None:
    page = (REFERENCE / "settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?:`(\w+)`)? ?\| (?:`(\w+)`)?", page, flags=re.MULTILINE)
    arguments = {argument for argument, _ in rows if argument} - {"tenants"}
    assert arguments == {*attrs.fields_dict(Settings), "environment", "check", "converter"}
    source = "".join(path.read_text(encoding="utf-8") for path in Path(welkin_async.__file__).parent.rglob("*.py"))
    assert {variable for _, variable in rows if variable} == set(re.findall(r"WELKIN_[A-Z][A-Z_]*[A-Z]", source))


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("command_reference", DOCS / "hooks" / "command_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_command_and_option_is_in_the_reference_of_commands(hook: ModuleType) -> None:
    page = hook.on_page_markdown((REFERENCE / "commands.md").read_text(encoding="utf-8"))
    assert hook.COMMANDS not in page
    sections = dict(re.findall(r"^## welkin-async (.+?)\n(.*?)(?=^## |\Z)", page, flags=re.MULTILINE | re.DOTALL))
    assert sections.keys() == commands(typer.main.get_command(app), "").keys()
    for name, options in commands(typer.main.get_command(app), "").items():
        for option in options:
            assert re.search(rf"<code>{option}[ <]", sections[name]), (name, option)


def commands(command: Any, name: str) -> dict[str, list[str]]:
    """Return the options of each command that has no commands of its own."""
    children = getattr(command, "commands", None)
    if children is None:
        return {name: [opt for each in command.params for opt in each.opts if opt.startswith("--")]}
    found: dict[str, list[str]] = {}
    for child in children.values():
        found |= commands(child, f"{name} {child.name}".strip())
    return found
