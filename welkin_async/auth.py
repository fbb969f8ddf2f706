"""Tokens: one shared flight, refreshed ahead of time, never asked for in a storm.

The API gives a token for a tenant's api client and a secret; it lives an hour, and over 100 token requests in five
minutes block authorization for five minutes. So a token is kept, and:

- while it is fresh it is used; past ``life - min(300 s, life / 4)`` one refresh runs in the background and callers go
  on using the old one; once it has expired all callers wait for the one flight;
- the flight belongs to the cache, not to the caller who happened to start it, so no caller's cancellation ends it;
- a 401 invalidates the token that was used, and only if it is still the current one;
- a failed refresh is remembered for 1, 2, 4 ... 60 seconds, and 20 requests in five minutes are the most.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Protocol

import attrs

from welkin_async.errors import RequestError, SessionError, TokenUnavailableError
from welkin_async.request import Operation, Shape

__all__ = [
    "CREATE_TOKEN",
    "MemoryTokenStore",
    "RefreshBudget",
    "StoredToken",
    "Token",
    "TokenCache",
    "TokenStore",
    "token_life",
]

CREATE_TOKEN = Operation("auth.create_token", "POST", "/{tenant}/admin/api_clients/{api_client}", answer=Shape.OBJECT)
"""Recorded: 200, though the 2021 documentation says 201; only ``token`` is sure to be in the answer."""

_log = logging.getLogger("welkin_async")

_DEFAULT_LIFE = 3600.0
_MOST_REQUESTS, _PERIOD = 20, 300.0
_LONGEST_MEMORY = 60.0
_CLOCKS_AGREE = 5.0  # seconds by which two clocks may drift apart before a stored token is distrusted


@attrs.define(eq=False)
class Token:
    """A token and when it ends, on the monotonic clock.

    Attributes:
        value: The JWT; never shown.
        received_at: Monotonic seconds at which it was received.
        life: Seconds it lives.
        proved: Whether the server has accepted it once. A fresh token that is refused is not worth refreshing.
    """

    value: str = attrs.field(repr=False)
    received_at: float
    life: float
    proved: bool = False
    refresh_at: float = attrs.field(init=False)
    expires_at: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Work out the two moments that decide its use."""
        self.expires_at = self.received_at + self.life
        self.refresh_at = self.expires_at - min(300.0, self.life / 4)


@attrs.frozen
class StoredToken:
    """A token as a store keeps it, with both clocks: where they disagree on its age, it is not used.

    Attributes:
        value: The JWT; never shown.
        life: Seconds it lives.
        wall: When it was received, in seconds of the wall clock.
        monotonic: The same moment on the monotonic clock, which starts anew with the machine.
    """

    value: str = attrs.field(repr=False)
    life: float
    wall: float
    monotonic: float

    def revive(self, *, wall: float, monotonic: float) -> Token | None:
        """Return the token if its age is beyond doubt and it is not due for a refresh.

        Args:
            wall: The wall clock now, in seconds.
            monotonic: The monotonic clock now, in seconds.
        """
        age, other = monotonic - self.monotonic, wall - self.wall
        if not (age >= 0 and abs(age - other) <= _CLOCKS_AGREE and self.life < float("inf")):
            return None
        token = Token(self.value, received_at=self.monotonic, life=self.life, proved=True)
        return token if monotonic < token.refresh_at else None


class TokenStore(Protocol):
    """Where tokens are kept between sessions or processes. `MemoryTokenStore` and `FileTokenStore` are two."""

    async def load(self, key: str) -> StoredToken | None:
        """Return what was saved under a key, or None.

        Args:
            key: An opaque name made of base URL, tenant and api client.
        """
        ...

    async def save(self, key: str, token: StoredToken) -> None:
        """Keep a token under a key."""
        ...

    def lock(self, key: str) -> AbstractAsyncContextManager[object]:
        """Return a lock that all who share the store respect, so that one of them refreshes and the others read."""
        ...


class MemoryTokenStore:
    """Keeps tokens in memory; given to several sessions, they share one token."""

    def __init__(self) -> None:
        self._tokens: dict[str, StoredToken] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def load(self, key: str) -> StoredToken | None:
        """Return what was saved under a key, or None."""
        return self._tokens.get(key)

    async def save(self, key: str, token: StoredToken) -> None:
        """Keep a token under a key."""
        self._tokens[key] = token

    def lock(self, key: str) -> AbstractAsyncContextManager[object]:
        """Return the key's lock."""
        return self._locks.setdefault(key, asyncio.Lock())


class RefreshBudget:
    """Decides when a token may be asked for again. Pure: time is handed in."""

    def __init__(self) -> None:
        self._requests: deque[float] = deque()
        self._failures = 0
        self._not_before = float("-inf")

    def wait(self, now: float) -> float:
        """Return how many seconds must pass before the next token request; 0.0 for none."""
        while self._requests and now - self._requests[0] >= _PERIOD:
            self._requests.popleft()
        spent = self._requests[0] + _PERIOD - now if len(self._requests) >= _MOST_REQUESTS else 0.0
        return max(spent, self._not_before - now, 0.0)

    def asked(self, now: float) -> None:
        """Note that a token request goes out."""
        self._requests.append(now)

    def failed(self, now: float) -> None:
        """Note that it failed; the memory of it doubles up to a minute."""
        self._not_before = now + min(_LONGEST_MEMORY, 2.0 ** min(self._failures, 6))
        self._failures += 1

    def succeeded(self) -> None:
        """Note that a token came."""
        self._failures = 0
        self._not_before = float("-inf")


