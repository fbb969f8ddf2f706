"""Redis store (extra ``redis``): for tokens and pace, and for a ledger where it writes every change to disk."""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from welkin_async.errors import ConfigurationError
from welkin_async.shared.documents import Document
from welkin_async.shared.errors import LedgerError, SharedStoreError, StoreUnreachableError

if TYPE_CHECKING:
    from redis.asyncio import Redis

_PATIENCE = 5.0  # seconds until a command counts as not answered
_PREFIX = "welkin_async:"
_DATABASE = re.compile(r"/?\d*").fullmatch
_STAMP = 16  # characters before the value
# One command, and of all that INFO says the one thing that is asked: reading it here cost as much as a create.
_LOAD = """
local time = redis.call('TIME')
local server = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
return {redis.call('GET', KEYS[1]), time[1], time[2], server}
"""
_SWAP = """
local held = redis.call('GETRANGE', KEYS[1], 0, 15)
if held ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""
_WANTED = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


class RedisStore:
    """Redis store; its clock is the server's ``TIME``.

    Args:
        url: ``redis://host:port/database``, or ``rediss://`` for TLS.

    Raises:
        ConfigurationError: the ``redis`` extra is not installed, or its driver does not take the URL.
    """

    def __init__(self, url: str) -> None:
        if not find_spec("redis"):
            raise ConfigurationError("redis:// needs the `redis` extra: pip install 'welkin-async[redis]'")
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import RedisError

        once_more = Retry(NoBackoff(), 1)  # over a new connection, where an idle one has been closed
        made: list[Redis] = []
        with contextlib.suppress(ValueError, TypeError, RedisError):  # what they say quotes the URL
            client = Redis.from_url(url, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE, retry=once_more)
            pool: Any = client.connection_pool
            pool.make_connection()  # made, not opened: it looks at the rest of the URL
            # A path that is no number would be the first database.
            if _DATABASE(urlsplit(url).path) and not pool.connection_kwargs.get("decode_responses"):
                made.append(client)
        if not made:
            raise ConfigurationError(
                "shared is redis://user:password@host:port/database, with a number for the database, what is special "
                "in user or password percent-encoded, and options that redis-py knows, but for decode_responses"
            )
        self._client = made[0]

    async def load(self, key: str) -> Document:
        """Read a document; see `DocumentStore`."""
        client: Any = self._client
        async with _Told():
            held, seconds, micros, *named = await client.eval(_LOAD, 1, _PREFIX + key)
        if not named:
            raise SharedStoreError("Redis does not say which server it is: INFO has no run_id")
        now, server = int(seconds) + int(micros) / 1e6, named[0].decode()
        if held is None:
            return Document(None, "", now, server)
        return Document(held[_STAMP:], held[:_STAMP].decode(), now, server)

    async def swap(self, key: str, stamp: str, value: bytes) -> bool:
        """Write a document if it still has a stamp; see `DocumentStore`."""
        new = secrets.token_hex(_STAMP // 2).encode()
        client: Any = self._client
        async with _Told():
            return bool(await client.eval(_SWAP, 1, _PREFIX + key, stamp, new + value))

    async def keys(self, prefix: str) -> Sequence[str]:
        """Return the keys that begin with a text; see `DocumentStore`."""
        async with _Told():
            pattern = _PREFIX + "".join(f"\\{each}" if each in "*?[]^\\" else each for each in prefix)
            found = [key async for key in self._client.scan_iter(match=f"{pattern}*", count=1000)]
        return sorted(key.decode().removeprefix(_PREFIX) for key in found)

    async def create_schema(self) -> None:
        """Redis needs none; see `DocumentStore`."""

    async def check_durable(self) -> None:
        """See that every change is on disk before it is answered, and none is evicted; see `DocumentStore`."""
        from redis.exceptions import ResponseError

        client: Any = self._client
        try:
            async with _Told():
                settings = {name: (await client.config_get(name)).get(name) for name in _WANTED}
        except (SharedStoreError, ResponseError) as error:
            if isinstance(error, StoreUnreachableError):
                raise
            raise LedgerError("Redis keeps a ledger only where CONFIG GET shows that nothing is lost") from None
        wrong = [f"{name} {wanted}" for name, wanted in _WANTED.items() if settings[name] != wanted]
        if wrong:
            raise LedgerError(f"Redis keeps a ledger only with {', '.join(wrong)}")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class _Told:
    """Says in the package's own errors what goes wrong, without the URL."""

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from redis import exceptions

        if isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError | OSError):
            raise StoreUnreachableError(f"Redis cannot be reached ({type(error).__name__})") from None
        if isinstance(error, exceptions.RedisError):
            raise SharedStoreError(f"Redis refused a command ({type(error).__name__})") from None
