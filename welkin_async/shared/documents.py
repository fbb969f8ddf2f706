"""Versioned documents: the one thing that is asked of a store.

A store keeps small documents under keys. Each has a stamp that is new with every write, and is changed only where it
still has the stamp that was read (compare and swap). Every decision is a pure function from a document and the store's
clock to the next document; `update` carries it out, again where another process came in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from welkin_async.shared.errors import SharedStoreError

T = TypeVar("T")

SCHEMA_KEY, SCHEMA_VERSION = "schema", 1
NOT_MADE = "the shared store has not been set up: run `welkin-async shared init`"

_TRIES = 200
_PAUSE = 0.02  # seconds at most before another try, so that processes that met once do not meet again

State = dict[str, Any]


class Document(NamedTuple):
    """A document as it was read.

    Attributes:
        value: Its content; None where there is none.
        stamp: Of its last write; empty where there is none.
        now: Seconds of the store's own clock.
        server: Which server, and which of its histories, answered; another one may lack what was written.
    """

    value: bytes | None
    stamp: str
    now: float
    server: str


class DocumentStore(Protocol):
    """Document store: a thin shell around a database."""

    async def load(self, key: str) -> Document:
        """Read a document, with the store's clock.

        Raises:
            StoreUnreachableError: the store does not answer.
            SharedStoreError: it was not set up.
        """
        ...

    async def swap(self, key: str, stamp: str, value: bytes) -> bool:
        """Write a document if it still has a stamp.

        Args:
            key: The document's.
            stamp: The one it had when it was read; empty where there was none.
            value: Its new content.

        Returns:
            Whether it was written.

        Raises:
            StoreUnreachableError: the store does not answer; it may have been written.
        """
        ...

    async def keys(self, prefix: str) -> Sequence[str]:
        """Return the keys that begin with a text, in their order.

        Raises:
            StoreUnreachableError: the store does not answer.
        """
        ...

    async def create_schema(self) -> None:
        """Make what the store needs, where it is not there.

        Raises:
            StoreUnreachableError: the store does not answer.
            SharedStoreError: it may not be made.
        """
        ...

    async def check_durable(self) -> None:
        """See to it that what is written lasts through a crash.

        Raises:
            LedgerError: it does not, or that cannot be found out.
            StoreUnreachableError: the store does not answer.
        """
        ...

    async def aclose(self) -> None:
        """Close the connection."""
        ...


async def update(
    store: DocumentStore, key: str, decide: Callable[[State | None, Document], tuple[State | None, T]]
) -> T:
    """Change a document by a decision, which is made anew where another process came in between.

    Args:
        store: Where it is.
        key: Its key.
        decide: Given its state (None where there is none) and how it was read, returns the next state, None to leave
            it, and what else is of interest. The state it is given is its own to change.

    Returns:
        What the decision that was carried out returned.

    Raises:
        StoreUnreachableError: the store does not answer.
        SharedStoreError: others changed it at each of very many tries.
    """
    for _ in range(_TRIES):
        read = await store.load(key)
        state, result = decide(_state(read), read)
        if state is None or await store.swap(key, read.stamp, encode(state)):
            return result
        await asyncio.sleep(_PAUSE * random.random())
    raise SharedStoreError("the shared store is too busy: others changed what was to be changed, again and again")


def encode(state: State) -> bytes:
    """Write a state as a document's content."""
    return json.dumps(state, separators=(",", ":"), sort_keys=True).encode()


def _state(read: Document) -> State | None:
    """Return what a document says; None where there is none.

    Raises:
        SharedStoreError: it is none of this package.
    """
    if read.value is None:
        return None
    found: Any = None
    with contextlib.suppress(ValueError):  # which holds the document
        found = json.loads(read.value)
    if not isinstance(found, dict):
        raise SharedStoreError("the shared store holds something under a key of this package that is none of it")
    return found


async def create(store: DocumentStore) -> None:
    """Set a store up: make its schema, and note its version.

    Args:
        store: The store.

    Raises:
        StoreUnreachableError: the store does not answer.
        SharedStoreError: another version of this package has set it up, or it may not be made.
    """
    await store.create_schema()

    def note(state: State | None, _: Document) -> tuple[State | None, None]:
        return ({"version": SCHEMA_VERSION} if state is None else None), None

    await update(store, SCHEMA_KEY, note)
    await check_version(store)


async def check_version(store: DocumentStore) -> None:
    """See to it that a store was set up for this version.

    Args:
        store: The store.

    Raises:
        StoreUnreachableError: the store does not answer.
        SharedStoreError: it was not.
    """
    read = await store.load(SCHEMA_KEY)
    state = _state(read)
    if state is None:
        raise SharedStoreError(NOT_MADE)
    if state.get("version") != SCHEMA_VERSION:
        raise SharedStoreError("the shared store was set up by another version of this package; use that, or another")
