"""When the next request may go out. Time is handed in, nothing here sleeps."""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from welkin_async.limits import LONGEST_PAUSE, Limiter

pytestmark = pytest.mark.filterwarnings("error")

CATCH_UP = 0.05


def without_jitter() -> float:
    return 0.0


def limiter(*, rate: float | None = None, concurrency: int | None = None) -> Limiter:
    return Limiter(rate=rate, concurrency=concurrency, jitter=without_jitter)


def answered(limits: Limiter, now: float) -> int:
    """Send one request and have it dealt with at once."""
    ticket = limits.take(now)
    limits.passed(ticket, now)
    limits.release(ticket)
    return ticket


def refused(limits: Limiter, now: float, retry_after: float | None = 1.0, *, overloaded: bool = False) -> float:
    """Send one request and have it refused at once; return the seconds the gate is closed."""
    ticket = limits.take(now)
    pause = limits.throttle(ticket, now, retry_after, overloaded=overloaded)
    limits.release(ticket)
    return pause


def paced(limits: Limiter, start: float, seconds: float) -> list[float]:
    """Send as fast as the limiter lets us, every request answered at once; return when each went out."""
    now = start
    sent: list[float] = []
    while True:
        now += limits.wait(now)
        if now >= start + seconds:
            return sent
        answered(limits, now)
        sent.append(now)


def installed(limits: Limiter) -> float:
    """Return the installed pace, which must be there. It changes with use only, so the moment does not matter."""
    rate = limits.rate(0.0)
    assert rate is not None
    return rate


class TestWithoutLimits:
    def test_nothing_waits(self) -> None:
        limits = limiter()
        for _ in range(1000):
            assert limits.wait(0.0) == 0.0
            limits.take(0.0)
        assert limits.in_flight == 1000

    def test_nothing_is_reported_as_held_back(self) -> None:
        limits = limiter(rate=5.0, concurrency=2)
        assert not limits.throttled(0.0)
        assert limits.closed_for(0.0) == 0.0
        assert limits.throttles == 0
        assert limiter().rate(0.0) is None
        assert limiter().slots == math.inf


class TestOwnRate:
    def test_requests_are_spaced_evenly(self) -> None:
        limits = limiter(rate=10.0)
        limits.take(0.0)
        limits.take(0.0)  # the lateness that may be caught up is half an interval here
        assert limits.wait(0.0) == pytest.approx(0.15)

    def test_a_late_timer_is_caught_up(self) -> None:
        limits = limiter(rate=100.0)
        assert len(paced(limits, 0.0, 1.0)) == pytest.approx(105, abs=1)
        assert len(paced(limits, 1.04, 0.96)) == pytest.approx(100, abs=1)

    def test_idleness_is_not_saved_up(self) -> None:
        limits = limiter(rate=100.0)
        paced(limits, 0.0, 1.0)
        at_once = [at for at in paced(limits, 3600.0, 1.0) if at == 3600.0]
        assert len(at_once) <= 1 + 100.0 * CATCH_UP


class TestSlots:
    def test_so_many_requests_are_out_and_no_more(self) -> None:
        limits = limiter(concurrency=2)
        first = limits.take(0.0)
        limits.take(0.0)
        assert limits.wait(0.0) == math.inf
        limits.release(first)
        assert limits.wait(0.0) == 0.0

    def test_an_overloaded_server_halves_what_is_out_and_leaves_the_rate_alone(self) -> None:
        limits = limiter()
        tickets = [limits.take(0.0) for _ in range(16)]
        limits.throttle(tickets[0], 0.1, 1.0, overloaded=True)
        assert limits.slots == 8
        assert limits.rate(0.1) is None
        assert limits.throttled(5.0)

    def test_there_is_always_one_slot(self) -> None:
        limits = limiter(concurrency=1)
        refused(limits, 0.0, overloaded=True)
        assert limits.slots == 1

    def test_slots_grow_back_by_one_for_each_round(self) -> None:
        limits = limiter(concurrency=16)
        tickets = [limits.take(0.0) for _ in range(16)]
        limits.throttle(tickets[0], 0.1, 1.0, overloaded=True)
        for ticket in tickets:
            limits.release(ticket)
        for _ in range(8):
            answered(limits, 2.0)
        assert limits.slots == pytest.approx(9, abs=0.1)
        for _ in range(200):
            answered(limits, 3.0)
        assert limits.slots == 16


