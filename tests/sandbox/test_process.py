from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import aiohttp
import pytest

from welkin_async.sandbox import Fault, FaultKind, Sandbox, SandboxProcess

from .api import connected

ROOT = Path(__file__).parents[2]


async def test_a_process_of_its_own_is_steered_and_inspected() -> None:
    async with SandboxProcess(tenant="gh", token_life=50.5, rate=None, seed=3) as server, connected(server) as api:
        assert (server.tenant, server.instance, server.api_client) == ("gh", "sb-demo", "SANDBOX")
        first, second = await server.add_patients(2)
        await server.add_fault(Fault(FaultKind.RESET_AFTER, operation="cdts.create"))
        path = f"patients/{first}/cdts/medication"
        with pytest.raises(aiohttp.ClientOSError):
            await api("POST", path, {"external_id": "k"})
        assert (await server.faults())[0]["met"] == 1
        assert await server.unmet() == []
        assert (await api("POST", path, {"external_id": "k"})).status == 201
        found = await server.records("medication", full=True, patient=first)
        assert (found["total"], found["patients"]) == (2, {first: 2})
        assert list(found["duplicates"]["external_id"]) == ["k"]
        assert len(found["duplicates"]["external_id"]["k"]) == len(found["records"]) == 2
        assert "records" not in await server.records("medication")

        await server.add_fault(Fault(FaultKind.RESET_LATE, delay=0.1), Fault(FaultKind.GARBAGE))
        with pytest.raises(aiohttp.ClientOSError):
            await api("POST", path, {})
        assert (await server.stats())["late"] == 1
        await server.settle()
        await server.clear_faults()
        assert (await server.records("medication"))["total"] == 3

        await server.define_cdt("other", {"note": "text"})
        assert (await api("POST", f"patients/{second}/cdts/other", {"note": "x"})).status == 201
        with pytest.raises(ValueError, match="type"):
            await server.define_cdt("wrong", {"note": "decimal"})

        stats = await server.stats(log=1)
        assert stats["operations"]["cdts.create"] == 4
        assert (stats["statuses"]["0"], stats["token_requests"], stats["performed"]["cdts.create"]) == (2, 1, 4)
        assert stats["log"][0]["path"].endswith("/cdts/other")
        await server.reset_stats()
        assert (await server.stats())["total"] == 0

        await server.outage(60, status=503)
        assert (await api("GET", "patients")).status == 503
        await server.outage(0)
        await server.advance(51)
        assert (await api("GET", "patients")).code == "TOKEN_EXPIRED"
        await api.login()
        await server.expire_tokens()
        assert (await api("GET", "patients")).code == "TOKEN_EXPIRED"
        async with api.session.get(server.base_url + "/_sandbox/nothing") as answer:
            assert answer.status == 404
        pid = server.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(RuntimeError, match="not running"):
        await server.stats()


async def test_a_process_that_cannot_serve_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="ended before"):
        async with SandboxProcess(rate=-1):
            pass
    assert "rate must be positive" in capfd.readouterr().err


def spawn(*arguments: str, stdin: int, **variables: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-X", "dev", "-W", "error", "-m", "welkin_async.sandbox", *arguments]
    pipe, environment = subprocess.PIPE, os.environ | variables
    return subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, stdin=stdin, env=environment)


def end(process: subprocess.Popen[bytes]) -> tuple[int | None, bytes, list[bytes]]:
    """Wait for the end, and give exit code, output and complaints; that a step took long is the machine's affair."""
    out, err = process.communicate(timeout=10)
    return process.returncode, out, complaints(err)


def complaints(err: bytes) -> list[bytes]:
    return [line for line in err.splitlines() if not line.startswith(b"Executing <")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_command_prints_one_line_and_ends_on_a_signal(number: signal.Signals) -> None:
    secret = {"SANDBOX_SECRET_KEY": "-x"}
    with spawn("--tenant", "acme", "--rate", "5", stdin=subprocess.DEVNULL, **secret) as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        assert set(line) == {"base_url", "tenant", "instance", "api_client", "secret_key", "control_key"}
        assert (line["tenant"], line["secret_key"], line["control_key"]) == ("acme", "-x", None)
        process.send_signal(number)
        assert end(process) == (0, b"", [])


def test_command_ends_with_its_input() -> None:
    with spawn("--exit-with-parent", stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        assert end(process) == (0, b"", [])


def test_signal_while_input_is_watched_ends_cleanly() -> None:
    with spawn("--exit-with-parent", stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.terminate()
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert complaints(process.stderr.read()) == []


def test_process_mode_leaves_no_warning() -> None:
    program = """
        import asyncio
        from welkin_async.sandbox import SandboxProcess

        async def main():
            async with SandboxProcess() as server:
                assert (await server.stats())["total"] == 0

        asyncio.run(main())
    """
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(program)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=20, check=False)
    assert (done.returncode, done.stdout, complaints(done.stderr)) == (0, b"", [])


async def test_cancelled_while_starting_leaves_no_process() -> None:
    server = SandboxProcess()

    async def start() -> None:
        async with server:
            raise AssertionError("it should not get this far")

    task = asyncio.create_task(start())
    await asyncio.sleep(0.02)
    assert server._process is not None
    process = server._process
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(process.wait, 5)
    assert process.returncode is not None


async def test_secrets_are_no_arguments_and_the_control_routes_ask_for_their_key() -> None:
    async with SandboxProcess(secret_key="s3cr3t", control_key="c0ntrol") as server:
        ps = ["ps", "-o", "args=", "-p", str(server.pid)]
        command = (await asyncio.to_thread(subprocess.run, ps, capture_output=True)).stdout
        assert b"welkin_async.sandbox" in command
        assert b"s3cr3t" not in command
        assert b"c0ntrol" not in command
        assert server.secret_key == "s3cr3t"
        assert (await server.stats())["late"] == 0
        async with aiohttp.ClientSession() as session:
            for headers in ({}, {"X-Sandbox-Key": "another"}):
                async with session.get(f"{server.base_url}/_sandbox/stats", headers=headers) as answer:
                    assert answer.status == 403


async def test_a_sandbox_that_others_reach_warns_and_has_a_key(caplog: pytest.LogCaptureFixture) -> None:
    for host in ("0.0.0.0", "::", "somewhere.example"):
        assert Sandbox(host=host).control_key
    for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"):
        assert Sandbox(host=host).control_key is None
    async with Sandbox():
        assert not caplog.records
    async with Sandbox(host="0.0.0.0") as server, aiohttp.ClientSession() as session:
        (record,) = caplog.records
        assert "other machines reach it" in record.getMessage()
        port = server.base_url.rpartition(":")[2]
        async with session.get(f"http://127.0.0.1:{port}/_sandbox/stats") as answer:
            assert answer.status == 403
        key = {"X-Sandbox-Key": server.control_key or ""}
        async with session.get(f"http://127.0.0.1:{port}/_sandbox/stats", headers=key) as answer:
            assert answer.status == 200
