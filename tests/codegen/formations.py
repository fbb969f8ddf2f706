"""Formations for the tests: one with every type of field, and names that are no Python."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from welkin_async.codegen import generate
from welkin_async.models.formations import CdtFormation
from welkin_async.sandbox.records.fields import complete_fields, field

EVERY_TYPE: Sequence[Mapping[str, Any]] = (
    {**field("title", "text", label="Title", phi=True), "meta": {"required": True, "label": "Title"}},
    field("remarks", "textarea", searchable=False),
    field("e-mail", "email"),
    field("Phone Number", "phone"),
    {**field("count", "integer"), "meta": {"required": False, "minValue": "0", "maxValue": "10"}},
    field("confirmed", "checkbox"),
    field("date", "date", label="The day"),
    field("measuredAt", "datetime"),
    field("status", "select", options=("active", "on hold", "2nd"), bulk_edit=True),
    field("priority", "select", options=(1, 2, 3)),
    field("tags", "select", options=("a", "b", "c"), multiple=True),
    field("allergies", "checkbox", options=("nuts", "milk")),
    field("class", "text"),
    field("version", "text"),
    field("str", "text"),
    field("icd-10", "text", label="ICD-10"),
    field("icd_10", "text"),
    field("computed", "integer", editable=False),
)
"""Every recorded type, with and without options, and names that are taken or none of Python's."""


def formation(name: str = "every-type", fields: Sequence[Mapping[str, Any]] = EVERY_TYPE, **more: Any) -> CdtFormation:
    shape = {"id": "f", "name": name, "label": "Every type", "relation": "COMMON", "fields": complete_fields(fields)}
    return CdtFormation.from_wire({**shape, **more})


def imported(text: str, path: Path) -> ModuleType:
    """Import a generated module, as a program that has it does."""
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def every_type(folder: Path, **options: Any) -> ModuleType:
    return imported(generate([formation()], **options), folder / "every_type_cdts.py")
