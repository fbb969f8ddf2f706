from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from welkin_async.sandbox import Sandbox

from .helpers import bulk_tasks


@pytest.fixture
def patient(server: Sandbox) -> str:
    """The id of a patient on `server`."""
    return str(server.store.add_patient()["id"])


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Where a journal may be."""
    return tmp_path / "journal"


@pytest.fixture(autouse=True)
async def no_task_left() -> AsyncIterator[None]:
    """Fail a test that leaves a task of the package behind."""
    yield
    await asyncio.sleep(0)
    assert bulk_tasks() == []
