"""Format detection: the encoding and the delimiter of a text file, from its beginning. Pure."""

from __future__ import annotations

import codecs

SAMPLE = 65_536
"""Bytes or characters that are looked at."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins with the mark of UTF-16, so it is asked for first
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MANY_ZEROS, _FEW_ZEROS = 0.3, 0.05
_DELIMITERS = ",;\t|"


def encoding_of(beginning: bytes) -> str:
    """Return the encoding that a byte order mark names; without one UTF-16 where its zeros show it, else UTF-8.

    Args:
        beginning: The first bytes of the file.
    """
    for mark, name in _MARKS:
        if beginning.startswith(mark):
            return name
    pairs = len(beginning) // 2
    first, second = beginning[0::2].count(0), beginning[1::2].count(0)
    # No other text has zeros. In UTF-16 they are one half of what ASCII has too, so of nearly all that a header holds.
    for many, few, name in ((second, first, "utf-16-le"), (first, second, "utf-16-be")):
        if many > pairs * _MANY_ZEROS and few < pairs * _FEW_ZEROS:
            return name
    return "utf-8"


def written_as(encoding: str) -> str:
    """Return the encoding of files that are gone on with later: no byte order mark, and line ends of one byte.

    Args:
        encoding: The input's.
    """
    name = codecs.lookup(encoding).name
    return "utf-8" if name.startswith(("utf-8", "utf-16", "utf-32")) else name


def delimiter_of(beginning: str) -> str:
    """Return what stands between the cells of a CSV file: what its header has most of, outside quotes.

    Of several that are there equally often, the one that the second record has as often wins, and then the comma.

    Args:
        beginning: The first characters of the file.
    """
    counts = _counts(beginning)
    header = counts[0] if counts else dict.fromkeys(_DELIMITERS, 0)
    most = max(header.values())
    if most == 0:
        return ","
    likely = [each for each in _DELIMITERS if header[each] == most]
    if len(counts) > 1:
        agreed = [each for each in likely if counts[1][each] == most]
        likely = agreed or likely
    return likely[0]


def _counts(text: str) -> list[dict[str, int]]:
    """Count the candidates in the first two records that are not empty."""
    found: list[dict[str, int]] = []
    count = dict.fromkeys(_DELIMITERS, 0)
    quoted = content = False
    for character in text:
        if character == '"':
            quoted = not quoted
            content = True
        elif quoted:
            continue
        elif character in "\r\n":
            if content:
                found.append(count)
                if len(found) == 2:
                    return found
                count, content = dict.fromkeys(_DELIMITERS, 0), False
        else:
            content = True
            if character in count:
                count[character] += 1
    return [*found, count] if content else found
