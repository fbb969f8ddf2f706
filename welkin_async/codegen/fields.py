"""Fields of a formation as generated classes know them: type, flags, options. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from welkin_async.models.cdts import SYSTEM_FIELDS, WRITABLE_SYSTEM_FIELDS
from welkin_async.models.formations import CdtField, CdtFormation

_SCALARS = {
    "text": "str",
    "textarea": "str",
    "email": "str",
    "phone": "str",
    "integer": "int",
    "number": "float",
    "checkbox": "bool",
    "date": "dt.date",
    "datetime": "dt.datetime",
}
_VALUE_TYPES = {"STRING": "str", "INTEGER": "int"}


@attrs.frozen
class Option:
    """One of the values of a field with an option list.

    Attributes:
        value: What is sent.
        label: What people see.
    """

    value: str | int
    label: str


@attrs.frozen(kw_only=True)
class GeneratedField:
    """A field of a formation.

    Attributes:
        name: The customer's own name.
        type: The formation's type.
        value_type: What a select holds, such as ``STRING``.
        label: What people see.
        dictionary: The dictionary whose entries it holds, and the field of it.
        options: Its option list.
        multiple: Whether it holds several of them.
        editable: Whether it can be written.
        required: Whether every record must have it.
        searchable: Whether ``filters`` may name it.
        bulk_edit: Whether a bulk update may change it.
        phi: Whether it is marked as protected health information.
        minimum: The least value, as the formation writes it.
        maximum: The greatest value.
    """

    name: str
    type: str | None
    value_type: str | None
    label: str | None
    dictionary: str | None
    options: Sequence[Option]
    multiple: bool
    editable: bool
    required: bool
    searchable: bool
    bulk_edit: bool
    phi: bool
    minimum: str | None
    maximum: str | None

    @classmethod
    def of(cls, field: CdtField) -> GeneratedField:
        """Read a field of a formation.

        Args:
            field: One that has a name.
        """
        meta = field.meta or {}
        label = meta.get("label")
        editable = field.editable is not False
        return cls(
            name=str(field.name),
            type=field.type,
            value_type=field.value_type,
            label=label if isinstance(label, str) else None,
            dictionary=_dictionary(field.dictionary),
            options=tuple(_options(meta)),
            multiple=bool(meta.get("multiple")),
            editable=editable,
            required=bool(meta.get("required")) and editable and not field.disable,
            searchable=field.searchable is not False,
            bulk_edit=bool(field.bulk_edit),
            phi=bool(field.phi),
            minimum=_bound(meta.get("minValue")),
            maximum=_bound(meta.get("maxValue")),
        )

    def read_type(self) -> str:
        """Return the type of the attribute, None aside; what an option list does not hold today may be there, too."""
        scalar = self._scalar()
        if scalar is None or (self.type == "checkbox" and self.options and not self.multiple):
            return "Any"
        return f"tuple[{scalar}, ...]" if self._several() else scalar

    def write_type(self, closed: str | None = None) -> str:
        """Return the type of what may be written, None aside.

        Args:
            closed: The name of the type of its options, where nothing else may be written.
        """
        scalar = closed or self._scalar() or " | ".join(sorted({type(each.value).__name__ for each in self.options}))
        if not scalar:
            return "Any"
        if not self._several():
            return scalar
        return f"Several[{scalar}]" if self.multiple else f"OneOrMore[{scalar}]"

    def _several(self) -> bool:
        """Whether a list may be written; the value of a check box that has options is not recorded."""
        return bool(
            self.type in ("select", "checkbox") and (self.multiple or (self.type == "checkbox" and self.options))
        )

    def _scalar(self) -> str | None:
        """Return the type of one value; None where it is not known or not a single one."""
        if self.options and self.type in ("select", "checkbox"):
            kinds = {type(option.value).__name__ for option in self.options}
            return kinds.pop() if len(kinds) == 1 else None
        if self.type == "select":
            return _VALUE_TYPES.get(self.value_type or "")
        return _SCALARS.get(self.type or "")


def own_fields(formation: CdtFormation) -> list[GeneratedField]:
    """Return the customer's own fields of a formation.

    Args:
        formation: The CDT's definition.
    """
    return [GeneratedField.of(field) for field in formation.fields or () if field.name not in (None, *SYSTEM_FIELDS)]


def writable_system_fields(formation: CdtFormation) -> list[str]:
    """Return the names of the system fields that the formation lets be written.

    Args:
        formation: The CDT's definition.
    """
    shown = {field.name: field.editable is not False for field in formation.fields or ()}
    return [name for name in sorted(WRITABLE_SYSTEM_FIELDS) if shown.get(name, True)]


def _options(meta: Mapping[str, Any]) -> list[Option]:
    found: dict[tuple[type, str | int], Option] = {}
    for each in meta.get("options") or ():
        value = each.get("value") if isinstance(each, Mapping) else None
        if type(value) is str or type(value) is int:
            found.setdefault((type(value), value), Option(value, str(each.get("label") or value)))
    return list(found.values())


def _bound(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


def _dictionary(given: Mapping[str, Any] | None) -> str | None:
    if not given:
        return None
    return ".".join(str(given[key]) for key in ("name", "field") if given.get(key)) or None
