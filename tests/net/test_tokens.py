from __future__ import annotations

import asyncio
import gc
import logging
import math
import stat
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from welkin_async import (
    AuthenticationError,
    ConfigurationError,
    FileTokenStore,
    InvalidInputError,
    MemoryTokenStore,
    RateLimitedError,
    SessionError,
    StoredToken,
    TokenUnavailableError,
    Welkin,
    bulk,
)
from welkin_async.bulk import CdtRow
from welkin_async.http.auth.tokens import RefreshBudget
from welkin_async.sandbox import FaultKind, Sandbox

from .helpers import SECRET, RawServer, Reaction, Seen, connect, http, other_tasks, record, script

_log = logging.getLogger(__name__)

TOKEN = "auth.create_token"


def allowed(seconds: float, life: float) -> int:
    """The most token requests that a life of so many seconds asks for over a time."""
    return 1 + math.ceil(seconds / (life - min(300.0, life / 4)))


def rows(patient: str, count: int) -> list[CdtRow]:
    return [CdtRow(patient, {"external_id": str(index)}, str(index)) for index in range(count)]


async def test_a_thousand_tasks_on_a_cold_cache_ask_once(server: Sandbox, patient: str) -> None:
    async with connect(server, concurrency=50) as welkin:
        found = await asyncio.gather(*(welkin.patients.get(patient) for _ in range(1000)))
        assert {each.id for each in found} == {patient}
        assert (server.stats.token_requests, welkin.transport.tokens.requests) == (1, 1)
        assert server.stats.statuses == {200: 1001}


@pytest.mark.slow
@pytest.mark.timing
async def test_tokens_that_expire_in_the_middle_of_an_import() -> None:
    life, workers, count = 2.0, 150, 3200
    async with Sandbox(token_life=life, latency=0.1) as server, connect(server) as welkin:
        patient = server.store.add_patient()["id"]
        started = time.monotonic()
        report = await bulk.create_cdt_records(
            welkin, "medication", rows(patient, count), concurrency=workers, check="off"
        )
        seconds = time.monotonic() - started
        assert report.created == len(server.store.cdt_records("medication")) == count
        assert server.store.duplicates("medication") == {}
        assert server.stats.token_requests <= allowed(seconds, life)
        assert server.stats.statuses[401] <= workers
        assert seconds > life
        assert server.stats.token_requests > 1
        asked, most, refused = server.stats.token_requests, allowed(seconds, life), server.stats.statuses[401]
        _log.info("%d creates in %.1f s: %d token requests, %d allowed; %d x 401", count, seconds, asked, most, refused)


@pytest.mark.slow
async def test_a_session_at_rest_lets_its_token_end() -> None:
    async with Sandbox(token_life=0.5) as server, connect(server) as welkin:
        patient = server.store.add_patient()["id"]
        await welkin.patients.get(patient)
        await asyncio.sleep(0.6)
        await asyncio.gather(*(welkin.patients.get(patient) for _ in range(20)))
        assert (server.stats.token_requests, server.stats.statuses[401]) == (2, 0)


async def test_tokens_that_the_server_lets_expire_at_once(server: Sandbox, welkin: Welkin, patient: str) -> None:
    workers = 40
    await welkin.patients.get(patient)
    server.latency = 0.005
    importing = asyncio.create_task(
        bulk.create_cdt_records(welkin, "medication", rows(patient, 400), concurrency=workers, check="off")
    )
    for _ in range(3):
        done = server.stats.performed["cdts.create"]
        while server.stats.performed["cdts.create"] < done + 80:
            await asyncio.sleep(0.001)
        server.expire_tokens()
    report = await importing
    assert (report.created, report.attempts) == (400, 400 + server.stats.statuses[401])
    assert server.stats.token_requests == 4
    assert 3 <= server.stats.statuses[401] <= 3 * workers
    assert server.store.duplicates("medication") == {}


async def test_a_revoked_token_is_replaced(server: Sandbox, welkin: Welkin, patient: str) -> None:
    await welkin.patients.get(patient)
    token = welkin.transport.tokens.current()
    assert token is not None
    server.revoke(token.value)
    made = await welkin.patient(patient).cdts("medication").create({})
    assert server.stats.token_requests == 2
    assert server.stats.statuses[401] == 1
    assert [each["id"] for each in server.store.cdt_records("medication")] == [made.id]


