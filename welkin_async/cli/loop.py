"""The event loop of a command, and what Ctrl-C does to it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

__all__ = ["Interrupt", "in_parallel", "run", "unless_stopped"]

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class Interrupt:
    """Ctrl-C and SIGTERM: the first asks for an orderly end where one is possible, any other ends at once.

    Where the event loop knows no signals (Windows) the first Ctrl-C ends at once.

    Attributes:
        stop: Set when an orderly end is asked for; by the command itself, too.
        orderly: Whether the command watches ``stop``; else the first signal ends it.
        signal: The first signal that came, 0 for none.
    """

    def __init__(self, task: asyncio.Task[object] | None = None) -> None:
        self.stop = asyncio.Event()
        self.orderly = False
        self.signal = 0
        self._task = task

    @property
    def exit_code(self) -> int:
        """What a process that was stopped so ends with: 130 after Ctrl-C."""
        return 128 + self.signal

    def receive(self, number: int) -> None:
        """Take a signal.

        Args:
            number: Which.
        """
        first, self.signal = not self.signal, self.signal or number
        if first and self.orderly:
            self.stop.set()
        elif self._task is not None:
            self._task.cancel()


def run(main: Callable[[Interrupt], Awaitable[int]]) -> int:
    """Run a command on an event loop of its own, uvloop where it is installed.

    Args:
        main: The command; given the interrupt to watch.

    Returns:
        Its exit code, or that of the signal that ended it.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_watched(main))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _watched(main: Callable[[Interrupt], Awaitable[int]]) -> int:
    interrupt = Interrupt(asyncio.current_task())
    loop = asyncio.get_running_loop()
    watched = (signal.SIGINT, signal.SIGTERM)
    with contextlib.suppress(NotImplementedError):
        for number in watched:
            loop.add_signal_handler(number, interrupt.receive, number)
    try:
        return await main(interrupt)
    except asyncio.CancelledError:
        if not interrupt.signal:
            raise
        return interrupt.exit_code
    finally:
        with contextlib.suppress(NotImplementedError):
            for number in watched:
                loop.remove_signal_handler(number)


async def unless_stopped(work: Coroutine[Any, Any, ResultT], interrupt: Interrupt) -> ResultT | None:
    """Do some work, which is cancelled when an orderly end is asked for.

    Args:
        work: What to do.
        interrupt: Asks for the end.

    Returns:
        What it returned; None where it was cancelled.

    Raises:
        Exception: whatever it raised.
    """
    doing = asyncio.create_task(work)
    asked = asyncio.create_task(interrupt.stop.wait())
    try:
        await asyncio.wait((doing, asked), return_when=asyncio.FIRST_COMPLETED)
    finally:
        asked.cancel()
        doing.cancel()
        await asyncio.wait((doing, asked))
    return None if doing.cancelled() else doing.result()


async def in_parallel(items: Iterable[ItemT], work: Callable[[ItemT], Awaitable[None]], *, concurrency: int) -> None:
    """Do some work for each item, with a bounded number of workers pulling from one iterator.

    Args:
        items: Pulled as workers get free.
        work: Done for each.
        concurrency: How many workers.

    Raises:
        Exception: the first that any work raised, once every worker has ended.
    """
    iterator = iter(items)

    async def worker() -> None:
        """Work while there are items."""
        for item in iterator:
            await work(item)

    for result in await asyncio.gather(*(worker() for _ in range(concurrency)), return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