_budgets: dict[str, RefreshBudget] = {}  # the server counts per api client, so sessions of one process share a budget


class TokenCache:
    """Holds the current token and the one flight that may be fetching the next.

    Args:
        key: Names what the token is for: base URL, tenant and api client.
        fetch: Asks the server once; returns a token or raises a `RequestError`.
        store: Where tokens are kept.
        clock: Returns monotonic seconds.
        wall: Returns wall-clock seconds.
    """

    def __init__(
        self,
        key: str,
        fetch: Callable[[], Awaitable[Token]],
        store: TokenStore,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._key = hashlib.sha256(key.encode()).hexdigest()
        self._fetch = fetch
        self._store = store
        self._clock = clock
        self._wall = wall
        self._budget = _budgets.setdefault(self._key, RefreshBudget())
        self._token: Token | None = None
        self._refused: str | None = None
        self._refused_fresh = False
        self._failure: RequestError | None = None
        self._flight: asyncio.Task[None] | None = None
        self._closed = False
        self.requests = 0

    def current(self, now: float | None = None) -> Token | None:
        """Return a token that can be used now, starting a background refresh where one is due; else None.

        Args:
            now: Monotonic seconds, where the caller has just asked the clock.
        """
        token = self._token
        if token is None:
            return None
        if now is None:
            now = self._clock()
        if now >= token.refresh_at:
            if now >= token.expires_at:
                return None
            if self._flight is None and not self._closed and self._budget.wait(now) <= 0.0:
                self._start()
        return token

    async def get(self) -> Token:
        """Return a usable token, waiting for the shared flight where there is none.

        Raises:
            AuthenticationError: the server refused the credentials.
            TokenUnavailableError: it could not be asked, or not again yet; ``retry_after`` tells when.
        """
        while True:
            token = self.current()
            if token is not None:
                return token
            if self._closed:
                raise SessionError("the session was closed while a request waited for a token")
            if self._flight is None:
                wait = self._budget.wait(self._clock())
                if wait > 0.0:
                    raise self._remembered(wait)
                self._start()
            flight = self._flight
            assert flight is not None
            await asyncio.wait((flight,))
            if self.current() is None and self._failure is not None:
                raise self._remembered(self._budget.wait(self._clock()))

    def invalidate(self, token: Token) -> None:
        """Drop a token the server refused, unless a newer one has taken its place."""
        self._refused = token.value
        if self._token is token:
            self._token = None

    def prove(self, token: Token) -> None:
        """Note that the server accepted a token: what failed before is forgotten."""
        token.proved = True
        self._refused_fresh = False
        self._budget.succeeded()

    def refuse(self, token: Token, error: RequestError) -> None:
        """Drop a token that was refused although it is fresh, and remember that before the next is asked for.

        Args:
            token: The token; a newer one stays.
            error: What callers are told until then.
        """
        if self._token is token:
            self._token = None
            self._refused = token.value
            self._refused_fresh = True
            self._failure = error
            self._budget.failed(self._clock())

    async def aclose(self) -> None:
        """Cancel the flight and wait for its end."""
        self._closed = True
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.wait((self._flight,))

    def _start(self) -> None:
        self._failure = None
        self._flight = asyncio.create_task(self._fly(), name="welkin_async token refresh")
        self._flight.add_done_callback(self._landed)

    def _landed(self, flight: asyncio.Task[None]) -> None:
        self._flight = None

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
        stored = await self._store.load(self._key)
        if stored is None or stored.value == self._refused or (self._token and stored.value == self._token.value):
            return False
        self._token = stored.revive(wall=self._wall(), monotonic=self._clock()) or self._token
        return self._token is not None and self._token.value == stored.value

    async def _ask(self) -> None:
        self._budget.asked(self._clock())
        self.requests += 1
        try:
            self._token = token = await self._fetch()
        except RequestError as error:
            self._failure = error
            self._budget.failed(self._clock())
            return
        except Exception as error:
            reason = f"the token request failed ({type(error).__name__})"
            self._failure = TokenUnavailableError(reason, request=CREATE_TOKEN.line)
            self._budget.failed(self._clock())
            return
        if not self._refused_fresh:  # else only a token that is accepted ends the memory of those that were not
            self._budget.succeeded()
        kept = StoredToken(token.value, life=token.life, wall=self._wall(), monotonic=token.received_at)
        try:
            await self._store.save(self._key, kept)
        except Exception as error:
            _log.warning("the token could not be stored (%s)", type(error).__name__)

    def _remembered(self, wait: float) -> RequestError:
        """Build the error anew for each caller: one exception object raised in many tasks mixes their tracebacks."""
        failure = self._failure
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
