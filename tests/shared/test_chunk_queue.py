"""The chunk queue: what is handed out again, to whom, and when an import fails. No clock passes."""

from __future__ import annotations

import random
from typing import Any

import pytest

from welkin_async.bulk import ChunkReport
from welkin_async.files import Chunk
from welkin_async.files.chunks.chunk_queue import Answer, ChunkQueue, Handout

DONE = Answer(ChunkReport(chunks=1, finished=1, created=5))
UNFINISHED = Answer(ChunkReport(chunks=1, finished=0, created=3, unknown=2))
DIED = Answer(None, "a worker died")
AWAY = Answer(None, "the store does not answer", "StoreUnreachableError")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def queue_of(count: int, clock: Any = None) -> ChunkQueue:
    queue = ChunkQueue(clock or Clock())
    queue.add(0, [Chunk(f"{number:06}", ((number, number + 1),)) for number in range(count)])
    return queue


def state(queue: ChunkQueue) -> tuple[bool, str]:
    """Whether it is over, and what failed, as it is now."""
    return queue.over, queue.failure


def taken(queue: ChunkQueue) -> Handout:
    handout = queue.take()
    assert handout is not None
    return handout


def test_chunks_are_handed_out_in_their_order_each_once() -> None:
    queue = queue_of(3)
    handouts = [taken(queue) for _ in range(3)]
    assert [each.chunk.id for each in handouts] == ["000000", "000001", "000002"]
    assert queue.take() is None
    assert state(queue) == (False, "")
    assert all(queue.settle(each, DONE) for each in handouts)
    assert queue.over
    assert (queue.report().chunks, queue.report().created) == (3, 15)


def test_a_chunk_that_fails_comes_last_and_fails_the_import_after_four_times() -> None:
    queue = queue_of(2)
    first, second = taken(queue), taken(queue)
    queue.settle(first, DIED)
    queue.settle(second, DONE)
    for _ in range(3):
        assert state(queue) == (False, "")
        queue.settle(taken(queue), DIED)
    assert state(queue) == (True, "a worker died")
    assert queue.take() is None
    assert queue.report().created == 5


def test_what_cannot_help_to_be_repeated_fails_at_once() -> None:
    queue = queue_of(1)
    queue.settle(taken(queue), Answer(None, "refused", "AuthenticationError"))
    assert queue.failure == "refused"


def test_rows_in_doubt_are_tried_four_times_and_then_reported() -> None:
    queue = queue_of(1)
    for _ in range(4):
        assert state(queue) == (False, "")
        queue.settle(taken(queue), UNFINISHED)
    assert state(queue) == (True, "")
    assert queue.report().unknown == 2


def test_a_store_that_is_away_holds_up_everybody_and_costs_no_try() -> None:
    clock = Clock()
    queue = queue_of(2, clock)
    for _ in range(10):
        queue.settle(taken(queue), AWAY)
        assert queue.take() is None
        clock.now += 1.0
    again = taken(queue)
    assert again.tries == 1
    queue.settle(again, DONE)
    clock.now += 299.0
    other = taken(queue)
    queue.settle(other, AWAY)  # away since now: a chunk was done in between
    assert state(queue) == (False, "")
    clock.now += 301.0
    queue.settle(taken(queue), AWAY)
    assert state(queue) == (True, "the store does not answer")


def test_a_silent_workers_chunk_goes_to_another_and_whichever_is_done_first_counts() -> None:
    queue = queue_of(1)
    silent = taken(queue)
    assert queue.take() is None
    for _ in range(2):
        queue.give_elsewhere(silent)
    idle = queue.idle
    other = taken(queue)
    assert other.chunk == silent.chunk
    assert (idle, queue.idle) == (True, False)
    assert queue.take() is None
    assert not queue.settle(silent, Answer(None, "lost", "LeaseLostError"))  # it woke up, and may not any more
    assert state(queue) == (False, "")
    assert queue.settle(other, DONE)
    assert queue.report().created == 5


def test_a_silent_worker_that_is_done_after_all_counts_once() -> None:
    queue = queue_of(1)
    silent = taken(queue)
    queue.give_elsewhere(silent)
    other = taken(queue)
    assert queue.settle(silent, DONE)
    assert not queue.settle(other, DONE)
    assert queue.over
    assert queue.report().created == 5


@pytest.mark.parametrize("seed", range(200))
def test_every_chunk_is_reported_once_whatever_becomes_of_workers(seed: int) -> None:
    chance = random.Random(seed)
    clock = Clock()
    queue = queue_of(4, clock)
    out: list[Handout] = []
    reported: list[str] = []
    while not queue.over:
        handout = queue.take()
        if handout is None:
            clock.now += 1.0
        else:
            out.append(handout)
            if chance.random() < 0.3:
                queue.give_elsewhere(handout)
        if out and (handout is None or chance.random() < 0.5):
            chosen = out.pop(chance.randrange(len(out)))
            if queue.settle(chosen, chance.choice([DONE, DONE, UNFINISHED, DIED, AWAY])):
                reported.append(chosen.chunk.id)
    assert len(reported) == len(set(reported)) == queue.report().chunks
    assert queue.failure or len(reported) == 4
