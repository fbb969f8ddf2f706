"""An attempt ends in one of four ways; what follows depends on which, and on whether the operation may be repeated."""

from __future__ import annotations

import asyncio
import socket
import time
from email.utils import formatdate
from typing import Any

import pytest

from welkin_async import (
    BadRequestError,
    ConflictError,
    ConnectError,
    ConnectionLostError,
    DecodeError,
    NoAnswerError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitedError,
    RejectedError,
    RequestError,
    ServerError,
    TokenUnavailableError,
    UnprocessableError,
    Welkin,
)
from welkin_async.resources.cdts import CREATE_CDT
from welkin_async.sandbox import FaultKind, Sandbox

from .helpers import (
    SECRET,
    Close,
    Hang,
    OneToken,
    RawServer,
    Reaction,
    Reset,
    Trickle,
    always,
    connect,
    free_port,
    http,
    in_turn,
    on_wire,
    record,
    script,
)

Kind = FaultKind

# What happens, whether the work of a create was done, and what a safe operation ends in where nothing else happens.
UNKNOWN: list[tuple[str, dict[str, Any], bool, type[RequestError]]] = [
    ("reset before", {"kind": Kind.RESET_BEFORE}, False, ConnectionLostError),
    ("reset after", {"kind": Kind.RESET_AFTER}, True, ConnectionLostError),
    ("reset late", {"kind": Kind.RESET_LATE, "delay": 0.05}, True, ConnectionLostError),
    ("stall before", {"kind": Kind.STALL_BEFORE, "delay": 1.5}, True, ConnectionLostError),
    ("stall after", {"kind": Kind.STALL_AFTER, "delay": 1.5}, True, ConnectionLostError),
    ("truncated", {"kind": Kind.TRUNCATED}, True, ConnectionLostError),
    ("garbage", {"kind": Kind.GARBAGE}, True, DecodeError),
    ("empty", {"kind": Kind.EMPTY}, True, DecodeError),
    *((str(status), {"kind": Kind.STATUS, "status": status}, False, ServerError) for status in (
        408, 425, 500, 501, 502, 503, 504, 507, 599,
    )),
    ("504 done", {"kind": Kind.STATUS, "status": 504, "work_done": True}, True, ServerError),
    ("503 unreadable", {"kind": Kind.STATUS, "status": 503, "retry_after": "soon"}, False, ServerError),
]  # fmt: skip
REFUSALS: list[tuple[int, type[RequestError]]] = [
    (300, RejectedError), (301, RejectedError), (302, RejectedError), (304, RejectedError), (307, RejectedError),
    (400, BadRequestError), (402, RejectedError), (403, PermissionDeniedError), (404, NotFoundError),
    (405, RejectedError), (406, RejectedError), (409, ConflictError), (410, RejectedError), (413, RejectedError),
    (415, RejectedError), (422, UnprocessableError), (451, RejectedError),
]  # fmt: skip
unknowns = pytest.mark.parametrize(
    ("fault", "done", "ends_in"), [row[1:] for row in UNKNOWN], ids=[r[0] for r in UNKNOWN]
)
refusals = pytest.mark.parametrize(("status", "kind"), REFUSALS)


def timeout_for(fault: dict[str, Any]) -> float:
    return 0.4 if "stall" in fault["kind"] else 5.0


async def settled(server: Sandbox) -> None:
    await server.settle()
    while server.stats.in_flight:
        await asyncio.sleep(0.01)


@unknowns
async def test_a_create_is_never_sent_again_after_unknown(
    server: Sandbox, patient: str, fault: dict[str, Any], done: bool, ends_in: type[RequestError]
) -> None:
    script(server, **fault, operation="cdts.create")
    async with connect(server, timeout=timeout_for(fault)) as welkin:
        with pytest.raises(OutcomeUnknownError) as caught:
            await welkin.patient(patient).cdts("medication").create({"code": "x"})
        assert server.faults.unmet() == []
        await settled(server)
        assert on_wire(server, "cdts.create") == 1
        assert (caught.value.attempts, caught.value.safe_to_repeat) == (1, False)
        assert caught.value.status == (fault.get("status") or (201 if ends_in is DecodeError else None))
        assert len(server.store.cdt_records("medication")) == int(done)


