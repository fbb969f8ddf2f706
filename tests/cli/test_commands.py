from __future__ import annotations

import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from welkin_async.cli import main
from welkin_async.cli.app import app
from welkin_async.sandbox import Fault, FaultKind

from .conftest import SECRET, Local, environment, read_csv, write_csv

STRICT = (sys.executable, "-X", "dev", "-W", "error", "-m", "welkin_async.cli")
OPTIONS = ("--cdt", "medication", "--patient-column", "pid")


def test_demo() -> None:
    result = CliRunner().invoke(app, ["demo", "--records", "400", "--patients", "8", "--concurrency", "16"])
    assert (result.exit_code, result.stderr) == (0, "")
    lines = {line[:26].strip(): line[26:].split()[0] for line in result.stdout.splitlines()[2:11]}
    assert lines["patients created"] == "8"
    assert lines["records created"] == lines["records read back"] == lines["records the server counts"] == "400"
    assert (lines["retries"], lines["token requests"], lines["patients that differ"]) == ("0", "1", "0")
    assert "Both sides agree" in result.stdout


def test_demo_that_does_not_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("welkin_async.cli.commands.demo._content", lambda fields: (id(fields),))
    result = CliRunner().invoke(app, ["demo", "--records", "20", "--patients", "4"])
    assert result.exit_code == 1
    assert "do NOT agree" in result.stdout


def complaints(err: str) -> list[str]:
    """The lines of a process's standard error, without the event loop's remarks on a slow machine."""
    return [line for line in err.splitlines() if not line.startswith("Executing <")]


def test_demo_in_a_process_leaves_no_warning(folder: Path) -> None:
    command = [*STRICT, "demo", "--records", "30", "--patients", "40"]
    done = subprocess.run(command, env=environment({}), capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, complaints(done.stderr)) == (0, [])
    assert "Both sides agree" in done.stdout


def test_sandbox_prints_how_to_connect_and_ends_with_ctrl_c(folder: Path) -> None:
    command = [*STRICT, "sandbox", "--port", "0", "--tenant", "a b", "--token-life", "60", "--rate", "50"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment({}), stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(5)]
        names = ["BASE_URL", "TENANT", "INSTANCE", "API_CLIENT", "SECRET_KEY"]
        assert [re.match(r"export WELKIN_(\w+)=.", line).group(1) for line in lines] == names  # type: ignore[union-attr]
        assert lines[1] == "export WELKIN_TENANT='a b'\n"
        shell = "".join(lines) + "printenv | grep -c ^WELKIN_"
        assert subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout == "5\n"
        port = lines[0].rsplit(":", 1)[1].strip()
        taken = CliRunner().invoke(app, ["sandbox", "--port", port])
        assert (taken.exit_code, len(taken.stderr.splitlines())) == (2, 1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out) == (0, "")
        assert len(complaints(err)) == 1
    wrong = CliRunner().invoke(app, ["sandbox", "--port", "0", "--rate", "-1"])
    assert (wrong.exit_code, wrong.stderr) == (2, "welkin-async: sandbox: rate must be positive\n")


def start_import(local: Local, folder: Path, rows: int, *more: str) -> subprocess.Popen[str]:
    patient = local.patient()
    path = write_csv(folder / "in.csv", ("pid", "medication_name"), [(patient, f"n{line}") for line in range(rows)])
    command = [*STRICT, "import", str(path), *OPTIONS, "--concurrency", "4", *more]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment(local.env), stdout=pipe, stderr=pipe, text=True)


def wait_for(local: Local, count: int) -> None:
    deadline = time.monotonic() + 60
    while local.server.stats.operations["cdts.create"] < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_the_first_ctrl_c_drains(local: Local, folder: Path, number: signal.Signals, code: int) -> None:
    local.server.latency = 0.05
    # A program that is started with SIGHUP ignored, as by nohup, leaves it so; the tests may have been.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with start_import(local, folder, 3000) as process:
            wait_for(local, 12)
            process.send_signal(number)
            out, err = process.communicate(timeout=30)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert process.returncode == code
    created = len(local.records())
    assert 0 < created < 3000
    assert re.search(rf"^created +{created}$", out, re.MULTILINE)
    assert "what is in flight is waited for" in err
    assert not (folder / "in.rejects.csv").exists()  # nobody may import what the next run sends
    assert not (folder / "in.review.csv").exists()
    assert "Traceback" not in err
    local.server.latency = 0.0
    resume = shlex.split(complaints(err)[-1])
    assert resume[:2] == ["welkin-async", "import"]
    done = CliRunner().invoke(app, resume[1:], env=local.env)
    assert done.exit_code == 0, done.output
    assert re.search(r"^created +3,000", done.stdout, re.MULTILINE)
    assert f"{created:,} done by earlier runs" in done.stdout
    assert len(set(local.record_keys())) == len(local.record_keys()) == 3000


def test_ctrl_c_while_the_command_is_loaded_leaves_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "welkin_async.cli.app":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "welkin_async.cli.app", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    assert main(["--version"]) == 130


