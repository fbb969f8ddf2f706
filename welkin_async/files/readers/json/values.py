"""JSON values of rows, read strictly. Pure."""

from __future__ import annotations

import json
import math
from typing import NamedTuple

from welkin_async.files.readers.lines import STILL_UNKNOWN, UNDECODABLE, is_decoded, is_unsettled, refused
from welkin_async.files.readers.row import RAW, REJECT_COLUMNS, REVIEW_COLUMNS, SourceRow
from welkin_async.wire.codec import JSON

_NOT_JSON = refused("expected a JSON object")
_SEVERAL = refused("several JSON values stand on the line, where one is expected")
_LONGEST_INTEGER = 1000  # characters; Python refuses to read those of several thousand


class JsonValue(NamedTuple):
    """A value and where it ends.

    Attributes:
        value: What it is.
        end: The index behind it.
        flaw: What JSON has none of, or what would lose a value; None where it is sound.
    """

    value: JSON
    end: int
    flaw: str | None


class JsonDecoder:
    """Reads values strictly, and to their ends even where they are unsound; not for two threads at once."""

    def __init__(self) -> None:
        self._flaw: str | None = None
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object, parse_float=self._float, parse_int=self._int, parse_constant=self._constant
        )

    def decode(self, text: str, at: int = 0) -> JsonValue:
        """Read one value.

        Args:
            text: Has it at an index, and maybe more behind it.
            at: The index.

        Raises:
            JSONDecodeError: there is none that is complete.
        """
        self._flaw = None
        try:
            value, end = self._decoder.raw_decode(text, at)
        except RecursionError:
            raise json.JSONDecodeError("nested too deeply", "", 0) from None
        return JsonValue(value, end, self._flaw)

    def row(self, line: int, text: str) -> SourceRow:
        """Return the row that a text is; with a problem where it is none.

        Args:
            line: Its number.
            text: A JSON object.
        """
        raw = text.strip()
        try:
            found = self.decode(raw)
        except json.JSONDecodeError:
            return SourceRow(line, raw, _NOT_JSON if is_decoded(raw) else UNDECODABLE)
        if found.end < len(raw):
            return SourceRow(line, raw, _SEVERAL if follows_value(raw, found.end) else _NOT_JSON)
        return row_of(line, raw, found)

    def _object(self, pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
        values = dict(pairs)
        if len(values) < len(pairs):
            self._flaw = self._flaw or "a key is there twice"  # one of the two values would be lost
        return values

    def _float(self, text: str) -> float:
        number = float(text)
        if math.isinf(number):
            self._flaw = self._flaw or "a number is beyond a float"
        return number

    def _int(self, text: str) -> int:
        if len(text) <= _LONGEST_INTEGER:
            return int(text)
        self._flaw = self._flaw or "an integer has more than 64 bits"
        return 0

    def _constant(self, name: str) -> float:
        self._flaw = self._flaw or f"{name} is not JSON"
        return 0.0


def row_of(line: int, raw: str, found: JsonValue) -> SourceRow:
    """Return the row that a value is; with a problem where it is no sound object.

    Args:
        line: Its number.
        raw: Its text.
        found: What was read.
    """
    if not is_decoded(raw):
        return SourceRow(line, raw, UNDECODABLE)
    if found.flaw is not None:
        return SourceRow(line, raw, refused(f"expected a JSON object: {found.flaw}"))
    if not isinstance(found.value, dict):
        return SourceRow(line, raw, _NOT_JSON)
    row = SourceRow(line, found.value)
    if all(name in found.value for name in REJECT_COLUMNS):
        _read_marks(row, found.value)
    return row


def follows_value(text: str, end: int) -> bool:
    """Tell whether another object or array follows a value, with or without a comma.

    Args:
        text: Holds the value.
        end: The index behind it.
    """
    return text[end:].lstrip(" \t\r\n,").startswith(("{", "["))


def _read_marks(row: SourceRow, values: dict[str, JSON]) -> None:
    """Take our members out of a row of a reject file."""
    if is_unsettled(values["_status"]):
        row.problem = STILL_UNKNOWN
    key, origin = values["_key"], values["_origin"]
    row.key = key.strip() if isinstance(key, str) else ""
    row.origin = origin.strip() if isinstance(origin, str) else ""
    for name in (*REVIEW_COLUMNS, RAW):
        values.pop(name, None)


def shared_names(rows: list[SourceRow]) -> tuple[str, ...]:
    """Return the keys that all of some rows have: one that only a bad row has is no reason to refuse the file.

    Args:
        rows: The first of a file.
    """
    objects = [row.values for row in rows if isinstance(row.values, dict)]
    return tuple(name for name in objects[0] if all(name in each for each in objects)) if objects else ()