@unknowns
async def test_a_safe_operation_is_repeated(
    server: Sandbox, swift: None, patient: str, fault: dict[str, Any], done: bool, ends_in: type[RequestError]
) -> None:
    async with connect(server, timeout=timeout_for(fault)) as welkin:
        medications = welkin.patient(patient).cdts("medication")
        made = await medications.create({"code": "x"})
        for operation in ("cdts.get", "cdts.update", "cdts.list"):
            script(server, **fault, operation=operation)
        assert (await medications.get(made.id))["code"] == "x"
        assert (await medications.update(made.id, {"code": "y"}))["code"] == "y"
        assert [each.id async for each in medications.list()] == [made.id]
        assert server.faults.unmet() == []
        assert [on_wire(server, name) for name in ("cdts.get", "cdts.update", "cdts.list")] == [2, 2, 2]
        await settled(server)


@unknowns
async def test_a_safe_operation_that_never_succeeds(
    server: Sandbox, swift: None, patient: str, fault: dict[str, Any], done: bool, ends_in: type[RequestError]
) -> None:
    script(server, **fault, operation="patients.get", times=None)
    async with connect(server, timeout=timeout_for(fault), max_attempts=3) as welkin:
        with pytest.raises(NoAnswerError) as caught:
            await welkin.patients.get(patient)
        assert type(caught.value) is ends_in
        assert (caught.value.attempts, caught.value.safe_to_repeat) == (3, True)
        assert on_wire(server, "patients.get") == 3
        with pytest.raises(ends_in):
            await welkin.patients.get(patient, max_attempts=1)
        assert on_wire(server, "patients.get") == 4
        assert server.faults.report()[0].met == 4
        await settled(server)


@refusals
async def test_a_refusal_is_final(
    server: Sandbox, welkin: Welkin, patient: str, status: int, kind: type[RequestError]
) -> None:
    medications = welkin.patient(patient).cdts("medication")
    await medications.create({})  # the formation is read
    script(server, Kind.STATUS, status=status, times=3)
    for call in (medications.create({}), medications.get("x"), medications.delete("x")):
        with pytest.raises(RejectedError) as caught:
            await call
        assert type(caught.value) is kind
        assert (caught.value.status, caught.value.attempts, caught.value.safe_to_repeat) == (status, 1, False)
    assert server.faults.unmet() == []
    assert server.stats.statuses[status] == 3


@pytest.mark.parametrize(("operation", "status"), [("cdts.create", 429), ("patients.get", 429), ("patients.get", 503)])
async def test_a_throttled_request_is_repeated_and_costs_no_attempt(
    server: Sandbox, welkin: Welkin, patient: str, status: int, operation: str
) -> None:
    script(server, Kind.STATUS, operation, status=status, retry_after=0, times=3)
    if operation == "cdts.create":
        made = await welkin.patient(patient).cdts("medication").create({}, max_attempts=1)
        assert [each["id"] for each in server.store.cdt_records("medication")] == [made.id]
    else:
        await welkin.patients.get(patient, max_attempts=1)
    assert server.faults.unmet() == []
    assert on_wire(server, operation) == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "form", "least", "most"),
    [(429, "seconds", 1.0, 1.4), (503, "date", 1.0, 2.5), (429, "none", 0.0, 0.6), (429, "rubbish", 0.0, 0.6)],
)
async def test_the_wait_is_as_long_as_the_server_says_or_a_back_off(
    server: Sandbox, welkin: Welkin, patient: str, status: int, form: str, least: float, most: float
) -> None:
    wanted: dict[str, int | str | None] = {
        "seconds": 1, "date": formatdate(time.time() + 2, usegmt=True), "none": None, "rubbish": "soon",
    }  # fmt: skip
    script(server, Kind.STATUS, "patients.get", status=status, retry_after=wanted[form])
    await welkin.patients.get(patient)
    assert server.faults.unmet() == []
    first, second = (entry.arrived for entry in server.stats.log if entry.operation == "patients.get")
    assert least <= second - first <= most


