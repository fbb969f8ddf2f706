"""The rule for a row that may or may not be on the server, without I/O."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from welkin_async.bulk.keys.protocol import Found
from welkin_async.bulk.reconciliation.policy import Decision, LagTracker, PendingRow, View, choose, decide
from welkin_async.bulk.rows import PreparedRow
from welkin_async.errors import ConflictError, RequestLine
from welkin_async.models.cdts import CdtRecord

RECORD = CdtRecord.from_wire({"id": "r"})
LINE = RequestLine("POST", "/{tenant}", "cdts.create")
REFUSAL = ConflictError("the server answered 409", request=LINE, status=409)


def pending(**changes: object) -> PendingRow:
    row = PendingRow(PreparedRow(0, None, key="k", group="p"), first_sent=1000.0, ended=50.0, attempts=1, error=None)
    for name, value in changes.items():
        setattr(row, name, value)
    return row


def rule(row: PendingRow, found: Found | None = None, **changes: Any) -> Decision:
    given: dict[str, Any] = {
        "complete": True,
        "began": 100.0,
        "there_since": 0.0,
        "armed": True,
        "witnessed": True,
        "quiet": False,
        "settle": 5.0,
        "lag": 0.0,
        "patience": 65.0,
        **changes,
    }
    return decide(row, found, View(**given))


def test_an_equal_record_is_adopted() -> None:
    assert rule(pending(), Found(RECORD, equal=True)) is Decision.ADOPT


def test_a_record_with_other_fields_is_a_conflict_and_never_overwritten() -> None:
    assert rule(pending(), Found(RECORD, equal=False)) is Decision.CONFLICT


def test_a_found_record_is_adopted_even_before_the_proof() -> None:
    assert rule(pending(), Found(RECORD, equal=True), armed=False) is Decision.ADOPT


def test_absence_counts_only_after_settle_and_only_when_armed() -> None:
    assert rule(pending(), began=54.9) is Decision.WAIT
    assert rule(pending(), began=55.0) is Decision.RESEND
    assert rule(pending(), began=999.0, armed=False) is Decision.WAIT


def test_absence_counts_only_in_a_complete_listing() -> None:
    assert rule(pending(), complete=False) is Decision.WAIT


def test_absence_needs_a_witness_while_more_is_sent() -> None:
    assert rule(pending(), began=9999.0, witnessed=False) is Decision.WAIT


def test_without_a_witness_to_come_three_times_the_largest_lag_must_pass() -> None:
    assert rule(pending(), witnessed=False, quiet=True, lag=10.0, began=79.9) is Decision.WAIT
    assert rule(pending(), witnessed=False, quiet=True, lag=10.0, began=80.0) is Decision.RESEND
    assert rule(pending(), witnessed=False, quiet=True, lag=0.0, began=54.9) is Decision.WAIT


def test_after_a_503_nothing_lands_any_more() -> None:
    assert rule(pending(overloaded=True), began=50.1, witnessed=False) is Decision.RESEND
    assert rule(pending(overloaded=True), began=50.1, witnessed=False, armed=False) is Decision.WAIT
    assert rule(pending(overloaded=True), complete=False) is Decision.WAIT


def test_after_a_silence_of_the_server_a_key_must_be_absent_for_the_settle_time_once_more() -> None:
    assert rule(pending(), began=100.0, there_since=96.0) is Decision.WAIT
    assert rule(pending(), began=101.0, there_since=96.0) is Decision.RESEND


def test_patience_begins_anew_after_a_silence_of_the_server() -> None:
    """What is found out by then was not to be had before."""
    assert rule(pending(waited=99.0), began=165.0, there_since=100.0, armed=False) is Decision.WAIT
    assert rule(pending(waited=99.0), began=165.1, there_since=100.0, armed=False) is Decision.GIVE_UP


@pytest.mark.parametrize("more", [{"armed": False}, {"complete": False}, {"witnessed": False}])
def test_patience_wears_by_look_ups_that_were_answered_and_not_by_time(more: dict[str, Any]) -> None:
    assert rule(pending(waited=65.0), began=1_000_000.0, **more) is Decision.WAIT
    assert rule(pending(waited=65.1), began=1_000_000.0, **more) is Decision.GIVE_UP


def test_a_refusal_met_when_sent_again_stands_only_if_the_row_is_absent() -> None:
    assert rule(pending(rejection=REFUSAL)) is Decision.REJECT
    assert rule(pending(rejection=REFUSAL), complete=False) is Decision.WAIT
    assert rule(pending(rejection=REFUSAL), witnessed=False) is Decision.WAIT
    assert rule(pending(rejection=REFUSAL), Found(RECORD, equal=True)) is Decision.ADOPT


@pytest.mark.parametrize(("resends", "decision"), [(9, Decision.RESEND), (10, Decision.GIVE_UP)])
def test_a_row_is_not_sent_again_for_ever(resends: int, decision: Decision) -> None:
    assert rule(pending(resends=resends)) is decision


def test_of_several_records_with_a_key_the_rows_own_is_chosen_before_the_oldest() -> None:
    other, own = Found(RECORD, equal=False), Found(RECORD, equal=True)
    assert choose([other, own]) is own
    assert choose([other]) is other
    assert choose([]) is None


def test_a_lag_is_what_a_listing_that_missed_a_record_shows_later() -> None:
    lag = LagTracker()
    lag.observe("seen at once", 10.0, 500.0, found=True)
    assert lag.at(500.0) == 0.0
    lag.observe("late", 10.0, 12.0, found=False)
    assert (lag.at(12.0), lag.at(15.0)) == (2.0, 5.0)  # still open
    lag.observe("late", 10.0, 18.0, found=True)
    assert (lag.largest, lag.at(900.0)) == (8.0, 8.0)


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 100), st.booleans()), max_size=30))
def test_a_lag_only_ever_widens(observed: list[tuple[int, float, bool]]) -> None:
    lag, now, widest = LagTracker(), 100.0, 0.0
    for number, wait, found in observed:
        now += wait
        lag.observe(str(number), 100.0, now, found=found)
        assert lag.largest >= widest
        widest = lag.largest


def test_while_the_server_does_not_answer_nothing_can_be_found_and_that_is_no_lag() -> None:
    lag = LagTracker()
    lag.observe("late", 10.0, 12.0, found=False)
    lag.there_since = 100.0
    lag.observe("late", 10.0, 101.0, found=True)
    assert lag.largest == 3.0


def test_while_look_ups_of_a_record_go_unanswered_it_cannot_be_found_whatever_else_was_answered() -> None:
    lag = LagTracker()
    lag.unanswered("late", 11.0)  # nothing is known of it yet
    lag.observe("late", 10.0, 12.0, found=False)
    lag.unanswered("another", 100.0)
    lag.unanswered("late", 17.0)
    assert lag.at(18.0) == 8.0
    lag.observe("late", 10.0, 18.0, found=True)
    assert lag.largest == 3.0


def test_a_silence_before_a_record_was_missed_changes_nothing() -> None:
    lag = LagTracker()
    lag.there_since = 9.0
    lag.observe("late", 10.0, 12.0, found=False)
    lag.observe("late", 10.0, 18.0, found=True)
    assert lag.largest == 8.0


def test_a_larger_lag_is_told_once() -> None:
    told: list[float] = []
    lag = LagTracker(told.append)
    for seconds in (1.0, 3.0, 3.0, 2.0):
        lag.widen(seconds)
    assert told == [1.0, 3.0]