class Issuer:
    """A raw server's behaviour: gives out t1, t2 ... and accepts those in `good`; the others get a 401 with `code`."""

    def __init__(self) -> None:
        self.issued = 0
        self.good: set[str] = set()
        self.used: list[str] = []
        self.code = "TOKEN_EXPIRED"

    def __call__(self, seen: Seen) -> Reaction:
        if "/api_clients/" in seen.path:
            self.issued += 1
            return http(200, {"token": f"t{self.issued}"})
        token = seen.headers["authorization"].removeprefix("Bearer ")
        self.used.append(token)
        return record() if token in self.good else http(401, [{"errorCode": self.code}])


@asynccontextmanager
async def issuing(**settings: Any) -> AsyncIterator[tuple[Issuer, Welkin]]:
    issuer = Issuer()
    async with RawServer(issuer, tokens=False) as server, connect(server, **settings) as welkin:
        yield issuer, welkin


async def test_a_refused_token_is_renewed_and_the_request_repeated_once(swift: None) -> None:
    """The new one is tried twice: the server may be slow to spread what it issues."""
    async with issuing() as (issuer, welkin):
        issuer.good = {"t1", "t2"}
        await welkin.patients.get("x")
        issuer.good = {"t2"}
        assert (await welkin.patients.create({})).id == "r1"
        issuer.good = set()
        with pytest.raises(AuthenticationError) as caught:
            await welkin.patients.create({})
        assert issuer.used == ["t1", "t1", "t2", "t2", "t3", "t3"]
        assert (issuer.issued, caught.value.status, caught.value.attempts) == (3, 401, 3)
        assert caught.value.error_codes == ("TOKEN_EXPIRED",)


async def test_a_fresh_token_that_is_refused_is_tried_once_more_and_not_renewed(swift: None) -> None:
    async with issuing() as (issuer, welkin):
        issuer.code = "NOT_VALID_JSON_WEB_TOKEN"
        for call in (welkin.patients.create({}), welkin.patients.get("x")):
            with pytest.raises(AuthenticationError) as caught:
                await call
            assert not caught.value.safe_to_repeat
        assert (issuer.issued, issuer.used) == (1, ["t1", "t1"])


async def test_a_fresh_token_that_the_server_calls_expired_is_renewed() -> None:
    """A machine that slept since it was fetched, or one backend whose clock is ahead."""
    async with issuing() as (issuer, welkin):
        issuer.good = {"t2"}
        assert (await welkin.patients.get("x")).id == "x"
        assert (issuer.issued, issuer.used) == (2, ["t1", "t2"])


async def test_a_token_whose_life_is_over_by_the_wall_clock_is_renewed_whatever_the_server_calls_it() -> None:
    async with issuing() as (issuer, welkin):
        issuer.good, issuer.code = {"t2"}, "NOT_VALID_JSON_WEB_TOKEN"
        token = await welkin.transport.tokens.get()
        assert token.wall is not None
        token.wall -= 8 * 3600.0  # the machine slept, and its monotonic clock with it
        assert (await welkin.patients.get("x")).id == "x"
        assert (issuer.issued, issuer.used) == (2, ["t1", "t2"])


@pytest.mark.slow
@pytest.mark.timing
async def test_a_fresh_token_is_tried_again_after_one_to_two_seconds() -> None:
    async with issuing() as (issuer, welkin):
        issuer.code = "NOT_VALID_JSON_WEB_TOKEN"
        asyncio.get_running_loop().call_later(0.5, issuer.good.add, "t1")
        started = time.monotonic()
        await welkin.patients.create({})
        assert 1.0 <= time.monotonic() - started < 2.5
        assert issuer.used == ["t1", "t1"]


async def test_two_hundred_sessions_in_one_process_share_what_they_may(swift: None) -> None:
    """A test suite with a session per test: the server lets a client ask a hundred times in five minutes."""
    issuer = Issuer()
    issuer.good = {"t1"}
    async with RawServer(issuer, tokens=False) as server:
        for _ in range(200):
            async with connect(server) as welkin:
                await welkin.patients.get("x")
        async with connect(server, secret_key="another") as welkin:
            with pytest.raises(AuthenticationError):
                await welkin.patients.get("x")
    assert issuer.issued == 3  # with another secret: one, and one after TOKEN_EXPIRED


@pytest.mark.slow
async def test_a_fresh_token_that_is_refused_does_not_lock_the_session_out() -> None:
    """The server lost what it issued: the next token is good, and is to be asked for."""
    async with issuing() as (issuer, welkin):
        issuer.good, issuer.code = {"t2"}, "NOT_VALID_JSON_WEB_TOKEN"
        with pytest.raises(AuthenticationError):
            await welkin.patients.get("x")
        await asyncio.sleep(1.3)
        assert (await welkin.patients.get("x")).id == "x"
        assert issuer.issued == 2