class TestGate:
    def test_it_closes_for_everyone_until_the_time_the_server_named(self) -> None:
        limits = limiter()
        assert refused(limits, 10.0, 2.5) == pytest.approx(2.5)
        assert limits.wait(10.5) == pytest.approx(2.0)
        assert limits.closed_for(10.5) == pytest.approx(2.0)
        assert limits.closed_for(12.5) == 0.0
        assert limits.wait(12.5) == 0.0

    @pytest.mark.parametrize(("asked", "given_"), [(-5.0, 0.0), (0.0, 0.0), (4000.0, LONGEST_PAUSE)])
    def test_what_the_server_names_is_clamped(self, asked: float, given_: float) -> None:
        assert refused(limiter(), 0.0, asked) == given_
        late = limiter()
        early, other = late.take(0.0), late.take(0.0)
        late.throttle(early, 0.0, 1.0)
        assert late.throttle(other, 0.0, asked) == max(1.0, given_)

    def test_jitter_only_ever_adds(self) -> None:
        pauses = [refused(Limiter(jitter=partial(float, j / 10)), 0.0, 10.0) for j in range(10)]
        assert pauses == sorted(pauses)
        assert pauses[0] == 10.0
        assert 10.0 < pauses[-1] < 11.0

    def test_without_a_time_the_pause_doubles_up_to_a_minute(self) -> None:
        limits, now, pauses = limiter(), 0.0, []
        for _ in range(9):
            pauses.append(refused(limits, now, None))
            now += pauses[-1]
        assert pauses == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]

    def test_the_doubling_starts_anew_once_something_got_through(self) -> None:
        limits = limiter()
        refused(limits, 0.0, None)
        refused(limits, 0.5, None)
        answered(limits, 2.0)
        assert refused(limits, 3.0, None) == 0.5

    def test_a_refusal_of_what_was_out_already_belongs_to_the_same_cut(self) -> None:
        limits = limiter()
        for _ in range(50):
            answered(limits, 0.0)
        tickets = [limits.take(0.1) for _ in range(5)]
        limits.throttle(tickets[0], 0.2, 1.0)
        rate = installed(limits)
        for ticket in tickets[1:]:
            assert limits.throttle(ticket, 0.25, 1.0) == pytest.approx(1.0)
        assert installed(limits) == rate
        assert limits.throttles == 5

    def test_a_straggler_that_answers_when_the_gate_is_open_does_not_close_it(self) -> None:
        limits = limiter()
        early, straggler = limits.take(0.0), limits.take(0.0)
        limits.throttle(early, 0.1, 1.0)
        assert limits.throttle(straggler, 5.0, 30.0) == 0.0


class TestProbe:
    def test_one_request_goes_ahead_and_the_others_wait_for_it(self) -> None:
        limits = limiter()
        for _ in range(100):
            answered(limits, 0.0)
        refused(limits, 0.0)
        probe = limits.take(1.0)
        assert limits.wait(1.0) == math.inf
        limits.passed(probe, 1.2)
        assert limits.wait(1.2) < 0.05

    def test_a_refused_probe_says_not_yet_and_does_not_cut_the_rate(self) -> None:
        limits = limiter()
        for _ in range(100):
            answered(limits, 0.0)
        refused(limits, 0.0)
        rate = installed(limits)
        assert refused(limits, 1.0) == 1.0
        assert installed(limits) == rate
        answered(limits, 2.0)
        assert installed(limits) == rate

    def test_a_refused_probe_does_not_cut_the_slots_either(self) -> None:
        limits = limiter(concurrency=16)
        refused(limits, 0.0)
        refused(limits, 1.0, overloaded=True)
        assert limits.slots == 16

    def test_a_probe_without_a_verdict_lets_the_next_one_go(self) -> None:
        limits = limiter()
        refused(limits, 0.0)
        limits.release(limits.take(1.0))  # cancelled, or the connection broke
        assert limits.wait(1.0) == 0.0
        limits.take(1.0)
        assert limits.wait(1.0) == math.inf

    def test_what_follows_the_probe_is_spaced_from_the_start(self) -> None:
        limits = limiter()
        for _ in range(100):
            answered(limits, 0.0)
        refused(limits, 0.1)
        probe = limits.take(1.1)
        limits.passed(probe, 1.3)  # two tenths of waiting for the probe are no lateness to be caught up
        sent = paced(limits, 1.3, 0.1)
        assert len(sent) <= 1 + 0.1 * installed(limits)


