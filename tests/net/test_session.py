from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable
from typing import Any

import pytest

from welkin_async import (
    Attempt,
    ConfigurationError,
    InvalidInputError,
    OutcomeUnknownError,
    RequestError,
    SessionError,
    Welkin,
    bulk,
)
from welkin_async.bulk import CdtRow
from welkin_async.resources.cdts import CREATE_CDT
from welkin_async.sandbox import FaultKind, Sandbox

from .helpers import (
    Hang,
    OneToken,
    RawServer,
    always,
    connect,
    free_port,
    http,
    in_turn,
    on_wire,
    other_tasks,
    record,
    script,
)


async def test_before_it_is_open(server: Sandbox) -> None:
    welkin = connect(server)
    assert repr(welkin) == "<Welkin session, new>"
    for call in (welkin.patients.create({}), welkin.patients.get("x"), welkin.request("GET", "/x")):
        with pytest.raises(SessionError, match="not open"):
            await call
    with pytest.raises(SessionError, match="not open"):
        await welkin.patients.list()
    with pytest.raises(SessionError, match="not open"):
        _ = welkin.transport
    with pytest.raises(SessionError, match="not open"):
        await bulk.create_cdt_records(welkin, "medication", [])
    async with welkin as opened:
        assert opened is welkin
        assert repr(welkin) == "<Welkin session, open>"
    assert server.stats.total == 0


async def test_after_it_is_closed(server: Sandbox, patient: str) -> None:
    async with connect(server) as welkin:
        patients = welkin.patients
        medications = welkin.patient(patient).cdts("medication")
        await patients.get(patient)
    assert repr(welkin) == "<Welkin session, closed>"
    for call in (patients.get(patient), medications.create({}), welkin.with_options(timeout=1).patients.get(patient)):
        with pytest.raises(SessionError, match="closed"):
            await call
    await welkin.aclose()
    with pytest.raises(SessionError, match="closed"):
        await welkin.open()
    assert server.stats.total == 2


async def test_open_twice(server: Sandbox, patient: str) -> None:
    welkin = connect(server)
    await welkin.open()
    with pytest.raises(SessionError, match="already"):
        await welkin.open()
    await welkin.patients.get(patient)
    await welkin.aclose()
    await welkin.aclose()


async def test_closed_without_having_been_open(server: Sandbox) -> None:
    welkin = connect(server)
    await welkin.aclose()
    with pytest.raises(SessionError, match="closed"):
        await welkin.open()


async def test_on_another_loop(server: Sandbox, welkin: Welkin, patient: str) -> None:
    await welkin.patients.get(patient)
    caught: list[BaseException] = []

    def elsewhere() -> None:
        for call in (welkin.patients.get, welkin.patients.update):
            try:
                asyncio.run(call(patient))
            except BaseException as error:
                caught.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    await asyncio.to_thread(thread.join)
    assert [type(error) for error in caught] == [SessionError, SessionError]
    assert "another event loop" in str(caught[0])
    await welkin.patients.get(patient)
    assert server.stats.operations["patients.get"] == 2


def test_another_loop_of_the_same_thread_and_its_own_loop_in_another_thread() -> None:
    loop = asyncio.new_event_loop()
    server = Sandbox()
    failed: list[BaseException] = []

    async def opened() -> tuple[Welkin, str]:
        await server.start()
        return await connect(server).open(), server.store.add_patients(1)[0]

    def read() -> None:
        try:
            for _ in range(2):
                loop.run_until_complete(welkin.patients.get(patient))
        except BaseException as error:
            failed.append(error)

    async def closed() -> None:
        await welkin.aclose()
        await server.close()

    welkin, patient = loop.run_until_complete(opened())
    try:
        read()
        with pytest.raises(SessionError, match="another event loop"):
            asyncio.run(welkin.patients.get(patient))
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
        read()
        assert failed == []
        assert server.stats.operations["patients.get"] == 6
    finally:
        loop.run_until_complete(closed())
        loop.close()


