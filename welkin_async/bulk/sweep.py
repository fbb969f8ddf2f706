"""The last look: keys that were ever unknown, and are on the server more than once."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

import attrs

from welkin_async.bulk.ever import EverUnknown
from welkin_async.bulk.journal import Journal
from welkin_async.bulk.looking import Server, look
from welkin_async.bulk.proof import ProofError
from welkin_async.bulk.reconcile import Keys
from welkin_async.errors import DecodeError, NotFoundError, RequestError, WelkinError

__all__ = ["Double", "Sweep", "unless"]

_TRIES = 20
_PAUSE = 0.5  # seconds between two tries at a patient whose listing fails


@attrs.frozen(repr=False)
class Double:
    """A key that is on the server more than once. Never hidden, never removed unasked.

    Attributes:
        patient: Whose records they are.
        key: What they carry in the key field.
        reported: The id that was reported as created; None where the row is not reported so, or was by an earlier run.
        ids: The ids of all, oldest first.
        records: The records.
        removed: The ids that were removed, because that was asked for.
    """

    patient: str
    key: str
    reported: str | None
    ids: tuple[str, ...]
    records: tuple[Any, ...]
    removed: tuple[str, ...] = ()

    @property
    def remains(self) -> bool:
        """Whether more than one record is left."""
        return len(self.ids) - len(self.removed) > 1

    def __repr__(self) -> str:
        """Show the count alone."""
        return f"<Double of {len(self.ids)} records>"


async def unless(left: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do something, and break it off when nobody waits for it any more.

    Args:
        left: Set when that is so.
        work: What to do.

    Raises:
        Exception: what it raises.
    """
    working = asyncio.create_task(work, name="welkin_async bulk sweep")
    leaving = asyncio.create_task(left.wait(), name="welkin_async bulk sweep left")
    await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
    for task in (working, leaving):
        task.cancel()
    await asyncio.wait((working, leaving))
    if not working.cancelled():
        working.result()


class Sweep:
    """Lists every patient that ever had an unknown row once more.

    Args:
        keys: Finds records.
        server: Knows whether the server is there; None where nobody does.
        ever: What is looked at.
        journal: Where keys are forgotten that no later run need look at, or None.
        remove_doubles: Whether copies of a key's record are removed, where it is known which of them was reported.
        fail: Called where a patient could not be listed, or a copy not be removed.
        doubles: Where to put what is found, as it is found.

    Attributes:
        looked_at: How many keys it has looked at.
    """

    def __init__(
        self,
        keys: Keys,
        server: Server | None,
        ever: EverUnknown,
        journal: Journal | None,
        *,
        remove_doubles: bool,
        fail: Callable[[WelkinError], None],
        doubles: list[Double],
    ) -> None:
        self._keys = keys
        self._server = server
        self._ever = ever
        self._journal = journal
        self._remove_doubles = remove_doubles
        self._fail = fail
        self._doubles = doubles
        self.looked_at = 0

    async def run(self, at: float) -> None:
        """Look at every key.

        Args:
            at: Monotonic seconds before which something may still land.

        Raises:
            JournalError: the journal cannot be written.
            AuthenticationError: the server refused the token.
        """
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        for patient, keys in self._ever.by_patient.items():
            by_key = await self._listed(patient, keys)
            if by_key is None:
                continue
            left = set()
            for key, records in by_key.items():
                elsewhere = self._ever.reported_elsewhere(patient, key)
                if keys[key] is None and not elsewhere:
                    left.add(key)  # it has landed after all, and its row is to be looked for before it is sent again
                if len(records) > 1:
                    double = await self._double(patient, key, keys[key], records, keep=elsewhere)
                    if double.remains:
                        left.add(key)  # the next run names it as well
            self.looked_at += len(keys)
            if self._journal is not None:
                self._journal.swept(key for key in keys if key not in left)

    async def _double(
        self, patient: str, key: str, reported: str | None, records: Sequence[Any], *, keep: bool
    ) -> Double:
        """Take a double down, and remove what repeats the record that stays, to the letter and unedited."""
        ids = tuple(record.id for record in records)
        double = Double(patient, key, reported, ids, tuple(records))
        at = len(self._doubles)
        self._doubles.append(double)
        if keep or not self._remove_doubles:
            return double
        kept = next((record for record in records if record.id == reported), records[0])
        for record in records:
            if record is not kept and self._keys.repeats(record, kept):
                try:
                    with contextlib.suppress(NotFoundError):  # somebody else has removed it
                        await self._keys.remove(patient, record.id)
                except RequestError as error:  # it is there still, and named as that
                    self._fail(error)
                    break
                double = attrs.evolve(double, removed=(*double.removed, record.id))
                self._doubles[at] = double
        return double

    async def _listed(self, patient: str, keys: Mapping[str, str | None]) -> Mapping[str, Sequence[Any]] | None:
        """List a patient completely, however often it takes within reason; None where it could not be done."""
        tries = 0
        error: RequestError | None = None
        while tries < _TRIES:
            records, answered, error = await look(self._keys.copies(patient, keys, self._ever.first_sent), self._server)
            if records is not None:
                try:
                    return self._by_key(records, keys)
                except DecodeError as unreadable:
                    self._fail(unreadable)
                    return None
            tries += answered  # while the server is not there it cannot be asked
            await asyncio.sleep(_PAUSE)
        self._fail(error or ProofError("the last sweep could not list a patient's records completely"))
        return None

    def _by_key(self, records: Iterable[Any], keys: Mapping[str, str | None]) -> Mapping[str, Sequence[Any]]:
        by_key: dict[str, list[Any]] = {}
        for record in records:
            key = self._keys.key_of(record)
            if key is not None and key in keys:
                by_key.setdefault(key, []).append(record)
        return by_key
