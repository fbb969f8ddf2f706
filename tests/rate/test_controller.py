"""When the next request may go out. Time is handed in, nothing here sleeps."""

from __future__ import annotations

import math
import sys
from types import FrameType

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from welkin_async.http.rate_limit.controller import RateController
from welkin_async.http.rate_limit.growth import Growth

LATENCY = 0.02
CATCH_UP = 0.05


class Session:
    """A controller, and requests that go out through it in simulated time."""

    def __init__(
        self, *, rate: float | None = None, concurrency: int = 64, jitter: float = 0.0, learns: bool = True
    ) -> None:
        self.now = 0.0
        self.controller = RateController(
            rate=rate, concurrency=concurrency, clock=lambda: self.now, jitter=lambda: jitter, learns=learns
        )

    def wait(self) -> float:
        return self.controller.wait_time(self.now)

    def send(self) -> int:
        assert self.wait() == 0.0
        return self.controller.acquire(self.now)

    def accept(self, ticket: int, sent: float | None = None) -> None:
        self.controller.accepted(ticket, self.now - LATENCY if sent is None else sent)
        self.controller.release(ticket)

    def refuse(self, ticket: int, retry_after: float | None = None, *, overloaded: bool = False) -> None:
        self.controller.refused(ticket, self.now, retry_after, overloaded=overloaded)
        self.controller.release(ticket)

    def accepted(self) -> None:
        self.accept(self.send())

    def refused(self, retry_after: float | None = None, *, overloaded: bool = False) -> None:
        self.refuse(self.send(), retry_after, overloaded=overloaded)

    def steady(self, seconds: float, rate: float, refuse_every: int = 0, *, overloaded: bool = False) -> int:
        """Send at a rate, or as fast as the controller lets us; refuse every so many. Return how many went out."""
        end, sent = self.now + seconds, 0
        while True:
            self.now += max(self.wait(), 1.0 / rate)
            if self.now >= end:
                return sent
            sent += 1
            if refuse_every and sent % refuse_every == 0:
                self.refused(overloaded=overloaded)
            else:
                self.accepted()

    def full(self, rounds: int, latency: float = LATENCY) -> list[int]:
        """Keep as many out as may be, for so many round trips; return how many were out after each."""
        out, counts = [self.send()], []
        for _ in range(rounds):
            self.now += latency
            returned, out = out, []
            for ticket in returned:
                self.accept(ticket)
                while self.wait() == 0.0:  # whoever waits goes as soon as there is room
                    out.append(self.send())
            counts.append(len(out))
        for ticket in out:
            self.accept(ticket)
        return counts

    def storm(self, retry_after: float | None = None, *, overloaded: bool = False, most: int = 200) -> int:
        """Refuse all that goes out until everybody pauses; return how many that took."""
        for count in range(1, most + 1):
            self.now += min(self.wait(), 0.3)
            self.refused(retry_after, overloaded=overloaded)
            if self.wait() > 0.5 / 1.2:
                return count
        raise AssertionError("no pause")

    @property
    def pace(self) -> float:
        pace = self.controller.snapshot(self.now).pace
        assert pace is not None
        return pace

    @property
    def unpaced(self) -> bool:
        return self.controller.snapshot(self.now).pace is None


def limited(rate: float = 200.0) -> Session:
    """Return a session that has just met a limit, and has a pace."""
    session, tokens = Session(), 0.0
    while session.unpaced or session.pace > rate:
        session.now += max(session.wait(), 1.0 / 300.0)
        tokens = min(5.0, tokens + rate * max(session.wait(), 1.0 / 300.0))
        if tokens >= 1.0:
            tokens -= 1.0
            session.accepted()
        else:
            session.refused()
    return session


class TestSlowStart:
    def test_a_session_starts_with_ten_in_flight(self) -> None:
        session = Session()
        for _ in range(10):
            session.send()
        assert session.wait() == math.inf

    @pytest.mark.parametrize("latency", [0.02, 0.25, 0.6])
    def test_they_double_every_eighth_of_a_second_or_round_trip_until_the_callers_bound(self, latency: float) -> None:
        counts = Session(concurrency=75).full(int(4.0 / latency), latency)
        doubling = max(latency, 0.125)
        for doublings, slots in enumerate((10, 20, 40)):
            reached = latency * next(at for at, count in enumerate(counts) if count >= slots)
            assert reached == pytest.approx(doublings * doubling, abs=2.5 * latency)
        assert counts[-1] == 75

    def test_it_does_not_grow_where_few_are_in_flight(self) -> None:
        session = Session()
        for _ in range(100):
            session.accepted()
        assert session.controller.snapshot(0.0).slots == 10

    def test_a_session_that_was_idle_for_hours_goes_on(self) -> None:
        session = Session(concurrency=75)
        for _ in range(8):
            session.send()
        session.now += 86_400.0
        session.send()
        assert session.controller.snapshot(session.now).slots == 10  # nothing was accepted meanwhile

    def test_a_lower_bound_of_the_callers_own_holds_from_the_start(self) -> None:
        session = Session(concurrency=2)
        session.send()
        session.send()
        assert session.wait() == math.inf


