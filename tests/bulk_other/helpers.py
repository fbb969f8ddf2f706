"""What the tests of this folder share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from welkin_async import bulk
from welkin_async.sandbox import Fault, FaultKind, Sandbox

# A gateway that has lost its route refuses every later row.
KINDS = [kind for kind in FaultKind if not kind.name.startswith("STALL") and kind is not FaultKind.GATEWAY]
CDT = "medication"


def trouble(
    server: Sandbox, operation: str, share: float, requests: int, kinds: Sequence[FaultKind] = tuple(KINDS)
) -> None:
    """Let a share of so many requests of an operation go wrong, in every way there is by turns."""
    for number in range(int(share * requests)):
        kind = kinds[number % len(kinds)]
        after, done = int(number / share), number % 2 == 0
        server.faults.add(
            Fault(kind=kind, operation=operation, after=after, delay=0.2, status=502 if done else 500, work_done=done)
        )


def records(server: Sandbox, patients: int, each: int, cdt: str = CDT) -> list[tuple[str, str]]:
    """Put CDT records on a server without requests: the ids of patient and record."""
    return [
        (patient, add_record(server, patient, {"medication_name": f"Medication {number}"}, cdt))
        for patient in server.store.add_patients(patients)
        for number in range(each)
    ]


def add_record(server: Sandbox, patient: str, fields: dict[str, Any], cdt: str = CDT) -> str:
    class Body:
        def object(self) -> dict[str, Any]:
            return fields

    server.store.sections.cdts.create(Body(), patient, cdt)  # type: ignore[arg-type]
    return str(server.store.cdt_records(cdt, patient)[-1]["id"])


def body(server: Sandbox, patient: str, record: str, cdt: str = CDT) -> dict[str, Any]:
    """What the server holds of a record."""
    (found,) = [each for each in server.store.cdt_records(cdt, patient) if each["id"] == record]
    held: dict[str, Any] = found["jsonBody"]
    return held


async def taken(stream: bulk.OutcomeStream[Any, Any]) -> list[bulk.Outcome[Any, Any]]:
    """All outcomes of a stream, with the promise kept: one for each position."""
    async with stream:
        outcomes = [outcome async for outcome in stream]
    assert not stream.unfinished
    assert sorted(outcome.index for outcome in outcomes) == list(range(len(outcomes)))
    assert stream.report.rows == len(outcomes)
    return outcomes


def statuses(outcomes: Iterable[bulk.Outcome[Any, Any]]) -> list[str]:
    return [str(outcome.status) for outcome in sorted(outcomes, key=lambda outcome: outcome.index)]


class Killed(BaseException):
    """What a killed process would not raise; nothing of the package catches it."""


def until(rows: Iterable[Any], count: int) -> Iterator[Any]:
    """Rows that are cut off by an error after so many."""
    for number, row in enumerate(rows):
        if number == count:
            raise Killed
        yield row


async def later(rows: Iterable[Any]) -> AsyncIterator[Any]:
    for row in rows:
        yield row


def leftovers(path: Path) -> list[str]:
    """What stands beside a file."""
    return sorted(each.name for each in path.parent.iterdir() if each != path)
