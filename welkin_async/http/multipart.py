"""Multipart uploads streamed from disk, and downloads streamed to disk; memory is bounded by a few chunks."""

from __future__ import annotations

import contextlib
import mimetypes
import os
import re
import secrets
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import attrs
from anyio import to_thread

from welkin_async.errors import InvalidInputError
from welkin_async.wire.request import Request, StreamError

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]").search
_CONTENT_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(?:;[\x20-\x7e]*)?", re.ASCII).fullmatch
_CHUNK = 1 << 18  # bytes read from disk at a time
_BUFFER = 1 << 20  # bytes gathered before they are written to disk


@attrs.frozen(repr=False)
class UploadFile:
    """A file to upload under a name of one's choice.

    Attributes:
        name: What the server is to call it.
        content: A path, bytes, or an async iterable of bytes. An iterable is read once: an upload from one is not
            repeated by itself, not even where the server refused it unread (429).
        content_type: Its type; guessed from the name where it is not given.
    """

    name: str
    content: str | os.PathLike[str] | bytes | AsyncIterable[bytes]
    content_type: str | None = None

    def __repr__(self) -> str:
        """Show the class: names of files name patients."""
        return "<UploadFile>"


FileSource = str | os.PathLike[str] | UploadFile
"""What can be uploaded: a path, whose name and type are then its own, or an `UploadFile`."""


class Downloaded(NamedTuple):
    """A file that was downloaded.

    Attributes:
        path: Where it is.
        size: Its bytes.
        content_type: What the server says it is; None where it does not say.
    """

    path: Path
    size: int
    content_type: str | None


@attrs.frozen
class _Part:
    """A part of a multipart body: its header, and what follows."""

    head: bytes
    content: Path | bytes | AsyncIterable[bytes]
    size: int | None


class Multipart:
    """A multipart body, made anew at each attempt; see `wire.request.Streamed`.

    Args:
        parts: What it is made of; see `build`.
        boundary: What stands between them.
    """

    def __init__(self, parts: Sequence[_Part], boundary: str) -> None:
        self._parts = parts
        self._end = f"--{boundary}--\r\n".encode()
        self.request: Request | None = None
        self.sent = self.received = 0
        self.failure: Exception | None = None
        self.max_size: int | None = None
        self.headers: Mapping[str, str] = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        sizes = [part.size for part in parts]
        known = [size for size in sizes if size is not None]
        if len(known) == len(sizes):
            total = sum(len(part.head) + 2 for part in parts) + sum(known) + len(self._end)
            self.headers = {**self.headers, "Content-Length": str(total)}

    @classmethod
    async def build(cls, files: Sequence[FileSource], part: str, fields: Mapping[str, str] | None = None) -> Multipart:
        """Prepare a body.

        Args:
            files: What to upload.
            part: The name of each file's part.
            fields: Text parts by name, which come first.

        Raises:
            InvalidInputError: a name or a type cannot be sent, or there is nothing to send.
            OSError: a file cannot be read; nothing was sent.
        """
        if not files and not fields:
            raise InvalidInputError("no file was given", (part,))
        boundary = secrets.token_hex(16)
        parts = []
        for name, text in (fields or {}).items():
            value = _utf8(text, name)
            parts.append(_Part(_head(boundary, name), value, len(value)))
        for file in files:
            upload = file if isinstance(file, UploadFile) else UploadFile(Path(file).name, file)
            _check_part(upload.name, upload.content_type, part)
            kind = upload.content_type or mimetypes.guess_type(upload.name)[0] or "application/octet-stream"
            content, size = await _content(upload.content)
            parts.append(_Part(_head(boundary, part, upload.name, kind), content, size))
        return cls(parts, boundary)

    async def body(self) -> AsyncGenerator[bytes, None]:
        """Yield the body."""
        self.sent, self.failure = 0, None
        try:
            for part in self._parts:
                yield self._count(part.head)
                async for chunk in self._chunks(part):
                    yield self._count(chunk)
                yield self._count(b"\r\n")
            yield self._count(self._end)
        except Exception as error:
            self.failure = error
            raise

    async def receive(self, headers: Mapping[str, str], chunks: AsyncIterator[bytes]) -> bool:
        """Leave the answer to be read as JSON."""
        return False

    def _count(self, chunk: bytes) -> bytes:
        self.sent += len(chunk)
        return chunk

    async def _chunks(self, part: _Part) -> AsyncIterator[bytes]:
        if isinstance(part.content, bytes):
            yield part.content
        elif isinstance(part.content, Path):
            assert part.size is not None
            async for chunk in _from_disk(part.content, part.size):
                yield chunk
        else:
            if self.request is not None:
                self.request.last = True  # it cannot be read a second time
            async for chunk in part.content:
                yield chunk


