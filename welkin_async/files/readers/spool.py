"""Spooling: a binary file or an iterable of mappings is put into a private temporary file, to be read like any other.

That bounds memory, gives the source a digest by which its rows have the same keys in every run, and lets it be read
again. The file is readable by its owner alone and removed at the end.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal

import anyio
import anyio.to_thread

from welkin_async.files.errors import FileError
from welkin_async.files.options import Format, StrPath
from welkin_async.files.readers.frames import ArrowStream, Frame, LazyFrame
from welkin_async.files.readers.json.ndjson_reader import NdjsonReader
from welkin_async.files.readers.json.values import JsonValue, row_of
from welkin_async.files.readers.lines import refused
from welkin_async.files.readers.row import SourceRow
from welkin_async.files.readers.values import UNFIT, plain_row, shown_value
from welkin_async.wire.codec import JSON

FileSource = (
    StrPath | BinaryIO | Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]] | ArrowStream | LazyFrame
)
"""What a run reads: a path, an open binary file, an iterable, synchronous or not, of mappings, or a frame."""

_BATCH = 512  # rows
_PIECE = 1 << 20  # bytes
_DATETIME, _BAD_ROW, _REASON = "\0datetime", "\0unfit", "\0reason"  # no column is called so


@contextlib.asynccontextmanager
async def private_folder() -> AsyncIterator[Path]:
    """Make a temporary folder that its owner alone may enter, and remove it at the end."""
    folder = await anyio.to_thread.run_sync(lambda: tempfile.mkdtemp(prefix="welkin-"))
    try:
        yield Path(folder)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))


@contextlib.asynccontextmanager
async def local_file(
    source: FileSource | Frame, format: Format | None
) -> AsyncIterator[tuple[Path, Format | Literal["mappings"] | None]]:
    """Have a source as a file that can be read more than once, while the context lasts.

    Args:
        source: A path is used as it is. A binary file is read, in a thread, from where it stands to its end, and left
            open. An iterable is pulled to its end; a synchronous one on the event loop, so it should not block for
            long. A frame is read in a thread, a batch at a time.
        format: What a path or a binary file holds; None to go by the ending of its name.

    Yields:
        The path and the format.

    Raises:
        FileError: it is none of these, or the file cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        yield Path(source), format
        return
    async with private_folder() as folder:
        read = getattr(source, "read", None)
        if read is not None:
            name = getattr(source, "name", None)
            path = folder / (Path(name).name.strip("<>") if isinstance(name, str) else "source")
            await anyio.to_thread.run_sync(copy_of, read, path)
            yield path, format
        elif isinstance(source, Frame):
            path = folder / "rows.ndjson"
            await _spool_frame(source, path)
            yield path, "mappings"
        elif isinstance(source, AsyncIterable | Iterable) and not isinstance(source, bytes | bytearray | Mapping):
            path = folder / "rows.ndjson"
            await _spool(source, path)
            yield path, "mappings"
        else:
            kind = type(source).__name__
            raise FileError(f"a source is a path, a binary file, an iterable of mappings, or a frame, not a {kind}")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def copy_of(read: Callable[[int], bytes], path: Path) -> None:
    """Copy what is read into a new file, readable by its owner alone; blocks.

    Args:
        read: Returns up to so many bytes; none at the end.
        path: Where it goes.

    Raises:
        FileError: it cannot be read or written.
    """
    try:
        with open(path, "xb", opener=_private) as file:
            while piece := read(_PIECE):
                if not isinstance(piece, bytes):
                    raise FileError("the source is a file of text: open it in binary mode")
                file.write(piece)
    except OSError as error:
        raise FileError(f"the source cannot be read: {error.strerror or type(error).__name__}") from None


async def _spool(source: Iterable[Any] | AsyncIterable[Any], path: Path) -> None:
    number, lines = 0, io.StringIO()

    def write(file: Any) -> None:
        file.write(lines.getvalue())
        lines.seek(0)
        lines.truncate()

    with await anyio.to_thread.run_sync(
        lambda: open(path, "x", encoding="utf-8", errors="surrogatepass", opener=_private)
    ) as file:
        async for row in source if isinstance(source, AsyncIterable) else _as_async(source):
            number += 1
            if not isinstance(row, Mapping):
                raise FileError(f"row {number} of the source is a {type(row).__name__}, not a mapping")
            lines.write(_line(row))
            if not number % _BATCH:
                await anyio.to_thread.run_sync(write, file)
        await anyio.to_thread.run_sync(write, file)


async def _spool_frame(frame: Frame, path: Path) -> None:
    batches = frame.rows()

    def write(file: Any) -> bool:
        batch = next(batches, None)
        if batch is not None:
            file.write("".join(map(_line, batch)))
        return batch is not None

    with await anyio.to_thread.run_sync(
        lambda: open(path, "x", encoding="utf-8", errors="surrogatepass", opener=_private)
    ) as file:
        while await anyio.to_thread.run_sync(write, file):
            pass


async def _as_async(rows: Iterable[Any]) -> AsyncIterator[Any]:
    for row in rows:
        yield row


def _line(row: Mapping[Any, Any]) -> str:
    if all(isinstance(name, str) for name in row):
        with contextlib.suppress(Exception):  # a value may be of any class
            plain, problems = plain_row(row)
            bad = {_BAD_ROW: plain, _REASON: "; ".join(problems)} if problems else plain
            return json.dumps(bad, default=_tagged) + "\n"
    shown = {str(name): shown_value(value) for name, value in row.items()}
    return json.dumps({_BAD_ROW: shown, _REASON: UNFIT.reason}, default=_tagged) + "\n"


def _tagged(value: object) -> dict[str, str]:
    assert isinstance(value, datetime)
    return {_DATETIME: value.isoformat()}


def _untagged(values: dict[str, JSON]) -> Any:
    moment = values.get(_DATETIME)
    return values if moment is None else datetime.fromisoformat(str(moment))


_DECODER = json.JSONDecoder(object_hook=_untagged)


class MappingReader(NdjsonReader):
    """Reads mappings that were spooled; see `FileReader`. Its lines are the rows' numbers, from 1."""

    def _row(self, line: int, text: str) -> SourceRow:
        raw = text.strip()
        row = row_of(line, raw, JsonValue(_DECODER.decode(raw), len(raw), None))
        if isinstance(row.values, dict) and isinstance(bad := row.values.get(_BAD_ROW), dict):
            row.values, row.problem = bad, refused(str(row.values.get(_REASON)))
        return row
