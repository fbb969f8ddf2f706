"""Processes of their own that share a token and a pace, at the local server."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .servers import until

PROJECT = Path(__file__).parents[2]
TOKEN = "auth.create_token"

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("share")]


def settings(server: Sandbox, url: str, **more: Any) -> dict[str, Any]:
    given = {name: getattr(server, name) for name in ("tenant", "instance", "api_client", "secret_key", "base_url")}
    return {**given, "shared": url, **more}


def start(mode: str, options: dict[str, Any], *, before: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
    command = [*before, sys.executable, "-m", "tests.shared.worker", mode, json.dumps(options)]
    return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": "."})


async def told(process: subprocess.Popen[bytes]) -> Any:
    out, _ = await asyncio.to_thread(process.communicate)
    assert process.returncode == 0
    return json.loads(out)


def tokens_asked(server: Sandbox) -> int:
    return sum("/admin/api_clients/" in each.path for each in server.stats.log)


def own_clocks() -> tuple[str, ...]:
    """What gives a process boot and monotonic clocks of its own; nothing where that is not allowed."""
    command = ("unshare", "-T", "--boottime", "86400", "--monotonic", "43200")
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], capture_output=True).returncode:
        return ()
    return command


async def test_eight_processes_that_start_together_ask_for_one_token(server: Sandbox, url: str) -> None:
    options = {"settings": settings(server, url), "patient": server.store.add_patient()["id"]}
    apart = own_clocks()
    processes = [start("token", options) for _ in range(5)]
    processes += [start("token", {**options, "skew": skew}, before=apart) for skew in (0.0, 7200.0, -7200.0)]
    asked = await asyncio.gather(*map(told, processes))
    assert sorted(asked) == [0] * 7 + [1]
    assert tokens_asked(server) == 1


async def test_a_holder_that_is_killed_while_it_asks_costs_one_more_request(
    server: Sandbox, url: str, store_key: str
) -> None:
    options = {"settings": settings(server, url), "patient": server.store.add_patient()["id"]}
    server.faults.add(Fault(FaultKind.STALL_BEFORE, operation=TOKEN, delay=25.0))
    first = start("token", options)
    await until(lambda: tokens_asked(server))
    others = [start("token", options) for _ in range(2)]
    await asyncio.sleep(0.5)
    first.send_signal(signal.SIGKILL)
    await asyncio.to_thread(first.communicate)
    assert sum(await asyncio.gather(*map(told, others))) == 1
    assert tokens_asked(server) <= 2


async def used_and_refused(
    server: Sandbox, url: str, rows: list[int], rate: float | None, limit: float
) -> tuple[float, float]:
    """Create rows by a process for each number; return the share of the limit that was used, and what was refused.

    The last twentieth is left out: a row that is refused waits out the second that the server asks for, and in so short
    a run it may be the last one there is.
    """
    server.throttle.rate = limit
    patient = server.store.add_patient()["id"]
    given = settings(server, url, rate=rate, timeout=10.0)
    processes = [start("create", {"settings": given, "rows": count, "patient": patient}) for count in rows]
    began = min(each["began"] for each in await asyncio.gather(*map(told, processes)))
    refused = server.stats.statuses[429]
    records = server.store.cdt_records("medication")
    assert len(records) == sum(rows)
    made = sorted(datetime.fromisoformat(each["jsonBody"]["created_at"]).timestamp() for each in records)
    counted = made[: len(made) * 19 // 20]
    return len(counted) / (counted[-1] - began) / limit, refused / (refused + sum(rows))


@pytest.mark.timing
@pytest.mark.parametrize("rows", [[300] * 4, [900, 100, 100, 100]], ids=["even", "uneven"])
async def test_four_processes_send_together_what_they_were_told(server: Sandbox, url: str, rows: list[int]) -> None:
    used, refused = await used_and_refused(server, url, rows, 200.0, 200.0)
    assert used >= 0.85  # the first shares and the last ones included
    assert refused <= 0.02