async def test_with_options_shares_the_pool(server: Sandbox, welkin: Welkin, patient: str, swift: None) -> None:
    hasty = welkin.with_options(timeout=0.1, max_attempts=2)
    async with hasty:
        await hasty.patients.get(patient)
    await hasty.aclose()
    assert hasty.transport is welkin.transport
    assert isinstance(hasty, Welkin)
    script(server, FaultKind.STALL_AFTER, "patients.get", delay=5.0, times=2)
    started = time.monotonic()
    with pytest.raises(RequestError) as caught:
        await hasty.patients.get(patient)
    assert caught.value.attempts == 2
    assert 0.15 < time.monotonic() - started < 4.0
    assert server.faults.unmet() == []
    assert (await welkin.patients.get(patient)).id == patient
    assert server.stats.token_requests == 1
    again = hasty.with_options(max_attempts=1)
    script(server, FaultKind.STATUS, "patients.get", status=500)
    with pytest.raises(RequestError) as caught:
        await again.patients.get(patient)
    assert caught.value.attempts == 1
    assert again.scope.defaults.timeout == 0.1


async def test_a_view_made_before_opening_works_after(server: Sandbox, patient: str) -> None:
    welkin = connect(server)
    view = welkin.with_options(timeout=3)
    async with welkin:
        assert (await view.patients.get(patient)).id == patient


async def test_options_of_one_call(swift: None) -> None:
    async with RawServer(always(http(500))) as server, connect(server, max_attempts=4) as welkin:
        medications = welkin.patient("p").cdts("m")
        days: dict[str, Any] = {"psmId": "u", "daysInfo": []}
        calls: list[Awaitable[object]] = [
            welkin.patients.get("x", max_attempts=2),
            welkin.patients.update("x", max_attempts=2, first_name="A"),
            welkin.patients.delete("x", max_attempts=2),
            welkin.patients.list(max_attempts=2),
            welkin.patients.search(max_attempts=2),
            medications.get("x", max_attempts=2),
            medications.update("x", {}, max_attempts=2),
            medications.delete("x", max_attempts=2),
            medications.bulk_update({}, max_attempts=2),
            medications.list(max_attempts=2),
            welkin.users.get("x", max_attempts=2),
            welkin.users.update("x", {}, max_attempts=2),
            welkin.users.replace("x", {}, max_attempts=2),
            welkin.users.delete("x", max_attempts=2),
            welkin.users.list(max_attempts=2),
            welkin.users.list_by_region("x", max_attempts=2),
            welkin.calendar.work_hours.update("x", days, max_attempts=2),
            welkin.formations().cdts.get("x", max_attempts=2),
            welkin.formations().cdts.list(max_attempts=2),
            welkin.request("GET", "/x", max_attempts=2),
        ]
        for call in calls:
            before = len(server.seen)
            with pytest.raises(RequestError) as caught:
                await call
            assert len(server.seen) - before == caught.value.attempts == 2
        assert b"max_attempts" not in b"".join(seen.body + seen.target.encode() for seen in server.seen)


async def test_the_timeout_of_one_call() -> None:
    async with RawServer(always(Hang())) as server, connect(server, timeout=20) as welkin:
        for call in (
            welkin.patients.create({}, timeout=0.05),
            welkin.patients.get("x", timeout=0.05, max_attempts=1),
            welkin.patient("p").cdts("m").create({}, timeout=0.05),
            welkin.with_options(timeout=0.05).users.create({}),
        ):
            started = time.monotonic()
            with pytest.raises(RequestError):
                await call
            assert 0.04 < time.monotonic() - started < 5.0


@pytest.mark.parametrize("options", [{"timeout": -1.0}, {"timeout": 0.0}, {"max_attempts": 0}, {"max_attempts": -2}])
async def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    async with RawServer(always(record())) as server, connect(server) as welkin:
        with pytest.raises((InvalidInputError, ConfigurationError)):
            await welkin.patients.get("x", **options)
        with pytest.raises((InvalidInputError, ConfigurationError)):
            await welkin.with_options(**options).patients.get("x")
        assert server.seen == []