class TestOutage:
    """Probe after probe refused, although the pauses were kept: that says nothing of a rate."""

    @staticmethod
    def refused_for(limits: Limiter, now: float, probes: int) -> float:
        """Be refused, and so many times again; return when the gate reopens."""
        for _ in range(1 + probes):
            now += refused(limits, now)
        return now

    @pytest.mark.parametrize("probes", [2, 12, 30])
    def test_a_first_refusal_that_was_one_installs_no_pace(self, probes: int) -> None:
        limits = limiter()
        for _ in range(50):
            answered(limits, 0.0)
        over = self.refused_for(limits, 0.0, probes)
        answered(limits, over)
        assert limits.rate(over) is None

    def test_the_first_refusal_after_it_is_measured_from_its_end(self) -> None:
        limits = limiter()
        over = self.refused_for(limits, 0.0, 3)
        for _ in range(100):
            answered(limits, over)
        refused(limits, over + 0.5)
        assert installed(limits) == pytest.approx(100 / 1.5)

    @pytest.mark.parametrize("probes", [2, 12, 30])
    def test_the_pace_before_it_is_come_back_to_in_a_slow_start(self, probes: int) -> None:
        limits = TestLaterPace.settled()
        before = installed(limits)
        over = self.refused_for(limits, 11.1, probes)
        answered(limits, over)
        assert installed(limits) == pytest.approx(before / 4, rel=0.05)
        paced(limits, over, 2.0)
        assert installed(limits) == pytest.approx(before)

    def test_a_pace_that_had_not_found_its_limit_starts_from_half_and_goes_on_growing(self) -> None:
        limits = limiter()
        tickets = [limits.take(0.0) for _ in range(64)]
        for ticket in tickets[:20]:
            limits.passed(ticket, 0.05)
        limits.throttle(tickets[20], 0.05, 1.0)
        for ticket in tickets:
            limits.release(ticket)
        paced(limits, 1.05, 1.0)
        before = installed(limits)
        over = self.refused_for(limits, 2.05, 5)
        answered(limits, over)
        assert installed(limits) == pytest.approx(before / 2, rel=0.05)
        paced(limits, over, 1.0)
        assert installed(limits) > before


class TestFirstCut:
    def test_the_rate_is_what_got_through_over_the_window_with_its_pause(self) -> None:
        limits = limiter()
        for _ in range(100):
            answered(limits, 0.0)
        refused(limits, 0.5, 1.0)
        assert installed(limits) == pytest.approx(100 / 1.5)

    def test_answers_still_under_way_are_counted_once_the_probe_is_through(self) -> None:
        limits = limiter()
        tickets = [limits.take(0.0) for _ in range(40)]
        for ticket in tickets[:5]:
            limits.passed(ticket, 0.1)
        limits.throttle(tickets[-1], 0.1, 1.0)
        assert installed(limits) == pytest.approx(5 / 1.1)
        for ticket in tickets[5:-1]:
            limits.passed(ticket, 0.2)
        limits.passed(limits.take(1.1), 1.2)
        assert installed(limits) == pytest.approx(39 / 1.1)

    def test_a_probe_that_comes_long_after_the_gate_reopened_measures_the_same(self) -> None:
        limits = limiter()
        for _ in range(100):
            answered(limits, 0.0)
        refused(limits, 0.5, 1.0)
        answered(limits, 60.0)
        assert installed(limits) == pytest.approx(100 / 1.5)

    def test_it_is_never_below_one_a_second(self) -> None:
        limits = limiter()
        tickets = [limits.take(0.0) for _ in range(5)]
        limits.throttle(tickets[0], 0.0, 300.0)
        assert installed(limits) == 1.0

    def test_a_stray_refusal_among_a_few_calls_closes_the_gate_and_installs_no_pace(self) -> None:
        limits = limiter()
        for n in range(5):
            answered(limits, float(n))
        ticket = limits.take(5.0)
        limits.throttle(ticket, 5.0, 1.0)
        limits.release(ticket)
        assert limits.wait(5.5) > 0.0
        assert limits.rate(7.0) is None

    def test_a_burst_met_by_few_workers_is_not_taken_for_what_the_server_bears(self) -> None:
        run = simulated(Bucket(200, 10), rounded_up, seconds=30, latency=0.002, workers=1)
        assert run.use(200, 4, 30) >= 0.9
        assert run.refused_share(0, 30) <= 0.01

    def test_what_an_idle_client_sent_is_not_taken_for_what_the_server_bears(self) -> None:
        limits = limiter()
        for n in range(30):
            answered(limits, n / 3)
        refused(limits, 10.0)
        paced(limits, 11.0, 4.0)
        assert installed(limits) > 200

    def test_it_never_lifts_the_callers_own_rate(self) -> None:
        limits = limiter(rate=5.0)
        for n in range(50):
            answered(limits, n / 5)
        refused(limits, 10.0, 1.0)
        paced(limits, 11.0, 120.0)
        assert installed(limits) <= 5.0

    def test_a_count_per_minute_is_not_taken_for_one_per_second(self) -> None:
        limits = limiter()
        for n in range(600):
            answered(limits, n / 60)
        refused(limits, 10.0, 50.0)
        paced(limits, 60.0, 60.0)
        assert installed(limits) <= 10.0