async def test_a_late_401_does_not_drop_a_newer_token() -> None:
    async with issuing() as (issuer, welkin):
        issuer.good = {"t1"}
        await welkin.patients.get("x")
        cache = welkin.transport.tokens
        old = cache.current()
        assert old is not None
        issuer.good = {"t2"}
        await welkin.patients.get("x")
        cache.invalidate(old)
        new = cache.current()
        assert new is not None
        assert new.value == "t2"
        await welkin.patients.get("x")
        assert issuer.issued == 2


async def test_an_import_whose_fresh_tokens_are_refused_stops(server: Sandbox, welkin: Welkin, patient: str) -> None:
    server.refuse_tokens = True
    with pytest.raises(AuthenticationError) as caught:
        await bulk.create_cdt_records(welkin, "medication", iter(rows(patient, 5000)), concurrency=20, check="off")
    assert caught.value.status == 401
    assert server.stats.token_requests == 1
    assert server.stats.statuses[401] <= 40  # of each worker two: a fresh token is tried once more
    assert "0 created" in caught.value.__notes__[0]


async def test_an_import_whose_tokens_are_refused_midway_stops(server: Sandbox, welkin: Welkin, patient: str) -> None:
    pulled = 0

    def source() -> Any:
        nonlocal pulled
        for row in rows(patient, 10_000):
            pulled += 1
            if pulled == 500:
                server.refuse_tokens = True
            yield row

    with pytest.raises(AuthenticationError):
        await bulk.create_cdt_records(welkin, "medication", source(), concurrency=20)
    assert server.stats.token_requests == 2
    assert server.stats.statuses[401] <= 60  # of each worker: the old token, the new one, and that once more
    assert pulled < 600


async def test_a_wrong_secret_is_refused_once(server: Sandbox, patient: str) -> None:
    async with connect(server, secret_key="wrong-s3cret") as welkin:
        calls = [welkin.patients.get(patient) for _ in range(50)]
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(each) for each in found} == {AuthenticationError}
        assert len({id(each) for each in found}) == 50
        assert {each.status for each in found if isinstance(each, AuthenticationError)} == {401}
        assert not any("s3cret" in f"{each!r}{each}" for each in found)
        with pytest.raises(AuthenticationError, match="credentials"):
            await welkin.patients.get(patient)
        assert server.stats.token_requests == 1
        with pytest.raises(AuthenticationError):
            await bulk.create_cdt_records(welkin, "medication", rows(patient, 100), concurrency=10, check="off")
        assert server.stats.token_requests == 1
        assert server.stats.total == 1


@pytest.mark.slow
async def test_the_memory_of_a_refusal_ends(server: Sandbox, patient: str) -> None:
    async with connect(server, secret_key="wrong") as welkin:
        for asked in (1, 2):
            for _ in range(3):
                with pytest.raises(AuthenticationError):
                    await welkin.patients.get(patient)
            assert server.stats.token_requests == asked
            if asked == 1:
                await asyncio.sleep(1.05)


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_refused_token_call_is_fatal(server: Sandbox, welkin: Welkin, patient: str, status: int) -> None:
    script(server, FaultKind.STATUS, TOKEN, status=status)
    with pytest.raises(AuthenticationError) as caught:
        await welkin.patients.get(patient)
    assert (caught.value.status, caught.value.body) == (status, None)
    assert caught.value.request.operation == TOKEN
    assert server.faults.unmet() == []
    assert server.stats.token_requests == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": FaultKind.STATUS, "status": 503},
        {"kind": FaultKind.RESET_BEFORE},
        {"kind": FaultKind.RESET_AFTER},
        {"kind": FaultKind.GARBAGE},
        {"kind": FaultKind.EMPTY},
        {"kind": FaultKind.TRUNCATED},
        {"kind": FaultKind.STALL_AFTER, "delay": 0.4},
        {"kind": FaultKind.STATUS, "status": 429},
        {"kind": FaultKind.STATUS, "status": 200, "body": b'{"token": ""}'},
        {"kind": FaultKind.STATUS, "status": 200, "body": b'{"token": "new\\r\\nline"}'},
        {"kind": FaultKind.STATUS, "status": 200, "body": b'{"enabled": false}'},
    ],
    ids=lambda fault: f"{fault['kind']} {fault.get('status', '')} {fault.get('body', '')}".strip(),
)
async def test_a_token_call_that_fails_is_made_again(
    server: Sandbox, swift: None, patient: str, fault: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("welkin_async.http.auth.tokens._LONGEST_MEMORY", 0.05)
    script(server, operation=TOKEN, **fault)
    async with connect(server, timeout=0.3) as welkin:
        started = time.monotonic()
        found = await asyncio.gather(*(welkin.patients.get(patient) for _ in range(10)))
        assert {each.id for each in found} == {patient}
        assert 0.05 <= time.monotonic() - started < 4.0
    assert server.faults.unmet() == []
    assert server.stats.token_requests == 2


def test_a_failed_token_call_is_remembered_longer_each_time() -> None:
    budget, now, waits = RefreshBudget(), 1000.0, []
    for _ in range(9):
        assert budget.wait(now) == 0.0
        budget.asked(now)
        budget.failed(now)
        waits.append(budget.wait(now))
        now += waits[-1]
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    budget.succeeded()
    assert budget.wait(now) == 0.0


async def test_a_token_call_that_goes_on_failing(server: Sandbox, swift: None, welkin: Welkin, patient: str) -> None:
    script(server, FaultKind.STATUS, TOKEN, status=500, times=None)
    calls = [welkin.patients.get(patient, max_attempts=1) for _ in range(10)]
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(each) for each in found} == {TokenUnavailableError}
    assert server.stats.token_requests == 1
    with pytest.raises(TokenUnavailableError) as caught:
        await welkin.patient(patient).cdts("medication").create({}, max_attempts=1)
    assert caught.value.safe_to_repeat
    assert caught.value.retry_after is not None
    assert 0.5 < caught.value.retry_after <= 1.0
    assert (server.stats.token_requests, server.stats.total) == (1, 1)


