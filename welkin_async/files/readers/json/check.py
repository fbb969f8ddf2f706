"""NDJSON check: whether a file holds it, before anything is sent. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from welkin_async.files.errors import FileError
from welkin_async.files.readers.json.values import JsonDecoder, follows_value

_BEGINNING = 2**16  # characters
_BUNDLE = re.compile(r'"resourceType"\s*:\s*"Bundle"').search
_IS_BUNDLE = (
    "the file is a FHIR Bundle, whose entries are no rows: write its resources as NDJSON first, "
    "such as by jq -c '.entry[].resource'"
)
_RULE = "NDJSON has each object on a line of its own"
_NEITHER = (
    "the file is neither NDJSON, which has a JSON object on each line and so on its first, nor a JSON array of "
    "objects; an object that goes over several lines is neither"
)
_BEGUN, _ENDING = ("{", "[", ",", ":"), ("}", "]", "},", "],")


def check_ndjson(lines: Iterable[str]) -> int:
    """Count the rows of an NDJSON file, and refuse what is none.

    The first line is to be an object. A value that goes over several lines is refused wherever it stands: of a list
    that is written so, the last object alone might be taken for a row.

    Args:
        lines: Those of the file, with their ends.

    Raises:
        FileError: the file is something else.
    """
    rows = 0
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text:
            continue
        if not rows:
            _check_first(text, lines)
        rows += 1
        if text[-1] != "}" or text[0] != "{":
            _check_other(number, text)
    return rows


def _check_first(text: str, lines: Iterable[str]) -> None:
    try:
        found = JsonDecoder().decode(text)
    except json.JSONDecodeError:
        beginning = text[:_BEGINNING]
        for line in lines:
            if len(beginning) > _BEGINNING:
                break
            beginning += line
        raise FileError(_IS_BUNDLE if _BUNDLE(beginning) else _NEITHER) from None
    if follows_value(text, found.end):
        raise FileError(f"several JSON values stand on one line: {_RULE}")
    if not isinstance(found.value, dict):
        raise FileError(_NEITHER)
    if found.value.get("resourceType") == "Bundle":
        raise FileError(_IS_BUNDLE)


def _check_other(number: int, text: str) -> None:
    """Refuse lines that begin or end a value of several lines; any other that is no object is refused as a row."""
    if text.endswith(_BEGUN) or text in _ENDING:
        raise FileError(f"line {number} is part of a JSON value that goes over several lines: {_RULE}")
