"""Opening a file for a job: the reader, the digest, and the CDT's definition."""

from __future__ import annotations

import contextlib
from pathlib import Path

import anyio.to_thread
import attrs

from welkin_async.bulk.keys.cdt_keys import MintedKey
from welkin_async.errors import NotFoundError, PermissionDeniedError
from welkin_async.files.errors import FileError
from welkin_async.files.mapping.row_mapper import RowMapper
from welkin_async.files.options import FileSettings
from welkin_async.files.readers.file_format import FileFormat
from welkin_async.files.readers.file_reader import FileReader
from welkin_async.files.readers.file_version import FileVersion, goes_on
from welkin_async.files.readers.formats import StoredRow
from welkin_async.files.readers.input_file import InputFile, check_input
from welkin_async.models.formations import CdtFormation
from welkin_async.resources.formations import Formations
from welkin_async.session import Welkin

_BATCH = 512  # rows


@attrs.define(eq=False)
class OpenedFile:
    """Opened file.

    Attributes:
        input: What was found out of it before.
        source: Its reader, at the first row that is wanted.
        versions: What it was while it was shorter, by a journal, the oldest first.
    """

    input: InputFile
    source: FileReader
    versions: tuple[FileVersion, ...] = ()
    _selected: frozenset[str] | None = attrs.field(default=None, init=False)

    def select(self, names: frozenset[str]) -> None:
        """Say which columns are used: what stands in others refuses no row.

        Args:
            names: Of columns.
        """
        self._selected = names
        self.source.select(names)

    def reopen(self, *, skip: int = 0, limit: int | None = None) -> FileReader:
        """Open the file once more, with the same columns; blocks.

        Args:
            skip: How many rows are left out at the beginning.
            limit: How many rows are read at most; None for all.

        Raises:
            FileError: it cannot be opened, or has changed.
        """
        source = self.input.open(skip=skip, limit=limit)
        if self._selected is not None:
            source.select(self._selected)
        return source

    @property
    def version(self) -> FileVersion:
        """The file as it is; one with faults has no rows that are sure to stay the same when it grows."""
        csv = self.input.csv
        size = 0 if csv is not None and csv.malformed else self.input.size
        return FileVersion(self.digest, size, self.input.rows or 0)

    @property
    def earlier(self) -> tuple[tuple[int, str], ...]:
        """Up to which row it was which file: by these its first rows have their keys."""
        return tuple((version.rows, version.digest) for version in self.versions)

    @property
    def first_digest(self) -> str:
        """SHA-256 of the file as a journal knows it first."""
        return self.versions[0].digest if self.versions else self.digest

    def take_up(self, known: tuple[FileVersion, ...]) -> None:
        """See whether it is one of the versions that a journal knows, or goes on behind the last; blocks.

        Args:
            known: The versions, the oldest first.

        Raises:
            OSError: it cannot be read.
        """
        digests = [version.digest for version in known]
        if self.digest in digests:
            self.versions = known[: digests.index(self.digest)]
        elif known and goes_on(self.input.path, self.version, known[-1]):
            self.versions = known

    @property
    def digest(self) -> str:
        """SHA-256 of its bytes."""
        return self.input.digest


def checked_input(settings: FileSettings) -> InputFile:
    """Look a file through, as its settings say it is read.

    Args:
        settings: Of the run.

    Raises:
        FileError: it cannot be read, or is malformed.
    """
    return check_input(
        settings.file,
        format=None if settings.format is None else FileFormat(settings.format),
        encoding=settings.encoding,
        delimiter=settings.delimiter,
        sheet=settings.sheet,
        malformed=settings.malformed,
    )


async def open_file(settings: FileSettings) -> OpenedFile:
    """Look the file through and open it, in a thread.

    Args:
        settings: Of the run.

    Raises:
        FileError: it cannot be read, or is malformed.
    """
    opened: list[FileReader] = []

    def work() -> OpenedFile:
        found = checked_input(settings)
        opened.append(found.open(skip=settings.skip, limit=settings.limit))
        return OpenedFile(found, opened[0])

    try:
        return await anyio.to_thread.run_sync(work)
    except BaseException:  # a cancelled caller does not get what the thread returned
        for source in opened:
            source.close()
        raise


async def formation_of(welkin: Welkin, cdt: str) -> CdtFormation:
    """Read a CDT's definition.

    Args:
        welkin: An open session.
        cdt: The CDT's name.

    Raises:
        FileError: there is no such CDT.
        WelkinError: the definition could not be read.
    """
    try:
        return await Formations(welkin.scope.with_sure_refusals().within(version="current")).cdts.get(cdt)
    except NotFoundError:
        raise FileError(
            f"the instance has no CDT {cdt}, or none the api client may see, or there is no such instance: "
            "check cdt= and the connection's tenant and instance"
        ) from None


async def check_cdt(welkin: Welkin, cdt: str) -> None:
    """Check that there is such a CDT, as far as the api client may know: it may read records, but no definitions.

    Args:
        welkin: An open session.
        cdt: The CDT's name.

    Raises:
        FileError: there is none.
        WelkinError: the definition could not be read.
    """
    with contextlib.suppress(PermissionDeniedError):
        await formation_of(welkin, cdt)


def _keys_of(key: str | None) -> tuple[str, ...]:
    """Return the keys that a row may have had, that of an earlier version included."""
    former = key.former if isinstance(key, MintedKey) else None
    return (key or "",) if former is None else (key or "", former)


def check_same_import(opened: OpenedFile, mapper: RowMapper, path: Path, held: StoredRow) -> None:
    """Check that a reject file is of this input: its first row must have the key that it would have here.

    Args:
        opened: The file.
        mapper: Gives rows their keys.
        path: The file of rows.
        held: A row of it.

    Raises:
        FileError: it is of another import.
    """
    with contextlib.closing(opened.reopen()) as source:
        while rows := source.read(_BATCH):
            for row in rows:
                if row.line == held.line and held.key in _keys_of(mapper.map(row).key):
                    return
    raise FileError(f"{path} holds rows of another import: move it, or name another")
