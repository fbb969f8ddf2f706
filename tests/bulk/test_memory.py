"""Memory is bounded by concurrency, not by input."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest

from welkin_async.bulk.engine.engine import Engine
from welkin_async.models.cdts import CdtRecord

from .helpers import Scripted, Step, scripted

FEW, MANY = 2_000, 20_000
STEPS = [Step("created" if index % 50 else "rejected", out=1 + index % 3) for index in range(600)]


class Watched:
    """A source that looks, while rows are pulled, at how much is allocated."""

    def __init__(self) -> None:
        self.blocks: dict[int, int] = {}

    def __iter__(self) -> Iterator[Step]:
        for index in range(MANY + 1):
            if index in (FEW, MANY):
                gc.collect()
                self.blocks[index] = sys.getallocatedblocks()
            yield STEPS[index % len(STEPS)]


@pytest.mark.parametrize("how", ["fold", "unordered", "ordered"])
async def test_nothing_is_kept_for_a_row(how: str) -> None:
    source = Watched()
    if how == "fold":
        engine: Engine[Step, CdtRecord] = Engine(Scripted(), source, concurrency=16)
        engine.start()
        await engine.wait()
        report = engine.report
    else:
        async with scripted(source, concurrency=16, ordered=how == "ordered") as outcomes:
            async for _ in outcomes:
                pass
        report = outcomes.report
        assert outcomes.unfinished == []
    assert report.rows == MANY + 1
    # One small object kept for each row would be 18 000 blocks.
    assert source.blocks[MANY] - source.blocks[FEW] < 2_000
