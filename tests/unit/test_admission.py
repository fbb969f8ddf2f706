"""The queue at the gate: first come, first served; who leaves takes nobody's place along; who cannot wait is told."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from welkin_async.http.rate_limit.controller import RateController
from welkin_async.http.rate_limit.queue import AdmissionQueue, AdmissionTimeout

from .clockwork import run, ticks


@attrs.define
class Turnstile:
    """A rate controller as simple as can be: so many places, and a gate that is shut until a moment."""

    places: float = math.inf
    shut_until: float = -math.inf
    serial: int = 0
    out: set[int] = attrs.field(factory=set)

    def wait_time(self, now: float) -> float:
        if now < self.shut_until:
            return self.shut_until - now
        return math.inf if len(self.out) >= self.places else 0.0

    def acquire(self, now: float) -> int:
        assert self.wait_time(now) <= 0.0, "let out although it should wait"
        self.serial += 1
        self.out.add(self.serial)
        return self.serial

    def try_acquire(self, now: float) -> int:
        return self.acquire(now) if self.wait_time(now) <= 0.0 else 0

    def release(self, ticket: int) -> None:
        self.out.remove(ticket)

    @property
    def limited(self) -> bool:
        return self.shut_until > -math.inf

    def paused_for(self, now: float) -> float:
        return max(0.0, self.shut_until - now)


def gate(controller: Any) -> tuple[AdmissionQueue, Callable[[], float]]:
    clock = asyncio.get_running_loop().time
    return AdmissionQueue(controller, clock), clock


def try_enter(admission: AdmissionQueue) -> int:
    return admission.try_enter(asyncio.get_running_loop().time())


def enter(admission: AdmissionQueue, deadline: float = math.inf) -> asyncio.Task[int]:
    coroutine: Coroutine[Any, Any, int] = admission.enter(deadline)
    return asyncio.create_task(coroutine)


def test_whoever_may_go_goes_at_once() -> None:
    async def main() -> None:
        admission, _ = gate(Turnstile())
        assert try_enter(admission) == 1
        assert await admission.enter(math.inf) == 2
        assert await admission.enter(-math.inf) == 3

    run(main())


def test_requests_leave_in_the_order_they_came() -> None:
    async def main() -> None:
        admission, _ = gate(Turnstile(places=1))
        held = try_enter(admission)
        order: list[int] = []

        async def go(number: int) -> None:
            ticket = await admission.enter(math.inf)
            order.append(number)
            await asyncio.sleep(0)
            admission.leave(ticket)

        tasks = []
        for number in range(50):
            tasks.append(asyncio.create_task(go(number)))
            await asyncio.sleep(0)
        assert try_enter(admission) == 0
        admission.leave(held)
        await asyncio.gather(*tasks)
        assert order == list(range(50))

    run(main())


def test_nobody_overtakes_the_queue_even_where_the_way_is_clear_again() -> None:
    async def main() -> None:
        turnstile = Turnstile(shut_until=1010.0)
        admission, clock = gate(turnstile)
        waiter = enter(admission)
        await ticks()
        turnstile.shut_until = -math.inf  # sooner than the timer knows
        assert turnstile.wait_time(clock()) == 0.0
        assert try_enter(admission) == 0
        later = enter(admission)
        assert await waiter == 1
        assert await later == 2

    run(main())


def test_everybody_waits_for_the_gate_and_goes_when_it_opens() -> None:
    async def main() -> None:
        admission, clock = gate(Turnstile(shut_until=1030.0))
        tickets = await asyncio.gather(*(enter(admission) for _ in range(10)))
        assert tickets == list(range(1, 11))
        assert 1030.0 <= clock() < 1030.1

    run(main())


def test_a_gate_that_closes_again_meanwhile_keeps_everybody() -> None:
    async def main() -> None:
        turnstile = Turnstile(shut_until=1010.0)
        admission, clock = gate(turnstile)
        waiter = enter(admission)
        await ticks()
        turnstile.shut_until = 1025.0
        await waiter
        assert 1025.0 <= clock() < 1025.1

    run(main())


def test_a_wait_longer_than_allowed_is_refused_at_once() -> None:
    async def main() -> None:
        admission, clock = gate(Turnstile(shut_until=1030.0))
        with pytest.raises(AdmissionTimeout) as caught:
            await admission.enter(clock() + 29.0)
        assert clock() == 1000.0
        assert caught.value.retry_after == 30.0
        assert try_enter(admission) == 0
        waiter = enter(admission, clock() + 31.0)
        assert await waiter == 1

    run(main())


def test_a_gate_that_closes_for_longer_while_one_waits_is_told_by_the_deadline() -> None:
    async def main() -> None:
        turnstile = Turnstile(shut_until=1005.0)
        admission, clock = gate(turnstile)
        waiter = enter(admission, clock() + 8.0)
        await ticks()
        turnstile.shut_until = 1300.0
        with pytest.raises(AdmissionTimeout):
            await waiter
        assert clock() <= 1008.01
        assert not turnstile.out

    run(main())


@pytest.mark.parametrize("allowed", [0.2, 0.5, 0.9])
def test_a_deadline_within_a_second_is_kept_as_well(allowed: float) -> None:
    async def main() -> None:
        turnstile = Turnstile(shut_until=1000.1)
        admission, clock = gate(turnstile)
        waiter = enter(admission, clock() + allowed)
        await ticks()
        turnstile.shut_until = 1300.0
        with pytest.raises(AdmissionTimeout):
            await waiter
        assert clock() <= 1000.0 + allowed + 0.05

    run(main())


def test_a_place_the_caller_itself_holds_back_is_waited_for_past_the_deadline() -> None:
    async def main() -> None:
        turnstile = Turnstile(places=1)
        admission, clock = gate(turnstile)
        held = try_enter(admission)
        waiter = enter(admission, clock() + 2.0)
        await asyncio.sleep(10.0)
        assert not waiter.done()
        admission.leave(held)
        await waiter

    run(main())


def test_who_is_turned_away_holds_nobody_up() -> None:
    """Those whose patience ends at different moments are told then, and the rest go when the gate opens."""

    async def main() -> None:
        turnstile = Turnstile(shut_until=1001.0)
        admission, clock = gate(turnstile)
        patience = {7.0: 1007.0, 3.0: 1003.0, 5.0: 1005.0, 90.0: 1060.0, math.inf: 1060.0}
        waiters = {enter(admission, clock() + seconds): until for seconds, until in patience.items()}
        await ticks()
        turnstile.shut_until = 1060.0
        for waiter, until in sorted(waiters.items(), key=lambda each: each[1]):
            await asyncio.wait((waiter,))
            assert until <= clock() <= until + 0.1
            assert isinstance(waiter.exception(), AdmissionTimeout) is (until < 1060.0)
        assert len(turnstile.out) == 2
        assert admission.waiting == 0

    run(main())


def test_a_place_that_gets_free_as_its_waiter_is_cancelled_goes_to_the_next() -> None:
    async def main() -> None:
        turnstile = Turnstile(places=1)
        admission, _ = gate(turnstile)
        held = try_enter(admission)
        first, second = enter(admission), enter(admission, 5000.0)
        await ticks()
        first.cancel()
        admission.leave(held)  # before the cancelled one could withdraw
        assert await second == 2
        with pytest.raises(asyncio.CancelledError):
            await first
        assert turnstile.out == {2}

    run(main())


def test_a_waiter_that_is_cancelled_leaves_the_queue() -> None:
    async def main() -> None:
        turnstile = Turnstile(places=1)
        admission, _ = gate(turnstile)
        held = try_enter(admission)
        first, second, third = (enter(admission) for _ in range(3))
        await ticks()
        second.cancel()
        await ticks()
        assert second.cancelled()
        admission.leave(held)
        admission.leave(await first)
        await third
        assert turnstile.out == {3}

    run(main())


def test_a_waiter_cancelled_in_the_moment_it_was_let_out_gives_its_place_to_the_next() -> None:
    async def main() -> None:
        turnstile = Turnstile(places=1)
        admission, _ = gate(turnstile)
        held = try_enter(admission)
        first, second = enter(admission), enter(admission)
        await ticks()
        admission.leave(held)  # lets the first out; it has not run yet
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert await second == 3
        assert turnstile.out == {3}

    run(main())


def test_the_last_waiter_cancelled_in_that_moment_gives_its_place_back() -> None:
    async def main() -> None:
        turnstile = Turnstile(places=1)
        admission, _ = gate(turnstile)
        held = try_enter(admission)
        only = enter(admission)
        await ticks()
        admission.leave(held)
        only.cancel()
        await ticks()
        assert only.cancelled()
        assert not turnstile.out
        assert try_enter(admission)

    run(main())


def test_a_cancelled_probe_lets_the_next_one_probe() -> None:
    async def main() -> None:
        controller = RateController(concurrency=64, clock=asyncio.get_running_loop().time, jitter=lambda: 0.0)
        admission, clock = gate(controller)
        for _ in range(3):  # in a row: everybody pauses
            refused = try_enter(admission)
            controller.refused(refused, clock(), 10.0)
            admission.leave(refused)
        first, second = enter(admission), enter(admission)
        await asyncio.sleep(10.01)
        probe = await first
        await ticks()
        assert not second.done()  # one request goes ahead
        admission.leave(probe)  # without a verdict
        admission.leave(await second)
        assert controller.in_flight == 0

    run(main())


def test_closing_stops_the_timer() -> None:
    async def main() -> None:
        admission, clock = gate(Turnstile(shut_until=1030.0))
        waiter = enter(admission)
        await ticks()
        admission.close()
        waiter.cancel()
        await ticks()
        await asyncio.sleep(100.0)
        assert clock() == 1100.0

    run(main())


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), st.sampled_from([math.inf, 0.0, 0.5, 3.0])),
        st.tuples(st.just("cancel"), st.integers(0, 100)),
        st.tuples(st.just("leave"), st.integers(0, 100)),
        st.tuples(st.just("shut"), st.sampled_from([0.1, 1.0, 5.0])),
        st.tuples(st.just("wait"), st.sampled_from([0.0, 0.3, 2.0])),
        st.tuples(st.just("leave and cancel"), st.integers(0, 100)),
    ),
    max_size=40,
)


@given(STEPS, st.integers(1, 3))
@settings(max_examples=150)
def test_no_place_is_ever_lost_or_given_twice(steps: list[tuple[str, float]], places: int) -> None:
    async def main() -> None:
        turnstile = Turnstile(places=places)
        admission, clock = gate(turnstile)
        waiting: list[asyncio.Task[int]] = []
        inside: list[int] = []

        def settle() -> None:
            for task in list(waiting):
                if task.done():
                    waiting.remove(task)
                    if not task.cancelled() and task.exception() is None:
                        inside.append(task.result())

        for step, value in steps:
            if step == "enter":
                waiting.append(enter(admission, clock() + value))
            elif step == "cancel" and waiting:
                waiting[int(value) % len(waiting)].cancel()
            elif step == "leave" and inside:
                admission.leave(inside.pop(int(value) % len(inside)))
            elif step == "shut":
                turnstile.shut_until = clock() + value
            elif step == "wait":
                await asyncio.sleep(value)
            elif step == "leave and cancel" and inside and waiting:
                admission.leave(inside.pop())
                waiting[int(value) % len(waiting)].cancel()
            await ticks(int(value) % 4 if value < math.inf else 2)
            settle()
        while waiting:
            await asyncio.sleep(1.0)
            await ticks()
            settle()
            while inside:
                admission.leave(inside.pop())
        await ticks()
        settle()
        for ticket in inside:
            admission.leave(ticket)
        assert not turnstile.out
        await asyncio.sleep(10.0)
        assert all(try_enter(admission) for _ in range(places))
        assert not try_enter(admission)
        admission.close()

    run(main())
