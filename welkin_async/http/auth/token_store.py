"""Token stores: where tokens are kept between sessions and processes, in memory or in files (``store`` extra)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, TypeVar

import attrs

from welkin_async.errors import ConfigurationError
from welkin_async.http.private_file import check_folder, replacing

T = TypeVar("T")

_LOCK_TIMEOUT = 60.0
_MEMORY_LOCK_TIMEOUT = 10.0


class FileTokenStore:
    """Keeps each token in a JSON file that only its owner can read.

    A file is named by a digest of base URL, tenant and api client. Processes that share the directory share a lock for
    each token, so one of them refreshes and the others read what it got.

    Args:
        directory: Where the files are; the user's cache directory by default. It is made, for its owner alone.

    Raises:
        ConfigurationError: the ``store`` extra is not installed.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        if not (find_spec("filelock") and find_spec("platformdirs")):
            raise ConfigurationError("FileTokenStore needs the `store` extra: pip install 'welkin-async[store]'")
        import filelock
        import platformdirs

        self._lock_class = filelock.AsyncFileLock
        self._directory = Path(platformdirs.user_cache_dir("welkin_async") if directory is None else directory)

    def __repr__(self) -> str:
        """Show the class alone."""
        return "<FileTokenStore>"

    async def load(self, key: str) -> StoredToken | None:
        """Return what was saved under a key; None where there is nothing, or nothing readable."""
        return await _in_thread(self._read, key)

    async def save(self, key: str, token: StoredToken) -> None:
        """Keep a token under a key; readers see the old file or the new one, never a part."""
        await _in_thread(self._write, key, token)

    def lock(self, key: str) -> AbstractAsyncContextManager[object]:
        """Return the key's lock, which the operating system frees when its holder dies."""
        return self._locked(key)

    @contextlib.asynccontextmanager
    async def _locked(self, key: str) -> AsyncIterator[None]:
        await _in_thread(self._make_directory)
        async with self._lock_class(self._directory / f"{key}.lock", timeout=_LOCK_TIMEOUT, mode=0o600):
            yield

    def _make_directory(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_folder(self._directory / "-")  # who may write there can hand out tokens of their own

    def _read(self, key: str) -> StoredToken | None:
        try:
            found = json.loads((self._directory / f"{key}.json").read_bytes())
            value = found["value"]
            numbers = {name: float(found[name]) for name in ("life", "wall", "monotonic")}
            if not (isinstance(value, str) and value and value.isascii() and value.isprintable()):
                return None
            return StoredToken(value, **numbers) if all(map(math.isfinite, numbers.values())) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _write(self, key: str, token: StoredToken) -> None:
        self._make_directory()
        kept = {"value": token.value, "life": token.life, "wall": token.wall, "monotonic": token.monotonic}
        with replacing(self._directory / f"{key}.json", "w") as file:
            json.dump(kept, file)


async def _in_thread(function: Callable[..., T], *arguments: object) -> T:
    """Run a function that waits for the disk in a thread. anyio is imported when it is needed: most never need it."""
    from anyio import to_thread

    return await to_thread.run_sync(function, *arguments)


_CLOCKS_AGREE = 5.0  # seconds by which two clocks may drift apart before a stored token is distrusted


@attrs.define(eq=False)
class Token:
    """A token and when it ends, on the monotonic clock.

    Attributes:
        value: The JWT; never shown.
        received_at: Monotonic seconds at which it was received.
        life: Seconds it lives.
        proved: Whether the server has accepted it once.
        wall: The wall clock's seconds at which it was received; None where that is not known.
        client: The name of the api client, by which the server signs what it writes; None where that is not known.
    """

    value: str = attrs.field(repr=False)
    received_at: float
    life: float
    proved: bool = False
    wall: float | None = None
    client: str | None = None
    refresh_at: float = attrs.field(init=False)
    expires_at: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Work out the two moments that decide its use."""
        self.expires_at = self.received_at + self.life
        self.refresh_at = self.expires_at - min(300.0, self.life / 4)


@attrs.frozen
class StoredToken:
    """A token as a store keeps it, with both clocks: where they disagree on its age, it is not used.

    A store with a clock of its own, such as a database, can give the token's age by that; then the clocks of the
    machines that share it are not compared.

    Attributes:
        value: The JWT; never shown.
        life: Seconds it lives.
        wall: When it was received, in seconds of the wall clock.
        monotonic: The same moment on the monotonic clock, which starts anew with the machine.
        age: Seconds since it was saved, by the store's own clock; None where the store has none.
    """

    value: str = attrs.field(repr=False)
    life: float
    wall: float
    monotonic: float
    age: float | None = None

    def revive(self, *, wall: float, monotonic: float) -> Token | None:
        """Return the token if its age is beyond doubt and it is not due for a refresh.

        Args:
            wall: The wall clock now, in seconds.
            monotonic: The monotonic clock now, in seconds.
        """
        if self.age is not None:
            age, agreed = self.age, self.age >= 0
        else:
            age = monotonic - self.monotonic
            agreed = age >= 0 and abs(age - (wall - self.wall)) <= _CLOCKS_AGREE
        if not (agreed and self.life < float("inf")):
            return None
        token = Token(self.value, received_at=monotonic - age, life=self.life, proved=True, wall=wall - age)
        return token if monotonic < token.refresh_at else None


class TokenStore(Protocol):
    """Where tokens are kept between sessions or processes. `MemoryTokenStore` and `FileTokenStore` are two."""

    async def load(self, key: str) -> StoredToken | None:
        """Return what was saved under a key, or None.

        Args:
            key: An opaque name made of base URL, tenant and api client.
        """
        ...

    async def save(self, key: str, token: StoredToken) -> None:
        """Keep a token under a key."""
        ...

    def lock(self, key: str) -> AbstractAsyncContextManager[object]:
        """Return a lock that all who share the store respect, so that one of them refreshes and the others read."""
        ...


class MemoryTokenStore:
    """Keeps tokens in memory; sessions that are given the same one share their tokens, on any event loop or thread."""

    def __init__(self) -> None:
        self._tokens: dict[str, StoredToken] = {}
        self._locks: dict[str, threading.Lock] = {}

    def __reduce__(self) -> tuple[type[MemoryTokenStore], tuple[()]]:
        return type(self), ()  # another process has a memory of its own

    async def load(self, key: str) -> StoredToken | None:
        """Return what was saved under a key, or None."""
        return self._tokens.get(key)

    async def save(self, key: str, token: StoredToken) -> None:
        """Keep a token under a key."""
        self._tokens[key] = token

    def lock(self, key: str) -> AbstractAsyncContextManager[object]:
        """Return the key's lock, which is waited for 10 seconds at most: its holder's event loop may have stopped."""
        return _held(self._locks.setdefault(key, threading.Lock()))


@contextlib.asynccontextmanager
async def _held(lock: threading.Lock) -> AsyncIterator[None]:
    """Hold a thread's lock without blocking the event loop, which an `asyncio.Lock` of another loop would hang."""
    pause, waited = 0.001, 0.0
    while not (acquired := lock.acquire(blocking=False)) and waited < _MEMORY_LOCK_TIMEOUT:
        await asyncio.sleep(pause)
        waited, pause = waited + pause, min(0.1, pause * 2)
    try:
        yield
    finally:
        if acquired:
            lock.release()
