"""CDT fields: their public shape, and whether a value fits a field's type.

The types are the nine recorded ones. How strictly the real server checks values is unknown: here a value that does not
fit is a 400, and one that fits is echoed exactly as sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import attrs

from welkin_async.sandbox.http.messages import Record
from welkin_async.sandbox.records.values import uuid

Check = Callable[[Any], bool]


def _of_type(kind: type) -> Check:
    # By the very type: True is an int, but no number.
    return lambda value: type(value) is kind


def _of_form(pattern: str) -> Check:
    matches = re.compile(pattern).fullmatch
    return lambda value: isinstance(value, str) and matches(value) is not None


def _is_moment(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


_CHECKS: dict[str, Check] = {
    "checkbox": _of_type(bool),
    "date": _is_moment,
    "datetime": _is_moment,
    "email": _of_form(r"[^@\s]+@[^@\s]+"),
    "integer": _of_type(int),
    "phone": _of_form(r"\+?[0-9][0-9 ().-]{3,}"),
    "select": _of_type(str),
    "text": _of_type(str),
    "textarea": _of_type(str),
}

FIELD_TYPES = frozenset(_CHECKS)
"""Types of CDT fields (recorded)."""


def _among(options: Iterable[Mapping[str, Any]], multiple: bool) -> Check:
    allowed = {(type(option["value"]), option["value"]) for option in options}

    def one(value: Any) -> bool:
        return isinstance(value, (str, int)) and (type(value), value) in allowed

    def several(value: Any) -> bool:
        return isinstance(value, list) and all(one(item) for item in value)

    return several if multiple else one


def check_for(shape: Mapping[str, Any]) -> Check:
    """The test that a value of this field must pass; null always passes and is not asked about.

    Args:
        shape: The field as a formation shows it.

    Raises:
        ValueError: Its type is not one of `FIELD_TYPES`.
    """
    if shape["name"] == "external_guid":
        return uuid
    kind, meta = shape["type"], shape["meta"]
    if kind not in _CHECKS:
        raise ValueError(f"{kind!r} is not a type of CDT fields: {', '.join(sorted(FIELD_TYPES))}")
    if kind in ("select", "checkbox") and meta.get("options"):
        return _among(meta["options"], kind == "checkbox" or bool(meta.get("multiple")))
    return _CHECKS[kind]


@attrs.frozen
class Alteration:
    """How a server changes text values of a field before it stores them, as one with a narrow column does.

    Attributes:
        max_length: Characters that are kept; None keeps all.
        lower_case: Whether capitals become small letters.
        after: Writes of the field that are stored as they were sent before the first one is changed.
    """

    max_length: int | None = attrs.field(default=None, validator=attrs.validators.optional(attrs.validators.ge(1)))
    lower_case: bool = False
    after: int = attrs.field(default=0, validator=attrs.validators.ge(0))

    def of(self, value: str) -> str:
        """The value as it is stored.

        Args:
            value: As it was sent.
        """
        kept = value[: self.max_length]
        return kept.lower() if self.lower_case else kept


def field(
    name: str,
    type: str,
    *,
    editable: bool = True,
    searchable: bool = True,
    bulk_edit: bool = False,
    phi: bool = False,
    label: str | None = None,
    options: Iterable[str | int] = (),
    multiple: bool = False,
) -> Record:
    """A field in the shape that formations show (recorded keys).

    Args:
        name: Name as the Designer gives it; hyphens and any case occur.
        type: One of `FIELD_TYPES`.
        editable: Whether it can be written.
        searchable: Whether `filters` may name it.
        bulk_edit: Whether a bulk update may change it.
        phi: Whether it holds protected health information.
        label: Text for people.
        options: Values of a select.
        multiple: Whether a select holds a list.
    """
    meta: Record = {"required": False}
    if label is not None:
        meta["label"] = label
    values = list(options)
    if values:
        meta["multiple"] = multiple
        meta["options"] = [{"label": str(value).title(), "value": value, "refCdtName": None} for value in values]
    chosen = type in ("select", "checkbox")
    return {
        "name": name,
        "type": type,
        "formula": None,
        "dictionary": None,
        "profileDataType": None,
        "editable": editable,
        "searchable": searchable,
        "bulkEdit": bulk_edit,
        "phi": phi,
        "disable": False,
        "injectedSource": False,
        "displayType": type.upper() if chosen else None,
        "valueType": ("INTEGER" if values and all(map(_CHECKS["integer"], values)) else "STRING") if chosen else None,
        "meta": meta,
    }


SYSTEM_FIELDS: tuple[Record, ...] = tuple(
    field(name, kind, editable=name.startswith("external_"), searchable=False)
    for name, kind in (
        ("id", "text"),
        ("created_at", "datetime"),
        ("created_by", "text"),
        ("created_by_name", "text"),
        ("updated_at", "datetime"),
        ("updated_by", "text"),
        ("updated_by_name", "text"),
        ("source_type", "text"),
        ("source_name", "text"),
        ("source_id", "text"),
        ("external_id", "text"),
        ("external_guid", "text"),
    )
)
"""The 12 fields of every formation; only `external_id` and `external_guid` are editable (recorded).

That these two are not searchable and what the types of the ids are called is chosen here.
"""


def complete_fields(fields: Mapping[str, str] | Iterable[Mapping[str, Any]]) -> list[Record]:
    """All fields of a formation in full shape, system fields first.

    Args:
        fields: Types by name, such as `{"dose": "text"}`, or field objects of which only `name` and `type` are needed.
            An object with the name of a system field changes that field, for example to one that is not editable.

    Raises:
        ValueError: A name is given twice, or a type unknown.
    """
    given: list[Mapping[str, Any]] = (
        [{"name": name, "type": kind} for name, kind in fields.items()] if isinstance(fields, Mapping) else list(fields)
    )
    if len({item["name"] for item in given}) < len(given):
        raise ValueError("a CDT field is defined twice")
    shapes: dict[str, Record] = {shape["name"]: shape for shape in SYSTEM_FIELDS}
    for item in given:
        name = item["name"]
        shape = {**(shapes.get(name) or field(name, item["type"])), **item}
        shape["meta"] = {"required": False, **shape["meta"]}
        check_for(shape)
        shapes[name] = shape
    return list(shapes.values())