class TestLaterPace:
    @staticmethod
    def settled() -> Limiter:
        """Return a limiter that met 200 a second, counted by the second, and has kept below it for ten seconds."""
        limits = limiter()
        for _ in range(200):
            answered(limits, 0.0)
        refused(limits, 0.1)
        paced(limits, 1.1, 10.0)
        return limits

    def test_it_stays_just_below_the_limit_it_found(self) -> None:
        assert 0.95 * 200 <= installed(self.settled()) < 200

    def test_it_goes_beyond_after_a_while_slowly_at_first(self) -> None:
        limits = self.settled()
        paced(limits, 11.1, 15.0)
        assert installed(limits) < 200
        paced(limits, 26.1, 10.0)
        assert 200 < installed(limits) < 240
        paced(limits, 36.1, 24.0)
        assert installed(limits) > 400

    def test_a_refusal_lowers_it_but_not_below_the_share_a_single_cut_may_take(self) -> None:
        limits = self.settled()
        before = installed(limits)
        refused(limits, 11.1)
        assert 0.69 * before < installed(limits) < before

    def test_refusals_in_a_row_bring_it_down_to_the_floor_and_no_further(self) -> None:
        limits, now = self.settled(), 11.1
        for _ in range(80):
            refused(limits, now)
            answered(limits, now + 1.0)
            now += 1.2
        assert installed(limits) == 1.0

    def test_after_refusals_in_a_row_the_rate_known_before_is_tried_out(self) -> None:
        limits, now = self.settled(), 11.1
        before = installed(limits)
        for _ in range(20):
            refused(limits, now)
            answered(limits, now + 1.0)
            now += 1.2
        assert installed(limits) < 0.2 * before
        paced(limits, now, 4.0)
        assert installed(limits) > 0.9 * before

    def test_trials_that_fail_are_made_more_and_more_rarely(self) -> None:
        limits, now, spans = self.settled(), 11.1, []
        for _ in range(12):
            refused(limits, now)
            answered(limits, now + 1.0)
            now += 1.2
        for _ in range(3):
            low, began = 1.5 * installed(limits), now
            while installed(limits) < low:  # until it goes beyond, which is refused
                now += limits.wait(now)
                answered(limits, now)
            spans.append(now - began)
            refused(limits, now)
            answered(limits, now + 1.0)
            now += 1.0
        assert spans[1] > 1.5 * spans[0]
        assert spans[2] > 1.5 * spans[1]

    def test_where_a_burst_is_all_that_was_measured_it_grows_at_once(self) -> None:
        limits = limiter()
        tickets = [limits.take(0.0) for _ in range(64)]
        for ticket in tickets[:20]:
            limits.passed(ticket, 0.05)
        limits.throttle(tickets[20], 0.05, 1.0)
        for ticket in tickets:
            limits.release(ticket)
        paced(limits, 1.05, 2.0)
        assert installed(limits) > 200

    def test_an_hour_of_idleness_changes_nothing(self) -> None:
        limits = self.settled()
        before = installed(limits)
        answered(limits, 3600.0)
        assert installed(limits) == pytest.approx(before, rel=0.01)

    def test_it_does_not_grow_while_it_holds_nobody_back(self) -> None:
        limits = self.settled()
        before = installed(limits)
        for n in range(2000):
            answered(limits, 20.0 + n / 10)
        assert installed(limits) == pytest.approx(before, rel=0.01)

    def test_it_is_never_lifted_altogether(self) -> None:
        limits = self.settled()
        paced(limits, 11.1, 100.0)
        assert limits.throttled(111.1)
        assert installed(limits) < 20_000


