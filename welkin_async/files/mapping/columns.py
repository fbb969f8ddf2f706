"""Columns of a file: found by name, and what a row has in one. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

import attrs

from welkin_async.files.errors import FileError
from welkin_async.files.mapping.description import describe
from welkin_async.files.mapping.names import matching, nearest
from welkin_async.files.mapping.paths import MISSING, Read, kind_of, reader_of, root_of
from welkin_async.files.readers.row import SourceRow
from welkin_async.validation.conversion import ConversionError, whole_number


@attrs.frozen
class Columns:
    """The columns of a file.

    Attributes:
        names: Their names, or those that the first rows share.
        fixed: Whether every row has exactly these, as cells of text.
        complete: Whether no row has others.
        ignore_case: Whether a name may differ in case from the one that is asked for.
    """

    names: Sequence[str]
    fixed: bool
    complete: bool = attrs.field(default=attrs.Factory(lambda self: self.fixed, takes_self=True))
    ignore_case: bool = False

    def find(self, name: str) -> str:
        """Return the name of a column as the file has it; a path into columns as it is.

        Args:
            name: The column that is asked for.

        Raises:
            FileError: there is none, or more than one.
        """
        found = matching(name, self.names, ignore_case=self.ignore_case)
        if found is None:
            if not self.complete or self._is_path(name):
                return name  # a row may have it
            near = nearest(name, self.names)
            hint = "" if near is None else f" (perhaps {near})"
            raise FileError(f"column {name}: the file has no such column{hint}")
        if self.fixed and list(self.names).count(found) > 1:
            raise FileError(f"column {found}: the header has it twice")
        return found

    def read(self, name: str) -> Read | None:
        """Return what reads a path into an object; None for a name that is a column, or can be no path.

        Args:
            name: As `find` gives it.

        Raises:
            FileError: it is an expression that cannot be read.
        """
        return None if self.fixed or name in self.names or kind_of(name) == "name" else reader_of(name)

    def needed(self, names: Iterable[str]) -> frozenset[str] | None:
        """Return the columns that have to be read; None for all of them, where an expression may use any.

        Args:
            names: Columns and paths, as `find` takes them.

        Raises:
            FileError: there is no such column.
        """
        found = set()
        for name in map(self.find, names):
            if self.fixed or name in self.names or kind_of(name) == "name":
                found.add(name)
            elif kind_of(name) == "expression":
                return None
            else:
                found |= {name, root_of(name)}
        return frozenset(found)

    def _is_path(self, name: str) -> bool:
        """Tell whether a name is a path into the columns there are."""
        kind = "name" if self.fixed else kind_of(name)
        return kind == "expression" or (kind == "dotted" and root_of(name) in self.names)


class Column:
    """Reads what a row has in a column.

    Args:
        name: The column's name, or a path.
        columns: The columns of the file.
        strip: What stands before each text and is taken away.
        nulls: Texts that stand for none.

    Raises:
        FileError: there is no such column.
    """

    def __init__(self, name: str, columns: Columns, *, strip: str = "", nulls: Collection[str] = ()) -> None:
        self.name = columns.find(name)
        self._read = columns.read(self.name)
        self._index = list(columns.names).index(self.name) if columns.fixed else -1
        self._strip = strip
        self._nulls = nulls

    def text(self, row: SourceRow) -> str:
        """Return the text, without spaces around it; empty where there is none.

        Args:
            row: A row of the file.

        Raises:
            ConversionError: what is there is no text that could be meant, such as a list.
        """
        text = self._text(row)
        if self._nulls and text in self._nulls:
            return ""
        if not self._strip or not text:
            return text
        if not text.startswith(self._strip):
            raise ConversionError(f"column {self.name}: expected text that begins with {self._strip}")
        return text.removeprefix(self._strip)

    def text_or_none(self, row: SourceRow) -> str | None:
        """Return the text, or None where there is none, or something else; see `text`.

        Args:
            row: A row of the file.
        """
        try:
            return self.text(row) or None
        except ConversionError:
            return None

    def _text(self, row: SourceRow) -> str:
        values = row.values
        value: object = None
        if isinstance(values, dict):
            try:
                value = values.get(self.name) if self._read is None else self._read(values)
            except ConversionError as error:
                raise ConversionError(f"column {self.name}: {error}") from None
            if isinstance(value, list | dict):
                raise ConversionError(f"column {self.name}: expected text; got {describe(value)}")
            value = None if value is MISSING else value
        elif isinstance(values, list) and 0 <= self._index < len(values):
            return values[self._index].strip()
        if isinstance(value, datetime):
            return value.isoformat()
        if type(value) is float:
            value = whole_number(value)  # data frames write integers so where some are missing
        return str(value).strip() if type(value) in (str, int) else ""