async def test_the_hook_sees_each_attempt(server: Sandbox, swift: None, patient: str) -> None:
    seen: list[Attempt] = []
    async with connect(server, on_attempt=seen.append) as welkin:
        with pytest.raises(RequestError):
            await welkin.patients.get("none")
        await welkin.patients.get(patient)
        server.expire_tokens()
        await welkin.patient(patient).cdts("medication").create({"code": "x"})
        script(server, FaultKind.RESET_BEFORE, "patients.get")
        script(server, FaultKind.STATUS, "patients.get", status=502, after=1)
        script(server, FaultKind.STATUS, "patients.get", status=429, retry_after=0, after=2)
        await welkin.patients.get(patient)
    assert server.faults.unmet() == []
    assert [(each.request.operation, each.number, each.verdict, each.status) for each in seen] == [
        ("auth.create_token", 1, "done", 200),
        ("patients.get", 1, "rejected", 404),
        ("patients.get", 1, "done", 200),
        ("cdts.create", 1, "unauthorized", 401),
        ("auth.create_token", 1, "done", 200),
        ("cdts.create", 2, "done", 201),
        ("patients.get", 1, "unknown", None),
        ("patients.get", 2, "unknown", 502),
        ("patients.get", 3, "throttled", 429),
        ("patients.get", 4, "done", 200),
    ]
    assert [each.sent for each in seen if each.request.operation == "cdts.create"] == [12, 12]
    assert [each.received > 0 for each in seen] == [True] * 6 + [False] + [True] * 3
    assert all(0 < each.seconds < 1 for each in seen)
    assert server.stats.total == len(seen)


async def test_the_hook_sees_an_attempt_that_was_cancelled(server: Sandbox, patient: str) -> None:
    seen: list[Attempt] = []
    async with connect(server, on_attempt=seen.append) as welkin:
        await welkin.patients.get(patient)
        server.latency = 0.2
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await welkin.patient(patient).cdts("medication").create({})
        await asyncio.sleep(0.2)
    assert on_wire(server, "cdts.create") == 1
    assert [each.request.operation for each in seen] == ["auth.create_token", "patients.get", "cdts.create"]


async def test_a_hook_that_fails_harms_nothing(server: Sandbox, patient: str, caplog: pytest.LogCaptureFixture) -> None:
    def fails(_: Attempt) -> None:
        raise ValueError("Charlie Taylor")

    async with connect(server, on_attempt=fails) as welkin:
        assert (await welkin.patients.get(patient)).id == patient
        made = await welkin.patient(patient).cdts("medication").create({})
    assert [each["id"] for each in server.store.cdt_records("medication")] == [made.id]
    assert [each.levelno for each in caplog.records] == [logging.ERROR] * 3
    assert "ValueError" in caplog.text
    assert "Charlie" not in caplog.text


@pytest.mark.timing
async def test_closing_with_requests_in_flight_leaves_no_task(server: Sandbox, patient: str) -> None:
    before = other_tasks()
    welkin = await connect(server).open()
    await welkin.patients.get(patient)
    server.latency = 0.6
    calls = [asyncio.create_task(welkin.patients.get(patient)) for _ in range(20)]
    while server.stats.in_flight < 8:  # a session starts with a few requests out; the others wait for a slot
        await asyncio.sleep(0.005)
    started = time.monotonic()
    await welkin.aclose()
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(each) for each in found} == {SessionError}
    assert time.monotonic() - started < 0.5
    await asyncio.sleep(0.65)
    assert other_tasks() <= before | {task for task in other_tasks() if "RequestHandler" in repr(task)}
    assert server.stats.in_flight == 0


async def test_a_create_that_was_out_when_the_session_closed_is_unknown(server: Sandbox, patient: str) -> None:
    """`SessionError` says that nothing was sent; this one may be on the server."""
    welkin = await connect(server).open()
    await welkin.patients.get(patient)
    script(server, FaultKind.STALL_AFTER, "cdts.create", delay=0.2)
    call = asyncio.create_task(welkin.patient(patient).cdts("medication").create({}))
    while not server.store.cdt_records("medication"):
        await asyncio.sleep(0.005)
    await welkin.aclose()
    with pytest.raises(OutcomeUnknownError):
        await call
    assert server.faults.unmet() == []


@pytest.mark.parametrize("max_wait", [None, 30.0])
async def test_closing_lets_go_of_those_who_wait_at_the_gate(
    server: Sandbox, patient: str, max_wait: float | None
) -> None:
    welkin = await connect(server, max_wait=max_wait).open()
    script(server, FaultKind.STATUS, "patients.get", status=429, retry_after=20, times=None)
    calls = [asyncio.create_task(welkin.patients.get(patient)) for _ in range(5)]
    while not welkin.stats.paused_for:
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.05)
    await welkin.aclose()
    async with asyncio.timeout(1):
        found = await asyncio.gather(*calls, return_exceptions=True)
    # Others whose request was out when the gate closed have their answer.
    assert {type(each) for each in found if isinstance(each, BaseException)} == {SessionError}
    assert server.faults.unmet() == []


