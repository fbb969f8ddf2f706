"""A pace that several sessions share: the simulation with its bounds, and what decides about a learned total."""

from __future__ import annotations

import asyncio
import json
import math
import random
import statistics
from typing import Any

import attrs
import pytest

from benchmarks.shared_pace import CASES, LIMIT, main, measure, simulated
from welkin_async import SessionError
from welkin_async.http.rate_limit.controller import RateController
from welkin_async.http.rate_limit.queue import AdmissionQueue
from welkin_async.http.share_pacer import SharePacer
from welkin_async.http.sharing import PaceReport, PaceShare
from welkin_async.shared import coordination
from welkin_async.shared.learned_total import LearnedTotal

SEEDS = (0, 1)


@pytest.mark.parametrize("name", CASES)
def test_four_processes_use_what_is_allowed_and_are_rarely_refused(name: str) -> None:
    case = CASES[name]
    runs = [measure(case, seed) for seed in SEEDS]
    assert statistics.median(run.used for run in runs) >= case.used
    assert statistics.median(run.refused for run in runs) <= case.refused


def test_a_seed_gives_the_same_figures_again() -> None:
    case = CASES["learned, uneven, window of 1 s"]
    assert measure(case, 5) == measure(case, 5)


def test_without_a_store_the_last_shares_hold_and_shrink_slowly() -> None:
    accepted = measure(CASES["told, even, store away"], 0).accepted
    assert accepted[4] == pytest.approx(LIMIT, rel=0.01)
    assert 0.85 * LIMIT <= accepted[14] < accepted[9] < accepted[4]  # from the 5th to the 15th second it is away
    assert accepted[17] == pytest.approx(LIMIT, rel=0.01)


@pytest.mark.parametrize(
    ("seed", "start"), [(seed, 3.0 + 3.0 * random.Random(seed).random()) for seed in (68, 77, 108, 127)]
)
def test_a_share_that_ran_down_while_the_store_was_away_is_not_taken_for_the_limit(seed: int, start: float) -> None:
    case = attrs.evolve(CASES["learned, uneven, window of 1 s"], away=(start, start + 10.0))
    assert measure(case, seed).used >= 0.8


def test_the_benchmark_says_which_bounds_are_not_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "told, even, bucket of 20"
    assert main([name, "--seeds", "1", "--seconds"]) == 0
    assert "NOT MET" not in capsys.readouterr().out
    monkeypatch.setitem(CASES, name, attrs.evolve(CASES[name], used=1.1))
    assert main([name, "--seeds", "1"]) == 1
    assert "NOT MET" in capsys.readouterr().out


class Pace:
    """Notes what is reported, and when; gives a share as it is told."""

    def __init__(self, share: PaceShare = PaceShare(None, 1.0)) -> None:  # noqa: B008 - it is frozen
        self.reports: list[PaceReport] = []
        self.at: list[float] = []
        self.share = share

    async def report(self, key: str, report: PaceReport) -> PaceShare:
        self.reports.append(report)
        self.at.append(asyncio.get_running_loop().time())
        return self.share


def test_a_session_that_pauses_says_so_and_counts_no_probe() -> None:
    async def play() -> list[PaceReport]:
        clock, pace = asyncio.get_running_loop().time, Pace()
        limiter = RateController(concurrency=64, clock=clock, jitter=lambda: 0.0, learns=False)
        queue = AdmissionQueue(limiter, clock)
        pacer = SharePacer(pace, "key", queue, rate=None, clock=clock)

        async def refused() -> None:
            ticket = await queue.enter(math.inf)
            await asyncio.sleep(0.01)
            limiter.refused(ticket, clock(), 1.0)
            queue.leave(ticket)

        await asyncio.gather(*(refused() for _ in range(15)))  # ten go out, and in the pause one after the other
        await pacer.aclose()
        return pace.reports

    reports = simulated(play())
    assert not reports[0].paused
    assert all(each.paused for each in reports[1:])
    assert sum(each.sent for each in reports) == 15
    assert 3 <= sum(each.refused for each in reports) <= 10  # those that led to the pause


async def sending(queue: AdmissionQueue, seconds: float, rate: float, refused_at: float = math.inf) -> None:
    """Send at a steady rate for some time; one request is refused at a moment."""
    clock = asyncio.get_running_loop().time
    began, sent, requests = clock(), 0, set[asyncio.Task[None]]()

    async def request() -> None:
        nonlocal refused_at
        ticket = queue.try_enter(clock()) or await queue.enter(math.inf)
        await asyncio.sleep(0.01)
        if clock() - began >= refused_at:
            refused_at = math.inf
            queue.limiter.refused(ticket, clock(), None)
        else:
            queue.limiter.accepted(ticket, clock())
        queue.leave(ticket)

    while clock() - began < seconds:
        sent += 1
        task = asyncio.create_task(request())
        requests.add(task)
        task.add_done_callback(requests.discard)
        await asyncio.sleep(max(0.0, began + sent / rate - clock()))
    await asyncio.gather(*requests)


