"""Parts: what each chunk leaves for the reject, review and results files of an import, until they are joined."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio.to_thread
import attrs

from welkin_async.bulk import ChunkReport, DoubledKey, JournalLockedError, Outcome, finish_import
from welkin_async.bulk.file_lock import JournalLock
from welkin_async.errors import WelkinError
from welkin_async.files.errors import FileError
from welkin_async.files.jobs.create_records import RecordImport
from welkin_async.files.jobs.open_file import OpenedFile
from welkin_async.files.options import FileSettings
from welkin_async.files.outputs.reject_files import RejectFiles
from welkin_async.files.readers.detection import written_as
from welkin_async.files.report.row_counts import RowCounts
from welkin_async.files.run.duplicates import record_doubled_keys
from welkin_async.files.run.outcome_recorder import OutcomeRecorder
from welkin_async.http.private_file import check_folder, replacing
from welkin_async.session import Welkin
from welkin_async.shared import ChunkLedger

_NAMES = ("rejects", "review", "results")
_MARK = "import.json"  # which import the folder is of
_DOUBLED = "doubled"  # the part that no chunk leaves
_BEGUN = "begun-"
_QUEUED = 1024  # outcomes


@attrs.frozen(kw_only=True)
class PartsFolder:
    """Parts folder, as workers are told of it; it can be pickled.

    Attributes:
        path: Where it is: beside the first of the files, and the same for all workers.
        mark: Tells it from a folder at the same path of another machine.
    """

    path: Path
    mark: str

    def check(self) -> None:
        """See that this process reaches the folder that was meant; blocks.

        Raises:
            FileError: it does not.
        """
        if _mark_of(self.path).get("mark") != self.mark:
            raise FileError(
                f"{self.path} is not reached by all workers, so that rows of reject, review and results files would "
                "be lost: name these files in a folder that all nodes share, or none of them"
            )


class PartWriter:
    """Part writer: puts those rows of a chunk away that belong into one of the files, in one step at its end.

    A part is a folder, named after the chunk and the fence of its claim. Of the parts of a chunk that one counts under
    whose fence the ledger calls it done; of one that is not done, the one with the highest.

    Args:
        folder: Takes the part.
        settings: Say which files there are.
        opened: The file.

    Attributes:
        counts: Of the rows that were taken in.
        recorder: Takes rows in.

    Raises:
        FileError: nothing can be written there.
    """

    def __init__(self, folder: PartsFolder, settings: FileSettings, opened: OpenedFile) -> None:
        self._folder = folder.path
        try:
            self._own = Path(tempfile.mkdtemp(dir=folder.path, prefix=_BEGUN))
        except OSError as error:
            raise FileError(f"a file of rows cannot be written: {error.strerror}") from None
        here: dict[str, Any] = {name: None if getattr(settings, name) is None else self._own / name for name in _NAMES}
        self._files = _files(attrs.evolve(settings, **here), opened)
        self.counts = RowCounts()
        self.recorder = OutcomeRecorder(self.counts, self._files, opened.digest, journal=False)
        self._queued = 0

    def record(self, outcome: Outcome[Any, Any]) -> None:
        """Take what became of a row."""
        self.recorder.record(outcome)
        self._queued += 1
        if not self._queued % _QUEUED:
            self.recorder.flush()

    async def commit(self, chunk: str, fence: int) -> None:
        """Put the part in its place, for good.

        Args:
            chunk: The chunk's id.
            fence: Of the claim.

        Raises:
            FileError: it cannot be written.
        """
        await anyio.to_thread.run_sync(self.put, f"{chunk}.{fence:08}")

    def put(self, name: str) -> None:
        """Put the part in its place under a name; blocks.

        Raises:
            FileError: it cannot be written.
        """
        try:
            self.recorder.flush()
            self._files.close()
            if self.recorder.error is not None:
                raise FileError(self.recorder.error)
            for path in [*self._own.iterdir(), self._own]:
                _sync(path)
            shutil.rmtree(self._folder / name, ignore_errors=True)
            self._own.rename(self._folder / name)
            _sync(self._folder)
        except OSError as error:
            raise FileError(f"a file of rows cannot be written: {error.strerror}") from None

    def discard(self) -> None:
        """Remove what was not put in its place."""
        with contextlib.suppress(OSError):
            self._files.close()
        shutil.rmtree(self._own, ignore_errors=True)


class ChunkFiles:
    """Chunk files: the reject, review and results files of an import by chunks, joined of what each chunk has left.

    The folder of parts stands beside them as long as the import is not done with every row, so that any call goes on
    with it; each call that comes to an end makes the files anew of all parts.

    Args:
        job: What is done with the rows.
        opened: The file.

    Attributes:
        files: The files.
        folder: Of the parts, once it was made; None where no file is asked for.

    Raises:
        FileError: a file cannot be where it is asked for.
    """

    def __init__(self, job: RecordImport, opened: OpenedFile) -> None:
        settings = job.settings
        self._job = job
        self._opened = opened
        self.files = _files(settings, opened)
        first = next((path for name in _NAMES if (path := getattr(settings, name)) is not None), None)
        self.folder: PartsFolder | None = None
        self._path = None if first is None else first.absolute().with_name(f"{first.name}.parts")
        self._lock = None if self._path is None else JournalLock(self._path)
        self._run = ""
        self._fresh = True
        self._earlier = False

    async def begin(self, run: str, ledger: ChunkLedger) -> None:
        """Make the folder, or go on with that of an earlier call.

        Args:
            run: The import's id.
            ledger: Keeps account of its chunks.

        Raises:
            FileError: a file exists that is no earlier call's, or the folder is another import's, or cannot be made; or
                another call is under way.
            StoreUnreachableError: the ledger does not answer.
        """
        self._run, self._ledger = run, ledger
        if self._path is not None and self._lock is not None:
            self._earlier = await anext(ledger.finished(run), None) is not None
            await anyio.to_thread.run_sync(self._begin, self._path, self._lock)

    def _begin(self, path: Path, lock: JournalLock) -> None:
        try:
            lock.take()
            held = _mark_of(path)
            if held and held["run"] != self._run:
                raise FileError(
                    f"{path} holds rows of another import that is not done: let that come to its end, or move it"
                )
            self._fresh = not held
            self.folder = folder = PartsFolder(path=path, mark=held["mark"] if held else secrets.token_hex(8))
            shutil.rmtree(_joined(path), ignore_errors=True)
            if held:
                return
            if not self._earlier:
                self.files.check_absent()
            check_folder(path)
            path.mkdir(0o700, exist_ok=True)
            with replacing(path / _MARK, "w", encoding="ascii") as file:
                json.dump({"run": self._run, "mark": folder.mark}, file)
        except JournalLockedError as error:
            raise FileError(f"{path} is in use by {error.holder}; an import of the file runs there") from None
        except OSError as error:
            raise FileError(f"{path} cannot be made: {error.strerror}") from None

    def close(self) -> None:
        """Let another call have the files."""
        if self._lock is not None:
            self._lock.release()

    async def finish(
        self, welkin: Welkin, report: ChunkReport | None = None, *, planned: int | None = None
    ) -> ChunkReport:
        """Look once more at every patient, and make the files.

        Args:
            welkin: An open session.
            report: The counts of all chunks, which are all done, or cannot be; None for those that the ledger has.
            planned: How many chunks there are, where the ledger's count; see `bulk.finish_import`.

        Returns:
            The counts, with what was seen.

        Raises:
            FileError: a file cannot be read or written; the parts stay.
            WelkinError: the final scan could not be made; the files are made of what is known.
        """
        job = self._job
        assert job.key_field is not None
        try:
            seen = await finish_import(
                welkin, job.cdt, self._run, self._ledger, key_field=job.key_field, planned=planned
            )
            await self._record_doubles(welkin, seen.doubles)
        except WelkinError:
            await self.join(ChunkReport() if report is None else report)
            raise
        if report is not None:
            seen = attrs.evolve(report, doubled=seen.doubled, missing=seen.missing, doubles=seen.doubles, scanned=True)
        return await self.join(seen, whole=seen.finished == seen.chunks)

    async def _record_doubles(self, welkin: Welkin, doubles: Sequence[DoubledKey]) -> None:
        """Have the rows of doubled keys in the review file."""
        folder, job, keys = self.folder, self._job, self._job.keys(welkin)
        if folder is None or job.settings.review is None or keys is None:
            return
        mapper = await job.mapper(welkin, self._opened) if doubles else None

        def write() -> None:
            writer = PartWriter(folder, attrs.evolve(job.settings, rejects=None, results=None), self._opened)
            try:
                if mapper is not None:
                    record_doubled_keys(self._opened, mapper, keys, doubles, writer.recorder)
                writer.put(_DOUBLED)
            finally:
                writer.discard()

        await anyio.to_thread.run_sync(write)

    async def join(self, report: ChunkReport, *, whole: bool = False) -> ChunkReport:
        """Make the files of the parts that there are.

        Args:
            report: The counts of the chunks that are done.
            whole: Whether all are done, and were looked at once more, so that the parts are needed no longer.

        Returns:
            The counts, with the rows that are missing in a file.

        Raises:
            FileError: a file cannot be read or written; the parts stay.
        """
        if self.folder is None:
            return report
        fences: dict[str, int] = {}
        with contextlib.suppress(WelkinError):  # without the ledger the highest ones count
            async for chunk, kept, _ in self._ledger.finished(self._run):
                fences[chunk] = kept["fence"]
        try:
            await anyio.to_thread.run_sync(self._join, _parts(self.folder.path, fences), self.folder.path)
            if whole:
                await anyio.to_thread.run_sync(_remove, self.folder.path)
        except OSError as error:
            raise FileError(
                f"a file of rows cannot be written: {error.strerror}; {self.folder.path} holds them"
            ) from None
        refused = report.rejected + report.failed + report.skipped
        unsure = report.unknown + report.conflict + report.altered
        expected = ((self.files.rejects, refused), (self.files.review, unsure))
        missing = sum(max(0, rows - file.rows) for file, rows in expected if file is not None)
        every = self.files.results
        return attrs.evolve(report, unwritten=max(missing, 0 if every is None else report.rows - every.rows))

    def _join(self, parts: Sequence[Path], folder: Path) -> None:
        for name in _NAMES:
            file = getattr(self.files, name)
            if file is None:
                continue
            held = [part / name for part in parts]
            # Where an earlier call was done with all, and its parts are gone, the files are all there is.
            if self._fresh and self._earlier and not any(path.exists() for path in held):
                file.count()
            else:
                before = [file.path] if self._fresh and self._earlier else []
                file.join([*before, *held], folder / f"{_BEGUN}join")


def all_paths(outputs: Iterable[ChunkFiles]) -> dict[str, list[Path]]:
    """Return the files that hold a row, by ``rejects``, ``review`` and ``results``.

    Args:
        outputs: Of each input.
    """
    paths: dict[str, list[Path]] = {}
    for each in outputs:
        for name, path in each.files.paths.items():
            paths.setdefault(name, []).append(path)
    return paths


def counting_alone(counts: RowCounts, settings: FileSettings, opened: OpenedFile) -> Callable[..., None]:
    """Return what counts rows as a `PartWriter` does, where no file takes any.

    Args:
        counts: The counts.
        settings: Of the file.
        opened: The file.
    """
    nowhere = _files(attrs.evolve(settings, rejects=None, review=None, results=None), opened)
    recorder = OutcomeRecorder(counts, nowhere, opened.digest, journal=False)

    def record(outcome: Outcome[Any, Any]) -> None:
        recorder.record(outcome)
        recorder.flush()

    return record


def _files(settings: FileSettings, opened: OpenedFile) -> RejectFiles:
    source = opened.source
    return RejectFiles(settings, source.form, written_as(source.encoding), source.columns)


def _parts(folder: Path, fences: Mapping[str, int]) -> list[Path]:
    """Return the part of each chunk that counts, and that of doubled keys behind them.

    Args:
        folder: Of the parts.
        fences: Under which chunks are done.
    """
    latest: dict[str, Path] = {}
    for path in sorted(folder.iterdir() if folder.is_dir() else ()):
        chunk, _, fence = path.name.rpartition(".")
        if fence.isdigit() and fences.get(chunk, int(fence)) == int(fence):
            latest[chunk] = path
    return [*latest.values(), folder / _DOUBLED]


def _mark_of(folder: Path) -> Mapping[str, str]:
    """Return what a folder of parts says of itself; nothing where there is none, or one that was only begun."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        held: dict[str, str] = json.loads((folder / _MARK).read_text(encoding="ascii"))
        return held
    return {}


def _joined(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.joined")


def _remove(folder: Path) -> None:
    """Remove the folder: in one step by its name, so that none is taken for whole that has lost parts."""
    folder.rename(_joined(folder))
    shutil.rmtree(_joined(folder), ignore_errors=True)
    with contextlib.suppress(OSError):  # where a file cannot be removed that is open
        os.unlink(f"{os.path.realpath(folder)}.lock")


def _sync(path: Path) -> None:
    """Have a file or a folder on the disk, where the operating system does that."""
    if os.name == "posix":
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
