"""JSON texts of records that were created lately: an import reads them again, and encoding is most of a short list."""

from __future__ import annotations

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
