"""Import files: the reject, review and results files of an import whose chunks any engine hands out."""

from __future__ import annotations

import contextlib
from typing import Self

import anyio.to_thread
import attrs

from welkin_async.bulk import ChunkReport
from welkin_async.files.chunks.chunk_importer import FileWork, PreparedImport
from welkin_async.files.chunks.object_file import local_copy
from welkin_async.files.chunks.parts import ChunkFiles
from welkin_async.files.errors import FileError
from welkin_async.files.jobs.open_file import open_file
from welkin_async.session import Welkin
from welkin_async.shared import ChunkLedger


class ImportFiles:
    """Import files: an asynchronous context in which the chunks of a file are handed out by any engine.

    Rows that belong into the reject, review and results files that `prepare_import` was given wait in a folder beside
    the first of these, which all workers reach, until they are joined. Where a call ends early the next one goes on
    with the folder. Where no files were asked for it is the final scan alone.

    Args:
        prepared: What `prepare_import` returned; its run was opened in the ledger.
        ledger: Keeps account of its chunks.

    Attributes:
        work: What every worker is told, in place of ``prepared.work``; once the context was entered.
    """

    def __init__(self, prepared: PreparedImport, ledger: ChunkLedger) -> None:
        self._prepared = prepared
        self._ledger = ledger
        self._held = contextlib.ExitStack()
        self._files: ChunkFiles | None = None
        self.work: FileWork = prepared.work

    async def __aenter__(self) -> Self:
        """Make the folder, or go on with that of an earlier call.

        Raises:
            FileError: the file has changed; a file exists that is no earlier call's, or the folder is another import's,
                or cannot be made; or another call is under way.
            StoreUnreachableError: the ledger does not answer.
        """
        work = self._prepared.work
        try:
            settings = await anyio.to_thread.run_sync(self._held.enter_context, local_copy(work.job.settings))
            opened = await open_file(settings)
            opened.source.close()
            if opened.digest != work.digest:
                raise FileError("the file has changed since its chunks were planned: put it back as it was")
            files = ChunkFiles(attrs.evolve(work.job, settings=settings), opened)
            self._held.callback(files.close)
            await files.begin(work.run, self._ledger)
        except BaseException:
            self._held.close()
            raise
        self._files, self.work = files, attrs.evolve(work, parts=files.folder)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let another call have the files."""
        self._held.close()

    async def finish(self, welkin: Welkin) -> ChunkReport:
        """Look once more at every patient, as `bulk.finish_import` does, and make the files.

        Args:
            welkin: An open session.

        Returns:
            The counts of the chunks that the ledger calls done, and what was seen. It is not complete while chunks are
            left.

        Raises:
            FileError: a file cannot be read or written; its rows stay where they are.
            WelkinError: the final scan could not be made; the files are made of what is known.
        """
        if self._files is None:
            raise FileError("enter the context first: async with files.ImportFiles(prepared, ledger) as outputs")
        return await self._files.finish(welkin, planned=len(self._prepared.chunks))
