"""Outcome queue: from the workers to the one consumer, bounded, in order of completion or of the source."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from welkin_async.bulk.results import Outcome


class OutcomeQueue:
    """Hands outcomes over. Costs no task and, while the consumer keeps up, no wait.

    Args:
        capacity: How many outcomes may lie here before those who bring more must wait.
        ordered: Whether they leave in the order of the source. The bound is then kept where rows are pulled.
    """

    def __init__(self, capacity: int, *, ordered: bool) -> None:
        self._capacity = capacity
        self._ordered = ordered
        self._ready: deque[Outcome[Any, Any]] = deque()
        self._early: dict[int, Outcome[Any, Any]] = {}
        self._next = 0
        self._producers: deque[asyncio.Future[None]] = deque()
        self._consumer: asyncio.Future[None] | None = None
        self._closed = False
        self._left = False
        self.taken = 0

    async def put(self, outcome: Outcome[Any, Any]) -> None:
        """Bring an outcome, waiting while there is no room."""
        if self._ordered:
            self._early[outcome.index] = outcome
            while (following := self._early.pop(self._next, None)) is not None:
                self._ready.append(following)
                self._next += 1
        else:
            while len(self._ready) >= self._capacity and not self._left:
                await self._wait_for_room()
            self._ready.append(outcome)
        if self._ready:
            self._wake_consumer()

    async def get(self) -> Outcome[Any, Any] | None:
        """Take the next outcome, waiting for it; None at the end."""
        while not self._ready:
            if self._closed:
                return None
            self._consumer = asyncio.get_running_loop().create_future()
            try:
                await self._consumer
            finally:
                self._consumer = None
        self.taken += 1
        outcome = self._ready.popleft()
        while self._producers:
            producer = self._producers.popleft()
            if not producer.done():
                producer.set_result(None)
                break
        return outcome

    def close(self) -> None:
        """Say that nothing more comes; what lies here can still be taken."""
        self._closed = True
        # A row whose worker was cancelled leaves no gap, but what came after a gap must not be lost.
        self._ready.extend(self._early[index] for index in sorted(self._early))
        self._early.clear()
        self._wake_consumer()

    def leave(self) -> None:
        """Say that the consumer has left: who brings an outcome waits no longer, and `drain` hands it over."""
        self._left = True
        while self._producers:
            producer = self._producers.popleft()
            if not producer.done():
                producer.set_result(None)

    def drain(self) -> list[Outcome[Any, Any]]:
        """Take all that lies here, for a consumer that has left."""
        left = [*self._ready, *(self._early[index] for index in sorted(self._early))]
        self._ready.clear()
        self._early.clear()
        return left

    async def _wait_for_room(self) -> None:
        producer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._producers.append(producer)
        try:
            await producer
        except asyncio.CancelledError:
            if producer.done() and not producer.cancelled():
                # Woken and cancelled in one moment: the room goes to the next.
                while self._producers:
                    other = self._producers.popleft()
                    if not other.done():
                        other.set_result(None)
                        break
            raise

    def _wake_consumer(self) -> None:
        if self._consumer is not None and not self._consumer.done():
            self._consumer.set_result(None)
