"""Reading NDJSON files."""

from __future__ import annotations

import json
import math
from typing import NoReturn, TextIO

from welkin_async.cli.forms import Form, NdjsonForm
from welkin_async.cli.lines import STILL_UNKNOWN, UNDECODABLE, Lines, is_unsettled, refused
from welkin_async.cli.rows import RAW, REJECT_COLUMNS, REVIEW_COLUMNS, SourceRow
from welkin_async.codec import JSON

__all__ = ["NdjsonSource"]

_SAMPLE = 8  # rows that are looked at for columns
_NOT_JSON = refused("expected a JSON object with each key once")


class NdjsonSource:
    """A file with a JSON object on each line; see `Source`.

    Args:
        file: Opened with ``newline=""``.
        encoding: The file's encoding.
    """

    def __init__(self, file: TextIO, encoding: str = "utf-8") -> None:
        self.encoding = encoding
        self.total: int | None = None
        self._lines = Lines(file)
        self._held: list[SourceRow] = []
        self._held = self.read(_SAMPLE)
        self.columns = _shared(self._held)
        self.fixed = False
        self.form: Form = NdjsonForm()

    def read(self, most: int) -> list[SourceRow]:
        """Return the next rows; see `Source`."""
        lines = self._lines
        rows, self._held = self._held[:most], self._held[most:]
        while len(rows) < most:
            lines.taken.clear()
            text = next(lines, None)
            if text is None:
                break
            if not text.isspace():
                rows.append(self._row(lines.number, text))
        return rows

    def _row(self, line: int, text: str) -> SourceRow:
        if not self._lines.decoded:
            return SourceRow(line, text.rstrip("\r\n"), UNDECODABLE)
        try:
            values = _DECODER.decode(text)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            return SourceRow(line, text.rstrip("\r\n"), _NOT_JSON)
        row = SourceRow(line, values)
        if all(name in values for name in REJECT_COLUMNS):
            if is_unsettled(values["_status"]):
                row.problem = STILL_UNKNOWN
            key, origin = values["_key"], values["_origin"]
            row.key = key.strip() if isinstance(key, str) else ""
            row.origin = origin.strip() if isinstance(origin, str) else ""
            for name in (*REVIEW_COLUMNS, RAW):
                values.pop(name, None)
        return row

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


def _shared(rows: list[SourceRow]) -> tuple[str, ...]:
    """Return the keys that all of some rows have: one that only a bad row has is no reason to refuse the file."""
    objects = [row.values for row in rows if isinstance(row.values, dict)]
    return tuple(name for name in objects[0] if all(name in each for each in objects)) if objects else ()


def _object(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key twice")  # one of the two values would be lost
    return values


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("beyond a float")
    return number


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_finite, parse_constant=_refuse)