class TestSlots:
    def test_so_many_requests_are_out_and_no_more(self) -> None:
        session = Session(concurrency=2)
        first = session.send()
        session.send()
        assert session.wait() == math.inf
        session.accept(first)
        assert session.wait() == 0.0

    def test_there_is_always_one(self) -> None:
        session = Session(concurrency=1)
        for _ in range(50):
            session.now += session.wait() + LATENCY
            session.refused(overloaded=True)
        assert session.controller.snapshot(session.now).slots == 1


class TestOwnRate:
    def test_requests_are_spaced_evenly(self) -> None:
        session = Session(rate=10.0)
        session.send()
        assert session.wait() == pytest.approx(0.05)  # the lateness that may be made good is half an interval here
        session.now += 0.05
        session.send()
        assert session.wait() == pytest.approx(0.1)

    @given(st.floats(0.5, 500.0), st.lists(st.floats(0.0, 3.0), min_size=1, max_size=30))
    @example(0.75, [0.3535943420350033])
    @settings(max_examples=60)
    def test_it_is_never_exceeded(self, rate: float, idle: list[float]) -> None:
        session, sent = Session(rate=rate), []
        for pause in idle:
            session.now += pause
            for _ in range(8):
                while wait := session.wait():  # where the sum is rounded down, the last digit of it once more
                    session.now += wait
                session.accepted()
                sent.append(session.now)
        for first in range(len(sent)):
            for last in range(first, len(sent)):
                assert last - first <= (sent[last] - sent[first] + CATCH_UP) * rate + 1 + 1e-6

    @given(st.floats(1.0, 200.0), st.lists(st.floats(0.0, 0.3), min_size=2, max_size=100))
    @settings(max_examples=60)
    def test_it_is_kept_over_any_window_however_late_timers_are(self, rate: float, lateness: list[float]) -> None:
        session, sent = Session(rate=rate), []
        for late in lateness:
            session.now += session.wait() + late
            while session.wait() == 0.0:
                session.accepted()
                sent.append(session.now)
        for first in range(len(sent)):
            for last in range(first, len(sent)):
                assert last - first <= (sent[last] - sent[first] + CATCH_UP) * rate + 1 + 1e-6

    def test_a_late_timer_is_made_good_and_idleness_is_not_saved_up(self) -> None:
        session = Session(rate=100.0)
        session.accepted()
        session.now += 0.04  # four that should have gone out meanwhile
        for _ in range(4):
            assert session.wait() == 0.0
            session.accepted()
        session.now += 3600.0
        at_once = 0
        while session.wait() == 0.0:
            session.accepted()
            at_once += 1
        assert at_once <= 1 + 100.0 * CATCH_UP

    def test_no_answer_lifts_it(self) -> None:
        session = Session(rate=5.0)
        session.storm(1.0)
        session.steady(60.0, 1000.0)
        assert session.pace <= 5.0


class TestChance:
    def test_one_refusal_means_nothing(self) -> None:
        session = Session()
        session.steady(2.0, 500.0)
        session.refused(30.0)
        assert session.wait() == 0.0
        assert session.unpaced

    @pytest.mark.parametrize("overloaded", [False, True])
    @pytest.mark.parametrize("every", [50, 34])
    def test_a_share_that_is_borne_does_nothing(self, every: int, overloaded: bool) -> None:
        session = Session()
        sent = session.steady(30.0, 500.0, refuse_every=every, overloaded=overloaded)
        assert sent == pytest.approx(15_000, rel=0.01)
        assert session.unpaced

    @pytest.mark.parametrize("every", [25, 20, 10, 4])
    def test_a_share_that_no_pace_lowers_is_chance(self, every: int) -> None:
        session = Session()
        sent = session.steady(60.0, 500.0, refuse_every=every)
        assert sent >= 0.85 * 30_000
        assert session.steady(10.0, 500.0, refuse_every=every) >= 0.95 * 5_000


