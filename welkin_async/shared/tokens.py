"""Shared tokens: one token request for all processes that use a store."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from welkin_async.http.auth.token_store import StoredToken
from welkin_async.shared.documents import Document, DocumentStore, State, update
from welkin_async.shared.errors import SharedStoreError
from welkin_async.shared.sealing import TokenSeal
from welkin_async.shared.token_lease import LEASE, acquire, release, reserve

_POLL = 0.05  # seconds between two tries at a lease that another holds
_LONGEST = 0.5


class DocumentTokens:
    """Shared tokens in a document store; see `http.sharing.SharedTokens`.

    Without a key to seal tokens with none is stored: each process asks for its own, within the budget of all.

    Args:
        store: Where they are.
        seal: Encrypts them.
    """

    def __init__(self, store: DocumentStore, seal: TokenSeal) -> None:
        self._store = store
        self._seal = seal

    def __repr__(self) -> str:
        """Show the class alone."""
        return "<DocumentTokens>"

    async def load(self, key: str) -> StoredToken | None:
        """Return what was saved under a key, with its age by the store's clock."""

        def token(state: State | None, read: Document) -> tuple[None, StoredToken | None]:
            held = (state or {}).get("token")
            value = None if held is None else self._seal.unseal(held["sealed"])
            if held is None or value is None:
                return None, None
            return None, StoredToken(value, held["life"], wall=0.0, monotonic=0.0, age=read.now - held["saved"])

        return await update(self._store, _place(key), token)

    async def save(self, key: str, token: StoredToken) -> None:
        """Keep a token under a key, sealed."""
        sealed = self._seal.seal(token.value)
        if sealed is None:
            return

        def keep(state: State | None, read: Document) -> tuple[State, None]:
            return {**(state or {}), "token": {"sealed": sealed, "life": token.life, "saved": read.now}}, None

        await update(self._store, _place(key), keep)

    def lock(self, key: str) -> AbstractAsyncContextManager[object]:
        """Return a lease, renewed while it is held."""
        return self._held(key) if self._seal.usable else contextlib.nullcontext()

    async def reserve(self, key: str) -> float:
        """Count a token request that is about to be made; see `SharedTokens`."""
        return await update(self._store, _place(key), lambda state, read: reserve(state, read.now))

    @contextlib.asynccontextmanager
    async def _held(self, key: str) -> AsyncIterator[None]:
        holder, pause = secrets.token_hex(8), _POLL

        async def take() -> bool:
            return await update(self._store, _place(key), lambda state, read: acquire(state, holder, read.now))

        async def renew() -> None:
            with contextlib.suppress(SharedStoreError):  # it runs out then, and is another's
                while True:
                    await asyncio.sleep(LEASE / 3.0)
                    await take()

        while not await take():
            await asyncio.sleep(pause * (1.0 - random.random() / 2.0))
            pause = min(2.0 * pause, _LONGEST)
        renewing = asyncio.create_task(renew(), name="welkin_async token lease")
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.wait((renewing,))
            with contextlib.suppress(SharedStoreError):
                await update(self._store, _place(key), lambda state, _: release(state, holder))


def _place(key: str) -> str:
    return f"token:{key}"
