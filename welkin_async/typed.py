"""Typed CDTs: what modules import that ``welkin-async codegen`` has made."""

from welkin_async.models.typed_cdts import (
    CdtFields,
    OneOrMore,
    Several,
    TypedCdt,
    cdt_field,
    cdt_fields,
    formation_fields,
    given,
    needed,
)
from welkin_async.resources._base.scope import Key, Scope
from welkin_async.resources.cdts import TypedCdts
from welkin_async.wire.records import record
from welkin_async.wire.structure import plain_converter

__all__ = [
    "CdtFields",
    "Key",
    "OneOrMore",
    "Scope",
    "Several",
    "TypedCdt",
    "TypedCdts",
    "cdt_field",
    "cdt_fields",
    "formation_fields",
    "given",
    "needed",
    "plain_converter",
    "record",
]
