"""Columns of an export: their names and types, found by a pass over all records; and a record as they hold it.

Records need not have the same keys, and an export that is resumed does not know what is still to come; so the columns
are settled when all records are there. Objects become structs and arrays lists. Dates stay text, as they came, unless a
formation says that they are dates. Where a column holds values of several types, or objects without keys, its values
are the JSON text of what was there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from welkin_async.models.formations import CdtField, CdtFormation
from welkin_async.wire.dates import parse_date, parse_datetime

_DEEPEST = 12  # levels of structs and lists
_WIDEST = 2_000  # keys of an object, beyond which keys are taken for data
_EXACT = 1 << 53  # beyond it a float does not hold every integer
_SURROGATE = re.compile("[\ud800-\udfff]")
_BODY = "jsonBody"


class Shape:
    """What a column was seen to hold."""

    __slots__ = ("fields", "item", "kinds", "mode")

    def __init__(self) -> None:
        self.kinds: set[str] = set()
        self.fields: dict[str, Shape] = {}
        self.item: Shape | None = None
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
                self.fields.setdefault(key, Shape()).see(held, depth + 1)
        elif isinstance(value, list):
            self.kinds.add("list")
            self.item = self.item or Shape()
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


def clean_text(text: str) -> str:
    """Return text that can be written as UTF-8."""
    return _SURROGATE.sub("\ufffd", text)


def _integer(value: Any) -> int:
    if type(value) is not int or not -(1 << 63) <= value < 1 << 63:
        raise ValueError
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float) or (type(value) is int and abs(value) > _EXACT):
        raise ValueError
    return float(value)


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return clean_text(value)


def _date(value: Any) -> date:
    return parse_date(_text(value))


def _datetime(value: Any) -> datetime:
    return parse_datetime(_text(value))


_Read = Callable[[Any], Any]
_TYPES: Mapping[str | None, tuple[_Read, Callable[[Any], Any]]] = {
    "integer": (_integer, lambda pa: pa.int64()),
    "number": (_number, lambda pa: pa.float64()),
    "checkbox": (_boolean, lambda pa: pa.bool_()),
    "date": (_date, lambda pa: pa.date32()),
    "datetime": (_datetime, lambda pa: pa.timestamp("us", "UTC")),
    **dict.fromkeys(("text", "textarea", "email", "phone", "select"), (_text, lambda pa: pa.string())),
}
"""By the formation's name of a type: what reads a value, and the type of its column."""


class TypedShape(Shape):
    """A column of which a formation says the type; it holds whatever is there where a value does not fit.

    Args:
        field: The field.
    """

    __slots__ = ("_fits", "_read", "_several", "_type")

    def __init__(self, field: CdtField) -> None:
        super().__init__()
        meta = field.meta or {}
        self._several = bool(meta.get("multiple")) or (field.type == "checkbox" and bool(meta.get("options")))
        kind = "integer" if field.type == "select" and field.value_type == "INTEGER" else field.type
        kind = "text" if self._several and kind == "checkbox" else kind
        self._fits = kind in _TYPES
        self._read, self._type = _TYPES.get(kind, _TYPES["text"])

    def see(self, value: Any, depth: int = 0) -> None:
        """Take a value in; see `Shape`."""
        super().see(value, depth)
        if self._fits and value is not None:
            try:
                self._typed(value)
            except ValueError:
                self._fits = False

    def settle(self, pa: Any) -> Any:
        """Decide, and return pyarrow's type; see `Shape`."""
        found = super().settle(pa)
        if not self._fits:
            return found
        return pa.list_(self._type(pa)) if self._several else self._type(pa)

    def put(self, value: Any) -> Any:
        """Return a value as its column holds it; see `Shape`."""
        return self._typed(value) if self._fits and value is not None else super().put(value)

    def _typed(self, value: Any) -> Any:
        if not self._several:
            return self._read(value)
        if not isinstance(value, list):
            raise ValueError
        return [None if each is None else self._read(each) for each in value]


class RecordColumns:
    """The columns of an export.

    Args:
        formation: The definition whose fields are columns of their own, each of its type, in place of ``jsonBody``;
            None to leave records as they are.
    """

    def __init__(self, formation: CdtFormation | None = None) -> None:
        self._flat = formation is not None
        fields = [] if formation is None else formation.fields or ()
        self._members: dict[str, Shape] = {"id": Shape()}
        self._fields: dict[str, Shape] = {str(field.name): TypedShape(field) for field in fields}

    def see(self, record: Mapping[str, Any]) -> None:
        """Take a record in."""
        body = self._body(record)
        for name, value in record.items():
            if body is None or name != _BODY:
                self._members.setdefault(name, Shape()).see(value)
        for name, value in (body or {}).items():
            self._fields.setdefault(name, Shape()).see(value)

    @property
    def names(self) -> list[str]:
        """The names of the columns: a field called like a member of every record has ``jsonBody.`` before its name."""
        return [*self._members, *map(self._name, self._fields)]

    def schema(self, pa: Any) -> Any:
        """Decide, and return pyarrow's schema.

        Args:
            pa: The module.
        """
        types = [shape.settle(pa) for shape in (*self._members.values(), *self._fields.values())]
        return pa.schema(list(zip(self.names, types, strict=True)))

    def put(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return a record as its columns hold it; `schema` was asked for before."""
        body = self._body(record)
        row = {name: self._members[name].put(value) for name, value in record.items() if body is None or name != _BODY}
        for name, value in (body or {}).items():
            row[self._name(name)] = self._fields[name].put(value)
        return row

    def plain(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return a record by the names of its columns, with the values that it has."""
        body = self._body(record)
        row = {name: value for name, value in record.items() if body is None or name != _BODY}
        return {**row, **{self._name(name): value for name, value in (body or {}).items()}}

    def _body(self, record: Mapping[str, Any]) -> Mapping[str, Any] | None:
        body = record.get(_BODY) if self._flat else None
        return body if isinstance(body, dict) else None

    def _name(self, field: str) -> str:
        return f"{_BODY}.{field}" if field in self._members else field
