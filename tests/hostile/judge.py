"""The judge: compares what a run says of its rows with what the server holds.

It knows the rows and the server's records and nothing of how the run came to its outcomes. Rows are told apart by what
they hold and not by their keys, because a server may change a key.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol

import attrs

from welkin_async.bulk import CdtRow, Outcome, Status

__all__ = ["MARK", "Finding", "Run", "Truth", "Wrong", "judge"]

MARK = "medication_notes"
"""The field by whose value a row is known, whatever becomes of the others."""


class Counts(Protocol):
    """What a report says of all rows together."""

    @property
    def rows(self) -> int:
        """How many rows have their outcome."""
        ...

    @property
    def complete(self) -> bool:
        """Whether every row is there once, as it was sent."""
        ...


class Wrong(StrEnum):
    """What is wrong.

    Attributes:
        LOST: A row is reported as created, and it is not there.
        DOUBLED: A row is there more than once, and the run does not say so.
        MISREPORTED: A row is reported as something that it is not, or with a record that is not its own.
        UNACCOUNTED: A row that was pulled has no outcome, or more than one.
        OVERSTATED: The run calls itself complete, and it is not.
    """

    LOST = "lost"
    DOUBLED = "doubled"
    MISREPORTED = "misreported"
    UNACCOUNTED = "unaccounted"
    OVERSTATED = "overstated"


@attrs.frozen
class Finding:
    """Something wrong.

    Attributes:
        wrong: What.
        row: The mark of the row; empty where it is about the whole run.
        detail: What was said, and what is there.
    """

    wrong: Wrong
    row: str
    detail: str

    def __str__(self) -> str:
        return f"{self.wrong.upper()} {self.row}: {self.detail}"


@attrs.define
class Run:
    """What there is to be seen of one run.

    Attributes:
        rows: Every row of its source, whether it came to it or not.
        keyed: Whether rows have keys that the run was told to use.
        pulled: The marks of the rows that it took from the source, in that order.
        outcomes: The outcomes that it gave, those not taken from the iteration included.
        report: Its counts; None where it had no time to give any.
        named: The ids of the records of each key that it says are there more than once; none of a suspicion.
        exhausted: Whether it took all rows and was told that there are no more.
        finished: Whether it came to its end undisturbed.
        accounts: Whether each row that was pulled must have its outcome, as where no process has ended.
    """

    rows: Sequence[CdtRow]
    keyed: bool
    pulled: list[str] = attrs.field(factory=list)
    outcomes: list[Outcome[Any, Any]] = attrs.field(factory=list)
    report: Counts | None = None
    named: dict[str, set[str]] = attrs.field(factory=dict)
    exhausted: bool = False
    finished: bool = False
    accounts: bool = True


class Truth:
    """The server's truth.

    Args:
        records: Every record of the CDT, as envelopes.
    """

    def __init__(self, records: Iterable[Mapping[str, Any]]) -> None:
        self._held: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
        self._keys: Counter[Any] = Counter()
        for record in records:
            body = record["jsonBody"]
            self._held[str(body[MARK])].append(record)
            self._keys[body.get("external_id")] += 1

    def __getitem__(self, mark: str) -> Sequence[Mapping[str, Any]]:
        """The records of a row."""
        return self._held.get(mark, ())

    def count(self, key: str | None) -> int:
        """How many records have a key."""
        return self._keys[key]

    def is_once_as_sent(self, row: CdtRow) -> bool:
        """Whether a row is there once, in its own patient, and as it was sent."""
        held = self[mark_of(row)]
        return len(held) == 1 and is_as_sent(row, held[0])


def mark_of(row: CdtRow) -> str:
    """The mark of a row."""
    return str(row.fields[MARK])


def is_as_sent(row: CdtRow, record: Mapping[str, Any]) -> bool:
    """Whether a record is in the row's patient and holds what was sent, the key where the row has one included."""
    body = record["jsonBody"]
    same = all(body.get(field) == value for field, value in row.fields.items())
    return same and record["patientId"] == str(row.patient_id) and body.get("external_id") in (None, row.key)


def judge(run: Run, truth: Truth, named: Mapping[str, set[str]] | None = None) -> list[Finding]:
    """Find everything that a run says and that is not so.

    Args:
        run: The run.
        truth: What the server holds when nothing that the run sent can land any more.
        named: What earlier runs with the same journal have named; the run itself need not name it again.
    """
    findings = [finding for outcome in run.outcomes for finding in _of_outcome(outcome, truth)]
    findings += _of_accounts(run)
    findings += _of_doubles(run, truth, {**(named or {}), **run.named})
    if run.report is not None:
        findings += _of_report(run, run.report, truth)
    return findings


