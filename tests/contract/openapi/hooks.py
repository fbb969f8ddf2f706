"""Hooks of schemathesis: most requests name what is there, so that operations are met and not only their 404s.

Loaded by schemathesis by way of ``SCHEMATHESIS_HOOKS``. What is there is read from the file that
``OPENAPI_CONFORMANCE_KNOWN`` names: values by the names of path parameters (`path`) and of fields of bodies (`body`).
A value is chosen by what was generated in its place, so that a run with the same seed sends the same.
"""

from __future__ import annotations

import json
import os
import zlib
from importlib import import_module
from pathlib import Path
from typing import Any

_FOUND = json.loads(Path(os.environ["OPENAPI_CONFORMANCE_KNOWN"]).read_text(encoding="utf-8"))
_PLACE = ("tenant", "instance")
_KEPT = 8  # of so many generated values one is kept


def _chosen(name: str, given: Any, known: list[Any], operation: str) -> Any:
    number = zlib.crc32(f"{operation} {name} {given!r}".encode("utf-8", "replace"))
    if name not in _PLACE and number % _KEPT == 0:
        return given
    return known[number // _KEPT % len(known)]


def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Put what is there in place of most of what was generated."""
    operation = case.operation.definition.raw["operationId"]
    for name in case.path_parameters or ():
        section = operation.partition(".")[0]
        places = (f"{operation}.{name}", f"{section}.{name}", name)
        if known := next((_FOUND["path"][each] for each in places if each in _FOUND["path"]), None):
            case.path_parameters[name] = _chosen(name, case.path_parameters[name], known, operation)
    if not isinstance(case.body, dict):
        return
    for name, known in _FOUND["body"].items():
        place, _, field = name.rpartition(".")
        if field in case.body and (not place or operation.startswith(place)):
            case.body[field] = _chosen(field, case.body[field], known, operation)


# By name, as only the session that runs it has it installed.
import_module("schemathesis").hook(before_call)
