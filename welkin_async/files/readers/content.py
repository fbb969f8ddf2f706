"""Content of an input file: its bytes, unpacked where they are compressed, and hashed while they are read."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import importlib
import io
import os
import stat
import zlib
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple, cast

from welkin_async.files.errors import FileError

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_BUFFER = 2**18  # bytes
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class FileChangedError(OSError):
    """A file has changed since the pass over it, so that its rows can no longer be identified by position."""

    def __init__(self) -> None:
        super().__init__(0, "the file has changed since it was looked through")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()


class FileState(NamedTuple):
    """By which a file is known to have changed.

    Attributes:
        size: Bytes.
        modified: Nanoseconds.
        inode: Another one where the file was replaced.
    """

    size: int
    modified: int
    inode: int


def file_state(path: Path) -> FileState:
    """Return a file's state.

    Args:
        path: The file.

    Raises:
        OSError: it is not there.
    """
    found = path.stat()
    return FileState(found.st_size, found.st_mtime_ns, found.st_ino)


class Content(io.RawIOBase):
    """The bytes of a file, unpacked, with their SHA-256.

    Args:
        file: Open at its beginning; closed with this.
        packing: How it is compressed, ``gzip`` or ``zstd``; None where it is not.

    Attributes:
        packed: Whether it is compressed.
        size: How many bytes were read.
    """

    def __init__(self, file: BinaryIO, packing: str | None = None) -> None:
        super().__init__()
        self._file = file
        self._unpacked: Any = file
        self._unpacked, self._damaged = _unpacked(file, packing)
        self.packed = packing is not None
        self.size = 0
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes.

        Args:
            buffer: Takes them.

        Returns:
            How many; 0 at the end.

        Raises:
            OSError: the file cannot be read, or is compressed and damaged.
        """
        try:
            content = self._unpacked.read(len(buffer))
        except self._damaged:
            raise OSError(0, "the compressed file is damaged or cut off") from None
        buffer[: len(content)] = content
        self._digest.update(content)
        self.size += len(content)
        return len(content)

    def hexdigest(self) -> str:
        """Return the SHA-256 of the bytes that were read."""
        return self._digest.hexdigest()

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._unpacked.close()
            self._file.close()
        super().close()


def open_content(path: Path) -> Content:
    """Open a regular file and unpack what it holds; by its first bytes, whatever its name is.

    Args:
        path: The file.

    Raises:
        FileError: it is none, cannot be opened, or needs an extra.
    """
    try:
        # A pipe without a writer would otherwise be waited for.
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        file = os.fdopen(number, "rb")
    except OSError as error:
        raise FileError(f"the file cannot be opened: {error.strerror}") from None
    try:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            kind = next((name for test, name in _KINDS if test(mode)), "something else")
            raise FileError(f"the input is {kind}, and no file: give - to have standard input read")
        beginning = file.read(4)
        file.seek(0)
        packing = "gzip" if beginning.startswith(_GZIP) else "zstd" if beginning == _ZSTD else None
        return Content(file, packing)
    except BaseException:
        file.close()
        raise


def _unpacked(file: BinaryIO, packing: str | None) -> tuple[IO[bytes], tuple[type[BaseException], ...]]:
    """Return what unpacks a file, and the errors by which it says that the file is damaged."""
    if packing is None:
        return file, ()
    if packing == "gzip":
        return cast(IO[bytes], gzip.GzipFile(fileobj=file)), (EOFError, zlib.error, gzip.BadGzipFile)
    for name in ("compression.zstd", "backports.zstd"):
        with contextlib.suppress(ImportError):
            zstd: Any = importlib.import_module(name)
            return zstd.ZstdFile(file), (EOFError, zstd.ZstdError)
    raise FileError("a file compressed with zstd needs an extra: pip install 'welkin-async[zstd]'")
