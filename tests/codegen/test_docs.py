"""What docs/typed-cdts.md shows, done in its order against the local server."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from cli.conftest import Command, Local, command, folder, local

__all__ = ["command", "folder", "local"]  # fixtures

DOCS = Path(__file__).parents[2] / "docs" / "typed-cdts.md"


def test_what_the_documentation_shows_can_be_done(
    command: Command, local: Local, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = re.findall(r"^```(console|python)\n(.*?)^```$", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert [kind for kind, _ in shown] == ["console", "python", "console", "console", "python"]
    for name, value in local.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "cdts", raising=False)
    for kind, text in shown:
        if kind == "python":
            exec(compile(text, DOCS.name, "exec", dont_inherit=True), {"__name__": "__main__"})
            continue
        program, *arguments = shlex.split(text.removeprefix("$ "))
        assert program == "welkin-async"
        result = command(*arguments)
        assert result.exit_code == 0, result.output
    monkeypatch.delitem(sys.modules, "cdts", raising=False)
    assert sorted(each["medication_name"] for each in local.records()) == ["Aspirin", "Insulin", "Metformin", "Tylenol"]
