"""Imports on a Ray cluster of two nodes: whatever is killed, nothing is lost and nothing doubled."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from .nodes import alone, environment

PROJECT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def missing(what: str) -> Any:
    """Leave a test out; where a cluster is required that is a failure."""
    return pytest.fail(what) if os.environ.get("CLUSTER_REQUIRED") else pytest.skip(what)


@pytest.fixture(scope="module", autouse=True)
def cluster() -> None:
    """Ray and pyarrow are installed, and a scene can be played by itself."""
    if find_spec("ray") is None or find_spec("pyarrow") is None:
        missing("ray is not installed")
    if alone() is None:
        missing("namespaces (unshare) are not allowed here")


async def play(**scene: Any) -> dict[str, Any]:
    """Play a scene in namespaces of its own."""
    command = [*(alone() or []), sys.executable, "-m", "tests.cluster.scene", json.dumps(scene)]
    # What Ray does in its own processes is not for this project to mend, so that its warnings are none of ours.
    variables = {**environment(), "PYTHONWARNINGS": "default"}
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=PROJECT, env=variables, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


async def test_a_killed_worker_and_a_killed_node_lose_nothing_and_double_nothing() -> None:
    figures = await play(rows=5000, kill_worker=0.2, kill_node=0.5)
    assert figures["trouble"] == {"worker killed": 1, "node killed": 1}, figures
    assert (figures["held"], figures["lost"], figures["doubled"]) == (5000, 0, 0), figures
    report = figures["report"]
    assert (report["created"], report["complete"], report["doubled"]) == (5000, True, 0)
    assert report["takeovers"] >= 2
    assert report["adopted"] > 0
    assert figures["restarts"] >= 2
    assert figures["progress"] == sorted(figures["progress"])
    assert figures["progress"][-1] == 5000


async def test_the_command_imports_files_of_three_formats_and_the_program_of_the_page_goes_on() -> None:
    figures = await play(rows=900, command=True)
    assert (figures["held"], figures["lost"], figures["doubled"]) == (900, 0, 0), figures
    report = figures["report"]
    assert (report["created"], report["chunks"], report["complete"], report["error"]) == (900, 3, True, None)
    assert figures["page"] == "900 True\n"
    assert figures["creates"] == 900
    assert figures["tokens"] == 1  # for both drivers and all workers
