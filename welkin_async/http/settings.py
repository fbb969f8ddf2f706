"""Settings: what a session needs to know, from arguments or ``WELKIN_*`` variables."""

from __future__ import annotations

import ipaddress
import os
import ssl as _ssl
from collections.abc import Callable, Mapping
from typing import Any

import attrs
from yarl import URL

from welkin_async.errors import ConfigurationError, InvalidInputError
from welkin_async.http.auth.token_store import MemoryTokenStore, TokenStore
from welkin_async.http.instrumentation import Attempt, Instrumentation
from welkin_async.http.sharing import Sharing
from welkin_async.wire.request import encode_segment

_FROM_ENVIRONMENT = ("tenant", "instance", "api_client", "secret_key", "environment", "base_url", "engine", "shared")
_ENVIRONMENTS = ("live", "sandbox")
_ENGINES = ("aiohttp", "direct", "auto")


@attrs.frozen(kw_only=True)
class Settings:
    """Everything a session is built from; `read` fills in the environment's part and checks it.

    Attributes:
        tenant: The tenant's name, ``WELKIN_TENANT``.
        instance: The instance within it, such as ``sb-demo``, ``WELKIN_INSTANCE``.
        api_client: The api client's name, ``WELKIN_API_CLIENT``.
        secret_key: Its secret, ``WELKIN_SECRET_KEY``; never shown.
        base_url: Scheme and host, without tenant; made from the environment where it is not given.
        timeout: Seconds until the answer to an attempt begins, the making of a connection included, which gets 10 at
            most; an answer that has begun may take twice as long for the rest.
        max_attempts: How many attempts a call makes in all where they fail; throttled ones do not count.
        max_wait: Seconds the server's throttling may hold one call back; None for no bound.
        rate: Requests per second the session allows itself; None for no bound.
        concurrency: Requests out at once; None for as many as there may be open files, until the server is overloaded.
        token_store: Where tokens are kept.
        ssl: An SSL context of one's own, such as one that trusts a hospital's proxy; None for the default.
        proxy: A proxy's URL; None for none.
        trust_env: Whether to take the proxy from ``HTTPS_PROXY`` and ``NO_PROXY``.
        engine: What speaks HTTP, ``WELKIN_ENGINE``: ``aiohttp``, ``direct``, or ``auto`` for direct where it can run.
        max_answer: Bytes an answer may have at most, as it was sent and once it was inflated. An error, and the answer
            to a token call, may have 1 MiB; a download has a bound of its own.
        on_attempt: Called with an `Attempt` after each request on the wire, for metrics.
        instrumentation: Follows each call, for traces and metrics; None for nothing.
        shared: The store by which processes share token and pace, as a URL (``WELKIN_SHARED``) or as what
            `welkin_async.shared.coordination` returned; None for nothing.
    """

    tenant: str
    instance: str
    api_client: str
    secret_key: str = attrs.field(repr=False)
    base_url: str
    timeout: float = 30.0
    max_attempts: int = 5
    max_wait: float | None = 60.0
    rate: float | None = None
    concurrency: int | None = None
    token_store: TokenStore = attrs.field(factory=MemoryTokenStore)
    ssl: _ssl.SSLContext | None = None
    proxy: str | None = attrs.field(default=None, repr=False)
    trust_env: bool = False
    engine: str = "aiohttp"
    max_answer: int = 64 << 20
    on_attempt: Callable[[Attempt], None] | None = None
    instrumentation: Instrumentation | None = None
    shared: str | Sharing | None = attrs.field(default=None, repr=False)  # a URL may have a password in it

    @classmethod
    def read(cls, given: Mapping[str, Any], variables: Mapping[str, str] | None = None) -> Settings:
        """Take what is given, and the rest from the environment.

        Args:
            given: Arguments by name; None counts as not given.
            variables: The environment; ``os.environ`` by default.

        Returns:
            Checked settings.

        Raises:
            ConfigurationError: a setting is missing or does not fit; the text names it and where it can be set.
        """
        variables = os.environ if variables is None else variables
        values = {name: value for name, value in given.items() if value is not None}
        given_here = set(values)
        for name in _FROM_ENVIRONMENT:
            if name == "base_url" and "environment" in given_here:
                continue
            if name not in values and (found := variables.get(f"WELKIN_{name.upper()}")):
                values[name] = found
        environment = values.pop("environment", "live")
        if environment not in _ENVIRONMENTS:
            raise ConfigurationError(
                "environment is 'live' or 'sandbox' (argument environment=, variable WELKIN_ENVIRONMENT); "
                "for another host set base_url= or WELKIN_BASE_URL"
            )
        values.setdefault("base_url", f"https://api.{environment}.welkincloud.io")
        for name in ("tenant", "instance", "api_client", "secret_key"):
            if values.get(name) in (None, ""):
                raise ConfigurationError(
                    f"{name} is missing: pass {name}= to Welkin, or set the variable WELKIN_{name.upper()}"
                )
        _check_types(values)
        values["base_url"] = _checked_base(values["base_url"])
        if values.get("engine", "aiohttp") not in _ENGINES:
            raise ConfigurationError(
                "engine is 'aiohttp', 'direct' or 'auto' (argument engine=, variable WELKIN_ENGINE)"
            )
        if not isinstance(values.get("ssl"), _ssl.SSLContext | None):  # False would have no certificate checked
            raise ConfigurationError("ssl is an ssl.SSLContext, or None for the default one (argument ssl=)")
        if "proxy" in values:
            values["proxy"] = checked_proxy(values["proxy"])
        if "max_wait" in given and given["max_wait"] is None:
            values["max_wait"] = None
        settings = cls(**values)
        _check_numbers(settings)
        for name in ("tenant", "instance", "api_client"):
            try:
                encode_segment(getattr(settings, name), name)
            except InvalidInputError as error:
                raise ConfigurationError(f"{name} does not fit: {error.reason}") from None
        try:
            settings.secret_key.encode()
        except UnicodeEncodeError:
            raise ConfigurationError("secret_key is not text that UTF-8 can say") from None
        return settings


