"""A row of the file that is imported, and what can be wrong with it."""

from __future__ import annotations

from typing import NamedTuple

import attrs

from welkin_async.bulk import CdtRow, Status
from welkin_async.codec import JSON

__all__ = ["RAW", "REJECT_COLUMNS", "ImportRow", "Problem", "SourceRow"]

REJECT_COLUMNS = ("_line", "_status", "_reason")
"""What a reject file adds to the input's columns."""

RAW = "_raw"
"""Where an NDJSON reject file keeps a line that could not be read."""


class Problem(NamedTuple):
    """Why a row is not created.

    Attributes:
        status: ``rejected``, ``failed`` or ``unknown``.
        reason: An error code, or what was expected; free of the row's values.
    """

    status: Status
    reason: str


@attrs.define(repr=False, eq=False)
class SourceRow:
    """A row as it stands in the file.

    Attributes:
        line: The number of its first line, from 1.
        values: Its cells in the order of the columns, its JSON object, or its text where it could not be read.
        problem: Why it could not be read, or None.
    """

    line: int
    values: list[str] | dict[str, JSON] | str
    problem: Problem | None = None

    def __repr__(self) -> str:
        """Show the line: the values may identify a person."""
        return f"<SourceRow at line {self.line}>"


@attrs.frozen(repr=False)
class ImportRow(CdtRow):
    """A record to be created that knows where it came from.

    Attributes:
        source: The row of the file.
    """

    source: SourceRow = attrs.field(kw_only=True)