def reported(
    share: PaceShare, *, rate: float | None, refused_at: float = math.inf, more_from: float = math.inf
) -> Pace:
    """What a session reports in ten seconds at 40 requests a second, of which the last may be at 80."""

    async def play() -> Pace:
        clock, pace = asyncio.get_running_loop().time, Pace(share)
        limiter = RateController(rate=rate, concurrency=64, clock=clock, jitter=lambda: 0.0, learns=False)
        queue = AdmissionQueue(limiter, clock)
        pacer = SharePacer(pace, "key", queue, rate=rate, clock=clock)
        await sending(queue, min(10.0, more_from), 40.0, refused_at)
        if more_from < 10.0:
            await sending(queue, 10.0 - more_from, 80.0)
        await pacer.aclose()
        return pace

    return simulated(play())


def test_a_session_reports_as_often_as_it_is_asked_to() -> None:
    often = reported(PaceShare(None, 1.0), rate=None)
    assert 49 <= len(often.reports) <= 53
    seldom = reported(PaceShare(None, 2.0, every=1.0), rate=None)
    assert 10 <= len(seldom.reports) <= 13
    at_once = reported(PaceShare(None, 1.0, every=0.02), rate=None)
    assert 400 <= len(at_once.reports) <= 520
    assert sum(each.sent for each in seldom.reports) == sum(each.sent for each in often.reports) >= 400
    assert max(each.seconds for each in seldom.reports) == pytest.approx(1.0, abs=0.11)


def test_a_session_that_is_refused_or_needs_more_says_so_before_it_is_asked() -> None:
    share = PaceShare(60.0, 2.0, every=1.0)
    pace = reported(share, rate=200.0, refused_at=4.3)
    assert [at for at, each in zip(pace.at, pace.reports, strict=True) if each.refused] == pytest.approx(
        [4.4], abs=0.15
    )
    pace = reported(share, rate=200.0, more_from=4.1)
    assert next(at for at, each in zip(pace.at, pace.reports, strict=True) if each.waiting and at) < 4.6
    pace = reported(PaceShare(60.0, 2.0, every=1.0), rate=60.0, more_from=4.1)  # it has all there is
    assert 10 <= len(pace.reports) <= 13


