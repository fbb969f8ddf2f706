"""What docs/sizing.md says of one chunk, by the benchmark that it names."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]


async def measured(**part: Any) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.sizing", "--part", json.dumps(part)]
    done = await asyncio.to_thread(subprocess.run, command, cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.slow
async def test_a_chunk_takes_ten_calls_of_the_store_and_two_lists_of_each_patient(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    figures = await measured(part="chunk", url=url, rows=300, patients=100)
    page = (PROJECT / "docs" / "sizing.md").read_text(encoding="utf-8")
    assert figures["store_calls"] == {"load": 6, "swap": 4}
    assert "6 reads and 4 writes" in page
    assert 1.0 <= figures["lists_per_patient"] <= 1.05  # and a few to prove that keys are found
    assert figures["lists_of_the_final_scan_per_patient"] == 1.0


async def test_a_plan_has_a_range_for_each_chunk_where_the_file_is_sorted_by_patient() -> None:
    figures = await measured(part="plan", rows=20_000, patients=2000, shuffled=False)
    assert figures["ranges"] == figures["chunks"] == 4
    figures = await measured(part="plan", rows=20_000, patients=2000, shuffled=True)
    assert figures["ranges"] > 1000
