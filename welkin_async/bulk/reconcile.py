"""Rows whose create may or may not have landed: look before sending again.

A create that was cut off can land seconds later, and nothing the API offers makes a second create harmless. So a row
whose outcome is unknown is parked, and the patient's records are listed until the row's key is found there, or has been
absent for long enough. `decide` is the rule; `Reconciler` does the looking.

None of it is trusted before it is proved (see `proof`): until then a parked row is never sent again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Protocol

import attrs

from welkin_async.errors import RejectedError, RequestError, WelkinError

__all__ = ["Decision", "Found", "Keys", "Parked", "Reconciler", "decide"]

_LOOKERS = 4  # patients listed at once, so that look-ups take little from the import itself
_SHORTEST, _LONGEST = 0.2, 2.0  # seconds between two looks at a patient
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


def decide(
    parked: Parked, found: Found | None, *, looked_at: float, settle: float, armed: bool, skew: float
) -> Decision:
    """Decide about a parked row after a complete listing of its patient's records.

    Args:
        parked: The row.
        found: The record with its key, or None where the listing has none.
        looked_at: Monotonic seconds at which the listing was begun.
        settle: Seconds for which a key must stay absent after the last attempt before that counts.
        armed: Whether it is proved that the server keeps keys and that look-ups find them.
        skew: Seconds by which the server's clock may differ from ours.
    """
    if found is not None:
        fresh = found.created_at is None or found.created_at >= parked.first_sent - skew
        return Decision.ADOPT if found.equal and fresh else Decision.CONFLICT
    if not armed or looked_at < parked.since + settle:
        return Decision.WAIT
    if parked.rejection is not None:
        return Decision.REJECT
    return Decision.RESEND if parked.resends < _MOST_RESENDS else Decision.GIVE_UP


class Keys(Protocol):
    """How rows get their keys, and how records are found by them.

    Attributes:
        field: The field that carries the key.
    """

    field: str

    def key(self, row: Any, /) -> str:
        """Return what the record of a row carries in the key field."""
        ...

    def group(self, row: Any, /) -> str:
        """Return what is listed to find a row: a patient's id, for example."""
        ...

    async def listing(self, group: str, since: float, /) -> Sequence[Any] | None:
        """List a group's records created since a wall-clock moment; None where the listing is not complete."""
        ...

    async def copies(self, group: str, reported: Mapping[str, str | None], since: float, /) -> Sequence[Any] | None:
        """List all that can be found of a group, for the last sweep; keys come with the id reported, where there is."""
        ...

    def key_of(self, record: Any, /) -> str | None:
        """Return what a record carries in the key field."""
        ...

    def found(self, row: Any, record: Any, /) -> Found:
        """Compare a row with the record that carries its key."""
        ...

    def repeats(self, record: Any, kept: Any, /) -> bool:
        """Tell whether a record repeats another to the letter and was never edited."""
        ...

    async def remove(self, group: str, id: str, /) -> None:
        """Delete a record that repeats another."""
        ...


class Reconciler:
    """Looks parked rows up until each is decided.

    Args:
        keys: How to look.
        resolve: Called with a parked row, the decision and the record found; may be waited for.
        settle: Seconds for which a key must stay absent; raised by the proof where look-ups lag more.
        final_settle: Seconds after which rows that could not be decided are given up, and the last sweep is made.
        room: How many rows may be parked before pulling stops.
        armed: Tells whether the proof has succeeded.
        skew: Seconds by which the server's clock may differ from ours.

    Attributes:
        pending: How many rows are parked.
        last_unknown: Monotonic seconds of the last attempt that ended unknown.
        ever: Keys that were ever unknown, by patient: key, position and the id reported, for the last sweep.
    """

    def __init__(
        self,
        keys: Keys,
        resolve: Callable[[Parked, Decision, Any], Awaitable[None]],
        *,
        settle: float,
        final_settle: float,
        room: int,
        armed: Callable[[], bool],
        skew: float = 300.0,
    ) -> None:
        self._keys = keys
        self._resolve = resolve
        self.settle = settle
        self._final_settle = final_settle
        self._room = room
        self._armed = armed
        self._skew = skew
        self._by_patient: dict[str, dict[int, Parked]] = {}
        self._looking: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(_LOOKERS)
        self.pending = 0
        self.last_unknown = float("-inf")
        self.lookups = 0
        self.failed_lookups = 0

    @property
    def full(self) -> bool:
        """Whether so many rows are parked that no more may be pulled."""
        return self.pending >= self._room

    def park(self, parked: Parked) -> None:
        """Take a row in, and see to it that its patient is looked at."""
        self.last_unknown = max(self.last_unknown, parked.since)
        self._by_patient.setdefault(parked.patient, {})[parked.index] = parked
        self.pending += 1
        if parked.patient not in self._looking:
            task = asyncio.create_task(self._watch(parked.patient), name="welkin_async bulk look-up")
            self._looking[parked.patient] = task

    async def aclose(self) -> list[Parked]:
        """Stop looking, and give back the rows that are not decided."""
        tasks = list(self._looking.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        left = [parked for rows in self._by_patient.values() for parked in rows.values()]
        self._by_patient.clear()
        self.pending = 0
        return left

    async def _watch(self, patient: str) -> None:
        """Look at one patient until none of its rows is parked."""
        try:
            pause = _SHORTEST
            while self._by_patient.get(patient):
                await asyncio.sleep(min(pause, self.settle))
                async with self._slots:
                    await self._look(patient)
                pause = min(pause * 1.5, _LONGEST)
        finally:
            self._looking.pop(patient, None)

    async def _look(self, patient: str) -> None:
        """List a patient's records once and decide about each of its rows."""
        rows = self._by_patient.get(patient, {})
        if not rows:
            return
        began = time.monotonic()
        self.lookups += 1
        try:
            listed = await self._keys.listing(patient, min(parked.first_sent for parked in rows.values()))
        except RequestError:
            listed = None
        if listed is None:
            self.failed_lookups += 1
            await self._give_up_stale(patient, began)
            return
        by_key: dict[str, Any] = {}
        for record in listed:
            key = self._keys.key_of(record)
            if key is not None:
                by_key.setdefault(key, record)
        for parked in [parked for parked in rows.values() if parked.since <= began]:
            record_found = by_key.get(parked.key)
            found = None if record_found is None else self._keys.found(parked.row, record_found)
            decision = decide(parked, found, looked_at=began, settle=self.settle, armed=self._armed(), skew=self._skew)
            if decision is Decision.WAIT and began > parked.since + self.settle + self._final_settle:
                decision = Decision.GIVE_UP
            if decision is not Decision.WAIT:
                await self._release(patient, parked, decision, record_found)

    async def _give_up_stale(self, patient: str, now: float) -> None:
        """Give up rows whose look-ups have failed for so long that waiting on blocks the import for nothing."""
        rows = self._by_patient.get(patient, {})
        for parked in list(rows.values()):
            if now > parked.since + self.settle + self._final_settle:
                await self._release(patient, parked, Decision.GIVE_UP, None)

    async def _release(self, patient: str, parked: Parked, decision: Decision, record: Any) -> None:
        rows = self._by_patient.get(patient, {})
        if rows.pop(parked.index, None) is None:
            return
        if not rows:
            self._by_patient.pop(patient, None)
        self.pending -= 1
        await self._resolve(parked, decision, record)