class Sessions:
    """Four sessions that report in turn, every 200 ms each, to a total that is kept as text in between."""

    def __init__(self) -> None:
        self.now = 1.7e9
        self._kept: str | None = None

    @property
    def total(self) -> LearnedTotal:
        return LearnedTotal.of_state(None if self._kept is None else json.loads(self._kept), self.now)

    @property
    def rate(self) -> float:
        rate = self.total.rate
        assert rate is not None
        return rate

    def report(self, accepted: int = 0, refused: int = 0, **more: Any) -> None:
        total = self.total
        given: dict[str, Any] = {"member": "a", "seconds": 0.2, "sent": accepted + refused, "waiting": 30}
        total.take_in(PaceReport(accepted=accepted, refused=refused, **(given | more)), self.now)
        self._kept = json.dumps(total.to_state())
        self.now += 0.05

    def answered(self, seconds: float, accepted: int, refused: int = 0, **more: Any) -> None:
        """Report for some time: so many accepted, and refused, in 200 ms of all four together."""
        for number in range(round(seconds / 0.05)):
            share = [(count * (number % 4 + 1)) // 4 - (count * (number % 4)) // 4 for count in (accepted, refused)]
            self.report(*share, **more)


@pytest.fixture
def limited() -> Sessions:
    """Sessions that were refused at 200 a second, and all know of it."""
    sessions = Sessions()
    sessions.answered(3.0, 40)
    sessions.answered(0.2, 40, 8)
    sessions.answered(0.5, 40)
    assert sessions.rate == pytest.approx(190.0, rel=0.03)
    return sessions


def test_without_refusals_there_is_no_bound() -> None:
    sessions = Sessions()
    sessions.answered(10.0, 40)
    assert sessions.total.rate is None


def test_what_the_others_report_after_the_first_refusal_counts_towards_what_was_accepted() -> None:
    """All began together, met the second's limit after 200 ms, and pause: the one who says so first knows a quarter."""
    sessions = Sessions()
    for _ in range(4):
        sessions.report(50, 10, paused=True)
    assert sessions.rate < 200.0
    sessions.answered(0.4, 0, paused=True)
    assert sessions.rate == pytest.approx(190.0, rel=0.01)


def test_what_is_refused_before_all_know_of_a_cut_leads_to_no_other(limited: Sessions) -> None:
    limited.answered(1.0, 40)
    limited.answered(0.2, 36, 8)
    cut = limited.rate
    limited.answered(0.4, 36, 8)  # as much is refused as before it
    assert limited.rate >= cut
    limited.answered(1.0, 36, 8)  # and from now on that is another matter
    assert limited.rate < 0.97 * cut


def test_refusals_of_one_slow_all_within_two_reports(limited: Sessions) -> None:
    limited.answered(1.0, 40)
    before = limited.rate
    limited.report(10, 8)
    assert limited.rate < before


def test_a_limit_grows_as_fast_where_a_session_that_is_alone_reports_once_a_second(limited: Sessions) -> None:
    kept, now = limited._kept, limited.now
    limited.answered(8.0, 40)
    often = limited.rate
    limited._kept, limited.now = kept, now
    limited.now -= 0.05
    for _ in range(8):
        limited.now += 0.95
        limited.report(200, seconds=1.0)
    assert limited.rate == pytest.approx(often, rel=0.02)


def test_a_limit_that_is_used_up_grows_and_one_that_is_not_does_not(limited: Sessions) -> None:
    start = limited.rate
    limited.answered(5.0, 20)
    assert limited.rate == pytest.approx(start, rel=0.02)
    limited.answered(5.0, 40)
    assert start * 1.03 < limited.rate < start * 1.3


def test_little_demand_after_some_were_refused_is_not_taken_for_the_limit(limited: Sessions) -> None:
    """Who is refused waits, so that less is sent for the rest of the second: what was accepted before counts."""
    while limited.total.accepted > 20:  # until a window begins
        limited.answered(0.05, 40)
    before = limited.rate
    limited.answered(0.2, 30, 5)
    limited.answered(1.0, 12)
    assert 0.9 * before < limited.rate < before


def test_a_window_in_which_a_session_pauses_says_nothing(limited: Sessions) -> None:
    before = limited.rate
    limited.answered(5.0, 2, 1, paused=True)
    assert limited.rate == pytest.approx(before, rel=0.02)


def test_refusals_by_chance_are_borne() -> None:
    """Five of a hundred, whatever is sent: cuts change nothing about that, so they are taken back."""
    sessions = Sessions()
    sessions.answered(60.0, 95, 5)
    rate = sessions.total.rate
    assert rate is None or rate > 400.0  # of 475 a second


def test_cuts_after_which_as_much_is_refused_are_taken_back() -> None:
    """A quarter of all is refused, whatever is sent: too much to be chance at first."""
    sessions = Sessions()
    rates: list[float] = []
    sent = 0.0
    for _ in range(1200):  # a minute
        rate = sessions.total.rate
        rates.append(500.0 if rate is None else min(500.0, rate))
        before, sent = sent, sent + 0.05 * rates[-1]
        refused = int(sent / 4) - int(before / 4)
        sessions.report(int(sent) - int(before) - refused, refused)
    assert min(rates) < 250.0
    assert rates[-1] > 400.0


def test_what_was_learned_outlasts_a_time_without_any_report(limited: Sessions) -> None:
    before = limited.rate
    limited.now += 3600.0
    limited.report(10, 5)
    assert limited.rate == pytest.approx(before, rel=0.02)


def test_a_first_storm_after_a_time_without_any_report_is_not_taken_for_the_limit(limited: Sessions) -> None:
    """The store was away, and one session is left: it sent its last share, and sends what all may from now on."""
    for gap in (10.0, 3600.0):
        before = limited.rate
        limited.now += gap
        limited.report(450, seconds=10.0)
        for accepted, refused in ((9, 0), (38, 4), (30, 10), (38, 2), (38, 0), (38, 0)):
            limited.report(accepted, refused)
            limited.now += 0.15
        assert limited.rate >= 0.97 * before


def test_a_limit_that_fell_while_nobody_reported_is_learned_a_second_after(limited: Sessions) -> None:
    limited.now += 10.0
    limited.answered(3.0, 20, 20)
    assert limited.rate == pytest.approx(95.0, rel=0.1)


def test_a_clock_of_the_store_that_is_set_back_stops_nothing(limited: Sessions) -> None:
    limited.now -= 7200.0
    limited.answered(3.0, 20, 8)
    assert limited.rate == pytest.approx(95.0, rel=0.1)


async def test_a_session_that_closes_does_not_wait_for_a_store_that_does_not_answer(
    server: Any, connect: Any, tmp_path: Any
) -> None:
    class Silent:
        async def report(self, key: str, report: PaceReport) -> PaceShare:
            await asyncio.sleep(3600.0)
            raise AssertionError("it never answers")

    class Sharing:
        def __init__(self) -> None:
            self._made = coordination(f"sqlite:///{tmp_path}/shared.db")
            self.tokens, self.pace = self._made.tokens, Silent()

        async def aclose(self) -> None:
            await self._made.aclose()

    sharing = Sharing()
    await sharing._made.init()
    async with asyncio.timeout(20.0):
        async with connect(server, shared=sharing, rate=10) as session:
            asked = asyncio.create_task(session.patients.get(server.store.add_patients(1)[0]))
            await asyncio.sleep(0.1)
        with pytest.raises(SessionError):
            await asked
    await sharing.aclose()
