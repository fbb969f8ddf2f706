"""pyreqwest, a client in Rust, with as many tasks as the others have and orjson."""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from benchmarks import payloads
from benchmarks.sides.service import share_loop
from benchmarks.sides.work import Job, measured

__all__ = ["create", "create_single", "get", "loop_share", "walk"]


@asynccontextmanager
async def _client(job: Job) -> AsyncIterator[Any]:
    builder = importlib.import_module("pyreqwest.client").ClientBuilder
    path = f"{job.base_url}/{payloads.TENANT}/admin/api_clients/{payloads.API_CLIENT}"
    async with _trusting(builder()).build() as client:
        answer = await client.post(path).body_bytes(orjson.dumps({"secret": payloads.SECRET})).build().send()
        token = orjson.loads(memoryview(await answer.bytes()))["token"]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    async with _trusting(builder()).default_headers(headers).error_for_status(True).build() as client:
        yield client


def _trusting(builder: Any) -> Any:
    """Let it trust what Python is told to trust."""
    file = os.environ.get("SSL_CERT_FILE")
    return builder.add_root_certificate_pem(Path(file).read_bytes()) if file else builder


async def create(job: Job) -> dict[str, Any]:
    """Create records."""
    async with _client(job) as client:

        async def worker(rows: Iterator[tuple[str, dict[str, Any]]]) -> int:
            created = 0
            for patient_id, fields in rows:
                request = client.post(job.base_url + payloads.cdt_path(patient_id)).body_bytes(orjson.dumps(fields))
                answer = await request.build().send()
                created += orjson.loads(memoryview(await answer.bytes()))["id"] is not None
            return created

        async def work(count: int) -> int:
            rows = payloads.rows(job.patients, count)
            return sum(await asyncio.gather(*(worker(rows) for _ in range(job.concurrency))))

        return await measured(job, work)


create_single = create


async def get(job: Job) -> dict[str, Any]:
    """Read patients one by one."""
    async with _client(job) as client:

        async def worker(ids: Iterator[int]) -> int:
            return sum([await _read(job, client, number) for number in ids])

        async def work(count: int) -> int:
            ids = iter(range(count))
            return sum(await asyncio.gather(*(worker(ids) for _ in range(job.concurrency))))

        return await measured(job, work)


async def _read(job: Job, client: Any, number: int) -> bool:
    path = f"{job.base_url}/{payloads.TENANT}/{payloads.INSTANCE}/patients/{payloads.patient_id(number)}"
    answer = await client.get(path).build().send()
    return bool(orjson.loads(memoryview(await answer.bytes()))["firstName"] == "Charlie")


async def loop_share(job: Job) -> dict[str, Any]:
    """Read patients at a steady pace, beside a task that wants to run."""
    async with _client(job) as client:
        return await share_loop(job, lambda number: _read(job, client, number))


async def walk(job: Job) -> dict[str, Any]:
    """Walk a list page by page and look at two fields of each record."""
    async with _client(job) as client:
        path = job.base_url + payloads.cdt_path(payloads.patient_id(0))

        async def work(count: int) -> int:
            seen = number = 0
            last = False
            while not last and seen < count:
                answer = await client.get(f"{path}?page={number}&size={job.size}").build().send()
                page = orjson.loads(memoryview(await answer.bytes()))["data"]
                for record in page["content"]:
                    seen += record["id"] is not None and record["version"] == 1
                last, number = page["last"], number + 1
            return seen

        return await measured(job, work)
