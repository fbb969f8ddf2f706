"""The example of a service under load: throttled, with tokens that end, and with a worker that is killed.

``SERVICE_SECONDS`` says for how long; `nox --session service` takes half a minute.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from welkin_async.sandbox import SandboxProcess

from .running import RunningService, load

SECONDS = float(os.environ.get("SERVICE_SECONDS", "5"))
CALLERS, WORKERS, LIMIT, TOKEN_LIFE = 200, 3, 120.0, 3.0

pytestmark = [pytest.mark.slow, pytest.mark.timing]


async def test_a_service_answers_under_throttling_expiry_and_a_killed_worker(told: Path) -> None:
    async with SandboxProcess(rate=LIMIT, token_life=TOKEN_LIFE) as server:
        patients = await server.add_patients(20)
        async with RunningService(server, told, workers=WORKERS, variables={}) as service:
            loading = asyncio.create_task(load(service.base_url, patients, concurrency=CALLERS, seconds=SECONDS))
            await asyncio.sleep(SECONDS / 3)
            await service.kill_a_worker()
            result = await loading
            told_text = service.told()
            asked = await server.stats()
            held = await server.records("medication", full=True)

    # No status but what was asked for, and "come again": nobody was told of an error, and nobody of another patient.
    assert result.odd == []
    assert set(result.statuses) <= {200, 201, 503}
    assert result.statuses[200] > SECONDS * LIMIT / 8
    assert result.statuses[201] > 0
    # It was hard: refusals, tokens that ended, and a worker that is another one now.
    assert asked["statuses"]["429"] > 0
    assert asked["token_requests"] > WORKERS + 1
    assert len(service.pids) == WORKERS + 1
    assert result.broken <= CALLERS
    # Whoever was told that a record was made has it, once.
    found = [each["id"] for each in held["records"]]
    assert len(found) == len(set(found))
    assert set(result.records) <= set(found)
    names = [each["jsonBody"]["medication_name"] for each in held["records"]]
    assert len(names) == len(set(names))

    # All of it was told, and none of it by an id, a value or a secret.
    assert "patients.get" in told_text
    assert "welkin.throttled" in told_text
    assert "welkin.token_wait" in told_text
    assert "http.client.request.duration" in told_text
    assert "welkin.client.token.requests" in told_text
    assert "GET /{tenant}/{instance}/patients/{patient_id}: 200 done" in told_text
    words = [*patients, *found, *names, server.secret_key]
    assert [word for word in words if word in told_text] == []
