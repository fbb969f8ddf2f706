"""``welkin-async demo``: an import against a server of its own, read back and compared record by record."""

from __future__ import annotations

import platform
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from welkin_async.bulk import CdtRow, Progress, Report, create_cdt_records
from welkin_async.cli.progress import progress_shown
from welkin_async.cli.runtime import in_parallel
from welkin_async.files.report.row_counts import RowCounts
from welkin_async.files.report.text import aligned, whole
from welkin_async.session import Welkin
from welkin_async.wire.dates import format_datetime

_DRUGS = (
    ("Lisinopril", ("5 mg", "10 mg", "20 mg")),
    ("Metformin", ("500 mg", "850 mg", "1000 mg")),
    ("Atorvastatin", ("10 mg", "20 mg", "40 mg")),
    ("Levothyroxine", ("25 mcg", "50 mcg", "100 mcg")),
    ("Amlodipine", ("2.5 mg", "5 mg", "10 mg")),
    ("Omeprazole", ("20 mg", "40 mg")),
    ("Sertraline", ("25 mg", "50 mg", "100 mg")),
    ("Albuterol", ("90 mcg/actuation",)),
    ("Loratadine", ("10 mg",)),
    ("Ibuprofen", ("200 mg", "400 mg", "600 mg")),
    ("Amoxicillin", ("250 mg", "500 mg")),
    ("Insulin glargine", ("100 units/mL",)),
)
_NOTES = (
    "Take with food.",
    "Take in the morning.",
    "Take at bedtime.",
    "Two puffs as needed.",
    "Recheck levels in 6 weeks.",
    "Started after discharge.",
)
_ICD = ("I10", "E11.9", "E78.5", "E03.9", "K21.9", "F41.1", "J45.909", "J30.2")
_FIRST = ("Alex", "Blair", "Casey", "Devon", "Emery", "Finley", "Harper", "Jordan", "Morgan", "Riley")
_LAST = ("Abbott", "Brooks", "Carter", "Dawson", "Ellis", "Foster", "Hayes", "Jensen", "Keller", "Lowe")
_FIRST_DAY = datetime(2015, 1, 1, tzinfo=UTC)


def medication(seed: int, number: int) -> dict[str, Any]:
    """Return the fields of one record of the sandbox's ``medication``; the same for the same numbers.

    Args:
        seed: Which collection of records.
        number: Which record of it.
    """
    pick = _Picks(seed, number)
    name, doses = pick.of(_DRUGS)
    return {
        "medication_name": name,
        "medication_status": "active" if pick.below(4) else "inactive",
        "medication_dose": pick.of(doses),
        "medication_start_date": format_datetime(_FIRST_DAY + timedelta(minutes=15 * pick.below(350_000))),
        "medication_notes": pick.of(_NOTES),
        "medication_refills": pick.below(12),
        "medication_as_needed": pick.below(5) == 0,
        "icd-10": pick.of(_ICD),
    }


def patient_names(seed: int, count: int) -> Iterator[tuple[str, str]]:
    """Yield first and last names of made-up patients.

    Args:
        seed: Which collection.
        count: How many.
    """
    for number in range(count):
        pick = _Picks(seed, -1 - number)
        yield pick.of(_FIRST), pick.of(_LAST)


class _Picks:
    """Choices that depend on two numbers alone; setting up a `random.Random` for each record would cost far more."""

    def __init__(self, seed: int, number: int) -> None:
        text = f"{seed}/{number}".encode()
        self._left = zlib.crc32(text) << 32 | zlib.adler32(text[::-1], zlib.crc32(text[::-1]))

    def below(self, count: int) -> int:
        self._left, picked = divmod(self._left, count)
        return picked

    def of(self, values: tuple[Any, ...]) -> Any:
        return values[self.below(len(values))]


_CDT = "medication"
_PAGE = 100


