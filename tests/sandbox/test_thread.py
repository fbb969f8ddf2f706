"""The sandbox in a thread, and a sandbox that begins anew."""

from __future__ import annotations

import socket
import threading

import pytest

from welkin_async import Welkin
from welkin_async.sandbox import Fault, FaultKind, Sandbox, SandboxProcess, SandboxThread


def session(server: Sandbox | SandboxThread | SandboxProcess) -> Welkin:
    names = ("base_url", "tenant", "instance", "api_client", "secret_key")
    return Welkin(**{name: getattr(server, name) for name in names})


async def test_a_thread_serves_and_is_controlled_by_plain_calls() -> None:
    with SandboxThread(cdts={"allergy": {"substance": "text"}}) as server:
        first, *others = server.add_patients(3)
        server.define_cdt("dose", {"amount": "integer"})
        server.add_fault(Fault(FaultKind.STATUS, operation="patients.list", status=503))
        assert len(server.unmet()) == 1
        async with session(server) as welkin:
            assert {each.id async for each in welkin.patients.list()} == {first, *others}
            await welkin.patient(first).cdts("dose").create({"amount": 5})
            await welkin.patient(others[0]).cdts("allergy").create({"substance": "nuts"})
        assert server.unmet() == []
        assert [each["jsonBody"]["amount"] for each in server.records("dose")] == [5]
        assert server.records("allergy", first) == []
        server.records("dose")[0]["jsonBody"]["amount"] = 6  # a copy
        assert server.records("dose")[0]["jsonBody"]["amount"] == 5
        assert server.call(lambda served: served.stats.token_requests) == 1
        with pytest.raises(ZeroDivisionError):
            server.call(lambda served: 1 // 0)
    assert "welkin-sandbox" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(RuntimeError, match="not serving"):
        server.records("dose")


def test_a_thread_that_cannot_serve_says_why_where_it_was_started() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError), SandboxThread(port=taken.getsockname()[1]):
            pass
    with SandboxThread() as server, pytest.raises(RuntimeError, match="already"):
        server.__enter__()


async def test_a_reset_leaves_nothing_but_the_tokens() -> None:
    cdts = {"allergy": iter([{"name": "substance", "type": "text"}])}
    async with Sandbox(cdts=cdts, latency=0.001) as server, session(server) as welkin:
        ids = []
        for _ in range(3):
            patient = await welkin.patients.create(first_name="A", last_name="B")
            ids.append(patient.id)
            await welkin.patient(patient.id).cdts("allergy").create({"substance": "nuts"})
            await welkin.patients.get(patient.id)
            server.define_cdt("dose", {"amount": "integer"})
            server.faults.add(Fault(FaultKind.STATUS, operation="users.list"))
            server.outage(60.0)
            server.clock.advance(60.0)
            server.latency = 5.0
            server.visibility_delay = 9.0
            server.reset()
            assert (server.store.patients, server.store.cdt_records("allergy")) == ({}, [])
            assert sorted(server.store.formations) == ["allergy"]
            assert (server.faults.unmet(), server.clock.offset) == ([], 0.0)
            assert (server.latency, server.visibility_delay) == (0.001, 0.0)
        assert ids[1] == ids[2]  # the generator of ids begins anew
        assert server.stats.token_requests == 0
        assert await welkin.patients.list().total() == 0
        assert server.stats.token_requests == 0


async def test_what_points_to_a_server_is_in_its_environ(monkeypatch: pytest.MonkeyPatch) -> None:
    async with SandboxProcess() as process, Sandbox() as server:
        with SandboxThread() as thread:
            for each in (process, server, thread):
                for name, value in each.environ().items():
                    monkeypatch.setenv(name, value)
                async with Welkin.from_env() as welkin:
                    assert welkin.settings.base_url == each.base_url
                    assert await welkin.patients.list().total() == 0
        await process.add_patients(3)
        await process.reset()
        async with session(process) as welkin:
            assert await welkin.patients.list().total() == 0
    with pytest.raises(RuntimeError):
        server.environ()
