from __future__ import annotations

import asyncio
import gc
import time
from email.utils import parsedate_to_datetime

import pytest

from welkin_async.sandbox import Sandbox

from .api import Api, connected


async def burst(api: Api, count: int) -> list[int]:
    return [(await api("GET", "patients")).status for _ in range(count)]


async def test_fixed_window_in_real_time() -> None:
    async with Sandbox(rate=5) as server, connected(server) as api:
        assert await burst(api, 7) == [200] * 5 + [429] * 2
        reply = await api("GET", "patients")
        assert (reply.status, reply.headers["Retry-After"], reply.code) == (429, "1", "TOO_MANY_REQUESTS")
        assert (await api.login()).status == 200
        assert (await api("GET", "patients", token="wrong")).status == 401
        server.clock.advance(1)
        assert await burst(api, 6) == [200] * 5 + [429]
        assert server.throttle.refused == 4


async def test_token_bucket() -> None:
    async with Sandbox(rate=0.5, burst=3) as server, connected(server) as api:
        assert await burst(api, 4) == [200] * 3 + [429]
        assert (await api("GET", "patients")).headers["Retry-After"] == "2"
        server.clock.advance(2)
        assert await burst(api, 2) == [200, 429]
        server.clock.advance(60)
        assert await burst(api, 4) == [200] * 3 + [429]


async def test_rate_below_one_a_second_widens_the_window() -> None:
    async with Sandbox(rate=0.1) as server, connected(server) as api:
        assert await burst(api, 2) == [200, 429]
        assert (await api("GET", "patients")).headers["Retry-After"] == "10"


async def test_retry_after_as_date_or_none() -> None:
    async with Sandbox(rate=1, retry_after="date") as server, connected(server) as api:
        await burst(api, 1)
        reply = await api("GET", "patients")
        wait = parsedate_to_datetime(reply.headers["Retry-After"]) - parsedate_to_datetime(reply.headers["Date"])
        assert 0 <= wait.total_seconds() <= 2
    async with Sandbox(rate=1, retry_after="none") as server, connected(server) as api:
        await burst(api, 1)
        assert "Retry-After" not in (await api("GET", "patients")).headers
    for wrong in ({"rate": 0.0}, {"rate": 1.0, "burst": 0.5}):
        with pytest.raises(ValueError, match="must be"):
            Sandbox(**wrong)  # type: ignore[arg-type]


async def test_latency_and_peak(server: Sandbox, api: Api) -> None:
    server.latency = 0.2
    started = time.monotonic()
    await asyncio.gather(*(api("GET", "patients") for _ in range(20)))
    assert 0.2 <= time.monotonic() - started < 2.0
    assert (server.stats.peak, server.stats.in_flight, server.latency) == (20, 0, 0.2)


async def test_stats_count_and_log_what_came(server: Sandbox, api: Api) -> None:
    await api("GET", "patients", email="a+b@c.org")
    await api("GET", "nothing")
    stats = server.stats
    assert stats.operations == {"auth.create_token": 1, "patients.list": 1, "unknown": 1}
    assert stats.statuses == {200: 2, 404: 1}
    assert (stats.token_requests, stats.total) == (1, 3)
    entry = stats.log[1]
    assert (entry.method, entry.path, entry.query) == ("GET", "/gh/sb-demo/patients", "email=a%2Bb@c.org")
    assert (entry.operation, entry.status) == ("patients.list", 200)
    assert stats.log[0].arrived <= entry.arrived
    assert len(stats.as_json(log=2)["log"]) == 2
    stats.reset()
    assert (stats.total, stats.token_requests, len(stats.log)) == (0, 0, 0)


async def test_life_cycle() -> None:
    server = Sandbox(tenant="t", instance="i", api_client="c", secret_key="hidden")
    with pytest.raises(RuntimeError, match="not serving"):
        _ = server.base_url
    await server.start()
    with pytest.raises(RuntimeError, match="already"):
        await server.start()
    assert server.base_url.startswith("http://127.0.0.1:")
    assert (server.tenant, server.instance, server.api_client, server.secret_key) == ("t", "i", "c", "hidden")
    assert "hidden" not in repr(server)
    assert "cdts.create" in server.operations
    port = int(server.base_url.rpartition(":")[2])
    with pytest.raises(OSError, match="address"):
        await Sandbox(port=port).start()
    await server.close()
    await server.close()
    await server.start()
    await server.close()


async def test_nothing_is_left_behind() -> None:
    before = asyncio.all_tasks()
    async with Sandbox() as server, connected(server) as api:
        await asyncio.gather(*(api("GET", "patients") for _ in range(10)))
    await asyncio.sleep(0)
    gc.collect()
    assert asyncio.all_tasks() == before


async def test_no_extra_and_nothing_of_the_client_is_needed() -> None:
    import ast
    from pathlib import Path

    import welkin_async.sandbox

    for file in Path(welkin_async.sandbox.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level <= 1, f"{file.name} imports from outside the sandbox"
                names = [node.module or ""] if node.level == 0 else []
            for name in names:
                if name.startswith("welkin_async.sandbox"):
                    continue
                assert name.partition(".")[0] not in ("welkin_async", "anyio", "cattrs", "orjson", "uvloop"), file.name
