from __future__ import annotations

import asyncio
import json
import socket
import time

import aiohttp
import pytest

from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .api import Api, connected


def path(patient: str) -> str:
    return f"patients/{patient}/cdts/medication"


def script(server: Sandbox, kind: FaultKind, **options: object) -> None:
    server.faults.add(Fault.from_json({"kind": kind, "operation": "cdts.create", **options}))


def held(server: Sandbox) -> int:
    return len(server.store.cdt_records("medication"))


async def test_status_with_headers_and_body(server: Sandbox, api: Api, patient: str) -> None:
    script(server, FaultKind.STATUS, status=429, retry_after=7)
    reply = await api("POST", path(patient), {})
    assert (reply.status, reply.headers["Retry-After"], reply.code) == (429, "7", "TOO_MANY_REQUESTS")
    fault = Fault(FaultKind.STATUS, status=502, headers={"Content-Type": "text/plain", "X-A": "b"}, body=b"bad gateway")
    server.faults.add(fault)
    reply = await api("POST", path(patient), {})
    assert (reply.status, reply.body, reply.headers["X-A"]) == (502, b"bad gateway", "b")
    assert reply.headers["Content-Type"] == "text/plain"
    assert held(server) == 0
    script(server, FaultKind.STATUS, status=599, work_done=True)
    assert (await api("POST", path(patient), {})).code == "STATUS_599"
    assert held(server) == 1
    assert server.faults.unmet() == []
    assert (await api("POST", path(patient), {})).status == 201


@pytest.mark.parametrize(("kind", "done"), [(FaultKind.RESET_BEFORE, 0), (FaultKind.RESET_AFTER, 1)])
async def test_resets_are_tcp_resets(server: Sandbox, api: Api, patient: str, kind: FaultKind, done: int) -> None:
    script(server, kind)
    with pytest.raises(aiohttp.ClientOSError) as caught:
        await api("POST", path(patient), {})
    assert isinstance(caught.value, ConnectionResetError) or "reset by peer" in str(caught.value)
    assert held(server) == done
    assert server.stats.statuses[0] == 1
    assert server.stats.performed["cdts.create"] == done
    assert not server.faults.unmet()


async def test_a_reset_is_seen_below_http(server: Sandbox, api: Api) -> None:
    server.faults.add(Fault(FaultKind.RESET_BEFORE, operation="patients.list"))
    host, port = server.base_url.removeprefix("http://").split(":")
    loop = asyncio.get_running_loop()
    with socket.socket() as raw:
        raw.setblocking(False)
        await loop.sock_connect(raw, (host, int(port)))
        head = f"GET /gh/sb-demo/patients HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.token}\r\n\r\n"
        await loop.sock_sendall(raw, head.encode())
        with pytest.raises(ConnectionResetError):
            await loop.sock_recv(raw, 10)


@pytest.mark.timing
async def test_reset_late_lands_after_the_connection_is_gone(server: Sandbox, api: Api, patient: str) -> None:
    script(server, FaultKind.RESET_LATE, delay=1.0)
    started = time.monotonic()
    with pytest.raises(aiohttp.ClientOSError):
        await api("POST", path(patient), {})
    assert time.monotonic() - started < 0.8
    assert (held(server), server.late) == (0, 1)
    await server.settle()
    assert time.monotonic() - started >= 1.0
    assert (held(server), server.late) == (1, 0)


async def test_late_work_is_dropped_at_the_end() -> None:
    async with Sandbox() as server, connected(server) as api:
        script(server, FaultKind.RESET_LATE, delay=60)
        with pytest.raises(aiohttp.ClientOSError):
            await api("POST", path(str(server.store.add_patient()["id"])), {})
        waiting = asyncio.create_task(server.settle())
        await asyncio.sleep(0)
    await waiting
    assert (held(server), server.late) == (0, 0)


async def test_stalls(server: Sandbox, api: Api, patient: str) -> None:
    for kind, at_once in ((FaultKind.STALL_BEFORE, 0), (FaultKind.STALL_AFTER, 2)):
        script(server, kind, delay=0.06)
        started = time.monotonic()
        pending = asyncio.create_task(api("POST", path(patient), {}))
        await asyncio.sleep(0.03)
        assert held(server) == at_once
        assert (await pending).status == 201
        assert time.monotonic() - started >= 0.06


