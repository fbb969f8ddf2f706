"""Token cache: one shared token request in flight, tokens refreshed ahead of time, failures remembered.

The API gives a token for a tenant's api client and a secret; it lives an hour, and over 100 token requests in five
minutes block authorization for five minutes. So a token is kept, and:

- while it is fresh it is used; past ``life - min(300 s, life / 4)`` one refresh runs in the background and callers go
  on using the old one; once it has expired all callers wait for the one flight;
- the flight belongs to the cache, not to the caller who happened to start it, so no caller's cancellation ends it;
- a 401 invalidates the token that was used, and only if it is still the current one;
- a failed refresh is remembered for 1, 2, 4 ... 60 seconds, and 20 requests in five minutes are the most;
- the sessions of a process share all this where server, tenant, client and secret are the same (`TokenState`).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import concurrent.futures
import hashlib
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial

import attrs

from welkin_async.errors import RequestError, SessionError, TokenUnavailableError
from welkin_async.http.auth.token_store import StoredToken, Token, TokenStore
from welkin_async.wire.request import Operation, Shape

CREATE_TOKEN = Operation("auth.create_token", "POST", "/{tenant}/admin/api_clients/{api_client}", answer=Shape.OBJECT)
"""Recorded: 200, though the 2021 documentation says 201; only ``token`` is sure to be in the answer."""

_log = logging.getLogger("welkin_async")

_DEFAULT_LIFE = 3600.0
_MOST_REQUESTS, _PERIOD = 20, 300.0
_LONGEST_MEMORY = 60.0
_FOREIGN_FLIGHT = 10.0  # seconds a session waits for a token request on another event loop, which may have stopped
_MOST_STATES = 256  # of sessions that are closed, kept for the next session of the same client


class RefreshBudget:
    """Refresh budget: decides when a token may be asked for again. Pure: time is handed in."""

    def __init__(self) -> None:
        self._requests: deque[float] = deque()
        self._failures = 0
        self._not_before = float("-inf")

    def wait(self, now: float) -> float:
        """Return how many seconds must pass before the next token request; 0.0 for none."""
        recent = [moment for moment in tuple(self._requests) if now - moment < _PERIOD]
        spent = recent[0] + _PERIOD - now if len(recent) >= _MOST_REQUESTS else 0.0
        return max(spent, self._not_before - now, 0.0)

    def asked(self, now: float) -> None:
        """Note that a token request goes out."""
        self._requests.append(now)
        if len(self._requests) > _MOST_REQUESTS:
            self._requests.popleft()

    def failed(self, now: float) -> None:
        """Note that it failed; the memory of it doubles up to a minute."""
        self._not_before = now + min(_LONGEST_MEMORY, 2.0 ** min(self._failures, 6))
        self._failures += 1

    def succeeded(self) -> None:
        """Note that a token came."""
        self._failures = 0
        self._not_before = float("-inf")


@attrs.define(eq=False)
class _Flight:
    """A token request under way: it belongs to its event loop, and others can wait for its end.

    Attributes:
        loop: The event loop it runs on.
        task: What runs it.
        landed: Done when it has ended, for other loops.
    """

    loop: asyncio.AbstractEventLoop
    task: asyncio.Task[None]
    landed: concurrent.futures.Future[None] = attrs.field(factory=concurrent.futures.Future)


@attrs.define(eq=False)
class TokenState:
    """What the sessions of one client and secret share, on whichever event loops and threads they run.

    Attributes:
        budget: Decides when a token may be asked for.
        token: The current one.
        refused: The value of the last one the server refused.
        refused_fresh: Whether it was refused although it was fresh.
        failure: How the last request failed, if it did.
        flight: The request under way.
        sessions: How many sessions use it.
        lock: Held while a flight is begun.
    """

    budget: RefreshBudget = attrs.field(factory=RefreshBudget)
    token: Token | None = attrs.field(default=None, repr=False)
    refused: str | None = attrs.field(default=None, repr=False)
    refused_fresh: bool = False
    failure: RequestError | None = None
    flight: _Flight | None = attrs.field(default=None, repr=False)
    sessions: int = 0
    lock: threading.Lock = attrs.field(factory=threading.Lock, repr=False)


_states: dict[str, TokenState] = {}
_states_lock = threading.Lock()


def shared_state(key: str, secret: str) -> TokenState:
    """Return what the sessions of a process share for a client and secret, made where it is the first.

    It outlives its sessions, so that programs which open one after the other do not ask for a token each time.

    Args:
        key: Names what the token is for: base URL, tenant and api client.
        secret: The client's secret; a digest of it is kept.
    """
    name = hashlib.sha256(f"{len(key)}:{key}{secret}".encode()).hexdigest()
    with _states_lock:
        state = _states.pop(name, None) or TokenState()
        _states[name] = state  # the latest last
        for idle in [name for name, held in _states.items() if not held.sessions][:-_MOST_STATES]:
            del _states[idle]
        return state


class TokenCache:
    """Holds the current token and the one flight that may be fetching the next.

    Args:
        key: Names what the token is for: base URL, tenant and api client.
        fetch: Asks the server once; returns a token or raises a `RequestError`.
        store: Where tokens are kept.
        state: What it shares with others (`shared_state`); None for its own.
        reserve: Counts a request that is about to be made in a budget of several processes, and returns the seconds
            until it may be; None where there is no such budget.
        clock: Returns monotonic seconds.
        wall: Returns wall-clock seconds.

    Attributes:
        requests: How many tokens it has asked the server for.
        waiting: How many calls wait for a token at this moment.
    """

    def __init__(
        self,
        key: str,
        fetch: Callable[[], Awaitable[Token]],
        store: TokenStore,
        *,
        state: TokenState | None = None,
        reserve: Callable[[str], Awaitable[float]] | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._key = hashlib.sha256(key.encode()).hexdigest()
        self._fetch = fetch
        self._store = store
        self._reserve = reserve
        self._clock = clock
        self._wall = wall
        self._state = TokenState() if state is None else state
        self._state.sessions += 1
        self._own: _Flight | None = None
        self._closed = False
        self.requests = 0
        self.waiting = 0

    def current(self, now: float | None = None) -> Token | None:
        """Return a token that can be used now, starting a background refresh where one is due; else None.

        Args:
            now: Monotonic seconds, where the caller has just asked the clock.
        """
        token = self._state.token
        if token is None:
            return None
        if now is None:
            now = self._clock()
        if now < token.refresh_at:
            return token
        if now >= token.expires_at:
            return None
        if self._flight() is None and not self._closed and self._state.budget.wait(now) <= 0.0:
            self._start(None)
        return token

    async def get(self) -> Token:
        """Return a usable token, waiting for the shared flight where there is none.

        Raises:
            AuthenticationError: the server refused the credentials.
            TokenUnavailableError: it could not be asked, or not again yet; ``retry_after`` tells when.
            SessionError: the session was closed meanwhile.
        """
        state = self._state
        while True:
            token = self.current()
            if token is not None:
                return token
            if self._closed:
                raise SessionError("the session was closed while a request waited for a token")
            flight = self._flight()
            if flight is None:
                flight = self._start_or_raise(None)
            self.waiting += 1
            try:
                await self._wait_for(flight)
            finally:
                self.waiting -= 1
            if self.current() is None and state.failure is not None:
                raise self._remembered(state.budget.wait(self._clock()))

    async def _wait_for(self, flight: _Flight) -> None:
        """Wait for the end of a flight, on whichever event loop it runs."""
        if flight.loop is asyncio.get_running_loop():
            await asyncio.wait((flight.task,))
            return
        landed = asyncio.wrap_future(flight.landed)
        await asyncio.wait((landed,), timeout=_FOREIGN_FLIGHT)
        if not landed.done() and self._state.flight is flight and self.current() is None:
            await asyncio.wait((self._start_or_raise(flight).task,))

    def outlived(self, token: Token) -> bool:
        """Return whether a token has expired by the wall clock: the monotonic one stands while a machine sleeps."""
        return token.wall is not None and self._wall() - token.wall >= token.life

    def invalidate(self, token: Token) -> None:
        """Drop a token the server refused, unless a newer one has taken its place."""
        self._state.refused = token.value
        if self._state.token is token:
            self._state.token = None

    def prove(self, token: Token) -> None:
        """Note that the server accepted a token: what failed before is forgotten."""
        token.proved = True
        self._state.refused_fresh = False
        self._state.budget.succeeded()

    def refuse(self, token: Token, error: RequestError) -> None:
        """Drop a token that was refused although it is fresh, and remember that before the next is asked for.

        Args:
            token: The token; a newer one stays.
            error: What callers get until then.
        """
        state = self._state
        if state.token is token:
            state.token = None
            state.refused = token.value
            state.refused_fresh = True
            state.failure = error
            state.budget.failed(self._clock())

    async def aclose(self) -> None:
        """Cancel the flight if this session began it, and wait for its end; other sessions begin their own."""
        if not self._closed:
            self._closed = True
            self._state.sessions -= 1
        if self._own is not None:
            self._own.task.cancel()
            await asyncio.wait((self._own.task,))

    def _flight(self) -> _Flight | None:
        """Return the flight under way; one whose event loop has ended is none."""
        flight = self._state.flight
        return None if flight is None or flight.loop.is_closed() else flight

    def _start_or_raise(self, instead_of: _Flight | None) -> _Flight:
        """Begin a flight where the budget allows it."""
        wait = self._state.budget.wait(self._clock())
        if wait > 0.0:
            raise self._remembered(wait)
        return self._start(instead_of)

    def _start(self, instead_of: _Flight | None) -> _Flight:
        """Begin a flight, unless another session has begun one in this moment.

        Args:
            instead_of: A flight on another event loop that was waited for in vain.
        """
        state = self._state
        with state.lock:
            flight = self._flight()
            if flight is None or flight is instead_of:
                state.failure = None
                task = asyncio.create_task(self._fly(), name="welkin_async token refresh")
                flight = self._own = state.flight = _Flight(asyncio.get_running_loop(), task)
                task.add_done_callback(partial(self._landed, flight))
            return flight

    def _landed(self, flight: _Flight, _: asyncio.Task[None]) -> None:
        if self._own is flight:
            self._own = None
        if self._state.flight is flight:
            self._state.flight = None
        flight.landed.set_result(None)

    async def _fly(self) -> None:
        """Take a token from the store or the server. Never raises: what went wrong is for the callers to find."""
        try:
            async with AsyncExitStack() as held:
                try:
                    await held.enter_async_context(self._store.lock(self._key))
                    adopted = await self._adopt()
                except Exception as error:
                    _log.warning("the token store failed (%s); going on without it", type(error).__name__)
                    adopted = False
                if not adopted:
                    await self._ask()
        except Exception as error:
            _log.warning("the token store failed (%s); going on without it", type(error).__name__)

    async def _adopt(self) -> bool:
        """Use a token that another holder of the store has fetched in the meantime."""
        state = self._state
        stored = await self._store.load(self._key)
        if stored is None or stored.value == state.refused or (state.token and stored.value == state.token.value):
            return False
        state.token = stored.revive(wall=self._wall(), monotonic=self._clock()) or state.token
        return state.token is not None and state.token.value == stored.value

    async def _ask(self) -> None:
        state = self._state
        if (wait := await self._shared_wait()) > 0.0:
            reason = "the processes that share the token budget have asked for all that is allowed just now"
            state.failure = TokenUnavailableError(reason, request=CREATE_TOKEN.line, retry_after=wait)
            state.budget.failed(self._clock())
            return
        state.budget.asked(self._clock())
        self.requests += 1
        try:
            token = await self._fetch()
        except RequestError as error:
            state.failure = error
            state.budget.failed(self._clock())
            return
        except Exception as error:
            reason = f"the token request failed ({type(error).__name__})"
            state.failure = TokenUnavailableError(reason, request=CREATE_TOKEN.line)
            state.budget.failed(self._clock())
            return
        token.wall = self._wall()
        state.token = token
        if not state.refused_fresh:  # else only a token that is accepted ends the memory of those that were not
            state.budget.succeeded()
        kept = StoredToken(token.value, life=token.life, wall=token.wall, monotonic=token.received_at)
        try:
            await self._store.save(self._key, kept)
        except Exception as error:
            _log.warning("the token could not be stored (%s)", type(error).__name__)

    async def _shared_wait(self) -> float:
        """Return the seconds until the budget of several processes allows a request, which is counted; 0.0 for none."""
        if self._reserve is None:
            return 0.0
        try:
            return await self._reserve(self._key)
        except Exception as error:
            _log.warning("the shared token budget cannot be had (%s); going on without it", type(error).__name__)
            return 0.0

    def _remembered(self, wait: float) -> RequestError:
        """Build the error anew for each caller: one exception object raised in many tasks mixes their tracebacks."""
        failure = self._state.failure
        if failure is None:
            return TokenUnavailableError(
                "no token may be requested just now, after a failure or 20 requests in five minutes",
                request=CREATE_TOKEN.line,
                retry_after=wait,
            )
        return type(failure)(
            failure.reason,
            request=failure.request,
            status=failure.status,
            errors=failure.errors,
            attempts=failure.attempts,
            safe_to_repeat=failure.safe_to_repeat,
            retry_after=max(wait, failure.retry_after or 0.0),
            request_id=failure.request_id,
        )


def token_life(value: str, date: str | None) -> float:
    """Work out how long a token lives, without verifying it.

    Args:
        value: The token; a JWT as recorded, but anything is taken.
        date: The Date header of the answer it came in.

    Returns:
        Seconds: ``exp - iat`` of the JWT; else ``exp`` minus the answer's Date; else 3600.
    """
    try:
        payload = value.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        expires = float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return _DEFAULT_LIFE
    issued = claims.get("iat")
    if isinstance(issued, int | float):
        life = expires - issued
    else:
        try:
            sent: datetime = parsedate_to_datetime(date or "")
        except ValueError:
            return _DEFAULT_LIFE
        life = expires - sent.timestamp()
    return life if 0.0 < life < float("inf") else _DEFAULT_LIFE