async def test_closing_lets_go_of_those_who_wait_for_the_pace(server: Sandbox, patient: str) -> None:
    welkin = await connect(server, rate=0.5).open()
    await welkin.patients.get(patient)
    call = asyncio.create_task(welkin.patients.get(patient))
    await asyncio.sleep(0.05)
    await welkin.aclose()
    with pytest.raises(SessionError):
        async with asyncio.timeout(1):
            await call
    assert on_wire(server, "patients.get") == 1


async def test_closing_ends_a_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("welkin_async.http.transport.backoff", lambda failures: 0.2)
    async with RawServer(in_turn(http(500), record())) as server:
        welkin = await connect(server).open()
        request_done = asyncio.create_task(welkin.patients.get("x"))
        while not server.seen:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
        await welkin.aclose()
        with pytest.raises(SessionError, match="closed"):
            await request_done
        assert len(server.seen) == 1


async def test_an_attempt_that_was_never_made_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session closes while a create waits to be sent again after a refused connection: it was never out."""
    monkeypatch.setattr("welkin_async.http.transport.backoff", lambda failures: 0.1)
    welkin = await connect(f"http://127.0.0.1:{free_port()}", token_store=OneToken()).open()
    request = welkin.scope.request(CREATE_CDT, patient_id="p", cdt_name="m", body={})
    call = asyncio.create_task(welkin.transport.send(request))
    await asyncio.sleep(0.05)
    assert request.attempts == 1
    await welkin.aclose()
    with pytest.raises(SessionError):
        await call
    assert (request.attempts, request.unknown) == (1, False)


async def test_an_import_whose_session_is_closed(server: Sandbox, patient: str) -> None:
    welkin = await connect(server).open()
    server.latency = 0.02
    rows = [CdtRow(patient, {"external_id": str(index)}) for index in range(5000)]
    importing = asyncio.create_task(bulk.create_cdt_records(welkin, "medication", rows, concurrency=10))
    while server.stats.performed["cdts.create"] < 50:
        await asyncio.sleep(0.005)
    await welkin.aclose()
    with pytest.raises(SessionError, match="closed"):
        async with asyncio.timeout(5):
            await importing
    await asyncio.sleep(0.05)
    assert server.store.duplicates("medication") == {}


async def test_settings_are_checked() -> None:
    given: dict[str, Any] = {"tenant": "t", "instance": "i", "api_client": "c", "secret_key": "s"}
    for wrong in (
        {"base_url": "http://api.example.org"},
        {"base_url": "https://u:p@api.example.org"},
        {"base_url": "https://api.example.org/tenant"},
        {"base_url": "api.example.org"},
        {"environment": "prod"},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"max_attempts": 0},
        {"max_wait": -1},
        {"rate": 0},
        {"concurrency": 0},
    ):
        with pytest.raises(ConfigurationError) as caught:
            Welkin(**(given | wrong))
        assert "u:p" not in str(caught.value)
    for name in given:
        with pytest.raises(ConfigurationError, match=f"WELKIN_{name.upper()}"):
            Welkin(**{key: value for key, value in given.items() if key != name})


@pytest.mark.parametrize(
    "wrong", [{"tenant": ""}, {"tenant": ".."}, {"instance": "."}, {"api_client": ""}, {"secret_key": ""}], ids=repr
)
async def test_names_that_do_not_fit_are_a_matter_of_configuration(wrong: dict[str, str]) -> None:
    given = {"tenant": "t", "instance": "i", "api_client": "c", "secret_key": "s"}
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        Welkin(**(given | wrong))  # type: ignore[arg-type]


async def test_from_the_environment(server: Sandbox, patient: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tenant", "instance", "api_client", "secret_key", "base_url"):
        monkeypatch.setenv(f"WELKIN_{name.upper()}", getattr(server, name))
    async with Welkin.from_env() as welkin:
        assert (await welkin.patients.get(patient)).id == patient
    monkeypatch.setenv("WELKIN_TENANT", "other")
    async with Welkin(tenant=server.tenant) as welkin:
        assert (await welkin.patients.get(patient)).id == patient
