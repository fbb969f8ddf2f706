"""The columns of a file: which of them becomes what, and what a row has in one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from welkin_async.cli.conversions import FieldType
from welkin_async.cli.rows import SourceRow
from welkin_async.cli.text import CommandError

__all__ = ["Column", "ColumnMap", "missing_column", "parse_map"]


class ColumnMap(NamedTuple):
    """Which column becomes which field.

    Attributes:
        column: The column's name.
        field: The field's name.
        kind: The type it is converted to; None for the formation's.
    """

    column: str
    field: str
    kind: FieldType | None = None


def parse_map(text: str) -> ColumnMap:
    """Read a ``--map`` option.

    Args:
        text: ``COLUMN=field`` or ``COLUMN=field:type``.

    Raises:
        CommandError: it has another form.
    """
    column, equals, target = text.rpartition("=")
    field, _, kind = target.partition(":")
    if not equals or not column or not field:
        raise CommandError("--map takes COLUMN=field or COLUMN=field:type")
    if not kind:
        return ColumnMap(column, field)
    if kind not in list(FieldType):
        raise CommandError(f"--map for column {column}: the type is one of {', '.join(FieldType)}")
    return ColumnMap(column, field, FieldType(kind))


class Column:
    """Reads what a row has in a column.

    Args:
        name: The column's name.
        columns: The file's columns.
        fixed: Whether every row has exactly these.

    Raises:
        CommandError: there is no such column.
    """

    def __init__(self, name: str, columns: Sequence[str], *, fixed: bool) -> None:
        if fixed and name not in columns:
            raise missing_column(name)
        self._name = name
        self._index = list(columns).index(name) if fixed else -1

    def of(self, row: SourceRow) -> str:
        """Return the text, without spaces around it; empty where there is none.

        Args:
            row: A row of the file.
        """
        values = row.values
        value: object = None
        if isinstance(values, dict):
            value = values.get(self._name)
        elif isinstance(values, list) and 0 <= self._index < len(values):
            value = values[self._index]
        if isinstance(value, datetime):
            return value.isoformat()
        return str(value).strip() if type(value) in (str, int) else ""


def missing_column(name: str) -> CommandError:
    """Return the error where a file lacks a column.

    Args:
        name: The column's name.
    """
    return CommandError(f"column {name}: the file has no such column")
