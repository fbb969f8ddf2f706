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

# A scene is twenty processes with leases of three seconds: it is played where nothing else is run beside it.
pytestmark = [pytest.mark.slow, pytest.mark.timing]


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


async def test_the_command_a_program_and_an_import_whose_worker_and_node_are_killed() -> None:
    """One cluster for all, because starting one takes longest."""
    figures = await play(rows=5000, kill_worker=0.2, kill_node=0.5, command=True)
    # The command imports files of three formats, and the program of docs/clusters.md finds all of it done.
    before = figures["before"]
    report = before["command"]
    assert (report["created"], report["chunks"], report["complete"], report["error"]) == (600, 3, True, None)
    assert before["page"] == "600 True\n"
    refused = [number for number in range(30) if number % 3]
    assert before["refused"] == [[str(number + 2), f"Refused {number}", "rejected"] for number in refused]
    assert before["creates"] == 600 + 10
    assert before["tokens"] == 1  # for two drivers and all of their workers
    # Nothing is lost and nothing doubled, whatever is killed.
    assert figures["trouble"] == {"worker killed": 1, "node killed": 1}, figures
    assert (figures["held"], figures["lost"], figures["doubled"]) == (5000, 0, 0), figures
    report = figures["report"]
    assert (report["created"], report["complete"], report["doubled"]) == (5000, True, 0)
    assert report["takeovers"] >= 2
    assert report["adopted"] > 0
    assert figures["restarts"] >= 2
    assert figures["progress"] == sorted(figures["progress"])
    assert figures["progress"][-1] == 5000