class TestCut:
    def test_the_pace_goes_just_below_what_was_accepted(self) -> None:
        assert 0.85 * 200 <= limited(200.0).pace <= 1.1 * 200

    def test_answers_to_what_was_sent_before_belong_to_it(self) -> None:
        session = Session()
        session.steady(3.0, 300.0)
        tickets = [session.send() for _ in range(5)]
        while session.unpaced:
            session.steady(0.05, 300.0, refuse_every=3)
        pace = session.pace
        for ticket in tickets:
            session.refuse(ticket, 60.0)
        assert session.pace == pace
        assert session.wait() < 1.0

    def test_the_pace_grows_to_twice_in_six_seconds_of_use_and_slowly_at_first(self) -> None:
        session = limited()
        before = session.pace
        session.steady(2.0, 5000.0)
        assert 1.0 < session.pace / before < 1.1
        session.steady(4.0, 5000.0)
        assert session.pace / before == pytest.approx(2.0, rel=0.15)

    def test_it_does_not_grow_while_it_is_not_used_up(self) -> None:
        session = limited()
        before = session.pace
        session.steady(60.0, 20.0)
        assert session.pace == pytest.approx(before, rel=0.01)
        session.now += 3600.0
        session.accepted()
        assert session.pace == pytest.approx(before, rel=0.01)

    def test_it_is_lifted_when_it_is_more_than_all_slots_can_make(self) -> None:
        session = limited()
        session.steady(60.0, 5000.0)
        assert session.unpaced
        assert not session.controller.limited

    def test_it_is_never_below_one_a_second(self) -> None:
        session = Session()
        for _ in range(200):
            session.now += min(session.wait(), 60.0)
            if session.wait() == 0.0:
                session.refused()
        assert session.unpaced or session.pace >= 1.0

    def test_an_overload_sets_the_slots_and_leaves_the_pace_alone(self) -> None:
        session = Session()
        session.steady(2.0, 400.0)
        for _ in range(200):
            session.now += 1 / 400
            session.accepted()
            session.refused(overloaded=True)
            if session.controller.limited:
                break
        snapshot = session.controller.snapshot(session.now)
        assert snapshot.pace is None
        assert snapshot.slots == pytest.approx(400 * LATENCY, abs=3)

    def test_slots_grow_back_as_they_are_used_up(self) -> None:
        session = Session(concurrency=32)
        session.steady(2.0, 400.0)
        while not session.controller.limited:
            session.now += 1 / 400
            session.accepted()
            session.refused(overloaded=True)
        assert session.full(int(2 / LATENCY))[-1] < 16
        assert session.full(int(20 / LATENCY))[-1] == 32
        assert not session.controller.limited


