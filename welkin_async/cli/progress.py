"""Progress on stderr: a bar on a terminal, elsewhere a line every few seconds."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Protocol

from welkin_async.errors import printable

if TYPE_CHECKING:  # takes a tenth of a command's start, and is of use on a terminal alone
    from rich.console import Console

_BAR_EVERY = 0.2  # seconds
_LINE_EVERY = 5.0
_BAR_WIDTH, _NARROW_BAR = 24, 10  # columns
_WIDE, _NARROW = 110, 60  # columns from which a terminal has room for the one, and for the other


class Counts(Protocol):
    """Counts of a progress display."""

    @property
    def total(self) -> int | None:
        """How many rows there are, or None while that is not known."""
        ...

    @property
    def rows(self) -> int:
        """How many are done."""
        ...

    def line(self, width: int | None = None) -> str:
        """Say in one line how far it is.

        Args:
            width: How many columns there are; None for no bound.
        """
        ...


def say(text: str) -> None:
    """Write a line to stderr."""
    sys.stderr.write(f"{printable(text)}\n")
    sys.stderr.flush()


@contextlib.asynccontextmanager
async def progress_shown(counts: Counts, *, lines: bool = True) -> AsyncIterator[None]:
    """Show how far it is while the context lasts.

    Args:
        counts: What to show.
        lines: Whether to write lines where stderr is no terminal; False shows nothing there.
    """
    console = _terminal() if sys.stderr.isatty() else None
    if console is None and not lines:
        yield
        return
    task = asyncio.create_task(_lines(counts) if console is None else _bar(counts, console))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _lines(counts: Counts) -> None:
    while True:
        await asyncio.sleep(_LINE_EVERY)
        say(counts.line())


def _terminal() -> Console | None:
    """Return the terminal that stderr is; None where nothing can be drawn on it."""
    from rich.console import Console

    console = Console(stderr=True)
    return console if console.is_terminal and not console.is_dumb_terminal else None


async def _bar(counts: Counts, console: Console) -> None:
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    # Not refreshed by a thread of its own: the event loop stays the one that writes.
    bar_width = _BAR_WIDTH if console.width >= _WIDE else _NARROW_BAR
    bar = [BarColumn(bar_width=bar_width)] if console.width >= _NARROW else []
    text = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True))
    with Progress(
        *bar, text, console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as progress:
        task = progress.add_task("", total=None)
        while True:
            total = None if counts.total is None else max(counts.total, counts.rows)
            room = console.width - (bar_width + 1 if bar else 0)  # asked each time: a terminal changes its size
            progress.update(task, completed=counts.rows, total=total, description=counts.line(room))
            progress.refresh()
            await asyncio.sleep(_BAR_EVERY)
