"""Errors of what processes share."""

from __future__ import annotations

from typing import Any

from welkin_async.errors import WelkinError


class SharedStoreError(WelkinError):
    """The store that processes share cannot be used just now, or not at all.

    Attributes:
        reason: What is wrong, in words free of data and of the store's URL.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason,)


class StoreUnreachableError(SharedStoreError):
    """The store does not answer; what was to be done there can be tried again."""


class LedgerError(SharedStoreError):
    """The ledger refuses: its run is unknown or another one, or the store cannot be relied on."""


class LeaseLostError(LedgerError):
    """The lease of a chunk has run out or went to another worker: nothing more of it may be sent from here."""