def _of_outcome(outcome: Outcome[Any, Any], truth: Truth) -> Iterable[Finding]:
    row: CdtRow = outcome.row
    mark, held, status = mark_of(row), truth[mark_of(row)], outcome.status
    said = f"{status}, attempts {outcome.attempts}, adopted {outcome.adopted}, {outcome.error}; there {len(held)} times"
    if status is Status.CREATED:
        yield from _of_created(outcome, held, said)
    elif status is Status.SKIPPED and outcome.earlier in (Status.CREATED, "altered") and not held:
        yield Finding(Wrong.LOST, mark, f"earlier {outcome.earlier}; {said}")
    elif status in (Status.REJECTED, Status.FAILED) and held:
        yield Finding(Wrong.MISREPORTED, mark, said)
    elif status is Status.SKIPPED and outcome.earlier in (Status.REJECTED, Status.FAILED) and held:
        yield Finding(Wrong.MISREPORTED, mark, f"earlier {outcome.earlier}; {said}")
    elif status is Status.CONFLICT and truth.is_once_as_sent(row) and truth.count(row.key) <= 1:
        yield Finding(Wrong.MISREPORTED, mark, said)


def _of_created(outcome: Outcome[Any, Any], held: Sequence[Mapping[str, Any]], said: str) -> Iterable[Finding]:
    row: CdtRow = outcome.row
    mark, record = mark_of(row), outcome.record
    own = next((each for each in held if record is not None and each["id"] == record.id), None)
    if not held:
        yield Finding(Wrong.LOST, mark, said)
    elif record is None or own is None:
        yield Finding(Wrong.MISREPORTED, mark, f"the id of another record; {said}")
    elif own["patientId"] != str(row.patient_id):
        yield Finding(Wrong.MISREPORTED, mark, f"in another patient; {said}")
    elif record.patient_id != str(row.patient_id) or record.fields.get(MARK) != mark:
        yield Finding(Wrong.MISREPORTED, mark, f"with the content of another record; {said}")
    elif not is_as_sent(row, own) and not outcome.altered:
        yield Finding(Wrong.MISREPORTED, mark, f"changed, and that is not said; {said}")


def _of_accounts(run: Run) -> Iterable[Finding]:
    given = Counter(mark_of(outcome.row) for outcome in run.outcomes)
    for mark, times in given.items():
        if times > 1:
            yield Finding(Wrong.UNACCOUNTED, mark, f"{times} outcomes")
    if not run.accounts:
        return
    for mark in run.pulled:
        if not given[mark]:
            yield Finding(Wrong.UNACCOUNTED, mark, "no outcome")
    if run.report is not None and run.report.rows != len(run.outcomes):
        yield Finding(Wrong.UNACCOUNTED, "", f"{run.report.rows} rows counted of {len(run.outcomes)} outcomes")


def _of_doubles(run: Run, truth: Truth, named: Mapping[str, set[str]]) -> Iterable[Finding]:
    for row in run.rows:
        held = truth[mark_of(row)]
        ids = {record["id"] for record in held}
        if len(held) < 2:
            continue
        if not run.keyed:
            yield Finding(Wrong.DOUBLED, mark_of(row), f"without keys, {len(held)} times")
        elif run.finished and not _is_named(ids, named.get(str(row.key))):
            yield Finding(Wrong.DOUBLED, mark_of(row), f"{len(held)} times, and not named")


def _is_named(ids: set[str], said: set[str] | None) -> bool:
    """Whether a double is named: all its ids, or none where the run could only suspect it."""
    return said is not None and (ids <= said or not said)


def _of_report(run: Run, report: Counts, truth: Truth) -> Iterable[Finding]:
    if not report.complete:
        return
    if not run.exhausted:
        yield Finding(Wrong.OVERSTATED, "", f"complete after {len(run.pulled)} rows, and the source had not ended")
    for row in run.rows if run.exhausted else ():
        if not truth.is_once_as_sent(row):
            there = [is_as_sent(row, record) for record in truth[mark_of(row)]]
            yield Finding(Wrong.OVERSTATED, mark_of(row), f"complete; there {len(there)} times, as sent: {there}")
