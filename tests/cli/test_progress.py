"""What the progress line says where nothing seems to move."""

from __future__ import annotations

import asyncio
import re
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from welkin_async.bulk import Report
from welkin_async.files.report.row_counts import RowCounts, server_limits
from welkin_async.http.auth.tokens import TokenCache
from welkin_async.http.stats import SessionStats
from welkin_async.sandbox import Fault, FaultKind, Sandbox
from welkin_async.session import Welkin

from .conftest import Command, Local, write_csv

OPTIONS = ("--cdt", "medication", "--patient-column", "pid")
QUICK = ("--settle", "1.5", "--final-settle", "4")


class Tokens:
    """So many calls wait for a token."""

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting


def stats(**values: Any) -> SessionStats:
    usual = {"engine": "aiohttp", "pace": None, "slots": 10, "in_flight": 0, "share_refused": 0.0, "paused_for": 0.0}
    return SessionStats(**{**usual, "accepted": 0, "refused": 0, "tokens_requested": 1, **values})


def said(waiting: int = 0, **values: Any) -> list[str]:
    return [part.text for part in server_limits(stats(**values), cast(TokenCache, Tokens(waiting)))]


def test_the_pause_the_pace_the_slots_and_the_share_refused_are_shown() -> None:
    assert server_limits(None, None) == []
    assert said() == ["0 of 10 in flight"]
    assert said(in_flight=8, slots=1500) == ["8 of 1,500 in flight"]
    assert said(pace=50.0) == ["0 of 10 in flight", "at most 50/s"]
    assert said(share_refused=0.04, pace=50.0) == ["0 of 10 in flight", "at most 50/s", "4 % refused"]
    assert said(paused_for=4.2) == ["0 of 10 in flight", "paused for 5 s"]
    assert said(paused_for=0.1) == ["0 of 10 in flight", "paused for 1 s"]


def test_a_wait_for_a_token_is_shown_while_nothing_is_out() -> None:
    assert said(3) == ["0 of 10 in flight", "waiting for a token"]
    assert said() == ["0 of 10 in flight"]
    assert server_limits(stats(), None) == [(4, "0 of 10 in flight")]
    assert said(3, in_flight=1) == ["1 of 10 in flight"]  # with a token from before
    assert said(3, paused_for=1.0) == ["0 of 10 in flight", "paused for 1 s"]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({}, []),
        ({"down_for": 0.0}, ["server down for 0 s"]),
        ({"down_for": 12.3, "parked": 1400}, ["server down for 13 s", "1,400 being looked up"]),
        ({"sweep_in": 41.2}, ["check for duplicates in 42 s"]),
        ({"set_aside": 0, "reasons": {"429": 7}}, []),
        ({"set_aside": 1200, "reasons": {"patient": 3, "429": 1197}}, ["1,200 to be sent again (429, patient)"]),
    ],
)
def test_what_is_waited_for_is_shown(state: dict[str, Any], words: list[str]) -> None:
    tally = RowCounts(total=2000)
    tally.on_progress(Report().progress(2000, 1.0, **state))
    assert tally.line().split("  ")[5:] == words


def busy() -> RowCounts:
    """A large import under way, with something of everything that a line can say."""
    counts = RowCounts(total=2_000_000, started=0.0, clock=lambda: 100.0)
    counts.done, counts.unchanged, counts.retried = 1_234_000, 567, 89
    counts.rejected = 12
    counts.stats = lambda: stats(in_flight=64, slots=64, pace=12_400.0, share_refused=0.03)
    return counts


@pytest.mark.parametrize("width", [40, 60, 69, 80, 100, 200])
def test_a_narrow_line_keeps_rows_rate_and_the_time_that_is_left(width: int) -> None:
    line = busy().line(width)
    assert line.startswith("1,234,579/2,000,000 rows  12,346/s  1:02 left")
    assert len(line) <= max(width, 45)
    assert ("failed 12" in line) is (width >= 60)  # what a person has to know of goes last
    assert ("64 of 64 in flight" in line) is (width >= 200)


def test_a_line_without_a_bound_says_everything() -> None:
    assert busy().line() == (
        "1,234,579/2,000,000 rows  12,346/s  1:02 left  created 1,234,000  unchanged 567  failed 12  retried 89"
        "  64 of 64 in flight  at most 12,400/s  3 % refused"
    )


async def test_a_call_that_waits_for_a_token_is_counted_until_it_has_one() -> None:
    async with Sandbox() as server:
        server.faults.add(Fault(FaultKind.STALL_BEFORE, operation="auth.create_token", delay=0.3))
        async with Welkin(
            tenant=server.tenant,
            instance=server.instance,
            api_client=server.api_client,
            secret_key=server.secret_key,
            base_url=server.base_url,
        ) as welkin:
            tokens = welkin.transport.tokens
            calls = [asyncio.ensure_future(welkin.patients.list(size=1)) for _ in range(3)]
            await asyncio.sleep(0.1)
            assert (tokens.waiting, tokens.current()) == (3, None)
            await asyncio.gather(*calls)
            assert tokens.waiting == 0
            server.clock.advance(4000)  # the token ends, and nobody asks for one: nobody waits
            assert tokens.waiting == 0


@pytest.mark.slow
def test_an_import_that_waits_says_what_for(
    command: Command, local: Local, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("welkin_async.cli.progress._LINE_EVERY", 0.05)
    patient = local.patient()
    path = write_csv(folder / "in.csv", ("pid", "medication_name"), [(patient, f"n{row}") for row in range(60)])
    local.fault(FaultKind.STATUS, operation="cdts.create", status=429, retry_after=1, after=10, times=8)
    local.fault(FaultKind.RESET_BEFORE, operation="cdts.create", times=2, after=60)
    result = command("import", path, *OPTIONS, *QUICK, "--concurrency", "4")
    assert result.exit_code == 0, result.output
    for words in ("paused for 1 s", " to be sent again (429", "  2 being looked up", "check for duplicates in "):
        assert words in result.stderr
    assert "server down" not in result.stderr
    assert "waiting for a token" not in result.stderr.partition("check for duplicates in ")[2]


@pytest.mark.slow
def test_an_outage_is_told_of_while_it_lasts(
    command: Command, local: Local, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("welkin_async.cli.progress._LINE_EVERY", 0.05)
    local.server.latency = 0.02
    patient = local.patient()
    path = write_csv(folder / "in.csv", ("pid", "medication_name"), [(patient, f"n{row}") for row in range(100)])
    local.fault(FaultKind.RESET_BEFORE, times=None, after=60)
    end = threading.Timer(3.0, lambda: local.do(local.server.faults.clear))
    end.start()
    result = command("import", path, *OPTIONS, *QUICK, "--concurrency", "8")
    end.join()
    assert result.exit_code == 0, result.output
    assert re.search(r"  server down for [1-3] s", result.stderr)
    assert "waiting for the server" in result.stdout
