"""Decoding of fields: from JSON values to Python types, by cattrs and by what the API writes.

JSON's types are taken as they are: no number is made of text, nor text of a number.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from functools import cache
from typing import TYPE_CHECKING, Any

from welkin_async.wire.codec import JSON
from welkin_async.wire.dates import parse_date, parse_datetime, parse_time

if TYPE_CHECKING:
    from cattrs import Converter


def decoder_of(hint: Any) -> Callable[[JSON], Any]:
    """Return what decodes values of a type, None let through where the type allows it.

    Args:
        hint: The type: a class, an optional of one, a tuple or a mapping. A class with ``from_wire`` takes an object.

    Returns:
        A function that raises ValueError or TypeError, whose texts may quote the value.
    """
    return _bound(_converter().get_structure_hook(hint), hint)


def _bound(hook: Callable[[Any, Any], Any], hint: Any) -> Callable[[JSON], Any]:
    return lambda value: hook(value, hint)


def plain_converter() -> Converter:
    """Return a converter that takes JSON's types as they are and dates as the API writes them, to be added to."""
    return _converter().copy()


@cache
def _converter() -> Converter:
    """Build the one converter."""
    from cattrs import Converter

    converter = Converter(detailed_validation=False)
    for kind in (str, bool):
        converter.register_structure_hook(kind, _exactly(kind))
    converter.register_structure_hook(int, _integer)
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(datetime, _from_text(parse_datetime))
    converter.register_structure_hook(date, _from_text(parse_date))
    converter.register_structure_hook(time, _from_text(parse_time))
    converter.register_structure_hook_func(_is_record, _nested)
    converter.register_structure_hook_func(_is_mapping, _mapping)
    converter.register_structure_hook_factory(_is_tuple, lambda kind: _array(converter, kind))
    return converter


def _exactly(kind: type) -> Callable[[Any, Any], Any]:
    def structure_value(value: Any, _: Any) -> Any:
        if type(value) is not kind:
            raise TypeError
        return value

    return structure_value


def _integer(value: Any, _: Any) -> int:
    if type(value) is not int:
        raise TypeError
    return value


def _number(value: Any, _: Any) -> float:
    if type(value) is not float and type(value) is not int:
        raise TypeError
    return value


def _from_text(parse: Callable[[str], Any]) -> Callable[[Any, Any], Any]:
    def structure_value(value: Any, _: Any) -> Any:
        if type(value) is not str:
            raise TypeError
        return parse(value)

    return structure_value


def _is_record(kind: Any) -> bool:
    return isinstance(kind, type) and hasattr(kind, "from_wire")


def _nested(value: Any, kind: Any) -> Any:
    if not isinstance(value, dict):
        raise TypeError
    return kind.from_wire(value)


def _is_tuple(kind: Any) -> bool:
    return getattr(kind, "__origin__", None) is tuple


def _array(converter: Converter, kind: Any) -> Callable[[Any, Any], Any]:
    """Take an array alone: text and objects can be iterated over too, and would become tuples of letters and keys."""
    item = kind.__args__[0]
    structure = _bound(converter.get_structure_hook(item), item)

    def structure_value(value: Any, _: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            raise TypeError
        return tuple([structure(part) for part in value])

    return structure_value


def _is_mapping(kind: Any) -> bool:
    return getattr(kind, "__origin__", None) is Mapping


def _mapping(value: Any, _: Any) -> Mapping[str, JSON]:
    if not isinstance(value, dict):
        raise TypeError
    return types.MappingProxyType(value)