def test_the_second_ctrl_c_stops_at_once(local: Local, folder: Path) -> None:
    fault = Fault(FaultKind.STALL_AFTER, operation="cdts.create", times=None, after=8, delay=60)
    local.do(lambda: local.server.faults.add(fault))
    with start_import(local, folder, 100) as process:
        wait_for(local, 8)  # those that stall are counted when they end
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=50)
    assert time.monotonic() - began < 25
    assert process.returncode == 130
    assert "Traceback" not in err
    rows = read_csv(folder / "in.review.csv")
    assert {row["_status"] for row in rows} == {"unknown"}
    assert len(rows) == 4
    assert re.search(r"^unknown +4 ", out, re.MULTILINE)
    assert len(local.records()) == 8 + len(rows)
    local.do(local.server.faults.clear)
    arguments = [*shlex.split(complaints(err)[-1])[1:], "--settle", "0.5", "--final-settle", "0.5"]
    done = CliRunner().invoke(app, arguments, env=local.env)
    assert (done.exit_code, len(local.records()), len(set(local.record_keys()))) == (0, 100, 100), done.output
    assert not (folder / "in.review.csv").exists()


def test_ctrl_c_does_not_wait_for_the_last_sweep_which_the_next_run_makes(local: Local, folder: Path) -> None:
    fault = Fault(FaultKind.RESET_AFTER, operation="cdts.create", after=8)
    local.do(lambda: local.server.faults.add(fault))
    with start_import(local, folder, 30, "--existing", "trust") as process:
        wait_for(local, 30)
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        out, err = process.communicate(timeout=50)
    assert time.monotonic() - began < 25
    assert process.returncode == 130
    assert re.search(r"^not looked at +1  they may be there twice; the next run looks$", out, re.MULTILINE)
    lists = local.server.stats.operations["cdts.list"]
    arguments = [*shlex.split(complaints(err)[-1])[1:], "--final-settle", "0.2"]
    done = CliRunner().invoke(app, arguments, env=local.env)
    assert (done.exit_code, len(local.records())) == (0, 30), done.output
    assert local.server.stats.operations["cdts.list"] >= lists + 2  # the proof's, and the sweep's


def test_progress_lines_without_a_terminal(local: Local, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("welkin_async.cli.progress._LINE_EVERY", 0.1)
    local.server.latency = 0.1
    patient = local.patient()
    path = write_csv(folder / "in.csv", ("pid", "medication_name"), [(patient, "Zyrtec")] * 100)
    result = CliRunner().invoke(app, ["import", str(path), *OPTIONS, "--concurrency", "20"], env=local.env)
    assert result.exit_code == 0
    lines = result.stderr.splitlines()
    assert len(lines) >= 2
    assert re.fullmatch(
        r"\d+/100 rows  \d+/s(  0:0\d left)?  created \d+  failed 0  retried 0  \d+ of \d+ in flight", lines[-1]
    )


@pytest.mark.parametrize("columns", [50, 80, 120])
def test_progress_bar_on_a_terminal(local: Local, folder: Path, columns: int) -> None:
    local.server.latency = 0.1
    patient = local.patient()
    path = write_csv(folder / "in.csv", ("pid", "medication_name"), [(patient, "Zyrtec")] * 40)
    ours, theirs = pty.openpty()
    command = [*STRICT, "import", str(path), *OPTIONS, "--concurrency", "4"]
    env = {**environment(local.env), "TERM": "xterm-256color", "COLUMNS": str(columns)}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=theirs, text=True) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # Linux says EIO at the end
                break
            if not part:
                break
            shown += part
        os.close(ours)
        out, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    line = rb"\d+/40 rows  \d+/s  0:\d\d left  created \d+"
    assert re.search(line + rb"  failed 0  retried 0  \d+ of \d+ in flight" if columns == 120 else line, shown)
    assert b"\xe2\x80\xa6" not in shown  # what has no room is left out, and not cut off
    # Without what steers the terminal, and without the event loop's remarks on a slow machine.
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|Executing <.*? seconds", "", shown.decode())
    assert max(map(len, re.split(r"[\r\n]", drawn))) <= columns
    assert SECRET.encode() not in shown
    assert "created" in out


def test_without_the_extra_it_says_what_to_install(folder: Path) -> None:
    program = """
        import importlib.util
        real = importlib.util.find_spec
        importlib.util.find_spec = lambda name, *rest: None if name == "typer" else real(name, *rest)
        from welkin_async.cli import main
        raise SystemExit(main(["demo"]))
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, env=environment({}), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "welkin-async: the command needs an extra: pip install 'welkin-async[cli]'\n"


def test_importing_the_package_takes_neither_typer_nor_rich(folder: Path) -> None:
    program = (
        "import sys, welkin_async, welkin_async.bulk, welkin_async.cli; print({'typer','rich'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment({}), capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_help_and_wrong_usage() -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["import", "--help"]).exit_code == 0
    assert "secret-key" not in runner.invoke(app, ["import", "--help"]).stdout
    assert runner.invoke(app, ["nonsense"]).exit_code == 2
    assert runner.invoke(app, []).exit_code == 2