_NUMBER = (int, float)
_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    **dict.fromkeys(
        ("tenant", "instance", "api_client", "secret_key", "base_url", "proxy", "engine"), ((str,), "text")
    ),
    **dict.fromkeys(("timeout", "max_wait", "rate"), (_NUMBER, "a number")),
    **dict.fromkeys(("max_attempts", "concurrency"), ((int,), "an integer")),
    "trust_env": ((bool,), "True or False"),
}


def _check_types(values: Mapping[str, Any]) -> None:
    """Refuse what is of another type than a setting has; the text does not quote it."""
    for name, value in values.items():
        kinds, words = _TYPES.get(name, ((object,), ""))
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds and object not in kinds):
            raise ConfigurationError(f"{name} is {words}, not {type(value).__name__}")
    if not callable(values.get("on_attempt", callable)):
        raise ConfigurationError("on_attempt is a function")
    for name in ("call", "row"):
        if "instrumentation" in values and not callable(getattr(values["instrumentation"], name, None)):
            raise ConfigurationError("instrumentation has call and row; see Instrumentation")
    for name in ("load", "save", "lock"):
        if "token_store" in values and not callable(getattr(values["token_store"], name, None)):
            raise ConfigurationError("token_store has load, save and lock; see TokenStore")


def _checked_base(base_url: str) -> str:
    """Return scheme and host, refusing what would send credentials elsewhere or in the clear."""
    try:
        url = URL(base_url)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigurationError(
            "base_url is scheme and host, such as https://api.live.welkincloud.io (WELKIN_BASE_URL)"
        )
    if url.user or url.password or url.query_string or url.fragment or url.path not in ("", "/"):
        raise ConfigurationError("base_url is scheme and host alone: no path, tenant, user or query (WELKIN_BASE_URL)")
    if url.scheme == "http" and not _is_loopback(url.host):
        raise ConfigurationError("base_url must be https; http is for a server on this machine only (WELKIN_BASE_URL)")
    return str(url.origin())


def checked_proxy(proxy: str) -> str:
    """Return a proxy's URL, refusing what is none.

    Args:
        proxy: Such as ``http://proxy.hospital.example:3128``, with a user and password where it wants them.

    Raises:
        ConfigurationError: it is no http or https URL with a host; the text does not quote it.
    """
    try:
        url = URL(proxy)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigurationError("proxy is a URL, such as http://proxy.example:3128 (argument proxy=, or HTTPS_PROXY)")
    return proxy


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_numbers(settings: Settings) -> None:
    if not 0 < settings.timeout < float("inf"):
        raise ConfigurationError("timeout is a number of seconds above 0")
    if settings.max_attempts < 1:
        raise ConfigurationError("max_attempts counts the first attempt too: at least 1")
    if settings.max_wait is not None and not settings.max_wait >= 0:
        raise ConfigurationError("max_wait is a number of seconds, 0 or more, or None for no bound")
    if settings.rate is not None and not settings.rate > 0:
        raise ConfigurationError("rate is a number of requests per second above 0, or None for no bound")
    if settings.concurrency is not None and settings.concurrency < 1:
        raise ConfigurationError("concurrency is at least 1, or None for no bound")
    if settings.max_answer < 1:
        raise ConfigurationError("max_answer is a number of bytes above 0")
