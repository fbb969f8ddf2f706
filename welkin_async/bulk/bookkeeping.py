"""What a journal means for each row that is pulled, and what it is told of each outcome."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

from welkin_async.bulk.journal import Journal
from welkin_async.bulk.outcomes import Outcome, Status
from welkin_async.errors import AuthenticationError, NotSentError, RequestError, safe_code

__all__ = ["Bookkeeping", "Entry", "Step"]


_DONE = frozenset({Status.CREATED, Status.UPDATED, Status.DELETED})


class Step(Enum):
    """What is to be done with a row."""

    SEND = "send"
    LOOK = "look"
    CHECK = "check"
    SKIP = "skip"
    REFUSE = "refuse"


class Entry(NamedTuple):
    """What is to be done with a row that was pulled.

    Attributes:
        step: ``SEND``; ``LOOK``: it may have been sent by an earlier run; ``CHECK``: none has created it, but it may
            have come another way, from that run's rejects; ``SKIP``: it is done; ``REFUSE``: its key belongs to another
            row with other content.
        since: Wall-clock seconds since which it may have been sent, where it is to be looked for.
        earlier: What became of it in an earlier run, where it is done; None where another row stands for it.
    """

    step: Step
    since: float = 0.0
    earlier: str | None = None


_SEND = Entry(Step.SEND)
_HASH = hashlib.blake2b(digest_size=8, person=b"welkin")


class Bookkeeping:
    """Keeps a journal for an import.

    Args:
        journal: The open journal.
        content: Returns a row's key (None where it has none) and what it holds.
        own_key: Tells whether a row's key is its own, so that another row may have it as well; not one that was minted
            from the row's position.
        verify: Whether rows are compared with what earlier runs had at their positions; not where the source is known
            by a digest of its own.
        block: How many positions are reserved at once, once rows are sent by many workers.
        retry: Whether rows that an earlier run refused or failed are sent again.
        keyed: Whether rows can be looked for by their keys.
    """

    def __init__(
        self,
        journal: Journal,
        content: Callable[[Any], tuple[str | None, bytes]],
        own_key: Callable[[Any], bool],
        *,
        verify: bool,
        block: int,
        retry: bool = False,
        keyed: bool = False,
    ) -> None:
        self.journal = journal
        self._retry = retry
        self._keyed = keyed
        self._content = content
        self._own_key = own_key
        self._verify = verify
        self._block = block

    def enter(self, index: int, row: Any) -> Entry | None:
        """Take a row in, in the order of the source, before anything is sent.

        Args:
            index: Its position.
            row: The row.

        Returns:
            What is to be done with it; None where it is simply to be sent, and may be now.

        Raises:
            JournalMismatchError: the source has changed since the journal was begun.
            JournalError: the journal cannot be written.
        """
        entry = self.admit(index, row)
        return None if entry is _SEND and self.journal.covers(index) else entry

    async def ready(self, index: int, entry: Entry) -> None:
        """Wait until what `enter` said may be done.

        Args:
            index: The row's position.
            entry: What is to be done with it.

        Raises:
            JournalError: the journal cannot be written.
        """
        if entry.step in (Step.SKIP, Step.REFUSE):
            if self.journal.behind:
                await self.journal.flush()
        elif not self.journal.covers(index):
            await self.journal.reserve(index)

    def admit(self, index: int, row: Any) -> Entry:
        """Compare a row with what earlier runs know of it; `enter` without waiting until it may be sent.

        Args:
            index: Its position.
            row: The row.

        Raises:
            JournalMismatchError: the source has changed since the journal was begun.
            JournalError: the journal cannot be written.
        """
        journal = self.journal
        # A row that its source found bad is not sent, and may be another one once that is mended: it claims nothing.
        if (self._verify or self._own_key(row)) and getattr(row, "problem", None) is None:
            key, held = self._content(row)
            hashed = _HASH.copy()
            hashed.update(held)
            digest = hashed.digest()
            if self._verify:
                journal.verify(index, digest)
            if key is not None and (claim := journal.claim(key, digest, index)) != "new":
                return Entry(Step.SKIP if claim == "same" else Step.REFUSE)
        standing = journal.state(index)
        if standing.state == "done" or (standing.state == "failed" and not self._retry):
            return Entry(Step.SKIP, earlier=standing.status)
        if standing.state == "unknown-since":
            return Entry(Step.LOOK, standing.since or 0.0)
        if standing.status is not None and self._keyed:
            return Entry(Step.CHECK, journal.since(index))
        return _SEND

    def may_be_there(self, index: int) -> bool:
        """Return whether an earlier run may have sent a row, without its being known.

        Args:
            index: Its position.
        """
        return self.journal.state(index).state == "unknown-since"

    def widen(self) -> None:
        """Reserve whole blocks from now on; until then one position at a time."""
        self.journal.widen(self._block)

    def parked(self, index: int, key: str, patient: str, since: float) -> None:
        """Note that a row may be on the server."""
        self.journal.unknown(index, key, patient, since)

    def decided(self, outcome: Outcome[Any, Any], *, sent: bool) -> None:
        """Note what became of a row.

        Args:
            outcome: Its outcome.
            sent: Whether it was meant to be sent: a row that an import gave up before is to the next run what it was to
                this one.

        Raises:
            JournalError: the journal cannot be written.
        """
        status = outcome.status
        if status is Status.SKIPPED:
            return
        if status in _DONE and not outcome.altered and not outcome.adopted:
            self.journal.record(outcome.index, "created")
            return
        record_id = None if outcome.record is None else outcome.record.id
        if status in _DONE:
            name = "altered" if outcome.altered else "adopted"
            self.journal.record(outcome.index, name, record_id=record_id)
            return
        error = outcome.error
        codes = error.error_codes if isinstance(error, RequestError) else ()
        code = safe_code(codes[0]) if codes else type(error).__name__ if error is not None else None
        # Where no connection or no token was to be had nothing is wrong with the row either.
        blameless = not sent or isinstance(error, NotSentError | AuthenticationError)
        name = str(status)
        if status is Status.FAILED and blameless:
            known = self.journal.state(outcome.index).state
            if known == "done" or (known == "failed" and not self._retry):
                return  # a source that has changed brings another row here; what is known of the old one stays
            name = "unknown" if known == "unknown-since" else "unsent"
        self.journal.record(outcome.index, name, record_id=record_id, error_code=code)