async def _from_disk(path: Path, size: int) -> AsyncIterator[bytes]:
    """Read exactly so many bytes: a length has been promised.

    The file is opened for each chunk and closed after it, so that an upload that is given up leaves nothing open.
    """
    done = 0
    while done < size:
        chunk = await to_thread.run_sync(_read_at, path, done, min(_CHUNK, size - done))
        if not chunk:
            raise OSError("the file became shorter while it was read")
        done += len(chunk)
        yield chunk


def _read_at(path: Path, start: int, count: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        return file.read(count)


async def _content(
    content: str | os.PathLike[str] | bytes | AsyncIterable[bytes],
) -> tuple[Path | bytes | AsyncIterable[bytes], int | None]:
    if isinstance(content, bytes):
        return content, len(content)
    if isinstance(content, (str, os.PathLike)):
        path = Path(content)
        return path, await to_thread.run_sync(_readable_size, path)
    return content, None


def _readable_size(path: Path) -> int:
    with path.open("rb") as file:
        return os.fstat(file.fileno()).st_size


def _head(boundary: str, name: str, filename: str | None = None, content_type: str | None = None) -> bytes:
    lines = [f"--{boundary}", f'Content-Disposition: form-data; name="{_quoted(name)}"']
    if filename is not None:
        lines[1] += f'; filename="{_quoted(filename)}"'
        lines.append(f"Content-Type: {content_type}")
    return _utf8("\r\n".join(lines) + "\r\n\r\n", "name")


def _check_part(name: object, kind: object, part: str) -> None:
    """Refuse what would change the form of a part's header."""
    if not isinstance(name, str) or _CONTROL(name):
        raise InvalidInputError("a file's name is text without control characters", (part, "name"))
    if kind is not None and not (isinstance(kind, str) and _CONTENT_TYPE(kind)):
        raise InvalidInputError("a type such as application/pdf", (part, "content_type"))


def _quoted(text: str) -> str:
    """Escape as browsers do."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _utf8(text: str, where: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass
    raise InvalidInputError("text with a lone surrogate, which UTF-8 cannot say", (where,))


class ToPath:
    """Writes an answer's body to a path, which either gets all of it or stays as it was; see `wire.request.Streamed`.

    Args:
        path: Where it is to be; what is there is replaced.
        max_size: Bytes the body may have; None for no bound.
    """

    def __init__(self, path: str | os.PathLike[str], max_size: int | None = None) -> None:
        self.path = Path(path)
        self.max_size = max_size
        self.request: Request | None = None
        self.headers: Mapping[str, str] = {"Accept": "*/*"}
        self.content_type: str | None = None
        self.sent = self.received = 0
        self.failure: Exception | None = None

    def body(self) -> None:
        """Send nothing."""
        return

    async def receive(self, headers: Mapping[str, str], chunks: AsyncIterator[bytes]) -> bool:
        """Write the body beside the path, then put it there."""
        self.received = 0
        self.content_type = headers.get("Content-Type")
        try:
            file, beside = await to_thread.run_sync(self._open)
        except OSError as error:
            raise StreamError(error) from None
        try:
            await self._write(file, chunks)
            await _to_disk(os.replace, beside, self.path)
        except BaseException:
            file.close()
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
        return True

    def _open(self) -> tuple[BinaryIO, Path]:
        descriptor, name = tempfile.mkstemp(prefix=".welkin-", suffix=".part", dir=self.path.parent)
        return os.fdopen(descriptor, "wb", buffering=0), Path(name)

    async def _write(self, file: BinaryIO, chunks: AsyncIterator[bytes]) -> None:
        gathered = bytearray()
        async for chunk in chunks:
            self.received += len(chunk)
            gathered += chunk
            if len(gathered) >= _BUFFER:
                await _to_disk(_write_all, file, gathered)
                gathered = bytearray()
        await _to_disk(_write_all, file, gathered)
        await _to_disk(os.fsync, file.fileno())
        file.close()


def _write_all(file: BinaryIO, data: bytearray) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


async def _to_disk(function: Callable[..., object], *arguments: object) -> None:
    """Call in a thread; what the disk refuses is not the connection's doing."""
    try:
        await to_thread.run_sync(function, *arguments)
    except OSError as error:
        raise StreamError(error) from None
