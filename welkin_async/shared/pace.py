"""Shared pace: the sessions of several processes send together what all of them may."""

from __future__ import annotations

from welkin_async.http.sharing import PaceReport, PaceShare
from welkin_async.shared.allotment import allot
from welkin_async.shared.documents import DocumentStore, update


class DocumentPace:
    """Shared pace in a document store; see `http.sharing.SharedPace`.

    Args:
        store: Where it is.
    """

    def __init__(self, store: DocumentStore) -> None:
        self._store = store

    async def report(self, key: str, report: PaceReport) -> PaceShare:
        """Take in what a session has sent, and return its share; see `SharedPace`."""
        return await update(self._store, f"pace:{key}", lambda state, read: allot(state, report, read.now))
