"""welkin_async, used as its README says; on the stock loop with json, or with the ``speed`` extra."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from benchmarks import payloads
from benchmarks.serving import refuse_by_chance
from benchmarks.sides.decoding import decode
from benchmarks.sides.service import share_loop
from benchmarks.sides.steered import Tally, until
from benchmarks.sides.work import Job, Watch, measured, peak_rss
from welkin_async import Attempt, Welkin
from welkin_async.bulk import CdtRow, create_cdt_records

__all__ = [
    "chance",
    "create",
    "create_single",
    "decode",
    "get",
    "loop_share",
    "memory",
    "rows",
    "session",
    "throttle",
    "token",
    "walk",
]


def session(job: Job, **settings: Any) -> Welkin:
    """Return a session with the server under measurement, not yet open."""
    return Welkin(
        base_url=job.base_url,
        tenant=payloads.TENANT,
        instance=payloads.INSTANCE,
        api_client=payloads.API_CLIENT,
        secret_key=payloads.SECRET,
        **settings,
    )


def rows(job: Job, count: int) -> Iterator[CdtRow]:
    """Yield so many rows to import."""
    for patient_id, fields in payloads.rows(job.patients, count):
        yield CdtRow(patient_id, fields)


async def create(job: Job) -> dict[str, Any]:
    """Create records in bulk, checks at their defaults."""
    async with session(job) as welkin:

        async def work(count: int) -> int:
            report = await create_cdt_records(welkin, payloads.CDT, rows(job, count), concurrency=job.concurrency)
            if getattr(report, "altered", 0):
                raise RuntimeError(f"{report.altered} rows count as altered")
            return report.created

        return await measured(job, work)


async def create_single(job: Job) -> dict[str, Any]:
    """Create records one by one, from so many tasks."""
    async with session(job) as welkin:

        async def worker(given: Iterator[tuple[str, dict[str, Any]]]) -> int:
            created = 0
            for patient_id, fields in given:
                record = await welkin.patient(patient_id).cdts(payloads.CDT).create(fields)
                created += record.id is not None
            return created

        async def work(count: int) -> int:
            given = payloads.rows(job.patients, count)
            return sum(await asyncio.gather(*(worker(given) for _ in range(job.concurrency))))

        return await measured(job, work)


async def get(job: Job) -> dict[str, Any]:
    """Read patients one by one."""
    async with session(job) as welkin:

        async def worker(ids: Iterator[int]) -> int:
            read = 0
            for number in ids:
                patient = await welkin.patients.get(payloads.patient_id(number))
                read += patient.first_name == "Charlie"
            return read

        async def work(count: int) -> int:
            ids = iter(range(count))
            return sum(await asyncio.gather(*(worker(ids) for _ in range(job.concurrency))))

        return await measured(job, work)


async def loop_share(job: Job) -> dict[str, Any]:
    """Read patients at a steady pace, beside a task that wants to run."""
    async with session(job) as welkin:

        async def read(number: int) -> bool:
            return (await welkin.patients.get(payloads.patient_id(number))).first_name == "Charlie"

        return await share_loop(job, read)


async def walk(job: Job) -> dict[str, Any]:
    """Walk a list and look at two typed fields of each record."""
    async with session(job) as welkin:
        medications = welkin.patient(payloads.patient_id(0)).cdts(payloads.CDT)

        async def work(count: int) -> int:
            seen = 0
            async for record in medications.list(size=job.size):
                seen += record.id != "" and record.version == 1
                if seen >= count:
                    break
            return seen

        return await measured(job, work)


async def memory(job: Job) -> dict[str, Any]:
    """Create records and tell the peak."""
    return {**await create(job), "peak_mb": peak_rss()}


async def throttle(job: Job) -> dict[str, Any]:
    """Create records in bulk against a server that refuses what is too much."""
    tally = Tally.of(job)

    def attempted(attempt: Attempt) -> None:
        tally.note(refused=attempt.status == 429)

    async with session(job, on_attempt=attempted) as welkin:
        await create_cdt_records(
            welkin, payloads.CDT, (CdtRow(*row) for row in until(job)), concurrency=job.concurrency
        )
    return tally.throttling(job)


async def chance(job: Job) -> dict[str, Any]:
    """Create records in bulk against a server that refuses some by chance."""
    refuse_by_chance(job.base_url, job.chance)
    async with session(job) as welkin:
        given = (CdtRow(*row) for row in until(job))
        watch = Watch()
        report = await create_cdt_records(welkin, payloads.CDT, given, concurrency=job.concurrency)
        return watch.stop(report.created, least=job.records)


async def token(job: Job) -> dict[str, Any]:
    """Create records in bulk from a cold start on, with tokens that live for seconds."""
    tally, unauthorized = Tally(), 0

    def attempted(attempt: Attempt) -> None:
        nonlocal unauthorized
        unauthorized += attempt.status == 401
        if attempt.request.operation == "cdts.create" and attempt.status == 201:
            tally.note(refused=False)

    async with session(job, on_attempt=attempted) as welkin:
        given = (CdtRow(*row) for row in until(job))
        report = await create_cdt_records(welkin, payloads.CDT, given, concurrency=job.concurrency)
        return {
            "first_ms": tally.first * 1e3,
            "longest_ms": tally.longest * 1e3,
            "tokens": welkin.transport.tokens.requests,
            "unauthorized": unauthorized,
            "lost": report.rows - report.created,
        }
