"""``welkin-async codegen`` and ``describe``, run as commands on a local server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli.conftest import Command, Local, command, environment, folder, local
from typer.testing import CliRunner

from welkin_async.cli.app import app
from welkin_async.models.formations import CdtFormation
from welkin_async.sandbox.records.fields import field
from welkin_async.wire.records import to_wire

from .formations import EVERY_TYPE, formation, imported

__all__ = ["command", "folder", "local"]  # fixtures


def test_classes_are_made_of_the_instances_formations(command: Command, local: Local, folder: Path) -> None:
    local.define("every-type", EVERY_TYPE)
    result = command("codegen", "--cdt", "medication", "--cdt", "every-type", "-o", "some_cdts.py")
    assert result.exit_code == 0, result.output
    made = imported((folder / "some_cdts.py").read_text(encoding="utf-8"), folder / "some_cdts.py")
    assert (made.Medication.CDT, made.EveryType.CDT) == ("medication", "every-type")
    assert not hasattr(made, "Vitals")
    everything = command("codegen", "--all", "--closed-options")
    assert everything.exit_code == 0
    assert "class Vitals(TypedCdt):" in everything.stdout
    assert '_VitalsPosition: TypeAlias = Literal["sitting", "standing", "supine"]' in everything.stdout


def test_a_check_says_when_the_designer_has_moved_on(command: Command, local: Local, folder: Path) -> None:
    local.define("every-type", EVERY_TYPE)
    arguments = ("codegen", "-o", "cdts.py")
    assert command(*arguments, "--cdt", "every-type", "--cdt", "vitals").exit_code == 0
    before = (folder / "cdts.py").read_bytes()
    same = command(*arguments, "--check")
    assert (same.exit_code, same.stderr) == (0, "cdts.py is up to date\n")
    assert command(*arguments, "--check", "--all").exit_code == 1  # medication is not in the file
    local.define("every-type", [*EVERY_TYPE, field("added", "text")])
    moved = command(*arguments, "--check")
    assert moved.exit_code == 1
    assert moved.stderr == "every-type: new: added\ncdts.py is out of date: run codegen again\n"
    assert command(*arguments, "--check", "--cdt", "vitals").exit_code == 0
    assert (folder / "cdts.py").read_bytes() == before
    assert command(*arguments, "--cdt", "every-type", "--cdt", "vitals").exit_code == 0
    assert command(*arguments, "--check").exit_code == 0


def test_formations_come_from_files_too(command: Command, folder: Path) -> None:
    (folder / "one.json").write_text(json.dumps(to_wire(formation())), encoding="utf-8")
    (folder / "two.json").write_text(json.dumps([to_wire(formation("a")), to_wire(formation("b"))]), encoding="utf-8")
    nowhere = {"WELKIN_BASE_URL": "http://127.0.0.1:1"}
    files = ("--formation", "one.json", "--formation", "two.json")
    result = command("codegen", *files, "-o", "cdts.py", **nowhere)
    assert result.exit_code == 0, result.output
    assert command("codegen", *files, "-o", "cdts.py", "--check", **nowhere).exit_code == 0
    assert command("codegen", "--formation", "one.json", "-o", "cdts.py", "--check", **nowhere).exit_code == 1
    assert sorted(path.name for path in folder.iterdir()) == ["cdts.py", "one.json", "two.json"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give --cdt, --all or --formation"),
        (("--cdt", "a", "--all"), "give one of --cdt, --all and --formation"),
        (("--all", "--check"), "--check goes with --output"),
        (("--cdt", "nothing"), "the instance has no CDT nothing"),
        (("--formation", "missing.json"), "missing.json: No such file"),
        (("--formation", "text.json"), "text.json: it is not JSON"),
        (("--formation", "other.json"), "other.json: it holds no formation"),
        (("--check", "-o", "text.json"), "codegen: the file is no Python"),
        (("--cdt", "vitals", "-o", "missing/cdts.py"), "missing/cdts.py: No such file"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    arguments: tuple[str, ...], message: str, command: Command, folder: Path
) -> None:
    (folder / "text.json").write_text("no json", encoding="utf-8")
    (folder / "other.json").write_text('{"rows": []}', encoding="utf-8")
    result = command("codegen", *arguments)
    assert result.exit_code != 0
    assert result.stderr.startswith(f"welkin-async: {message}")
    assert result.stderr.count("\n") == 1


def test_a_cdt_is_described_for_people_and_for_machines(command: Command, local: Local) -> None:
    local.define("every-type", EVERY_TYPE)
    shown = command("describe", "--cdt", "every-type")
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert lines[0] == "every-type (18 fields)"
    assert "  title         text      Title; required; PHI" in lines
    assert "  computed      integer   read-only" in lines
    assert "  count         integer   0..10" in lines
    assert "  tags          select    several values; one of a, b, c" in lines
    everything = command("describe", "--json")
    named = [each["name"] for each in json.loads(everything.stdout)]
    assert named == ["every-type", "medication", "vitals"]
    assert CdtFormation.from_wire(json.loads(everything.stdout)[0]).fields
    assert command("describe", "--cdt", "nothing").exit_code == 1


def test_a_local_server_has_the_cdts_of_formation_files(folder: Path) -> None:
    (folder / "one.json").write_text(json.dumps(to_wire(formation("own"))), encoding="utf-8")
    command = [sys.executable, "-m", "welkin_async.cli", "sandbox", "--port", "0", "--cdt", "one.json"]
    with subprocess.Popen(command, env=environment({}), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(5)]
            variables = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines)
            shown = CliRunner().invoke(app, ["describe", "--json"], env=variables)
        finally:
            process.send_signal(signal.SIGINT)
    assert [each["name"] for each in json.loads(shown.stdout)] == ["medication", "own", "vitals"]


@pytest.mark.parametrize("content", [None, "no json", '{"rows": []}'])
def test_a_file_without_formations_is_no_cdt_of_a_local_server(content: str | None, folder: Path) -> None:
    if content is not None:
        (folder / "bad.json").write_text(content, encoding="utf-8")
    done = CliRunner().invoke(app, ["sandbox", "--port", "0", "--cdt", "bad.json"])
    assert done.exit_code == 2
    assert "bad.json" in done.stderr
    assert done.stderr.count("\n") == 1
