"""The loop a good engineer writes on aiohttp: one session, N workers over one iterator, JSON in and out.

With json as it comes, or with ``speed`` the same on uvloop with orjson in the two places where aiohttp lets it in.
"""

from __future__ import annotations

import asyncio
import importlib
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aiohttp

from benchmarks import payloads
from benchmarks.serving import refuse_by_chance
from benchmarks.sides.decoding import decode
from benchmarks.sides.service import share_loop
from benchmarks.sides.steered import HandToken, Tally, until
from benchmarks.sides.work import Job, Watch, measured, peak_rss

__all__ = ["chance", "create", "create_single", "decode", "get", "loop_share", "memory", "throttle", "token", "walk"]


async def _session(job: Job) -> aiohttp.ClientSession:
    async with aiohttp.ClientSession(job.base_url) as session:
        path = f"/{payloads.TENANT}/admin/api_clients/{payloads.API_CLIENT}"
        async with session.post(path, json={"secret": payloads.SECRET}) as response:
            token = (await response.json())["token"]
    settings: dict[str, Any] = {"json_serialize_bytes": orjson_of().dumps} if job.speed else {}
    return aiohttp.ClientSession(
        job.base_url,
        headers={"Authorization": f"Bearer {token}"},
        connector=aiohttp.TCPConnector(limit=job.concurrency),
        **settings,
    )


def orjson_of() -> Any:
    """Return orjson, which only the sides with ``speed`` need."""
    return importlib.import_module("orjson")


def _reader(job: Job) -> Callable[[bytes], Any] | None:
    """Return what parses a body; None for the response's own ``json()``."""
    return orjson_of().loads if job.speed else None


async def _workers(count: int, work: Callable[[], Awaitable[int]]) -> int:
    return sum(await asyncio.gather(*(work() for _ in range(count))))


async def create(job: Job) -> dict[str, Any]:
    """Create records."""
    loads = _reader(job)
    async with await _session(job) as session:

        async def worker(rows: Iterator[tuple[str, dict[str, Any]]]) -> int:
            created = 0
            for patient_id, fields in rows:
                async with session.post(payloads.cdt_path(patient_id), json=fields) as response:
                    response.raise_for_status()
                    record = loads(await response.read()) if loads else await response.json()
                    created += record["id"] is not None
            return created

        async def work(count: int) -> int:
            rows = payloads.rows(job.patients, count)
            return await _workers(job.concurrency, lambda: worker(rows))

        return await measured(job, work)


create_single = create


async def get(job: Job) -> dict[str, Any]:
    """Read patients one by one."""
    loads = _reader(job)
    async with await _session(job) as session:
        path = f"/{payloads.TENANT}/{payloads.INSTANCE}/patients/"

        async def worker(ids: Iterator[int]) -> int:
            read = 0
            for number in ids:
                async with session.get(path + payloads.patient_id(number)) as response:
                    response.raise_for_status()
                    patient = loads(await response.read()) if loads else await response.json()
                    read += patient["firstName"] == "Charlie"
            return read

        async def work(count: int) -> int:
            ids = iter(range(count))
            return await _workers(job.concurrency, lambda: worker(ids))

        return await measured(job, work)


async def loop_share(job: Job) -> dict[str, Any]:
    """Read patients at a steady pace, beside a task that wants to run."""
    loads = _reader(job)
    async with await _session(job) as session:
        path = f"/{payloads.TENANT}/{payloads.INSTANCE}/patients/"

        async def read(number: int) -> bool:
            async with session.get(path + payloads.patient_id(number)) as response:
                response.raise_for_status()
                patient = loads(await response.read()) if loads else await response.json()
                return bool(patient["firstName"] == "Charlie")

        return await share_loop(job, read)


async def walk(job: Job) -> dict[str, Any]:
    """Walk a list page by page and look at two fields of each record."""
    loads = _reader(job)
    async with await _session(job) as session:
        path = payloads.cdt_path(payloads.patient_id(0))

        async def work(count: int) -> int:
            seen = number = 0
            last = False
            while not last and seen < count:
                async with session.get(path, params={"page": number, "size": job.size}) as response:
                    response.raise_for_status()
                    page = (loads(await response.read()) if loads else await response.json())["data"]
                for record in page["content"]:
                    seen += record["id"] is not None and record["version"] == 1
                last, number = page["last"], number + 1
            return seen

        return await measured(job, work)


async def memory(job: Job) -> dict[str, Any]:
    """Create records and tell the peak."""
    return {**await create(job), "peak_mb": peak_rss()}


async def _steered(job: Job) -> tuple[Tally, HandToken, int, int]:
    """Create records while time lasts: a 429 waits as long as it says, a 401 fetches a token."""
    tally, unauthorized, lost = Tally.of(job), 0, 0
    async with aiohttp.ClientSession(job.base_url) as session:
        token = HandToken(session)
        todo = until(job)

        async def attempt(path: str, fields: dict[str, Any], value: str) -> tuple[int, float]:
            headers = {"Authorization": f"Bearer {value}"}
            async with session.post(path, json=fields, headers=headers) as response:
                await response.read()
                return response.status, float(response.headers.get("Retry-After", 1.0))

        async def worker() -> None:
            nonlocal unauthorized, lost
            value = await token.get()
            for patient_id, fields in todo:
                for _ in range(10):
                    status, pause = await attempt(payloads.cdt_path(patient_id), fields, value)
                    tally.note(refused=status == 429)
                    if status == 429:
                        await asyncio.sleep(pause)
                    elif status == 401:
                        unauthorized += 1
                        value = await token.get(value)
                    else:
                        break
                lost += status != 201

        await asyncio.gather(*(worker() for _ in range(job.concurrency)))
        return tally, token, unauthorized, lost


async def throttle(job: Job) -> dict[str, Any]:
    """Create records against a server that refuses what is too much."""
    return (await _steered(job))[0].throttling(job)


async def chance(job: Job) -> dict[str, Any]:
    """Create records against a server that refuses some by chance: each request backs off on its own."""
    refuse_by_chance(job.base_url, job.chance)
    async with aiohttp.ClientSession(job.base_url, connector=aiohttp.TCPConnector(limit=job.concurrency)) as session:
        token = HandToken(session)
        headers = {"Authorization": f"Bearer {await token.get()}"}
        todo = until(job)

        async def worker() -> int:
            created = 0
            for patient_id, fields in todo:
                refusals = 0
                while True:
                    async with session.post(payloads.cdt_path(patient_id), json=fields, headers=headers) as response:
                        if response.status != 429:
                            response.raise_for_status()
                            created += (await response.json())["id"] is not None
                            break
                        await response.read()
                    refusals += 1
                    await asyncio.sleep(random.random() * min(20.0, 0.25 * 2.0 ** (refusals - 1)))
            return created

        watch = Watch()
        return watch.stop(await _workers(job.concurrency, worker), least=job.records)


async def token(job: Job) -> dict[str, Any]:
    """Create records from a cold start on, with tokens that live for seconds."""
    tally, token, unauthorized, lost = await _steered(job)
    return {
        "first_ms": tally.first * 1e3,
        "longest_ms": tally.longest * 1e3,
        "tokens": token.requests,
        "unauthorized": unauthorized,
        "lost": lost,
    }
