"""`Welkin`, the session: it owns the connection pool, and its attributes are the resources."""

from __future__ import annotations

import ssl as _ssl
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

import attrs

from welkin_async.errors import ConfigurationError, InvalidInputError, SessionError
from welkin_async.http.auth.token_store import TokenStore
from welkin_async.http.instrumentation import Attempt, Instrumentation
from welkin_async.http.settings import Settings
from welkin_async.http.sharing import Sharing
from welkin_async.http.stats import SessionStats
from welkin_async.http.transport import Transport
from welkin_async.resources._base.scope import CallOptions, Defaults, Key, Scope
from welkin_async.resources.navigation import Navigation
from welkin_async.resources.nested import PatientScope
from welkin_async.validation.field_checks import FieldChecks
from welkin_async.validation.refusals import Check
from welkin_async.wire.codec import best_codec
from welkin_async.wire.request import (
    Answer,
    Operation,
    Repeat,
    Shape,
    check_template,
    checked_method,
    encode_segment,
)
from welkin_async.wire.tracebacks import without_frames

if TYPE_CHECKING:
    from cattrs import BaseConverter

__all__ = ["PatientScope", "Welkin"]

_UNSET: Any = object()


class _SharedTransport:
    """The open transport, shared by a session and its views."""

    def __init__(self) -> None:
        self.transport: Transport | None = None
        self.sharing: Sharing | None = None
        self.closed = False

    def get(self) -> Transport:
        """Return the transport.

        Raises:
            SessionError: the session is not open yet, or closed.
        """
        if self.transport is None:
            if self.closed:
                raise SessionError("the session is closed; open a new one")
            raise SessionError("the session is not open: use it in `async with`, or await `open()` first")
        return self.transport


def _checks(check: Check) -> FieldChecks | None:
    try:
        return FieldChecks(check) if check != "off" else None
    except InvalidInputError as error:
        raise ConfigurationError(str(error)) from None


