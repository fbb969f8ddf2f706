from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from welkin_async import Welkin
from welkin_async.http import transport

from .recorder import Recorder, recording


@pytest.fixture
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat at once."""
    monkeypatch.setattr(transport, "backoff", lambda failures: 0.0)


@pytest.fixture
async def recorded(no_backoff: None) -> AsyncIterator[tuple[Recorder, Welkin]]:
    async with recording(max_attempts=2) as pair:
        yield pair
