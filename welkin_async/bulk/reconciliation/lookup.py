"""Look-up: one query for what the server holds, and whether it was answered at all."""

from __future__ import annotations

from collections.abc import Awaitable, Container, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from welkin_async.bulk.keys.protocol import Keys, says_not_found
from welkin_async.errors import AuthenticationError, NotFoundError, PagingError, RejectedError, RequestError
from welkin_async.wire.records import detached


class Server(Protocol):
    """Knows whether the server is there."""

    @property
    def held(self) -> bool:
        """Whether no row is sent, because it is thought down."""
        ...

    async def down(self) -> bool:
        """Tell whether it is not, by trying: asked after a look-up that failed."""
        ...

    def reached(self) -> None:
        """Note that it has answered."""
        ...


class Looked(NamedTuple):
    """What came of a look-up.

    Attributes:
        records: What is there; None where that is not known, because the list moved or the look-up was refused.
        answered: Whether the server was there; if not, the look-up counts for nothing.
        error: Why it was refused, where it was.
    """

    records: Sequence[Any] | None
    answered: bool
    error: RequestError | None = None


def is_silence(error: RequestError) -> bool:
    """Tell whether an error may mean that the server is not there; a refusal is an answer."""
    return not isinstance(error, RejectedError | AuthenticationError)


async def look(listing: Awaitable[Sequence[Any] | None], server: Server | None) -> Looked:
    """Make a look-up, and tell one that cannot succeed from one that met a server that is not there.

    Args:
        listing: The look-up; None where it is not complete.
        server: Knows whether the server is there; None where that is not known, so that every look-up counts.

    Raises:
        AuthenticationError: the server refused the token, so that no look-up will ever be answered.
        SessionError: the session is closed.
    """
    try:
        records = await listing
    except PagingError:
        records = None  # the list moved while it was walked
    except AuthenticationError:
        raise
    except RequestError as error:
        gone = is_silence(error) and server is not None and await server.down()
        return Looked(None, not gone, error)
    if server is not None:
        server.reached()
    return Looked(records, answered=True)


def group_by_key(records: Iterable[Any], keys: Keys, wanted: Container[str] | None = None) -> dict[str, list[Any]]:
    """Return records by the key they carry, leaving out those without one.

    Args:
        records: What a look-up has shown.
        keys: Reads their keys.
        wanted: The keys that are looked for, whose records are returned without the pages they came in; None for all.

    Raises:
        DecodeError: a record's key cannot be read, so that it may be any.
    """
    by_key: dict[str, list[Any]] = {}
    for record in records:
        key = keys.key_of(record)
        if key is not None and (wanted is None or key in wanted):
            by_key.setdefault(key, []).append(record if wanted is None else detached(record))
    return by_key


async def is_gone(keys: Keys, group: str, id: str) -> bool:
    """Tell whether a record is not there, as the server says itself: another 404, or any other error, says nothing.

    Args:
        keys: Reads records.
        group: Whose record it is.
        id: The record.
    """
    try:
        await keys.read(group, id)
    except NotFoundError as error:
        return says_not_found(error)
    except RequestError:
        return False
    return False
