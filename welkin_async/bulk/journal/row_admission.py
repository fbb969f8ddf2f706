"""Row admission: what a journal means for each row that is pulled, and what it keeps of each outcome."""

from __future__ import annotations

import hashlib
from enum import Enum
from typing import Any, NamedTuple

from welkin_async.bulk.journal.journal import Journal, PositionState
from welkin_async.bulk.journal.row_positions import NOWHERE
from welkin_async.bulk.results import Outcome, Status
from welkin_async.bulk.rows import PreparedRow
from welkin_async.errors import AuthenticationError, NotSentError, RequestError, SessionError, safe_code

_DONE = frozenset({Status.CREATED, Status.UPDATED, Status.DELETED})


class AdmissionStep(Enum):
    """What is to be done with a row."""

    SEND = "send"
    LOOK = "look"
    CHECK = "check"
    SKIP = "skip"
    REFUSE = "refuse"


class Admission(NamedTuple):
    """What is to be done with a row that was pulled.

    Attributes:
        step: ``SEND``; ``LOOK``: it may have been sent by an earlier run; ``CHECK``: none has created it, but it may
            have come another way, from that run's rejects; ``SKIP``: it is done; ``REFUSE``: its key belongs to another
            row with other content.
        since: Wall-clock seconds since which it may have been sent, where it is to be looked for.
        earlier: What became of it in an earlier run, where it is done; None where another row stands for it.
    """

    step: AdmissionStep
    since: float = 0.0
    earlier: str | None = None


_SEND = Admission(AdmissionStep.SEND)
_HASH = hashlib.blake2b(digest_size=8, person=b"welkin")


