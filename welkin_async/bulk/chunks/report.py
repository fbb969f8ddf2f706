"""Reports of chunks: counts that can be pickled, kept in a ledger, and added up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from welkin_async.bulk.results import Outcome, Status
from welkin_async.wire.tracebacks import without_frames


@attrs.frozen
class DoubledKey:
    """A key that is on the server more often than it should be, named by ids alone.

    Attributes:
        patient: Whose records they are.
        ids: The ids of all, oldest first.
        digest: Of the key.
    """

    patient: str
    ids: tuple[str, ...]
    digest: bytes = attrs.field(default=b"", eq=False)

    def __repr__(self) -> str:
        """Show the count alone."""
        return f"<DoubledKey of {len(self.ids)} records>"


@attrs.frozen(kw_only=True)
class ChunkReport:
    """Counts over a chunk, or over several together (`merge`); no field values, no keys.

    Attributes:
        chunks: How many chunks it is of.
        finished: How many of them are done: none of their rows is in doubt, or could not be sent.
        created: Rows this import has created, those included that another worker of it has, and that were found.
        adopted: Rows among them that were found.
        unchanged: Rows that were there before, as they were to be sent.
        rejected: Rows the server refused.
        failed: Rows that could not be sent.
        unknown: Rows that may or may not be on the server.
        conflict: Rows whose key is on the server with something else.
        skipped: Rows for which another row of their chunk stands.
        altered: Rows among the created of which the server dropped or changed a field.
        attempts: Requests that went out for rows.
        lookups: Listings made to look rows up.
        takeovers: How many chunks were begun before by a worker that did not finish them.
        seconds: How long it took, all workers added up.
        doubled: Keys that are on the server more than once; known once the import was finished.
        missing: Rows that were created and are on the server no more, or cannot be seen; known likewise.
        scanned: Whether that is known: `finish_import` has looked at every patient.
        doubles: The doubled keys.
        unwritten: Rows that are missing in a file of rows that was asked for: another call was done with them, and had
            other files, or the file is gone.
    """

    chunks: int = 0
    finished: int = 0
    created: int = 0
    adopted: int = 0
    unchanged: int = 0
    rejected: int = 0
    failed: int = 0
    unknown: int = 0
    conflict: int = 0
    skipped: int = 0
    altered: int = 0
    attempts: int = 0
    lookups: int = 0
    takeovers: int = 0
    seconds: float = 0.0
    doubled: int = 0
    missing: int = 0
    scanned: bool = False
    doubles: tuple[DoubledKey, ...] = ()
    unwritten: int = 0

    @property
    def rows(self) -> int:
        """How many rows have their outcome."""
        refused = self.rejected + self.failed + self.unknown + self.conflict
        return self.created + self.unchanged + self.skipped + refused

    @property
    def complete(self) -> bool:
        """Whether every row is on the server once, as it was sent, and that was seen at the end."""
        there = self.created + self.unchanged + self.skipped == self.rows and not self.altered
        return self.scanned and there and not (self.doubled or self.missing) and self.finished == self.chunks

    def to_dict(self) -> dict[str, Any]:
        """Return the counts by name, as JSON values."""
        return attrs.asdict(self, recurse=False) | {
            "rows": self.rows,
            "complete": self.complete,
            "doubles": [{"patient": each.patient, "ids": list(each.ids)} for each in self.doubles],
        }


_COUNTS = tuple(
    each.name for each in attrs.fields(ChunkReport) if each.name not in ("scanned", "doubles")
)  # what is added up


@without_frames
def merge(reports: Iterable[ChunkReport]) -> ChunkReport:
    """Add reports up.

    Args:
        reports: Of chunks, each chunk once; or of such sums.

    Returns:
        Their sum. What `finish_import` has seen is known of the sum only where it is of all of them.
    """
    known = list(reports)
    counts = {name: sum(getattr(each, name) for each in known) for name in _COUNTS}
    return ChunkReport(
        **counts,
        scanned=bool(known) and all(each.scanned for each in known),
        doubles=tuple(double for each in known for double in each.doubles),
    )


class RowCounts:
    """Counts of a chunk's rows, while they come.

    Attributes:
        counts: By the name of a `ChunkReport`'s count.
        unsettled: Rows that another attempt at the chunk could bring further.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.unsettled = 0

    def add(self, outcome: Outcome[Any, Any], *, transient: bool) -> None:
        """Count a row.

        Args:
            outcome: What became of it.
            transient: Whether it failed for a reason that is none of its own.
        """
        for name, counts in (
            (str(outcome.status), True),
            ("adopted", outcome.adopted),
            ("altered", bool(outcome.altered)),
        ):
            if counts:
                self.counts[name] = self.counts.get(name, 0) + 1
        self.counts["attempts"] = self.counts.get("attempts", 0) + outcome.attempts
        self.unsettled += outcome.status is Status.UNKNOWN or transient

    def report(self, *, again: bool, lookups: int, seconds: float) -> ChunkReport:
        """Return the report of the chunk.

        Args:
            again: Whether another worker had begun it.
            lookups: Listings made to look rows up.
            seconds: How long it took.
        """
        counts: dict[str, Any] = {**self.counts}
        return ChunkReport(
            chunks=1, finished=int(not self.unsettled), takeovers=int(again), lookups=lookups, seconds=seconds, **counts
        )


def of_ledger(kept: Mapping[str, Any]) -> ChunkReport:
    """Return the report of a chunk as a ledger keeps it.

    Args:
        kept: See `for_ledger`.
    """
    return ChunkReport(**{name: value for name, value in kept["counts"].items() if name in _COUNTS})


def for_ledger(report: ChunkReport) -> dict[str, Any]:
    """Return the counts of a report that are not zero, as JSON values.

    Args:
        report: Of a chunk.
    """
    return {"counts": {name: value for name in _COUNTS if (value := getattr(report, name))}}
