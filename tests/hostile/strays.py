"""``python -m tests.hostile.strays --calls 100000``: reads, lists, creates, changes and deletions under stray answers.

Half of the calls are single, half are rows of bulk operations. It counts the records of other requests that were
returned, and what was reported against the server's truth; exit code 1 where there is any.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterable
from typing import Any

import attrs

from welkin_async import Welkin, WelkinError, bulk
from welkin_async.bulk import CdtChange, CdtRef, CdtRow, Status
from welkin_async.models.cdts import CdtRecord
from welkin_async.sandbox import Fault, FaultKind, SandboxProcess

from .hostile_server import CDT
from .judge import MARK

__all__ = ["Strays", "Tally"]

_DOSE = "medication_dose"
_OPERATIONS = ("cdts.get", "cdts.list", "cdts.create", "cdts.update", "cdts.delete")
_STATUSES = (200, 400, 404, 409, 422, 500, 503)
_BATCH = 40  # rows of one bulk operation
_KEPT = 12  # records that a caller keeps in mind, so that lists stay short


@attrs.define
class Known:
    """A record, as whoever wrote it knows it.

    Attributes:
        patient: The patient's id.
        mark: What tells it apart.
        id: Its id; None where its create has not told.
        doses: The values that its dose may have now: one, unless a change has not told.
        there: Whether it is there; None where that was not told.
        kind: How it was written.
    """

    patient: str
    mark: str
    id: str | None
    doses: set[str]
    there: bool | None
    kind: str = "single"


@attrs.define
class Tally:
    """What was counted.

    Attributes:
        calls: Calls made, and rows of bulk operations, by what they do.
        errors: Calls that raised, by the error.
        statuses: What became of rows.
        others: Records of other requests that were returned, by the call that returned them.
        untrue: What was reported against the server's truth, in words.
        strays: Stray answers that were sent.
    """

    calls: Counter[str] = attrs.field(factory=Counter)
    errors: Counter[str] = attrs.field(factory=Counter)
    statuses: Counter[str] = attrs.field(factory=Counter)
    others: Counter[str] = attrs.field(factory=Counter)
    untrue: list[str] = attrs.field(factory=list)
    strays: int = 0


class Strays:
    """A run.

    Args:
        calls: How many calls and rows.
        callers: How many make them at once.
        share: The share of requests that a stray answer follows.
        seed: Start of everything that is left to chance.
    """

    def __init__(self, calls: int, callers: int = 16, share: float = 0.03, seed: int = 1) -> None:
        self._calls = calls
        self._callers = callers
        self._share = share
        self._seed = seed
        self._known: list[Known] = []
        self.tally = Tally()

    async def run(self) -> Tally:
        """Make the calls, and compare with what the server holds."""
        async with SandboxProcess(seed=self._seed) as server:
            patients = await server.add_patients(2 * self._callers)
            delays = random.Random(self._seed)
            for operation in _OPERATIONS:
                for status in _STATUSES:
                    share = self._share / len(_STATUSES)
                    delay = delays.choice([0.0, 0.0005, 0.001, 0.003])
                    await server.add_fault(
                        Fault(FaultKind.STRAY, operation, times=None, probability=share, status=status, delay=delay)
                    )
            async with (
                Welkin(
                    tenant=server.tenant,
                    instance=server.instance,
                    api_client=server.api_client,
                    secret_key=server.secret_key,
                    base_url=server.base_url,
                ) as welkin,
                asyncio.TaskGroup() as tasks,
            ):
                for number in range(self._callers):
                    own = patients[2 * number : 2 * number + 2]
                    caller = _Bulk if number % 2 else _Single
                    share = self._calls // self._callers + (number < self._calls % self._callers)
                    made = caller(welkin, own, random.Random(f"{self._seed}/{number}"), self.tally, self._known)
                    tasks.create_task(made.run(share))
            await server.settle()
            self.tally.strays = sum(report["met"] for report in await server.faults())
            held = (await server.records(CDT, full=True))["records"]
        self._compare({record["id"]: record for record in held})
        return self.tally

    def _compare(self, held: dict[str, dict[str, object]]) -> None:
        marks = Counter(str(_body(record)[MARK]) for record in held.values())
        for known in self._known:
            times = marks[known.mark]
            if known.there is not None and times != known.there:
                self.tally.untrue.append(f"{known.kind} {known.mark}: there {times} times, and said {known.there}")
            record = held.get(known.id or "")
            if record is None:
                continue
            body = _body(record)
            if (body[MARK], record["patientId"]) != (known.mark, known.patient):
                self.tally.untrue.append(f"{known.kind} {known.mark}: its id is that of another record")
            elif body[_DOSE] not in known.doses:
                self.tally.untrue.append(f"{known.kind} {known.mark}: holds another value than was reported")


def _body(record: dict[str, object]) -> dict[str, object]:
    body = record["jsonBody"]
    assert isinstance(body, dict)
    return body


class _Caller:
    """Works on records of its own patients, so that it knows what each of them must be."""

    def __init__(
        self, welkin: Welkin, patients: list[str], chance: random.Random, tally: Tally, known: list[Known]
    ) -> None:
        self.welkin = welkin
        self.patients = patients
        self.chance = chance
        self.tally = tally
        self._all = known
        self._number = 0

    def new(self) -> Known:
        self._number += 1
        known = Known(self.chance.choice(self.patients), f"{self.patients[0]}/{self._number}", None, {"0"}, None)
        self._all.append(known)
        return known

    def check(self, name: str, record: CdtRecord | None, known: Known, dose: str | None = None) -> None:
        """Count a record that is not the one asked for, or is not as it was to become."""
        if record is None:
            return
        same = record.id == known.id and record.patient_id == known.patient and record.fields.get(MARK) == known.mark
        self.tally.others[name] += not same
        self.tally.others[f"{name}, before the change"] += same and dose not in (None, record.fields[_DOSE])


class _Single(_Caller):
    """Makes single calls."""

    async def run(self, calls: int) -> None:
        mine: list[Known] = []
        for _ in range(calls):
            name = self.chance.choices(("get", "list", "create", "update", "delete"), (40, 20, 15, 15, 10))[0]
            if not mine or len(mine) > _KEPT:
                name = "delete" if mine else "create"
            known = self.new() if name == "create" else self.chance.choice(mine)
            self.tally.calls[name] += 1
            try:
                await getattr(self, f"_{name}")(known, mine)
            except WelkinError as error:
                self.tally.errors[f"{name} {type(error).__name__}"] += 1

    async def _get(self, known: Known, mine: list[Known]) -> None:
        self.check("get", await self.welkin.patient(known.patient).cdts(CDT).get(str(known.id)), known)

    async def _list(self, known: Known, mine: list[Known]) -> None:
        number = self.chance.randrange(2)
        async for page in self.welkin.patient(known.patient).cdts(CDT).list(size=5, page=number).pages():
            for record in page.items:
                own = record.patient_id == known.patient
                self.tally.others["list"] += not (own and str(record.fields[MARK]).startswith(self.patients[0]))
            break

    async def _create(self, known: Known, mine: list[Known]) -> None:
        record = await self.welkin.patient(known.patient).cdts(CDT).create({MARK: known.mark, _DOSE: "0"})
        known.id, known.there = record.id, True
        self.check("create", record, known)
        mine.append(known)

    async def _update(self, known: Known, mine: list[Known]) -> None:
        dose = str(self.chance.randrange(10**9))
        known.doses.add(dose)
        record = await self.welkin.patient(known.patient).cdts(CDT).update(str(known.id), {_DOSE: dose})
        self.check("update", record, known, dose)
        known.doses = {dose}

    async def _delete(self, known: Known, mine: list[Known]) -> None:
        mine.remove(known)
        known.there = None
        await self.welkin.patient(known.patient).cdts(CDT).delete(str(known.id))
        known.there = False


class _Bulk(_Caller):
    """Makes bulk operations, with keys and without by turns."""

    async def run(self, calls: int) -> None:
        left, turn = calls, 0
        while left > 0:
            made = await self._create(min(_BATCH, left), keyed=turn % 2 == 0)
            left -= min(_BATCH, left)
            changed = made[:left]
            await self._update(changed)
            left -= len(changed)
            deleted = made[: min(left, len(made) // 2)]
            await self._delete(deleted)
            left -= len(deleted)
            turn += 1

    async def _create(self, count: int, *, keyed: bool) -> list[Known]:
        new = [self.new() for _ in range(count)]
        for known in new:
            known.kind = "keyed" if keyed else "without key"
        rows = [CdtRow(known.patient, {MARK: known.mark, _DOSE: "0"}, f"key of {known.mark}") for known in new]
        stream = bulk.stream_cdt_records(
            self.welkin,
            CDT,
            rows,
            concurrency=4,
            key_field="external_id" if keyed else None,
            settle=0.3,
            final_settle=0.3,
        )
        made = []
        async for index, status, record in self._outcomes("bulk create", stream):
            known = new[index]
            known.there = {Status.CREATED: True, Status.UNKNOWN: None}.get(status, False)
            if status is Status.CREATED and record is not None:
                known.id = record.id
                self.check("bulk create", record, known)
                made.append(known)
        return made

    async def _update(self, records: list[Known]) -> None:
        doses = [str(self.chance.randrange(10**9)) for _ in records]
        changes = [
            CdtChange(each.patient, str(each.id), {_DOSE: dose}) for each, dose in zip(records, doses, strict=True)
        ]
        stream = bulk.stream_cdt_updates(self.welkin, CDT, changes, concurrency=4)
        async for index, status, record in self._outcomes("bulk update", stream):
            known, dose = records[index], doses[index]
            self.check("bulk update", record, known, dose)
            if status is Status.UPDATED:
                known.doses = {dose}
            elif status is Status.UNKNOWN:
                known.doses.add(dose)

    async def _delete(self, records: list[Known]) -> None:
        refs = [CdtRef(each.patient, str(each.id)) for each in records]
        stream = bulk.stream_cdt_deletions(self.welkin, CDT, refs, concurrency=4)
        async for index, status, _ in self._outcomes("bulk delete", stream):
            # A failed deletion may have been carried out by an attempt before: its 404 is not believed.
            records[index].there = {Status.DELETED: False, Status.REJECTED: True}.get(status)

    async def _outcomes(
        self, name: str, stream: bulk.OutcomeStream[Any, CdtRecord]
    ) -> AsyncIterable[tuple[int, Status, CdtRecord | None]]:
        seen: list[bulk.Outcome[Any, CdtRecord]] = []
        try:
            async with stream:
                async for outcome in stream:
                    seen.append(outcome)  # noqa: PERF401 - a comprehension would lose them where the stream raises
        except WelkinError as error:  # a stray answer to what a run asks before it begins ends it
            self.tally.errors[f"{name} {type(error).__name__}"] += 1
        for outcome in [*seen, *stream.unfinished]:
            self.tally.calls[name] += 1
            self.tally.statuses[f"{name} {outcome.status}"] += 1
            yield outcome.index, outcome.status, outcome.record


def main() -> int:
    """Run by the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.strays", description="Calls under stray answers.")
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--callers", type=int, default=16)
    parser.add_argument("--share", type=float, default=0.03, help="of the requests that a stray answer follows")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    tally = asyncio.run(Strays(**vars(options)).run())
    for counts in (tally.calls, tally.errors, tally.statuses):
        _say(*(f"{name:<36}{count:>9}" for name, count in sorted(counts.items())))
    _say(*tally.untrue[:20])
    _say(
        f"{tally.calls.total()} calls, {tally.strays} stray answers, {time.monotonic() - began:.0f} s",
        *(f"{times} x {name}" for name, times in tally.others.items() if times),
        f"{tally.others.total()} records of other requests returned",
        f"{len(tally.untrue)} reported against the server's truth",
    )
    return 1 if tally.others.total() or tally.untrue else 0


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    raise SystemExit(main())
