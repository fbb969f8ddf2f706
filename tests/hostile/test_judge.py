"""The judge is judged: what it must find, and what it must let pass."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from welkin_async import UnprocessableError
from welkin_async.bulk import CdtRow, Outcome, Status
from welkin_async.errors import RequestLine
from welkin_async.models.cdts import CdtRecord

from .judge import MARK, Run, Truth, Wrong, judge

ROWS = [CdtRow("p", {MARK: f"row {number}", "dose": number}, f"k{number}") for number in range(3)]


def held(number: int, id: str | None = None, patient: str = "p", **changed: Any) -> dict[str, Any]:
    body = {MARK: f"row {number}", "dose": number, "external_id": f"k{number}", **changed}
    return {"id": id or f"r{number}", "patientId": patient, "cdtName": "m", "jsonBody": body}


def outcome(number: int, status: Status = Status.CREATED, record: Any = None, **more: Any) -> Outcome[Any, Any]:
    given = CdtRecord.from_wire(record or held(number)) if status is Status.CREATED else None
    return Outcome(number, ROWS[number], status, given, None, 1, **more)


@attrs.frozen
class Said:
    rows: int
    complete: bool


def run(*outcomes: Outcome[Any, Any], **more: Any) -> Run:
    done = [each.status is Status.CREATED and not each.altered for each in outcomes]
    skipped = [each.status is Status.SKIPPED and each.earlier == "created" for each in outcomes]
    report = Said(len(outcomes), all(map(any, zip(done, skipped, strict=True))))
    pulled = [f"row {number}" for number in range(3)]
    given: dict[str, Any] = {"pulled": pulled, "report": report, "exhausted": True, "finished": True, "keyed": True}
    return Run(ROWS, outcomes=list(outcomes), **{**given, **more})


ALL = [outcome(0), outcome(1), outcome(2)]
THERE = [held(0), held(1), held(2)]


def wrongs(run: Run, there: list[dict[str, Any]]) -> set[Wrong]:
    return {finding.wrong for finding in judge(run, Truth(there))}


def test_what_is_right_is_right() -> None:
    assert judge(run(*ALL), Truth(THERE)) == []
    refused = [outcome(0), outcome(1), outcome(2, Status.REJECTED)]
    assert judge(run(*refused), Truth(THERE[:2])) == []
    assert judge(run(*ALL[:2], outcome(2, Status.UNKNOWN)), Truth(THERE)) == []


@pytest.mark.parametrize(
    ("outcomes", "there", "wrong"),
    [
        (ALL, THERE[:2], {Wrong.LOST, Wrong.OVERSTATED}),
        (ALL, [*THERE, held(2, "other")], {Wrong.DOUBLED, Wrong.OVERSTATED}),
        ([*ALL[:2], outcome(2, Status.REJECTED)], THERE, {Wrong.MISREPORTED}),
        ([*ALL[:2], outcome(2, Status.FAILED)], THERE, {Wrong.MISREPORTED}),
        ([*ALL[:2], outcome(2, Status.CONFLICT)], THERE, {Wrong.MISREPORTED}),
        ([*ALL[:2], outcome(2, record=held(1))], THERE, {Wrong.MISREPORTED}),
        ([*ALL[:2], outcome(2, record=held(2, patient="other"))], THERE, {Wrong.MISREPORTED}),
        (ALL, [*THERE[:2], held(2, patient="other")], {Wrong.MISREPORTED, Wrong.OVERSTATED}),
        (ALL, [*THERE[:2], held(2, dose=7)], {Wrong.MISREPORTED, Wrong.OVERSTATED}),
        ([*ALL[:2], outcome(2, altered=("dose",))], [*THERE[:2], held(2, dose=7)], set()),
        ([*ALL[:2], outcome(2, Status.SKIPPED, earlier="created")], THERE[:2], {Wrong.LOST, Wrong.OVERSTATED}),
        ([*ALL[:2], outcome(2, Status.SKIPPED, earlier="rejected")], THERE, {Wrong.MISREPORTED}),
        (ALL[:2], THERE, {Wrong.UNACCOUNTED}),
        ([*ALL, ALL[0]], THERE, {Wrong.UNACCOUNTED}),
    ],
)
def test_what_is_wrong_is_found(
    outcomes: list[Outcome[Any, Any]], there: list[dict[str, Any]], wrong: set[Wrong]
) -> None:
    assert wrongs(run(*outcomes), there) == wrong


def test_a_double_is_right_where_it_is_named_and_the_run_not_complete() -> None:
    twice, report = [*THERE, held(2, "other")], Said(3, False)
    assert wrongs(run(*ALL, report=report, named={"k2": {"r2", "other"}}), twice) == set()
    assert wrongs(run(*ALL, report=report, named={"k2": {"r2"}}), twice) == {Wrong.DOUBLED}
    assert wrongs(run(*ALL, report=report, named={"k2": {"r2", "other"}}, keyed=False), twice) == {Wrong.DOUBLED}
    assert wrongs(run(*ALL, named={"k2": {"r2", "other"}}), twice) == {Wrong.OVERSTATED}


def test_a_run_that_was_ended_may_owe_outcomes_and_names_but_is_not_complete() -> None:
    ended = run(*ALL[:2], accounts=False, finished=False, exhausted=False)
    assert wrongs(ended, [*THERE, held(2, "other")]) == {Wrong.OVERSTATED}
    ended.report = Said(2, False)
    assert wrongs(ended, THERE) == set()


def test_findings_say_what_was_said_and_what_is_there() -> None:
    refused = attrs.evolve(
        outcome(2, Status.REJECTED),
        error=UnprocessableError("refused", request=RequestLine("POST", "/x", "cdts.create"), status=422),
    )
    (finding,) = judge(run(*ALL[:2], refused), Truth(THERE))
    assert str(finding).startswith("MISREPORTED row 2: rejected, attempts 1")
    assert "there 1 times" in str(finding)
