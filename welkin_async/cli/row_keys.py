"""The key of each row, by which it is known, and found again on the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import attrs

from welkin_async.bulk import Status
from welkin_async.bulk.keys import file_key
from welkin_async.cli.columns import Column
from welkin_async.cli.rows import Problem, SourceRow
from welkin_async.codec import JSON

__all__ = ["Keying", "RecordIds", "RowKeys"]

_NO_KEY = Problem(Status.REJECTED, "the key is missing")
_NO_RECORD = Problem(Status.REJECTED, "the record is missing")


class Keying(Protocol):
    """Gives rows their keys."""

    def given(self, row: SourceRow, fields: Mapping[str, JSON], /) -> str | Problem | None:
        """Return the key that a row carries, None where it is to be made, or what is wrong with it.

        Args:
            row: The row.
            fields: What is to be sent; empty where nothing can be.
        """
        ...

    def made(self, row: SourceRow, /) -> str | None:
        """Return the key of a row that carries none; None where there are no keys."""
        ...


@attrs.frozen
class RowKeys:
    """The keys of rows that are created; the same file imported into the same place has the same ones.

    A row that carries the key field itself is known by that, a row of a reject file by the key it had before, and any
    other by the column that was named, or by its place in the file.

    Args:
        field: The field that carries the key; None for no keys.
        target: Where records are created.
        digest: SHA-256 of the file.
        column: The column that holds keys, or None.
    """

    field: str | None
    target: str
    digest: str
    column: Column | None = None

    def given(self, row: SourceRow, fields: Mapping[str, JSON], /) -> str | Problem | None:
        """Return the key that a row carries; see `Keying`."""
        if self.field is None:
            return None
        own = fields.get(self.field)
        if own is not None:
            return str(own)
        if row.key:
            return row.key
        return None if self.column is None else self.column.of(row) or _NO_KEY

    def made(self, row: SourceRow, /) -> str | None:
        """Return the key of a row that carries none; see `Keying`."""
        return None if self.field is None else file_key(self.target, self.digest, row.position)


@attrs.frozen
class RecordIds:
    """The keys of rows that are about records which are there: the ids of these.

    Args:
        column: The column that holds them.
    """

    column: Column

    def given(self, row: SourceRow, fields: Mapping[str, JSON], /) -> str | Problem | None:
        """Return the record's id; see `Keying`."""
        return self.column.of(row) or _NO_RECORD

    def made(self, row: SourceRow, /) -> str | None:
        """Return None: nobody can make a record's id."""
        return None
