"""The rule for a row that may or may not be on the server, without I/O."""

from typing import Any

import pytest

from welkin_async.bulk.deciding import Decision, Found, Parked, choose, decide
from welkin_async.errors import ConflictError, RequestLine
from welkin_async.models.cdts import CdtRecord

RECORD = CdtRecord.from_wire({"id": "r"})
LINE = RequestLine("POST", "/{tenant}", "cdts.create")


def parked(**changes: object) -> Parked:
    row = Parked(0, None, "p", "k", first_sent=1000.0, since=50.0, attempts=1, error=None)
    for name, value in changes.items():
        setattr(row, name, value)
    return row


def rule(row: Parked, found: Found | None, **changes: Any) -> Decision:
    given: dict[str, Any] = {
        "whole": True,
        "looked_at": 100.0,
        "there_since": 0.0,
        "settle": 5.0,
        "patience": 65.0,
        "armed": True,
        "skew": 300.0,
        **changes,
    }
    return decide(row, found, **given)


def test_an_equal_record_created_after_the_first_send_is_adopted() -> None:
    assert rule(parked(), Found(RECORD, equal=True, created_at=1001.0)) is Decision.ADOPT


def test_the_servers_clock_may_lag_by_the_skew() -> None:
    assert rule(parked(), Found(RECORD, equal=True, created_at=701.0)) is Decision.ADOPT
    assert rule(parked(), Found(RECORD, equal=True, created_at=699.0)) is Decision.CONFLICT


def test_a_record_with_other_fields_is_a_conflict_and_never_overwritten() -> None:
    assert rule(parked(), Found(RECORD, equal=False, created_at=1001.0)) is Decision.CONFLICT


def test_a_found_record_is_adopted_even_before_the_proof() -> None:
    assert rule(parked(), Found(RECORD, equal=True, created_at=1001.0), armed=False) is Decision.ADOPT


def test_absence_counts_only_after_settle_and_only_when_armed() -> None:
    assert rule(parked(), None, looked_at=54.9) is Decision.WAIT
    assert rule(parked(), None, looked_at=55.0) is Decision.RESEND
    assert rule(parked(), None, looked_at=999.0, armed=False) is Decision.WAIT


def test_absence_counts_only_in_a_whole_listing() -> None:
    assert rule(parked(), None, whole=False) is Decision.WAIT


def test_after_a_silence_of_the_server_a_key_must_be_absent_for_the_settle_time_once_more() -> None:
    assert rule(parked(), None, looked_at=100.0, there_since=96.0) is Decision.WAIT
    assert rule(parked(), None, looked_at=101.0, there_since=96.0) is Decision.RESEND


@pytest.mark.parametrize("more", [{"armed": False}, {"whole": False}, {"there_since": 999_999.0}])
def test_patience_wears_by_look_ups_that_were_answered_and_not_by_time(more: dict[str, Any]) -> None:
    assert rule(parked(waited=65.0), None, looked_at=1_000_000.0, **more) is Decision.WAIT
    assert rule(parked(waited=65.1), None, looked_at=1_000_000.0, **more) is Decision.GIVE_UP


def test_a_refusal_met_when_sent_again_stands_only_if_the_row_is_absent() -> None:
    refusal = ConflictError("the server answered 409", request=LINE, status=409)
    assert rule(parked(rejection=refusal), None) is Decision.REJECT
    assert rule(parked(rejection=refusal), None, whole=False) is Decision.WAIT
    assert rule(parked(rejection=refusal), Found(RECORD, equal=True, created_at=1001.0)) is Decision.ADOPT


@pytest.mark.parametrize(("resends", "decision"), [(9, Decision.RESEND), (10, Decision.GIVE_UP)])
def test_a_row_is_not_sent_again_for_ever(resends: int, decision: Decision) -> None:
    assert rule(parked(resends=resends), None) is decision


def test_of_several_records_with_a_key_the_rows_own_is_chosen_before_the_oldest() -> None:
    old, other, own = (Found(RECORD, equal, at) for equal, at in ((True, 10.0), (False, 1001.0), (True, 1002.0)))
    assert choose(parked(), [old, other, own], skew=300.0) is own
    assert choose(parked(), [old, other], skew=300.0) is old
    assert choose(parked(), [], skew=300.0) is None
