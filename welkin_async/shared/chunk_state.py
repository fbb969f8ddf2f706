"""Chunk states: the decisions of the ledger. Pure: states and the store's clock are handed in.

A run is one document, a chunk another. A lease in a chunk's document ends by the store's clock; its holder counts it
from before it was asked for, and so sees it end first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from welkin_async.shared.documents import State
from welkin_async.shared.errors import LeaseLostError, LedgerError

UNKNOWN_RUN = "the ledger knows no such run: it was not opened there, or the ledger was emptied while the run went on"
_ELSEWHERE = "the chunk went to another worker, whose findings count"


class Claimed(NamedTuple):
    """What a claim comes to.

    Attributes:
        taken: Whether the chunk is the holder's; False while another's lease lasts.
        fence: Counts claims.
        attempt: Counts the workers that have begun the chunk.
        begun: When the first did, by the store's clock.
        wait: Seconds until the lease before has surely run out.
        void: Whether whoever had begun it before did so by leases that are void, and nobody has since.
        report: Of the worker that has done it, or None.
    """

    taken: bool
    fence: int = 0
    attempt: int = 0
    begun: float = 0.0
    wait: float = 0.0
    void: bool = False
    report: Mapping[str, Any] | None = None


def open_run(state: State | None, identity: str, server: str) -> tuple[State | None, State]:
    """Begin a run, or go on with it.

    Args:
        state: Of the run; None where there is none.
        identity: What it imports, and where.
        server: Which server answered.

    Returns:
        The next state, None to leave it, and the state it has then.

    Raises:
        LedgerError: it has another identity.
    """
    if state is None:
        state = {
            "identity": identity, "server": server, "proved": False, "lag": 0.0, "keys_changed": False, "void_at": None
        }  # fmt: skip
        return state, state
    if state["identity"] != identity:
        raise LedgerError("the ledger has a run of this name that imports something else, or elsewhere; name another")
    return None, state


def see_server(state: State | None, server: str, now: float) -> tuple[State | None, State]:
    """Hold the server that answered against the one that was written to: another may lack what was written.

    Args:
        state: Of the run.
        server: Which server answered.
        now: Seconds of the store's clock.

    Returns:
        The next state, None to leave it, and the state it has then; ``void_at`` is when all leases became void.

    Raises:
        LedgerError: there is no such run.
    """
    if state is None:
        raise LedgerError(UNKNOWN_RUN)
    if state["server"] == server:
        return None, state
    state |= {"server": server, "void_at": now}
    return state, state


def note(state: State | None, *, proved: bool, lag: float, keys_changed: bool) -> tuple[State | None, None]:
    """Add to what is known of a run.

    Raises:
        LedgerError: there is no such run.
    """
    if state is None:
        raise LedgerError(UNKNOWN_RUN)
    known = {
        "proved": proved or state["proved"],
        "lag": max(lag, state["lag"]),
        "keys_changed": keys_changed or state["keys_changed"],
    }
    return (None if known.items() <= state.items() else {**state, **known}), None


def claim(
    state: State | None, holder: str, now: float, *, lease: float, server: str, void_at: float | None
) -> tuple[State | None, Claimed]:
    """Claim a chunk.

    Args:
        state: Of the chunk; None where nobody has begun it, as far as the store knows.
        holder: Names the claim.
        now: Seconds of the store's clock.
        lease: Seconds that a lease lasts.
        server: Which server answered.
        void_at: When all leases of the run became void, because another server answered; None for never.

    Returns:
        The next state, None to leave it, and what the claim comes to.
    """
    if state is not None and state.get("report") is not None:
        return None, Claimed(False, report=state["report"])
    # What another server has lost is not known: anybody may have begun the chunk, up to that moment and for a lease.
    # Before that moment the clock was set back: it is not more than a lease either.
    wait = 0.0 if void_at is None else min(lease, max(0.0, void_at + lease - now))
    if state is None:
        fence, attempt, begun = 1, 1 if void_at is None else 2, now if void_at is None else min(now, void_at)
        void = void_at is not None
    else:
        void = state["server"] != server
        mine = state["holder"] == holder and not void
        # One that ends later than it lasts was given before the clock was set back.
        standing = now < state["until"] <= now + state["lease"] and not void
        if standing and not mine:
            return None, Claimed(False)
        fence, attempt, begun = state["fence"] + (not mine), state["attempt"] + (not mine), state["begun"]
        if not mine:
            wait = max(wait, min(state["lease"], state["until"] - now))
    state = {
        "holder": holder,
        "fence": fence,
        "attempt": attempt,
        "begun": begun,
        "until": now + lease,
        "lease": lease,
        "server": server,
    }
    return state, Claimed(True, fence, attempt, begun, max(0.0, wait), void)


def renew(state: State | None, holder: str, now: float, *, lease: float, server: str) -> tuple[State, None]:
    """Renew a lease.

    Raises:
        LeaseLostError: the chunk is another's, or another server answered.
    """
    state = held(state, holder, server)
    return {**state, "until": now + lease, "lease": lease}, None


def held(state: State | None, holder: str, server: str) -> State:
    """Return the state of a chunk that a holder holds.

    Raises:
        LeaseLostError: the chunk is another's, is done, or another server answered.
    """
    if state is None or state["holder"] != holder or state.get("report") is not None:
        raise LeaseLostError(_ELSEWHERE)
    if state["server"] != server:
        raise LeaseLostError("another server keeps the ledger by now, or another history of it: every lease is void")
    return state


def release(state: State | None, holder: str, now: float) -> tuple[State | None, None]:
    """End a lease early."""
    if state is None or state["holder"] != holder or state.get("report") is not None:
        return None, None
    return {**state, "until": min(now, state["until"])}, None


def finish(
    state: State | None, holder: str, now: float, *, server: str, report: Mapping[str, Any]
) -> tuple[State | None, None]:
    """Note that a chunk is done; noted once more by the same holder, whose answer was lost, it changes nothing.

    Raises:
        LeaseLostError: the chunk is another's, or another server answered.
    """
    if state is not None and state["holder"] == holder and state.get("report") is not None:
        return None, None
    return {**held(state, holder, server), "report": {**report}, "done": now}, None
