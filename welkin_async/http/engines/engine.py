"""Engine protocol: one request out, one answer in, and nothing repeated."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from multidict import CIMultiDict
from yarl import URL

from welkin_async._version import __version__
from welkin_async.http.attempt import Reply
from welkin_async.wire.exchange import Exchange
from welkin_async.wire.request import Streamed

KEEP_ALIVE = 45.0
"""Seconds an idle connection is kept; below the 60 after which a load balancer of AWS drops it."""
DNS_CACHE = 60
"""Seconds for which the addresses of a host are kept."""
BODY_SHARE = 2.0
"""How many times an attempt's timeout the rest of an answer may take that has begun."""
OWN_HEADERS = {"Accept": "application/json", "User-Agent": f"welkin_async/{__version__}"}
"""What every request states beside its token."""
SMALL_ANSWER = 1 << 20
"""Bytes that an error, or the answer to a token call, may have at most."""

_CONNECT = 10.0  # seconds at most for a connection, DNS and TLS included
_CONNECT_SHARE = 0.8  # of an attempt's timeout, the most that making a connection may take


def connect_timeout(timeout: float) -> float:
    """Return how many seconds making a connection may take.

    That is less than the attempt has: a connection that is not made must be known as such, for then nothing was sent.

    Args:
        timeout: The attempt's timeout in seconds.
    """
    return min(_CONNECT, _CONNECT_SHARE * timeout)


def answer_limit(status: int, max_answer: int) -> int:
    """Return how many bytes an answer may have, as it was sent and once it was inflated.

    Args:
        status: Its HTTP status: what is no success is short.
        max_answer: How many a success may have.
    """
    return max_answer if 200 <= status < 300 else min(max_answer, SMALL_ANSWER)


class NotPermittedError(Exception):
    """The request was not sent, because its permit was refused when its connection was there."""


class Engine(Protocol):
    """Exchanges requests for answers over connections of its own. Bound to the event loop it was made on.

    An engine judges nothing: it returns what the server answered, whatever the status, or raises one of aiohttp's
    exceptions, which `judge_error` reads. A call sends at most one request, so that repeating stays with the transport.
    """

    @property
    def name(self) -> str:
        """What ``Welkin(engine=...)`` calls it."""
        ...

    def exchange(
        self,
        method: str,
        url: URL,
        body: bytes | None,
        headers: CIMultiDict[str],
        timeout: float,
        started: float,
        fresh: bool = False,
        via: Exchange | None = None,
        max_answer: int | None = None,
        permit: Callable[[], bool] | None = None,
    ) -> Coroutine[Any, Any, Reply]:
        """Send one request and read its whole answer.

        Args:
            method: The HTTP verb.
            url: The URL, percent-encoded already.
            body: The bytes to send, or None.
            headers: Headers beside the engine's own; not changed once they were handed in.
            timeout: Seconds until the answer begins; one that has begun may take twice as long for the rest.
            started: The moment, on the loop's clock.
            fresh: Whether it goes over a new connection, which is closed afterwards.
            via: The exchange whose connection it goes over, if that is idle.
            max_answer: Bytes the answer may have at most; None for the session's setting.
            permit: Asked on the connection, before the first byte, whether it may go out; None where it always may.

        Returns:
            Status, headers and body, and which answer on which connection it is; redirects are not followed, because
            the token must not travel.

        Raises:
            aiohttp.ClientConnectorError: no connection was had, so nothing was sent; likewise its subclasses for DNS
                and TLS, and aiohttp.ConnectionTimeoutError.
            NotPermittedError: it may not go out; nothing was sent.
            AnswerTooLargeError: the answer is larger than allowed; the server may have acted.
            aiohttp.ClientError: the answer did not come, or is no sound HTTP; the server may have acted.
            asyncio.TimeoutError: the answer did not come in time; the server may have acted.
        """
        ...

    async def transfer(
        self,
        method: str,
        url: URL,
        stream: Streamed,
        headers: CIMultiDict[str],
        timeout: float,
        *,
        fresh: bool = False,
    ) -> Reply:
        """Send one request whose body, or whose answer's body, passes through a stream.

        Args:
            method: The HTTP verb.
            url: The URL, percent-encoded already.
            stream: Sends, or receives.
            headers: Headers beside the engine's own and the stream's.
            timeout: Seconds within which there must be some progress; a transfer may take as long as it needs.
            fresh: Whether it goes over a new connection, which is closed afterwards.

        Returns:
            Status and headers, with a body only where the stream did not take it.

        Raises:
            StreamError: the stream's own end failed.
            AnswerTooLargeError: the answer has more than the stream's ``max_size``.
            aiohttp.ClientError: as for `exchange`.
            asyncio.TimeoutError: as for `exchange`.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection; requests that are out end as lost."""
        ...
