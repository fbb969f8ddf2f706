"""The rule for a row whose create may or may not have landed: a pure decision after each look-up.

Absence takes time to mean anything, and only time in which something could be learned counts. While the server is not
there, while its gate is closed, or while look-ups fail because of it, nothing is known about a row that was not known
before: its patience does not wear, and what is absent afterwards must be absent for the settle time once more, because
a server that comes back may first deal with what it was sent before.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

import attrs

from welkin_async.errors import RejectedError, WelkinError

__all__ = ["Decision", "Found", "Parked", "choose", "decide"]

_MOST_RESENDS = 10


class Decision(Enum):
    """What is to be done with a parked row."""

    WAIT = "wait"
    ADOPT = "adopt"
    CONFLICT = "conflict"
    RESEND = "resend"
    REJECT = "reject"
    GIVE_UP = "give up"


@attrs.define(repr=False, eq=False)
class Parked:
    """A row whose create may or may not have landed.

    Attributes:
        index: Its position in the source.
        row: The row as it was given.
        patient: Whose record it is.
        key: What the record carries in the key field.
        first_sent: Wall-clock seconds before the first attempt.
        since: Monotonic seconds of the last attempt that may still land.
        attempts: Requests that went out for it.
        error: Why it is unknown.
        rejection: A refusal met when it was sent again; it stands only if the row is not found.
        resends: How often it was sent again.
        waited: Seconds waited before look-ups that the server answered, since that attempt: what its patience is
            measured in.
    """

    index: int
    row: Any
    patient: str
    key: str
    first_sent: float
    since: float
    attempts: int
    error: WelkinError | None
    rejection: RejectedError | None = None
    resends: int = 0
    waited: float = 0.0


@attrs.frozen(repr=False)
class Found:
    """A record that carries a parked row's key.

    Attributes:
        record: The record.
        equal: Whether every field that was sent equals what it holds.
        created_at: Wall-clock seconds of its creation, or None where it does not say.
    """

    record: Any
    equal: bool
    created_at: float | None


def choose(parked: Parked, found: Sequence[Found], *, skew: float) -> Found | None:
    """Return which of the records with its key is a row's own, else the oldest of them; None where there is none.

    Args:
        parked: The row.
        found: The records, oldest first.
        skew: Seconds by which the server's clock may differ from ours.
    """
    return next((each for each in found if _is_own(parked, each, skew)), found[0] if found else None)


def decide(
    parked: Parked,
    found: Found | None,
    *,
    whole: bool,
    looked_at: float,
    there_since: float,
    settle: float,
    patience: float,
    armed: bool,
    skew: float,
) -> Decision:
    """Decide about a parked row after a look-up that the server answered.

    Args:
        parked: The row.
        found: The record with its key, or None where the listing has none.
        whole: Whether the listing was complete; one that is not, or was refused, says nothing of absence.
        looked_at: Monotonic seconds at which the look-up was begun.
        there_since: Monotonic seconds since which the server has answered look-ups.
        settle: Seconds for which a key must stay absent before that counts.
        patience: Seconds of waiting after which a row that could not be decided is given up.
        armed: Whether it is proved that the server keeps keys and that look-ups find them.
        skew: Seconds by which the server's clock may differ from ours.
    """
    if found is not None:
        return Decision.ADOPT if _is_own(parked, found, skew) else Decision.CONFLICT
    if whole and armed and looked_at >= max(parked.since, there_since) + settle:
        if parked.rejection is not None:
            return Decision.REJECT
        return Decision.RESEND if parked.resends < _MOST_RESENDS else Decision.GIVE_UP
    return Decision.GIVE_UP if parked.waited > patience else Decision.WAIT


def _is_own(parked: Parked, found: Found, skew: float) -> bool:
    """Tell whether a record is what a row's create has left: equal, and not from before it."""
    return found.equal and (found.created_at is None or found.created_at >= parked.first_sent - skew)
