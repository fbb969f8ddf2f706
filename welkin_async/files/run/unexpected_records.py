"""Unexpected records: those of a key space that are there and that a file does not name, of the patients it names.

Keys and patients of the file are kept as digests and ids in a temporary SQLite file, which is private and vanishes with
the process. A key counts as named even where its row is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncGenerator, Iterable, Sequence
from hashlib import blake2b
from typing import NamedTuple, Self

import anyio.to_thread

from welkin_async.bulk.keys.cdt_keys import CdtKeys
from welkin_async.bulk.reconciliation.lookup import look
from welkin_async.files.errors import FileError
from welkin_async.files.jobs.create_records import RecordImport
from welkin_async.files.jobs.open_file import OpenedFile
from welkin_async.files.mapping.columns import Column, Columns
from welkin_async.files.mapping.fields import PatientMapping
from welkin_async.files.mapping.patient_lookup import PatientLookup
from welkin_async.files.readers.row import RowError, SourceRow
from welkin_async.models.cdts import CdtRecord

_BATCH = 512  # rows
_TRIES = 8  # listings of a patient until one is complete
_PAUSE = 0.25  # seconds between two
_TABLES = """
CREATE TABLE keys (key BLOB, patient BLOB, spelled BLOB, PRIMARY KEY (key, patient, spelled)) WITHOUT ROWID;
CREATE TABLE patients (place BLOB PRIMARY KEY, id TEXT NOT NULL) WITHOUT ROWID;
"""


class UnexpectedRecord(NamedTuple):
    """A record that the file does not name.

    Attributes:
        patient: The id of the patient it belongs to.
        key: What it carries in the key field.
        record: The record.
    """

    patient: str
    key: str
    record: CdtRecord

    @property
    def updated_at(self) -> str:
        """When it was changed last, as the server writes it."""
        return str(self.record.body.get("updated_at") or "")


class NamedKeys:
    """Named keys: the keys and patients of a file.

    Attributes:
        unreadable: Lines of which the key or the patient could not be read; the first of them.
        refused: How many such lines there are.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)  # no name: a temporary file of SQLite's own
        for setting in ("journal_mode=OFF", "synchronous=OFF", "temp_store=FILE", "cache_size=-2048"):
            self._database.execute(f"PRAGMA {setting}")
        self._database.executescript(_TABLES)
        self.unreadable: int | None = None
        self.refused = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(self, named: Iterable[tuple[str, str]]) -> None:
        """Add rows, as patient and key."""
        rows = [(_place(key.lower()), _place(patient.lower()), _place(key), patient) for patient, key in named]
        self._database.execute("BEGIN")
        self._database.executemany("INSERT OR IGNORE INTO keys VALUES (?, ?, ?)", (row[:3] for row in rows))
        self._database.executemany("INSERT OR IGNORE INTO patients VALUES (?, ?)", ((row[1], row[3]) for row in rows))
        self._database.execute("COMMIT")

    def refuse(self, line: int) -> None:
        """Note a line that could not be read."""
        self.refused += 1
        if self.unreadable is None:
            self.unreadable = line

    def has(self, patient: str, key: str, *, exactly: bool) -> bool:
        """Tell whether a row of a patient has a key: exactly this one, or one that differs from it in case alone."""
        query = "SELECT 1 FROM keys WHERE key = ? AND patient = ?"
        values = [_place(key.lower()), _place(patient.lower())]
        if exactly:
            query, values = f"{query} AND spelled = ?", [*values, _place(key)]
        return self._database.execute(query, values).fetchone() is not None

    def patients_of(self, key: str) -> list[str]:
        """Return the patients of whom rows have a key, or one that differs from it in case alone."""
        query = "SELECT DISTINCT id FROM keys JOIN patients ON place = patient WHERE key = ?"
        return [id for (id,) in self._database.execute(query, (_place(key.lower()),))]

    def patients(self, after: str | None, most: int) -> list[str]:
        """Return patients behind one, in the order in which all are given."""
        place = b"" if after is None else _place(after.lower())
        query = "SELECT id FROM patients WHERE place > ? ORDER BY place LIMIT ?"
        return [id for (id,) in self._database.execute(query, (place, most))]


