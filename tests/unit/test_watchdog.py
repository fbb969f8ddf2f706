"""One timer for all: who is late is cancelled, who leaves in time is not, and nobody else's cancellation is taken."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from welkin_async.http.engines.watchdog import TaskWatchdog

from .clockwork import run


async def watched(watchdog: TaskWatchdog, seconds: float, work: float) -> str:
    """Work under a deadline, as an exchange does."""
    task = asyncio.current_task()
    assert task is not None
    watchdog.watch(task, asyncio.get_running_loop().time() + seconds)
    try:
        await asyncio.sleep(work)
    except asyncio.CancelledError:
        if watchdog.was_late(task):
            return "late"
        raise
    watchdog.was_late(task)
    return "done"


async def test_two_looks_at_one_moment_cancel_a_task_once() -> None:
    """A second cancellation would leave the exchange as somebody else's."""
    watchdog = TaskWatchdog(asyncio.get_running_loop())
    late = asyncio.create_task(watched(watchdog, 0.0, 9.0))
    await asyncio.sleep(0)
    watchdog._look()
    watchdog._look()
    assert await asyncio.wait_for(late, 5) == "late"


def test_who_is_late_is_ended_and_who_is_not_is_left_alone() -> None:
    async def main() -> tuple[list[str], float]:
        loop = asyncio.get_running_loop()
        watchdog, started = TaskWatchdog(loop), loop.time()
        deadlines = [(3.0, 9.0), (1.0, 9.0), (2.0, 1.0), (9.0, 8.0), (1.0, 0.0)]
        ended = await asyncio.gather(*(watched(watchdog, *each) for each in deadlines))
        assert watchdog._watched == {}
        return ended, loop.time() - started

    ended, seconds = run(main())
    assert ended == ["late", "late", "done", "done", "done"]
    assert seconds == pytest.approx(8.0)


def test_a_deadline_can_be_moved() -> None:
    async def main() -> tuple[str, float]:
        loop = asyncio.get_running_loop()
        watchdog, started = TaskWatchdog(loop), loop.time()
        task = asyncio.create_task(watched(watchdog, 1.0, 9.0))
        await asyncio.sleep(0.5)
        watchdog.watch(task, started + 4.0)
        return await task, loop.time() - started

    ended, seconds = run(main())
    assert ended == "late"
    assert seconds == pytest.approx(4.0, abs=0.002)  # the last look at the sockets


@pytest.mark.parametrize("when", [0.5, 1.0])
def test_a_cancellation_from_outside_stays_one(when: float) -> None:
    """At the very moment of the deadline too."""

    async def main() -> bool:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(watched(TaskWatchdog(loop), 1.0, 9.0))
        await asyncio.sleep(0)
        loop.call_at(loop.time() + when, task.cancel)
        await asyncio.wait((task,))
        return task.cancelled()

    assert run(main())


def test_a_task_that_is_late_may_go_on_afterwards() -> None:
    """The count of cancellations is as it was, so that timeouts around it go on working."""

    async def main() -> tuple[str, str, int]:
        watchdog = TaskWatchdog(asyncio.get_running_loop())

        async def twice() -> tuple[str, str, int]:
            task: asyncio.Task[Any] | None = asyncio.current_task()
            assert task is not None
            return await watched(watchdog, 1.0, 9.0), await watched(watchdog, 1.0, 0.5), task.cancelling()

        return await asyncio.create_task(twice())

    assert run(main()) == ("late", "done", 0)


def test_one_timer_serves_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        made: list[float] = []
        call_at = loop.call_at

        def counted(when: float, *arguments: Any, **options: Any) -> asyncio.TimerHandle:
            made.append(when)
            return call_at(when, *arguments, **options)

        watchdog = TaskWatchdog(loop)
        monkeypatch.setattr(loop, "call_at", counted)
        for _ in range(1000):
            await watched(watchdog, 30.0, 0.0)
        return len(made)

    assert run(main()) == 1


def test_nothing_is_left_behind_once_closed() -> None:
    async def main() -> bool:
        watchdog = TaskWatchdog(asyncio.get_running_loop())
        await watched(watchdog, 30.0, 0.0)
        watchdog.close()
        return watchdog._timer is None

    assert run(main())
