"""Canonical forms: what two values of a field share exactly where they mean the same. Pure.

Comparing two values takes both at hand (see `equality`). Where one of them is kept as a digest alone, each is brought
into the forms in which values of its type are compared. A value has one slot, a list or an object several, and in each
slot some alternatives: two values are the same where in every slot they share one, as a moment that is written with
microseconds shares the millisecond before or after with one that was cut or rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from welkin_async.validation.equality import (
    Equal,
    instant_of,
    is_empty,
    number_of,
    same_date,
    same_datetime,
    same_number,
    same_option,
    same_text,
    same_truth,
    truth_of,
)

Forms = list[tuple[str, ...]]
"""The slots of a value, each with its alternatives; none for a value that is empty."""

_EPOCH, _MILLISECOND = datetime(1970, 1, 1), timedelta(milliseconds=1)


def canonical_forms(equal: Equal, value: Any, *, within: bool = False) -> Forms:
    """Bring a value into the forms in which values of its type are compared.

    Args:
        equal: What compares values of the field.
        value: A plain JSON value.
        within: Whether an object may have more members than those that are compared, as a list of objects to which the
            server adds.
    """
    if is_empty(value):
        return []
    forms: Forms = []
    _add(forms, "", _SCALARS.get(equal, _of_json), value, within=within)
    return forms


def _add(forms: Forms, place: str, scalar: Callable[[Any], tuple[str, ...]], value: Any, *, within: bool) -> None:
    if is_empty(value):
        forms.append((f"{place}=",))
    elif isinstance(value, list):
        forms.append((f"{place}[{len(value)}",))
        for number, each in enumerate(value):
            _add(forms, f"{place}[{number}]", scalar, each, within=within)
    elif isinstance(value, Mapping):
        held = {name: each for name, each in value.items() if not is_empty(each)}
        forms.append((f"{place}{{" if within else f"{place}{{{len(held)}",))
        for name, each in held.items():
            _add(forms, f"{place}{{{name!r}}}", _of_json, each, within=within)
    else:
        forms.append(tuple(f"{place}={form}" for form in scalar(value)))


def _of_json(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (f"s{value}", *_instants(value))
    if isinstance(value, bool):
        return (f"b{value}",)
    return (f"n{_exact(Decimal(value))}",)


def _of_text(value: Any) -> tuple[str, ...]:
    return (f"s{value.strip()}",) if isinstance(value, str) else _of_json(value)


def _of_option(value: Any) -> tuple[str, ...]:
    return (f"s{value}",) if isinstance(value, str) else _of_json(value)


def _of_number(value: Any) -> tuple[str, ...]:
    number = number_of(value)
    return _of_json(value) if number is None else (f"d{_exact(number)}",)


def _of_truth(value: Any) -> tuple[str, ...]:
    truth = truth_of(value)
    return _of_json(value) if truth is None else (f"t{truth}",)


def _of_date(value: Any) -> tuple[str, ...]:
    if not isinstance(value, str):
        return _of_json(value)
    text = value.strip()
    day = (f"D{text[:10]}",) if instant_of(text) is not None else ()
    return (f"s{text}", *day, *_instants(text))


def _of_datetime(value: Any) -> tuple[str, ...]:
    if not isinstance(value, str):
        return _of_json(value)
    text = value.strip()
    return (f"s{text}", *_instants(text))


_SCALARS: Mapping[Equal, Callable[[Any], tuple[str, ...]]] = {
    same_text: _of_text,
    same_option: _of_option,
    same_number: _of_number,
    same_truth: _of_truth,
    same_date: _of_date,
    same_datetime: _of_datetime,
}


def _instants(text: str) -> tuple[str, ...]:
    """Return the milliseconds around an instant, one where it falls on one; none where the text is no instant."""
    moment = instant_of(text)
    if moment is None:
        return ()
    zone, offset = ("", None) if moment.tzinfo is None else ("Z", moment.utcoffset())
    since = moment.replace(tzinfo=None) - _EPOCH - (offset or timedelta())
    whole, rest = divmod(since, _MILLISECOND)
    return (f"i{whole}{zone}", f"i{whole + 1}{zone}") if rest else (f"i{whole}{zone}",)


def _exact(number: Decimal) -> str:
    """Write a number in one way, without rounding it."""
    sign, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        return str(number)  # no JSON, and equal to nothing
    text = "".join(map(str, digits)).lstrip("0")
    kept = text.rstrip("0")
    return f"{'-' if sign else ''}{kept}e{exponent + len(text) - len(kept)}" if kept else "0"
