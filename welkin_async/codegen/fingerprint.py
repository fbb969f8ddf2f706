"""Fingerprint of a formation: a hash of all that a generated class depends on, and of nothing else. Pure."""

from __future__ import annotations

import hashlib
import json

from welkin_async.codegen.fields import GeneratedField, own_fields
from welkin_async.models.formations import CdtFormation

_DIGITS = 32


def fingerprint(formation: CdtFormation) -> str:
    """Return the fingerprint of a formation; ids, versions and the order of fields are no part of it.

    Args:
        formation: The CDT's definition.
    """
    fields = sorted((_content(field) for field in own_fields(formation)), key=lambda content: str(content[0]))
    content = [formation.name, formation.label or formation.title, formation.relation, fields]
    text = json.dumps(content, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _content(field: GeneratedField) -> list[object]:
    flags = [field.editable, field.required, field.multiple, field.searchable, field.bulk_edit, field.phi]
    options = [[option.value, option.label] for option in field.options]
    bounds = [field.minimum, field.maximum]
    return [field.name, field.type, field.value_type, field.label, field.dictionary, flags, options, bounds]