async def test_stalled_work_is_done_though_the_client_has_left(
    server: Sandbox, api: Api, patient: str, capfd: pytest.CaptureFixture[str]
) -> None:
    script(server, FaultKind.STALL_BEFORE, delay=0.08)
    with pytest.raises(asyncio.TimeoutError):
        await api("POST", path(patient), {}, timeout=0.03)
    assert held(server) == 0
    await asyncio.sleep(0.08)
    assert (held(server), server.stats.in_flight) == (1, 0)
    assert capfd.readouterr() == ("", "")


async def test_a_stall_does_not_hold_up_the_end(patient: str) -> None:
    started = time.monotonic()
    async with Sandbox() as server, connected(server) as api:
        server.faults.add(Fault(FaultKind.STALL_AFTER, delay=30))
        pending = asyncio.create_task(api("GET", "patients"))
        await asyncio.sleep(0.03)
        await server.close()
        with pytest.raises(aiohttp.ClientError):
            await pending
    assert time.monotonic() - started < 10


async def test_truncated(server: Sandbox, api: Api, patient: str) -> None:
    script(server, FaultKind.TRUNCATED)
    with pytest.raises(aiohttp.ClientPayloadError):
        await api("POST", path(patient), {})
    assert held(server) == 1
    record = server.store.cdt_records("medication")[0]["id"]
    server.faults.add(Fault(FaultKind.TRUNCATED, operation="cdts.delete"))
    with pytest.raises(aiohttp.ClientPayloadError):
        await api("DELETE", f"{path(patient)}/{record}")
    assert held(server) == 0
    assert (await api("GET", "patients")).status == 200


async def test_garbage_and_empty(server: Sandbox, api: Api, patient: str) -> None:
    script(server, FaultKind.GARBAGE)
    script(server, FaultKind.EMPTY)
    garbage, empty = await api("POST", path(patient), {}), await api("POST", path(patient), {})
    assert (garbage.status, garbage.headers["Content-Type"]) == (201, "text/html")
    assert garbage.body.startswith(b"<html>")
    assert (empty.status, empty.body, empty.headers["Content-Length"]) == (201, b"", "0")
    assert held(server) == 2


async def exchanges(server: Sandbox, api: Api, requests: list[str], pause: float = 0.0) -> list[tuple[int, bytes]]:
    """Status and body of each answer that is read from one connection, one for each request that is sent."""
    host, port = server.base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    found = []
    for request in requests:
        head = f"{request} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nAuthorization: Bearer {api.token}\r\n\r\n{{}}"
        writer.write(head.encode())
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        size = next(int(line.split()[1]) for line in lines if line.startswith("Content-Length"))
        found.append((int(status.split()[1]), await reader.readexactly(size)))
        await asyncio.sleep(pause)
    writer.close()
    await writer.wait_closed()
    return found


@pytest.mark.parametrize("status", [201, 400, 503])
async def test_a_stray_answer_shifts_all_that_follow_on_its_connection(
    server: Sandbox, api: Api, patient: str, status: int
) -> None:
    script(server, FaultKind.STRAY, status=status, delay=0)
    create = f"POST /gh/sb-demo/{path(patient)}"
    first, second, third = await exchanges(server, api, [create, create, create], pause=0.02)
    made = [each["id"] for each in server.store.cdt_records("medication")]
    assert len(made) == 3
    assert (first[0], json.loads(first[1])["id"]) == (201, made[0])
    assert second[0] == status
    assert second == first or status > 299
    assert (third[0], json.loads(third[1])["id"]) == (201, made[1])
    assert server.stats.statuses[201] == 3
    assert not server.faults.unmet()


async def test_a_stray_answer_comes_late_or_not_at_all(server: Sandbox, api: Api, patient: str) -> None:
    script(server, FaultKind.STRAY, delay=0.05, times=2)
    create = f"POST /gh/sb-demo/{path(patient)}"
    assert [status for status, _ in await exchanges(server, api, [create, create])] == [201, 201]
    await asyncio.sleep(0.06)  # the connection is gone
    assert (await api("GET", path(patient))).status == 200


async def test_queued_is_an_answer_that_creates_nothing_or_only_later(server: Sandbox, api: Api, patient: str) -> None:
    script(server, FaultKind.QUEUED)
    script(server, FaultKind.QUEUED, work_done=True, delay=0.05)
    first, second = await api("POST", path(patient), {}), await api("POST", path(patient), {})
    assert (first.status, first.json["status"], first.json["id"][:8]) == (202, "QUEUED", "pending-")
    assert first.json["id"] != second.json["id"]
    assert (held(server), server.late) == (0, 1)
    await server.settle()
    assert held(server) == 1


