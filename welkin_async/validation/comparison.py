"""Field comparison: whether a server kept what it was sent, field by field, by the formation's types.

A field that is missing in the record as it is stored, or holds something else, was lost in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from welkin_async.validation.equality import Equal, same, same_json
from welkin_async.validation.schema import Schema

_ATOMS = frozenset({str, int, float, bool, type(None)})


class FieldComparison:
    """Field comparison: what was sent, against what is stored.

    None, an absent field, blank text and an empty list all stand for "no value" and equal one another.

    Args:
        schema: The CDT's rules, for comparing by formation type; without them JSON values are compared, with the
            same tolerance for instants, and text must be the same to the letter.
    """

    def __init__(self, schema: Schema | None = None) -> None:
        self._schema = schema
        self._equal: dict[str, Equal] = {}

    def changed_fields(self, sent: Mapping[str, Any], body: Mapping[str, Any]) -> tuple[str, ...]:
        """Name the fields that were dropped or changed.

        Args:
            sent: The fields as encoded: plain JSON values by name.
            body: The fields as stored: a record's ``jsonBody``. More fields than were sent make no difference.

        Returns:
            The names of fields whose value is not there, in the order sent; empty where all is well.
        """
        changed: list[str] | None = None
        stored = body.get
        for name, value in sent.items():
            found = stored(name)
            kind = type(value)
            if found == value and (kind is str or (kind is type(found) and kind in _ATOMS)):
                continue
            if same(self.equal_of(name), value, found):
                continue
            if changed is None:
                changed = []
            changed.append(name)
        return tuple(changed) if changed else ()

    def equal_of(self, name: str) -> Equal:
        """Return how a field is compared; only names of the schema are remembered."""
        known = self._equal.get(name)
        if known is not None:
            return known
        if self._schema is None or name not in self._schema:
            return same_json
        equal = self._equal[name] = self._schema.equal_of(name)
        return equal
