"""welkin_async with a journal, as an import of a file keeps one: the source is known by the file's digest."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import payloads
from benchmarks.sides.sdk import rows, session
from benchmarks.sides.work import Job, measured, peak_rss
from welkin_async.bulk import create_cdt_records

__all__ = ["create", "memory"]


async def create(job: Job) -> dict[str, Any]:
    """Create records in bulk with a journal, each time a new one."""
    with TemporaryDirectory() as folder:
        async with session(job) as welkin:

            async def work(count: int) -> int:
                report = await create_cdt_records(
                    welkin,
                    payloads.CDT,
                    rows(job, count),
                    concurrency=job.concurrency,
                    journal=Path(folder, f"{count}.journal"),
                    source="0" * 64,
                )
                return report.created

            return await measured(job, work)


async def memory(job: Job) -> dict[str, Any]:
    """Create records and tell the peak."""
    return {**await create(job), "peak_mb": peak_rss()}
