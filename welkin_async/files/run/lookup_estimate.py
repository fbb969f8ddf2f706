"""Estimate of look-ups: reads a file's patients, and asks for the totals of a sample of them."""

from __future__ import annotations

import asyncio
import contextlib
import math

import anyio.to_thread

from welkin_async.errors import WelkinError
from welkin_async.files.errors import FileError
from welkin_async.files.jobs.job import FileJob
from welkin_async.files.jobs.open_file import OpenedFile
from welkin_async.files.mapping.columns import Columns
from welkin_async.files.mapping.fields import PatientMapping
from welkin_async.files.mapping.patient_lookup import PatientLookup
from welkin_async.files.readers.row import RowError
from welkin_async.files.report.lookup_cost import LookupCost, PatientSketch
from welkin_async.files.report.text import whole
from welkin_async.session import Welkin

_BATCH = 512  # rows
_FEW = 20  # list requests that no run is refused for
_CHOICES = "Give a higher max_lookups=, or existing='trust' where no row can be there already: then none is looked for"


async def estimate_lookups(
    job: FileJob, welkin: Welkin, opened: OpenedFile, patients: PatientLookup | None
) -> LookupCost:
    """Estimate what it costs to look for the rows of a file; a request for each of a few patients, and nothing is sent.

    Args:
        job: What is done with them.
        welkin: An open session.
        opened: The file, whose columns have been selected.
        patients: Finds the ids of the patients that are asked about; None to ask about none.

    Raises:
        OSError: the file cannot be read, or has changed.
        UnicodeError: nor decoded any further.
        AuthenticationError: the server refused the token while patients were looked up.
    """
    sketch = await anyio.to_thread.run_sync(_read, job, opened)
    keys = job.keys(welkin)
    if job.patient is None or keys is None:  # a row is looked for by itself
        return LookupCost(rows=sketch.rows, patients=sketch.rows, listings=sketch.rows, afterwards=0)
    ids = {} if patients is None else await patients.resolve(sketch.sample)
    known = [id for id in ids.values() if isinstance(id, str)]

    async def listings(patient: str) -> int:
        with contextlib.suppress(WelkinError):
            return await keys.count_listings(patient)
        return 1  # its rows will say what is wrong with it

    told = await asyncio.gather(*map(listings, known)) or [1]
    share = sum(told) / len(told)
    return LookupCost(
        rows=sketch.rows,
        patients=sketch.patients,
        listings=math.ceil(sketch.patients * share),
        afterwards=sketch.patients,
    )


async def check_lookups(job: FileJob, welkin: Welkin, opened: OpenedFile) -> None:
    """Refuse a run whose look-ups cost more than they may; what else is wrong with the file the run itself says.

    Args:
        job: What is done with the file's rows.
        welkin: An open session.
        opened: The file.

    Raises:
        FileError: they cost more.
    """
    cost: LookupCost | None = None
    with contextlib.suppress(OSError, UnicodeError, WelkinError):
        cost = await estimate_lookups(job, welkin, opened, job.patients(welkin))
    if cost is not None:
        check_bound(cost, job.most_lookups)


def check_bound(cost: LookupCost, most: float | None) -> None:
    """Refuse a run whose look-ups cost more than they may.

    Args:
        cost: What they are expected to cost.
        most: How many list requests a row may take, beyond a few for them all; None for any number.

    Raises:
        FileError: they cost more.
    """
    if most is not None and cost.per_row > most and cost.listings + cost.afterwards > _FEW:
        raise FileError(f"{cost}, more than the {whole_or_part(most)} that it may take. Nothing was sent. {_CHOICES}")


def whole_or_part(number: float) -> str:
    """Write a bound as a person would."""
    return whole(int(number)) if number == int(number) else f"{number:g}"


def _read(job: FileJob, opened: OpenedFile) -> PatientSketch:
    """Read the patients of all rows; blocks."""
    settings, sketch = job.settings, PatientSketch()
    with contextlib.closing(opened.reopen(skip=settings.skip, limit=settings.limit)) as source:
        columns = Columns(
            source.columns, fixed=source.fixed, complete=source.complete, ignore_case=settings.ignore_case
        )
        mapping = PatientMapping(columns, patient_column=job.patient, nulls=settings.nulls)
        while rows := source.read(_BATCH):
            for row in rows:
                found = mapping.apply(row)
                sketch.add("" if isinstance(found, RowError) else found.patient)
    return sketch
