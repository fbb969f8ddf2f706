"""``welkin-async --version``, and the help of the program."""

from __future__ import annotations

import platform

from typer.testing import CliRunner

from welkin_async import __version__
from welkin_async.cli.app import app


def test_the_version_is_told_with_what_runs_it() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith(f"welkin-async {__version__} (Python {platform.python_version()}, ")


def test_without_a_command_the_commands_are_shown() -> None:
    shown = [CliRunner().invoke(app, arguments) for arguments in ([], ["--help"])]
    for each in shown:
        assert "Bring records into Welkin Health" in each.output
        assert all(f"\n  {name} " in each.output for name in ("import", "codegen", "describe", "sandbox"))
