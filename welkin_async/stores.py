"""A token store in files, shared safely by the processes of one user. Needs the ``store`` extra."""

from __future__ import annotations

import contextlib
import json
import math
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from welkin_async.auth import StoredToken
from welkin_async.errors import ConfigurationError

__all__ = ["FileTokenStore"]

T = TypeVar("T")

_LOCK_TIMEOUT = 60.0


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
        # mkstemp makes the file with mode 0600; the rename keeps it.
        handle, path = tempfile.mkstemp(dir=self._directory, prefix=f"{key}.", suffix=".tmp")
        try:
            with os.fdopen(handle, "w") as file:
                json.dump(kept, file)
            os.replace(path, self._directory / f"{key}.json")
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(path)
            raise


async def _in_thread(function: Callable[..., T], *arguments: object) -> T:
    """Run a function that waits for the disk in a thread. anyio is imported when it is needed: most never need it."""
    from anyio import to_thread

    return await to_thread.run_sync(function, *arguments)
