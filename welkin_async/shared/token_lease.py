"""Token lease: who may ask for a token, and how many were asked for. Pure: states and the store's clock are handed in.

All that is known of a token is one document: the lease of who is asking, the token of the last who did, and when
tokens were asked for.
"""

from __future__ import annotations

from welkin_async.shared.documents import State

LEASE = 5.0  # seconds after which a holder that does not renew its lease is taken for dead
MOST_REQUESTS, PERIOD = 60, 300.0  # of all processes together: over 100 in that time block authorization


def acquire(state: State | None, holder: str, now: float) -> tuple[State | None, bool]:
    """Take the lease, or renew it.

    Args:
        state: What is known of the token; None for nothing.
        holder: Who wants it.
        now: Seconds of the store's clock.

    Returns:
        The next state, None to leave it, and whether the lease is the holder's.
    """
    state = {} if state is None else state
    lease = state.get("lease")
    # One that ends later than any lease can was given before the clock was set back.
    if lease is not None and lease["holder"] != holder and now < lease["until"] <= now + LEASE:
        return None, False
    state["lease"] = {"holder": holder, "until": now + LEASE}
    return state, True


def release(state: State | None, holder: str) -> tuple[State | None, None]:
    """Give the lease back, if it is still the holder's.

    Args:
        state: What is known of the token.
        holder: Who had it.
    """
    if state is None or state.get("lease", {}).get("holder") != holder:
        return None, None
    del state["lease"]
    return state, None


def reserve(state: State | None, now: float) -> tuple[State | None, float]:
    """Count a token request, if one may be made.

    Args:
        state: What is known of the token; None for nothing.
        now: Seconds of the store's clock.

    Returns:
        The next state, None to leave it, and the seconds until a request may be made; 0.0 where it may now.
    """
    state = {} if state is None else state
    recent = [moment for moment in state.get("requests", ()) if now - PERIOD < moment <= now]
    if len(recent) >= MOST_REQUESTS:
        return None, recent[-MOST_REQUESTS] + PERIOD - now
    state["requests"] = [*recent, now]
    return state, 0.0
