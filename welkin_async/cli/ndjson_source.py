"""Reading NDJSON files."""

from __future__ import annotations

import json
import math
from typing import NoReturn, TextIO

from welkin_async.cli.lines import STILL_UNKNOWN, UNDECODABLE, Lines, is_unsettled, refused
from welkin_async.cli.rejects import Format, ndjson_form
from welkin_async.cli.rows import RAW, REJECT_COLUMNS, SourceRow
from welkin_async.codec import JSON

__all__ = ["NdjsonSource"]

_NOT_JSON = refused("expected a JSON object with each key once")


class NdjsonSource:
    """A file with a JSON object on each line; see `Source`.

    Args:
        file: Opened with ``newline=""``.
        from_line: Lines before this one are passed over.
    """

    def __init__(self, file: TextIO, from_line: int = 1) -> None:
        self._lines = Lines(file)
        self._from_line = from_line
        self._held: list[SourceRow] = []
        self._held = first = self.read(1)
        values = first[0].values if first else None
        self.columns = tuple(values) if isinstance(values, dict) else ()
        self.fixed = False
        self.form: Format = ndjson_form

    def read(self, most: int) -> list[SourceRow]:
        """Return the next rows; see `Source`."""
        lines = self._lines
        rows, self._held = self._held, []
        while len(rows) < most:
            lines.taken.clear()
            text = next(lines, None)
            if text is None:
                break
            if lines.number >= self._from_line and not text.isspace():
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
        problem = None
        if all(name in values for name in REJECT_COLUMNS):
            if is_unsettled(values["_status"]):
                problem = STILL_UNKNOWN
            for name in (*REJECT_COLUMNS, RAW):
                values.pop(name, None)
        return SourceRow(line, values, problem)

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


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
