"""Runtime: the event loop of a command, and what Ctrl-C does to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TypeVar

import typer

from welkin_async.cli.wording import CommandError, as_options
from welkin_async.errors import WelkinError, printable


def finish(main: Callable[[Interrupt], Awaitable[int]], *, as_json: bool = False) -> None:
    """Run a command to its end, and say in one line what went wrong.

    Args:
        main: The command; given the interrupt to watch.
        as_json: Whether what went wrong is printed for machines, too.

    Raises:
        Exit: always, with the exit code.
    """
    try:
        code = run(main)
    except CommandError as error:
        code, message = error.exit_code, str(error)
    except WelkinError as error:
        code, message = 2, as_options(str(error))
    except (KeyboardInterrupt, asyncio.CancelledError):
        code, message = 130, "stopped"
    except Exception as error:
        # A defect of this program. The text of the exception might quote a patient's data; its place cannot.
        code, message = 1, f"a defect: {type(error).__name__} in {_place(error)}; please report it"
    else:
        raise typer.Exit(code)
    if as_json:
        sys.stdout.write(f"{json.dumps({'outcome': 'error', 'error': message, 'exit_code': code}, indent=2)}\n")
    sys.stderr.write(f"welkin-async: {printable(message)}\n")
    raise typer.Exit(code)


def _place(error: BaseException) -> str:
    places = [note for note in getattr(error, "__notes__", ()) if note.startswith("in welkin_async: ")]
    if places:  # the frames themselves are not in errors that leave the library
        return str(places[0]).rpartition(", ")[2].removeprefix("in welkin_async: ").partition(" ")[0]
    trace, place = error.__traceback__, "?"
    while trace is not None:
        place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


ItemT = TypeVar("ItemT")


class Interrupt:
    """Ctrl-C, SIGTERM and a lost terminal (SIGHUP): the first asks for an orderly end where one is possible.

    Any other ends at once.

    Where the event loop knows no signals (Windows) the first Ctrl-C ends at once.

    Attributes:
        stop: Set when an orderly end is asked for.
        orderly: Whether the command watches ``stop``; else the first signal ends it.
        notice: What is said when the first signal asks for an orderly end; empty for nothing.
        signal: The first signal that came, 0 for none.
    """

    def __init__(self, task: asyncio.Task[object] | None = None) -> None:
        self.stop = asyncio.Event()
        self.orderly = False
        self.notice = ""
        self.signal = 0
        self._task = task

    @property
    def exit_code(self) -> int:
        """What a process that was stopped so ends with: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + self.signal

    def receive(self, number: int) -> None:
        """Receive a signal.

        Args:
            number: Which.
        """
        first, self.signal = not self.signal, self.signal or number
        if first and self.orderly:
            self.stop.set()
            if self.notice:
                sys.stderr.write(f"{self.notice}\n")
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
    watched = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
        watched.append(signal.SIGHUP)
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