async def test_a_token_past_its_prime_is_refreshed_while_callers_go_on(
    server: Sandbox, welkin: Welkin, patient: str
) -> None:
    await welkin.patients.get(patient)
    cache, loop = welkin.transport.tokens, asyncio.get_running_loop()
    old = cache.current()
    assert old is not None
    cache._clock = lambda: loop.time() + 3400.0
    script(server, FaultKind.STALL_BEFORE, TOKEN, delay=3.0)
    await asyncio.gather(*(welkin.patients.get(patient) for _ in range(20)))
    assert cache.current() is old  # nobody has waited for the new one
    while cache.current() is old:
        await asyncio.sleep(0.05)
    assert (server.stats.token_requests, server.stats.statuses[401]) == (2, 0)
    assert server.faults.unmet() == []


async def test_a_failed_refresh_harms_nobody_while_the_token_lives(
    server: Sandbox, welkin: Welkin, patient: str
) -> None:
    await welkin.patients.get(patient)
    token = welkin.transport.tokens.current()
    assert token is not None
    token.refresh_at = asyncio.get_running_loop().time()
    script(server, FaultKind.STATUS, TOKEN, status=500, times=None)
    for _ in range(10):
        await welkin.patients.get(patient)
        await asyncio.sleep(0.01)
    assert server.stats.token_requests == 2


async def test_a_cancelled_caller_does_not_end_the_flight(server: Sandbox, welkin: Welkin, patient: str) -> None:
    script(server, FaultKind.STALL_BEFORE, TOKEN, delay=0.1)
    calls = [asyncio.create_task(welkin.patients.get(patient)) for _ in range(5)]
    await asyncio.sleep(0.03)
    for call in calls:
        call.cancel()
    assert all(
        isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*calls, return_exceptions=True)
    )
    await welkin.patients.get(patient)
    assert (server.stats.token_requests, server.faults.unmet()) == (1, [])


async def test_closing_ends_the_flight(server: Sandbox, patient: str) -> None:
    script(server, FaultKind.STALL_BEFORE, TOKEN, delay=0.2)
    before = other_tasks()
    welkin = await connect(server).open()
    calls = [asyncio.create_task(welkin.patients.get(patient)) for _ in range(5)]
    await asyncio.sleep(0.05)
    assert server.stats.in_flight == 1
    await welkin.aclose()
    for call in calls:
        with pytest.raises(SessionError, match="closed"):
            await call
    assert {task for task in other_tasks() - before if "welkin" in task.get_name()} == set()


@pytest.mark.timing
async def test_the_token_call_takes_no_slot_and_no_rate(server: Sandbox, patient: str) -> None:
    async with connect(server, concurrency=1, rate=2.0) as welkin:
        started = time.monotonic()
        await welkin.patients.get(patient)
        assert time.monotonic() - started < 0.4
        server.expire_tokens()
        # Two more requests at the rate, the token call between them at none.
        await welkin.patients.get(patient)
        assert 0.7 < time.monotonic() - started < 1.4
    assert server.stats.token_requests == 2


