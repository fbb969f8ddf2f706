"""No record of another request is ever returned, whatever a server sends too much of."""

from __future__ import annotations

import pytest

from .strays import run


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_no_record_of_another_request_is_returned(seed: int, swift: None) -> None:
    found = await run(1500, seed=seed, probability=0.05)
    assert found["strays"] > 30
    assert found["foreign"] == 0, found
    assert sum(found[kind] for kind in ("create", "get", "list", "update", "delete")) == 1496
