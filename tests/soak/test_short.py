"""The soak in small; ``python -m tests.soak`` is the long one."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from .medication_file import REASONS, MedicationFile
from .run import Soak
from .trouble import calm

pytestmark = pytest.mark.slow


CREATE = (
    *("status 401", "status 429", "status 500", "status 502", "status 503", "status 504"),
    *("reset_before", "reset_after", "reset_late", "stall_before", "stall_after", "truncated", "garbage", "empty"),
)
LIST = ("status 429", "status 503", "reset_before", "stall_after", "truncated")


async def test_nothing_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    soak = Soak(
        rows=2000,
        kills=2,
        folder=tmp_path,
        timeout=1.0,
        settle=2.5,
        final_settle=4.0,
        calm=None,
        outage=1.5,
        rate=600.0,
    )
    figures = await soak.run()
    assert not soak.broken(figures)
    assert (figures.held, figures.lost, figures.doubled, figures.created) == (2000, 0, 0, 2000)
    assert figures.met.keys() == {
        *(f"cdts.create {fault}" for fault in CREATE),
        *(f"cdts.list {fault}" for fault in LIST),
        *("formation_cdts.get status 500", "formation_cdts.get reset_after"),
        *("auth.create_token status 503", "auth.create_token reset_before"),
        *("patients.get status 500", "patients.get reset_after"),
    }
    assert all(figures.met.values())
    assert int(figures.statuses["429"]) > figures.met["cdts.create status 429"] >= 12
    assert figures.outages
    assert all(figures.refused)
    assert figures.summary["complete"] is True
    assert figures.summary["earlier"] > 0
    assert figures.results == 2000
    results = [json.loads(line) for line in (tmp_path / "soak.ndjson").read_text(encoding="utf-8").splitlines()]
    assert len({row["_line"] for row in results}) == 2000
    assert {row["_status"] for row in results} == {"created"}
    assert not (tmp_path / "soak.rejects.csv").exists()
    assert not (tmp_path / "soak.review.csv").exists()


async def test_bad_rows_are_told_mended_and_imported(tmp_path: Path) -> None:
    """One row in a hundred is bad; the import of what was mended completes the job."""
    soak = Soak(
        rows=1600,
        kills=1,
        folder=tmp_path,
        bad=0.01,
        script=calm,
        settle=2.5,
        final_settle=2.5,
        calm=None,
        outage=None,
        storm=None,
    )
    figures = await soak.run()
    assert not soak.broken(figures)
    assert (figures.held, figures.lost, figures.doubled, figures.rejected) == (1600, 0, 0, 16)
    made = MedicationFile([], 1600, 0.01)
    with (tmp_path / "soak.rejects.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        rejects = list(csv.DictReader(file))
    guids = MedicationFile(["-"], 1600, 0.01)
    lines = guids.write(tmp_path / "again.csv")
    kinds = {str(line): kind for row, line in enumerate(lines) if (kind := made.kind(row)) is not None}
    assert {row["_line"] for row in rejects} == kinds.keys()
    assert set(kinds.values()) == REASONS.keys()
    for row in rejects:
        assert REASONS[kinds[row["_line"]]] in row["_reason"]
        assert row["_status"] == "rejected"
        assert row["_key"]
