"""File lock: one process holds a journal, by an operating system lock on a side file; and the errors of journals.

The lock is the kernel's, so it goes with the process that held it, however that ends; the side file stays and says
nothing by being there.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from welkin_async.bulk.errors import JournalLockedError
from welkin_async.http.private_file import open_private

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_LOCKED_BYTE = 1 << 30  # Windows locks bytes, and forbids to read them: far behind the pid


class JournalLock:
    """The right to use a journal, from `take` until `release` or the end of the process.

    Args:
        path: The journal's path; the side file is beside it and called the same with ``.lock`` appended.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        # The journal's own name, so that one that is reached by two names is not held twice.
        self._path = Path(f"{os.path.realpath(path)}.lock")
        self._handle: int | None = None

    def take(self) -> None:
        """Take the lock, without waiting for it.

        Raises:
            JournalLockedError: another process, or this one, holds it.
            OSError: the side file cannot be made.
        """
        while self._handle is None:
            handle = open_private(self._path)
            try:
                if not _try_lock(handle):
                    raise JournalLockedError(_pid(handle))
                if _is_at(handle, self._path):
                    os.truncate(handle, 0)
                    os.lseek(handle, 0, os.SEEK_SET)
                    os.write(handle, b"%d\n" % os.getpid())
                    self._handle = handle
            finally:
                if self._handle is None:
                    os.close(handle)

    def release(self) -> None:
        """Give the lock back; without having it, nothing happens."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with contextlib.suppress(OSError):
                os.truncate(handle, 0)
            os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    """Tell whether the file that was locked is the one others lock: its holder may have removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _pid(handle: int) -> int | None:
    """Read who holds the lock; a holder that has it since a moment may not have written it yet."""
    try:
        os.lseek(handle, 0, os.SEEK_SET)
        return int(os.read(handle, 32))
    except (OSError, ValueError):
        return None


def _try_lock(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
