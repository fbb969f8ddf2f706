"""Replicas of the example that share a store: one token request for all, and one pace, also where one is killed."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from welkin_async.sandbox import SandboxProcess
from welkin_async.shared import coordination

from .running import RunningService, load

SECONDS, CALLERS, WORKERS = 4.0, 60, 4
RATE, LIMIT = 80.0, 120.0  # requests a second: what the replicas may send together, and what the server bears

pytestmark = [pytest.mark.slow, pytest.mark.timing]


async def test_four_workers_ask_for_one_token_and_keep_one_pace(
    told: Path, store: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WELKIN_SHARED_KEY", store["WELKIN_SHARED_KEY"])
    shared = coordination(store["WELKIN_SHARED"])
    await shared.init()
    await shared.aclose()
    async with SandboxProcess(rate=LIMIT) as server:
        patients = await server.add_patients(10)
        variables = {**store, "SERVICE_RATE": f"{RATE}"}
        async with RunningService(server, told, workers=WORKERS, variables=variables) as service:
            loading = asyncio.create_task(load(service.base_url, patients, concurrency=CALLERS, seconds=SECONDS))
            await asyncio.sleep(SECONDS / 3)
            await service.kill_a_worker()
            result = await loading
            asked = await server.stats(log=10_000)

    assert result.odd == []
    assert set(result.statuses) <= {200, 201, 503}
    assert len(service.pids) == WORKERS + 1
    # One token for all of them, and for the one that came later.
    assert asked["token_requests"] == 1
    # Each by itself would send up to the rate; together they send no more than that, and most of it.
    arrived = [entry["arrived"] for entry in asked["log"] if entry["operation"] != "auth.create_token"]
    by_second = Counter(int(moment - arrived[0]) for moment in arrived)
    assert len(arrived) <= RATE * (arrived[-1] - arrived[0] + 1.0) * 1.1
    assert max(by_second.values()) <= RATE * 1.5  # a machine that stands still for a moment has more come at once
    assert len(arrived) >= RATE * SECONDS * 0.3  # the first shares and the new worker included
    assert asked["statuses"].get("429", 0) <= 0.05 * len(arrived)
