"""Random trials of updates, deletions and upserts; ``python -m tests.hostile.changes`` goes on for longer."""

from __future__ import annotations

import pytest

from .changes import drawn, run_all

pytestmark = [pytest.mark.slow, pytest.mark.timing]


def test_no_change_is_misreported() -> None:
    found = run_all([drawn(seed) for seed in (25, 86, 155, 201, *range(8))])
    wrong = [f"{trial}\n    {finding}" for trial, findings, _ in found for finding in findings]
    assert not wrong, "\n".join(wrong)
    assert sum((counts for _, _, counts in found), start=type(found[0][2])())["faults met"] > 10
