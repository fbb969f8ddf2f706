from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from welkin_async.sandbox import Sandbox


@pytest.fixture
def swift(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-offs of a millisecond: the tests count attempts, the waits between them are tested elsewhere."""
    monkeypatch.setattr("welkin_async.http.transport.backoff", lambda failures: 0.001)
    monkeypatch.setattr("welkin_async.http.transport.fresh_token_pause", lambda: 0.001)


@pytest.fixture
def patient(server: Sandbox) -> str:
    """The id of a patient on `server`."""
    return str(server.store.add_patient()["id"])


@pytest.fixture(autouse=True)
async def no_task_left() -> AsyncIterator[None]:
    """Fail a test that leaves a task of the package behind; servers and sessions of fixtures end before or after."""
    yield
    left = [task.get_name() for task in asyncio.all_tasks() if "welkin_async bulk" in task.get_name()]
    assert left == []