def _place(name: str) -> bytes:
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()


async def read_named_keys(
    job: RecordImport, opened: OpenedFile, keys: CdtKeys, patients: PatientLookup, named: NamedKeys
) -> None:
    """Read the keys and patients of a file's rows, whatever else is wrong with them.

    Args:
        job: Says where they stand.
        opened: The file.
        keys: Says what a record carries for a key.
        patients: Finds the ids of patients.
        named: Takes them.

    Raises:
        FileError: keys do not stand in a column of their own.
        OSError: the file cannot be read to its end, or has changed.
        UnicodeError: nor decoded.
        AuthenticationError: the server refused the token.
    """
    check_spaced(job)
    assert job.key is not None
    with contextlib.closing(opened.reopen()) as source:
        columns = Columns(
            source.columns, fixed=source.fixed, complete=source.complete, ignore_case=job.settings.ignore_case
        )
        # By what the rows themselves are read: a key or a patient that was read another way would be another one.
        key_column = Column(job.key, columns, nulls=job.settings.nulls)
        mapping = PatientMapping(columns, patient_column=job.patient, nulls=job.settings.nulls)
        while rows := await anyio.to_thread.run_sync(source.read, _BATCH):
            read = [(row, _patient(mapping, row), key_column.text_or_none(row)) for row in rows]
            ids = await patients.resolve(patient for _, patient, _ in read if patient)
            found = []
            for row, patient, key in read:
                id = ids.get(patient)
                if row.problem is not None or row.key or not key or not isinstance(id, str):
                    named.refuse(row.line)
                else:
                    found.append((id, keys.assign(key, {})))
            named.add(found)


def _patient(mapping: PatientMapping, row: SourceRow) -> str:
    """Return the key of a row's patient; empty where it cannot be read."""
    read = mapping.apply(row)
    return "" if isinstance(read, RowError) or read.problems else read.patient


def check_spaced(job: RecordImport) -> None:
    """Check that a job's keys are of a key space, so that it is known which records are of its source.

    Args:
        job: The job.

    Raises:
        FileError: they are not.
    """
    if job.key is None or job.key_space is None or job.key_field != "external_id":
        raise FileError("records of a source are told from others by their keys: it needs key= and key_space=")
    if job.single_record:
        raise FileError("a single record is found by its patient: none is told from others by its key")
    if any(map_.field.name == "external_id" for map_ in job.settings.mapping):
        raise FileError("keys stand in the column of key= alone: no other is sent as external_id")


async def unexpected_records(
    keys: CdtKeys, named: NamedKeys, space: str, *, concurrency: int, exactly: bool
) -> AsyncGenerator[UnexpectedRecord | str, None]:
    """List the patients of a file, and give the records of its key space that it does not name.

    Args:
        keys: Lists patients.
        named: The file's keys and patients.
        space: The key space.
        concurrency: How many patients are listed at once.
        exactly: Whether a record is not named by a key that differs from its own in case alone. What is to be deleted
            had better be named by it: servers may write keys their own way.

    Yields:
        A record, or the id of a patient who could not be listed.

    Raises:
        AuthenticationError: the server refused the token.
    """
    after = None
    while patients := named.patients(after, concurrency):
        after = patients[-1]
        for patient, records in zip(
            patients, await asyncio.gather(*(listed(keys, each) for each in patients)), strict=True
        ):
            if records is None:
                yield patient
                continue
            for record in records:
                key = keys.key_of(record)
                if key is not None and key.startswith(f"{space}/") and not named.has(patient, key, exactly=exactly):
                    yield UnexpectedRecord(patient, key, record)


async def listed(keys: CdtKeys, patient: str) -> Sequence[CdtRecord] | None:
    """List a patient until that is complete.

    Args:
        keys: Lists patients.
        patient: The patient's id.

    Returns:
        The records; None where the patient cannot be listed.

    Raises:
        AuthenticationError: the server refused the token.
    """
    for _ in range(_TRIES):
        records, _answered, _error = await look(keys.listing(patient, 0.0), None)
        if records is not None:
            return records
        await asyncio.sleep(_PAUSE)
    return None
