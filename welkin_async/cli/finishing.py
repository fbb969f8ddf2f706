"""How a command ends: an exit code, and one line that says what went wrong."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import typer

from welkin_async.cli.loop import Interrupt, run
from welkin_async.cli.text import CommandError
from welkin_async.errors import WelkinError

__all__ = ["finish"]


def finish(main: Callable[[Interrupt], Awaitable[int]]) -> None:
    """Run a command to its end, and say in one line what went wrong.

    Args:
        main: The command; given the interrupt to watch.

    Raises:
        Exit: always, with the exit code.
    """
    try:
        code = run(main)
    except CommandError as error:
        code, message = error.exit_code, str(error)
    except WelkinError as error:
        code, message = 2, str(error)
    except (KeyboardInterrupt, asyncio.CancelledError):
        code, message = 130, "stopped"
    except Exception as error:
        # A defect of this program. The text of the exception might quote a patient's data; its place cannot.
        code, message = 1, f"a defect: {type(error).__name__} in {_place(error)}; please report it"
    else:
        raise typer.Exit(code)
    sys.stderr.write(f"welkin-async: {message}\n")
    raise typer.Exit(code)


def _place(error: BaseException) -> str:
    trace, place = error.__traceback__, "?"
    while trace is not None:
        place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
