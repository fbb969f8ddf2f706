"""tutorial.md, done in its order in a shell: an import that is killed with SIGKILL, and goes on."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from .blocks import DOCS, PROJECT, blocks_of, commands_of

ROWS = 1_500  # of 20 000: enough to be killed among
SMALLER = {"ROWS = 20_000": f"ROWS = {ROWS}", "range(500)": "range(50)", "% 500": "% 50"}
INSTALLED = {
    "python3 -m venv .venv",
    ". .venv/bin/activate",
    'pip install "welkin-async[cli,speed]"',
}
_FILE = re.compile(r"`(\w+\.(?:py|toml))`")
# How long a command takes to begin depends on the machine: a pause is for rows to be there.
_SLEEP = """\
import asyncio
import sys

from welkin_async import Welkin


async def main():
    async with Welkin.from_env() as welkin:
        patient = await welkin.patients.get("M-1", type="MRN")
        while not await welkin.patient(patient.id).cdts("medication").list(size=1).total():
            await asyncio.sleep(0.05)


asyncio.run(main())
"""


@pytest.fixture
def shell(tmp_path: Path) -> Mapping[str, str]:
    """An environment in which the commands are found, as after an installation."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (tmp_path / "sleep.py").write_text(_SLEEP, encoding="utf-8")
    python = sys.executable
    for name, line in {
        # The minute that an import waits after a kill is a second here.
        "welkin-async": f'test "$1" = import && set -- "$@" --final-settle 1\nexec "{python}" -m welkin_async.cli "$@"',
        "python": f'exec "{python}" "$@"',
        "sleep": f'exec "{python}" "{tmp_path / "sleep.py"}"',
    }.items():
        script = programs / name
        script.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WELKIN_")}
    return {**kept, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(PROJECT)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "tutorial"
    made.mkdir()
    return made


@pytest.fixture
def server(shell: Mapping[str, str], folder: Path) -> Iterator[Mapping[str, str]]:
    """The server as the tutorial starts it, but for a port that is free; ended by Ctrl-C."""
    with (folder / "sandbox.env").open("w") as out:
        process = subprocess.Popen(["welkin-async", "sandbox", "--port", "0"], cwd=folder, env=dict(shell), stdout=out)
    try:
        deadline = time.monotonic() + 60
        while "WELKIN_SECRET_KEY" not in (written := (folder / "sandbox.env").read_text(encoding="utf-8")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        named = re.findall(r"^export (\w+)='?([^'\n]*)'?$", written, flags=re.MULTILINE)
        yield {**shell, **dict(named)}
    finally:
        process.send_signal(signal.SIGINT)
        ended = process.wait(20)
    assert ended == 0


def comparable(text: str) -> str:
    """Return a text with its numbers and runs of spaces made alike."""
    return re.sub(r" +", " ", re.sub(r"\d[\d,.]*", "#", text))


def number(label: str, output: str) -> int:
    found = re.search(rf"^{label} +([\d,]+)", output, flags=re.MULTILINE)
    assert found is not None, output
    return int(found[1].replace(",", ""))


@pytest.mark.slow
def test_the_tutorial_can_be_done(server: Mapping[str, str], folder: Path) -> None:
    printed, last = [], ""
    for block in blocks_of(DOCS / "tutorial.md"):
        if block.language == "text":
            for line in block.text.splitlines():
                assert comparable(line) in comparable(last)
        elif block.language in ("python", "toml"):
            name = _FILE.findall(block.before)[-1]
            text = block.text
            for shown, smaller in SMALLER.items():
                text = text.replace(shown, smaller)
            (folder / name).write_text(text, encoding="utf-8")
        else:
            for command in commands_of(block.text):
                if command in INSTALLED or "sandbox" in command:
                    continue
                done = subprocess.run(
                    ["bash", "-c", command], cwd=folder, env=dict(server), capture_output=True, text=True, timeout=120
                )
                last = done.stdout + done.stderr
                printed.append((done.returncode, last))
    codes = [code for code, _ in printed]
    #  version, files, patients, two dry runs, killed, again, sed, mended, rm, without journal, verify, python
    assert codes == [0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 1, 1, 0], printed[codes.index(2) if 2 in codes else -1]
    again, mended, without, verified = (printed[at][1] for at in (6, 8, 10, 11))
    found = re.search(r"([\d,]+) done by earlier runs", again)
    assert found is not None
    assert 0 < int(found[1].replace(",", "")) < ROWS  # the kill met it in the middle
    assert (number("created", again), number("rejected", again)) == (ROWS - 2, 2)
    assert number("created", mended) == 2
    assert (number("created", without), number("unchanged", without)) == (0, ROWS - 2)
    assert (number("present", verified), number("doubled", verified), number("refused", verified)) == (ROWS - 2, 0, 2)
