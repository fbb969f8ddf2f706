"""What decides about leases, shares and budgets, without a store and without sleeping."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from welkin_async.http.share_pacer import remaining
from welkin_async.http.sharing import REPORT_INTERVAL, PaceReport, PaceShare
from welkin_async.shared import LeaseLostError, LedgerError, chunk_state, token_lease
from welkin_async.shared.allotment import LASTS, SELDOM, allot
from welkin_async.shared.lease import Lease, Moment

State = dict[str, Any]


class Clocks:
    """Three clocks that are moved by hand."""

    def __init__(self) -> None:
        self.now = Moment(100.0, 5000.0, 1.7e9)

    def __call__(self) -> Moment:
        return self.now

    def move(self, monotonic: float = 0.0, boot: float = 0.0, wall: float = 0.0) -> None:
        self.now = Moment(self.now[0] + monotonic, self.now[1] + boot, self.now[2] + wall)


@pytest.mark.parametrize("moved", [{"monotonic": 2.1}, {"boot": 2.1}, {"wall": 2.1}])
def test_a_lease_has_run_out_as_soon_as_one_clock_says_so(moved: dict[str, float]) -> None:
    clocks = Clocks()
    lease = Lease(clocks(), 2.0, clocks)
    assert lease.left > 0.0
    clocks.move(**moved)
    assert not lease.stands
    lease.renew(clocks())  # the answer came too late
    assert not lease.stands
    assert lease.left == 0.0


def test_a_wall_clock_that_is_set_back_lengthens_no_lease() -> None:
    clocks = Clocks()
    lease = Lease(clocks(), 2.0, clocks)
    clocks.move(monotonic=1.9, boot=1.9, wall=-3600.0)
    assert lease.stands
    clocks.move(monotonic=0.2, boot=0.2)
    assert not lease.stands


def claim(state: State | None, holder: str, now: float, **more: Any) -> tuple[State | None, chunk_state.Claimed]:
    given: State = {"lease": 2.0, "server": "a", "void_at": None}
    following, claimed = chunk_state.claim(state and json.loads(json.dumps(state)), holder, now, **(given | more))
    return following or state, claimed


def test_a_chunk_goes_to_one_worker_until_its_lease_ends_and_then_the_next_one_waits_for_nothing_more() -> None:
    state, first = claim(None, "one", 10.0)
    assert (first.taken, first.fence, first.attempt, first.wait) == (True, 1, 1, 0.0)
    assert claim(state, "two", 11.9)[1].taken is False
    state, second = claim(state, "two", 12.5)
    assert (second.taken, second.fence, second.attempt, second.begun, second.wait) == (True, 2, 2, 10.0, 0.0)
    with pytest.raises(LeaseLostError):
        chunk_state.renew(state, "one", 12.6, lease=2.0, server="a")
    with pytest.raises(LeaseLostError):
        chunk_state.finish(state, "one", 12.6, server="a", report={})
    state, _ = chunk_state.finish(state, "two", 12.7, server="a", report={"created": 3})
    assert chunk_state.finish(state, "two", 12.8, server="a", report={"created": 3}) == (None, None)  # asked again
    assert claim(state, "three", 99.0)[1].report == {"created": 3}


def test_a_claim_whose_answer_was_lost_is_made_again_as_the_same() -> None:
    state, first = claim(None, "one", 10.0)
    _, again = claim(state, "one", 10.5)
    assert (again.fence, again.attempt, again.taken) == (first.fence, first.attempt, True)


def test_another_server_voids_every_lease_and_all_that_it_may_have_lost_may_have_been_sent() -> None:
    state, _ = claim(None, "one", 10.0)
    run, known = chunk_state.open_run(None, "same", "a")
    assert run is not None
    run, known = chunk_state.see_server(run, "b", 20.0)
    assert known["void_at"] == 20.0
    with pytest.raises(LeaseLostError, match="void"):
        chunk_state.renew(state, "one", 20.1, lease=2.0, server="b")
    # A chunk that the other server has never heard of, and one that it knows by its lease.
    for held in (None, state):
        following, claimed = claim(held, "two", 20.5, server="b", void_at=20.0)
        assert claimed.taken
        assert claimed.attempt == 2
        assert claimed.wait == pytest.approx(1.5)
        assert claimed.void
        # Whoever has begun it since is no holder of a void lease.
        _, after = claim(following, "three", 23.0, server="b", void_at=20.0)
        assert (after.taken, after.attempt, after.void) == (True, 3, False)


def test_a_run_that_is_not_there_is_refused_and_so_is_another_one_of_its_name() -> None:
    for refused in (
        lambda: chunk_state.see_server(None, "a", 1.0),
        lambda: chunk_state.note(None, proved=True, lag=0.0, keys_changed=False),
    ):
        with pytest.raises(LedgerError, match="emptied"):
            refused()
    state, _ = chunk_state.open_run(None, "this file", "a")
    with pytest.raises(LedgerError, match="something else"):
        chunk_state.open_run(state, "that file", "a")


def test_what_is_known_of_a_run_only_grows() -> None:
    state, _ = chunk_state.open_run(None, "file", "a")
    state, _ = chunk_state.note(state, proved=True, lag=2.0, keys_changed=False)
    assert chunk_state.note(state, proved=False, lag=1.0, keys_changed=False) == (None, None)
    assert state is not None
    assert (state["proved"], state["lag"]) == (True, 2.0)


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(["claim", "renew", "finish", "release"]), st.floats(0.0, 1.5)),
        max_size=30,
    )
)
def test_never_do_two_workers_hold_a_chunk_at_once(steps: list[tuple[str, str, float]]) -> None:
    """By the store's clock; a holder's own lease ends before that."""
    state: State | None = None
    now, own, done = 0.0, {"a": -1.0, "b": -1.0}, None
    for holder, step, pause in steps:
        now += pause
        try:
            if step == "claim":
                following, claimed = chunk_state.claim(state, holder, now, lease=2.0, server="s", void_at=None)
                own[holder] = now + 2.0 if claimed.taken else own[holder]
            elif step == "renew":
                following, _ = chunk_state.renew(state, holder, now, lease=2.0, server="s")
                own[holder] = now + 2.0
            elif step == "finish":
                following, _ = chunk_state.finish(state, holder, now, server="s", report={"by": holder})
                done = done or holder
            else:
                following, _ = chunk_state.release(state, holder, now)
                own[holder] = -1.0  # it sends nothing more
        except LeaseLostError:
            own[holder] = -1.0
            continue
        state = state if following is None else following
        if done is None:
            assert sum(until > now for until in own.values()) <= 1
        else:
            assert state is not None
            assert state["report"] == {"by": done}


def test_a_lease_of_a_token_is_one_holders_and_a_dead_one_is_overtaken() -> None:
    state, taken = token_lease.acquire(None, "one", 10.0)
    assert taken
    assert token_lease.acquire(state, "two", 12.0) == (None, False)
    _, overtaken = token_lease.acquire(state, "two", 10.0 + token_lease.LEASE)
    assert overtaken


def test_all_processes_together_ask_for_no_more_tokens_than_the_server_bears() -> None:
    state: State | None = None
    for number in range(token_lease.MOST_REQUESTS):
        state, wait = token_lease.reserve(state, float(number))
        assert wait == 0.0
    refused, wait = token_lease.reserve(state, 100.0)
    assert refused is None
    assert wait == pytest.approx(token_lease.PERIOD - 100.0)
    _, wait = token_lease.reserve(state, 100.0 + wait + 0.1)
    assert wait == 0.0


def report(member: str, **more: Any) -> PaceReport:
    given: dict[str, Any] = {"seconds": 0.2, "sent": 10, "waiting": 30, "rate": 200.0}
    return PaceReport(member=member, **(given | more))


@given(
    st.lists(
        st.tuples(
            st.sampled_from("aaaabcd"),
            st.integers(0, 60),
            st.integers(0, 60),
            st.floats(0.0, 1.2),
            st.sampled_from("    lx"),
        ),
        min_size=1,
        max_size=60,
    )
)
def test_the_shares_that_are_held_never_add_up_to_more_than_the_total(
    steps: list[tuple[str, int, int, float, str]],
) -> None:
    """Whether a session leaves (l), or does not get the answer (x) and so goes on with what it was told before."""
    state: State | None = None
    now, held, lost = 0.0, dict[str, tuple[float, float]](), set[str]()
    for member, sent, waiting, pause, event in steps:
        now += pause
        if event == "x" and member in lost:
            continue  # of one answer alone it is promised
        told = report(member, sent=sent, waiting=waiting, leaving=event == "l")
        state, share = allot(state and json.loads(json.dumps(state)), told, now)
        assert share.rate is not None
        if event == "x":
            lost.add(member)
        else:
            lost.discard(member)
            held[member] = (share.rate, now + share.lasts)
        assert sum(rate for rate, until in held.values() if until > now) <= 200.0 + 1e-6


def shares_after(rounds: int, wanted: dict[str, int], **more: Any) -> dict[str, float]:
    state: State | None = None
    shares: dict[str, float] = {}
    for number in range(rounds):
        for place, (member, waiting) in enumerate(wanted.items()):
            told = report(member, sent=int(shares.get(member, 0.0) * 0.2), waiting=waiting, **more)
            state, share = allot(state, told, number * 0.2 + place * 0.05)
            shares[member] = share.rate or 0.0
    return shares


def test_shares_go_by_demand_and_what_one_does_not_want_the_others_get() -> None:
    even = shares_after(6, {"a": 100, "b": 100, "c": 100, "d": 100})
    assert all(rate == pytest.approx(50.0) for rate in even.values())
    uneven = shares_after(12, {"a": 100, "b": 0, "c": 100})
    assert uneven["b"] < 2.0
    assert uneven["a"] == pytest.approx(uneven["c"], rel=0.02)
    assert sum(uneven.values()) > 195.0


def alone(seconds: float, state: State | None = None, **more: Any) -> tuple[State, PaceShare]:
    """What a session is told that reports as often as it is asked to, until so many seconds have passed."""
    now = 0.0
    while True:
        state, share = allot(state and json.loads(json.dumps(state)), report("a", **more), now)
        now += share.every
        if now > seconds:
            return state, share


def test_a_session_that_has_been_alone_for_a_while_reports_seldom_and_one_that_is_not_does_as_before() -> None:
    assert alone(1.9, waiting=500)[1].every == REPORT_INTERVAL  # others may be about to begin
    state, share = alone(5.0, waiting=500)
    assert (share.rate, share.every, share.lasts) == (200.0, SELDOM, LASTS + SELDOM)
    state, other = allot(state, report("b", waiting=500), 5.1)
    assert (other.rate, other.every) == (0.0, REPORT_INTERVAL)  # the first one has all, and does not know yet
    state, share = allot(state, report("a", waiting=500), 5.3)
    assert (share.rate, share.every) == (100.0, REPORT_INTERVAL)
    state, _ = allot(state, report("a", waiting=500), 5.5)
    state, other = allot(state, report("b", waiting=500), 5.51)
    assert other.rate == 100.0


def test_a_session_that_was_alone_keeps_its_share_for_as_long_as_it_was_told() -> None:
    state, _ = alone(5.0, waiting=500)
    until: float = state["members"]["a"]["until"]
    assert until - 5.0 > LASTS
    now = 5.0
    while now < until:
        state, other = allot(state, report("b", waiting=500), now)
        assert other.rate == 0.0  # the first one is silent, and may not know of the other
        now += 0.1
    _, other = allot(state, report("b", waiting=500), now)
    assert other.rate == 200.0


@pytest.mark.parametrize("more", [{"refused": 1}, {"paused": True}], ids=["refused", "paused"])
def test_a_session_that_is_alone_reports_often_while_what_all_may_send_is_in_question(more: dict[str, Any]) -> None:
    assert alone(8.0, waiting=500, **more)[1].every == REPORT_INTERVAL


def test_a_session_that_is_alone_reports_often_until_its_share_suffices() -> None:
    state, share = alone(5.0, sent=4, waiting=0)
    assert share.every == SELDOM
    assert share.rate is not None
    assert share.rate < 200.0  # part of the rest is kept for whoever comes
    _, share = allot(state, report("a", sent=20, waiting=2), 5.2)
    assert share.every == REPORT_INTERVAL


def test_a_session_that_leaves_gives_its_share_back_at_once() -> None:
    state, share = allot(None, report("a", waiting=1000), 0.0)
    assert share.rate == 200.0
    state, share = allot(state, report("b", waiting=1000), 0.1)
    assert share.rate == 0.0
    state, _ = allot(state, report("a", leaving=True), 0.2)
    _, share = allot(state, report("b", waiting=1000), 0.3)
    assert share.rate == 200.0


def test_without_a_rate_there_is_no_bound_until_more_than_chance_is_refused_and_then_all_slow_down() -> None:
    state: State | None = None
    for number in range(5):
        state, share = allot(state, report("a", rate=None, accepted=40), number * 0.2)
        assert share.rate is None
    state, _ = allot(state, report("b", rate=None, accepted=40), 1.0)
    for number in range(6):  # 200 a second are accepted of b, and as many refused
        state, share = allot(state, report("b", rate=None, accepted=40, refused=40, waiting=500), 1.2 + number * 0.2)
    assert share.rate is not None
    state, share = allot(state, report("a", rate=None, waiting=500), 2.3)
    assert share.rate is not None
    limit = state["learned"]["limit"]["start"]
    assert 100.0 < limit < 250.0


def test_a_share_shrinks_slowly_while_the_store_is_silent() -> None:
    share = PaceShare(50.0, 1.0)
    assert remaining(share, 200.0, 0.5) == 50.0
    ten_seconds = remaining(share, 200.0, 11.0)
    assert ten_seconds is not None
    assert 40.0 < ten_seconds < 50.0
    assert remaining(PaceShare(None, 1.0), None, 60.0) is None
    assert remaining(PaceShare(0.0, 1.0), 200.0, 2.0) == pytest.approx(25.0, rel=0.05)  # it has begun without a store
