"""Row positions: where in the journal each row stands whose source may have changed since an earlier run.

In a first run each row has the position that it has in the source. Later a key of its own tells which row it is,
wherever it stands by now: it has the position at which its key was claimed first. No row is ever given a position that
is another one's.
"""

from __future__ import annotations

from collections.abc import Callable

from welkin_async.bulk.journal.ledger import NEW, Ledger
from welkin_async.bulk.journal.source_identity import Claim, KeyClaims
from welkin_async.bulk.position_set import RangeSet

__all__ = ["NOWHERE", "RowPositions"]

NOWHERE = -1
"""The position of a row whose key another row has, and whose place in the source is another row's in the journal."""


class RowPositions:
    """Row positions of a run that is not the first.

    Args:
        claims: Tell which row has a key, and where.
        ledger: Tells what is known of a position.
        claimed: Positions of keys that earlier runs have met.
        moved: Whether the source has changed since a run before.
        note_moved: Called when it turns out to have: in no run does a position alone say any longer whose it is.
        note_doubtful: Called with the position of a row that may have been sent from another one before a kill.
    """

    def __init__(
        self,
        claims: KeyClaims,
        ledger: Ledger,
        claimed: RangeSet,
        *,
        moved: bool,
        note_moved: Callable[[], object],
        note_doubtful: Callable[[int], object],
    ) -> None:
        self._claims = claims
        self._ledger = ledger
        self._claimed = claimed
        self._taken = RangeSet()  # of rows that this run has met
        self._free = ledger.unused_from  # from here on to look for a position that is nobody's
        self._moved = moved
        self._note_moved = note_moved
        self._note_doubtful = note_doubtful

    def of_key(self, key: str, digest: bytes, index: int) -> tuple[Claim, int]:
        """Claim a key, and return the position of its row: the one that its key has, or a free one.

        Args:
            key: The key.
            digest: A hash of the row's key and content.
            index: Where the row stands in the source.

        Returns:
            What became of the claim, and the position; ``NOWHERE`` where there is none.

        Raises:
            JournalError: the journal cannot be read.
        """
        held, ledger, taken, position = self._claims.holder(key), self._ledger, self._taken, index
        if held is not None:
            if held[1] in taken:  # a row before it has the key
                free = index not in taken and index not in self._claimed
                taken.add(index)
                return ("same" if held[0] == digest[:8] else "other"), index if free else NOWHERE
            position = held[1]
            if position != index:
                self._has_moved()
        else:
            nobodys = index not in taken and index not in self._claimed
            # What was sent just before a kill has its position alone, and has it where the source is as it was.
            orphan = not self._moved and ledger.is_orphan(index)
            if not (nobodys and (orphan or ledger.state(index) is NEW)):
                self._has_moved()
                position = self._free_position(index)
            if self._moved and ledger.orphans:
                # It may have been sent just before a run was killed, from another position. That is kept with the
                # claim: the next run knows the key, and would think that it was never sent.
                self._note_doubtful(position)
            self._claims.claim(key, digest, position)
        taken.add(position)
        return "new", position

    def without_key(self, index: int, digest: bytes) -> int:
        """Return the position of a row without a key of its own: where it stands, if that is its own.

        Args:
            index: Where the row stands in the source.
            digest: A hash of the row's content.

        Raises:
            JournalError: the journal cannot be read.
        """
        position = self.known_without_key(index)
        if position is None or position in self._taken:
            position = self._free_position(index)
            self._claims.claim(_name_of(index), digest, position)  # so that a later run finds it there
        self._taken.add(position)
        return position

    def known_without_key(self, index: int) -> int | None:
        """Return the position of a row without a key of its own, as earlier runs have left it; None for none.

        Args:
            index: Where the row stands in the source.

        Raises:
            JournalError: the journal cannot be read.
        """
        if index not in self._claimed:
            return index
        held = self._claims.holder(_name_of(index))
        return None if held is None else held[1]

    def _free_position(self, index: int) -> int:
        """Return a position that is no other row's, and that no row was ever sent from."""
        position = max(index, self._free)
        while position in self._taken or position in self._claimed or self._ledger.state(position) is not NEW:
            position += 1
        self._free = position + 1
        return position

    def _has_moved(self) -> None:
        if not self._moved:
            self._moved = True
            self._note_moved()


def _name_of(index: int) -> str:
    """Return what a row without a key of its own claims where another has its position; no key is like it."""
    return str(index)