# The servers. Each is asked at a moment and says None for "yes", else the seconds until it would.


class Server(Protocol):
    def ask(self, now: float) -> float | None: ...

    def scale(self, factor: float) -> None: ...


@attrs.define
class Fixed:
    """Counts by the second, its seconds beginning at an offset."""

    rate: float
    offset: float = 0.0
    second: float = -1.0
    count: int = 0

    def ask(self, now: float) -> float | None:
        now += self.offset
        if math.floor(now) != self.second:
            self.second, self.count = math.floor(now), 0
        self.count += 1
        return None if self.count <= self.rate else 1.0 - now % 1.0

    def scale(self, factor: float) -> None:
        self.rate *= factor


@attrs.define
class Sliding:
    """Counts what it let through in the second before."""

    rate: float
    seen: deque[float] = attrs.field(factory=deque)

    def ask(self, now: float) -> float | None:
        while self.seen and self.seen[0] <= now - 1.0:
            self.seen.popleft()
        if len(self.seen) >= self.rate:
            return self.seen[0] + 1.0 - now
        self.seen.append(now)
        return None

    def scale(self, factor: float) -> None:
        self.rate *= factor


@attrs.define
class Bucket:
    """Tokens that flow in at a rate and pile up to a burst."""

    rate: float
    burst: float
    tokens: float = attrs.field(default=attrs.Factory(lambda self: self.burst, takes_self=True))
    at: float = 0.0

    def ask(self, now: float) -> float | None:
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1.0:
            return (1.0 - self.tokens) / self.rate
        self.tokens -= 1.0
        return None

    def scale(self, factor: float) -> None:
        self.rate *= factor


@attrs.define
class Unlimited:
    """Lets everything through."""

    def ask(self, now: float) -> float | None:
        return None

    def scale(self, factor: float) -> None:
        """Nothing to scale."""


@attrs.define
class Stormy:
    """Refuses, from a moment until another, all but what is let through by chance or so many in a second."""

    server: Server
    start: float
    end: float
    share: float = 0.0
    trickle: Fixed = attrs.field(factory=lambda: Fixed(math.inf))
    chance: random.Random = attrs.field(factory=lambda: random.Random(5))

    def ask(self, now: float) -> float | None:
        if self.start <= now < self.end:
            if self.chance.random() >= self.share:
                return 1.0
            if (wait := self.trickle.ask(now)) is not None:
                return wait
        return self.server.ask(now)

    def scale(self, factor: float) -> None:
        self.server.scale(factor)


def rounded_up(seconds: float) -> float | None:
    return float(math.ceil(seconds))


def exact(seconds: float) -> float | None:
    return seconds


def unnamed(seconds: float) -> float | None:
    return None


@attrs.frozen
class Run:
    """What a simulated run came to: how many got through and were refused in each second."""

    through: list[int]
    refused: list[int]

    def use(self, rate: float, start: int, end: int) -> float:
        return sum(self.through[start:end]) / (rate * (end - start))

    def refused_share(self, start: int, end: int) -> float:
        refusals = sum(self.refused[start:end])
        return refusals / (sum(self.through[start:end]) + refusals)


