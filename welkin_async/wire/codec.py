"""JSON codec: the same bytes, or the same refusal, with and without orjson.

Encoding has two steps. `plain` walks the value once, turns what JSON has no word for (datetimes, UUIDs, enums,
decimals) into its documented form, and refuses what the two encoders would treat differently: NaN and infinities,
keys that are not strings, integers beyond 64 bits. Then either encoder writes the result without a choice left to it.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from uuid import UUID

import attrs

from welkin_async.errors import InvalidInputError
from welkin_async.wire.dates import format_date, format_datetime, format_time

if TYPE_CHECKING:
    from decimal import Decimal

JSON = Any
"""A parsed JSON value: dict, list, str, int, float, bool or None."""

_ATOMS = frozenset({str, bool, type(None)})
_FLAT = frozenset({str, int, bool, type(None)})
_DEEPEST = 100
_SMALLEST_INT, _GREATEST_INT = -(2**63), 2**64 - 1


@runtime_checkable
class WireValue(Protocol):
    """A value that knows its own wire form; records do."""

    def __wire__(self) -> Mapping[str, JSON]:
        """Return the JSON object this value stands for."""
        ...


class _ExponentFloat(float):
    """A float that Python writes with an exponent: orjson has another form for these and is given Python's."""

    __slots__ = ()


