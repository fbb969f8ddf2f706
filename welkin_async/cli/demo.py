"""``welkin-async demo``: an import against a server of its own, read back and compared record by record."""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import attrs

from welkin_async.bulk import CdtRow, Progress, Report, create_cdt_records
from welkin_async.cli.loop import in_parallel
from welkin_async.cli.medications import medication, patient_names
from welkin_async.cli.progress import progress_shown
from welkin_async.cli.tally import Tally
from welkin_async.cli.text import aligned, whole
from welkin_async.sandbox import SandboxProcess
from welkin_async.session import Welkin

__all__ = ["Demo"]

_CDT = "medication"
_PAGE = 100


@attrs.frozen
class Demo:
    """What is shown.

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
        print(f"A local Welkin V8 server, in a process of its own; Python {platform.python_version()}.\n")  # noqa: T201
        async with SandboxProcess() as server:
            welkin = Welkin(
                tenant=server.tenant,
                instance=server.instance,
                api_client=server.api_client,
                secret_key=server.secret_key,
                base_url=server.base_url,
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
        tally = Tally(total=self.records)

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
        tally = Tally(total=self.records)

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
