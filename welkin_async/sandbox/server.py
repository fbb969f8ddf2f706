"""`Sandbox`: a local Welkin V8 server, from its options to its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

from aiohttp import web

from .control import PREFIX, Control
from .defaults import DEFAULT_CDTS
from .dispatch import Dispatcher
from .faults import Faults
from .listener import Listener
from .routing import Routes
from .site import Clock, Site
from .stats import Stats
from .store import Store
from .throttle import RetryAfter, Throttle
from .tokens import TOKEN_OPERATION, Tokens
from .wire import Record

__all__ = ["Sandbox"]


class Sandbox:
    """A Welkin V8 server on loopback, for demos, tests and benchmarks; its state lives in memory.

    It answers as recorded answers of the real API show, else as documented; where nothing is known, the choice made is
    named at its place. Use it as an async context manager, or `start` and `close` it.

    Args:
        tenant: First segment of every path.
        instance: Second segment of instance-scoped paths.
        api_client: Name of the API client.
        secret_key: Its secret.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        token_life: Seconds a token is accepted; fractions allowed.
        token_limit: Token requests per `token_window` beyond which authorization is blocked (documented: 100).
        token_window: Seconds over which token requests are counted (documented: 300).
        token_block: Seconds of the block (documented: 300).
        rate: Requests per second before 429; None for no limit.
        burst: Size of a token bucket filled at `rate`; None for a fixed window of one second.
        retry_after: Form of Retry-After on a 429: `seconds`, `date` or `none`.
        latency: Seconds every admitted request waits before its work is done; refusals come at once.
        visibility_delay: Seconds until a new CDT record is in lists; a look-up by id finds it at once.
        list_lag: Seconds beyond that for which lists miss it while their totals count it.
        seed: Start of the generators of ids and of faults with a probability.
        allow_delete: Whether patients and users can be deleted; recorded answers are 403.
        cdts: Fields of the CDTs that exist from the start, by name.

    Attributes:
        clock: The server's time, which `clock.advance(seconds)` moves.
        store: The state.
        faults: The script of faults.
        stats: Counts of what was asked, and a log of raw requests.
        throttle: The rate limit.
    """

    def __init__(
        self,
        *,
        tenant: str = "gh",
        instance: str = "sb-demo",
        api_client: str = "SANDBOX",
        secret_key: str = "sandbox-secret",  # noqa: S107 - opens nothing but this sandbox
        host: str = "127.0.0.1",
        port: int = 0,
        token_life: float = 3600.0,
        token_limit: int = 100,
        token_window: float = 300.0,
        token_block: float = 300.0,
        rate: float | None = None,
        burst: float | None = None,
        retry_after: RetryAfter = "seconds",
        latency: float = 0.0,
        visibility_delay: float = 0.0,
        list_lag: float = 0.0,
        seed: int = 0,
        allow_delete: bool = False,
        cdts: Mapping[str, Mapping[str, str] | Iterable[Mapping[str, Any]]] = DEFAULT_CDTS,
    ) -> None:
        self.clock = Clock()
        self._site = Site(tenant, instance, api_client, secret_key, allow_delete, seed, self.clock)
        self.store = Store(self._site, cdts, visibility_delay, list_lag)
        self.stats = Stats()
        self.throttle = Throttle(self.clock, rate, burst, retry_after)
        self._tokens = Tokens(self._site, token_life, token_limit, token_window, token_block)
        self._routes = Routes(tenant, instance)
        self._tokens.register(self._routes)
        self.store.register(self._routes)
        self.faults = Faults(seed, TOKEN_OPERATION, self._routes.operations)
        self._dispatcher = Dispatcher(
            self.clock, self._routes, self._tokens, self.throttle, self.faults, self.stats, latency
        )
        self._control = Control(self)
        self._listener = Listener(self._serve, host, port)

    def __repr__(self) -> str:
        state = "serving" if self._listener.listening else "closed"
        return f"<Sandbox {self._site.tenant}/{self._site.instance} {state}>"

    async def __aenter__(self) -> Sandbox:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Listen.

        Raises:
            RuntimeError: It is serving already.
            OSError: The address cannot be bound.
        """
        await self._listener.start()

    async def close(self) -> None:
        """Stop listening, end open connections and drop late work; the store and the counts stay readable."""
        self._dispatcher.abandon()
        await self._listener.close()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.raw_path.startswith(PREFIX):
            return await self._control.serve(request)
        return await self._dispatcher.serve(request)

    @property
    def base_url(self) -> str:
        """Scheme, host and port, such as `http://127.0.0.1:49152`.

        Raises:
            RuntimeError: It is not serving.
        """
        return self._listener.base_url

    @property
    def tenant(self) -> str:
        """First segment of every path."""
        return self._site.tenant

    @property
    def instance(self) -> str:
        """Second segment of instance-scoped paths."""
        return self._site.instance

    @property
    def api_client(self) -> str:
        """Name of the API client."""
        return self._site.api_client

    @property
    def secret_key(self) -> str:
        """Secret of the API client."""
        return self._site.secret_key

    @property
    def operations(self) -> frozenset[str]:
        """Ids of the operations it serves."""
        return frozenset(self._routes.operations)

    def define_cdt(
        self,
        name: str,
        fields: Mapping[str, str] | Iterable[Mapping[str, Any]],
        *,
        drops: Iterable[str] = (),
        echo_only: Iterable[str] = (),
    ) -> Record:
        """Define a CDT; see `Store.define_cdt`."""
        return self.store.define_cdt(name, fields, drops=drops, echo_only=echo_only)

    def expire_tokens(self) -> None:
        """Let every token issued so far expire now: its next use is 401 TOKEN_EXPIRED."""
        self._tokens.expire()

    def revoke(self, token: str) -> None:
        """Make one token invalid: its next use is 401 NOT_VALID_JSON_WEB_TOKEN.

        Args:
            token: Its text.
        """
        self._tokens.revoke(token)

    @property
    def refuse_tokens(self) -> bool:
        """Set to True, tokens are issued but every use of one is a 401."""
        return self._tokens.refuse_uses

    @refuse_tokens.setter
    def refuse_tokens(self, refuse: bool) -> None:
        """Refuse every use of a token, or stop doing so."""
        self._tokens.refuse_uses = refuse

    @property
    def latency(self) -> float:
        """Seconds every request waits before its work is done."""
        return self._dispatcher.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        """Change the latency of requests to come."""
        self._dispatcher.latency = seconds

    @property
    def visibility_delay(self) -> float:
        """Seconds from a CDT record's creation until lists show it."""
        return self.store.visibility.delay

    @visibility_delay.setter
    def visibility_delay(self, seconds: float) -> None:
        """Change it, for records that exist already too."""
        self.store.visibility.delay = seconds

    @property
    def list_lag(self) -> float:
        """Seconds beyond `visibility_delay` for which lists miss a record that their totals count."""
        return self.store.visibility.lag

    @list_lag.setter
    def list_lag(self, seconds: float) -> None:
        """Change it, for records that exist already too."""
        self.store.visibility.lag = seconds

    def outage(self, seconds: float, status: int | None = None) -> None:
        """Serve nobody for a while, the token call included.

        Args:
            seconds: How long from now; 0 ends an outage.
            status: Status every request is answered; None resets its connection.
        """
        self._dispatcher.outage_until = self.clock.monotonic() + seconds
        self._dispatcher.outage_status = status

    @property
    def late(self) -> int:
        """Works of RESET_LATE that have not landed yet."""
        return self._dispatcher.late

    async def settle(self) -> None:
        """Wait until all late work has landed."""
        await self._dispatcher.settle()