def simulated(
    server: Server,
    named: Callable[[float], float | None],
    *,
    seconds: int,
    latency: float = 0.05,
    workers: int = 64,
    seed: int = 0,
    change: tuple[float, float] | None = None,
) -> Run:
    """Have workers send through a limiter to a server, in simulated time.

    Args:
        server: Decides what is let through.
        named: Turns the seconds a server knows into what its Retry-After says.
        seconds: How long it goes on.
        latency: Seconds there and back, varying by a fifth.
        workers: Requests that would be out at once if nothing held them.
        seed: Of everything random.
        change: When the server's rate is multiplied, and by what.
    """
    chance = random.Random(seed)
    limits = Limiter(jitter=chance.random)
    run = Run([0] * seconds, [0] * seconds)
    events: list[tuple[float, int, bool, float, float | None]] = []  # when, ticket, back?, seconds back, refusal
    now, idle = 0.0, workers
    while True:
        if change is not None and now >= change[0]:
            server.scale(change[1])
            change = None
        while idle and limits.wait(now) <= 0.0:
            idle -= 1
            half = latency * (0.4 + 0.2 * chance.random())
            heapq.heappush(events, (now + half, limits.take(now), False, half, None))
        wake = now + limits.wait(now) + 0.0008 * chance.random() if idle else math.inf  # timers are late
        if not events or wake < events[0][0]:
            now = wake
            if now >= seconds:
                return run
            continue
        now, ticket, back, half, refusal = heapq.heappop(events)
        if now >= seconds:
            return run
        if not back:
            heapq.heappush(events, (now + half, ticket, True, half, server.ask(now)))
            continue
        if refusal is None:
            limits.passed(ticket, now)
            run.through[int(now)] += 1
        else:
            limits.throttle(ticket, now, named(refusal))
            run.refused[int(now)] += 1
        limits.release(ticket)
        idle += 1


SERVERS: dict[str, Callable[[float], Server]] = {
    "fixed": lambda rate: Fixed(rate, 0.37),
    "sliding": Sliding,
    "bucket of a second": lambda rate: Bucket(rate, rate),
    "bucket of 20": lambda rate: Bucket(rate, 20),
    "bucket of 10": lambda rate: Bucket(rate, 10),
}


class TestAgainstServers:
    @pytest.mark.parametrize("named", [rounded_up, exact, unnamed])
    @pytest.mark.parametrize("latency", [0.002, 0.05])
    @pytest.mark.parametrize("server", SERVERS)
    def test_it_finds_what_the_server_allows(
        self, server: str, latency: float, named: Callable[[float], float | None]
    ) -> None:
        run = simulated(SERVERS[server](200), named, seconds=30, latency=latency, seed=3)
        tiny = server in {"bucket of 20", "bucket of 10"}
        # A tiny burst says nothing of the rate behind it: finding that costs one refusal more, and its pause.
        assert run.use(200, 2, 30) >= (0.86 if tiny else 0.92)
        assert run.refused_share(2, 30) <= 0.01
        assert run.refused_share(0, 30) <= 0.03

    @pytest.mark.parametrize("server", SERVERS)
    def test_a_long_run_is_not_spoilt_by_looking_for_more(self, server: str) -> None:
        run = simulated(SERVERS[server](50), rounded_up, seconds=120, seed=1)
        assert run.use(50, 2, 120) >= 0.90
        assert run.refused_share(2, 120) <= 0.02

    @pytest.mark.parametrize("server", ["fixed", "bucket of a second", "bucket of 20"])
    def test_it_finds_a_high_rate(self, server: str) -> None:
        run = simulated(SERVERS[server](1000), rounded_up, seconds=15, workers=256, seed=2)
        assert run.use(1000, 5, 15) >= 0.88
        assert run.refused_share(2, 15) <= 0.02

    @pytest.mark.parametrize("server", ["fixed", "sliding", "bucket of a second", "bucket of 20"])
    @pytest.mark.parametrize("factor", [0.5, 2.0])
    def test_it_follows_a_limit_that_changes(self, server: str, factor: float) -> None:
        run = simulated(SERVERS[server](60), rounded_up, seconds=90, change=(20.0, factor), seed=1)
        assert run.use(60 * factor, 70, 90) >= 0.7
        assert run.refused_share(20, 90) <= 0.05

    def test_a_window_edge_within_the_storm_costs_some_use_but_starts_no_new_storm(self) -> None:
        run = simulated(Fixed(200, 0.9), rounded_up, seconds=30)
        assert run.use(200, 2, 30) >= 0.75
        assert run.refused_share(2, 30) <= 0.02


LIMITED = [name for name in SERVERS if name != "bucket of 10"]


