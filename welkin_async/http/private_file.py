"""Private files: made for their owner alone from the first byte, and opened again only where they are still that.

Links in the folders above are followed, and so are those of files that are only read. Where the operating system has no
owners (Windows), the folder's own rights have to do.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

_BESIDE = ".new"
_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


class UnsafeFileError(PermissionError):
    """Others could read or change what is written there; ``strerror`` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.EPERM, reason)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.strerror,)


def check_folder(path: str | os.PathLike[str]) -> None:
    """See to it that nobody else may put a file beside one of ours: a link, or a side file under a name we will use.

    Args:
        path: The file; its folder is looked at.

    Raises:
        UnsafeFileError: everybody may write to the folder, or it is somebody else's.
        OSError: there is no such folder.
    """
    found = os.stat(Path(path).parent)
    if hasattr(os, "geteuid"):
        if found.st_mode & stat.S_IWOTH:
            raise UnsafeFileError("others may write to its folder; name one of your own")
        if os.geteuid() and found.st_uid not in (0, os.geteuid()):
            raise UnsafeFileError("its folder is somebody else's; name one of your own")


def make_private(path: str | os.PathLike[str]) -> int:
    """Make a new file of mode 0600 and return its descriptor, for reading and writing.

    Args:
        path: Where; nothing may be there, not even a link.

    Raises:
        UnsafeFileError: others may write to the folder.
        FileExistsError: something is there.
        OSError: it cannot be made.
    """
    check_folder(path)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600)


def open_private(path: str | os.PathLike[str], flags: int = 0) -> int:
    """Open a file of ours again, or make it where there is none; return its descriptor, for reading and writing.

    Args:
        path: Where it is.
        flags: Further flags, such as ``os.O_APPEND``.

    Raises:
        UnsafeFileError: it is a link, no regular file or somebody else's, or others may write to the folder.
        OSError: it cannot be opened.
    """
    check_folder(path)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | flags | _FLAGS, 0o600)
    except FileExistsError:
        check_private(os.lstat(path))
    handle = os.open(path, os.O_RDWR | flags | _FLAGS)
    try:
        check_private(os.fstat(handle))
    except BaseException:
        os.close(handle)
        raise
    return handle


def check_private(found: os.stat_result) -> None:
    """Refuse what is not a regular file of ours under one name.

    Args:
        found: What the operating system says of it, links not followed.

    Raises:
        UnsafeFileError: it is something else.
    """
    if stat.S_ISLNK(found.st_mode):
        raise UnsafeFileError("it is a link; name the file itself")
    if not stat.S_ISREG(found.st_mode):
        raise UnsafeFileError("it is no regular file")
    if hasattr(os, "geteuid") and found.st_uid != os.geteuid():
        raise UnsafeFileError("it is somebody else's")
    if found.st_nlink > 1:
        raise UnsafeFileError("it has another name too (a hard link)")


def make_beside(path: str | os.PathLike[str]) -> tuple[int, Path]:
    """Make a new file of mode 0600 in the folder of another, whose place it is to take; nobody can foresee its name.

    Args:
        path: The other file.

    Returns:
        Its descriptor, for reading and writing, and where it is.

    Raises:
        OSError: it cannot be made.
    """
    target = Path(path)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=_BESIDE)
    return handle, Path(name)


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Remove what processes that were killed had made beside a file; for one who alone writes that file now.

    Args:
        path: The file whose place they were to take.

    Raises:
        OSError: the folder cannot be read, or a file not be removed.
    """
    target = Path(path)
    made = re.compile(rf"\.{re.escape(target.name)}\.[a-z0-9_]{{8}}{re.escape(_BESIDE)}").fullmatch
    for name in os.listdir(target.parent):
        if made(name):
            target.with_name(name).unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], mode: str = "wb", **options: Any) -> Iterator[IO[Any]]:
    """Write a file that takes the place of what is there in one step, once it is whole and on the disk.

    Args:
        path: Where it is to be.
        mode: As for `open`.
        options: As for `open`, such as ``encoding``.

    Raises:
        UnsafeFileError: others may write to the folder.
        OSError: it cannot be made; what was there stays.
    """
    check_folder(path)
    handle, name = make_beside(path)
    try:
        with os.fdopen(handle, mode, **options) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
