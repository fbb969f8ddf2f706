"""Tokens: one flight for all, refreshed ahead of time, remembered failures, and never a storm of token requests."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import math
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from welkin_async.errors import AuthenticationError, RequestError, SessionError, TokenUnavailableError
from welkin_async.http.auth import tokens
from welkin_async.http.auth.token_store import MemoryTokenStore, StoredToken, Token, TokenStore
from welkin_async.http.auth.tokens import CREATE_TOKEN, RefreshBudget, TokenCache, TokenState, shared_state, token_life

from .clockwork import Clock, run, ticks

KEY = "https://api.example.org/gh/admin/api_clients/CLIENT"
SECRET = "eyJhbGciOi.secret.token"


@attrs.define
class Issuer:
    """Gives out numbered tokens, or fails, when it is let to."""

    clock: Clock
    life: float = 3600.0
    asked: int = 0
    failure: Callable[[], Exception] | None = None
    open: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def __call__(self) -> Token:
        self.asked += 1
        number = self.asked
        await self.open.wait()
        if self.failure is not None:
            raise self.failure()
        return Token(f"token-{number}", received_at=self.clock(), life=self.life)


@attrs.define
class Desk:
    clock: Clock
    issuer: Issuer
    cache: TokenCache

    def ask(self) -> asyncio.Task[Token]:
        coroutine: Coroutine[Any, Any, Token] = self.cache.get()
        return asyncio.create_task(coroutine)


def desk(
    store: TokenStore | None = None, *, open: bool = True, life: float = 3600.0, state: TokenState | None = None
) -> Desk:
    clock = Clock()
    issuer = Issuer(clock, life)
    if open:
        issuer.open.set()
    cache = TokenCache(KEY, issuer, store or MemoryTokenStore(), state=state, clock=clock, wall=lambda: 1e9 + clock())
    return Desk(clock, issuer, cache)


def refused(status: int = 401) -> AuthenticationError:
    return AuthenticationError(
        f"the server refused the credentials ({status})", request=CREATE_TOKEN.line, status=status
    )


def down(retry_after: float | None = None) -> TokenUnavailableError:
    return TokenUnavailableError("no connection", request=CREATE_TOKEN.line, retry_after=retry_after)


def test_nothing_is_asked_for_before_it_is_needed() -> None:
    async def main() -> None:
        found = desk()
        assert found.cache.current() is None
        await ticks()
        assert found.issuer.asked == 0

    run(main())


def test_a_thousand_callers_share_one_flight() -> None:
    async def main() -> None:
        found = desk(open=False)
        callers = [found.ask() for _ in range(1000)]
        await ticks()
        assert found.issuer.asked == 1
        assert not any(caller.done() for caller in callers)
        found.issuer.open.set()
        tokens = await asyncio.gather(*callers)
        assert {token.value for token in tokens} == {"token-1"}
        assert len({id(token) for token in tokens}) == 1
        assert found.issuer.asked == found.cache.requests == 1

    run(main())


def test_a_fresh_token_is_used_without_a_word() -> None:
    async def main() -> None:
        found = desk()
        token = await found.cache.get()
        found.clock.advance(3299.0)
        assert found.cache.current() is token
        assert await found.cache.get() is token
        await ticks()
        assert found.issuer.asked == 1

    run(main())


@pytest.mark.parametrize(("life", "due"), [(3600.0, 3300.0), (1200.0, 900.0), (60.0, 45.0), (4.0, 3.0)])
def test_past_its_age_a_token_is_refreshed_in_the_background_while_it_is_used(life: float, due: float) -> None:
    async def main() -> None:
        found = desk(life=life)
        token = await found.cache.get()
        found.clock.advance(due - 0.01)
        assert found.cache.current() is token
        await ticks()
        assert found.issuer.asked == 1
        found.issuer.open.clear()
        found.clock.advance(0.01)
        for _ in range(100):
            assert found.cache.current() is token
            assert await found.cache.get() is token
            await ticks(1)
        assert found.issuer.asked == 2
        found.issuer.open.set()
        await ticks()
        fresh = found.cache.current()
        assert fresh is not None
        assert fresh.value == "token-2"

    run(main())


def test_an_expired_token_is_used_by_nobody() -> None:
    async def main() -> None:
        found = desk()
        await found.cache.get()
        found.issuer.open.clear()
        found.clock.advance(3600.0)
        assert found.cache.current() is None
        callers = [found.ask() for _ in range(10)]
        await ticks()
        assert not any(caller.done() for caller in callers)
        found.issuer.open.set()
        assert {token.value for token in await asyncio.gather(*callers)} == {"token-2"}

    run(main())


def test_a_token_that_expires_while_its_refresh_is_under_way_makes_callers_join_that_flight() -> None:
    async def main() -> None:
        found = desk()
        await found.cache.get()
        found.issuer.open.clear()
        found.clock.advance(3500.0)
        assert found.cache.current() is not None
        await ticks()
        found.clock.advance(100.0)
        caller = found.ask()
        await ticks()
        assert not caller.done()
        found.issuer.open.set()
        assert (await caller).value == "token-2"
        assert found.issuer.asked == 2

    run(main())


def test_a_failed_background_refresh_harms_nobody_while_the_old_token_lives() -> None:
    async def main() -> None:
        found = desk()
        token = await found.cache.get()
        found.issuer.failure = down
        found.clock.advance(3300.0)
        for _ in range(20):
            assert await found.cache.get() is token
            await ticks()
        assert found.issuer.asked == 2  # the failure is remembered for a second
        found.clock.advance(1.0)
        assert await found.cache.get() is token
        await ticks()
        assert found.issuer.asked == 3
        found.issuer.failure = None
        found.clock.advance(2.0)
        assert await found.cache.get() is token
        await ticks()
        assert (await found.cache.get()).value == "token-4"

    run(main())


def test_a_refused_token_is_dropped_and_replaced() -> None:
    async def main() -> None:
        found = desk()
        token = await found.cache.get()
        found.cache.invalidate(token)
        assert found.cache.current() is None
        assert (await found.cache.get()).value == "token-2"

    run(main())


def test_only_the_token_that_was_used_is_invalidated_never_a_newer_one() -> None:
    async def main() -> None:
        found = desk()
        old = await found.cache.get()
        found.cache.invalidate(old)
        new = await found.cache.get()
        for _ in range(100):
            found.cache.invalidate(old)  # answers to requests that were out with the old one
            assert found.cache.current() is new
        assert found.issuer.asked == 2

    run(main())


def test_a_caller_that_gives_up_does_not_take_the_flight_along() -> None:
    async def main() -> None:
        found = desk(open=False)
        first, second = found.ask(), found.ask()
        await ticks()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        found.issuer.open.set()
        assert (await second).value == "token-1"
        assert found.issuer.asked == 1

    run(main())


def test_a_flight_goes_on_although_every_caller_gave_up() -> None:
    async def main() -> None:
        found = desk(open=False)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(found.cache.get(), 1.0)
        found.issuer.open.set()
        await ticks()
        assert (await found.cache.get()).value == "token-1"
        assert found.issuer.asked == 1

    run(main())


def test_a_flight_begun_in_a_task_group_outlives_it() -> None:
    async def main() -> None:
        found = desk(open=False)

        async def fail() -> None:
            await ticks()
            raise RuntimeError

        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(found.cache.get())
                group.create_task(fail())
        found.issuer.open.set()
        assert (await found.cache.get()).value == "token-1"
        assert found.issuer.asked == 1

    run(main())


def test_a_failure_is_remembered_for_one_two_four_up_to_sixty_seconds() -> None:
    async def main() -> None:
        found = desk()
        found.issuer.failure = down
        for count, memory in enumerate([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0], start=1):
            with pytest.raises(TokenUnavailableError) as caught:
                await found.cache.get()
            assert found.issuer.asked == count
            assert caught.value.retry_after == memory
            found.clock.advance(memory - 0.5)
            with pytest.raises(TokenUnavailableError) as caught:
                await found.cache.get()
            assert found.issuer.asked == count
            assert caught.value.retry_after == 0.5
            assert caught.value.reason == "no connection"
            found.clock.advance(0.5)

    run(main())


def test_a_success_ends_the_memory_of_failures() -> None:
    async def main() -> None:
        found = desk()
        found.issuer.failure = down
        for _ in range(3):
            with pytest.raises(TokenUnavailableError):
                await found.cache.get()
            found.clock.advance(60.0)
        found.issuer.failure = None
        found.cache.invalidate(await found.cache.get())
        found.issuer.failure = down
        with pytest.raises(TokenUnavailableError) as caught:
            await found.cache.get()
        assert caught.value.retry_after == 1.0

    run(main())


def test_the_servers_own_wish_to_wait_is_passed_on() -> None:
    async def main() -> None:
        found = desk()
        found.issuer.failure = lambda: down(retry_after=120.0)
        with pytest.raises(TokenUnavailableError) as caught:
            await found.cache.get()
        assert caught.value.retry_after == 120.0

    run(main())


@pytest.mark.parametrize("status", [400, 401, 403])
def test_refused_credentials_are_told_to_every_caller_in_an_error_of_its_own(status: int) -> None:
    async def main() -> None:
        found = desk(open=False)
        found.issuer.failure = lambda: refused(status)
        callers = [found.ask() for _ in range(50)]
        await ticks()
        found.issuer.open.set()
        errors = await asyncio.gather(*callers, return_exceptions=True)
        assert found.issuer.asked == 1
        assert all(type(error) is AuthenticationError and error.status == status for error in errors)
        assert len({id(error) for error in errors}) == 50
        with pytest.raises(AuthenticationError):
            await found.cache.get()
        assert found.issuer.asked == 1

    run(main())


def test_at_most_twenty_requests_go_out_in_five_minutes() -> None:
    async def main() -> None:
        found = desk()
        for _ in range(20):
            found.cache.invalidate(await found.cache.get())
            found.clock.advance(1.0)
        with pytest.raises(TokenUnavailableError, match="20 requests in five minutes") as caught:
            await found.cache.get()
        assert caught.value.retry_after == 280.0
        assert caught.value.safe_to_repeat
        assert found.issuer.asked == 20
        found.clock.advance(280.0)
        await found.cache.get()
        assert found.issuer.asked == 21

    run(main())


def test_sessions_of_one_client_share_the_budget_and_other_clients_have_their_own() -> None:
    async def main() -> None:
        state, store = shared_state(KEY, "s"), MemoryTokenStore()
        first, second = desk(store, state=state), desk(store, state=state)
        other = desk(state=shared_state(KEY, "another secret"))
        for found in (first, second) * 10:
            found.cache.invalidate(await found.cache.get())
        for found in (first, second):
            with pytest.raises(TokenUnavailableError):
                await found.cache.get()
        await other.cache.get()

    run(main())


def test_a_budget_spent_does_not_take_a_living_token_away() -> None:
    async def main() -> None:
        found = desk()
        for _ in range(19):
            found.cache.invalidate(await found.cache.get())
        token = await found.cache.get()
        found.clock.advance(1.0)
        assert await found.cache.get() is token

    run(main())


@given(st.lists(st.tuples(st.floats(0.0, 200.0), st.sampled_from(["asked", "failed", "succeeded"])), max_size=80))
def test_a_budget_never_lets_more_than_twenty_out_in_any_five_minutes(steps: list[tuple[float, str]]) -> None:
    budget, now, sent = RefreshBudget(), 0.0, []
    for pause, what in steps:
        now += pause
        wait = budget.wait(now)
        assert 0.0 <= wait < 300.01
        if wait == 0.0:
            budget.asked(now)
            sent.append(now)
            if what == "failed":
                budget.failed(now)
                assert budget.wait(now) > 0.99  # give or take floating point
            elif what == "succeeded":
                budget.succeeded()
    for moment in sent:
        assert sum(moment <= other < moment + 299.99 for other in sent) <= 20


def test_closing_ends_the_flight_and_leaves_no_task() -> None:
    async def main() -> None:
        found = desk(open=False)
        caller = found.ask()
        await ticks()
        await found.cache.aclose()
        with pytest.raises(SessionError, match="closed"):
            await caller
        assert asyncio.all_tasks() == {asyncio.current_task()}
        with pytest.raises(SessionError):
            await found.cache.get()
        await found.cache.aclose()

    run(main())


def test_closing_during_a_background_refresh_leaves_no_task() -> None:
    async def main() -> None:
        found = desk()
        await found.cache.get()
        found.issuer.open.clear()
        found.clock.advance(3500.0)
        assert found.cache.current()
        await ticks()
        await found.cache.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert found.cache.current()  # still good, but nothing is started any more
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


def test_closing_without_a_flight_does_nothing() -> None:
    async def main() -> None:
        await desk().cache.aclose()

    run(main())


def test_an_unforeseen_error_of_the_fetch_reaches_the_caller_and_starts_no_storm() -> None:
    async def main() -> None:
        found = desk()
        found.issuer.failure = lambda: ValueError("unforeseen")
        unheard: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
        with pytest.raises(Exception) as caught:
            await found.cache.get()
        assert found.issuer.asked == 1
        assert "20 requests" not in str(caught.value)

    run(main())


def test_two_sessions_that_share_a_store_make_one_request() -> None:
    async def main() -> None:
        store = MemoryTokenStore()
        first, second = desk(store, open=False), desk(store)
        one, two = first.ask(), second.ask()
        await ticks()
        assert not two.done()
        first.issuer.open.set()
        assert (await one).value == (await two).value == "token-1"
        assert (first.issuer.asked, second.issuer.asked) == (1, 0)

    run(main())


def test_the_second_session_asks_itself_where_the_first_one_failed() -> None:
    async def main() -> None:
        store = MemoryTokenStore()
        first, second = desk(store, open=False), desk(store)
        first.issuer.failure = down
        one, two = first.ask(), second.ask()
        await ticks()
        first.issuer.open.set()
        with pytest.raises(TokenUnavailableError):
            await one
        assert (await two).value == "token-1"

    run(main())


def test_a_refused_token_is_not_taken_from_the_store_again() -> None:
    async def main() -> None:
        store = MemoryTokenStore()
        first, second = desk(store), desk(store)
        first.cache.invalidate(await first.cache.get())
        fresh = await first.cache.get()
        assert fresh.value == "token-2"
        assert (await second.cache.get()).value == "token-2"
        assert (first.issuer.asked, second.issuer.asked) == (2, 0)

    run(main())


def test_a_stored_token_that_is_due_for_a_refresh_is_not_taken() -> None:
    async def main() -> None:
        store = MemoryTokenStore()
        first, second = desk(store), desk(store)
        await first.cache.get()
        first.clock.advance(3300.0)
        second.clock.advance(3300.0)
        assert (await second.cache.get()).value == "token-1"
        assert second.issuer.asked == 1

    run(main())


def test_a_background_refresh_takes_what_another_session_has_fetched() -> None:
    async def main() -> None:
        store = MemoryTokenStore()
        first, second = desk(store), desk(store)
        first.issuer.asked, second.issuer.asked = 10, 20
        await first.cache.get()
        await second.cache.get()
        for found in (first, second):
            found.clock.advance(3301.0)
            assert found.cache.current()
            await ticks(10)
        assert (await first.cache.get()).value == (await second.cache.get()).value
        assert (first.issuer.asked, second.issuer.asked) == (12, 20)

    run(main())


@attrs.define
class Broken:
    """A store that fails at one of its doors."""

    where: str
    inner: MemoryTokenStore = attrs.field(factory=MemoryTokenStore)

    def _fail(self, door: str) -> None:
        if door == self.where:
            raise OSError(f"disk full, while holding {SECRET}")

    async def load(self, key: str) -> StoredToken | None:
        self._fail("load")
        return await self.inner.load(key)

    async def save(self, key: str, token: StoredToken) -> None:
        self._fail("save")
        await self.inner.save(key, token)

    def lock(self, key: str) -> AbstractAsyncContextManager[object]:
        self._fail("lock")
        return self._locked(key)

    @asynccontextmanager
    async def _locked(self, key: str) -> AsyncIterator[None]:
        self._fail("acquire")
        async with self.inner.lock(key):
            yield
        self._fail("release")


@pytest.mark.parametrize("where", ["load", "save", "lock", "acquire", "release"])
def test_a_store_that_fails_does_not_stop_authentication(where: str, caplog: pytest.LogCaptureFixture) -> None:
    unheard: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
        found = desk(Broken(where))
        with caplog.at_level(logging.DEBUG, "welkin_async"):
            token = await found.cache.get()
        assert token.value == "token-1"
        found.cache.invalidate(token)
        assert (await found.cache.get()).value == "token-2"
        await ticks()

    run(main())
    assert not unheard
    assert "OSError" in caplog.text
    assert SECRET not in caplog.text
    assert "token-1" not in caplog.text


def test_a_store_that_holds_nonsense_is_ignored() -> None:
    class Nonsense(MemoryTokenStore):
        async def load(self, key: str) -> StoredToken | None:
            return StoredToken("x", life=math.nan, wall=math.nan, monotonic=math.nan)

    async def main() -> None:
        found = desk(Nonsense())
        assert (await found.cache.get()).value == "token-1"

    run(main())


def test_the_key_is_a_digest_that_names_neither_tenant_nor_client() -> None:
    class Curious(MemoryTokenStore):
        keys: set[str] = set()

        async def save(self, key: str, token: StoredToken) -> None:
            self.keys.add(key)

    async def main() -> None:
        store, clock = Curious(), Clock()
        for key in (KEY, KEY + "2"):
            issuer = Issuer(clock)
            issuer.open.set()
            await TokenCache(key, issuer, store, clock=clock).get()
        assert len(store.keys) == 2
        for key in store.keys:
            assert len(key) == 64
            assert set(key) <= set("0123456789abcdef")

    run(main())


def test_no_text_shows_a_token() -> None:
    texts = [repr(Token(SECRET, received_at=0.0, life=1.0)), repr(StoredToken(SECRET, 1.0, 0.0, 0.0))]
    assert SECRET not in "".join(texts)


STORED = StoredToken(SECRET, life=3600.0, wall=1e9, monotonic=500.0)


@pytest.mark.parametrize(
    ("age", "drift", "usable"),
    [
        (0.0, 0.0, True),
        (100.0, 4.0, True),
        (100.0, -4.0, True),
        (100.0, 6.0, False),  # the wall clock was moved, or the machine slept
        (100.0, -6.0, False),
        (-1.0, 0.0, False),  # another boot: its monotonic clock is younger
        (-400.0, 500.0, False),
        (3299.0, 0.0, True),
        (3300.0, 0.0, False),
        (3601.0, 0.0, False),
        (math.nan, 0.0, False),
        (10.0, math.nan, False),
    ],
)
def test_a_stored_token_is_used_only_if_two_clocks_agree_on_its_age(age: float, drift: float, usable: bool) -> None:
    revived = STORED.revive(wall=1e9 + age + drift, monotonic=500.0 + age)
    assert (revived is not None) is usable
    if revived is not None:
        assert (revived.value, revived.expires_at, revived.refresh_at) == (SECRET, 4100.0, 3800.0)
        assert revived.proved


def jwt(claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJSUzI1NiJ9.{payload}.c2ln"


NOON = "Thu, 01 Jan 1970 12:00:00 GMT"


@pytest.mark.parametrize(
    ("value", "date", "life"),
    [
        (jwt({"iat": 1000, "exp": 4600}), None, 3600.0),
        (jwt({"iat": 1000, "exp": 1060}), NOON, 60.0),
        (jwt({"iat": 1000.5, "exp": 1001.0}), None, 0.5),
        (jwt({"iat": 1000, "exp": "4600"}), None, 3600.0),
        (jwt({"exp": 43200 + 900}), NOON, 900.0),
        (jwt({"exp": 43200 + 900, "iat": "yesterday"}), NOON, 900.0),
        (jwt({"exp": 43200 + 900}), None, 3600.0),
        (jwt({"exp": 43200 + 900}), "garbage", 3600.0),
        (jwt({"exp": 43200 - 900}), NOON, 3600.0),
        (jwt({"iat": 4600, "exp": 1000}), None, 3600.0),
        (jwt({"iat": 1000, "exp": 1000}), None, 3600.0),
        (jwt({"iat": 1000}), NOON, 3600.0),
        (jwt({"exp": "soon"}), NOON, 3600.0),
        (jwt({"exp": None}), NOON, 3600.0),
        (jwt({"exp": math.nan, "iat": 0}), NOON, 3600.0),
        (jwt({"exp": math.inf, "iat": 0}), NOON, 3600.0),
        (jwt([1, 2]), NOON, 3600.0),
        (jwt("exp"), NOON, 3600.0),
        (jwt(5), NOON, 3600.0),
        ("opaque", NOON, 3600.0),
        ("", NOON, 3600.0),
        ("a.b.c", NOON, 3600.0),
        ("a.ü.c", NOON, 3600.0),
        ("...", NOON, 3600.0),
    ],
)
def test_a_tokens_life_is_what_it_says_or_an_hour(value: str, date: str | None, life: float) -> None:
    assert token_life(value, date) == life


@given(st.text() | st.binary().map(lambda data: "a." + base64.urlsafe_b64encode(data).decode()), st.none() | st.text())
def test_no_token_and_no_date_makes_it_raise(value: str, date: str | None) -> None:
    assert token_life(value, date) > 0.0


@given(st.recursive(st.integers() | st.floats() | st.text() | st.none(), st.lists), st.integers() | st.floats())
def test_no_claim_makes_it_raise(expires: object, issued: object) -> None:
    assert token_life(jwt({"exp": expires, "iat": issued}), NOON) > 0.0


def test_errors_of_the_token_call_name_the_template_alone() -> None:
    async def main() -> None:
        found = desk()
        found.issuer.failure = down
        with pytest.raises(RequestError) as caught:
            await found.cache.get()
        assert "/{tenant}/admin/api_clients/{api_client}" in str(caught.value)
        assert "CLIENT" not in str(caught.value)

    run(main())


def test_what_is_shared_is_kept_by_digest() -> None:
    state = shared_state(KEY, "s3cret")
    assert shared_state(KEY, "s3cret") is state
    assert shared_state(KEY, "another") is not state
    assert shared_state(KEY + "s", "3cret") is not state
    assert not any(KEY in name or "s3cret" in name for name in tokens._states)


def test_what_sessions_shared_outlives_them_and_does_not_pile_up() -> None:
    async def main() -> None:
        state = shared_state(KEY, "s")
        first = desk(state=state)
        token = await first.cache.get()
        await first.cache.aclose()
        for number in range(1000):
            shared_state(f"{KEY}{number}", "s")
        assert len(tokens._states) <= 300
        kept = shared_state(f"{KEY}999", "s")
        assert kept.token is None
        second = desk(state=state)
        assert await second.cache.get() is token
        assert second.issuer.asked == 0

    run(main())


def test_sessions_that_share_a_state_share_the_token_and_the_flight() -> None:
    async def main() -> None:
        state = TokenState()
        first, second = desk(state=state, open=False), desk(state=state)
        one, two = first.ask(), second.ask()
        await ticks()
        first.issuer.open.set()
        assert await one is await two
        assert (first.issuer.asked, second.issuer.asked) == (1, 0)

    run(main())


def test_a_session_that_closes_during_its_flight_leaves_the_others_to_begin_their_own() -> None:
    async def main() -> None:
        state = TokenState()
        first, second = desk(state=state, open=False), desk(state=state)
        one, two = first.ask(), second.ask()
        await ticks()
        await first.cache.aclose()
        with pytest.raises(SessionError):
            await one
        assert (await two).value == "token-1"
        assert second.issuer.asked == 1

    run(main())


def test_a_session_that_closes_leaves_another_sessions_flight_alone() -> None:
    async def main() -> None:
        state = TokenState()
        first, second = desk(state=state, open=False), desk(state=state)
        one = first.ask()
        await ticks()
        await second.cache.aclose()
        first.issuer.open.set()
        assert (await one).value == "token-1"

    run(main())


class OtherLoop:
    """An event loop in a thread of its own."""

    def __enter__(self) -> asyncio.AbstractEventLoop:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        return self.loop

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


async def slow_fetch() -> Token:
    await asyncio.sleep(0.2)
    return Token("slow", received_at=time.monotonic(), life=3600.0)


async def swift_fetch() -> Token:
    return Token("swift", received_at=time.monotonic(), life=3600.0)


async def test_a_session_waits_for_the_flight_on_another_event_loop() -> None:
    state = TokenState()
    here = TokenCache(KEY, swift_fetch, MemoryTokenStore(), state=state)
    with OtherLoop() as loop:
        there = TokenCache(KEY, slow_fetch, MemoryTokenStore(), state=state)
        out = asyncio.run_coroutine_threadsafe(there.get(), loop)
        while state.flight is None:
            await asyncio.sleep(0.001)
        assert (await here.get()).value == "slow"
        assert out.result(5).value == "slow"
    assert here.requests == 0


async def test_a_flight_whose_event_loop_stands_still_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tokens, "_FOREIGN_FLIGHT", 0.1)
    state, held, let_go = TokenState(), threading.Event(), threading.Event()
    here = TokenCache(KEY, swift_fetch, MemoryTokenStore(), state=state)
    with OtherLoop() as loop:

        async def stand_still() -> Token:
            held.set()
            let_go.wait(5)  # a call that blocks
            return await swift_fetch()

        out = asyncio.run_coroutine_threadsafe(
            TokenCache(KEY, stand_still, MemoryTokenStore(), state=state).get(), loop
        )
        await asyncio.to_thread(held.wait, 5)
        assert (await asyncio.wait_for(here.get(), 5)).value == "swift"
        assert here.requests == 1
        let_go.set()
        out.result(5)


async def test_a_store_in_memory_serves_event_loops_in_several_threads() -> None:
    store = MemoryTokenStore()
    with OtherLoop() as loop:
        there = TokenCache(KEY, slow_fetch, store)
        out = asyncio.run_coroutine_threadsafe(there.get(), loop)
        while not store._locks:
            await asyncio.sleep(0.001)
        here = TokenCache(KEY, swift_fetch, store)
        assert (await asyncio.wait_for(here.get(), 5)).value == "slow"
        assert out.result(5).value == "slow"
    assert here.requests == 0


def test_a_tokens_life_ends_by_the_wall_clock_too() -> None:
    """A machine that slept: its monotonic clock stood still."""

    async def main() -> None:
        clock, slept = Clock(), 0.0
        issuer = Issuer(clock)
        issuer.open.set()
        cache = TokenCache(KEY, issuer, MemoryTokenStore(), clock=clock, wall=lambda: 1e9 + clock() + slept)
        token = await cache.get()
        clock.advance(60.0)
        assert not cache.outlived(token)
        slept = 8 * 3600.0
        assert cache.outlived(token)

    run(main())


@pytest.mark.parametrize(
    ("age", "usable"), [(0.0, True), (3299.0, True), (3300.0, False), (-1.0, False), (math.nan, False)]
)
def test_a_stores_own_clock_is_believed_whatever_the_machines_say(age: float, usable: bool) -> None:
    stored = attrs.evolve(STORED, age=age)
    revived = stored.revive(wall=5.0, monotonic=9000.0)
    assert (revived is not None) is usable
    if revived is not None:
        assert revived.expires_at == 9000.0 - age + 3600.0
