"""Errors of bulk operations."""

from __future__ import annotations

from typing import Any

from welkin_async.errors import WelkinError


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
        holder: The process in words.
    """

    def __init__(self, pid: int | None) -> None:
        self.pid = pid
        self.holder = "another process" if pid is None else f"process {pid}"
        super().__init__(f"the journal is in use by {self.holder}; an import of it runs there")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.pid,)


class JournalMismatchError(JournalError):
    """The file is a journal of something else, or no journal at all; it was left as it is.

    Attributes:
        what: What differs: ``source``, ``target``, ``keys``, ``version``, ``records`` or ``file``.
    """

    _REASONS = {  # noqa: RUF012 - never changed
        "source": "the journal belongs to another source than this one; name another journal, or restart",
        "target": "the journal belongs to another server, instance or data type; name another journal, or restart",
        "keys": "the journal was kept with another key field, by which its rows cannot be found; give that one again, "
        "name another journal, or restart",
        "version": "the journal was written by another version of this package, and cannot be read: finish it with "
        "that one. Where rows have keys of their own, another journal= with existing='check' goes on where it ended",
        "records": "the server holds none of the first records that the journal says are there: they were "
        "deleted, or it is of other data than the journal; nothing was sent. resume='restart' takes every row up anew",
        "file": "the file is not a journal; name another one",
    }

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(self._REASONS[what])

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.what,)


class ProofError(WelkinError):
    """The server does not keep the key, or its look-ups do not find it: exactly once cannot be had this way.

    The import has stopped; what was created is created, and nothing was sent twice.
    """


class ExistingRecordsError(WelkinError):
    """What is on the server already cannot be seen, because the api client may not list it; nothing was sent."""

    def __init__(self) -> None:
        super().__init__(
            "the api client may not list what is on the server (403), so that rows which are there already would be "
            "sent again; nothing was sent. Give it the right to list, or existing='trust' to send without a look"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()


class ExportError(WelkinError):
    """An export cannot be written or taken up where it is asked for; what is there was left as it is."""
