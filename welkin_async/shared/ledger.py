"""Chunk ledger in a document store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from welkin_async.shared import chunk_state
from welkin_async.shared.documents import Document, DocumentStore, State, check_version, update
from welkin_async.shared.errors import LeaseLostError, StoreUnreachableError
from welkin_async.shared.lease import Lease, Moment, machine_clocks
from welkin_async.shared.protocols import Claim, RunState

T = TypeVar("T")

LEASE = 30.0  # seconds
_SERVERS = 5  # that may take the place of one another while a chunk is claimed


class DocumentLedger:
    """Chunk ledger in a document store; see `ChunkLedger`. Every step is decided and written by itself.

    Args:
        store: Where it is.
        lease: Seconds that a lease lasts; the same for all who use the ledger.
        clocks: Return the moment it is on this machine.

    Attributes:
        lease: Seconds that a lease lasts.
    """

    def __init__(
        self, store: DocumentStore, *, lease: float = LEASE, clocks: Callable[[], Moment] = machine_clocks
    ) -> None:
        self._store = store
        self.lease = lease
        self._clocks = clocks
        self._checked = False
        self._voids: dict[str, tuple[float, Moment]] = {}  # by run: when leases became void, and when that was seen

    async def open_run(self, run: str, identity: str) -> RunState:
        """Begin a run, or go on with it; see `ChunkLedger`."""
        await self._check()
        state = await update(
            self._store, _run(run), lambda state, read: chunk_state.open_run(state, identity, read.server)
        )
        return _known(run, state)

    async def run_state(self, run: str) -> RunState:
        """Return what is known of a run; see `ChunkLedger`."""
        return _known(run, await self._run_state(run))

    async def note(self, run: str, *, proved: bool, lag: float, keys_changed: bool) -> None:
        """Add to what is known of a run; see `ChunkLedger`."""
        await update(
            self._store,
            _run(run),
            lambda state, _: chunk_state.note(state, proved=proved, lag=lag, keys_changed=keys_changed),
        )

    async def claim(self, run: str, chunk: str, holder: str) -> Claim | None:
        """Claim a chunk; see `ChunkLedger`."""
        await self._check()
        for _ in range(_SERVERS):
            state = await self._run_state(run)
            asked = self._clocks()
            found = await update(self._store, _chunk(run, chunk), partial(self._claim, holder, state))
            if found is not None:
                break
        else:
            raise StoreUnreachableError("the shared store answers as one server and as another, in turn")
        claimed, now = found
        lease, quiet = self.lease, self._since_void(run, state["void_at"], asked) - self.lease
        if not claimed.taken and claimed.report is None:
            return None
        return Claim(
            chunk=chunk,
            holder=holder,
            fence=claimed.fence,
            attempt=claimed.attempt,
            begun=claimed.begun,
            age=max(0.0, now - claimed.begun),  # below that the clock was set back
            wait=claimed.wait,
            quiet=max(0.0, quiet) if claimed.void else 0.0,
            lease=Lease(asked, lease, self._clocks),
            run=_known(run, state),
            report=claimed.report,
        )

    def _claim(
        self, holder: str, run: State, held: State | None, read: Document
    ) -> tuple[State | None, tuple[chunk_state.Claimed, float] | None]:
        """Decide about a claim; not where another server answers than the one of which the run knows what it lacks."""
        if read.server != run["server"]:
            return None, None
        following, claimed = chunk_state.claim(
            held, holder, read.now, lease=self.lease, server=read.server, void_at=run["void_at"]
        )
        return following, (claimed, read.now)

    async def renew(self, run: str, claim: Claim) -> None:
        """Renew the lease of a claim, in place; see `ChunkLedger`."""
        asked = self._clocks()
        try:
            await self._change(
                run,
                claim.chunk,
                lambda state, read: chunk_state.renew(
                    state, claim.holder, read.now, lease=self.lease, server=read.server
                ),
            )
        except LeaseLostError:
            claim.lease.lose()
            raise
        claim.lease.renew(asked)

    async def release(self, run: str, chunk: str, holder: str) -> None:
        """End a lease early; see `ChunkLedger`."""
        await self._change(run, chunk, lambda state, read: chunk_state.release(state, holder, read.now))

    async def finish(self, run: str, claim: Claim, report: Mapping[str, Any]) -> None:
        """Note that a chunk is done; see `ChunkLedger`."""
        await self._change(
            run,
            claim.chunk,
            lambda state, read: chunk_state.finish(state, claim.holder, read.now, server=read.server, report=report),
        )

    async def chunks(self, run: str) -> AsyncIterator[tuple[str, Mapping[str, Any] | None, float]]:
        """Give the chunks that were begun; see `ChunkLedger`."""
        prefix = _chunk(run, "")
        for key in await self._store.keys(prefix):
            done = await update(self._store, key, lambda state, read: (None, (state or {}, read.now)))
            state, now = done
            report = state.get("report")
            # A clock that was set back meanwhile says nothing about how long it is.
            yield key.removeprefix(prefix), report, 0.0 if report is None else max(0.0, now - state["done"])

    async def finished(self, run: str) -> AsyncIterator[tuple[str, Mapping[str, Any], float]]:
        """Give the chunks that are done; see `ChunkLedger`."""
        async for chunk, report, age in self.chunks(run):
            if report is not None:
                yield chunk, report, age

    async def aclose(self) -> None:
        """Close the connection to the store."""
        await self._store.aclose()

    async def _change(
        self, run: str, chunk: str, decide: Callable[[State | None, Document], tuple[State | None, T]]
    ) -> T:
        return await update(self._store, _chunk(run, chunk), decide)

    async def _run_state(self, run: str) -> State:
        return await update(
            self._store, _run(run), lambda state, read: chunk_state.see_server(state, read.server, read.now)
        )

    def _since_void(self, run: str, void_at: float | None, now: Moment) -> float:
        """Return how long it has been known here that all leases of a run are void, by the clock that says the least.

        That is by no clock of the store's: it may be set, and holders count by their own.
        """
        if void_at is None:
            return 0.0
        if run not in self._voids or self._voids[run][0] != void_at:
            self._voids[run] = void_at, now
        return min(after - before for before, after in zip(self._voids[run][1], now, strict=True))

    async def _check(self) -> None:
        """See, once, that the store keeps what is written."""
        if not self._checked:
            await self._store.check_durable()
            await check_version(self._store)
            self._checked = True


def _run(run: str) -> str:
    return f"run:{run}"


def _chunk(run: str, chunk: str) -> str:
    """Return the key of a chunk: a run whose name goes on with a colon is another one, with other chunks."""
    return f"chunk:{run.replace('%', '%25').replace(':', '%3A')}:{chunk}"


def _known(run: str, state: State) -> RunState:
    return RunState(
        run=run,
        identity=state["identity"],
        proved=state["proved"],
        lag=state["lag"],
        keys_changed=state["keys_changed"],
    )
