"""Data frames and Arrow data as rows, a batch at a time, with the ``parquet`` extra.

Only the columns that are used are read, as Arrow, and as Python values where Arrow would refuse a column or change what
it means. None of the libraries is imported: a frame comes from one that is.
"""

from __future__ import annotations

import importlib
import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Protocol

from welkin_async.files.errors import FileError
from welkin_async.files.readers.arrow_values import is_opaque, python_values

_BATCH = 1024  # rows

Batch = list[tuple[str, list[Any]]]
"""Columns by their names, with the values of some rows."""


class ArrowStream(Protocol):
    """Anything that gives Arrow data by its C interface: a frame, a table, a reader, a relation."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any: ...


class LazyFrame(Protocol):
    """A polars LazyFrame, which is collected in batches."""

    def collect_schema(self) -> Any:
        """Return the names and types of its columns."""


class Frame(ABC):
    """A frame of some library.

    Args:
        source: The frame.
        null_nan: Whether a float that is no number is null; else its row is refused.

    Attributes:
        columns: The names of its columns.
        read_once: Whether it is made as it is read, so that its rows may come in another order the next time.

    Raises:
        FileError: a column's name is no text, or two columns have the same one.
    """

    read_once = False

    def __init__(self, source: Any, *, null_nan: bool) -> None:
        self._source = source
        self._null_nan = null_nan
        self._selected: Sequence[str] | None = None
        try:
            self._arrow: Any = importlib.import_module("pyarrow")
        except ImportError:
            raise FileError("a frame needs an extra: pip install 'welkin-async[parquet]'") from None
        names = list(self._names())
        if not all(isinstance(name, str) for name in names):
            raise FileError("the frame has a column whose name is no text: rename it")
        for name in {*names}:
            if names.count(name) > 1:
                raise FileError(f"column {name}: the frame has it twice")
        self.columns: tuple[str, ...] = tuple(names)

    def select(self, names: Sequence[str]) -> None:
        """Say which columns are used; no other is read.

        Args:
            names: In the order of the frame.
        """
        self._selected = names

    def rows(self) -> Iterator[list[Mapping[str, Any]]]:
        """Yield batches of rows; blocks.

        Raises:
            FileError: the library cannot read the frame; its error may quote values, and is not.
        """
        names = self.columns if self._selected is None else self._selected
        try:
            for batch in self._batches(list(names)):
                columns = [values for _, values in batch]
                yield [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
        except Exception as error:
            raise FileError(f"the frame cannot be read ({type(error).__name__})") from None

    @abstractmethod
    def _names(self) -> Sequence[Any]:
        """Return the names of its columns."""

    @abstractmethod
    def _batches(self, names: list[str]) -> Iterator[Batch]:
        """Yield the columns that are used, some rows at a time."""

    def _of_arrow(self, array: Any) -> list[Any]:
        values = python_values(self._arrow, array)
        if self._null_nan and self._arrow.types.is_floating(array.type):
            return [None if value != value else value for value in values]
        return [_python_value(value, null_nan=self._null_nan) for value in values] if _is_nested(array) else values

    def _of_python(self, values: Sequence[Any]) -> list[Any]:
        return [_python_value(value, null_nan=self._null_nan) for value in values]


class _Pandas(Frame):
    def __init__(self, source: Any, *, null_nan: bool) -> None:
        super().__init__(source, null_nan=True)  # it writes null as NaN

    def _names(self) -> Sequence[Any]:
        return list(self._source.columns)

    def _batches(self, names: list[str]) -> Iterator[Batch]:
        for start in range(0, len(self._source), _BATCH):
            piece = self._source.iloc[start : start + _BATCH]  # to choose columns first would copy them
            yield [(name, self._values(piece[name])) for name in names]

    def _values(self, series: Any) -> list[Any]:
        if series.dtype != object:
            try:
                array = self._arrow.array(series, from_pandas=True)
            except Exception:
                return self._of_python(series.tolist())
            if not is_opaque(self._arrow, array.type) and not self._arrow.types.is_struct(array.type):
                return self._of_arrow(array)
        # Arrow would take an object for what most of them are, and a period or an interval for what it is stored as.
        return self._of_python(series.tolist())


class _Polars(Frame):
    def _names(self) -> Sequence[Any]:
        return list(self._source.columns)

    def _batches(self, names: list[str]) -> Iterator[Batch]:
        for piece in self._source.select(names).iter_slices(_BATCH):
            yield [(name, self._values(piece.get_column(name))) for name in names]

    def _values(self, series: Any) -> list[Any]:
        if str(series.dtype) == "Object":  # of which Arrow would have the addresses
            return self._of_python(series.to_list())
        try:
            array = series.to_arrow()
        except Exception:
            return self._of_python(series.to_list())
        return self._of_arrow(array)


class _PolarsLazy(_Polars):
    read_once = True

    def _names(self) -> Sequence[Any]:
        if not hasattr(self._source, "collect_batches"):
            raise FileError("a LazyFrame that is collected in batches needs polars 1.34 or later")
        return list(self._source.collect_schema().names())

    def _batches(self, names: list[str]) -> Iterator[Batch]:
        for piece in self._source.select(names).collect_batches(chunk_size=_BATCH):
            yield [(name, self._values(piece.get_column(name))) for name in names]


class _Arrow(Frame):
    """A table or a record batch."""

    def _names(self) -> Sequence[Any]:
        return list(self._source.schema.names)

    def _batches(self, names: list[str]) -> Iterator[Batch]:
        chosen = self._source.select(names)
        if isinstance(chosen, self._arrow.Table):
            for piece in chosen.to_batches(max_chunksize=_BATCH):
                yield self._batch(piece, names)
        else:
            yield from self._sliced(chosen, names)

    def _sliced(self, whole: Any, names: list[str]) -> Iterator[Batch]:
        for start in range(0, whole.num_rows, _BATCH):
            yield self._batch(whole.slice(start, _BATCH), names)

    def _batch(self, piece: Any, names: list[str]) -> Batch:
        return [(name, self._of_arrow(piece.column(name))) for name in names]


class _Stream(_Arrow):
    """Anything that gives an Arrow stream."""

    read_once = True

    def _names(self) -> Sequence[Any]:
        self._reader: Any = self._arrow.RecordBatchReader.from_stream(self._source)
        return list(self._reader.schema.names)

    def _batches(self, names: list[str]) -> Iterator[Batch]:
        for whole in self._reader:
            yield from self._sliced(whole.select(names), names)


class _DuckDb(_Arrow):
    """A DuckDB relation, of which no more columns are worked out than are used."""

    read_once = True

    def _names(self) -> Sequence[Any]:
        return list(self._source.columns)

    def _batches(self, names: list[str]) -> Iterator[Batch]:
        quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
        for whole in self._arrow.RecordBatchReader.from_stream(self._source.project(quoted)):
            yield from self._sliced(whole, names)


_KINDS: Sequence[tuple[str, str, type[Frame]]] = (
    ("pandas", "DataFrame", _Pandas),
    ("polars", "DataFrame", _Polars),
    ("polars", "LazyFrame", _PolarsLazy),
    ("duckdb", "DuckDBPyRelation", _DuckDb),
    ("pyarrow", "Table", _Arrow),
    ("pyarrow", "RecordBatch", _Arrow),
)


def frame_of(source: object, *, null_nan: bool = False) -> Frame | None:
    """Return a source as a frame; None where it is none.

    Args:
        source: A pandas or polars frame, a polars LazyFrame, an Arrow table or record batch, a DuckDB relation, or
            anything else with ``__arrow_c_stream__``.
        null_nan: Whether a float that is no number is null, as it always is in a pandas frame; else its row is refused.

    Raises:
        FileError: it cannot be read, or pyarrow is missing.
    """
    for library, name, kind in _KINDS:
        known = getattr(sys.modules.get(library), name, None)
        if known is not None and isinstance(source, known):
            return kind(source, null_nan=null_nan)
    if hasattr(source, "__arrow_c_stream__"):
        return _Stream(source, null_nan=null_nan)
    return None


def _is_nested(array: Any) -> bool:
    return bool(array.type.num_fields)


def _python_value(value: Any, *, null_nan: bool) -> Any:
    """Return what a value of an object column means: a scalar of numpy or pandas is one of Python's."""
    if value is None or type(value) in (str, bool, int):
        return value
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    if type(value).__module__ == "numpy":
        return _python_value(_of_numpy(value), null_nan=null_nan)
    if isinstance(value, float):
        return None if null_nan and math.isnan(value) else value
    if isinstance(value, Decimal):
        return None if null_nan and value.is_nan() else value
    if isinstance(value, list | tuple):
        return [_python_value(each, null_nan=null_nan) for each in value]
    if isinstance(value, dict):
        return {name: _python_value(each, null_nan=null_nan) for name, each in value.items()}
    if isinstance(value, date) and bool(getattr(value, "nanosecond", False)):
        return _Unfit(str(value))
    return value


class _Unfit:
    """A value that is finer than what can be sent; shown in a reject file as it is."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text


def _of_numpy(value: Any) -> Any:
    if type(value).__name__ != "datetime64":
        return value.tolist()
    whole = value.astype("datetime64[us]")
    return whole.item() if whole == value or value != value else _Unfit(str(value))