class TestPause:
    def test_refusals_in_a_row_have_everybody_pause_as_long_as_is_asked(self) -> None:
        session = Session()
        session.steady(2.0, 300.0)
        assert session.storm(7.0) <= 25
        assert session.wait() == pytest.approx(7.0)
        assert session.controller.paused_for(session.now) == pytest.approx(7.0)
        assert session.controller.limited

    @pytest.mark.parametrize("asked", [None, 0.0, -3.0, 3601.0, math.inf])
    def test_what_cannot_be_waited_for_counts_as_not_given(self, asked: float | None) -> None:
        session = Session()
        session.storm(asked)
        assert 0.4 < session.wait() <= 0.5

    def test_jitter_is_added_to_what_was_asked(self) -> None:
        waits = []
        for jitter in (0.0, 0.5, 0.99):
            session = Session(jitter=jitter)
            session.storm(10.0)
            waits.append(session.wait())
        assert waits == sorted(waits)
        assert waits[0] == pytest.approx(10.0)
        assert waits[-1] < 11.0

    @pytest.mark.parametrize("jitter", [0.0, 0.99])
    def test_probes_are_two_seconds_apart_in_the_first_minute_and_fifteen_later(self, jitter: float) -> None:
        session, began, apart = Session(jitter=jitter), 0.0, []
        session.storm()
        began = session.now
        while session.now < began + 200.0:
            apart.append((session.now - began, session.wait()))
            session.now += session.wait()
            session.refused()
        assert max(wait for at, wait in apart if at < 60.0) <= 2.0
        assert 10.0 < min(wait for at, wait in apart if at > 65.0) <= max(wait for _, wait in apart) <= 15.0

    def test_one_request_goes_ahead_and_the_others_wait_for_it(self) -> None:
        session = Session()
        session.storm(1.0)
        session.now += 1.0
        probe = session.send()
        assert session.wait() == math.inf
        session.accept(probe)
        assert session.wait() < math.inf

    def test_a_probe_without_a_verdict_lets_the_next_one_go(self) -> None:
        session = Session()
        session.storm(1.0)
        session.now += 1.0
        session.controller.release(session.send())
        assert session.wait() == 0.0

    def test_a_straggler_may_prolong_it_but_not_begin_another(self) -> None:
        session = Session()
        early, late = session.send(), session.send()
        session.storm(1.0)
        session.refuse(early, 5.0)
        assert session.wait() == pytest.approx(5.0)
        session.now += 6.0
        session.refuse(late, 30.0)
        assert session.wait() == 0.0

    def test_after_a_quota_the_pace_is_what_was_accepted_with_the_pause_and_searches_from_there(self) -> None:
        session = Session()
        session.steady(10.0, 100.0)
        session.storm(40.0)
        session.now += 40.0
        session.accepted()
        assert session.pace == pytest.approx(0.95 * 1000 / 50, rel=0.05)
        session.steady(16.0, 5000.0)
        assert session.pace > 3.5 * 1000 / 50

    def test_how_long_the_answer_to_a_probe_takes_says_nothing_about_a_quota(self) -> None:
        paces = []
        for stall in (0.0, 30.0):
            session = Session()
            session.steady(2.0, 300.0)
            session.storm(1.0)
            session.now += session.wait()
            unanswered = session.send()
            session.now += stall
            session.controller.release(unanswered)
            session.accepted()
            paces.append(session.pace)
        assert paces[1] == paces[0] > 200.0

    @pytest.mark.parametrize("rate", [100.0, 200.0, 900.0])
    def test_what_a_second_allowed_is_the_pace_after_a_short_pause(self, rate: float) -> None:
        session = Session()
        for _ in range(int(rate)):
            session.now += max(session.wait(), 0.5 / rate)
            session.accepted()
        session.storm(1.0)
        session.now += session.wait()
        session.accepted()
        assert session.pace == pytest.approx(0.95 * rate, rel=0.02)

    def test_where_little_was_accepted_before_it_the_pace_is_searched_for(self) -> None:
        session = Session()
        for _ in range(40):
            session.now += 0.005
            session.accepted()
        session.storm(1.0)
        session.now += session.wait()
        session.accepted()
        session.steady(3.0, 5000.0)
        assert session.pace > 5 * 40

    @pytest.mark.parametrize("probes", [0, 3, 30])
    def test_an_outage_says_nothing_about_the_rate_and_is_left_in_a_slow_start(self, probes: int) -> None:
        session = Session()
        session.steady(10.0, 300.0)
        session.now += 1.0  # nothing gets through any more
        session.storm(overloaded=True)
        for _ in range(probes):
            session.now += session.wait()
            session.refused(overloaded=True)
        session.now += session.wait()
        session.accepted()
        assert session.unpaced
        counts = session.full(round(2.0 / LATENCY))
        assert counts[0] <= 10
        assert counts[-1] == 64

    def test_a_few_calls_pause_after_a_few_refusals(self) -> None:
        session = Session()
        assert session.storm(2.0) <= 5


class TestShown:
    def test_a_session_that_nothing_holds_back(self) -> None:
        session = Session()
        session.steady(3.0, 100.0)
        snapshot = session.controller.snapshot(session.now)
        assert snapshot.pace is None
        assert (snapshot.in_flight, snapshot.refused, snapshot.share_refused, snapshot.paused_for) == (0, 0, 0.0, 0.0)
        assert snapshot.accepted == pytest.approx(300, abs=2)
        assert not session.controller.limited

    def test_what_is_refused(self) -> None:
        session = Session()
        session.steady(5.0, 300.0, refuse_every=50)
        snapshot = session.controller.snapshot(session.now)
        assert snapshot.share_refused == pytest.approx(0.02, abs=0.01)
        assert snapshot.refused == pytest.approx(30, abs=1)

    def test_it_is_frozen(self) -> None:
        snapshot = Session().controller.snapshot(0.0)
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            snapshot.pace = 1.0  # type: ignore[misc]


def test_a_request_that_nothing_holds_back_costs_three_calls() -> None:
    """One to ask, one to report, one to release: neither a clock nor anything else below them."""
    session, calls = Session(), 0
    session.steady(3.0, 100.0)
    controller, now = session.controller, session.now
    controller.release(controller.try_acquire(now))

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    for _ in range(100):
        ticket = controller.try_acquire(now)
        controller.accepted(ticket, now)
        controller.release(ticket)
    sys.setprofile(None)
    assert calls <= 301  # the last is `sys.setprofile` itself


