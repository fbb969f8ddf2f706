"""Plan of an import by chunks: which rows of a file belong together, as references that any worker can follow."""

from __future__ import annotations

import contextlib
import hashlib
import os
from array import array
from pathlib import Path
from typing import TypedDict, Unpack

import attrs

from welkin_async.bulk.actions.create_cdt import CreateCdt
from welkin_async.files.chunks.object_file import local_copy, object_name, object_url
from welkin_async.files.errors import FileError
from welkin_async.files.jobs.create_records import RecordImport
from welkin_async.files.jobs.open_file import checked_input
from welkin_async.files.mapping.columns import Column, Columns
from welkin_async.files.options import FileSettings, Format, Malformed
from welkin_async.files.readers.file_reader import FileReader
from welkin_async.files.readers.input_file import InputFile
from welkin_async.files.readers.row import SourceRow
from welkin_async.session import Welkin
from welkin_async.wire.tracebacks import without_frames

_BATCH = 512  # rows


@attrs.frozen
class Chunk:
    """Chunk: some rows of a file, by their positions; it holds nothing of them.

    Attributes:
        id: The same for the same rows of the same file.
        ranges: Of positions, each from the first to the one behind the last.
    """

    id: str
    ranges: tuple[tuple[int, int], ...]

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(stop - start for start, stop in self.ranges)


@attrs.frozen(kw_only=True)
class Plan:
    """Plan: the chunks of a file.

    Attributes:
        file: The file; of an object its name.
        digest: SHA-256 of its bytes: chunks are of this file, and a worker that finds another one refuses it.
        by: The column whose equal values stay together.
        chunks: In the order of their first rows.
    """

    file: Path
    digest: str
    by: str
    chunks: tuple[Chunk, ...]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(chunk.rows for chunk in self.chunks)


class PlanOptions(TypedDict, total=False):
    """How the file is read; see `RunOptions`.

    Attributes:
        format: The file's format; by its name where it is None.
        encoding: The encoding of a text file; found out where it is None.
        delimiter: What stands between cells; found out where it is None.
        sheet: The sheet of a workbook.
        malformed: What to do about malformed quotes.
        ignore_case: Whether names of columns may differ in case.
    """

    format: Format | None
    encoding: str | None
    delimiter: str | None
    sheet: str | None
    malformed: Malformed
    ignore_case: bool


@without_frames
def plan(
    source: str | os.PathLike[str],
    *,
    by: str = "patient",
    rows: int = 5000,
    key: str | None = None,
    **options: Unpack[PlanOptions],
) -> Plan:
    """Divide the rows of a file into chunks, each of which one worker imports; it blocks, and reads the file once.

    The rows of a patient are in one chunk, also where that has more rows than asked for, because a patient's records
    are looked through by one worker. A file that is sorted by patient makes chunks that are read fastest: a worker
    reads the file from its beginning to the last row of a chunk. Eight bytes for each row, and about 150 for each
    patient and each key, are held in memory meanwhile.

    Args:
        source: The file, or the URL of an object in an object storage (extra ``parquet``).
        by: The column that names the patient.
        rows: How many rows a chunk is to have.
        key: The column that holds rows' keys; None where they are made from the rows' positions.
        options: How the file is read; see `PlanOptions`.

    Raises:
        FileError: the file cannot be read, has no such column, or a key is in more than one chunk.
    """
    url = object_url(source)
    given = FileSettings(file=Path(source) if url is None else Path(object_name(url)), url=url, **options)
    with local_copy(given) as settings:
        made = divide(checked_input(settings), settings, by=by, rows=rows, key=key)
    return attrs.evolve(made, file=given.file)


def divide(found: InputFile, settings: FileSettings, *, by: str, rows: int, key: str | None) -> Plan:
    """Divide the rows of a file into chunks; see `plan`.

    Args:
        found: The file, looked through.
        settings: How it is read.
        by: The column that names the patient.
        rows: How many rows a chunk is to have.
        key: The column that holds rows' keys, or None.

    Raises:
        FileError: see `plan`.
    """
    if rows < 1:
        raise FileError("rows= of a chunk is at least 1")
    with contextlib.closing(found.open(skip=settings.skip, limit=settings.limit)) as reader:
        columns = Columns(
            reader.columns, fixed=reader.fixed, complete=reader.complete, ignore_case=settings.ignore_case
        )
        division = _Division(Column(by, columns), None if key is None else Column(key, columns), rows)
        needed = columns.needed(name for name in (by, key) if name is not None)
        if reader.complete and needed is not None:
            reader.select(needed)
        try:
            while batch := reader.read(_BATCH):
                for row in batch:
                    division.add(row)
        except (OSError, UnicodeError) as error:
            raise FileError(f"the file cannot be read ({type(error).__name__})") from None
    return Plan(file=settings.file, digest=found.digest, by=by, chunks=division.chunks(found.digest))


