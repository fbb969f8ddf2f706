"""Pydantic schemas of records: what FastAPI and other users of pydantic need to take and return them.

Pydantic is imported by those who use it, and asks a record's class for its schema; nothing here runs without. The
classes stand above this module and hand in what they know of their fields.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self, TypeVar, Union, get_args, get_origin

from welkin_async.errors import DecodeError
from welkin_async.wire.codec import JSON, plain

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic_core import CoreSchema


class PlainRecord(Protocol):
    """A record, as far as pydantic needs to know it; see `welkin_async.wire.records.Record`."""

    @classmethod
    def from_wire(cls, raw: Mapping[str, JSON]) -> Self:
        """Wrap an object."""
        ...

    def to_dict(self) -> dict[str, JSON]:
        """Return it as plain data by wire names."""
        ...


class DocumentedField(NamedTuple):
    """A field of a record, as it is documented.

    Attributes:
        wire_name: Its key on the wire.
        inside: The key of the object that holds it; None for the top level.
        required: Whether every answer has it.
        hint: Its type.
    """

    wire_name: str
    inside: str | None
    required: bool
    hint: Any


R = TypeVar("R", bound=PlainRecord)
Fields = Callable[[Any], Iterable[DocumentedField]]
"""What returns the fields of a record's class."""

_SCALARS: Mapping[Any, Mapping[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    time: {"type": "string", "format": "time"},
    NoneType: {"type": "null"},
}


def core_schema_of(cls: type[PlainRecord]) -> CoreSchema:
    """Return what pydantic validates and serializes a record by.

    A record of the class is taken as it is; an object by wire names becomes one. Either way each field can be read
    then. It is serialized as `Record.to_dict` returns it.

    Args:
        cls: The record's class.
    """
    from pydantic_core import core_schema

    anything = core_schema.any_schema()  # described by `json_schema_of`
    return core_schema.no_info_plain_validator_function(
        _validator(cls),
        ref=f"{cls.__module__}.{cls.__qualname__}:{id(cls)}",
        json_schema_input_schema=anything,
        serialization=core_schema.plain_serializer_function_ser_schema(cls.to_dict, return_schema=anything),
    )


def _validator(cls: type[R]) -> Callable[[Any], R]:
    """Return what makes a record of a value.

    What cannot be read of an object is a ValueError, as pydantic has it, which quotes no value. Of a record it is the
    `DecodeError` of its answer: raised here, as pydantic lets it pass here alone, it reaches who handles the errors of
    calls.
    """

    def validate(value: Any) -> R:
        if isinstance(value, cls):
            value.to_dict()
            return value
        if not isinstance(value, Mapping):
            raise ValueError("an object is wanted")
        data: Any = plain(value)
        record = cls.from_wire(data)
        try:
            record.to_dict()
        except DecodeError as error:
            reason = error.reason
        else:
            return record
        raise ValueError(reason)

    return validate


def json_schema_of(
    cls: type[PlainRecord], schema: CoreSchema, handler: GetJsonSchemaHandler, fields: Fields
) -> dict[str, Any]:
    """Return the JSON schema of what `Record.to_dict` returns: a reference, where pydantic keeps it by its name.

    Args:
        cls: The record's class.
        schema: What `core_schema_of` returned.
        handler: Keeps schemas by name.
        fields: Returns the fields of a record's class.
    """
    found = handler(schema)
    handler.resolve_ref_schema(found).update(_described_record(cls, fields))
    return found


def _described_record(cls: type[Any], fields: Fields) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required = []
    for field in fields(cls):
        if field.inside is None:
            properties[field.wire_name] = _described(field.hint, fields)
            if field.required:
                required.append(field.wire_name)
        else:
            holder = properties.setdefault(field.inside, {"type": "object", "properties": {}})
            holder["properties"][field.wire_name] = _described(field.hint, fields)
    described: dict[str, Any] = {"type": "object", "title": cls.__name__, "properties": properties}
    if cls.__doc__:
        described["description"] = inspect.cleandoc(cls.__doc__).partition("\n\n")[0]
    if required:
        described["required"] = required
    return described


def _described(hint: Any, fields: Fields) -> dict[str, Any]:
    """Return the JSON schema of a field's type."""
    if hint in _SCALARS:
        return dict(_SCALARS[hint])
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return {"anyOf": [_described(each, fields) for each in arguments]}
    if origin is tuple:
        return {"type": "array", "items": _described(arguments[0], fields)}
    if origin is Mapping:
        return {"type": "object"}
    if isinstance(hint, type) and hasattr(hint, "from_wire"):
        return _described_record(hint, fields)
    return {}
