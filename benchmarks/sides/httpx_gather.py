"""httpx with one client and as many tasks as the others have, gathered."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from benchmarks import payloads
from benchmarks.sides.work import Job, measured

__all__ = ["create", "create_single", "get", "walk"]


@asynccontextmanager
async def _client(job: Job) -> AsyncIterator[Any]:
    httpx: Any = importlib.import_module("httpx")
    limits = httpx.Limits(max_connections=job.concurrency, max_keepalive_connections=job.concurrency)
    async with httpx.AsyncClient(base_url=job.base_url, limits=limits, timeout=30.0, trust_env=False) as client:
        path = f"/{payloads.TENANT}/admin/api_clients/{payloads.API_CLIENT}"
        token = (await client.post(path, json={"secret": payloads.SECRET})).json()["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


async def create(job: Job) -> dict[str, Any]:
    """Create records."""
    async with _client(job) as client:

        async def worker(rows: Iterator[tuple[str, dict[str, Any]]]) -> int:
            created = 0
            for patient_id, fields in rows:
                response = await client.post(payloads.cdt_path(patient_id), json=fields)
                response.raise_for_status()
                created += response.json()["id"] is not None
            return created

        async def work(count: int) -> int:
            rows = payloads.rows(job.patients, count)
            return sum(await asyncio.gather(*(worker(rows) for _ in range(job.concurrency))))

        return await measured(job, work)


create_single = create


async def get(job: Job) -> dict[str, Any]:
    """Read patients one by one."""
    async with _client(job) as client:
        path = f"/{payloads.TENANT}/{payloads.INSTANCE}/patients/"

        async def worker(ids: Iterator[int]) -> int:
            read = 0
            for number in ids:
                response = await client.get(path + payloads.patient_id(number))
                response.raise_for_status()
                read += response.json()["firstName"] == "Charlie"
            return read

        async def work(count: int) -> int:
            ids = iter(range(count))
            return sum(await asyncio.gather(*(worker(ids) for _ in range(job.concurrency))))

        return await measured(job, work)


async def walk(job: Job) -> dict[str, Any]:
    """Walk a list page by page and look at two fields of each record."""
    async with _client(job) as client:
        path = payloads.cdt_path(payloads.patient_id(0))

        async def work(count: int) -> int:
            seen = number = 0
            last = False
            while not last and seen < count:
                response = await client.get(path, params={"page": number, "size": job.size})
                response.raise_for_status()
                page = response.json()["data"]
                for record in page["content"]:
                    seen += record["id"] is not None and record["version"] == 1
                last, number = page["last"], number + 1
            return seen

        return await measured(job, work)