async def test_twenty_token_requests_in_five_minutes_are_the_most() -> None:
    async with issuing(max_wait=1.0) as (issuer, welkin):
        for number in range(1, 21):
            issuer.good = {f"t{number}"}
            await welkin.patients.get("x")
        assert issuer.issued == 20
        issuer.good = {"t21"}
        with pytest.raises(TokenUnavailableError) as caught:
            await welkin.patients.get("x", max_attempts=1)
        assert issuer.issued == 20
        assert caught.value.retry_after is not None
        assert 290 < caught.value.retry_after <= 300


async def test_a_call_does_not_wait_longer_than_max_wait_for_a_token() -> None:
    async with issuing(max_wait=0.5) as (issuer, welkin):
        for number in range(1, 21):
            issuer.good = {f"t{number}"}
            await welkin.patients.get("x")
        issuer.good = set()
        with pytest.raises((TokenUnavailableError, RateLimitedError)):
            async with asyncio.timeout(2):
                await welkin.patients.get("x")


async def test_a_file_store_is_shared(server: Sandbox, patient: str, tmp_path: Path) -> None:
    def session() -> Welkin:
        return connect(server, token_store=FileTokenStore(tmp_path / "tokens"))

    async with session() as one, session() as two:
        calls = [each.patients.get(patient) for each in (one, two) for _ in range(20)]
        assert len(await asyncio.gather(*calls)) == 40
        assert server.stats.token_requests == 1
        assert one.transport.tokens.requests + two.transport.tokens.requests == 1
        (kept,) = (tmp_path / "tokens").glob("*.json")
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
        assert "SANDBOX" not in kept.name
        server.expire_tokens()
        await asyncio.gather(*(each.patients.get(patient) for each in (one, two) for _ in range(20)))
        assert server.stats.token_requests == 2
    async with session() as three:
        await three.patients.get(patient)
    assert server.stats.token_requests == 2
    assert SECRET not in kept.read_text()


async def test_a_memory_store_is_shared(server: Sandbox, patient: str) -> None:
    store = MemoryTokenStore()
    async with connect(server, token_store=store) as one, connect(server, token_store=store) as two:
        await asyncio.gather(one.patients.get(patient), two.patients.get(patient))
    assert server.stats.token_requests == 1


class Broken(MemoryTokenStore):
    """A store that fails where it is told to."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where

    async def load(self, key: str) -> StoredToken | None:
        if self.where == "load":
            raise OSError("disk of Charlie Taylor")
        return None

    async def save(self, key: str, token: StoredToken) -> None:
        if self.where == "save":
            raise OSError("disk of Charlie Taylor")

    def lock(self, key: str) -> Any:
        if self.where == "lock":
            raise OSError("disk of Charlie Taylor")
        return self._locked()

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        yield
        if self.where == "unlock":
            raise OSError("disk of Charlie Taylor")


@pytest.mark.parametrize("where", ["load", "save", "lock", "unlock"])
async def test_a_store_that_fails_is_done_without(
    server: Sandbox, patient: str, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    lost: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(context))
    async with connect(server, token_store=Broken(where)) as welkin:
        await welkin.patients.get(patient)
        await asyncio.sleep(0)
    assert server.stats.token_requests == 1
    assert "Charlie" not in caplog.text
    gc.collect()
    assert lost == []


async def test_a_secret_that_cannot_be_sent_is_refused_at_once(server: Sandbox, patient: str) -> None:
    """As the environment gives it where a variable holds bytes that are not UTF-8."""
    with pytest.raises((ConfigurationError, InvalidInputError)):
        async with asyncio.timeout(1), connect(server, secret_key="s\udcffcret") as welkin:
            await welkin.patients.get(patient)
    assert server.stats.token_requests == 0


@pytest.mark.parametrize("life", ["garbage", "a.b.c", "a.bnVsbA.c", "a.eyJleHAiOiAxfQ.c", "a.eyJleHAiOiBOYU59.c"])
async def test_a_token_of_any_form_is_used(life: str) -> None:
    async with RawServer(lambda _: record(), token=life) as server, connect(server) as welkin:
        for _ in range(3):
            await welkin.patients.get("x")
        assert server.token_requests == 1
        assert server.seen[0].headers["authorization"] == f"Bearer {life}"
