"""Typed CDTs: what the classes are made of that are generated from a CDT's formation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias, TypeVar, dataclass_transform

import attrs

from welkin_async.models.cdts import CdtRecord
from welkin_async.wire.records import record, wire

F = TypeVar("F", bound="CdtFields")
V = TypeVar("V")

Several: TypeAlias = list[V] | tuple[V, ...]
"""What is written into a field that holds several values; not text, which would be taken for its letters."""

OneOrMore: TypeAlias = V | list[V] | tuple[V, ...]
"""What is written into a check box with options, whose form no recording shows."""

_NOT_GIVEN: Any = object()
_set = object.__setattr__


@record
class TypedCdt(CdtRecord):
    """A record of a CDT whose fields are attributes; the classes of a formation's CDTs are made from this one.

    A field is also read by its own name, as it was received: ``record["icd-10"]``.

    Attributes:
        CDT: The CDT's name.
        FORMATION: The fingerprint of the formation that the class was generated from.
    """

    CDT: ClassVar[str]
    FORMATION: ClassVar[str]


def cdt_and_record(cdt: str | type[TypedCdt]) -> tuple[str, type[CdtRecord]]:
    """Return the name of a CDT and the class of its records.

    Args:
        cdt: Its name, or the class that was generated from its formation.
    """
    return (cdt.CDT, cdt) if isinstance(cdt, type) and issubclass(cdt, TypedCdt) else (cdt, CdtRecord)


def cdt_field(
    name: str,
    type: str | None,
    *,
    editable: bool = True,
    required: bool = False,
    options: Sequence[str | int] = (),
    multiple: bool = False,
    searchable: bool = True,
    bulk_edit: bool = False,
    phi: bool = False,
    minimum: str | None = None,
    maximum: str | None = None,
) -> Any:
    """Declare a field of a typed CDT by the CDT's own name for it.

    Args:
        name: The customer's own name.
        type: The formation's type, such as ``datetime``.
        editable: Whether it can be written.
        required: Whether every record must have it.
        options: The values of its option list.
        multiple: Whether it holds several of them.
        searchable: Whether ``filters`` may name it.
        bulk_edit: Whether a bulk update may change it.
        phi: Whether it is marked as protected health information.
        minimum: The least value, as the formation writes it.
        maximum: The greatest value.
    """
    meta: dict[str, Any] = {"required": required}
    if options:
        meta |= {
            "multiple": multiple,
            "options": [{"label": str(each), "value": each, "refCdtName": None} for each in options],
        }
    meta |= {key: bound for key, bound in (("minValue", minimum), ("maxValue", maximum)) if bound is not None}
    shape = {
        "name": name,
        "type": type,
        "editable": editable,
        "searchable": searchable,
        "bulkEdit": bulk_edit,
        "phi": phi,
        "meta": meta,
    }
    return wire(name, inside="jsonBody", more={"formation": shape})


def formation_fields(cdt: type[TypedCdt]) -> list[dict[str, Any]]:
    """Return the customer's own fields of a typed CDT in the shape that formations show, as the sandbox takes them.

    Args:
        cdt: A generated class.
    """
    shapes = (attribute.metadata.get("formation") for attribute in attrs.fields(cdt))
    return [{**shape, "meta": {**shape["meta"]}} for shape in shapes if shape is not None]


def given(name: str) -> Any:
    """Declare a field that may be given, by the CDT's own name for it."""
    return attrs.field(default=_NOT_GIVEN, metadata={"wire": name})


def needed(name: str) -> Any:
    """Declare a field that must be given, by the CDT's own name for it."""
    return attrs.field(metadata={"wire": name})


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(needed,))
def cdt_fields(cls: type[F]) -> type[F]:
    """Make a class of `given` and `needed` fields an attrs class: frozen, slotted, keyword-only."""
    return attrs.define(frozen=True, slots=True, kw_only=True, eq=False, repr=False)(cls)


@attrs.define(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class CdtFields(Mapping[str, Any]):
    """Fields of a CDT record as they are to be written: attributes by their Python names, a mapping by the CDT's own.

    It holds exactly what was given; an explicit None is sent as null. So it stands wherever a mapping of a CDT's fields
    does: in ``create`` and ``update``, in `bulk.CdtRow` and `bulk.CdtChange`.
    """

    _values: Mapping[str, Any] = attrs.field(init=False, default=MappingProxyType({}))

    def __attrs_post_init__(self) -> None:
        """Gather what was given."""
        values = {}
        for name, wire_name in _wire_names(type(self)):
            value = getattr(self, name)
            if value is _NOT_GIVEN:
                _set(self, name, None)
            else:
                values[wire_name] = value
        _set(self, "_values", values)

    def __getitem__(self, name: str) -> Any:
        """Return a field that was given.

        Raises:
            KeyError: it was not.
        """
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        """Show the class and how many fields there are: values may be patient data."""
        return f"<{type(self).__qualname__} of {len(self._values)} fields>"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        names = {wire_name: name for name, wire_name in _wire_names(type(self))}
        return _rebuild, (type(self), {names[name]: value for name, value in self._values.items()})


def _rebuild(cls: type[F], values: Mapping[str, Any]) -> F:
    return cls(**values)


_names: dict[type[CdtFields], tuple[tuple[str, str], ...]] = {}


def _wire_names(cls: type[CdtFields]) -> tuple[tuple[str, str], ...]:
    """Return the Python name and the CDT's own of each field, worked out once for each class."""
    known = _names.get(cls)
    if known is None:
        known = _names[cls] = tuple(
            (attribute.name, attribute.metadata["wire"])
            for attribute in attrs.fields(cls)
            if "wire" in attribute.metadata
        )
    return known
