"""Pydantic schemas of records: what FastAPI and other users of pydantic need to take and return them.

Pydantic is imported by those who use it, and asks a record's class for its schema; nothing here runs without.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin

from welkin_async.errors import DecodeError
from welkin_async.wire.codec import plain
from welkin_async.wire.records import Record, field_types

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic_core import CoreSchema

R = TypeVar("R", bound=Record)

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


def core_schema_of(cls: type[Record]) -> CoreSchema:
    """Return what pydantic validates and serializes a record by.

    A record of the class is taken as it is; an object by wire names becomes one, each field of which can be read. It is
    serialized as `Record.to_dict` returns it.

    Args:
        cls: The record's class.
    """
    from pydantic_core import core_schema

    anything = core_schema.any_schema()  # described by `json_schema_of`
    return core_schema.no_info_plain_validator_function(
        _validator(cls),
        ref=f"{cls.__module__}.{cls.__qualname__}:{id(cls)}",
        json_schema_input_schema=anything,
        serialization=core_schema.plain_serializer_function_ser_schema(Record.to_dict, return_schema=anything),
    )


def _validator(cls: type[R]) -> Callable[[Any], R]:
    """Return what makes a record of a value; it raises ValueError, as pydantic has it, and quotes no value."""

    def validate(value: Any) -> R:
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise ValueError("an object is wanted")
        data: Any = plain(value)
        record = cls.from_wire(data)
        try:
            for name in field_types(cls):
                getattr(record, name)
        except DecodeError as error:
            reason = error.reason
        else:
            return record
        raise ValueError(reason)

    return validate


def json_schema_of(cls: type[Record], schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
    """Return the JSON schema of what `Record.to_dict` returns: a reference, where pydantic keeps it by its name.

    Args:
        cls: The record's class.
        schema: What `core_schema_of` returned.
        handler: Keeps schemas by name.
    """
    found = handler(schema)
    handler.resolve_ref_schema(found).update(_described_record(cls))
    return found


def _described_record(cls: type[Record]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required = []
    for wire_name, inside, needed, hint in field_types(cls).values():
        if inside is None:
            properties[wire_name] = _described(hint)
            if needed:
                required.append(wire_name)
        else:
            holder = properties.setdefault(inside, {"type": "object", "properties": {}})
            holder["properties"][wire_name] = _described(hint)
    described: dict[str, Any] = {"type": "object", "title": cls.__name__, "properties": properties}
    if cls.__doc__:
        described["description"] = inspect.cleandoc(cls.__doc__).partition("\n\n")[0]
    if required:
        described["required"] = required
    return described


def _described(hint: Any) -> dict[str, Any]:
    """Return the JSON schema of a field's type."""
    if hint in _SCALARS:
        return dict(_SCALARS[hint])
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return {"anyOf": [_described(each) for each in arguments]}
    if origin is tuple:
        return {"type": "array", "items": _described(arguments[0])}
    if origin is Mapping:
        return {"type": "object"}
    if isinstance(hint, type) and issubclass(hint, Record):
        return _described_record(hint)
    return {}