class RowAdmission:
    """Row admission: keeps the journal of a run.

    Args:
        journal: The open journal.
        verify: Whether rows are compared with what earlier runs had at their positions; not where the source is known
            by a digest of its own.
        block: How many positions are reserved at once, once rows are sent by many workers.
        retry: Whether rows that an earlier run refused or failed are sent again.
        keyed: Whether rows can be looked for by their keys.
    """

    def __init__(self, journal: Journal, *, verify: bool, block: int, retry: bool = False, keyed: bool = False) -> None:
        self.journal = journal
        self._retry = retry
        self._keyed = keyed
        self._verify = verify
        self._block = block
        self._compared: set[int] = set()  # rows that are held back, and known to be those of the runs before
        self._slots: dict[int, int] = {}  # of rows on their way, where they differ

    def hold(self, row: PreparedRow) -> None:
        """Compare a row with what its position had before, where it is held back: that is done in order.

        Args:
            row: The row, which `enter` will take in later.

        Raises:
            JournalMismatchError: the source has changed since the journal was begun.
            JournalError: the journal cannot be written.
        """
        if self._verify and row.problem is None:
            self.journal.verify(row.index, _digest(row))
            self._compared.add(row.index)

    def enter(self, row: PreparedRow) -> Admission | None:
        """Take a row in, in the order of the source, before anything is sent.

        Args:
            row: The row.

        Returns:
            What is to be done with it; None where it is simply to be sent, and may be now.

        Raises:
            JournalMismatchError: the source has changed since the journal was begun.
            JournalError: the journal cannot be written.
        """
        # A row that its source found bad is not sent, and may be another one once that is mended: it claims nothing.
        index, key, digest, compared = row.index, None, b"", (self._verify or row.own_key) and row.problem is None
        if compared:
            digest, key = _digest(row), f"{row.group.lower()}\0{row.key}" if row.key else None
        verified = index in self._compared
        self._compared.discard(index)
        claim, known, slot, covered = self.journal.enter(
            index, key, digest, verify=self._verify and compared, verified=verified, moves=not self._verify
        )
        if slot != index:
            self._slots[index] = slot
        if covered:
            return None
        if claim != "new":
            return Admission(AdmissionStep.SKIP if claim == "same" else AdmissionStep.REFUSE)
        if known.state == "done" or (known.state == "failed" and not self._retry):
            return Admission(AdmissionStep.SKIP, earlier=known.status)
        if known.state == "unknown-since":
            return Admission(AdmissionStep.LOOK, known.since or 0.0)
        if known.status is not None and self._keyed:
            return Admission(AdmissionStep.CHECK, self.journal.since(slot))
        return _SEND

    def vouches(self, row: PreparedRow) -> bool:
        """Return whether an earlier run is known to be done with a row, so that `enter` will have it skipped.

        Args:
            row: The row, which `enter` has not taken in yet.

        Raises:
            JournalError: the journal cannot be read.
        """
        if self.journal.is_new:
            return False
        key = None if self._verify else _claimed(row)
        return self._is_done(self.journal.known(row.index, key, moves=not self._verify))

    def left_of(self, row: PreparedRow, *, entered: bool) -> Admission | None:
        """Return what earlier runs have left of a row that this one has not come to; None for nothing.

        Args:
            row: The row.
            entered: Whether it was taken in. Else, where rows are compared by their positions, only a key of its own
                tells that it is the row which an earlier run had; without one it may be any.

        Raises:
            JournalError: the journal cannot be read.
        """
        key, slot = _claimed(row), self.slot(row.index)
        known = self.journal.known(slot, key, _digest(row), moves=not self._verify and slot == row.index)
        if self._is_done(known) and (entered or key is not None or not self._verify):
            return Admission(AdmissionStep.SKIP, earlier=known.status)
        sent = known.state == "unknown-since" or (known.state == "done" and key is None)
        return Admission(AdmissionStep.LOOK) if sent else None

    def _is_done(self, known: PositionState) -> bool:
        return known.state == "done" or (known.state == "failed" and not self._retry)

    async def ready(self, index: int, admission: Admission) -> None:
        """Wait until what `enter` said may be done.

        Args:
            index: The row's position.
            admission: What is to be done with it.

        Raises:
            JournalError: the journal cannot be written.
        """
        if admission.step in (AdmissionStep.SKIP, AdmissionStep.REFUSE):
            if self.journal.behind:
                await self.journal.flush()
        else:
            await self.journal.reserve(self.slot(index))

    def slot(self, index: int) -> int:
        """Return the position that a row has in the journal; another than in the source where that has changed.

        Args:
            index: Its position in the source.
        """
        return self._slots.get(index, index)

    def widen(self) -> None:
        """Reserve whole blocks from now on; until then one position at a time."""
        self.journal.widen(self._block)

    def record(self, outcome: Outcome[Any, Any]) -> None:
        """Keep what became of a row, and note in its outcome where.

        A row that was never sent for a reason that is none of its own (the run was stopped, no connection or no token
        was to be had) is to the next run what it was to this one.

        Args:
            outcome: Its outcome.

        Raises:
            JournalError: the journal cannot be written.
        """
        status, slot = outcome.status, outcome.index
        if self._slots:
            slot = outcome.journal_position = self._slots.pop(slot, slot)
        if status is Status.SKIPPED or slot == NOWHERE:
            return
        # What is gone stays what it was to the journal: else the next run would make it again.
        if status in (Status.UNCHANGED, Status.GONE) or (
            status in _DONE and not outcome.altered and not outcome.adopted
        ):
            self.journal.record(slot, "created")
            return
        record_id = outcome.record_id
        if status in _DONE:
            name = "altered" if outcome.altered else "adopted"
            self.journal.record(slot, name, record_id=record_id)
            return
        error = outcome.error
        codes = error.error_codes if isinstance(error, RequestError) else ()
        code = safe_code(codes[0]) if codes else type(error).__name__ if error is not None else None
        name = str(status)
        unsent = status is Status.FAILED and isinstance(error, NotSentError | AuthenticationError | SessionError)
        if unsent or (status is Status.UNKNOWN and not outcome.attempts):
            known = self.journal.state(slot)
            if self._is_done(known):
                return  # a source that has changed brings another row here; what is known of the old one stays
            name = "unsent" if unsent and known.state != "unknown-since" else "unknown"
        self.journal.record(slot, name, record_id=record_id, error_code=code)


def _claimed(row: PreparedRow) -> str | None:
    """Return the key that a row claims; None where it has none of its own."""
    return f"{row.group.lower()}\0{row.key}" if row.own_key and row.key else None


def _digest(row: PreparedRow) -> bytes:
    """Hash what a row is known again by: whose record it is, its keys, and what it holds."""
    names = f"{row.group}\0{row.key}\0{getattr(row.row, 'key', None)}\0".encode("utf-8", "surrogatepass")
    hashed = _HASH.copy()
    hashed.update(names + (row.body or b""))
    return hashed.digest()
