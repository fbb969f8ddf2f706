"""Values made from the type hints of records: what the wire may say, what it may not, and what Python makes of it."""

from __future__ import annotations

import importlib
import pkgutil
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple, Union

import attrs
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

import welkin_async.models
from welkin_async.errors import RequestLine
from welkin_async.wire.codec import JSON
from welkin_async.wire.records import Record
from welkin_async.wire.request import Answer

SECRET = "Charlie-Taylor-1970"
"""Stands for a patient's data; no text may quote it."""

LINE = RequestLine("GET", "/{tenant}/{instance}/things/{thing_id}", "things.get")


class Field(NamedTuple):
    name: str
    wire_name: str
    inside: str | None
    required: bool
    hint: Any


def _classes() -> Iterator[type[Record]]:
    for module in pkgutil.iter_modules(welkin_async.models.__path__):
        found = importlib.import_module(f"welkin_async.models.{module.name}")
        for value in vars(found).values():
            if isinstance(value, type) and issubclass(value, Record) and value.__module__ == found.__name__:
                yield value


CLASSES = sorted(_classes(), key=lambda cls: (cls.__module__, cls.__name__))


def fields(cls: type[Record]) -> list[Field]:
    hints = typing.get_type_hints(cls, localns={})
    return [
        Field(
            field.name,
            field.metadata["wire"],
            field.metadata["inside"],
            field.metadata["required"],
            hints[field.name],
        )
        for field in attrs.fields(cls)
        if "wire" in field.metadata
    ]


def answer(data: JSON = None, line: RequestLine = LINE) -> Answer:
    return Answer(200, CIMultiDictProxy(CIMultiDict({"X-Id": "1"})), data, 2, line)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=4,
)
MOMENTS = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)


def _parts(hint: Any) -> tuple[Any, bool]:
    """Tell a type from whether null stands for it."""
    if typing.get_origin(hint) in (Union, types.UnionType):
        (inner,) = [part for part in typing.get_args(hint) if part is not type(None)]
        return inner, True
    return hint, hint is Any


def wire_values(hint: Any) -> st.SearchStrategy[JSON]:
    """What the documentation lets a field of this type hold."""
    inner, optional = _parts(hint)
    found = _wire_values(inner)
    return st.none() | found if optional else found


def _wire_values(hint: Any) -> st.SearchStrategy[JSON]:
    if hint is Any:
        return JSONS
    if hint is str:
        return TEXT
    if hint is bool:
        return st.booleans()
    if hint is int:
        return st.integers(-(2**53), 2**53)
    if hint is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    if hint is datetime:
        zulu = MOMENTS.map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S.000Z").rjust(24, "0"))
        return zulu | st.sampled_from(["2022-07-27T12:25:50-07:00", "2073-01-01T00:00:00.000+00:00"])
    if hint is date:
        return st.dates().map(lambda day: f"{day}T00:00:00.000Z") | st.dates().map(str)
    if hint is time:
        return st.times().map(lambda at: at.isoformat("seconds"))
    if isinstance(hint, type) and issubclass(hint, Record):
        return wire_objects(hint)
    if typing.get_origin(hint) is tuple:
        return st.lists(wire_values(typing.get_args(hint)[0]), max_size=2)
    assert typing.get_origin(hint) is Mapping, hint
    return st.dictionaries(TEXT, JSONS, max_size=2)


@st.composite
def wire_objects(draw: st.DrawFn, cls: type[Record]) -> dict[str, JSON]:
    """An object as a server may send it: fields present, null or absent in any order, and keys nobody documented."""
    raw: dict[str, JSON] = {}
    declared = fields(cls)
    chosen = draw(st.lists(st.sampled_from(declared), max_size=6, unique_by=lambda field: field.name))
    for field in [*chosen, *(field for field in declared if field.required and field not in chosen)]:
        value = draw(wire_values(field.hint))
        if field.inside is None:
            raw[field.wire_name] = value
        else:
            raw.setdefault(field.inside, {})[field.wire_name] = value
    known = {field.inside or field.wire_name for field in declared}
    unknown = draw(st.dictionaries(TEXT.filter(lambda key: key not in known), JSONS, max_size=2))
    return {**raw, **unknown}


def python_values(hint: Any) -> st.SearchStrategy[Any]:
    """What a caller may give for a field of this type."""
    inner, optional = _parts(hint)
    found = _python_values(inner)
    return st.none() | found if optional else found


def _python_values(hint: Any) -> st.SearchStrategy[Any]:
    if hint is datetime:
        return MOMENTS
    if hint is date:
        return st.dates()
    if hint is time:
        return st.times().map(lambda at: at.replace(microsecond=0))
    if isinstance(hint, type) and issubclass(hint, Record):
        return wire_objects(hint).map(hint.from_wire)
    if typing.get_origin(hint) is tuple:
        return st.lists(python_values(typing.get_args(hint)[0]), max_size=2).map(tuple)
    return _wire_values(hint)


def fits(value: Any, hint: Any) -> bool:
    """Tell whether a decoded value is of the documented type, not merely like it."""
    inner, optional = _parts(hint)
    if value is None:
        return optional
    if inner is Any:
        return True
    origin = typing.get_origin(inner)
    if origin is tuple:
        return type(value) is tuple and all(fits(item, typing.get_args(inner)[0]) for item in value)
    if origin is Mapping:
        return isinstance(value, Mapping)
    if inner is datetime:
        return type(value) is datetime and value.tzinfo is not None
    return type(value) is inner


def wrong_values(hint: Any) -> list[JSON]:
    """What a field of this type must not hold; null where it has to be there."""
    inner, optional = _parts(hint)
    if inner is Any:
        return []
    origin = typing.get_origin(inner)
    every: list[JSON] = [SECRET, 1970, 1.5, True, [SECRET], {SECRET: SECRET}, [], {}]
    if inner is str:
        wrong = [value for value in every if not isinstance(value, str)]
    elif inner in (int, bool, float):
        wrong = [value for value in every if type(value) is not inner and not (inner is float and value == 1970)]
    elif inner is datetime:
        wrong = [*every, "1970-01-01T00:00:00"]
    elif inner in (date, time):
        wrong = every
    elif origin is tuple:
        of = typing.get_args(inner)[0]
        wrong = [value for value in every if not isinstance(value, list)] + [[item] for item in wrong_values(of)]
    else:
        wrong = [value for value in every if not isinstance(value, dict)]
    return wrong if optional else [*wrong, None]