class TestAfterAStorm:
    """Within five seconds of its end the pace is what it was, or what the server allows."""

    @pytest.mark.parametrize("server", LIMITED)
    @pytest.mark.parametrize("start", [0, 12])
    @pytest.mark.parametrize("probes", [12, 20, 30])
    def test_the_pace_is_back_after_probes_refused_in_a_row(self, server: str, start: int, probes: int) -> None:
        end = start + probes
        run = simulated(Stormy(SERVERS[server](200), start, end), rounded_up, seconds=end + 35)
        assert sum(run.through[start + 1 : end]) == 0
        assert sum(run.refused[start + 1 : end]) >= 0.8 * probes  # one a second, a little later each
        assert run.use(200, end + 5, end + 10) >= 0.9
        assert run.use(200, end + 5, end + 35) >= 0.9
        assert run.refused_share(end + 5, end + 35) <= 0.01

    @pytest.mark.parametrize("start", [0, 12])
    @pytest.mark.parametrize("probes", [12, 30])
    def test_a_server_without_any_limit_is_used_to_the_full(self, start: int, probes: int) -> None:
        end, full = start + probes, 64 / 0.05
        run = simulated(Stormy(Unlimited(), start, end), rounded_up, seconds=end + 15)
        assert run.use(full, end + 5, end + 15) >= 0.9
        assert sum(run.refused[end:]) == 0

    @pytest.mark.parametrize("server", LIMITED)
    def test_where_no_time_is_named_it_is_back_soon_after_the_first_that_got_through(self, server: str) -> None:
        run = simulated(Stormy(SERVERS[server](200), 12.0, 40.0), unnamed, seconds=120)
        back = next(second for second in range(40, 120) if run.through[second])
        assert run.use(200, back + 5, back + 35) >= 0.9
        assert run.refused_share(back, back + 35) <= 0.01

    @pytest.mark.parametrize("server", [*LIMITED, "unlimited"])
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize(
        ("share", "trickle"),
        [(0.5, math.inf), (0.1, math.inf), (1.0, 1.0), (1.0, 5.0)],
        ids=["half refused", "most refused", "one a second", "five a second"],
    )
    def test_refusals_of_some_do_not_wear_the_pace_down(
        self, server: str, share: float, trickle: float, seed: int
    ) -> None:
        limited = server in SERVERS
        inner = SERVERS[server](200) if limited else Unlimited()
        stormy = Stormy(inner, 12.0, 32.0, share, Fixed(trickle), random.Random(seed))
        run = simulated(stormy, rounded_up, seconds=60, seed=seed)
        assert sum(run.refused[12:32]) >= 10
        # Chance decides how patient the trials are when it ends, so it may take some seconds more.
        assert run.use(200 if limited else 64 / 0.05, 44, 60) >= 0.9
        assert run.refused_share(34, 60) <= 0.03

    @pytest.mark.parametrize("server", LIMITED)
    def test_a_limit_that_fell_is_believed_in_the_end(self, server: str) -> None:
        run = simulated(SERVERS[server](200), rounded_up, seconds=120, change=(20.0, 0.25))
        assert run.use(50, 80, 120) >= 0.8
        assert run.refused_share(40, 120) <= 0.02


