"""Random hostile servers: whatever they do and however runs end, no row is misreported.

Rows with keys are neither lost nor doubled unless that is said. ``python -m tests.hostile`` goes on for longer, and
repeats what fails here. Its runs wait for answers for a fraction of a second only, so that they are judged by
themselves: beside other tests a server that is well may seem to be gone.
"""

from __future__ import annotations

import pytest

from .batch import draw, run_all

pytestmark = [pytest.mark.slow, pytest.mark.timing]

_TRIALS = 12  # of each batch, all beside each other: they mostly wait


@pytest.mark.parametrize("seed", [0, 5])
def test_no_row_is_lost_doubled_or_misreported_unsaid(seed: int) -> None:
    batch = draw(seed, _TRIALS)
    wrong = [
        f"--seed {seed} --only {number}: {trial}\n    {finding}"
        for number, (trial, result) in enumerate(zip(batch, run_all(batch, _TRIALS), strict=True))
        for finding in result.findings
    ]
    assert not wrong, "\n".join(["python -m tests.hostile repeats each of", *wrong])