@pytest.mark.parametrize("retry_after", [5, None])
async def test_a_create_that_met_a_503_is_unknown_and_three_in_a_row_pause_the_others(
    server: Sandbox, welkin: Welkin, patient: str, retry_after: int | None
) -> None:
    """The server may have done the work before it said that it is overloaded: only a 429 is believed."""
    script(server, Kind.STATUS, "cdts.create", status=503, retry_after=retry_after, times=3)
    for _ in range(3):
        assert welkin.stats.paused_for == 0.0
        with pytest.raises(OutcomeUnknownError) as caught:
            await welkin.patient(patient).cdts("medication").create({})
        assert (caught.value.status, caught.value.retry_after, caught.value.attempts) == (503, retry_after, 1)
    with pytest.raises(RateLimitedError):
        await welkin.with_options(max_wait=0.1).patients.get(patient)
    assert on_wire(server, "cdts.create") == 3


@pytest.mark.parametrize("header", ["-5", "0", formatdate(0, usegmt=True)])
async def test_a_pause_in_the_past_is_none(header: str) -> None:
    behaviour = in_turn(http(429, Retry_After=header), record())
    async with RawServer(behaviour) as server, connect(server) as welkin:
        started = time.monotonic()
        await welkin.patients.create({})
        assert time.monotonic() - started < 5.0
        assert len(server.seen) == 2


@pytest.mark.parametrize("header", ["86400", "1e300", "inf", formatdate(4e9, usegmt=True)])
async def test_a_retry_after_of_more_than_an_hour_counts_as_none(header: str) -> None:
    behaviour = in_turn(http(429, Retry_After=header), record())
    async with RawServer(behaviour) as server, connect(server) as welkin:
        started = time.monotonic()
        await welkin.patients.create({})
        assert time.monotonic() - started < 5.0
        assert len(server.seen) == 2


async def test_a_retry_after_date_is_read_against_the_servers_own_clock() -> None:
    dates = {"Date": formatdate(1_000_000, usegmt=True), "Retry_After": formatdate(1_000_050, usegmt=True)}
    async with RawServer(always(http(429, **dates))) as server, connect(server, max_wait=10) as welkin:
        with pytest.raises(RateLimitedError) as caught:
            await welkin.patients.get("x")
        assert caught.value.retry_after is not None
        assert 49 < caught.value.retry_after <= 55


async def delete_with(server: Sandbox, welkin: Welkin, patient: str, *faults: dict[str, Any]) -> Any:
    medications = welkin.patient(patient).cdts("medication")
    made = await medications.create({})
    for fault in faults:
        script(server, operation="cdts.delete", **fault)
    try:
        return await medications.delete(made.id)
    finally:
        assert server.faults.unmet() == []


@pytest.mark.parametrize("kind", [Kind.RESET_AFTER, Kind.TRUNCATED])
async def test_a_delete_repeated_after_unknown_that_meets_404_is_done(
    server: Sandbox, swift: None, welkin: Welkin, patient: str, kind: FaultKind
) -> None:
    answer = await delete_with(server, welkin, patient, {"kind": kind})
    assert (answer.status, answer.attempts) == (404, 2)
    assert on_wire(server, "cdts.delete") == 2


