"""outcomes == rows, always: whatever the rows meet, whoever leaves when, and in whichever order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import attrs
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from welkin_async import AuthenticationError, SessionError
from welkin_async.bulk import BulkStoppedError, Outcome, Status

from .helpers import Pulled, Scripted, Step, bulk_tasks, same, scripted, turns

USUAL = ["created", "created", "created", "rejected", "unknown", "unsent", "refused"]
FATAL = ["unauthorized", "crash", "broken", "closed"]


class SourceError(Exception):
    """What a source raises here."""


class BodyError(Exception):
    """What the body of `async with` raises here."""


@attrs.frozen
class Case:
    """One import.

    Attributes:
        steps: The rows, each with what becomes of it.
        concurrency: How many workers.
        ordered: Whether outcomes come in the order of the rows.
        asynchronous: After how many rows an async source lets others run; 0 for a synchronous one.
        fails_at: Where the source raises, or None.
        fail_fast: Whether the first failure ends it.
        leaves: How the consumer leaves early: `break`, `raise`, `cancel`, or not.
        after: After how many outcomes (for `cancel`: turns of the loop).
        pause: Turns of the loop the consumer takes for each outcome.
    """

    steps: list[Step]
    concurrency: int = 3
    ordered: bool = False
    asynchronous: int = 0
    fails_at: int | None = None
    fail_fast: bool = False
    leaves: str = ""
    after: int = 0
    pause: int = 0


def cases() -> st.SearchStrategy[Case]:
    waits = st.sampled_from([0, 0, 1, 2, 7])
    usual = st.builds(Step, st.sampled_from(USUAL), waits, waits)
    fatal = st.builds(Step, st.sampled_from([*USUAL, *FATAL]), waits, waits)
    return st.builds(
        Case,
        # Of a length of its own: lists left to themselves are short, and nothing is ever full.
        steps=st.one_of(
            st.integers(0, 50).flatmap(lambda size: st.lists(usual, min_size=size, max_size=size)),
            st.lists(fatal, max_size=30),
        ),
        concurrency=st.integers(1, 6),
        ordered=st.booleans(),
        asynchronous=st.integers(0, 3),
        fails_at=st.one_of(st.none(), st.none(), st.integers(0, 30)),
        fail_fast=st.sampled_from([False, False, True]),
        leaves=st.sampled_from(["", "", "break", "raise", "cancel"]),
        after=st.one_of(st.integers(0, 5), st.integers(0, 60)),
        pause=st.sampled_from([0, 0, 1, 3, 10]),
    )


def source_of(case: Case) -> Iterator[Step]:
    for index, step in enumerate(case.steps):
        if index == case.fails_at:
            raise SourceError
        yield step
    if case.fails_at is not None and case.fails_at >= len(case.steps):
        raise SourceError


async def play(case: Case) -> None:
    action = Scripted()
    pulled = Pulled(source_of(case))
    source: Any = pulled.later(case.asynchronous) if case.asynchronous else pulled
    stream = scripted(
        source, concurrency=case.concurrency, ordered=case.ordered, action=action, fail_fast=case.fail_fast
    )
    seen: list[Outcome[Step, Any]] = []

    async def consume() -> None:
        async with stream as outcomes:
            if case.leaves in ("break", "raise") and not case.after:
                if case.leaves == "raise":
                    raise BodyError
                return
            async for outcome in outcomes:
                seen.append(outcome)
                await turns(case.pause)
                if case.leaves == "break" and len(seen) >= case.after:
                    return
                if case.leaves == "raise" and len(seen) >= case.after:
                    raise BodyError

    task = asyncio.create_task(consume())
    if case.leaves == "cancel":
        await turns(case.after)
        task.cancel()
    done, _ = await asyncio.wait((task,), timeout=20)
    assert done, "the import hangs"
    error = task.exception() if not task.cancelled() else None

    assert bulk_tasks() == []
    assert action.out == 0
    assert action.peak <= case.concurrency
    if task.cancelled() and stream._engine.report.rows == 0 and not pulled.count:
        return  # cancelled before it had begun
    found = {outcome.index: outcome for outcome in [*seen, *stream.unfinished]}
    # Each row that was pulled has exactly one outcome, of its own.
    assert len(found) == len(seen) + len(stream.unfinished)
    assert sorted(found) == list(range(pulled.count))
    assert all(outcome.row is case.steps[index] for index, outcome in found.items())
    same(stream.report, found.values())
    check_truth(found.values(), action)
    if case.ordered:
        assert [outcome.index for outcome in seen] == sorted(outcome.index for outcome in seen)
    check_end(case, stream, found, seen, error, task.cancelled())


def check_truth(outcomes: Any, action: Scripted) -> None:
    """An outcome says no more than what happened."""
    assert sum(outcome.status is Status.CREATED for outcome in outcomes) == action.landed
    assert sum(outcome.attempts for outcome in outcomes) == action.sent
    for outcome in outcomes:
        kind, status = outcome.row.kind, outcome.status
        assert (outcome.record is not None) is (status is Status.CREATED)
        assert (outcome.error is None) is (status is Status.CREATED)
        if status is Status.CREATED:
            assert kind == "created"
        elif status is Status.REJECTED:
            assert kind == "rejected"
        elif status is Status.UNKNOWN:
            assert outcome.attempts == 1
        elif status is Status.FAILED:
            assert outcome.attempts == 0 or kind in ("unsent", "unauthorized")


def check_end(
    case: Case, stream: Any, found: dict[int, Any], seen: list[Any], error: BaseException | None, cancelled: bool
) -> None:
    """What comes out of `async with` is what ended it, as it is."""
    event(f"{case.leaves or 'stays'}, {type(error).__name__ if error else 'ends well'}")
    allowed: tuple[type[BaseException], ...] = (
        SourceError, BodyError, BulkStoppedError, AuthenticationError, SessionError, ZeroDivisionError,
    )  # fmt: skip
    assert error is None or isinstance(error, allowed)
    assert not isinstance(error, BaseExceptionGroup)
    if case.leaves == "":
        assert not cancelled
        assert stream.unfinished == []
        assert len(seen) == len(found)
        kinds = {outcome.row.kind for outcome in found.values()}
        troubles = bool(kinds & set(FATAL)) or (case.fail_fast and kinds != {"created"} and bool(kinds))
        assert (error is not None) is (troubles or case.fails_at is not None)
        if error is None:
            assert len(found) == len(case.steps)
        if isinstance(error, SourceError):
            assert len(found) == min(case.fails_at or 0, len(case.steps))
    elif case.leaves == "raise" and len(seen) >= case.after:
        assert type(error) is BodyError
    elif case.leaves == "cancel":
        assert len(stream.unfinished) <= 10 * case.concurrency


@settings(max_examples=200)
@given(cases())
@example(Case([], fails_at=0))
@example(Case([], fails_at=0, asynchronous=1, ordered=True))
@example(Case([Step("refused")] * 5, fail_fast=True, ordered=True))
@example(Case([Step("closed")] * 5))
@example(Case([Step("broken")] * 5, asynchronous=2))
@example(Case([Step("created")] * 40, leaves="cancel", after=7, ordered=True))
@example(Case([Step("created", out=0)] * 20, concurrency=2, leaves="break", after=1, pause=5))
@example(Case([Step("created", out=0)] * 20, concurrency=2, leaves="raise", after=3, pause=5, asynchronous=1))
@example(Case([Step("created", out=0)] * 20, concurrency=2, leaves="cancel", after=12, pause=50))
@example(Case([Step("created", out=0)] * 20, concurrency=2, pause=5, fails_at=9))
@example(Case([Step("created", out=200), *[Step("created")] * 59], ordered=True, concurrency=2))
def test_every_row_has_exactly_one_outcome(case: Case) -> None:
    asyncio.run(play(case))