class AnyServer(RuleBasedStateMachine):
    """Whatever a server answers, and whenever: tickets are kept, bounds hold, and nobody waits for ever."""

    @initialize(rate=st.none() | st.floats(0.5, 1000.0), concurrency=st.integers(1, 100), jitter=st.floats(0, 0.99))
    def begin(self, rate: float | None, concurrency: int, jitter: float) -> None:
        self.session = Session(rate=rate, concurrency=concurrency, jitter=jitter)
        self.rate, self.concurrency = rate, concurrency
        self.out: list[tuple[int, float]] = []
        self.serial = 0

    @rule(count=st.integers(1, 60))
    def send(self, count: int) -> None:
        session = self.session
        for _ in range(count):
            may = session.wait() <= 0.0
            ticket = session.controller.try_acquire(session.now)
            assert bool(ticket) == may
            if ticket:
                assert ticket > self.serial
                self.serial = ticket
                self.out.append((ticket, session.now))

    @rule(seconds=st.sampled_from([0.0, 0.001, 0.05, 0.3, 1.0, 2.5, 70.0]))
    def wait(self, seconds: float) -> None:
        self.session.now += seconds

    @precondition(lambda self: self.out)
    @rule(number=st.integers(0, 100), count=st.integers(1, 60))
    def accept(self, number: int, count: int) -> None:
        for _ in range(min(count, len(self.out))):
            self.session.accept(*self.out.pop(number % len(self.out)))

    @precondition(lambda self: self.out)
    @rule(
        number=st.integers(0, 100),
        count=st.integers(1, 60),
        retry_after=st.none() | st.sampled_from([-1.0, 0.0, 0.5, 3.0, 5000.0]),
        overloaded=st.booleans(),
    )
    def refuse(self, number: int, count: int, retry_after: float | None, overloaded: bool) -> None:
        for _ in range(min(count, len(self.out))):
            ticket, _ = self.out.pop(number % len(self.out))
            self.session.refuse(ticket, retry_after, overloaded=overloaded)

    @precondition(lambda self: self.out)
    @rule(number=st.integers(0, 100))
    def lose(self, number: int) -> None:
        self.session.controller.release(self.out.pop(number % len(self.out))[0])

    @invariant()
    def tickets_are_kept(self) -> None:
        if hasattr(self, "out"):
            snapshot = self.session.controller.snapshot(self.session.now)
            assert self.session.controller.in_flight == len(self.out) == snapshot.in_flight <= self.concurrency
            assert 1 <= snapshot.slots <= self.concurrency
            assert snapshot.pace is None or snapshot.pace >= min(1.0, self.rate or 1.0)
            assert self.rate is None or (snapshot.pace is not None and snapshot.pace <= self.rate)
            assert 0.0 <= snapshot.share_refused <= 1.0

    @invariant()
    def nobody_waits_for_ever(self) -> None:
        if hasattr(self, "out"):
            wait = self.session.wait()
            assert wait >= 0.0
            assert wait < math.inf or self.out
            if wait < math.inf:
                assert self.session.controller.wait_time(self.session.now + wait + 1e-6) in (0.0, math.inf)


TestAnyServer = AnyServer.TestCase
TestAnyServer.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)


def test_a_share_of_nothing_lets_no_probe_out() -> None:
    """A session that pauses, and has given its share back, sends nothing until it has one again."""
    session = Session(rate=200.0, learns=False)
    for _ in range(60):
        session.now += 0.005
        session.refused(retry_after=1.0)
        if session.controller.paused_for(session.now):
            break
    session.controller.limit(0.0, session.now)
    session.now += 2.0
    assert session.wait() == math.inf
    assert session.controller.try_acquire(session.now) == 0
    session.controller.limit(50.0, session.now)
    session.accepted()


def test_what_others_are_told_of_refusals_is_what_says_something_about_the_rate() -> None:
    session = Session(rate=200.0, learns=False)
    out = []
    for _ in range(60):
        session.now += 0.005
        out.append(session.send())
        if len(out) > 5:
            session.refuse(out.pop(0), retry_after=1.0)
        if session.controller.paused_for(session.now):
            break
    judged = session.controller.throttled
    assert judged >= 20
    for ticket in out:  # they were out when the pause began
        session.refuse(ticket, retry_after=1.0)
    session.now += 2.0
    session.refused(retry_after=1.0)  # a probe
    session.now += 2.0
    session.accepted()
    for _ in range(10):
        session.now += 0.1
        session.refused(overloaded=True)  # not for the rate
    assert session.controller.throttled == judged
    session.now += 0.1
    session.refused()
    assert session.controller.throttled == judged + 1


@pytest.mark.parametrize("searching", [False, True])
def test_a_pace_begins_where_it_was_put_and_not_a_rounding_below(searching: bool) -> None:
    for number in range(1, 2_000):
        assert Growth(number / 7.0, 30.0, searching=searching, held=True).value >= number / 7.0
