"""Duplicate scan: after a run, list each patient in which it created or had an unsettled row.

A key that is found more than once is reported: a create that was thought lost has landed, or another run has created
the same row at the same time.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import attrs

from welkin_async.bulk.clock import seconds_of
from welkin_async.bulk.errors import ProofError
from welkin_async.bulk.journal.database import LandedRows, UnknownKey
from welkin_async.bulk.journal.journal import Journal
from welkin_async.bulk.keys.fresh_write import delete_unchanged
from welkin_async.bulk.keys.protocol import Keys
from welkin_async.bulk.reconciliation.lookup import Server, group_by_key, is_gone, look
from welkin_async.bulk.rows import PreparedRow
from welkin_async.errors import DecodeError, RateLimitedError, RequestError, WelkinError

_TRIES = 20
_AHEAD = 100  # keys read at once: a group alone may have thousands, and those of all workers are held
_PAUSE = 0.5  # seconds between two tries at a patient whose listing fails


@attrs.frozen(repr=False)
class Duplicate:
    """A key that is on the server more often than its row was reported. Never hidden, never removed unasked.

    Attributes:
        patient: Whose records they are.
        key: What they carry in the key field.
        reported: The id that was reported as created; None where the row is not reported so, or was by an earlier run.
        ids: The ids of all, oldest first.
        records: The records.
        removed: The ids that were removed, because that was asked for.
        suspected: Whether it could not be looked for, because the server changes keys: the row was sent twice.
        expected: How many there should be: none of a row that was refused.
    """

    patient: str
    key: str
    reported: str | None
    ids: tuple[str, ...]
    records: tuple[Any, ...]
    removed: tuple[str, ...] = ()
    suspected: bool = False
    expected: int = 1

    @property
    def remains(self) -> bool:
        """Whether more records are left than there should be."""
        return self.suspected or len(self.ids) - len(self.removed) > self.expected

    def __repr__(self) -> str:
        """Show the count alone."""
        return f"<Duplicate of {len(self.ids)} records>"


class _Group(NamedTuple):
    """Keys of one patient that are to be looked at, by how their rows ended."""

    landed: LandedRows
    unknown: dict[str, UnknownKey]


@attrs.define(repr=False, eq=False)
class DuplicateScan:
    """Duplicate scan: looks at every key that was created or ever unknown, after all that may still land has landed.

    Args:
        keys: Finds records.
        server: Knows whether the server is there; None where nothing does.
        journal: Holds the keys, and forgets those that no later run need look at.
        since: Wall-clock seconds since which is listed.
        at_once: How many groups are listed at once.
        remove_doubles: Whether copies of a key's record are removed, where it is known which of them was reported.
        fail: Called where a patient could not be listed, or a copy not be removed.

    Attributes:
        found: What it has found.
        unscanned: Keys that are not looked at yet, or could not be.
    """

    _keys: Keys
    _server: Server | None
    _journal: Journal
    _since: float
    _at_once: int = attrs.field(kw_only=True, alias="at_once")
    _remove_doubles: bool = attrs.field(kw_only=True, alias="remove_doubles")
    _fail: Callable[[WelkinError], None] = attrs.field(kw_only=True, alias="fail")
    _left: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _starts_at: float | None = attrs.field(default=None, init=False)
    _doubled: set[str] = attrs.field(factory=set, init=False)  # patients with doubles of rows that were created
    _places: dict[tuple[str, str], int] = attrs.field(factory=dict, init=False)  # in `found`, by patient and key
    _by_projection: bool = attrs.field(  # whether lists of keys alone show what is there
        default=attrs.Factory(lambda self: self._keys.sees_all, takes_self=True), init=False
    )
    found: list[Duplicate] = attrs.field(factory=list, init=False)
    unscanned: int = attrs.field(default=0, init=False)

    def leave(self) -> None:
        """Leave it out, or break it off: the journal hands what it was to look at on to the next run."""
        self._left.set()

    @property
    def starts_in(self) -> float | None:
        """Seconds until it begins, 0.0 while it is made; None where nothing waits for it."""
        return None if self._starts_at is None else max(0.0, self._starts_at - time.monotonic())

    def note(self, row: PreparedRow, ids: Sequence[str]) -> None:
        """Take down a key that was on the server more than once before its row was sent.

        Args:
            row: The row.
            ids: The records' ids, oldest first.
        """
        self._take_down(Duplicate(row.group, row.key or "", None, tuple(ids), ()))

    async def count(self) -> None:
        """Count the keys that are to be looked at.

        Raises:
            JournalError: the journal cannot be read.
        """
        self.unscanned = await self._journal.count_unscanned()

    async def run(self, at: float, suspects: Iterable[PreparedRow] = ()) -> None:
        """Look at every key, unless the consumer has left.

        Args:
            at: Monotonic seconds before which something may still land.
            suspects: Rows that were sent again before it came out that the server changes keys, so that a double of
                theirs cannot be found.

        Raises:
            JournalError: the journal cannot be read or written.
            AuthenticationError: the server refused the token.
        """
        self.found += [Duplicate(row.group, row.key or "", None, (), (), suspected=True) for row in suspects]
        if not self.unscanned:
            return
        self._starts_at = at
        scanning = asyncio.create_task(self._scan(at), name="welkin_async bulk scan")
        leaving = asyncio.create_task(self._left.wait(), name="welkin_async bulk scan left")
        try:
            await asyncio.wait((scanning, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._starts_at = None
            for task in (scanning, leaving):
                task.cancel()
            await asyncio.wait((scanning, leaving))
        if not scanning.cancelled():
            scanning.result()

    async def _scan(self, at: float) -> None:
        """Look at groups in which rows were created, and when all has landed at those that had an unsettled row."""
        await self._scan_groups(self._landed())
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        await self._scan_groups(self._unknown())

    async def _scan_groups(self, groups: AsyncGenerator[_Group, None]) -> None:
        turn = asyncio.Lock()
        ready: deque[_Group] = deque()

        async def read() -> bool:
            """Read some keys ahead, and tell whether there were any: a turn for each group would be one of the loop."""
            count = 0
            while count < _AHEAD:
                group = await anext(groups, None)
                if group is None:
                    break
                ready.append(group)
                count += len(group.landed.record_ids) + len(group.unknown)
            return count > 0

        async def work() -> None:
            """Look at one group after another while there are any."""
            while True:
                if not ready:
                    async with turn:
                        if not ready and not await read():
                            return
                if ready:  # else others were quicker
                    await self._scan_group(ready.popleft())

        try:
            async with contextlib.aclosing(groups), asyncio.TaskGroup() as workers:
                for _ in range(self._at_once):
                    workers.create_task(work(), name="welkin_async bulk scan of a group")
        except BaseExceptionGroup as errors:
            error = errors.exceptions[0]
        else:
            return
        raise error

    async def _landed(self) -> AsyncGenerator[_Group, None]:
        """Give the groups in which rows were created and no key was ever unknown."""
        async for landed in self._journal.ever_landed():
            yield _Group(landed, {})

    async def _unknown(self) -> AsyncGenerator[_Group, None]:
        """Give the groups of keys that were ever unknown, but for what this scan has left to later runs."""
        group: _Group | None = None
        async for row in self._journal.ever_unknown():
            if row.patient in self._doubled:
                continue
            if group is None or group.landed.patient != row.patient:
                if group is not None:
                    yield group
                group = _Group(LandedRows(row.patient), {})
            group.unknown[row.key] = row
        if group is not None:
            yield group

    async def _scan_group(self, group: _Group) -> None:
        """List a group, and judge each of its keys."""
        landed, unknown = group
        patient = landed.patient
        if unknown:
            landed = await self._journal.landed_of(patient)
        elif self._by_projection and await self._is_as_reported(landed):  # as nearly always
            self.unscanned -= landed.amount
            self._journal.scanned(patient, (), landed)
            return
        reported = {**landed.record_ids, **{key: row.record_id for key, row in unknown.items()}}
        self.unscanned -= landed.amount + len(unknown) - len(reported)  # of what was counted twice
        listed = await self._listed(patient, reported)
        if listed is None:
            return
        records, once = listed
        if not unknown and landed.record_ids.items() <= once.items():
            self._by_projection = False  # it did not show what is there
            self.unscanned -= len(reported)
            self._journal.scanned(patient, (), landed)
            return
        ids = {record.id for record in records}
        doubtful = [
            landed.of(key) for key, id in landed.record_ids.items() if once.get(key) != id and key not in unknown
        ]
        doubtful += unknown.values()
        self.unscanned -= len(reported) - len(doubtful)
        by_key = group_by_key(records, self._keys, {row.key for row in doubtful})
        done, shown = [], True
        for row in doubtful:
            if not _is_shown(row, ids) and not await is_gone(self._keys, patient, row.record_id or ""):
                shown = shown and not row.landed
                continue
            found = by_key.get(row.key, ())
            # What shows one record of a kind cannot show that there is another, in this run or a later one.
            seen = self._keys.sees_all or not row.resent or len(found) > 1
            if not await self._is_done(row, found):
                if row.landed:  # later runs name it, too: that is kept before it is forgotten that it landed
                    self._doubled.add(patient)
                    self._journal.unknown(row.position, row.key, patient, 0.0, record_id=row.record_id)
            elif seen and not row.landed:
                done.append(row.key)
            self.unscanned -= seen
        self._journal.scanned(patient, done, landed if shown else None)

    async def _is_as_reported(self, landed: LandedRows) -> bool:
        """Tell whether every key of a group is there once, with the id that was reported, by a list of keys alone.

        Such a list is a fraction of the other's length. It is believed only where it shows each record that was
        reported, and a key of every record: a server may leave fields out, or refuse to.
        """
        records, _, _ = await look(self._keys.projected(landed.patient, self._since), self._server)
        if records is None:
            return False
        key_of = self._keys.key_of
        try:
            ids = {key_of(record): record.id for record in records}
        except DecodeError:
            return False
        return len(ids) == len(records) and None not in ids and landed.record_ids.items() <= ids.items()

    async def _is_done(self, unknown: UnknownKey, records: Sequence[Any]) -> bool:
        """Take down whether a key is there too often; tell whether no later run need look at it."""
        # What stands beside a record that was answered for was sent by somebody else: both would remove the other's.
        earlier = unknown.landed or (
            unknown.record_id is None and self._journal.state(unknown.position).state == "done"
        )
        duplicate = None
        if len(records) > (not unknown.refused):
            duplicate = await self._duplicate(unknown, records, keep=earlier)
        # One that is there and was not reported has landed after all: its row is looked for before it is sent again.
        unreported = bool(records) and unknown.record_id is None and not earlier
        return not unreported and (duplicate is None or not duplicate.remains)

    async def _duplicate(self, unknown: UnknownKey, records: Sequence[Any], *, keep: bool) -> Duplicate:
        """Take a duplicate down, and remove what repeats the record that stays, to the letter, unedited and later.

        A record that is older than the one reported may have been reported by another run, which removes what is later
        than its own: were either to remove the other's, the row would be lost.
        """
        ids, expected = tuple(record.id for record in records), int(not unknown.refused)
        duplicate = Duplicate(unknown.patient, unknown.key, unknown.record_id, ids, tuple(records), expected=expected)
        at = self._take_down(duplicate)
        if keep or not self._remove_doubles:
            return duplicate
        kept = next((record for record in records if record.id == unknown.record_id), min(records, key=self._age))
        for record in records:
            if self._age(record) > self._age(kept) and self._keys.repeats(record, kept):
                try:
                    deleted = await delete_unchanged(
                        self._keys, unknown.patient, record.id, lambda now: self._keys.repeats(now, kept)
                    )
                except RequestError as error:  # it is there still, and named as that
                    self._fail(error)
                    break
                if deleted is False:
                    continue
                duplicate = attrs.evolve(duplicate, removed=(*duplicate.removed, record.id))
                self.found[at] = duplicate
        return duplicate

    def _age(self, record: Any) -> tuple[float, str]:
        """Return what orders records by when the server created them, in the same way for every run that sees them."""
        return seconds_of(self._keys.stamps(record)[0]) or 0.0, record.id

    def _take_down(self, duplicate: Duplicate) -> int:
        """Add a duplicate, in place of what was known of its key before, and return where it stands."""
        at = self._places.setdefault((duplicate.patient, duplicate.key), len(self.found))
        self.found[at : at + 1] = [duplicate]
        return at

    async def _listed(
        self, patient: str, reported: Mapping[str, str | None]
    ) -> tuple[Sequence[Any], Mapping[str, str]] | None:
        """List a patient until all that was reported is shown, as often as is within reason; None where it failed.

        Returns:
            The records; and by key, of each that one record alone carries, that record's id.
        """
        ids = {*reported.values()} - {None}
        tries = 0
        listed = error = None
        while tries < _TRIES:
            records, answered, error = await look(self._keys.copies(patient, reported, self._since), self._server)
            if records is not None:
                try:
                    listed = records, self._carried_once(records)
                except DecodeError as unreadable:
                    self._fail(unreadable)
                    return None
                if reported.items() <= listed[1].items() or ids <= {record.id for record in records}:
                    return listed
            if answered and isinstance(error, RateLimitedError):
                break  # it has been refused for long, and others not
            tries += answered  # while the server is not there it cannot be asked
            await asyncio.sleep(_PAUSE)
        if listed is None:
            self._fail(error or ProofError("the final scan could not list a patient's records completely"))
        return listed

    def _carried_once(self, records: Sequence[Any]) -> dict[str, str]:
        """Return the ids of records whose key no other carries, by key.

        Raises:
            DecodeError: a record's key cannot be read, so that it may be any.
        """
        once: dict[str, str] = {}
        often: set[str] = set()
        key_of = self._keys.key_of
        for record in records:
            key, id = key_of(record), record.id
            if key is not None and once.setdefault(key, id) != id:
                often.add(key)
        for key in often:
            del once[key]
        return once


def _is_shown(unknown: UnknownKey, ids: set[str]) -> bool:
    """Tell whether a listing is new enough to show a double: the record that was reported is younger than that."""
    return unknown.record_id is None or unknown.record_id in ids
