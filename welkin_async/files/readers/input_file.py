"""Input file: its format, digest and faults, found in a pass over it before anything is sent.

The same file gives the same rows at the same positions, however often it is opened.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TextIO

import attrs

from welkin_async.files.errors import FileError
from welkin_async.files.options import Malformed
from welkin_async.files.readers.content import Content, FileChangedError, FileState, file_state, open_content
from welkin_async.files.readers.csv.quoting_check import CsvCheck, check_csv, separator_line
from welkin_async.files.readers.csv.reader import CsvReader
from welkin_async.files.readers.detection import SAMPLE, delimiter_of, encoding_of
from welkin_async.files.readers.file_format import FileFormat, format_by_content, format_by_name, is_tab_separated
from welkin_async.files.readers.file_reader import FileReader
from welkin_async.files.readers.json.array import JsonArrayReader
from welkin_async.files.readers.json.check import check_ndjson
from welkin_async.files.readers.json.ndjson_reader import NdjsonReader
from welkin_async.files.readers.lines import LONGEST_LINE
from welkin_async.files.readers.parquet_reader import ParquetReader
from welkin_async.files.readers.row_window import RowWindow
from welkin_async.files.readers.spool import MappingReader
from welkin_async.files.readers.xlsx_reader import XlsxReader

_BATCH = 1024  # rows
_PIECE = 2**20  # bytes
_BUFFER = 2**18  # bytes
_NAMED_FAULTS = 20
_CHARACTERS = 2**16


@attrs.frozen(kw_only=True)
class InputFile:
    """A file that may be worked through.

    Attributes:
        path: Where it is.
        format: How rows stand in it.
        digest: SHA-256 of its bytes in hex; unpacked, where it is compressed.
        size: How many bytes these are, of a text file that can grow at its end; else 0.
        encoding: Of its text.
        delimiter: What stands between the cells of a CSV file.
        sheet: The sheet of a workbook; None for its only one.
        rows: How many rows it has, where that is known.
        warnings: What may be wrong, a sentence for each.
        state: By which it is known to have changed since.
        csv: What the pass over a CSV file has found.
    """

    path: Path
    format: FileFormat
    digest: str
    encoding: str = "utf-8"
    delimiter: str = ","
    sheet: str | None = None
    rows: int | None = None
    warnings: tuple[str, ...] = ()
    state: FileState
    size: int = 0
    csv: CsvCheck | None = None

    def open(self, *, skip: int = 0, limit: int | None = None) -> FileReader:
        """Open the file at its beginning.

        Args:
            skip: How many rows are left out at the beginning; the others keep their positions.
            limit: How many rows are read at most, those left out not counted.

        Raises:
            FileError: it cannot be opened, or has changed.
        """
        reader = self._reader()
        try:
            return RowWindow(reader, self.check_unchanged, skip=skip, limit=limit)
        except OSError as error:
            reader.close()
            raise FileError(unreadable(error)) from None

    def check_unchanged(self) -> None:
        """Check that the file has not changed since the pass over it.

        Raises:
            FileChangedError: it has changed.
            OSError: it is not there any more.
        """
        if file_state(self.path) != self.state:
            raise FileChangedError

    def _reader(self) -> FileReader:
        if self.format is FileFormat.PARQUET:
            return ParquetReader(self.path)
        if self.format is FileFormat.XLSX:
            return XlsxReader(self.path, self.sheet)
        text = _open_text(open_content(self.path), self.encoding)
        try:
            if self.csv is not None:
                return CsvReader(text, self.csv, self.delimiter, self.encoding)
            return _TEXT_READERS[self.format](text, self.encoding, self.rows)
        except BaseException:
            text.close()
            raise


_TEXT_READERS: Mapping[FileFormat, Callable[[TextIO, str, int | None], FileReader]] = {
    FileFormat.NDJSON: NdjsonReader,
    FileFormat.JSON: JsonArrayReader,
    FileFormat.MAPPINGS: MappingReader,
}


def check_input(
    path: Path,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
    malformed: Malformed = "stop",
    format: FileFormat | None = None,
) -> InputFile:
    """Look a file through, once: take its digest, and find what would make rows of what is none.

    Args:
        path: A ``.csv``, ``.tsv``, ``.ndjson``, ``.jsonl``, ``.json``, ``.parquet`` or ``.xlsx`` file; one of text may
            be compressed by gzip or zstd.
        encoding: Its encoding; found out by its beginning where it is None.
        delimiter: What stands between the cells of a CSV file; found out by the header where it is None.
        sheet: The sheet of a workbook; None for its only one.
        malformed: What to do about a CSV file with malformed quotes: stop, or refuse every line that may be no row.
        format: How rows stand in it; None to go by the path's ending, or by the content where it has none.

    Raises:
        FileError: it cannot be opened or read, its header does not fit, or it is malformed.
    """
    try:
        beginning, packed = _beginning(path)
        state = file_state(path)
        kind = format or (format_by_name(path) if path.suffix else format_by_content(beginning))
        if kind in (FileFormat.PARQUET, FileFormat.XLSX):
            if packed:
                raise FileError("a Parquet file or a workbook is read as it is: unpack it first")
            found = _check_binary(path, kind, state, sheet)
        else:
            if kind is FileFormat.CSV and beginning.startswith(b"PK\x03\x04"):
                raise FileError("the file holds a workbook, not CSV: name it .xlsx")
            encoding = "ascii" if kind is FileFormat.MAPPINGS else _encoding(beginning, encoding)
            found = InputFile(path=path, format=kind, digest="", encoding=encoding, state=state)
            if kind is FileFormat.CSV:
                sample = codecs.getincrementaldecoder(encoding)("surrogateescape").decode(beginning)
                default = "\t" if is_tab_separated(path) else None
                found = attrs.evolve(found, delimiter=delimiter or default or _delimiter(sample))
                found = _check_csv(found, malformed)
            else:
                found = _check_json(found)
        found.check_unchanged()
    except UnicodeError:
        raise FileError(f"the file is not text in {encoding} throughout: give encoding=") from None
    except OSError as error:
        raise FileError(unreadable(error)) from None
    return found


def ending_by_content(path: Path) -> str:
    """Return the ending of a file's name that fits its content.

    Args:
        path: The file.

    Raises:
        FileError: it cannot be read.
    """
    try:
        return f".{format_by_content(_beginning(path)[0])}"
    except OSError as error:
        raise FileError(unreadable(error)) from None


def unreadable(error: OSError) -> str:
    """Say why a file cannot be read, without its name.

    Args:
        error: What was raised.
    """
    advice = ": put it back as it was" if isinstance(error, FileChangedError) else ""
    return f"the file cannot be read: {error.strerror or type(error).__name__}{advice}"


def _beginning(path: Path) -> tuple[bytes, bool]:
    """Return the first bytes, unpacked, and whether the file is compressed."""
    with open_content(path) as content:
        pieces = []
        missing = SAMPLE
        while missing and (piece := content.read(missing)):
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces), content.packed


def _encoding(beginning: bytes, given: str | None) -> str:
    if given is not None and given.lower().replace("_", "-") not in ("utf-8", "utf8"):
        try:
            "".encode(given)
        except LookupError:
            raise FileError("the encoding is not one that Python knows") from None
        return given
    found = encoding_of(beginning)
    return found if given is None or found == "utf-8-sig" else "utf-8"


def _delimiter(sample: str) -> str:
    first = sample.splitlines(keepends=True)[:1]
    named = separator_line(first[0]) if first else None
    return named or delimiter_of(sample)


def _open_text(content: Content, encoding: str) -> TextIO:
    return io.TextIOWrapper(
        io.BufferedReader(content, _BUFFER), encoding=encoding, errors="surrogateescape", newline=""
    )


def _check_binary(path: Path, kind: FileFormat, state: FileState, sheet: str | None) -> InputFile:
    with open_content(path) as content:
        while content.read(_PIECE):
            pass
    found = InputFile(path=path, format=kind, digest=content.hexdigest(), sheet=sheet, state=state)
    reader = found.open()
    try:
        return attrs.evolve(found, rows=reader.total)
    finally:
        reader.close()


def _check_csv(file: InputFile, malformed: Malformed) -> InputFile:
    contents: list[Content] = []

    def open_text() -> TextIO:
        contents.append(open_content(file.path))
        return _open_text(contents[-1], file.encoding)

    check = check_csv(open_text, file.delimiter)
    if check.malformed and malformed == "stop":
        raise FileError(_malformed(check))
    found = attrs.evolve(
        file,
        digest=contents[0].hexdigest(),
        size=contents[0].size,
        rows=check.rows,
        csv=check,
        warnings=tuple(_warnings(check)),
    )
    found.open().close()  # the header is to fit
    return found


def _malformed(check: CsvCheck) -> str:
    lines = _listed((number for pair in check.malformed for number in range(*pair)), len(check.malformed))
    return (
        f"the file is not well-formed CSV: check the quotes of {lines}. Nothing was sent. "
        "malformed='refuse' goes on, and refuses every line that may be no row"
    )


def _warnings(check: CsvCheck) -> Iterable[str]:
    if check.malformed:
        lines = _listed((number for pair in check.malformed for number in range(*pair)), len(check.malformed))
        yield f"not well-formed CSV: {lines}; {len(check.refused):,} lines are refused, as they may be no rows"
    if check.suspect_count:
        lines = _listed(iter(check.suspects), check.suspect_count)
        yield (
            f"text within a quoted cell looks like a row of its own: {lines}. "
            "Where a quote is missing there, rows are lost in that cell"
        )


def _listed(numbers: Iterable[int], count: int) -> str:
    """Name the first lines of some."""
    first = [str(number) for number, _ in zip(numbers, range(_NAMED_FAULTS), strict=False)]
    more = f" and {count - len(first):,} more" if count > len(first) else ""
    return f"line{'s' if count > 1 else ''} {', '.join(first)}{more}"


def _check_json(file: InputFile) -> InputFile:
    with _open_text(open_content(file.path), file.encoding) as text:
        if file.format is not FileFormat.MAPPINGS and _first_character(text) == "[":
            return _check_array(attrs.evolve(file, format=FileFormat.JSON))
    content = open_content(file.path)
    with _open_text(content, file.encoding) as text:
        rows = check_ndjson(iter(partial(text.readline, LONGEST_LINE), ""))
    return attrs.evolve(file, digest=content.hexdigest(), size=content.size, rows=rows)


def _first_character(text: TextIO) -> str:
    while chunk := text.read(_CHARACTERS):
        if begun := chunk.lstrip():
            return begun[0]
    return ""


def _check_array(file: InputFile) -> InputFile:
    content = open_content(file.path)
    rows = 0
    with _open_text(content, file.encoding) as text:
        reader = JsonArrayReader(text, file.encoding)
        while batch := reader.read(_BATCH):
            rows += len(batch)
    return attrs.evolve(file, digest=content.hexdigest(), rows=rows)
