"""JSON texts of records that were created lately: an import reads them again, and encoding is most of a short list."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from json.encoder import encode_basestring
from typing import Any

import attrs

from welkin_async.sandbox.http.messages import Record, encode_text

_MOST = 32_768  # texts, of about a kilobyte each
_MUTABLE = frozenset({dict, list})


@attrs.define
class RecordTexts:
    """Keeps texts of CDT records in the order they were created, as many as are worth it.

    A text is good as long as the record holds the values it was made of, whoever changes them; of a record with a value
    that can change within none is kept.
    """

    _kept: dict[str, tuple[list[Any], str]] = attrs.field(factory=dict, repr=False)

    def keep(self, record: Record) -> str:
        """Encode a record and keep its text.

        Args:
            record: In its envelope.
        """
        text = encode_text(record)
        values = [*record["jsonBody"].values()]
        if _MUTABLE.isdisjoint(map(type, values)):
            self._kept[record["id"]] = values, text
            if len(self._kept) > _MOST:
                del self._kept[next(iter(self._kept))]
        return text

    def of(self, record: Record) -> str:
        """Return a record as JSON.

        Args:
            record: In its envelope.
        """
        kept = self._kept.get(record["id"])
        if kept is None or kept[0] != [*record["jsonBody"].values()]:
            return encode_text(record)
        return kept[1]

    def array_of(self, records: Sequence[Record]) -> str:
        """Return records as a JSON array.

        Args:
            records: In their envelopes.
        """
        return f"[{','.join(map(self.of, records))}]"


def projections_text(records: Sequence[Record], names: Collection[str]) -> str:
    """Return records with some of their fields alone as a JSON array; mappings made for that would take twice as long.

    Args:
        records: One patient's records of one CDT, in their envelopes.
        names: Their fields that are shown.
    """
    if not records:
        return "[]"
    text, first = encode_basestring, records[0]
    patient, name = text(first["patientId"]), text(first["cdtName"])
    shown = [
        f'{{"id":{text(record["id"])},"patientId":{patient},"cdtId":{text(record["cdtId"])},'
        f'"version":{record["version"]},"jsonBody":{{{_fields_text(record["jsonBody"], names)}}},"cdtName":{name}}}'
        for record in records
    ]
    return f"[{','.join(shown)}]"


def _fields_text(body: Record, names: Collection[str]) -> str:
    text = encode_basestring
    return ",".join(
        [
            f"{text(name)}:{text(value) if type(value := body[name]) is str else encode_text(value)}"
            for name in names
            if name in body
        ]
    )
