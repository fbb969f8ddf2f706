"""What is recorded and not yet handed to the writing thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from welkin_async.bulk.journal_core import CREATED
from welkin_async.bulk.journal_files import Batch, UnknownKey
from welkin_async.bulk.journal_source import Claims, Identity
from welkin_async.bulk.ranges import RangeSet

__all__ = ["Buffer"]

_FLUSH_AFTER = 0.05  # seconds
_FLUSH_AT = 1000  # things recorded


class Buffer:
    """Gathers what is to be written, and has it sent 50 ms after the first of it came, or when it is much.

    Args:
        created: All created positions; recording adds to it, and a batch takes the ranges that grew from it.
        claims: Where keys are claimed.
        identity: Where the source's rows are compared.
        send: Called on the event loop when the buffer is to be emptied with `take`.
    """

    def __init__(self, created: RangeSet, claims: Claims, identity: Identity, send: Callable[[], object]) -> None:
        self._created = created
        self._claims = claims
        self._identity = identity
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._amount = 0
        self._fresh: list[int] = []
        self._rows: list[tuple[int, str, str | None, str | None, str | None]] = []
        self._unknowns: dict[str, UnknownKey | None] = {}

    def record(
        self, position: int, status: str, key: str | None, record_id: str | None, error_code: str | None
    ) -> None:
        """Add an outcome."""
        if status in CREATED:
            self._created.add(position)
            self._fresh.append(position)
        else:
            self._rows.append((position, str(status), key, record_id, error_code))
        self.grown()

    def unknown(self, row: UnknownKey) -> None:
        """Add a key whose outcome is unknown; the earliest time of several is kept."""
        held = self._unknowns.get(row.key)
        if held is not None and held.since < row.since:
            row = row._replace(since=held.since)
        self._unknowns[row.key] = row
        self.grown()

    def swept(self, keys: Iterable[str]) -> None:
        """Add keys that are to be forgotten."""
        self._unknowns.update(dict.fromkeys(keys))
        self.grown()

    def grown(self) -> None:
        """See to it that what was added is sent off soon, or now if it is much."""
        self._amount += 1
        if self._amount >= _FLUSH_AT:
            self._send()
        elif self._timer is None:
            self._timer = self._loop.call_later(_FLUSH_AFTER, self._send)

    def take(self) -> Batch:
        """Return everything as one batch, and begin anew."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        fresh = RangeSet()
        for position in sorted(self._fresh):
            fresh.add(position)
        pairs = fresh.to_pairs()
        merged = sorted({whole for start, _ in pairs if (whole := self._created.range_of(start))})
        batch = Batch(pairs, merged, self._rows, self._unknowns, self._claims.take(), self._identity.take())
        self._fresh, self._rows, self._unknowns, self._amount = [], [], {}, 0
        return batch
