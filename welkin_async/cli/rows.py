"""A row of the file that is worked through, and what can be wrong with it."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, Self, cast

import attrs

from welkin_async.bulk import Status
from welkin_async.codec import JSON
from welkin_async.errors import InvalidInputError, WelkinError

__all__ = [
    "ALTERED",
    "DOUBLED",
    "KEPT_COLUMNS",
    "RAW",
    "REJECT_COLUMNS",
    "REVIEW_COLUMNS",
    "FileRow",
    "Problem",
    "SourceRow",
    "Sourced",
]

REJECT_COLUMNS = ("_line", "_status", "_reason", "_key", "_origin")
"""What a reject file adds to the input's columns."""

REVIEW_COLUMNS = (*REJECT_COLUMNS, "_record_id")
"""What a review file adds."""

KEPT_COLUMNS = frozenset({*REVIEW_COLUMNS, "_error", "_attempts"})
"""Names that no column of the input may have."""

RAW = "_raw"
"""Where an NDJSON file keeps a line that could not be read."""

ALTERED, DOUBLED = "altered", "doubled"
"""Words of a review file beside the statuses of outcomes."""


class Problem(NamedTuple):
    """Why a row is not done.

    Attributes:
        status: ``rejected``, ``failed``, ``unknown`` or ``conflict``.
        reason: An error code, or what was expected; free of the row's values.
        transient: Whether the row itself is to blame for nothing: another run may find it well.
        record_id: The record that stands in the way, where there is one.
    """

    status: Status
    reason: str
    transient: bool = False
    record_id: str = ""

    @property
    def error(self) -> WelkinError:
        """The error by which the engine knows whether an earlier run may have sent the row."""
        return WelkinError(self.reason) if self.transient else InvalidInputError(self.reason)


@attrs.define(repr=False, eq=False)
class SourceRow:
    """A row as it stands in the file.

    Attributes:
        line: The number of its first line, from 1.
        values: Its cells in the order of the columns, its JSON object (in which a Parquet file's datetimes are none of
            JSON's), or its text where it could not be read.
        problem: Why it could not be read, or None.
        position: Which row of the file it is, from 0, whatever is wrong with it.
        key: The key that an earlier import gave it, which a reject file hands on; empty for none.
        origin: The digest of the file that key was made for; empty for this one.
    """

    line: int
    values: list[str] | dict[str, JSON] | str
    problem: Problem | None = None
    position: int = -1
    key: str = ""
    origin: str = ""

    def __repr__(self) -> str:
        """Show the line: the values may identify a person."""
        return f"<SourceRow at line {self.line}>"


class Sourced:
    """What rows have in common whose base knows nothing of problems."""

    __slots__ = ()

    refused: Problem | None

    @property
    def problem(self) -> WelkinError | None:
        """The error by which the engine knows that the row cannot be sent."""
        return None if self.refused is None else self.refused.error

    def refuse(self, problem: Problem, /) -> Self:
        """Return the row as one that cannot be sent; see `FileRow`."""
        return attrs.evolve(cast(Any, self), refused=problem)  # type: ignore[no-any-return]


class FileRow(Protocol):
    """A row for the bulk engine that knows where it came from."""

    @property
    def key(self) -> str | None:
        """Its key, None where there are none."""
        ...

    @property
    def source(self) -> SourceRow:
        """The row of the file."""
        ...

    @property
    def refused(self) -> Problem | None:
        """Why it cannot be sent, or None."""
        ...

    def refuse(self, problem: Problem, /) -> Self:
        """Return the row as one that cannot be sent.

        Args:
            problem: Why.
        """
        ...
