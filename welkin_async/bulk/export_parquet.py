"""Parquet from lines of JSON, in two passes: what the columns hold, then the rows, a batch at a time.

Records need not have the same keys, and an export that is resumed does not know what is still to come; so the columns
are settled when all records are there. Objects become structs and arrays lists. Dates stay text, as they came. Where a
column holds values of several types, or objects without keys, its values are the JSON text of what was there.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from threading import Event
from typing import Any

from welkin_async.errors import ConfigurationError

__all__ = ["check_parquet", "to_parquet"]

_ROWS, _BYTES = 10_000, 8 << 20  # of a batch, which is a row group
_DEEPEST = 12  # levels of structs and lists
_WIDEST = 2_000  # keys of an object, beyond which keys are taken for data
_EXACT = 1 << 53  # beyond it a float does not hold every integer
_SURROGATE = re.compile("[\ud800-\udfff]")


def check_parquet() -> None:
    """Make sure that Parquet can be written.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """
    try:
        import_module("pyarrow.parquet")
    except ImportError:
        pass
    else:
        return
    raise ConfigurationError("Parquet needs pyarrow: install welkin-async[parquet]")


class _Shape:
    """What a column was seen to hold."""

    __slots__ = ("fields", "item", "kinds", "mode")

    def __init__(self) -> None:
        self.kinds: set[str] = set()
        self.fields: dict[str, _Shape] = {}
        self.item: _Shape | None = None
        self.mode = ""

    def see(self, value: Any, depth: int = 0) -> None:
        """Take a value in; None fits every type."""
        if value is None:
            return
        if isinstance(value, (dict, list)) and depth == _DEEPEST:
            self.kinds.add("json")
        elif isinstance(value, dict):
            self.kinds.add("struct" if value else "empty")
            for key, held in value.items():
                self.fields.setdefault(key, _Shape()).see(held, depth + 1)
        elif isinstance(value, list):
            self.kinds.add("list")
            self.item = self.item or _Shape()
            for held in value:
                self.item.see(held, depth + 1)
        else:
            self.kinds.add(_kind(value))

    def settle(self, pa: Any) -> Any:
        """Decide, and return pyarrow's type."""
        kinds = self.kinds - {"empty"} if "struct" in self.kinds else self.kinds
        if kinds and kinds <= {"int", "long"}:
            self.mode = "int"
        elif len(kinds) == 1:
            (self.mode,) = kinds
        elif kinds == {"int", "float"}:
            self.mode = "float"
        else:
            self.mode = "json" if kinds else "text"
        if self.mode == "struct" and len(self.fields) <= _WIDEST:
            return pa.struct([(name, shape.settle(pa)) for name, shape in self.fields.items()])
        if self.mode == "list" and self.item is not None:
            return pa.list_(self.item.settle(pa))
        plain = {"int": pa.int64, "float": pa.float64, "bool": pa.bool_, "text": pa.string}
        if self.mode not in plain:
            self.mode = "json"
        return plain.get(self.mode, pa.string)()

    def put(self, value: Any) -> Any:
        """Return a value as its column holds it."""
        if value is None:
            return None
        mode = self.mode
        if mode == "text":
            return _SURROGATE.sub("\ufffd", value)
        if mode == "struct":
            return {name: self.fields[name].put(held) for name, held in value.items()}
        if mode == "list":
            assert self.item is not None
            return [self.item.put(held) for held in value]
        if mode == "json":
            return json.dumps(value, separators=(",", ":"))
        return float(value) if mode == "float" else value


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        if abs(value) <= _EXACT:
            return "int"
        return "long" if -(1 << 63) <= value < 1 << 63 else "json"
    return "float" if isinstance(value, float) else "text"


def to_parquet(lines: Path, path: Path, stop: Event) -> None:
    """Turn lines of JSON into a Parquet file of mode 0600; memory holds one batch.

    Args:
        lines: A file with one object a line.
        path: The file to be made; one that is there is replaced.
        stop: Set by another thread to give up; the file is not whole then.

    Raises:
        OSError: a file cannot be read or written.
    """
    pa, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    shapes: dict[str, _Shape] = {"id": _Shape()}
    for batch in _batches(lines):
        if stop.is_set():
            return
        for record in batch:
            for name, value in record.items():
                shapes.setdefault(name, _Shape()).see(value)
    schema = pa.schema([(name, shape.settle(pa)) for name, shape in shapes.items()])
    path.unlink(missing_ok=True)
    with (
        open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600), "wb") as file,
        parquet.ParquetWriter(file, schema, compression="zstd") as writer,
    ):
        for batch in _batches(lines):
            if stop.is_set():
                return
            rows = [{name: shapes[name].put(value) for name, value in record.items()} for record in batch]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
        writer.close()
        file.flush()
        os.fsync(file.fileno())


def _batches(lines: Path) -> Iterator[list[dict[str, Any]]]:
    batch, size = [], 0
    with open(lines, "rb") as file:
        for line in file:
            batch.append(json.loads(line))
            size += len(line)
            if len(batch) >= _ROWS or size >= _BYTES:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch
