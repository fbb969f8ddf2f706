"""Coordination: what processes share, by one URL."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from welkin_async.errors import ConfigurationError
from welkin_async.shared.documents import DocumentStore, create
from welkin_async.shared.ledger import LEASE, DocumentLedger
from welkin_async.shared.pace import DocumentPace
from welkin_async.shared.sealing import TokenSeal
from welkin_async.shared.tokens import DocumentTokens
from welkin_async.wire.tracebacks import without_frames

_SCHEMES = {
    "sqlite": "sqlite", "postgresql": "postgres", "postgres": "postgres", "redis": "redis", "rediss": "redis"
}  # fmt: skip


class Coordination:
    """Coordination: tokens, pace and ledger in one store; made by `coordination`, used on one event loop.

    It can be pickled: the other process opens a connection of its own.

    Attributes:
        tokens: Shared tokens.
        pace: Shared pace.
        ledger: The ledger of chunks.
    """

    def __init__(self, url: str, lease: float, seal: TokenSeal) -> None:
        self._url = url
        self._lease = lease
        self._stores = [open_store(url) for _ in range(2)]  # a long statement of the ledger holds up no share
        self.tokens = DocumentTokens(self._stores[0], seal)
        self.pace = DocumentPace(self._stores[0])
        self.ledger = DocumentLedger(self._stores[1], lease=lease)

    def __repr__(self) -> str:
        """Show the kind of store: the URL may have a password in it."""
        return f"<Coordination by {_SCHEMES[urlsplit(self._url).scheme]}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return coordination, (self._url, self._lease)

    async def init(self) -> None:
        """Set the store up; done again it changes nothing.

        Raises:
            StoreUnreachableError: the store does not answer.
            SharedStoreError: another version of this package has set it up, or it may not be.
        """
        await create(self._stores[0])

    async def aclose(self) -> None:
        """Close the connections to the store."""
        for store in self._stores:
            await store.aclose()


@without_frames
def coordination(url: str, lease: float = LEASE, *, variables: Mapping[str, str] | None = None) -> Coordination:
    """Return what processes share, by a URL; nothing is connected to yet.

    Args:
        url: ``sqlite:///path`` for the processes of one machine (four slashes for an absolute path),
            ``postgresql://...`` (extra ``postgres``), or ``redis://...`` (extra ``redis``).
        lease: Seconds that the lease of a chunk lasts; the same for all who use the ledger.
        variables: The environment, where ``WELKIN_SHARED_KEY`` is; ``os.environ`` by default.

    Raises:
        ConfigurationError: the URL does not fit, the extra it needs is not installed, or the key is none.
    """
    check_url(url)
    if not 0.0 < lease < float("inf"):
        raise ConfigurationError("lease is a number of seconds above 0")
    return Coordination(url, lease, TokenSeal(variables))


def check_url(url: str) -> None:
    """Check that a URL names a store.

    Args:
        url: See `coordination`.

    Raises:
        ConfigurationError: it does not; the text does not quote it.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    kind = _SCHEMES.get(parts.scheme)
    if kind == "sqlite" and (parts.query or parts.fragment):
        raise ConfigurationError("shared: ? and # in the path of a sqlite URL are written %3F and %23")
    if kind is None or (kind == "sqlite" and (parts.netloc or len(parts.path) < 2 or "%00" in parts.path)):
        raise ConfigurationError(
            "shared is sqlite:///path, postgresql://user@host/database or redis://host:port (argument shared=, "
            "variable WELKIN_SHARED)"
        )


def sqlite_url(path: Path) -> str:
    """Return the URL of a file, whatever characters its name has.

    Args:
        path: Of the file.
    """
    return f"sqlite:///{quote(str(path), errors='surrogateescape')}"


def open_store(url: str) -> DocumentStore:
    """Return the store of a URL that was checked; nothing is connected to yet.

    Args:
        url: See `coordination`.

    Raises:
        ConfigurationError: the extra it needs is not installed, or its driver does not take the URL.
    """
    parts = urlsplit(url)
    kind = _SCHEMES[parts.scheme]
    if kind == "sqlite":
        from welkin_async.shared.stores.sqlite import SqliteStore

        return SqliteStore(Path(unquote(parts.path[1:], errors="surrogateescape")))
    if kind == "postgres":
        from welkin_async.shared.stores.postgres import PostgresStore

        return PostgresStore(url)
    from welkin_async.shared.stores.redis import RedisStore

    return RedisStore(url)
