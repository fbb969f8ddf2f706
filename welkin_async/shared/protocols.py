"""What processes share, as protocols: tokens and pace (see `http.sharing`), and the ledger of chunks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

import attrs

from welkin_async.http.sharing import SharedPace, SharedTokens
from welkin_async.shared.lease import Lease

__all__ = ["ChunkLedger", "Claim", "RunState", "SharedPace", "SharedTokens"]


@attrs.frozen(kw_only=True)
class RunState:
    """What the ledger knows of a run.

    Attributes:
        run: The run's id.
        identity: What it imports, and where: a run of the same id with another identity is refused.
        proved: Whether it is proved that the server keeps keys and that look-ups find them.
        lag: Seconds by which look-ups ran behind at most.
        keys_changed: Whether the server was seen to change keys, so that nothing may be sent a second time.
    """

    run: str
    identity: str
    proved: bool = False
    lag: float = 0.0
    keys_changed: bool = False


@attrs.frozen(kw_only=True)
class Claim:
    """A worker's claim to a chunk.

    Attributes:
        chunk: The chunk's id.
        holder: Names the worker's claim.
        fence: Counts the claims to the chunk; what is done under an older one is refused.
        attempt: How many workers have begun the chunk, this one included; above 1 its rows may have been sent.
        begun: Seconds of the store's clock at which the chunk was first begun.
        age: Seconds since then.
        wait: Seconds until the lease of the worker before has surely run out.
        quiet: Seconds for which it surely has, by this process' own clocks; 0.0 where that is not known.
        lease: How long this one lasts, on this process' own clocks.
        run: What is known of the run.
        report: What the worker that has done it reported; None while nobody has. Then nothing else counts.
    """

    chunk: str
    holder: str = ""
    fence: int = 0
    attempt: int = 0
    begun: float = 0.0
    age: float = 0.0
    wait: float = 0.0
    quiet: float = 0.0
    lease: Lease
    run: RunState
    report: Mapping[str, Any] | None = None


class ChunkLedger(Protocol):
    """Chunk ledger: which chunks of a run are begun, by whom, and done. It holds digests, ids, counts and times."""

    async def open_run(self, run: str, identity: str) -> RunState:
        """Begin a run, or go on with it. One process does, before any chunk of it is claimed.

        Args:
            run: The run's id.
            identity: What it imports, and where.

        Raises:
            LedgerError: the run has another identity, or the store cannot be relied on.
            StoreUnreachableError: the store does not answer.
        """
        ...

    async def run_state(self, run: str) -> RunState:
        """Return what is known of a run.

        Raises:
            LedgerError: there is no such run: it was not opened, or the ledger was emptied.
            StoreUnreachableError: the store does not answer.
        """
        ...

    async def note(self, run: str, *, proved: bool, lag: float, keys_changed: bool) -> None:
        """Add to what is known of a run; what was known stays, and the largest lag counts.

        Raises:
            LedgerError: there is no such run.
            StoreUnreachableError: the store does not answer.
        """
        ...

    async def claim(self, run: str, chunk: str, holder: str) -> Claim | None:
        """Claim a chunk.

        Args:
            run: The run's id.
            chunk: The chunk's id.
            holder: Names the claim; the same one may be made again where its answer was lost.

        Returns:
            The claim; None while another worker's lease lasts.

        Raises:
            LedgerError: there is no such run, or the store cannot be relied on.
            StoreUnreachableError: the store does not answer.
        """
        ...

    async def renew(self, run: str, claim: Claim) -> None:
        """Renew the lease of a claim, in place.

        Raises:
            LeaseLostError: it is another's by now, or the store is not the one it was.
            StoreUnreachableError: the store does not answer; the lease goes on to its end.
        """
        ...

    async def release(self, run: str, chunk: str, holder: str) -> None:
        """End a lease early, because its holder sends nothing more.

        Raises:
            StoreUnreachableError: the store does not answer; the lease runs out by itself.
        """
        ...

    async def finish(self, run: str, claim: Claim, report: Mapping[str, Any]) -> None:
        """Note that a chunk is done.

        Args:
            run: The run's id.
            claim: Under which it was done.
            report: What came of it, as JSON values.

        Raises:
            LeaseLostError: the chunk is another worker's by now: what that one finds counts.
            StoreUnreachableError: the store does not answer.
        """
        ...

    def chunks(self, run: str) -> AsyncIterator[tuple[str, Mapping[str, Any] | None, float]]:
        """Give the chunks that were begun: their ids, reports and seconds since they were done.

        Of one that is not done the report is None, and no seconds have passed.

        Raises:
            StoreUnreachableError: the store does not answer.
        """
        ...

    def finished(self, run: str) -> AsyncIterator[tuple[str, Mapping[str, Any], float]]:
        """Give the chunks among them that are done.

        Raises:
            StoreUnreachableError: the store does not answer.
        """
        ...

    async def aclose(self) -> None:
        """Close the connection to the store."""
        ...
