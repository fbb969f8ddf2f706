"""File formats: recognized by name or by content; and which files of a folder are input."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

from welkin_async.files.errors import FileError


class FileFormat(StrEnum):
    """How rows stand in a file: ``json`` is an array, and ``mappings`` are those that were spooled."""

    CSV = "csv"
    NDJSON = "ndjson"
    JSON = "json"
    PARQUET = "parquet"
    XLSX = "xlsx"
    MAPPINGS = "mappings"


_ENDINGS = {
    ".csv": FileFormat.CSV,
    ".tsv": FileFormat.CSV,
    ".ndjson": FileFormat.NDJSON,
    ".jsonl": FileFormat.NDJSON,
    ".json": FileFormat.NDJSON,
    ".parquet": FileFormat.PARQUET,
    ".xlsx": FileFormat.XLSX,
}
_PACKED_ENDINGS = (".gz", ".zst")
_OUTPUTS = re.compile(r"\.(?:rejects|review)\.[a-z]+\Z").search


def input_paths(paths: Iterable[Path]) -> list[Path]:
    """Return the files that are meant: those named, and of a folder those with a known ending, by name.

    Reject and review files of earlier runs are left out of folders.

    Args:
        paths: Files and folders.

    Raises:
        FileError: a folder holds none, or a file is there twice.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = [each for each in sorted(path.iterdir()) if each.is_file() and _is_input(each)]
        if not inside:
            raise FileError(f"the folder {path} holds no file that can be read: {_endings()}")
        found += inside
    if len({each.resolve() for each in found}) < len(found):
        raise FileError("a file is given twice")
    return found


def _endings() -> str:
    return f"{', '.join(_ENDINGS)}, and text compressed as .gz or .zst"


def _is_input(path: Path) -> bool:
    name = path.name.lower()
    return not name.startswith(".") and not _OUTPUTS(_unpacked_name(path)) and _ending(path) in _ENDINGS


def _unpacked_name(path: Path) -> str:
    name = path.name.lower()
    return name.rpartition(".")[0] if path.suffix.lower() in _PACKED_ENDINGS else name


def _ending(path: Path) -> str:
    return Path(_unpacked_name(path)).suffix


def format_by_name(path: Path) -> FileFormat:
    """Return the format that a file's ending names.

    Args:
        path: The file.

    Raises:
        FileError: the ending is of another kind.
    """
    found = _ENDINGS.get(_ending(path))
    if found is None:
        raise FileError(f"the file's name is to end in one of {_endings()}")
    return found


def ending_of_rows(path: Path) -> str:
    """Return the ending of files that rows of an input go to: its own where it is CSV, else that of NDJSON.

    Args:
        path: The input.
    """
    ending = _ending(path)
    return ending if _ENDINGS.get(ending) is FileFormat.CSV else ".ndjson"


def stem_of(path: Path) -> str:
    """Return a file's name without its ending, and without that of its compression."""
    name = path.name[: len(_unpacked_name(path))]
    return Path(name).stem


def is_tab_separated(path: Path) -> bool:
    """Tell whether a file's ending says that tabs stand between cells."""
    return _ending(path) == ".tsv"


def format_by_content(beginning: bytes) -> FileFormat:
    """Return the format that the first bytes of a file show; CSV where they show no other.

    Args:
        beginning: The bytes, unpacked.
    """
    if beginning.startswith(b"PAR1"):
        return FileFormat.PARQUET
    if beginning.startswith(b"PK\x03\x04"):
        return FileFormat.XLSX
    text = beginning.removeprefix(codecs.BOM_UTF8).lstrip()
    return FileFormat.NDJSON if text.startswith((b"{", b"[")) else FileFormat.CSV
