"""The public API as mypy and pyright see it: every right use passes, and every wrong one is found."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
MARKER = "# expect-error"


def need(tool: str) -> None:
    if find_spec(tool) is None:
        pytest.skip(f"{tool} is not installed")


def check(tool: str, *arguments: str) -> list[str]:
    """Run a checker with the project's settings."""
    done = subprocess.run(
        [sys.executable, "-m", tool, *arguments], cwd=PROJECT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout.splitlines()


def mypy(path: Path) -> list[str]:
    return check("mypy", "--strict", "--no-error-summary", "--hide-error-context", "--no-pretty", str(path))


def pyright(path: Path) -> list[str]:
    # Without a project its include list does not widen what is checked; the level is the project's.
    (path.parent / "pyrightconfig.json").write_text(
        f'{{"typeCheckingMode": "standard", "pythonVersion": "3.11", "extraPaths": ["{PROJECT.as_posix()}"]}}'
    )
    lines = check("pyright", "--pythonpath", sys.executable, "--project", str(path.parent))
    return [line.strip() for line in lines if " - error:" in line or " - warning:" in line]


CHECKERS = pytest.mark.parametrize(("tool", "run"), [("mypy", mypy), ("pyright", pyright)], ids=["mypy", "pyright"])


def marked(path: Path) -> set[int]:
    return {number for number, line in enumerate(path.read_text().splitlines(), 1) if line.endswith(MARKER)}


@CHECKERS
def test_the_public_api_is_typed_as_documented(tool: str, run: object, tmp_path: Path) -> None:
    need(tool)
    assert callable(run)
    path = Path(shutil.copy(HERE / "api.py", tmp_path))
    found = run(path)
    assert [line for line in found if "api.py:" in line and "note:" not in line] == []


@CHECKERS
def test_every_mistake_is_found_and_nothing_else(tool: str, run: object, tmp_path: Path) -> None:
    need(tool)
    assert callable(run)
    first, rest = (HERE / "misuse.py").read_text().split("\n", 1)
    assert first == "# type: ignore"
    path = tmp_path / "misuse.py"
    path.write_text("#\n" + rest)
    found = {
        int(match[1]) for line in run(path) if (match := re.search(r"misuse\.py:(\d+):", line)) and "note:" not in line
    }
    assert len(marked(path)) > 50
    lines = path.read_text().splitlines()
    assert [lines[number - 1].strip() for number in sorted(marked(path) - found)] == []
    assert [lines[number - 1].strip() for number in sorted(found - marked(path))] == []
