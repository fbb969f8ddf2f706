"""Source rows: rows as they stand in the file, and what can be wrong with one."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, Self, cast

import attrs

from welkin_async.bulk import Status
from welkin_async.errors import InvalidInputError, WelkinError
from welkin_async.wire.codec import JSON

REJECT_COLUMNS = ("_line", "_status", "_reason", "_key", "_origin", "_request_id")
"""What a reject file adds to the input's columns."""

REVIEW_COLUMNS = (*REJECT_COLUMNS, "_record_id")
"""What a review file adds."""

SAFE = "_csv_safe"
"""The further column of one whose cells begin with an apostrophe where a spreadsheet would take them for formulas."""

KEPT_COLUMNS = frozenset({*REVIEW_COLUMNS, SAFE, "_error", "_attempts"})
"""Names that no column of the input may have."""

RAW = "_raw"
"""Where an NDJSON file keeps a line that could not be read."""

ALTERED, DOUBLED = "altered", "doubled"
"""Words of a review file beside the statuses of outcomes."""


class RowError(NamedTuple):
    """Row error: why a row is not done.

    Attributes:
        status: ``rejected``, ``failed``, ``unknown`` or ``conflict``.
        reason: An error code, or what was expected; free of the row's values.
        transient: Whether the row itself is to blame for nothing: another run may find it well.
        record_id: The record that stands in the way, where there is one.
        request_id: What the answer that refused it says its request was called, where it does.
    """

    status: Status
    reason: str
    transient: bool = False
    record_id: str = ""
    request_id: str = ""

    @property
    def error(self) -> WelkinError:
        """The error by which the engine knows whether an earlier run may have sent the row."""
        return WelkinError(self.reason) if self.transient else InvalidInputError(self.reason)


@attrs.define(repr=False, eq=False)
class SourceRow:
    """Source row: a row as it stands in the file.

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
    problem: RowError | None = None
    position: int = -1
    key: str = ""
    origin: str = ""

    def __repr__(self) -> str:
        """Show the line: the values may identify a person."""
        return f"<SourceRow at line {self.line}>"


class RefusableRow:
    """Mixin of rows whose base has no attribute for a problem."""

    __slots__ = ()

    refused: RowError | None

    @property
    def problem(self) -> WelkinError | None:
        """The error by which the engine knows that the row cannot be sent."""
        return None if self.refused is None else self.refused.error

    def refuse(self, problem: RowError, /) -> Self:
        """Return the row as one that cannot be sent; see `FileRow`."""
        return attrs.evolve(cast(Any, self), refused=problem)  # type: ignore[no-any-return]


class FileRow(Protocol):
    """File row: a row for the bulk engine that knows where it came from."""

    @property
    def key(self) -> str | None:
        """Its key, None where there are none."""
        ...

    @property
    def source(self) -> SourceRow:
        """The row of the file."""
        ...

    @property
    def refused(self) -> RowError | None:
        """Why it cannot be sent, or None."""
        ...

    def refuse(self, problem: RowError, /) -> Self:
        """Return the row as one that cannot be sent.

        Args:
            problem: Why.
        """
        ...