@attrs.frozen
class Demo:
    """Demo: an import against a local server, read back and compared.

    Attributes:
        records: How many records are created.
        patients: For how many patients.
        concurrency: How many requests at once.
        seed: Which records.
    """

    records: int = 20_000
    patients: int = 200
    concurrency: int = 64
    seed: int = 1

    async def run(self) -> int:
        """Start the server, import, read back, compare and print.

        Returns:
            The exit code: 0 where both sides agree, else 1.

        Raises:
            WelkinError: a patient could not be created, or a page not be read.
            RuntimeError: the server did not start.
        """
        from welkin_async.sandbox import SandboxProcess  # not for the other commands

        print(f"A local Welkin V8 server, in a process of its own; Python {platform.python_version()}.\n")  # noqa: T201
        async with SandboxProcess() as server:
            welkin = Welkin(
                tenant=server.tenant,
                instance=server.instance,
                api_client=server.api_client,
                secret_key=server.secret_key,
                base_url=server.base_url,
                engine="auto",
            )
            async with welkin:
                ids = await self._create_patients(welkin)
                report = await self._import(welkin, ids)
                started = time.monotonic()
                read, differing = await self._compare(welkin, ids)
                reading = time.monotonic() - started
            counted = await server.records(_CDT)
            stats = await server.stats()
        wanted = {patient: self._count_of(number) for number, patient in enumerate(ids)}
        counts_agree = counted["patients"] == {patient: count for patient, count in wanted.items() if count}
        agree = report.created == self.records == read and not differing and counts_agree
        agree = agree and stats["token_requests"] == 1
        lines = [
            ("patients created", whole(len(ids)), ""),
            ("records created", whole(report.created), f"of {whole(self.records)}, {self.concurrency} at a time"),
            ("seconds", f"{report.seconds:.2f}", ""),
            ("records per second", whole(round(report.created / report.seconds)), ""),
            ("retries", whole(report.retried), ""),
            ("token requests", whole(stats["token_requests"]), ""),
            ("records read back", whole(read), f"page by page, in {reading:.2f} s"),
            ("records the server counts", whole(counted["total"]), ""),
            ("patients that differ", whole(differing), ""),
        ]
        print(aligned(lines))  # noqa: T201
        yes = "Both sides agree: every record is there once, with the fields that were sent."
        print(f"\n{yes if agree else 'The two sides do NOT agree.'}")  # noqa: T201
        return 0 if agree else 1

    def _count_of(self, number: int) -> int:
        return len(range(number, self.records, self.patients))

    def _rows(self, ids: list[str]) -> Iterator[CdtRow]:
        """Spread the records over the patients, as they come."""
        for number in range(self.records):
            yield CdtRow(ids[number % self.patients], medication(self.seed, number), str(number))

    async def _create_patients(self, welkin: Welkin) -> list[str]:
        ids = [""] * self.patients

        async def create(numbered: tuple[int, tuple[str, str]]) -> None:
            """Create one patient."""
            number, (first_name, last_name) = numbered
            patient = await welkin.patients.create(first_name=first_name, last_name=last_name)
            ids[number] = patient.id

        names = patient_names(self.seed, self.patients)
        await in_parallel(enumerate(names), create, concurrency=self.concurrency)
        return ids

    async def _import(self, welkin: Welkin, ids: list[str]) -> Report:
        tally = RowCounts(total=self.records)

        def note(progress: Progress) -> None:
            tally.done, tally.rejected = progress.created, progress.rejected
            tally.failed, tally.unknown, tally.retried = progress.failed, progress.unknown, progress.retried

        async with progress_shown(tally, lines=False):
            return await create_cdt_records(
                welkin, _CDT, self._rows(ids), concurrency=self.concurrency, on_progress=note
            )

    async def _compare(self, welkin: Welkin, ids: list[str]) -> tuple[int, int]:
        """Walk every patient's records and compare what is there with what was sent, as multisets.

        Returns:
            How many records were read, and how many patients differ.
        """
        read = differing = 0
        tally = RowCounts(total=self.records)

        async def compare(numbered: tuple[int, str]) -> None:
            """Compare one patient's records."""
            nonlocal read, differing
            number, patient = numbered
            sent = Counter(_content(medication(self.seed, each)) for each in range(number, self.records, self.patients))
            found: Counter[tuple[Any, ...]] = Counter()
            async for record in welkin.patient(patient).cdts(_CDT).list(size=_PAGE, sort="created_at,asc"):
                found[_content(record.fields)] += 1
            read += found.total()
            tally.done = read
            differing += found != sent

        async with progress_shown(tally, lines=False):
            await in_parallel(enumerate(ids), compare, concurrency=min(self.concurrency, self.patients))
        return read, differing


def _content(fields: Any) -> tuple[Any, ...]:
    """Return a record's fields in a form that can be counted; the server adds null for fields that were not sent."""
    return tuple(sorted((name, type(value).__name__, value) for name, value in fields.items() if value is not None))
