"""``welkin-async --version``, and the help of the program."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from welkin_async import __version__
from welkin_async.cli.app import app

from .conftest import environment


def test_the_version_is_told_with_what_runs_it() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith(f"welkin-async {__version__} (Python {platform.python_version()}, ")


def test_what_draws_on_a_terminal_is_imported_where_there_is_one() -> None:
    program = (
        "import gc, sys; from welkin_async.cli import main; code = main(['--version']);"
        "sys.exit(code or 'rich.progress' in sys.modules or not gc.isenabled())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_a_command_the_commands_are_shown() -> None:
    shown = [CliRunner().invoke(app, arguments) for arguments in ([], ["--help"])]
    for each in shown:
        assert "Bring records into Welkin Health" in each.output
        assert all(f"│ {name} " in each.output for name in ("import", "doctor", "codegen", "describe", "sandbox"))


def test_options_are_shown_in_groups_on_eighty_columns() -> None:
    shown = CliRunner().invoke(app, ["import", "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"}).stdout
    titles = re.findall(r"^╭─ ([^─]+) ─+╮$", shown, re.MULTILINE)
    assert titles == [
        *("Arguments", "Options", "Patients", "Columns and fields", "Keys", "How the rows are worked through"),
        *("What is written and printed", "How the file is read", "Connection"),
    ]
    assert max(len(line) for line in shown.splitlines()) <= 80
    (alone,) = re.findall(r"^╭─ Options ─+╮$(.*?)^╰", shown, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"--[a-z-]+", alone)) == {"--cdt", "--help"}  # all the others have a group


@pytest.mark.parametrize(
    ("words", "cursor", "found"),
    [("welkin-async im", 1, {"import", "import-patients"}), ("welkin-async import --patient-t", 2, {"--patient-type"})],
)
def test_the_shell_completes_commands_and_options(words: str, cursor: int, found: set[str]) -> None:
    env = {"_WELKIN_ASYNC_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(cursor)}
    program = [sys.executable, "-m", "welkin_async.cli"]
    done = subprocess.run(program, env={**environment({}), **env}, capture_output=True, text=True, check=False)
    assert (set(done.stdout.split()), done.stderr) == (found, "")


def test_the_shell_completes_names_of_profiles(tmp_path: Path) -> None:
    (tmp_path / "welkin-async").mkdir()
    (tmp_path / "welkin-async" / "profiles.toml").write_text("[staging]\n[live]\n[stable]\n")
    env = {"_WELKIN_ASYNC_COMPLETE": "complete_bash", "XDG_CONFIG_HOME": str(tmp_path)}
    env |= {"COMP_WORDS": "welkin-async doctor --profile sta", "COMP_CWORD": "3"}
    program = [sys.executable, "-m", "welkin_async.cli"]
    done = subprocess.run(program, env={**environment({}), **env}, capture_output=True, text=True, check=False)
    assert set(done.stdout.split()) == {"staging", "stable"}


def test_the_local_server_is_loaded_by_its_own_commands_alone() -> None:
    program = "import sys, welkin_async.cli.app; print(*{'aiohttp.web', 'welkin_async.sandbox'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