class Calls(RuleBasedStateMachine):
    """Any order of calls a transport may make."""

    @initialize(
        rate=st.none() | st.floats(1.0, 500.0),
        concurrency=st.none() | st.integers(1, 8),
        seed=st.integers(0, 99),
    )
    def begin(self, rate: float | None, concurrency: int | None, seed: int) -> None:
        self.limits = Limiter(rate=rate, concurrency=concurrency, jitter=random.Random(seed).random)
        self.own_rate = rate
        self.now = 0.0
        self.out: list[int] = []
        self.gate = -math.inf
        self.probes: set[int] = set()  # out, sent after the gate reopened and before anything got through
        self.probing = False
        self.newest_cut = 0

    @rule(seconds=st.floats(0.0, 3.0))
    def later(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def until_it_may_go(self) -> None:
        wait = self.limits.wait(self.now)
        if wait < math.inf:
            self.now += wait

    @precondition(lambda self: self.limits.wait(self.now) == 0.0)
    @rule(number=st.integers(1, 20))
    def send(self, number: int) -> None:
        for _ in range(number):
            if self.limits.wait(self.now) > 0.0:
                break
            assert self.now >= self.gate
            ticket = self.limits.take(self.now)
            assert ticket not in self.out
            self.out.append(ticket)
            assert len(self.out) <= self.limits.slots
            if self.probing:
                self.probes.add(ticket)

    @precondition(lambda self: self.out)
    @rule(
        data=st.data(), ends=st.sampled_from(["passed", "429", "503", "lost"]), asked=st.none() | st.floats(-1.0, 9.0)
    )
    def answer(self, data: st.DataObject, ends: str, asked: float | None) -> None:
        ticket = data.draw(st.sampled_from(self.out))
        before = self.limits.closed_for(self.now)
        if ends == "passed":
            self.limits.passed(ticket, self.now)
            if ticket > self.newest_cut:
                self.probing = False
        elif ends in {"429", "503"}:
            closed = self.limits.throttle(ticket, self.now, asked, overloaded=ends == "503")
            assert closed == self.limits.closed_for(self.now)
            assert closed >= before or math.isclose(closed, before)
            assert closed <= 1.1 * LONGEST_PAUSE
            self.gate = self.now + closed
            if ticket > self.newest_cut:
                self.probing = True
                self.newest_cut = max(self.out)
        self.limits.release(ticket)
        self.out.remove(ticket)
        self.probes.discard(ticket)
        if not self.probing:
            self.probes.clear()

    @invariant()
    def what_is_out_is_counted(self) -> None:
        assert self.limits.in_flight == len(self.out)
        assert self.limits.slots >= 1

    @invariant()
    def nobody_goes_while_the_gate_is_closed(self) -> None:
        if self.now < self.gate:
            assert self.limits.wait(self.now) > 0.0

    @invariant()
    def one_probe_at_most(self) -> None:
        assert len(self.probes) <= 1

    @invariant()
    def the_rate_stays_within_its_bounds(self) -> None:
        rate = self.limits.rate(self.now)
        if rate is not None:
            assert rate >= 1.0
            assert self.own_rate is None or rate <= self.own_rate


TestCalls = Calls.TestCase
TestCalls.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@settings(max_examples=60, deadline=None)
@given(
    rate=st.floats(1.0, 200.0),
    lateness=st.lists(st.floats(0.0, 0.3), min_size=2, max_size=150),
)
def test_the_own_rate_is_kept_over_any_window_whatever_the_timers_do(rate: float, lateness: list[float]) -> None:
    limits, now, sent = limiter(rate=rate), 0.0, []
    for late in lateness:
        now += limits.wait(now) + late
        limits.take(now)
        sent.append(now)
        while limits.wait(now) == 0.0:
            limits.take(now)
            sent.append(now)
    for first in range(len(sent)):
        for last in range(first + 1, len(sent)):
            allowed = 1 + rate * (sent[last] - sent[first] + CATCH_UP)
            assert last - first + 1 <= allowed + 1e-6


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["enter", "enter", "enter", "passed", "passed", "429", "503", "lost", "later", "later"]),
        st.integers(0, 50),
        st.floats(0.0, 1.5),
    ),
    max_size=150,
)


@settings(max_examples=200, deadline=None)
@given(rate=st.none() | st.floats(1.0, 500.0), concurrency=st.none() | st.integers(1, 8), steps=STEPS)
def test_try_take_is_wait_and_take_in_one(
    rate: float | None, concurrency: int | None, steps: list[tuple[str, int, float]]
) -> None:
    one, other = (Limiter(rate=rate, concurrency=concurrency, jitter=random.Random(1).random) for _ in range(2))
    out: list[int] = []
    now = 0.0
    for step, number, seconds in steps:
        if step == "later":
            now += seconds
        elif step == "enter":
            for _ in range(number):
                ticket = other.take(now) if other.wait(now) <= 0.0 else 0
                assert one.try_take(now) == ticket
                if not ticket:
                    break
                out.append(ticket)
        elif out:
            ticket = out.pop(number % len(out))
            for limits in (one, other):
                if step == "passed":
                    limits.passed(ticket, now)
                elif step != "lost":
                    limits.throttle(ticket, now, seconds if number % 4 else None, overloaded=step == "503")
                limits.release(ticket)
        for limits in (one, other):
            assert limits.in_flight == len(out)
        assert one.wait(now) == other.wait(now)
        assert one.rate(now) == other.rate(now)
        assert one.slots == other.slots
        assert one.throttled(now) == other.throttled(now)
