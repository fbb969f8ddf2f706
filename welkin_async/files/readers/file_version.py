"""File version: a file as it was at some time, and whether a later one only goes on behind it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from welkin_async.files.readers.content import open_content

_CHUNK = 1 << 20  # bytes


class FileVersion(NamedTuple):
    """File version.

    Attributes:
        digest: SHA-256 of its bytes in hex; unpacked, where it is compressed.
        size: How many bytes these are; 0 for a file that cannot grow at its end, such as a workbook.
        rows: How many rows it has.
    """

    digest: str
    size: int
    rows: int


def versions_of(text: str | None) -> tuple[FileVersion, ...]:
    """Read the versions that a journal keeps, the oldest first; none where it keeps none.

    Args:
        text: What `text_of` has made.
    """
    return tuple(FileVersion(*each) for each in json.loads(text or "[]"))


def text_of(versions: Sequence[FileVersion]) -> str:
    """Return versions as text."""
    return json.dumps(versions)


def goes_on(path: Path, now: FileVersion, before: FileVersion) -> bool:
    """Tell whether a file only goes on behind an earlier version: that one's bytes begin it, and end a line; blocks.

    Args:
        path: The file.
        now: The file as it is.
        before: The version.

    Raises:
        OSError: the file cannot be read.
        FileError: nor opened.
    """
    if not 0 < before.size < now.size or now.rows < before.rows:
        return False
    digest, left, last = hashlib.sha256(), before.size, b""
    with open_content(path) as content:
        while left:
            chunk = content.read(min(_CHUNK, left)) or b""
            if not chunk:
                return False
            digest.update(chunk)
            left -= len(chunk)
            last = chunk[-1:]
        ended = b"\n" in (last, (content.read(1) or b""))
    return ended and digest.hexdigest() == before.digest
