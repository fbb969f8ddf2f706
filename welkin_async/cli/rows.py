"""A row of the file that is imported, and what can be wrong with it."""

from __future__ import annotations

from typing import NamedTuple

import attrs

from welkin_async.bulk import CdtRow, Status
from welkin_async.codec import JSON
from welkin_async.errors import InvalidInputError, WelkinError

__all__ = [
    "ALTERED",
    "DOUBLED",
    "KEPT_COLUMNS",
    "RAW",
    "REJECT_COLUMNS",
    "REVIEW_COLUMNS",
    "ImportRow",
    "Problem",
    "SourceRow",
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
    """Why a row is not created.

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
        values: Its cells in the order of the columns, its JSON object, or its text where it could not be read.
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


@attrs.frozen(repr=False)
class ImportRow(CdtRow):
    """A record to be created that knows where it came from.

    Attributes:
        source: The row of the file.
        refused: Why it cannot be sent, or None.
    """

    source: SourceRow = attrs.field(kw_only=True)
    refused: Problem | None = attrs.field(kw_only=True, default=None)
