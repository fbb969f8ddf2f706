"""Typed CDTs as mypy and pyright see them: what is right passes, and every mistake is found."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from welkin_async.codegen import generate

from .formations import EVERY_TYPE, formation

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
pytestmark = pytest.mark.slow


def errors(checker: str, folder: Path) -> dict[str, set[int]]:
    """Check all modules of a folder strictly, and return the lines with errors by file."""
    if find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed")
    if checker == "mypy":  # with the project's settings and cache, so that the package is not checked anew
        arguments = ["--strict", "--no-error-summary", "--no-pretty", *map(str, sorted(folder.glob("*.py")))]
    else:
        settings = f'{{"typeCheckingMode": "strict", "pythonVersion": "3.11", "extraPaths": ["{PROJECT.as_posix()}"]}}'
        (folder / "pyrightconfig.json").write_text(settings, encoding="utf-8")
        arguments = ["--pythonpath", sys.executable, "--project", str(folder)]
    command = [sys.executable, "-m", checker, *arguments]
    search = {**os.environ, "MYPYPATH": str(folder)}
    done = subprocess.run(command, cwd=PROJECT, env=search, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[str, set[int]] = {}
    for name, line in re.findall(r"(\w+\.py):(\d+)(?::\d+)?(?: -)?:? error", done.stdout):
        found.setdefault(name, set()).add(int(line))
    return found


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_what_is_right_passes_and_every_mistake_is_found(checker: str, tmp_path: Path) -> None:
    others = [formation("other", EVERY_TYPE[:1]), formation("long", EVERY_TYPE)]
    made = generate([formation(), *others], closed_options=True)
    (tmp_path / "every_type_cdts.py").write_text(made, encoding="utf-8")
    (tmp_path / "open_cdts.py").write_text(generate([formation()]), encoding="utf-8")
    for name in ("right.py", "mistakes.py"):
        first, rest = (HERE / name).read_text(encoding="utf-8").split("\n", 1)
        assert first == "# type: ignore"
        (tmp_path / name).write_text(f"#\n{rest}", encoding="utf-8")
    found = errors(checker, tmp_path)
    lines = (tmp_path / "mistakes.py").read_text(encoding="utf-8").splitlines()
    marked = {number for number, line in enumerate(lines, 1) if "# expect-error: " in line}
    assert len(marked) >= 15
    mistakes = found.pop("mistakes.py", set())
    assert found == {}
    assert [lines[number - 1].strip() for number in sorted(marked - mistakes)] == []
    assert [lines[number - 1].strip() for number in sorted(mistakes - marked)] == []
