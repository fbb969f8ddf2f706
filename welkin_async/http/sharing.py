"""Sharing between processes: what a session needs of a store that others use too.

The implementations are in `welkin_async.shared`; a session knows these protocols alone.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

import attrs

from welkin_async.http.auth.token_store import StoredToken

REPORT_INTERVAL = 0.2
"""Seconds between two reports of a session that sends, where others do too."""


class SharedTokens(Protocol):
    """Shared tokens: a token store of several processes, which also counts their token requests.

    It is a `TokenStore` whose lock is a lease: a holder that dies is overtaken.
    """

    async def load(self, key: str) -> StoredToken | None:
        """Return what was saved under a key, with its age by the store's clock; None where there is nothing."""
        ...

    async def save(self, key: str, token: StoredToken) -> None:
        """Keep a token under a key."""
        ...

    def lock(self, key: str) -> AbstractAsyncContextManager[object]:
        """Return a lease that all who share the store respect: one of them asks, and the others read."""
        ...

    async def reserve(self, key: str) -> float:
        """Count a token request that is about to be made.

        Args:
            key: Names what the token is for.

        Returns:
            Seconds until one may be made; 0.0 where it may now, which is counted then.
        """
        ...


@attrs.frozen(kw_only=True)
class PaceReport:
    """What a session has sent since its last report.

    Attributes:
        member: Names the session.
        seconds: Over which it was counted.
        sent: Requests that went out.
        waiting: Requests that wait to go out.
        accepted: Requests that the server dealt with.
        refused: Requests that it refused for the rate (429), without probes in a pause, and what was out when it began.
        rate: Requests per second that all may send together, as this session was told; None for no bound.
        paused: Whether it pauses, because most of its requests in a row were refused.
        leaving: Whether it sends nothing more for now, and gives its share back.
    """

    member: str
    seconds: float
    sent: int
    waiting: int
    accepted: int = 0
    refused: int = 0
    rate: float | None = None
    paused: bool = False
    leaving: bool = False


@attrs.frozen
class PaceShare:
    """A session's share of what all may send.

    Attributes:
        rate: Requests per second; None for no bound, as long as the server sets none.
        lasts: Seconds from the report for which it is the session's own.
        every: Seconds until the next report is wanted, while nothing changes.
    """

    rate: float | None
    lasts: float
    every: float = REPORT_INTERVAL


class SharedPace(Protocol):
    """Shared pace: divides among sessions what all may send together."""

    async def report(self, key: str, report: PaceReport) -> PaceShare:
        """Take in what a session has sent, and return its share.

        Args:
            key: Names what the pace is for: base URL, tenant and api client.
            report: What was sent.
        """
        ...


class Sharing(Protocol):
    """What the sessions of several processes share."""

    @property
    def tokens(self) -> SharedTokens:
        """Their tokens."""
        ...

    @property
    def pace(self) -> SharedPace:
        """Their pace."""
        ...

    async def aclose(self) -> None:
        """Close the connection to the store."""
        ...
