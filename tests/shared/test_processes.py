"""Processes of their own that share a token and a pace, at the local server."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess

import pytest

from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .conftest import KINDS
from .pace_runs import EVEN, LIMIT, run, settings, start, told
from .servers import until

TOKEN = "auth.create_token"

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("share")]


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


@pytest.mark.timing
@pytest.mark.parametrize(
    ("url", "rows"),
    [*((kind, [300] * 4) for kind in KINDS), ("sqlite", [900, 100, 100, 100])],  # how they divide is the same for all
    indirect=["url"],
    ids=lambda value: value if isinstance(value, str) else "even" if len(set(value)) == 1 else "uneven",
)
async def test_four_processes_send_together_what_they_were_told(server: Sandbox, url: str, rows: list[int]) -> None:
    found = await run(server, url, rows, LIMIT)
    assert (found.lost, found.doubled) == (0, 0)
    assert found.used >= 0.85  # the first shares included
    assert found.refused <= 0.02


@pytest.mark.timing
@pytest.mark.parametrize("url", ["postgres"], indirect=True)  # what is learned does not depend on where it is kept
async def test_four_processes_learn_together_what_the_server_allows(server: Sandbox, url: str) -> None:
    found = await run(server, url, EVEN, None)
    assert (found.lost, found.doubled) == (0, 0)
    assert found.used >= 0.85  # of a machine that is busy; the simulation has the bounds
    assert found.refused <= 0.05