async def test_a_delete_after_a_late_or_undone_one(server: Sandbox, swift: None, welkin: Welkin, patient: str) -> None:
    answer = await delete_with(server, welkin, patient, {"kind": Kind.RESET_BEFORE})
    assert (answer.status, answer.attempts) == (200, 2)
    answer = await delete_with(server, welkin, patient, {"kind": Kind.GARBAGE})
    assert (answer.status, answer.attempts) == (200, 1)
    unknown_then_throttled = (
        {"kind": Kind.RESET_AFTER},
        {"kind": Kind.STATUS, "status": 429, "retry_after": 0, "after": 1},
    )
    answer = await delete_with(server, welkin, patient, *unknown_then_throttled)
    assert (answer.status, answer.attempts) == (404, 3)


async def test_a_delete_that_was_only_throttled_and_meets_404_is_refused(
    server: Sandbox, welkin: Welkin, patient: str
) -> None:
    script(server, Kind.STATUS, "cdts.delete", status=429, retry_after=0)
    with pytest.raises(NotFoundError) as caught:
        await welkin.patient(patient).cdts("medication").delete("none")
    assert caught.value.attempts == 2
    assert server.faults.unmet() == []


@pytest.mark.parametrize("create", [True, False])
async def test_a_refused_connection(swift: None, create: bool) -> None:
    base = f"http://127.0.0.1:{free_port()}"
    async with connect(base, token_store=OneToken(), max_attempts=3) as welkin:
        with pytest.raises(ConnectError) as caught:
            await (welkin.patients.create({}) if create else welkin.patients.get("x"))
        assert (caught.value.attempts, caught.value.status, caught.value.safe_to_repeat) == (3, None, True)


async def test_a_server_that_comes_back_is_reached(swift: None) -> None:
    port = free_port()
    async with connect(f"http://127.0.0.1:{port}", token_store=OneToken()) as welkin:
        with pytest.raises(ConnectError):
            await welkin.patients.create({}, max_attempts=2)
        async with Sandbox(port=port) as server:
            # Its first answer is a 401 to the stored token, which is refreshed once.
            made = await welkin.patients.create({"firstName": "A", "lastName": "B"})
            assert list(server.store.patients) == [made.id]
            assert (server.stats.statuses[401], server.stats.token_requests) == (1, 1)


async def test_a_refused_connection_of_the_token_call(swift: None) -> None:
    async with connect(f"http://127.0.0.1:{free_port()}", max_attempts=1) as welkin:
        with pytest.raises(TokenUnavailableError, match="could not be made") as caught:
            await welkin.patients.create({})
        assert caught.value.safe_to_repeat


async def test_a_name_that_cannot_be_resolved(swift: None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    async def nowhere(host: object, *_: object, **__: object) -> list[Any]:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nowhere)
    async with connect("https://nowhere.invalid", token_store=OneToken(), max_attempts=2) as welkin:
        for call in (welkin.patients.create({}), welkin.patients.get("x")):
            with pytest.raises(ConnectError, match="resolved") as caught:
                await call
            assert "nowhere" not in str(caught.value)
    assert len(asked) == 4