class _RefusedError(Exception):
    """Carries the reason up while each level adds where it stood."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.path: list[str] = []


def plain(value: object) -> JSON:
    """Turn a value into what JSON can say, or refuse it.

    Datetimes become UTC text with milliseconds, dates midnight Z, times ``HH:MM:SS``, UUIDs and enums their text or
    value, decimals a number if a float holds them exactly, mappings objects, lists and tuples arrays.

    Args:
        value: Anything.

    Returns:
        A structure of dict, list, str, int, float, bool and None.

    Raises:
        InvalidInputError: the value, or a part named by ``path``, cannot be sent without being changed.
    """
    try:
        return _plain(value, 0)
    except _RefusedError as refused:
        reason, path = refused.reason, refused.path
    raise InvalidInputError(reason, tuple(reversed(path)))


def _plain(value: Any, depth: int) -> JSON:
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is int:
        if not _SMALLEST_INT <= value <= _GREATEST_INT:
            raise _RefusedError("an integer beyond 64 bits")
        return value
    if kind is float:
        if not math.isfinite(value):
            raise _RefusedError("NaN or infinity, which JSON cannot say")
        return value if 1e-4 <= abs(value) < 1e16 or not value else _ExponentFloat(value)
    if depth > _DEEPEST:
        raise _RefusedError(f"nested more than {_DEEPEST} levels deep")
    if kind is dict or isinstance(value, Mapping):
        return _plain_object(value, depth + 1)
    if kind is list or kind is tuple:
        return _plain_array(value, depth + 1)
    return _plain_other(value, depth)


def _plain_object(value: Mapping[Any, Any], depth: int) -> dict[str, JSON]:
    result: dict[str, JSON] = {}
    for key, item in value.items():
        if type(key) is not str:
            if not isinstance(key, str):
                raise _RefusedError(f"a key of type {type(key).__name__}; keys are strings")
            key = str.__str__(key)
        if type(item) in _ATOMS:
            result[key] = item
            continue
        try:
            result[key] = _plain(item, depth)
        except _RefusedError as refused:
            refused.path.append(key)
            raise
    return result


def _plain_array(value: list[Any] | tuple[Any, ...], depth: int) -> list[JSON]:
    result = []
    for index, item in enumerate(value):
        try:
            result.append(_plain(item, depth))
        except _RefusedError as refused:
            refused.path.append(str(index))
            raise
    return result


def _plain_other(value: Any, depth: int) -> JSON:
    """Handle the types that JSON has no word for, most frequent first."""
    try:
        if isinstance(value, datetime):
            return format_datetime(value)
        if isinstance(value, date):
            return format_date(value)
        if isinstance(value, UUID):
            return str(value)
        if isinstance(value, Enum):
            return _plain(value.value, depth + 1)
        # A value can be a Decimal only where somebody has imported it; importing it here would cost every start.
        if (decimal := sys.modules.get("decimal")) is not None and isinstance(value, decimal.Decimal):
            return _plain_decimal(value)
        if isinstance(value, time):
            return format_time(value)
    except ValueError as error:
        raise _RefusedError(str(error)) from None
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (bool, int)):
        return _plain(int(value), depth)
    if isinstance(value, float):
        return _plain(float(value), depth)
    if isinstance(value, (list, tuple)):
        return _plain_array(value, depth + 1)
    if isinstance(value, WireValue):
        return _plain_object(value.__wire__(), depth + 1)
    raise _RefusedError(f"a value of type {type(value).__name__}, which has no JSON form")


def _surrogate(value: JSON) -> tuple[str, ...] | None:
    """Find the text that UTF-8 cannot say; only after the encoder has failed on it."""
    if isinstance(value, str):
        return None if value.isascii() or _sayable(value) else ()
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if isinstance(key, str) and not _sayable(key):
            return ()
        found = _surrogate(item)
        if found is not None:
            return (str(key), *found)
    return None


def _sayable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain_decimal(value: Decimal) -> JSON:
    if not value.is_finite():
        raise _RefusedError("NaN or infinity, which JSON cannot say")
    if value == value.to_integral_value() and value.adjusted() < 20:
        return _plain(int(value), 0)
    number = float(value)
    if type(value)(repr(number)) != value:
        raise _RefusedError("a decimal that a JSON number cannot hold exactly; send it as text")
    return _plain(number, 0)


@attrs.frozen
class Codec:
    """A pair of functions over bytes, from one JSON library.

    Attributes:
        name: ``json`` or ``orjson``.
        dumps: Encodes what `plain` returned; raises ValueError or TypeError on a lone surrogate.
        loads: Decodes bytes; raises ValueError on anything that is not JSON.
        dumps_flat: Encodes an object of text, integers, booleans and nulls as it stands; raises ValueError or TypeError
            where it could not be sent so.
        flat_alone: Whether that is also raised of any other object, so that nobody need look before.
    """

    name: str
    dumps: Callable[[JSON], bytes]
    loads: Callable[[bytes], JSON]
    dumps_flat: Callable[[Any], bytes]
    flat_alone: bool

    def encode(self, value: object) -> bytes:
        """Encode any sendable value.

        Args:
            value: See `plain`.

        Returns:
            UTF-8 JSON without spaces, the same bytes with either library.

        Raises:
            InvalidInputError: the value cannot be sent without being changed.
        """
        if type(value) is dict and (self.flat_alone or _FLAT.issuperset(map(type, value.values()))):
            try:
                return self.dumps_flat(value)
            except (ValueError, TypeError):
                pass  # found again below, and named
        ready = plain(value)
        try:
            return self.dumps(ready)
        except (ValueError, TypeError):
            # Not chained: the cause quotes the text. A lone surrogate is the one thing `plain` leaves to be found here.
            path = _surrogate(ready)
        raise InvalidInputError("text with a lone surrogate, which UTF-8 cannot say", path or ())


_WORDS = {True: "true", False: "false", None: "null"}
_ESCAPED = bytes(range(0x20)) + b'"\\'  # what JSON's texts cannot have as it stands
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False)


def _refuse_constant(name: str) -> JSON:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number beyond what a float holds")
    return value


def _whole(text: str) -> int | float:
    """Read an integer as orjson does: one beyond 64 bits is a float, and one beyond a float is refused."""
    if len(text) < 19:
        return int(text)
    value = int(text)
    return value if _SMALLEST_INT <= value <= _GREATEST_INT else _finite(text)


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite, parse_int=_whole)


def _json_dumps(value: JSON) -> bytes:
    return _ENCODER.encode(value).encode()


def _json_dumps_flat(value: dict[Any, Any]) -> bytes:
    """Write a flat object as it stands, and see afterwards whether any text needs an escape: few do."""
    text, quotes = "", 4 * len(value)
    for key, item in value.items():
        if type(key) is not str:
            raise TypeError
        if type(item) is str:
            text += f',"{key}":"{item}"'
            continue
        kind = type(item)
        if kind is int:
            if not _SMALLEST_INT <= item <= _GREATEST_INT:
                raise ValueError
        elif kind in _ATOMS:
            item = _WORDS[item]
        else:
            raise TypeError
        text += f',"{key}":{item}'
        quotes -= 2
    data = f"{{{text[1:]}}}".encode()
    if len(data) - len(data.translate(None, _ESCAPED)) != quotes:
        raise ValueError
    return data


def _json_loads(data: bytes) -> JSON:
    try:
        text = data.decode().strip(" \t\n\r")  # the decoder itself would look for white space with regular expressions
        value, end = _DECODER.raw_decode(text)
        if end != len(text):
            raise ValueError("more than one value")
        # One letter is found far faster than three, and most answers have no escapes at all.
        if b"\\" in data and (b"\\ud" in data or b"\\uD" in data):
            _ENCODER.encode(value).encode()  # raises on a lone surrogate, as orjson does
        return value
    except RecursionError:
        raise ValueError("nested too deeply") from None


def stdlib_codec() -> Codec:
    """Return the codec of the standard library."""
    return Codec("json", _json_dumps, _json_loads, _json_dumps_flat, True)


def best_codec() -> Codec:
    """Return the orjson codec where orjson is installed (the ``speed`` extra), else the standard library's."""
    try:
        import orjson
    except ImportError:
        return stdlib_codec()

    fragment, dumps = orjson.Fragment, orjson.dumps

    def in_pythons_form(value: object) -> object:
        if type(value) is _ExponentFloat:
            return fragment(float.__repr__(value).encode())
        raise TypeError

    def orjson_dumps(value: JSON) -> bytes:
        return dumps(value, in_pythons_form)

    return Codec("orjson", orjson_dumps, orjson.loads, dumps, False)
