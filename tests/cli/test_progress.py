"""What the progress line says where nothing seems to move."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from welkin_async.auth import TokenCache
from welkin_async.bulk import Report
from welkin_async.cli.tally import Tally, allowed
from welkin_async.limits import Limiter
from welkin_async.sandbox import FaultKind

from .conftest import Command, Local, write_csv

OPTIONS = ("--cdt", "medication", "--patient-column", "pid")
QUICK = ("--settle", "1.5", "--final-settle", "4")


class Tokens:
    """Has a token, or has none yet."""

    def __init__(self, token: object) -> None:
        self._token = token

    def current(self) -> object:
        return self._token


def said(limiter: Limiter | None, token: object = "token", now: float = 0.0) -> list[str]:
    return allowed(limiter, cast(TokenCache, Tokens(token)), now)


def test_the_gate_the_pace_and_the_slots_are_shown() -> None:
    assert said(None) == []
    limiter = Limiter(rate=50.0, jitter=lambda: 0.0)
    assert said(limiter) == ["0 out", "at most 50/s"]
    tickets = [limiter.take(0.0) for _ in range(8)]
    assert said(limiter) == ["8 out", "at most 50/s"]
    limiter.throttle(tickets[-1], 0.0, 4.2, overloaded=True)
    assert said(limiter) == ["8 out", "at most 50/s", "4 at once", "paused 5 s"]
    assert said(limiter, now=3.9) == ["8 out", "at most 50/s", "4 at once", "paused 1 s"]
    assert said(limiter, now=4.3) == ["8 out", "at most 50/s", "4 at once"]
    own = Limiter(concurrency=100, jitter=lambda: 0.0)
    own.throttle(own.take(0.0), 0.0, 4.2)
    assert said(own) == ["1 out", "paused 5 s"]  # what the session allows itself is not what the server does


def test_a_wait_for_a_token_is_shown_while_nothing_is_out() -> None:
    limiter = Limiter()
    assert said(limiter, None) == ["0 out", "waiting for a token"]
    assert said(limiter) == ["0 out"]
    assert allowed(limiter, None, 0.0) == ["0 out"]
    ticket = limiter.take(0.0)
    assert said(limiter, None) == ["1 out"]  # with a token from before
    limiter.throttle(ticket, 0.0, 1.0)
    limiter.release(ticket)
    assert "waiting for a token" not in said(limiter, None)
    assert said(limiter, None)[-1].startswith("paused ")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({}, []),
        ({"down_for": 0.0}, ["server down for 0 s"]),
        ({"down_for": 12.3, "parked": 1400}, ["server down for 13 s", "1,400 looked for"]),
        ({"sweep_in": 41.2}, ["last look in 42 s"]),
    ],
)
def test_what_is_waited_for_is_shown(state: dict[str, Any], words: list[str]) -> None:
    tally = Tally(total=2000)
    tally.told(Report().progress(2000, 1.0, **state))
    assert tally.line().split("  ")[5:] == words


@pytest.mark.slow
def test_an_import_that_waits_says_what_for(
    command: Command, local: Local, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("welkin_async.cli.progress._LINE_EVERY", 0.05)
    patient = local.patient()
    path = write_csv(folder / "in.csv", ("pid", "medication_name"), [(patient, f"n{row}") for row in range(60)])
    local.fault(FaultKind.STATUS, operation="cdts.create", status=429, retry_after=1, after=10)
    local.fault(FaultKind.RESET_BEFORE, operation="cdts.create", times=2, after=30)
    result = command("import", path, *OPTIONS, *QUICK, "--concurrency", "4")
    assert result.exit_code == 0, result.output
    for words in ("paused 1 s", "  2 looked for", "last look in "):
        assert words in result.stderr
    assert "server down" not in result.stderr


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
