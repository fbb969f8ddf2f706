"""Batches of random trials that run beside each other, because they mostly wait."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import hypothesis

from .hostile_server import ServerLoop
from .strategies import trials
from .trial import HungError, Result, Trial

__all__ = ["BATCH", "draw", "run_all"]

BATCH = 24
"""How many trials belong to a seed: the number of one in its batch is the same however many of them are run."""

_EVERY = 5  # hypothesis likes to vary what it has just drawn: of so many trials one is taken


def draw(seed: int, count: int = BATCH) -> list[Trial]:
    """Draw the trials that belong to a seed.

    Args:
        seed: Any number.
        count: How many of them, from the first.
    """
    drawn: list[Trial] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=_EVERY * BATCH,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(trials())
    def collect(trial: Trial) -> None:
        drawn.append(trial)

    collect()
    return drawn[::-_EVERY][:count]


def run_all(trials: Sequence[Trial], at_once: int = 6) -> list[Result]:
    """Run trials; the results are in their order.

    Args:
        trials: What to run.
        at_once: How many run beside each other.
    """
    with ServerLoop() as servers, ThreadPoolExecutor(at_once) as threads:

        def run(trial: Trial) -> Result:
            try:
                return trial.run(servers)
            except HungError as error:
                return Result([str(error)])

        return list(threads.map(run, trials))