async def test_a_gateway_without_a_route_answers_502_and_then_404(server: Sandbox, api: Api, patient: str) -> None:
    for _ in range(2):
        await api("POST", path(patient), {})
    script(server, FaultKind.GATEWAY, operation="cdts.delete", times=None)
    for record in server.store.cdt_records("medication"):
        replies = [await api("DELETE", f"{path(patient)}/{record['id']}") for _ in range(3)]
        assert [reply.status for reply in replies] == [502, 404, 404]
        assert {reply.headers["Content-Type"] for reply in replies} == {"text/html"}
    assert held(server) == 2


async def test_503_with_retry_after_though_the_work_was_done(server: Sandbox, api: Api, patient: str) -> None:
    script(server, FaultKind.STATUS, status=503, retry_after=1, work_done=True)
    reply = await api("POST", path(patient), {})
    assert (reply.status, reply.headers["Retry-After"], held(server)) == (503, "1", 1)


async def statuses(api: Api, count: int) -> list[int]:
    return [(await api("GET", "patients")).status for _ in range(count)]


async def test_times_after_every(server: Sandbox, api: Api) -> None:
    server.faults.add(Fault(FaultKind.STATUS, status=500, times=2, after=1))
    server.faults.add(Fault(FaultKind.STATUS, status=503, times=None, every=3))
    assert await statuses(api, 9) == [200, 500, 500, 200, 200, 503, 200, 200, 503]
    report = server.faults.report()
    assert [(met, pending) for _, met, pending in report] == [(2, 0), (2, 0)]
    assert report[0].fault.status == 500
    server.faults.clear()
    assert await statuses(api, 3) == [200] * 3


async def test_the_first_pending_fault_wins_and_the_rest_stay_unmet(server: Sandbox, api: Api) -> None:
    first, second = Fault(FaultKind.STATUS, status=500), Fault(FaultKind.STATUS, status=502, times=2)
    server.faults.add(first, second)
    assert await statuses(api, 2) == [500, 502]
    assert server.faults.unmet() == [second]
    endless = Fault(FaultKind.STATUS, operation="cdts.create", times=None)
    server.faults.add(endless)
    assert server.faults.unmet() == [second, endless]


async def test_probability_is_drawn_from_the_seed() -> None:
    drawn = []
    for seed in (1, 1, 2):
        async with Sandbox(seed=seed) as server, connected(server) as api:
            server.faults.add(Fault(FaultKind.STATUS, probability=0.5, times=None))
            drawn.append(await statuses(api, 30))
    assert drawn[0] == drawn[1] != drawn[2]
    assert {200, 503} == set(drawn[0])


async def test_faults_leave_the_token_call_alone_unless_they_name_it(server: Sandbox, api: Api) -> None:
    server.faults.add(Fault(FaultKind.STATUS, times=None))
    assert (await api.login()).status == 200
    server.faults.add(Fault(FaultKind.STATUS, operation="auth.create_token", status=500))
    assert (await api.login()).status == 500
    assert (await api.login()).status == 200


async def test_refused_requests_do_not_use_up_faults(server: Sandbox, api: Api) -> None:
    server.faults.add(Fault(FaultKind.STATUS))
    assert (await api("GET", "patients", token="wrong")).status == 401
    assert (await api("GET", "nothing")).status == 404
    assert len(server.faults.unmet()) == 1


async def test_outage_resets_or_answers_until_it_is_over(server: Sandbox, api: Api) -> None:
    server.outage(60)
    for call in (api("GET", "patients"), api.login()):
        with pytest.raises(aiohttp.ClientOSError):
            await call
    server.outage(60, status=503)
    assert (await api.login()).status == 503
    server.clock.advance(61)
    assert (await api("GET", "patients")).status == 200


def test_faults_are_checked_and_travel_as_json(server: Sandbox) -> None:
    fault = Fault(FaultKind.STATUS, "cdts.create", times=None, every=2, headers={"A": "b"}, body=b"\xff", retry_after=3)
    assert Fault.from_json(fault.as_json()) == fault
    with pytest.raises(ValueError, match="no operation"):
        server.faults.add(Fault(FaultKind.STATUS, "cdt.create"))
    for wrong in ({"times": 0}, {"every": 0}, {"probability": 2}, {"delay": -1}, {"status": 99}, {"after": -1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Fault.from_json({"kind": "status", **wrong})
    with pytest.raises(ValueError, match="nonsense"):
        Fault.from_json({"kind": "nonsense"})
