"""Rows whose create may or may not have landed: look before sending again.

A create that was cut off can land seconds later, and nothing the API offers makes a second create harmless. So a row
whose outcome is unknown is parked, and the patient's records are listed until the row's key is found there, or has been
absent for long enough. `deciding.decide` is the rule; `Reconciler` does the looking.

None of it is trusted before it is proved (see `proof`): until then a parked row is never sent again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from welkin_async.bulk.deciding import Decision, Found, Parked, choose, decide
from welkin_async.bulk.looking import Server, look
from welkin_async.errors import DecodeError

__all__ = ["Decision", "Found", "Keys", "Parked", "Reconciler", "Trust"]

_LOOKERS = 4  # patients listed at once, so that look-ups take little from the import itself
_SHORTEST, _LONGEST = 0.2, 2.0  # seconds between two looks at a patient
_BRIEFEST = 0.02  # seconds, however short the settle time is
_SKEW = 300.0  # seconds by which the server's clock may differ from ours


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

    def shows(self, record: Any, created: Any, /) -> bool:
        """Tell whether a record that was found shows that look-ups find one that was created."""
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


class Trust(Protocol):
    """What is proved of look-ups so far."""

    @property
    def armed(self) -> bool:
        """Whether the server keeps keys, and look-ups find them."""
        ...

    @property
    def measured(self) -> bool:
        """Whether a look-up by date, made by our clock, has found a record of this run."""
        ...

    @property
    def settle(self) -> float:
        """Seconds for which absence must last at least, as far as is known."""
        ...


class Reconciler:
    """Looks parked rows up until each is decided.

    Args:
        keys: How to look.
        resolve: Called with a parked row, the decision and the record found; may be waited for.
        fail: Called with what ends the looking of a patient, such as a token that is refused; the rows stay parked.
        trust: What is proved of look-ups.
        server: Knows whether the server is there; None where nobody does.
        settle: Seconds for which a key must stay absent; more where look-ups lag more.
        final_settle: Seconds of waiting, beyond that, after which rows that could not be decided are given up.
        room: How many rows may be parked before pulling stops.
        clock: Returns monotonic seconds.

    Attributes:
        pending: How many rows are parked.
        last_unknown: Monotonic seconds of the last attempt that ended unknown.
        lookups: How many listings were made.
    """

    def __init__(
        self,
        keys: Keys,
        resolve: Callable[[Parked, Decision, Any], Awaitable[None]],
        fail: Callable[[Exception], None],
        trust: Trust,
        server: Server | None,
        *,
        settle: float,
        final_settle: float,
        room: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._resolve = resolve
        self._fail = fail
        self._trust = trust
        self._server = server
        self._settle = settle
        self._final_settle = final_settle
        self._room = room
        self._clock = clock
        self._there_since = float("-inf")
        self._by_patient: dict[str, dict[int, Parked]] = {}
        self._looking: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(_LOOKERS)
        self.pending = 0
        self.last_unknown = float("-inf")
        self.lookups = 0

    @property
    def full(self) -> bool:
        """Whether so many rows are parked that no more may be pulled."""
        return self.pending >= self._room

    @property
    def settle(self) -> float:
        """Seconds for which a key must stay absent."""
        return max(self._settle, self._trust.settle)

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
                waited = max(_BRIEFEST, min(pause, self.settle))
                await asyncio.sleep(waited)
                async with self._slots:
                    await self._look(patient, waited)
                pause = min(pause * 1.5, _LONGEST)
        except Exception as error:  # whatever it is: nobody would look any more, and the import would wait for ever
            self._fail(error)
        finally:
            self._looking.pop(patient, None)

    async def _look(self, patient: str, waited: float) -> None:
        """List a patient's records once and decide about each of its rows."""
        rows = self._by_patient.get(patient, {})
        if not rows:
            return
        began = self._clock()
        self.lookups += 1
        # Before it is proved that the server's dates and ours go together, all there is is listed.
        since = min(parked.first_sent for parked in rows.values()) if self._trust.measured else 0.0
        records, answered, _ = await look(self._keys.listing(patient, since), self._server)
        if not answered:
            self._there_since = self._clock()
            return
        by_key = self._by_key(records)
        if self._server is not None and self._server.held and not self._trust.armed:
            waited = 0.0  # while nothing is created nothing can be proved either
        for parked in [parked for parked in rows.values() if parked.since <= began]:
            parked.waited += waited
            found = None if by_key is None else choose(parked, self._found(parked, by_key), skew=_SKEW)
            settle = self.settle
            decision = decide(
                parked,
                found,
                whole=by_key is not None,
                looked_at=began,
                there_since=self._there_since,
                settle=settle,
                patience=settle + self._final_settle,
                armed=self._trust.armed,
                skew=_SKEW,
            )
            if decision is not Decision.WAIT:
                await self._release(patient, parked, decision, None if found is None else found.record)

    def _by_key(self, records: Sequence[Any] | None) -> dict[str, list[Any]] | None:
        """Return the records by key, oldest first; None where not all is known that is there."""
        if records is None:
            return None
        by_key: dict[str, list[Any]] = {}
        for record in records:
            try:
                key = self._keys.key_of(record)
            except DecodeError:
                return None  # it may be any row's
            if key is not None:
                by_key.setdefault(key, []).append(record)
        return by_key

    def _found(self, parked: Parked, by_key: Mapping[str, Sequence[Any]]) -> list[Found]:
        return [self._keys.found(parked.row, record) for record in by_key.get(parked.key, ())]

    async def _release(self, patient: str, parked: Parked, decision: Decision, record: Any) -> None:
        rows = self._by_patient.get(patient, {})
        if rows.pop(parked.index, None) is None:
            return
        if not rows:
            self._by_patient.pop(patient, None)
        self.pending -= 1
        await self._resolve(parked, decision, record)
