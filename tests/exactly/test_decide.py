"""The rule for a row that may or may not be on the server, without I/O."""

import pytest

from welkin_async.bulk.reconcile import Decision, Found, Parked, decide
from welkin_async.errors import ConflictError, RequestLine
from welkin_async.models.cdts import CdtRecord

RECORD = CdtRecord.from_wire({"id": "r"})
LINE = RequestLine("POST", "/{tenant}", "cdts.create")


def parked(**changes: object) -> Parked:
    row = Parked(0, None, "p", "k", first_sent=1000.0, since=50.0, attempts=1, error=None)
    for name, value in changes.items():
        setattr(row, name, value)
    return row


def rule(row: Parked, found: Found | None, *, looked_at: float = 100.0, armed: bool = True) -> Decision:
    return decide(row, found, looked_at=looked_at, settle=5.0, armed=armed, skew=300.0)


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


def test_a_refusal_met_when_sent_again_stands_only_if_the_row_is_absent() -> None:
    refusal = ConflictError("the server answered 409", request=LINE, status=409)
    assert rule(parked(rejection=refusal), None) is Decision.REJECT
    assert rule(parked(rejection=refusal), Found(RECORD, equal=True, created_at=1001.0)) is Decision.ADOPT


@pytest.mark.parametrize(("resends", "decision"), [(9, Decision.RESEND), (10, Decision.GIVE_UP)])
def test_a_row_is_not_sent_again_for_ever(resends: int, decision: Decision) -> None:
    assert rule(parked(resends=resends), None) is decision