class _Division:
    """Gives each patient a chunk, in the order in which they come, once all their rows are known."""

    def __init__(self, by: Column, key: Column | None, rows: int) -> None:
        self._by = by
        self._key = key
        self._rows = rows
        self._patients: dict[bytes, int] = {}
        self._positions: list[array[int]] = []  # of the rows of each patient
        self._keys: dict[bytes, int] = {}
        self._same_key: list[tuple[int, int, int]] = []  # two patients, and the line of the second one's row

    def add(self, row: SourceRow) -> None:
        """Take a row in; those that name no patient belong together, as none of them is ever sent."""
        patient = self._patients.setdefault(_digest(self._by.text_or_none(row) or ""), len(self._positions))
        if patient == len(self._positions):
            self._positions.append(array("q"))
        self._positions[patient].append(row.position)
        key = None if self._key is None else self._key.text_or_none(row)
        if key and (owner := self._keys.setdefault(_digest(key), patient)) != patient:
            self._same_key.append((owner, patient, row.line))

    def chunks(self, digest: str) -> tuple[Chunk, ...]:
        """Return the chunks.

        Raises:
            FileError: rows of two chunks have the same key.
        """
        held: list[list[int]] = []
        of: list[int] = []
        for positions in self._positions:
            if not held or len(held[-1]) >= self._rows:
                held.append([])
            held[-1].extend(positions)
            of.append(len(held) - 1)
        for owner, patient, line in self._same_key:
            if of[owner] != of[patient]:
                raise FileError(
                    f"line {line}: another patient's row has the same key, and would go to another worker; keys of "
                    "different patients must differ"
                )
        return tuple(_chunk(digest, number, _ranges(positions)) for number, positions in enumerate(held))


def _ranges(positions: list[int]) -> tuple[tuple[int, int], ...]:
    """Return positions as ranges, in their order."""
    found: list[tuple[int, int]] = []
    for position in sorted(positions):
        if found and found[-1][1] == position:
            found[-1] = found[-1][0], position + 1
        else:
            found.append((position, position + 1))
    return tuple(found)


def _chunk(digest: str, number: int, ranges: tuple[tuple[int, int], ...]) -> Chunk:
    named = hashlib.sha256(f"{digest} {ranges}".encode()).hexdigest()[:16]
    return Chunk(f"{number:06}-{named}", ranges)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


class ChunkReader:
    """The rows of a chunk, each with its position in the whole file; see `FileReader`.

    Args:
        reader: At the first row of the chunk, or before; closed with this.
        chunk: Which rows are wanted.
    """

    def __init__(self, reader: FileReader, chunk: Chunk) -> None:
        self._reader = reader
        self._ranges = list(chunk.ranges)[::-1]
        self.columns = reader.columns
        self.fixed = reader.fixed
        self.complete = reader.complete
        self.form = reader.form
        self.encoding = reader.encoding
        self.total: int | None = chunk.rows

    @property
    def blank(self) -> int:
        """How many rows without any content were left out so far."""
        return self._reader.blank

    def select(self, names: frozenset[str]) -> None:
        """Say which columns are used; see `FileReader`."""
        self._reader.select(names)

    def read(self, most: int) -> list[SourceRow]:
        """Return the next rows of the chunk; see `FileReader`."""
        while self._ranges:
            batch = self._reader.read(most)
            if not batch:
                return []
            if wanted := [row for row in batch if self._wants(row.position)]:
                return wanted
        return []

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def _wants(self, position: int) -> bool:
        while self._ranges and self._ranges[-1][1] <= position:
            self._ranges.pop()
        return bool(self._ranges) and self._ranges[-1][0] <= position


def open_chunk(found: InputFile, chunk: Chunk) -> ChunkReader:
    """Open a file at a chunk.

    Args:
        found: The file, looked through.
        chunk: Which rows are wanted.

    Raises:
        FileError: it cannot be opened, or has changed.
    """
    first, behind = chunk.ranges[0][0], chunk.ranges[-1][1]
    return ChunkReader(found.open(skip=first, limit=behind - first), chunk)


def run_identity(made: Plan, job: RecordImport, welkin: Welkin) -> str:
    """Return what tells an import by a plan from any other: the file, where its rows go, and what decides them.

    Its first 16 characters name the run, so that the same call goes on with it, whatever its workers are.

    Args:
        made: The plan.
        job: What is done with rows.
        welkin: A session.

    Raises:
        InvalidInputError: the CDT's name does not fit.
    """
    target = CreateCdt(welkin.scope, job.cdt, check="off", key_field=None).target
    decisive = {
        "settings": job.settings.bulk(made.digest, lambda _: None).get("source"),
        "patient": job.patient.decisive,
        "key_field": job.key_field,
        "key": job.key,
        "space": job.key_space,
    }
    chunks = hashlib.sha256(repr([chunk.id for chunk in made.chunks]).encode()).hexdigest()
    everything = repr((made.digest, target, chunks, sorted(decisive.items())))
    return hashlib.sha256(everything.encode("utf-8", "surrogatepass")).hexdigest()
