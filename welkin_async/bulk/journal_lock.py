"""One process holds a journal: an operating system lock on a side file, and the errors of journals.

The lock is the kernel's, so it goes with the process that held it, however that ends; the side file stays and says
nothing by being there.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Any

from welkin_async.errors import WelkinError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["JournalError", "JournalLock", "JournalLockedError", "JournalMismatchError"]

_LOCKED_BYTE = 1 << 30  # Windows locks bytes, and forbids to read them: far behind the pid


class JournalError(WelkinError):
    """A journal cannot be used, or could not be written; what is not in it must not be sent.

    Attributes:
        reason: What is wrong, in words free of data.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason,)


class JournalLockedError(JournalError):
    """Another import holds the journal.

    Attributes:
        pid: The process that holds it, or None where it could not be read.
    """

    def __init__(self, pid: int | None) -> None:
        self.pid = pid
        holder = "another process" if pid is None else f"process {pid}"
        super().__init__(f"the journal is in use by {holder}; an import of it runs there")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.pid,)


class JournalMismatchError(JournalError):
    """The file is a journal of something else, or no journal at all; it was left as it is.

    Attributes:
        what: What differs: ``source``, ``target``, ``keys``, ``version`` or ``file``.
    """

    _REASONS = {  # noqa: RUF012 - never changed
        "source": "the journal belongs to another source than this one; name another journal, or restart",
        "target": "the journal belongs to another server, instance or data type; name another journal, or restart",
        "keys": "the journal was kept with another key field, by which its rows cannot be found; give that one again, "
        "name another journal, or restart",
        "version": "the journal was written by another version of this package; name another journal, or restart",
        "file": "the file is not a journal; name another one",
    }

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(self._REASONS[what])

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.what,)


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
            JournalLockedError: somebody holds it, perhaps this process itself.
            OSError: the side file cannot be made.
        """
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            if not _try_lock(handle):
                raise JournalLockedError(_pid(handle))
            os.truncate(handle, 0)
            os.lseek(handle, 0, os.SEEK_SET)
            os.write(handle, b"%d\n" % os.getpid())
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle

    def release(self) -> None:
        """Give the lock back; without having it, nothing happens."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with contextlib.suppress(OSError):
                os.truncate(handle, 0)
            os.close(handle)


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
