"""Worker on Ray: an actor that keeps one session for its life and imports one chunk after another, as it is told.

Ray itself is not imported: the class is made an actor by the driver, and found here by the worker's process.
"""

from __future__ import annotations

import os

import attrs

from welkin_async.errors import ConfigurationError, SessionError
from welkin_async.files.chunks.chunk_importer import ChunkImporter, FileWork, answered
from welkin_async.files.chunks.chunk_queue import Answer
from welkin_async.files.chunks.plan import Chunk
from welkin_async.http.settings import Settings
from welkin_async.session import Welkin
from welkin_async.shared.coordination import Coordination, coordination
from welkin_async.shared.sealing import VARIABLE


@attrs.frozen(kw_only=True)
class WorkerSettings:
    """What every worker of an import is told; it can be pickled.

    Attributes:
        settings: Of its session; None to take them from the ``WELKIN_*`` variables of its own process.
        shared: The URL of the store; None to take it from ``WELKIN_SHARED`` likewise.
        lease: Seconds that the lease of a chunk lasts.
        key: Seals tokens in the store; empty to take it from ``WELKIN_SHARED_KEY`` likewise.
    """

    settings: Settings | None = attrs.field(repr=False)
    shared: str | None = attrs.field(repr=False)
    lease: float
    key: str = attrs.field(repr=False)

    def read(self) -> tuple[Settings, str]:
        """Return the settings of a session that shares, and the URL of the store.

        Raises:
            ConfigurationError: something is missing or does not fit.
        """
        settings = Settings.read({}) if self.settings is None else self.settings
        url = self.shared or settings.shared
        if not isinstance(url, str):
            raise ConfigurationError(
                "the workers of a cluster share a store: pass shared=, or set the variable WELKIN_SHARED"
            )
        return attrs.evolve(settings, shared=url, on_attempt=None, instrumentation=None), url


class ChunkWorker:
    """Chunk worker: what is done in a process of a cluster; its methods are called from elsewhere, one at a time.

    Only `beat` is called meanwhile: it is answered as long as the process runs and its event loop turns. No method
    raises: what went wrong is in the answer, because the text of an exception might quote a row.

    Args:
        given: What every worker is told.
    """

    def __init__(self, given: WorkerSettings) -> None:
        self._given = given
        self._welkin: Welkin | None = None
        self._shared: Coordination | None = None
        self._importers: dict[str, ChunkImporter] = {}

    async def open(self) -> Answer:
        """Open the session that is kept for the life of the process; nothing is sent yet."""

        async def work() -> None:
            if self._given.key:
                os.environ[VARIABLE] = self._given.key
            settings, url = self._given.read()
            self._shared = coordination(url, self._given.lease)
            self._welkin = await Welkin.from_settings(settings, check="off").open()

        return await answered(work())

    async def begin(self, work: FileWork) -> Answer:
        """Look a file through, once, before its first chunk.

        Args:
            work: What is known of the file.
        """

        async def look() -> None:
            if self._welkin is None or self._shared is None:
                raise SessionError("the worker has no session")
            if work.run not in self._importers:
                self._importers[work.run] = await ChunkImporter.open(self._welkin, work, self._shared.ledger)

        return await answered(look())

    async def carry_out(self, run: str, chunk: Chunk, holder: str) -> Answer:
        """Import a chunk of a file that was begun.

        Args:
            run: The import's id.
            chunk: Which rows.
            holder: Names the claim.
        """
        importer = self._importers[run]
        answer = await answered(importer.carry_out(chunk, holder))
        return answer._replace(metrics=importer.metrics)

    async def beat(self) -> None:
        """Answer, as a sign of life."""

    async def close(self) -> None:
        """Close the session."""
        welkin, self._welkin = self._welkin, None
        shared, self._shared = self._shared, None
        if welkin is not None:
            await welkin.aclose()
        if shared is not None:
            await shared.aclose()
