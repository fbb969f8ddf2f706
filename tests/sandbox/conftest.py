from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from welkin_async.sandbox import Sandbox

from .api import Api, connected


@pytest.fixture
async def server() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


@pytest.fixture
async def api(server: Sandbox) -> AsyncIterator[Api]:
    async with connected(server) as client:
        yield client


@pytest.fixture
def patient(server: Sandbox) -> str:
    return str(server.store.add_patient()["id"])
