"""Existing records: finds out which rows are on the server before they are sent for the first time.

One complete listing of a patient answers for all of the patient's rows, however the source is sorted: it is begun when
the first of them is read, ahead of the workers, and kept in the index.

What a run that was killed had sent may land a little later. That such a run was here shows in its records: the rows
read first are looked for before any is sent, and where one of them is there, and this run's journal does not say why,
absence counts only in listings that were begun when the settle time had passed.

A patient with thousands of records is not listed where the server is proved to honour a filter by keys: then it is
asked for the keys of rows, many at once, until that has taken as many requests as the listing would have.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from welkin_async.bulk.errors import ExistingRecordsError
from welkin_async.bulk.existing.decision import ABSENT, Existing
from welkin_async.bulk.existing.digests import RecordDigests
from welkin_async.bulk.existing.index import ExistingIndex, KeptRecord, Listed
from welkin_async.bulk.keys.protocol import Keys, LongListingError
from welkin_async.bulk.reconciliation.lookup import Server, look
from welkin_async.bulk.rows import PreparedRow
from welkin_async.errors import (
    AuthenticationError,
    DecodeError,
    NotSentError,
    PermissionDeniedError,
    RateLimitedError,
    RequestLine,
)

_TRIES = 8  # listings of a group that are answered and not complete, before its rows are given up
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 2.0  # seconds between two of them
_FEW_TRIES = 2  # look-ups by keys, before the group is listed
_NEVER = float("-inf")
_REMEMBERED = 1024  # groups that hold nothing
_REMEMBERED_FOR = 30.0  # seconds for which a group that could not be listed is not listed again, for its next row
_WHOLE: Mapping[str, tuple[str, ...]] = {"": ()}  # what is sought where a group is listed
_AT_ONCE = 100  # records that are digested before others get their turn


class ExistingRecords:
    """Existing records: lists groups ahead of their rows, and compares each row with what is there.

    Args:
        keys: Finds records by their keys.
        vouches: Tells whether an earlier run is known to be done with a row, which then need not be looked for.
        server: Knows whether the server is there; None where nothing does.
        line: What rows are sent as, for errors.
        listers: How many groups are listed at once.
        settle: Seconds after the start within which another run's creates may still land.
        whole: Whether every group is listed completely, however long that takes.
        some: Whether only some rows are looked for, which an earlier run has left: then what it had sent may land, and
            a client that may list nothing fails these rows alone.

    Attributes:
        lookups: How many listings were made.
        groups: How many groups were listed.
        paused: Seconds for which the server did not answer listings, though it was not known to be down.
        another_run: Whether records of this source were there that no journal of this run knew of.

    Raises:
        JournalError: no temporary file can be made.
    """

    def __init__(
        self,
        keys: Keys,
        vouches: Callable[[PreparedRow], bool],
        server: Server | None,
        line: RequestLine,
        *,
        listers: int,
        settle: float,
        whole: bool = False,
        some: bool = False,
    ) -> None:
        self._keys = keys
        self._vouches = vouches
        self._server = server
        self._line = line
        self._most_listers = listers
        self._believed_from = time.monotonic() + settle
        self._digests = RecordDigests(keys.forms)
        self._index = ExistingIndex()
        self._queue: deque[tuple[str, str]] = deque()  # groups, and a key where keys are asked for
        self._flights: dict[tuple[str, str], asyncio.Future[Listed | None]] = {}  # by group, and key or nothing
        self._filter = None if whole else keys.filter
        self._long: dict[str, int] = {}  # requests for keys until a listing is no dearer, by group
        self._sought: dict[str, dict[str, tuple[str, ...]]] = {}  # keys to be asked for, by group and row's key
        self._any_long = False
        self._expected: str | None = None  # the group that was begun to be listed last, unless it is long
        self._whole: set[str] = set()  # groups that are to be listed however long they are
        self._listers: set[asyncio.Task[None]] = set()
        self._first: list[PreparedRow] | None = []  # until they have been looked for
        self._opening: asyncio.Task[None] | None = None
        self._failed: dict[str, tuple[float, str]] = {}  # when groups could not be listed, and why
        self._empty: dict[str, float] = {}  # when listings were begun that showed no record with a key, of late
        self.lookups = 0
        self.groups = 0
        self.paused = 0.0
        self._silent_since: float | None = None
        self.another_run = self._some = some

    def expect(self, row: PreparedRow) -> None:
        """Begin to look for a row that was read and will be asked about, unless that is not needed.

        Args:
            row: The row.
        """
        if row.group == self._expected and self._first is None:
            return  # as of most rows where those of a group come together
        if row.key and row.group not in self._empty and row.sendable and not self._vouches(row):
            if self._first is not None:
                self._first.append(row)
            if self._is_sought(row):
                if self._kept(row) is None:
                    self._seek(row)
            else:
                self._flight(row.group)
                self._expected = row.group

    def is_absent(self, row: PreparedRow) -> bool:
        """Tell whether it is known at once that a row is not there; where that is not so, `find` tells.

        Args:
            row: The row.
        """
        return self._first is None and self._empty.get(row.group, _NEVER) >= (
            self._believed_from if self.another_run else 0.0
        )

    async def find(self, row: PreparedRow) -> Existing:
        """Tell what the server holds of a row.

        Args:
            row: The row, which has a key.

        Raises:
            NotSentError: its group could not be listed.
            ExistingRecordsError: the api client may list nothing at all.
            AuthenticationError: the server refused the token.
            JournalError: the temporary file cannot be read or written.
        """
        if self._first is not None:
            await self._open()
        listed = self._kept(row) or await self._listed(row)
        while True:
            found = self._find(listed, row)
            if found:
                self.another_run = True
                if len(found) > 1:
                    return Existing(found)
                return Existing(found, self._digests.differing(self._keys.sent(row), found[0].digests))
            if not self.another_run or listed.began >= self._believed_from:
                return ABSENT
            await self._settled()
            listed = self._kept(row) or listed
            if listed.began < self._believed_from:
                listed = await self._listed(row)

    @property
    def down_for(self) -> float | None:
        """Seconds since which the server answers no listing; None where it does."""
        return None if self._silent_since is None else time.monotonic() - self._silent_since

    async def aclose(self) -> None:
        """Stop looking, and remove what was kept."""
        self._note_answer(time.monotonic(), answered=True)
        tasks = [*self._listers, *(() if self._opening is None else (self._opening,))]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for flight in self._flights.values():
            flight.cancel()
        self._index.close()

    async def _open(self) -> None:
        """Wait until the rows read first have been looked for, and what another run had sent has landed."""
        if self._opening is None:
            self._opening = asyncio.create_task(self._look_first(), name="welkin_async bulk first look")
        await asyncio.wait((self._opening,))
        self._opening.result()

    async def _look_first(self) -> None:
        first = self._first or []
        flights = [flight for row in first if (flight := self._flights.get((row.group, ""))) is not None]
        if flights:
            await asyncio.wait(flights)
        denied = [flight.exception() for flight in flights if flight.exception() is not None]
        if denied and len(denied) == len(flights) and isinstance(denied[0], PermissionDeniedError):
            raise ExistingRecordsError
        sought = [self._seek(row) for row in first if self._is_sought(row) and self._kept(row) is None]
        if sought:
            await asyncio.wait(sought)
        self.another_run = self.another_run or any(map(self._is_there, first))
        if self.another_run:
            await self._settled()
        self._first = None

    async def _settled(self) -> None:
        await asyncio.sleep(max(0.0, self._believed_from - time.monotonic()))

    def _is_there(self, row: PreparedRow) -> bool:
        """Tell whether a listing has shown a row's key."""
        listed = self._kept(row)
        return listed is not None and bool(self._find(listed, row))

    def _kept(self, row: PreparedRow) -> Listed | None:
        """Return the listing that answers for a row, of its group or of its key; None where there is none yet."""
        listed = self._index.listed(self._digests.place(row.group))
        if listed is None and self._any_long:
            return self._index.listed(self._digests.place(f"{row.group}\0{row.key}"))
        return listed

    def _is_sought(self, row: PreparedRow) -> bool:
        """Tell whether a row is found by asking for its key, which is compared in another form than it is sent."""
        if self._filter is None or row.group not in self._long:
            return False
        return self._filter.fits((*self._forms(row), str(row.fields.get(self._keys.field, ""))))

    def _forms(self, row: PreparedRow) -> tuple[str, ...]:
        return (row.key or "", *self._keys.former(row))

    def _find(self, listed: Listed, row: PreparedRow) -> list[KeptRecord]:
        """Return the records that carry a row's key."""
        if not listed.records:
            return []
        found = self._index.find(listed, self._digests.place(row.key or ""))
        for key in () if found else self._keys.former(row):
            found += self._index.find(listed, self._digests.place(key))
        return found

    async def _listed(self, row: PreparedRow) -> Listed:
        """List a row's group, once for all who wait for it, or ask for its key.

        Raises:
            NotSentError: it could not be listed.
            AuthenticationError: the server refused the token.
        """
        failed_at, reason = self._failed.get(row.group, (_NEVER, ""))
        if time.monotonic() - failed_at < _REMEMBERED_FOR:
            raise NotSentError(reason, request=self._line)
        while True:
            if self._is_sought(row):
                flight = self._seek(row, again=True)
            else:
                if self._long.pop(row.group, 0):
                    self._whole.add(row.group)  # for a key that cannot be asked for
                started = self._flight(row.group, again=True)
                assert started is not None
                flight = started
            await asyncio.wait((flight,))
            error = flight.exception()
            if error is not None:
                break
            if (listed := flight.result()) is not None:
                return listed
        if isinstance(error, PermissionDeniedError) and not self.groups and not self._some:
            raise ExistingRecordsError
        if isinstance(error, AuthenticationError) or not isinstance(error, PermissionDeniedError | NotSentError):
            raise error
        if isinstance(error, NotSentError):
            if len(self._failed) >= _REMEMBERED:
                self._failed.clear()
            self._failed[row.group] = time.monotonic(), error.reason
            raise NotSentError(error.reason, request=self._line)
        raise NotSentError(f"its patient's records could not be listed: {error.reason}", request=self._line)

    def _flight(self, group: str, *, again: bool = False) -> asyncio.Future[Listed | None] | None:
        """Return what becomes of a group's listing, which is begun where none is under way or was made before."""
        flight = self._flights.get((group, ""))
        if flight is None and (again or self._index.listed(self._digests.place(group)) is None):
            flight = self._flights[group, ""] = asyncio.get_running_loop().create_future()
            self._enqueue((group, ""), first=again)
        return flight

    def _seek(self, row: PreparedRow, *, again: bool = False) -> asyncio.Future[Listed | None]:
        """Return what becomes of asking for a row's key."""
        name = row.group, row.key or ""
        flight = self._flights.get(name)
        if flight is None:
            flight = self._flights[name] = asyncio.get_running_loop().create_future()
            sought = self._sought.setdefault(row.group, {})
            sought[name[1]] = self._forms(row)
            if len(sought) == 1:
                self._enqueue(name, first=again)
        return flight

    def _enqueue(self, name: tuple[str, str], *, first: bool) -> None:
        """Have a group listed, or asked for its keys where one is given; first of all where somebody waits."""
        if first:
            self._queue.appendleft(name)
        else:
            self._queue.append(name)
        if len(self._listers) < self._most_listers:
            lister = asyncio.create_task(self._list_all(), name="welkin_async bulk listing")
            self._listers.add(lister)
            lister.add_done_callback(self._listers.discard)  # where it was cancelled before it began

    async def _list_all(self) -> None:
        """List one group after another, or ask for its keys, while there are any."""
        try:
            await self._list_queued()
        finally:  # in the same step: for a group that comes a moment later another lister is to begin
            task = asyncio.current_task()
            if task is not None:
                self._listers.discard(task)

    async def _list_queued(self) -> None:
        while self._queue:
            group, key = self._queue.popleft()
            sought = self._batch(group) if key else _WHOLE
            try:
                if key:
                    results = await self._ask(group, sought)
                    for each, result in zip(sought, results, strict=True):
                        self._flights[group, each].set_result(result)
                else:
                    self._flights[group, ""].set_result(await self._list_or_leave(group))
            except asyncio.CancelledError:
                for each in sought:
                    self._flights[group, each].cancel()
                raise
            except Exception as error:
                for each in sought:
                    flight = self._flights[group, each]
                    flight.set_exception(error)
                    flight.exception()  # who reads ahead need not ask
            finally:
                for each in sought:
                    del self._flights[group, each]

    def _batch(self, group: str) -> dict[str, tuple[str, ...]]:
        """Take as many of the keys that are sought of a group as can be asked for at once."""
        sought = self._sought.pop(group)
        if self._filter is None or not self._filter.bound:
            return sought
        chosen, _ = self._filter.batch(sought.items())
        batch = {key: sought.pop(key) for key in chosen}
        if sought:
            self._sought[group] = sought
            self._enqueue((group, next(iter(sought))), first=True)
        return batch

    async def _list_or_leave(self, group: str) -> Listed | None:
        """List a group; None where it is long, and asked for keys from now on."""
        if self._filter is None or group in self._whole:
            self._whole.discard(group)
            return await self._list(group)
        try:
            began, records = await self._records(lambda: self._keys.listing_or_long(group), _TRIES)
        except LongListingError as long:
            self._long[group] = long.pages
            self._expected = None
            self._any_long = True
            if len(self._long) > _REMEMBERED:
                del self._long[next(iter(self._long))]
            return None
        return await self._keep_whole(group, began, records)

    async def _ask(self, group: str, sought: Mapping[str, tuple[str, ...]]) -> list[Listed]:
        """Ask for the keys of rows; a listing of the whole group answers where that is no dearer by now."""
        left, finder = self._long.get(group, 0), self._filter
        if left > 0 and finder is not None and finder.bound:
            self._long[group] = left - 1
            asked = [form for forms in sought.values() for form in forms]
            with contextlib.suppress(NotSentError):
                began, records = await self._records(lambda: finder.find(group, asked), _FEW_TRIES)
                by_key: dict[str, list[Any]] = {}
                for record in records:
                    by_key.setdefault(self._keys.key_of(record) or "", []).append(record)
                return [
                    await self._keep(
                        f"{group}\0{key}", began, [each for form in forms for each in by_key.get(form, ())]
                    )
                    for key, forms in sought.items()
                ]
        self._long.pop(group, None)
        return [await self._list(group)] * len(sought)

    async def _list(self, group: str) -> Listed:
        """List a group completely; see `_records`."""
        began, records = await self._records(lambda: self._keys.listing(group, 0.0), _TRIES)
        return await self._keep_whole(group, began, records)

    async def _keep_whole(self, group: str, began: float, records: Sequence[Any]) -> Listed:
        """Keep what a complete listing has shown."""
        if records:
            listed = await self._keep(group, began, records)
        else:
            listed = self._index.keep(self._digests.place(group), began, ())
        self.groups += 1
        self._note_empty(group, began, empty=not listed.records)
        return listed

    async def _keep(self, name: str, began: float, records: Sequence[Any]) -> Listed:
        """Keep what was listed under the name of a group, or of a key of it."""
        kept: list[KeptRecord] = []
        try:
            for record in self._digested(records):
                if len(kept) % _AT_ONCE == _AT_ONCE - 1:
                    await asyncio.sleep(0)
                if record is not None:
                    kept.append(record)
        except DecodeError as unreadable:  # it may be any row's
            reason = f"its patient's records could not be read: {unreadable.reason}"
            raise NotSentError(reason, request=self._line) from None
        return self._index.keep(self._digests.place(name), began, kept)

    async def _records(
        self, query: Callable[[], Awaitable[Sequence[Any] | None]], most: int
    ) -> tuple[float, Sequence[Any]]:
        """List until that has succeeded, and tell when it was begun; while the server is not there, for long.

        Raises:
            RequestError: it was answered too often without success.
        """
        pause, tries = _FIRST_PAUSE, 0
        while True:
            began = time.monotonic()
            self.lookups += 1
            records, answered, error = await look(query(), self._server)
            self._note_answer(began, answered=answered)
            if records is not None:
                return began, records
            if isinstance(error, PermissionDeniedError):
                raise error
            tries += answered
            alone = answered and isinstance(error, RateLimitedError)  # it has been refused for long, and others not
            if tries >= most or alone:
                reason = "the list never stood still" if error is None else error.reason
                raise NotSentError(f"its patient's records could not be listed: {reason}", request=self._line)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _note_empty(self, group: str, began: float, *, empty: bool) -> None:
        """Remember of a group that it holds nothing, as long as few others have come since."""
        self._empty.pop(group, None)
        if empty:
            self._empty[group] = began
            if len(self._empty) > _REMEMBERED:  # the oldest, many at once: one by one they are slow to find in a dict
                for each in [*islice(self._empty, _REMEMBERED // 4)]:
                    del self._empty[each]

    def _note_answer(self, began: float, *, answered: bool) -> None:
        """Take note of whether the server is there, for those who watch; rows that it does not answer are counted."""
        since = self._silent_since
        if answered:
            self.paused += 0.0 if since is None else time.monotonic() - since
            self._silent_since = None
        elif since is None and self._server is not None and not self._server.held:
            self._silent_since = began

    def _digested(self, records: Iterable[Any]) -> Iterator[KeptRecord | None]:
        """Give what is kept of each record; None of one without a key."""
        for record in records:
            key = self._keys.key_of(record)
            if key is None:
                yield None
                continue
            held = self._keys.held(record)
            created, updated, author = self._keys.stamps(record)
            place = self._digests.place(key)
            yield KeptRecord(place, record.id, created, updated, author, self._digests.of_record(held))
