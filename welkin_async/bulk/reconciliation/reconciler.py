"""Reconciler: looks for rows that may be on the server, in rounds, and decides about each.

Such rows are rare. One is put aside and its worker goes on; a round lists the groups concerned once when nothing else
can be sent, when too many rows are aside, or when the oldest has waited for a minute, and again until none is left.
Later is also safer: by then what was cut off has landed, and records sent since are witnesses that listings are new.

The first listing of a group is complete. Those after it reach back behind it alone, by as much as clocks differ,
look-ups lag and rows may land late; they may find a row, but that one is absent only a complete listing tells.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from welkin_async.bulk.clock import WallClock, seconds_of
from welkin_async.bulk.errors import JournalError, ProofError
from welkin_async.bulk.journal.row_admission import RowAdmission
from welkin_async.bulk.keys.protocol import Found
from welkin_async.bulk.reconciliation.key_proof import KeyProof, ProofState
from welkin_async.bulk.reconciliation.lookup import Server, group_by_key, is_silence, look
from welkin_async.bulk.reconciliation.options import LookupOptions, SharedRun
from welkin_async.bulk.reconciliation.policy import LAG_FACTOR, Decision, LagTracker, PendingRow, View, choose, decide
from welkin_async.bulk.rows import PreparedRow
from welkin_async.errors import DecodeError, OutcomeUnknownError, RejectedError, RequestError, RequestLine
from welkin_async.wire.request import Request

_LISTERS = 4  # groups listed at once, so that look-ups take little from the import itself
_SHORTEST, _LONGEST = 0.2, 2.0  # seconds between two rounds
_BRIEFEST = 0.02  # seconds, however short the settle time is
_DUE = 60.0  # seconds after which a row that waits makes a round due
_LOOK_BACK = 86400.0  # seconds before the first start since which is listed: clocks are wrong by hours, not days
_LEAST_SKEW = 5.0  # seconds by which clocks are taken to differ, at least
_WHOLE_KEPT = 1024  # groups of which it is known when they were listed completely
_LONG_AGO = 3600.0  # seconds after which nothing of an earlier run lands any more
_TRIES = 3  # rows of earlier runs that are looked for, so that finding one may prove the keys
_SIMILAR = 4  # characters that a changed key must share with its own


class _Created(NamedTuple):
    """A created record: its group and id, and the monotonic seconds at which it was sent and answered."""

    group: str
    id: str
    sent: float
    answered: float


class _Listing(NamedTuple):
    """A group's listing: when it was begun, what it has by key (None where it is not complete), and all ids.

    It is whole where it reaches back to before the first start. That it is answered means that the server was there;
    where it was silent all the same, this request failed and another was answered after it.
    """

    began: float
    answered: bool
    silent: bool
    by_key: Mapping[str, Sequence[Any]] | None
    ids: frozenset[str]
    whole: bool


class Reconciler:
    """Reconciler: keeps the pending rows of a run, and finds out what became of them.

    Args:
        options: How rows are looked for.
        admission: Keeps the journal.
        decided: Carries out a decision about a pending row, given what was found.
        fail: Stops the import.
        idle: Tells whether no worker has anything to send.
        server: Knows whether the server is there; None where nothing does.

    Attributes:
        keys: Finds records by their keys.
        proof: Shows that keys can be trusted.
        again: Rows that were found absent, to be sent again by the next free worker.
        full: Whether so many rows are pending that no more may be pulled.
        cautious: Whether rows must go one at a time: a journal is kept, and keys are not proved yet. A run that is
            killed leaves rows that may have been sent, and only proved keys tell whether they were.
        pending: How many rows are looked for.
        lookups: How many listings were made.
        last_unknown: Monotonic seconds of the last attempt that ended unknown.
        suspects: Rows that were sent again before it came out that the server changes keys; None where it does not.
    """

    def __init__(
        self,
        options: LookupOptions,
        admission: RowAdmission,
        decided: Callable[[PendingRow, Decision, Any, tuple[str, ...]], Awaitable[None]],
        fail: Callable[[BaseException], None],
        idle: Callable[[], bool],
        server: Server | None,
    ) -> None:
        self._skew = _LEAST_SKEW
        self._whole_at: dict[str, float] = {}  # monotonic seconds of the last complete listing, by group
        self.keys = keys = options.keys
        self.server = server
        self._admission = admission
        self._journal = journal = admission.journal
        self._decided = decided
        self._fail = fail
        self._idle = idle
        self._scans_all = options.existing == "check" and keys.sees_all
        self._options = options
        self._wall = WallClock()
        self._started = time.monotonic()
        self.since = (journal.since(0) or self._wall.at(self._started)) - _LOOK_BACK
        self.proof = KeyProof(keys, self.since, options.final_settle, server, self._proved, options.existing == "check")
        # Not before: until the journal was had, another process may have been sending its rows.
        self._lag = LagTracker(self._keep_lag, there_since=self._started)
        self._lag.widen(journal.lag)
        self._by_group: dict[str, dict[int, PendingRow]] = {}
        self._newest: _Created | None = None
        self._control_record: _Created | None = None  # kept until a listing shows it: a lag still open is not closed
        self._tries = _TRIES
        self._skipped: PreparedRow | None = None  # the last one that an earlier run created
        self._task: asyncio.Task[None] | None = None
        self._due = asyncio.Event()
        self._slots = asyncio.Semaphore(_LISTERS)
        self.lookups = 0
        self._resent: list[PreparedRow] = []
        self._disarmed = journal.keys_changed
        self.again: deque[PendingRow] = deque()
        self.pending = 0
        self.full = False
        self.cautious = journal.persistent
        # What earlier runs have left may still land, unless that is long ago.
        recent = self._wall.at(self._started) - journal.last_unknown < _LONG_AGO
        self.last_unknown = self._started if recent else float("-inf")
        if (shared := options.shared) is not None:
            self._lag.widen(shared.lag)
            self._disarmed = self._disarmed or shared.keys_changed
            if shared.proved:
                self.proof.adopt(shared.lag)

    @property
    def busy(self) -> bool:
        """Whether a row is still pending or about to be sent again."""
        return bool(self.pending or self.again)

    @property
    def suspects(self) -> Sequence[PreparedRow]:
        """The rows that were sent again, where it came out that the server changes keys; else none."""
        return self._resent if self._disarmed else ()

    @property
    def _quiet(self) -> bool:
        """Whether nothing can be sent."""
        return self._idle() and not self.again

    @property
    def _armed(self) -> bool:
        """Whether absence can be trusted."""
        return self.proof.armed and not self._disarmed

    def share(self, run: SharedRun) -> None:
        """Note what was found out for the runs of other chunks.

        Args:
            run: What is shared with them.
        """
        run.proved = run.proved or self.proof.armed
        run.lag = max(run.lag, self._lag.largest)
        run.keys_changed = run.keys_changed or self._disarmed

    def wake(self) -> None:
        """Note that a worker has nothing to send, so that a round may be due."""
        self._due.set()

    def created(
        self, row: PreparedRow, record: Any, sent: float, changed: tuple[str, ...], again: PendingRow | None
    ) -> None:
        """Take note of a created record; the first one is the proof.

        Args:
            row: The row.
            record: What the server answered.
            sent: Monotonic seconds before it was sent.
            changed: The fields that the server dropped or changed.
            again: What it was pending as before, where it was sent again.
        """
        id = record.id
        if again is not None:
            self._note(row, again.first_sent, record_id=id)
        self._anchor(row, id)
        if again is None and self._scans_all:
            self._journal.landed(self._admission.slot(row.index), row.key or "", row.group, id)
        if not self.proof.begun:
            self.proof.begin(record, row.group, row.key or "")
        elif changed and self.keys.field in changed:
            self._disarm()
        self._newest = _Created(row.group, id, sent, time.monotonic())
        if self.pending:
            self._measure_skew(record)
        for pending in self._by_group.get(row.group, {}).values():
            if pending.witness is None and sent >= pending.ended + self._options.settle:
                pending.witness = id

    def refused(self, row: PreparedRow) -> None:
        """Take note of a row that is reported as refused: an error names no record, so the final scan looks for it."""
        self._note(row, self._wall.now(), refused=True)

    async def skipped(self, row: PreparedRow) -> None:
        """Take note of a row that an earlier run created: if its key is found, that is the proof.

        Raises:
            AuthenticationError: the server refused the token.
        """
        if self.proof.state is ProofState.UNPROVED:
            self._skipped = row
            if self._tries > 0:
                self._tries -= 1
                await self._prove_by(row)

    async def _prove_by(self, row: PreparedRow) -> None:
        """Look for a row that an earlier run created."""
        listing = await self._list(row.group, also=self._keys_of(row))
        if listing.by_key is not None and self._found(row, listing.by_key):
            self.proof.confirm()

    async def _prove_by_anchors(self) -> None:
        """Look for the first records that earlier runs have created or found, by the keys that their rows were sent."""
        for group, id, key in self._journal.anchors:
            listing = await self._list(group, also=(key,))
            if listing.by_key is not None and any(each.id == id for each in listing.by_key.get(key, ())):
                self.proof.confirm()
                return

    def found(self, row: PreparedRow, id: str) -> None:
        """Take note that a row's key was found on the server before the row was sent, which proves keys as well.

        Args:
            row: The row.
            id: The record that carries it.
        """
        self.proof.confirm()
        self._anchor(row, id)

    def _anchor(self, row: PreparedRow, id: str) -> None:
        """Have a later run see by a record that the server's data is what the journal speaks of."""
        if self._journal.wants_anchors:
            self._journal.anchor(row.group, id, row.key or "")

    def look(self, row: PreparedRow, since: float, line: RequestLine, reason: str) -> None:
        """Look for a row that may be there from before; bytes may still land, so it settles from this run's start.

        Args:
            row: The row.
            since: Wall-clock seconds since which it may have been sent.
            line: What was sent.
            reason: Why it may be there.
        """
        self.last_unknown = max(self.last_unknown, self._started)
        self._add(PendingRow(row, since, self._started, 0, OutcomeUnknownError(reason, request=line)), new=True)

    def park(
        self, row: PreparedRow, request: Request, sent: float, error: RequestError, again: PendingRow | None
    ) -> None:
        """Look for a row whose outcome is unknown, or whose refusal may be another request's answer.

        Args:
            row: The row.
            request: Its last request.
            sent: Monotonic seconds before that request.
            error: How it ended.
            again: What it was pending as before, where this was not the first time.
        """
        pending = again or PendingRow(row, self._wall.at(sent), 0.0, 0, error, overloaded=True)
        pending.attempts += request.attempts
        pending.rejection = error if isinstance(error, RejectedError) else None
        pending.witness = None
        if again is None or request.unknown:
            pending.overloaded = pending.overloaded and error.status == 503
            pending.error, pending.waited = error, 0.0
            pending.seen_absent, pending.missed = False, None
            pending.ended = self.last_unknown = time.monotonic()
        named = f"jsonBody.{self.keys.field}"
        pending.echoed_key = next((str(value) for field, value in request.differences if field == named), None)
        self._add(pending, new=again is None)

    async def stop(self) -> list[PendingRow]:
        """Stop looking, and return the rows that are not decided: pending, or waiting to be sent again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        left = [*(pending for rows in self._by_group.values() for pending in rows.values()), *self.again]
        self._by_group.clear()
        self.again.clear()
        self.pending = 0
        return left

    def _add(self, pending: PendingRow, *, new: bool) -> None:
        """Put a row aside, and see that its key is scanned in the end, by whatever run."""
        if new:
            self._note(pending.row, pending.first_sent)
        self._by_group.setdefault(pending.row.group, {})[pending.row.index] = pending
        self.pending += 1
        self.full = self.pending >= self._options.room
        self._due.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="welkin_async bulk reconciler")

    def _note(self, row: PreparedRow, first_sent: float, **more: Any) -> None:
        """Keep a key for the final scan; see `Journal.unknown`."""
        try:
            self._journal.unknown(self._admission.slot(row.index), row.key or "", row.group, first_sent, **more)
        except JournalError as error:
            self._fail(error)

    async def _run(self) -> None:
        """Make rounds until no row is pending."""
        pause = _SHORTEST
        try:
            while self.pending:
                waited = max(_BRIEFEST, min(pause, self._options.settle))
                await asyncio.sleep(waited)
                await self._until_due()
                before = self.pending
                await self._round(waited)
                pause = min(pause * 1.5, _LONGEST) if self.pending >= before else _SHORTEST
        except Exception as error:  # whatever it is: nothing would look any more, and the import would wait for ever
            self._fail(error)

    async def _until_due(self) -> None:
        """Wait until nothing else can be sent, too many rows are pending, or the oldest has waited long enough."""
        began, pause = time.monotonic(), _SHORTEST
        look_at = began + pause
        while not (self.full or self._quiet) and time.monotonic() < began + _DUE:
            self._due.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._due.wait()
            control = self._control_record
            if control is not None and self._lag.is_open and time.monotonic() >= look_at:
                # How late it shows is the lag, and not when the next round comes to it.
                self._shown_since(control, await self._list(control.group))
                pause = min(pause * 1.5, _LONGEST)
                look_at = time.monotonic() + pause

    async def _round(self, waited: float) -> None:
        """List every group that has a pending row once, and decide about each row."""
        if self.proof.state is ProofState.UNPROVED:
            if self._skipped is None:
                await self._prove_by_anchors()  # what would be skipped may stand behind the rows that are pending
            else:
                await self._prove_by(self._skipped)  # the tries may all have met an outage, and nothing else is sent
        rows = {group: list(pending.values()) for group, pending in self._by_group.items()}
        quiet = self._quiet
        if not self._lag.is_open:
            self._control_record = self._newest
        control = self._control_record  # listed before the others, because how late it is listed counts as lag
        groups = list(dict.fromkeys([control.group, *rows] if control is not None else rows))
        listed = dict(zip(groups, await asyncio.gather(*map(self._list, groups)), strict=True))
        listings = {group: listed[group] for group in rows}
        shown = None if control is None else self._shown_since(control, listed[control.group])
        quiet = quiet and (shown is not None or control is None)
        due = [
            group
            for group, listing in listings.items()
            if not listing.whole and any(self._may_end(each, listing, shown, quiet=quiet) for each in rows[group])
        ]
        whole = await asyncio.gather(*(self._list(group, whole=True) for group in due))
        listings.update(zip(due, whole, strict=True))
        for group, listing in listings.items():
            if listing.by_key is not None and listing.whole:
                for pending in rows[group]:
                    await self._find_changed_key(pending, listing.by_key)
        # A row whose key may have been changed, and that no complete listing has answered for yet, holds back all.
        held = any(each.echoed_key and not each.seen_absent for group in rows.values() for each in group)
        for group, listing in listings.items():
            for pending in rows[group]:
                if listing.answered and pending.ended <= listing.began and self._is_pending(pending):
                    down = self.server is not None and self.server.held
                    if self._armed or not (down or self.proof.under_way):
                        pending.waited += waited  # while nothing is proved, or could be, no absence counts either
                    await self._judge(pending, listing, shown, quiet=quiet, held=held)

    async def _judge(
        self, pending: PendingRow, listing: _Listing, shown: float | None, *, quiet: bool, held: bool
    ) -> None:
        """Decide about a row after a listing of its group, and have it carried out."""
        decision, found = self._decision(pending, listing, shown, quiet=quiet, held=held)
        if found is None and not listing.whole:
            return
        if found is not None and pending.attempts and pending.missed is not None:
            # Rounds may be a minute apart, and that nobody looked is no lag.
            self._lag.measure(pending.ended, pending.missed, min(listing.began, pending.missed + _LONGEST))
        elif found is None and listing.by_key is not None:
            pending.seen_absent = True
            pending.missed = listing.began if shown is None or shown < pending.ended else None
        if found is not None:
            if pending.attempts and not self.proof.begun:  # nothing else has told how far look-ups lag
                self._lag.widen(min(self._wall.now() - pending.first_sent, self._options.final_settle / LAG_FACTOR))
            self.proof.confirm()
        if decision is not Decision.WAIT:
            await self._release(pending, decision, None if found is None else found.record, ())

    def _may_end(self, pending: PendingRow, listing: _Listing, shown: float | None, *, quiet: bool) -> bool:
        """Tell whether a complete listing is worth the while: with one a row would be given up, or sent again."""
        if not (listing.answered and pending.ended <= listing.began):
            return False
        if pending.echoed_key is not None and not pending.seen_absent:
            return True
        decision, found = self._decision(pending, listing, shown, quiet=quiet, held=False)
        return found is None and decision is not Decision.WAIT

    def _decision(
        self, pending: PendingRow, listing: _Listing, shown: float | None, *, quiet: bool, held: bool
    ) -> tuple[Decision, Found | None]:
        """Decide about a row as if the listing were complete, and return the record that it has of it."""
        found, settled = None, max(pending.ended, self._lag.there_since) + self._options.settle
        if listing.by_key is not None:
            found = choose(self._found(pending.row, listing.by_key))
        view = View(
            complete=listing.by_key is not None,
            began=listing.began,
            there_since=self._lag.there_since,
            armed=self._armed and not held,
            witnessed=pending.witness in listing.ids or (shown is not None and shown >= settled),
            quiet=quiet,
            settle=self._options.settle,
            lag=self._lag.at(listing.began),
            patience=max(self._options.settle, LAG_FACTOR * self._lag.largest) + self._options.final_settle,
        )
        return decide(pending, found, view), found

    async def _find_changed_key(self, pending: PendingRow, by_key: Mapping[str, Sequence[Any]]) -> None:
        """See whether a row is there under the key that came back in place of its own: then the server changes keys.

        Another's answer has another's key, so the two must be alike, as one that was cut or written otherwise is.
        """
        echoed, own, field = pending.echoed_key, pending.row.key or "", self.keys.field
        if echoed is None or own in by_key:
            return
        one, other = _letters(echoed), _letters(own)
        if len(one) < min(_SIMILAR, len(other)) or not (other.startswith(one) or one.startswith(other)):
            return
        for record in by_key.get(echoed.strip(), ()):
            if self.keys.changed_in(pending.row, record) == (field,):
                self._disarm()
                await self._release(pending, Decision.ADOPT, record, (field,))
                return

    def _shown_since(self, control: _Created, listing: _Listing) -> float | None:
        """Return when the control record was sent, where a listing of its group shows it.

        It is the newest when the round began, or one before that no listing has shown yet.
        """
        shown = control.id in listing.ids
        if listing.silent:  # an outage may have ended before it was asked whether there is one
            self._lag.unanswered(control.id, time.monotonic())
        if not listing.answered or (listing.by_key is None and not shown):
            return None
        self._lag.observe(control.id, control.answered, listing.began, found=shown)
        return control.sent if shown else None

    def _measure_skew(self, record: Any) -> None:
        """See by how much the server's clock differs from this one."""
        created = seconds_of(self.keys.stamps(record)[0])
        if created is not None:
            self._skew = max(self._skew, abs(created - self._wall.now()))

    def _window(self, group: str) -> float:
        """Return the wall-clock seconds since which a group is listed, behind its last complete listing."""
        whole_at = self._whole_at.get(group)
        if whole_at is None:
            return self.since
        created = (self._newest, self._control_record)
        shown = [self._wall.at(each.sent) for each in created if each is not None and each.group == group]
        rows = self._by_group.get(group, {}).values()
        sent = [each.first_sent for each in rows if each.ended > whole_at]  # it may have shown these already
        reach = self._skew + LAG_FACTOR * self._lag.at(time.monotonic()) + self._options.settle
        return max(self.since, min([self._wall.at(whole_at), *shown, *sent]) - reach)

    async def _list(self, group: str, *, whole: bool = False, also: Collection[str] = ()) -> _Listing:
        """List a group once, for its pending rows and some other keys: completely, or behind the last complete one."""
        self.lookups += not also  # one that only proves keys is about no row in doubt
        async with self._slots:
            began = time.monotonic()
            since = self.since if whole else self._window(group)
            records, answered, error = await look(self.keys.listing(group, since), self.server)
        if not answered:
            self._lag.there_since = time.monotonic()
        by_key = None
        wanted = self._wanted(group, also)  # the others are many, and a round holds the listings of all its groups
        if records is not None:
            with contextlib.suppress(DecodeError):  # a record whose key cannot be read may be any row's
                by_key = group_by_key(records, self.keys, wanted)
        whole = since <= self.since
        if whole and by_key is not None:
            self._whole_at.pop(group, None)
            self._whole_at[group] = began
            if len(self._whole_at) > _WHOLE_KEPT:
                del self._whole_at[next(iter(self._whole_at))]
        silent = error is not None and is_silence(error)
        return _Listing(began, answered, silent, by_key, frozenset(record.id for record in records or ()), whole)

    def _wanted(self, group: str, also: Collection[str]) -> set[str]:
        """Return the keys by which records of a group are looked for."""
        rows = self._by_group.get(group, {}).values()
        wanted = {*also, *(each.echoed_key.strip() for each in rows if each.echoed_key is not None)}
        for each in rows:
            wanted.update(self._keys_of(each.row))
        return wanted

    def _keys_of(self, row: PreparedRow) -> tuple[str, ...]:
        """Return the key of a row, and those under which an earlier version may have sent it."""
        return row.key or "", *self.keys.former(row)

    def _found(self, row: PreparedRow, by_key: Mapping[str, Sequence[Any]]) -> list[Found]:
        """Return the records that carry a row's key, or else one under which an earlier version may have sent it."""
        former = (record for key in self.keys.former(row) for record in by_key.get(key, ()))
        records = by_key.get(row.key or "") or former
        key = {self.keys.field}  # by which they were found, if not in the form in which it is sent by now
        return [Found(record, key.issuperset(self.keys.changed_in(row, record))) for record in records]

    def _is_pending(self, pending: PendingRow) -> bool:
        return self._by_group.get(pending.row.group, {}).get(pending.row.index) is pending

    async def _release(self, pending: PendingRow, decision: Decision, record: Any, altered: tuple[str, ...]) -> None:
        """Take a row out, and have a decision about it carried out."""
        rows = self._by_group.get(pending.row.group, {})
        del rows[pending.row.index]
        if not rows:
            del self._by_group[pending.row.group]
        self.pending -= 1
        self.full = self.pending >= self._options.room
        if decision is Decision.RESEND:
            pending.resends += 1
            self._note(pending.row, pending.first_sent, resent=True)
            self._resent.append(pending.row)
            self.again.append(pending)
        elif decision is Decision.ADOPT:
            self._note(pending.row, pending.first_sent, record_id=record.id)
            self._anchor(pending.row, record.id)
        elif decision is Decision.REJECT:
            self._note(pending.row, pending.first_sent, refused=True)
        await self._decided(pending, decision, record, altered)

    def _disarm(self) -> None:
        """Send nothing again from now on: rows that are pending may be there under other keys than their own."""
        if not self._disarmed:
            self._disarmed = True
            with contextlib.suppress(JournalError):  # the next call of anything says so
                self._journal.note_keys_changed()

    def _keep_lag(self, lag: float) -> None:
        """Note the largest lag of look-ups for later runs."""
        if self._journal.persistent and lag > self._journal.lag:
            with contextlib.suppress(JournalError):  # the next call of anything says so
                self._journal.measured(lag)

    def _proved(self) -> None:
        """Go on as the proof says."""
        self.cautious = False
        if self.proof.found_after is not None:  # where it failed a later run has to know how long look-ups may lag
            self._lag.widen(self.proof.found_after)
        if self.proof.state is ProofState.FAILED:
            self._fail(self.proof.error or ProofError("the key could not be proved"))
            return
        self._admission.widen()


def _letters(key: str) -> str:
    """Return what is left of a key however it is written."""
    return "".join(filter(str.isalnum, key.casefold()))