async def test_no_tls(swift: None) -> None:
    async with RawServer(always(record()), greeting=b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        base = server.base_url.replace("http", "https")
        async with connect(base, token_store=OneToken(), max_attempts=2) as welkin:
            for call in (welkin.patients.create({}), welkin.patients.get("x")):
                with pytest.raises(ConnectError, match="TLS"):
                    await call
        assert server.connections == 4


async def test_a_handshake_that_never_ends(swift: None) -> None:
    async with RawServer(always(record())) as server:
        base = server.base_url.replace("http", "https")
        async with connect(base, token_store=OneToken(), timeout=1.0, max_attempts=2) as welkin:
            with pytest.raises(ConnectError, match="in time"):
                await welkin.patients.create({})
        assert server.seen == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_refused_and_nothing_travels(status: int) -> None:
    async with RawServer(always(record())) as elsewhere:
        behaviour = always(http(status, Location=f"{elsewhere.base_url}/x"))
        async with RawServer(behaviour) as server, connect(server) as welkin:
            for call in (welkin.patients.create({}), welkin.patients.get("x")):
                with pytest.raises(RejectedError) as caught:
                    await call
                assert caught.value.status == status
            assert len(server.seen) == 2
        async with RawServer(behaviour, tokens=False) as server, connect(server, max_attempts=1) as welkin:
            with pytest.raises(TokenUnavailableError):
                await welkin.patients.get("x")
            assert SECRET.encode() in server.seen[0].body
        assert elsewhere.seen == []
        assert elsewhere.connections == 0


async def test_timeouts_are_of_the_attempt(swift: None) -> None:
    async with RawServer(always(Hang())) as server, connect(server, timeout=0.2, max_attempts=3) as welkin:
        started = time.monotonic()
        with pytest.raises(OutcomeUnknownError, match="in time"):
            await welkin.patients.create({})
        assert 0.15 < time.monotonic() - started < 5.0
        started = time.monotonic()
        with pytest.raises(ConnectionLostError, match="in time"):
            await welkin.patients.get("x")
        assert 0.5 < time.monotonic() - started < 5.0
        assert server.methods() == ["POST", "GET", "GET", "GET"]
        started = time.monotonic()
        with pytest.raises(ConnectionLostError):
            await welkin.with_options(timeout=30.0).patients.get("x", timeout=0.05, max_attempts=1)
        assert time.monotonic() - started < 5.0


@pytest.mark.parametrize(
    "part", [b"", b"HTTP/1.1 201 Created\r\n", b'HTTP/1.1 201 X\r\nContent-Length: 40\r\n\r\n{"id']
)
async def test_an_answer_that_stops_half_way(part: bytes) -> None:
    async def stalls(_: object) -> Reaction:
        return part

    async with RawServer(stalls) as server, connect(server, timeout=0.15) as welkin:
        started = time.monotonic()
        with pytest.raises(OutcomeUnknownError):
            await welkin.patients.create({})
        assert 0.1 < time.monotonic() - started < 5.0
        assert len(server.seen) == 1


async def test_an_answer_that_trickles_is_ended_too() -> None:
    behaviour = always(Trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", every=0.02))
    async with RawServer(behaviour) as server, connect(server, timeout=0.1, max_attempts=1) as welkin:
        started = time.monotonic()
        with pytest.raises(ConnectionLostError, match="in time"):
            await welkin.patients.get("x")
        assert 0.2 < time.monotonic() - started < 10.0
        assert len(server.seen) == 1


RUBBISH: list[Reaction] = [
    b"garbage\r\n\r\n",
    b"HTTP/1.1 abc OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: nonsense\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n{}  ",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n{}{}",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 4\r\n\r\n{}{}",
    Close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"),
    Close(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{}"),
    b"\x16\x03\x01\x00\x00",
    http(200, b"<html>"),
    http(200, b"\xff\xfe"),
    http(200, b"   "),
    http(200, b"nul"),
    http(200, b"NaN"),
    http(200, b"[" * 100_000),
    http(200, []),
    http(200, 5),
    http(200, b"null"),
    http(200, {}),
    http(200, {"id": 5}),
    http(200, {"id": None}),
    http(204),
]


@pytest.mark.parametrize("answer", RUBBISH, ids=range(len(RUBBISH)))
async def test_an_answer_that_cannot_be_read(swift: None, answer: Reaction) -> None:
    async with RawServer(always(answer)) as server, connect(server, timeout=0.3, max_attempts=2) as welkin:
        with pytest.raises(OutcomeUnknownError) as unknown:
            await welkin.patients.create({"firstName": "Charlie"})
        assert unknown.value.attempts == 1
        assert server.methods() == ["POST"]
        with pytest.raises(NoAnswerError) as caught:
            await welkin.patients.get("x")
        assert caught.value.attempts == 2
        assert server.methods() == ["POST", "GET", "GET"]


BODIES: list[tuple[bytes, tuple[str, ...]]] = [
    (b"", ()),
    (b"<html>Bad Request</html>", ()),
    (b'"text"', ()),
    (b"null", ()),
    (b"[]", ()),
    (b'[5, null, "x"]', ()),
    (b'{"errorCode": "ONE"}', ("ONE",)),
    (b'[{"errorCode": "ONE"}, {"errorCode": 5}, {"errorCode": "TWO", "details": []}]', ("ONE", "TWO")),
    (b'[{"errorCode": "Patient Charlie Taylor"}]', ("Patient Charlie Taylor",)),
    (b"\xff", ()),
    (b"[" * 100_000, ()),
]


@pytest.mark.parametrize(("body", "codes"), BODIES, ids=range(len(BODIES)))
async def test_an_error_body_of_any_form(body: bytes, codes: tuple[str, ...]) -> None:
    async with RawServer(always(http(400, body))) as server, connect(server) as welkin:
        with pytest.raises(BadRequestError) as caught:
            await welkin.patients.get("x")
        assert (caught.value.error_codes, caught.value.body) == (codes, body)
        assert "Charlie" not in str(caught.value)
        assert len(server.seen) == 1


async def on_the_wire(server: Sandbox) -> None:
    while not server.stats.in_flight:
        await asyncio.sleep(0.001)


async def test_a_cancelled_create_counts_as_unknown(server: Sandbox, welkin: Welkin, patient: str) -> None:
    await welkin.patients.get(patient)
    server.latency = 0.1
    request = welkin.scope.request(CREATE_CDT, patient_id=patient, cdt_name="medication", body={})
    task = asyncio.create_task(welkin.transport.send(request))
    await on_the_wire(server)
    assert (request.on_wire, request.unknown) == (True, False)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (request.on_wire, request.unknown, request.attempts) == (False, True, 1)
    await asyncio.sleep(0.15)
    assert (on_wire(server, "cdts.create"), welkin.transport.limiter.in_flight) == (1, 0)


async def test_the_callers_own_timeout(server: Sandbox, welkin: Welkin, patient: str) -> None:
    await welkin.patients.get(patient)
    server.latency = 0.3
    request = welkin.scope.request(CREATE_CDT, patient_id=patient, cdt_name="medication", body={})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await welkin.transport.send(request)
    assert (request.on_wire, request.unknown) == (False, True)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(welkin.patients.get(patient), 0.05)
    assert welkin.transport.limiter.in_flight == 0
    server.latency = 0.0
    assert (await welkin.patients.get(patient)).id == patient
    await settled(server)


async def test_a_create_cancelled_before_it_was_sent_is_not_unknown(server: Sandbox, patient: str) -> None:
    async with connect(server, rate=1.0) as welkin:
        await welkin.patients.get(patient)
        request = welkin.scope.request(CREATE_CDT, patient_id=patient, cdt_name="medication", body={})
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await welkin.transport.send(request)
        assert (request.attempts, request.on_wire, request.unknown) == (0, False, False)
        assert on_wire(server, "cdts.create") == 0


async def test_waiting_for_token_and_pace_does_not_eat_the_timeout(server: Sandbox, patient: str) -> None:
    script(server, Kind.STALL_BEFORE, "auth.create_token", delay=0.4)
    async with connect(server, rate=4.0, timeout=1.0, max_attempts=1) as welkin:
        started = time.monotonic()
        await asyncio.gather(*(welkin.patients.get(patient) for _ in range(6)))
        assert time.monotonic() - started > 1.2
    assert server.faults.unmet() == []
    assert on_wire(server, "patients.get") == 6


async def test_a_connection_is_used_again_after_a_refusal(swift: None) -> None:
    answers = in_turn(http(404, [{"errorCode": "A"}]), record(), Reset(), record())
    async with RawServer(answers) as raw, connect(raw) as welkin:
        with pytest.raises(NotFoundError):
            await welkin.patients.get("x")
        await welkin.patients.get("x")
        assert raw.connections == 1
        await welkin.patients.get("x")
        assert raw.connections == 2
