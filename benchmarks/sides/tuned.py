"""The same loop, tuned by somebody who knows aiohttp from inside: every public means it has.

Bytes as bodies, URL objects made once for each patient, headers once for all, no cookies, no redirects, no pool limit
and no total timer; the body is read without the response's context manager, since reading it to its end releases it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import lru_cache
from typing import Any

import aiohttp
import orjson
from yarl import URL

from benchmarks import payloads
from benchmarks.sides.decoding import decode
from benchmarks.sides.service import share_loop
from benchmarks.sides.work import Job, measured, peak_rss

__all__ = ["create", "create_single", "decode", "get", "loop_share", "memory", "walk"]


async def _session(job: Job) -> aiohttp.ClientSession:
    async with aiohttp.ClientSession(job.base_url) as session:
        path = f"/{payloads.TENANT}/admin/api_clients/{payloads.API_CLIENT}"
        async with session.post(path, json={"secret": payloads.SECRET}) as response:
            token = orjson.loads(await response.read())["token"]
    return aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=30.0),
    )


async def _workers(count: int, work: Callable[[], Awaitable[int]]) -> int:
    return sum(await asyncio.gather(*(work() for _ in range(count))))


async def create(job: Job) -> dict[str, Any]:
    """Create records."""
    async with await _session(job) as session:
        post, dumps, loads = session.post, orjson.dumps, orjson.loads

        @lru_cache(maxsize=4096)
        def url_of(patient_id: str) -> URL:
            return URL(job.base_url + payloads.cdt_path(patient_id), encoded=True)

        async def worker(rows: Iterator[tuple[str, dict[str, Any]]]) -> int:
            created = 0
            for patient_id, fields in rows:
                response = await post(url_of(patient_id), data=dumps(fields), allow_redirects=False)
                body = await response.read()
                if response.status != 201:
                    raise RuntimeError(response.status)
                created += loads(body)["id"] is not None
            return created

        async def work(count: int) -> int:
            rows = payloads.rows(job.patients, count)
            return await _workers(job.concurrency, lambda: worker(rows))

        return await measured(job, work)


create_single = create


async def get(job: Job) -> dict[str, Any]:
    """Read patients one by one."""
    async with await _session(job) as session:
        prefix = f"{job.base_url}/{payloads.TENANT}/{payloads.INSTANCE}/patients/"

        async def worker(ids: Iterator[int]) -> int:
            read = 0
            for number in ids:
                url = URL(prefix + payloads.patient_id(number), encoded=True)
                response = await session.get(url, allow_redirects=False)
                body = await response.read()
                if response.status != 200:
                    raise RuntimeError(response.status)
                read += orjson.loads(body)["firstName"] == "Charlie"
            return read

        async def work(count: int) -> int:
            ids = iter(range(count))
            return await _workers(job.concurrency, lambda: worker(ids))

        return await measured(job, work)


async def loop_share(job: Job) -> dict[str, Any]:
    """Read patients at a steady pace, beside a task that wants to run."""
    async with await _session(job) as session:
        prefix = f"{job.base_url}/{payloads.TENANT}/{payloads.INSTANCE}/patients/"

        async def read(number: int) -> bool:
            url = URL(prefix + payloads.patient_id(number), encoded=True)
            response = await session.get(url, allow_redirects=False)
            body = await response.read()
            return response.status == 200 and bool(orjson.loads(body)["firstName"] == "Charlie")

        return await share_loop(job, read)


async def walk(job: Job) -> dict[str, Any]:
    """Walk a list page by page and look at two fields of each record."""
    async with await _session(job) as session:
        url = job.base_url + payloads.cdt_path(payloads.patient_id(0))

        async def work(count: int) -> int:
            seen = number = 0
            last = False
            while not last and seen < count:
                asked = URL(f"{url}?page={number}&size={job.size}", encoded=True)
                response = await session.get(asked, allow_redirects=False)
                body = await response.read()
                if response.status != 200:
                    raise RuntimeError(response.status)
                page = orjson.loads(body)["data"]
                for record in page["content"]:
                    seen += record["id"] is not None and record["version"] == 1
                last, number = page["last"], number + 1
            return seen

        return await measured(job, work)


async def memory(job: Job) -> dict[str, Any]:
    """Create records and tell the peak."""
    return {**await create(job), "peak_mb": peak_rss()}
