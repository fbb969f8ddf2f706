"""What the progress line says where nothing seems to move."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from welkin_async.bulk import Report
from welkin_async.files.report.row_counts import RowCounts, server_limits
from welkin_async.http.auth.tokens import TokenCache
from welkin_async.http.stats import SessionStats
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


def stats(**values: Any) -> SessionStats:
    usual = {"engine": "aiohttp", "pace": None, "slots": 10, "in_flight": 0, "share_refused": 0.0, "paused_for": 0.0}
    return SessionStats(**{**usual, "accepted": 0, "refused": 0, "tokens_requested": 1, **values})


def said(token: object = "token", **values: Any) -> list[str]:
    return server_limits(stats(**values), cast(TokenCache, Tokens(token)))


def test_the_pause_the_pace_the_slots_and_the_share_refused_are_shown() -> None:
    assert server_limits(None, None) == []
    assert said() == ["0 of 10 out"]
    assert said(in_flight=8, slots=1500) == ["8 of 1,500 out"]
    assert said(pace=50.0) == ["0 of 10 out", "at most 50/s"]
    assert said(share_refused=0.04, pace=50.0) == ["0 of 10 out", "at most 50/s", "4 % refused"]
    assert said(paused_for=4.2) == ["0 of 10 out", "paused 5 s"]
    assert said(paused_for=0.1) == ["0 of 10 out", "paused 1 s"]


def test_a_wait_for_a_token_is_shown_while_nothing_is_out() -> None:
    assert said(None) == ["0 of 10 out", "waiting for a token"]
    assert said() == ["0 of 10 out"]
    assert server_limits(stats(), None) == ["0 of 10 out"]
    assert said(None, in_flight=1) == ["1 of 10 out"]  # with a token from before
    assert said(None, paused_for=1.0) == ["0 of 10 out", "paused 1 s"]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({}, []),
        ({"down_for": 0.0}, ["server down for 0 s"]),
        ({"down_for": 12.3, "parked": 1400}, ["server down for 13 s", "1,400 looked for"]),
        ({"sweep_in": 41.2}, ["last look in 42 s"]),
        ({"set_aside": 0, "reasons": {"429": 7}}, []),
        ({"set_aside": 1200, "reasons": {"patient": 3, "429": 1197}}, ["1,200 set aside (429, patient)"]),
    ],
)
def test_what_is_waited_for_is_shown(state: dict[str, Any], words: list[str]) -> None:
    tally = RowCounts(total=2000)
    tally.on_progress(Report().progress(2000, 1.0, **state))
    assert tally.line().split("  ")[5:] == words


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
    for words in ("paused 1 s", " set aside (429", "  2 looked for", "last look in "):
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
