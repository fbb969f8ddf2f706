"""Arrow values: those of an Arrow array as Python values, one by one where it cannot be done at once."""

from __future__ import annotations

from typing import Any

_MEANT = ("arrow.uuid", "arrow.json", "arrow.bool8")  # extension types whose Python values are what they mean

BEYOND = "holds a value that cannot be read: text that is no UTF-8, or a time that is too fine or too far"


class Unreadable(str):
    """What is shown of a value that cannot be read."""

    __slots__ = ()


def is_opaque(arrow: Any, kind: Any) -> bool:
    """Tell whether a type's Python values would be those of its storage, and not what they mean.

    Args:
        arrow: The module.
        kind: The type.
    """
    return isinstance(kind, arrow.BaseExtensionType) and kind.extension_name not in _MEANT


def python_values(arrow: Any, column: Any) -> list[Any]:
    """Return an array's values; those that Python cannot hold one by one, as `Unreadable`.

    Args:
        arrow: The module.
        column: The array.
    """
    types, kind = arrow.types, column.type
    if is_opaque(arrow, kind):
        return [None if not each.is_valid else Unreadable(_shown(arrow, each.value)) for each in column]
    # Nanoseconds are given as microseconds, where they are whole ones.
    whole = arrow.timestamp("us", kind.tz) if types.is_timestamp(kind) and kind.unit == "ns" else None
    try:
        return list((column if whole is None else column.cast(whole)).to_pylist())
    except Exception:
        return [_value(arrow, each, whole) for each in column]


def _value(arrow: Any, value: Any, whole: Any) -> Any:
    try:
        return (value if whole is None else value.cast(whole)).as_py()
    except Exception:
        return Unreadable(_shown(arrow, value))


def _shown(arrow: Any, value: Any) -> str:
    """Return what a reject file holds for a value that Python cannot hold."""
    try:
        return str(value.cast(arrow.string()).as_py())
    except Exception:
        try:
            return bytes(value.as_buffer()).hex()
        except Exception:
            return "?"
