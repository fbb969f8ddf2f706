"""`Sandbox`: a local Welkin V8 server, from its options to its end."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Generic, TypeVar, Unpack

from aiohttp import web

from welkin_async.sandbox.api.formations import CdtOptions
from welkin_async.sandbox.control import CONTROL_PATH, Control
from welkin_async.sandbox.faults import Faults
from welkin_async.sandbox.http.dispatch import Dispatcher
from welkin_async.sandbox.http.listener import Listener, is_loopback
from welkin_async.sandbox.http.messages import Record
from welkin_async.sandbox.http.responses import invite_body
from welkin_async.sandbox.http.routing import Routes
from welkin_async.sandbox.http.throttle import RetryAfter, Throttle
from welkin_async.sandbox.http.tokens import TOKEN_OPERATION, Tokens
from welkin_async.sandbox.overview import Overview
from welkin_async.sandbox.records.defaults import DEFAULT_CDTS
from welkin_async.sandbox.reference import Reference
from welkin_async.sandbox.site import Clock, Site, variables_of
from welkin_async.sandbox.stats import Stats
from welkin_async.sandbox.store import Store

_log = logging.getLogger("welkin_async.sandbox")

T = TypeVar("T")
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class _Part(Generic[T]):
    """Something of a server that one of its parts holds.

    Args:
        part: Attribute of the server.
        name: Attribute of that part.
    """

    def __init__(self, part: str, name: str) -> None:
        self._part = part
        self._name = name

    def __get__(self, server: Sandbox, owner: type[Sandbox]) -> T:
        value: T = getattr(getattr(server, self._part), self._name)
        return value


class _Setting(_Part[T]):
    """A setting of a server that one of its parts holds."""

    def __set__(self, server: Sandbox, value: T) -> None:
        setattr(getattr(server, self._part), self._name, value)


class Sandbox:
    """A Welkin V8 server on loopback, for demos, tests and benchmarks; its state lives in memory.

    It answers as recorded answers of the real API show, else as documented; where nothing is known, the choice made is
    named at its place. Use it as an async context manager, or `start` and `close` it.

    Args:
        tenant: First segment of every path.
        instance: Second segment of instance-scoped paths.
        api_client: Name of the API client.
        secret_key: Its secret.
        host: Address to listen on. On another than loopback a warning is logged: there is no TLS, and others reach it.
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
        delay_growth: Seconds by which these two grow for every second that passes before a record is created.
        skew: Seconds by which the clock of one of the backends is ahead, in stamps and the Date header; negative when
            it is behind.
        skew_every: That backend does each `skew_every`-th work; the clocks of the others are right.
        seed: Start of the generators of ids and of faults with a probability.
        allow_delete: Whether patients and users can be deleted; recorded answers are 403.
        control_key: What the control routes and the page at ``/`` ask for in the header ``X-Sandbox-Key``; None for
            nothing on loopback, and a key made at random on any other address.
        cdts: Fields of the CDTs that exist from the start, by name.

    Attributes:
        base_url: Scheme, host and port, such as `http://127.0.0.1:49152`; a RuntimeError while it is not serving.
        tenant: First segment of every path.
        instance: Second segment of instance-scoped paths.
        api_client: Name of the API client.
        secret_key: Secret of the API client.
        control_key: What the control routes ask for, or None.
        clock: The server's time, which `clock.advance(seconds)` moves.
        store: The state.
        faults: The script of faults.
        stats: Counts of what was asked, and a log of raw requests.
        throttle: The rate limit.
        latency: As the argument; for requests to come.
        visibility_delay: As the argument; for records that exist already too, as are the next two.
        list_lag: As the argument.
        delay_growth: As the argument; setting it begins the growth anew.
        count_deleted: Set to True, totals of lists go on counting CDT records that are deleted from then on.
        skew: As the argument; for work to come, as is the next.
        skew_every: As the argument.
        refuse_tokens: Set to True, tokens are issued but every use of one is a 401.
    """

    base_url = _Part[str]("_listener", "base_url")
    tenant = _Part[str]("_site", "tenant")
    instance = _Part[str]("_site", "instance")
    api_client = _Part[str]("_site", "api_client")
    secret_key = _Part[str]("_site", "secret_key")
    latency = _Setting[float]("_dispatcher", "latency")
    visibility_delay = _Setting[float]("_visibility", "delay")
    list_lag = _Setting[float]("_visibility", "lag")
    delay_growth = _Setting[float]("_visibility", "growth")
    count_deleted = _Setting[bool]("_visibility", "count_deleted")
    skew = _Setting[float]("_dispatcher", "skew")
    skew_every = _Setting[int]("_dispatcher", "skew_every")
    refuse_tokens = _Setting[bool]("_tokens", "refuse_uses")

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
        delay_growth: float = 0.0,
        skew: float = 0.0,
        skew_every: int = 1,
        seed: int = 0,
        allow_delete: bool = False,
        control_key: str | None = None,
        cdts: Mapping[str, Mapping[str, str] | Iterable[Mapping[str, Any]]] = DEFAULT_CDTS,
    ) -> None:
        self.clock = Clock()
        self._site = Site(tenant, instance, api_client, secret_key, allow_delete, seed, self.clock)
        self._tokens = Tokens(self._site, token_life, token_limit, token_window, token_block)
        kept = {name: fields if isinstance(fields, Mapping) else list(fields) for name, fields in cdts.items()}
        self._store = partial(Store, self._site, kept, visibility_delay, list_lag, delay_growth)
        self._throttle = partial(Throttle, self.clock, rate, burst, retry_after)
        self._dispatch = partial(Dispatcher, latency=latency, skew=skew, skew_every=skew_every)
        self._begin()
        self._listener = Listener(self._serve, host, port)
        self.control_key = control_key
        self._open_to_others = not is_loopback(host)
        if self._open_to_others and control_key is None:
            self.control_key = secrets.token_urlsafe()
        self._control = Control(self, self.control_key)
        overview = Overview(f"Sandbox {tenant}/{instance}", lambda: self.store, self._control.allows)
        reference = Reference(self._site)
        self._pages: dict[str, Handler] = {
            "/": overview.serve,
            "/openapi": reference.serve_page,
            "/openapi.json": reference.serve_document,
        }

    def _begin(self) -> None:
        """Make the state that a server begins with."""
        self.store = self._store()
        self._visibility = self.store.visibility
        self.stats = Stats()
        self.throttle = self._throttle()
        self._routes = Routes()
        self.store.register(self._routes)
        self._tokens.register(self._routes)
        self.faults = Faults(self._site.seed, TOKEN_OPERATION, self._routes.operations)
        self._dispatcher = self._dispatch(
            self._site, self._routes, self._tokens, self.throttle, self.faults, self.stats
        )

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
        if self._open_to_others:
            _log.warning("the sandbox is where other machines reach it, without TLS; its control routes need a key")
        await self._listener.start()

    async def close(self) -> None:
        """Stop listening, end open connections and drop late work; the store and the counts stay readable."""
        self._dispatcher.cancel_late_work()
        await self._listener.close()

    def reset(self) -> None:
        """Begin anew, as the server was made: no records, no faults, no counts, no late work, the clock set right.

        Tokens that were issued stay good, so that clients need no others.
        """
        self._dispatcher.cancel_late_work()
        self.clock.offset = self.clock.skew = 0.0
        self._site.reset()
        self._tokens.refuse_uses = False
        self._begin()

    def environ(self) -> dict[str, str]:
        """Return the variables by which a session or a command finds the server: ``WELKIN_BASE_URL`` and others.

        Raises:
            RuntimeError: It is not serving.
        """
        return variables_of(self)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if "Expect" in request.headers:
            invite_body(request)
        path = request.rel_url.path_safe
        if path.startswith(CONTROL_PATH):
            return await self._control.serve(request, path.removeprefix(CONTROL_PATH))
        page = self._pages.get(path) if request.method in ("GET", "HEAD") else None
        return await (page or self._dispatcher.serve)(request)

    @property
    def operations(self) -> frozenset[str]:
        """Ids of the operations it serves."""
        return frozenset(self._routes.operations)

    def define_cdt(
        self,
        name: str,
        fields: Mapping[str, str] | Iterable[Mapping[str, Any]],
        **kept: Unpack[CdtOptions],
    ) -> Record:
        """Define a CDT; see `Store.define_cdt`."""
        return self.store.define_cdt(name, fields, **kept)

    def expire_tokens(self) -> None:
        """Let every token issued so far expire now: its next use is 401 TOKEN_EXPIRED."""
        self._tokens.expire()

    def revoke(self, token: str) -> None:
        """Make one token invalid: its next use is 401 NOT_VALID_JSON_WEB_TOKEN.

        Args:
            token: Its text.
        """
        self._tokens.revoke(token)

    def outage(self, seconds: float, status: int | None = None) -> None:
        """Begin an outage: no request is served for a while, the token call included.

        Args:
            seconds: How long from now; 0 ends an outage.
            status: Status every request is answered; None resets its connection.
        """
        self._dispatcher.outage_until = self.clock.monotonic() + seconds
        self._dispatcher.outage_status = status

    @property
    def late(self) -> int:
        """Works of RESET_LATE and QUEUED that have not landed yet."""
        return self._dispatcher.late

    async def settle(self) -> None:
        """Wait until all late work has landed."""
        await self._dispatcher.settle()