class Welkin(Navigation):
    """A session with the Welkin API.

    Use it in ``async with``, or call `open` and `aclose` when a service starts and stops. It belongs to the event loop
    it was opened on. What is not given is taken from the environment.

    Args:
        tenant: The tenant's name; ``WELKIN_TENANT``.
        instance: The instance within it, such as ``sb-demo``; ``WELKIN_INSTANCE``.
        api_client: The api client's name; ``WELKIN_API_CLIENT``.
        secret_key: Its secret; ``WELKIN_SECRET_KEY``.
        environment: The host: ``live`` or ``sandbox``; ``WELKIN_ENVIRONMENT``, ``live`` by default.
        base_url: Scheme and host instead of the environment's; ``WELKIN_BASE_URL``. https, except on this machine.
        timeout: Seconds an attempt may wait for the server. Waiting for token, gate or pace does not count.
        max_attempts: How many attempts a call makes in all where they fail; throttled ones do not count.
        max_wait: Seconds the server's throttling may hold one call back before `RateLimitedError`; None for no bound.
        rate: Requests per second the session allows itself; None for no bound.
        concurrency: Requests out at once; None for as many as there may be open files, until the server is overloaded.
        token_store: Where tokens are kept; in memory by default. The sessions of a process share their token in any
            case where server, tenant, client and secret are the same.
        ssl: An SSL context of one's own, such as one that trusts a hospital's proxy.
        proxy: A proxy's URL.
        trust_env: Whether to take the proxy from ``HTTPS_PROXY`` and ``NO_PROXY``.
        engine: What speaks HTTP: ``aiohttp`` by default; ``direct``, which costs about a third and comes with the extra
            ``speed``; or ``auto``, which is direct where it can run. ``WELKIN_ENGINE``.
        max_answer: Bytes an answer may have at most, as it was sent and once it was inflated; 64 MiB by default. A
            larger one is given up at once. Errors may have 1 MiB; downloads have a bound of their own.
        on_attempt: Called with an `Attempt` after each request on the wire, for metrics.
        instrumentation: Follows each call, its attempts and its waits, for traces and metrics: an
            `welkin_async.integrations.opentelemetry.OpenTelemetry` (extra ``otel``), or an `Instrumentation` of one's
            own.
        shared: A store by which sessions of several processes share one token, one budget of token requests and one
            pace: a URL such as ``redis://...``, ``postgresql://...`` or ``sqlite:///path`` (``WELKIN_SHARED``), or what
            `welkin_async.shared.coordination` returned. ``rate`` is then what all of them may send together. None, the
            default, for nothing.
        check: What to do where a single create or change of a CDT record, a profile or a patient has a field that there
            is none of or that it may not have, which the server would drop in silence: ``warn`` logs each field once,
            ``strict`` refuses it before anything is sent, ``off`` does not look. The formation is read once for each
            CDT and profile; one that cannot be read allows everything. Patients have no formation: mappings are held
            against the documented fields. Bulk operations have a ``check`` of their own.
        converter: The cattrs converter by which CDT records become objects of your own classes and objects fields, in
            ``welkin.patient(id).cdts(name, Medication)``; one that knows attrs classes, dataclasses and the API's dates
            by default.

    Raises:
        ConfigurationError: a setting is missing or does not fit.
    """

    @without_frames
    def __init__(
        self,
        *,
        tenant: str | None = None,
        instance: str | None = None,
        api_client: str | None = None,
        secret_key: str | None = None,
        environment: Literal["live", "sandbox"] | None = None,
        base_url: str | None = None,
        timeout: float = 30.0,
        max_attempts: int = 5,
        max_wait: float | None = 60.0,
        rate: float | None = None,
        concurrency: int | None = None,
        token_store: TokenStore | None = None,
        ssl: _ssl.SSLContext | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
        engine: Literal["aiohttp", "direct", "auto"] | None = None,
        max_answer: int = 64 << 20,
        on_attempt: Callable[[Attempt], None] | None = None,
        instrumentation: Instrumentation | None = None,
        shared: str | Sharing | None = None,
        check: Check = "warn",
        converter: BaseConverter | None = None,
    ) -> None:
        given = {name: value for name, value in locals().items() if name not in ("self", "check", "converter")}
        self.settings = settings = Settings.read(given)
        if isinstance(settings.shared, str):
            from welkin_async.shared.coordination import check_url  # a fifth of the import, which few sessions need

            check_url(settings.shared)
        self._shared = _SharedTransport()
        self._owner = True
        params = {name: encode_segment(getattr(self.settings, name), name) for name in ("tenant", "instance")}
        self._scope = Scope(
            self._shared.get,
            best_codec(),
            self.settings.base_url,
            params,
            Defaults(self.settings.timeout, self.settings.max_attempts, self.settings.max_wait),
            _checks(check),
            converter,
        )

    @classmethod
    def from_env(cls) -> Self:
        """Return a session whose settings all come from ``WELKIN_*`` variables.

        Raises:
            ConfigurationError: a variable is missing or does not fit.
        """
        return cls()

    @classmethod
    def from_settings(cls, settings: Settings, *, check: Check = "warn") -> Self:
        """Return a session with the settings of another, which may have come from another process.

        Args:
            settings: Of a session (``welkin.settings``); they can be pickled where no ``ssl``, ``on_attempt`` or
                ``instrumentation`` of one's own is among them that cannot be.
            check: As for `Welkin`.
        """
        return cls(**attrs.asdict(settings, recurse=False), check=check)

    async def open(self) -> Self:
        """Open the connection pool on the running event loop; nothing is sent yet.

        Returns:
            The session.

        Raises:
            SessionError: it was opened before.
        """
        shared = self._shared
        if not self._owner:
            raise SessionError("a view made by `with_options` is opened and closed with its session")
        if shared.closed:
            raise SessionError("the session is closed; open a new one")
        if shared.transport is not None:
            raise SessionError("the session is open already")
        sharing = self.settings.shared
        if isinstance(sharing, str):
            from welkin_async.shared.coordination import coordination

            shared.sharing = sharing = coordination(sharing)  # its own, and so closed with it
        shared.transport = Transport(self.settings, self._scope.codec, sharing)
        return self

    async def aclose(self) -> None:
        """Cancel a token refresh under way and close every connection; closing twice does nothing.

        A view made by `with_options` shares the pool and does not close it.
        """
        shared = self._shared
        if self._owner:
            shared.closed = True
            transport, shared.transport = shared.transport, None
            if transport is not None:
                await transport.aclose()
            sharing, shared.sharing = shared.sharing, None
            if sharing is not None:
                await sharing.aclose()

    async def __aenter__(self) -> Self:
        return await self.open() if self._owner else self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        """Show the class and its state alone."""
        shared = self._shared
        state = "closed" if shared.closed else "new" if shared.transport is None else "open"
        return f"<Welkin session, {state}>"

    def with_options(
        self, *, timeout: float = _UNSET, max_attempts: int = _UNSET, max_wait: float | None = _UNSET
    ) -> Self:
        """Return a view of this session whose calls have other options; pool, token and limits are shared.

        Args:
            timeout: Seconds an attempt may wait for the server.
            max_attempts: How many attempts in all.
            max_wait: Seconds the server's throttling may hold a call back; None for no bound.
        """
        view = object.__new__(type(self))
        view.settings = self.settings
        view._shared = self._shared
        view._owner = False
        given = {"timeout": timeout, "max_attempts": max_attempts, "max_wait": max_wait}
        changed: dict[str, Any] = {name: value for name, value in given.items() if value is not _UNSET}
        view._scope = attrs.evolve(self._scope, defaults=attrs.evolve(self._scope.defaults, **changed))
        return view

    @property
    def transport(self) -> Transport:
        """The open transport: for code that sends requests of its own, such as `bulk`.

        Raises:
            SessionError: the session is not open.
        """
        return self._shared.get()

    @property
    def stats(self) -> SessionStats:
        """A snapshot of the session: its engine, what it may send now, what was refused, tokens requested.

        Raises:
            SessionError: the session is not open.
        """
        return self._shared.get().stats

    @property
    def scope(self) -> Scope:
        """Where requests of this session start from: for code that builds its own, such as `bulk`."""
        return self._scope

    async def request(
        self,
        method: str,
        template: str,
        /,
        *,
        path: Mapping[str, Key] | None = None,
        query: Mapping[str, Any] | None = None,
        json: object = None,
        safe: bool | None = None,
        **options: Unpack[CallOptions],
    ) -> Answer:
        """Send any request: for operations that have no method here.

        Args:
            method: The HTTP verb.
            template: The path with parameters in braces, such as ``/{tenant}/{instance}/tasks/{task_id}``; it is what
                logs and errors show. ``{tenant}`` and ``{instance}`` are filled in.
            path: The other path parameters, not encoded.
            query: Query parameters by wire name; None is left out.
            json: The body; None for no body.
            safe: Whether it may be repeated after an attempt whose outcome is unknown; True for GET and HEAD, False
                for every other verb, where it is not given.
            options: See `CallOptions`.

        Returns:
            The answer: status, headers, and the parsed JSON in ``data``.

        Raises:
            RequestError: see `errors`.
            InvalidInputError: the verb, the template, a parameter or the body cannot be sent; nothing was.
        """
        verb = checked_method(method)
        check_template(template)
        if safe is None:
            safe = verb in ("GET", "HEAD")
        repeat = Repeat.SAFE if safe else Repeat.UNSAFE
        operation = Operation("request", verb, template, repeat, Shape.ANY)
        return await self._scope.within(**(path or {})).send(operation, query=query, body=json, options=options)
