"""The key of each row, by which it is found again on the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from welkin_async.bulk import Status
from welkin_async.bulk.keys import KeyField, file_key
from welkin_async.cli.rows import Problem, SourceRow
from welkin_async.cli.text import CommandError
from welkin_async.codec import JSON

__all__ = ["RowKeys"]

_NO_KEY = Problem(Status.REJECTED, "the key is missing")


@attrs.frozen
class RowKeys:
    """Gives rows their keys; the same file imported into the same place has the same ones.

    A row that carries the key field itself is known by that, a row of a reject file by the key it had before, and any
    other by the column that was named, or by its place in the file.

    Args:
        field: The field that carries the key; None for no keys.
        target: Where records are created.
        digest: SHA-256 of the file.
        column: The column that holds keys, or None.
        columns: The file's columns.
        fixed: Whether every row has exactly these.

    Raises:
        CommandError: there is no such column.
    """

    field: KeyField | None
    target: str
    digest: str
    column: str | None = None
    columns: Sequence[str] = ()
    fixed: bool = True
    _index: int = attrs.field(init=False, default=-1)

    def __attrs_post_init__(self) -> None:
        if self.column is not None and self.fixed:
            if self.column not in self.columns:
                raise CommandError(f"column {self.column}: the file has no such column")
            object.__setattr__(self, "_index", list(self.columns).index(self.column))

    def of(self, row: SourceRow, fields: Mapping[str, JSON] | None = None) -> str | Problem | None:
        """Return a row's key, None where there are no keys, or what is wrong with it.

        Args:
            row: The row.
            fields: What is to be sent; None where nothing can be.
        """
        if self.field is None:
            return None
        own = fields.get(self.field) if fields else None
        if own is not None:
            return str(own)
        if row.key:
            return row.key
        if self.column is None:
            return file_key(self.target, self.digest, row.position)
        return self._of_column(row) or _NO_KEY

    def _of_column(self, row: SourceRow) -> str:
        values = row.values
        value: object = None
        if isinstance(values, dict):
            value = values.get(self.column or "")
        elif isinstance(values, list) and 0 <= self._index < len(values):
            value = values[self._index]
        return str(value).strip() if type(value) in (str, int) else ""
