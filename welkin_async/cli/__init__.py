"""The ``welkin-async`` command: bring files into Welkin and out of it, and try it on a local server.

It needs the ``cli`` extra. Nothing else of the package imports it, and this module imports typer and rich only when it
is run.
"""

from __future__ import annotations

import gc
import importlib.util
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: The command line without the program's name; None for the process' own.

    Returns:
        The exit code: 0 all was done, 1 not all, 2 a usage or configuration error, 130 stopped by Ctrl-C.
    """
    if any(importlib.util.find_spec(name) is None for name in ("typer", "rich")):
        sys.stderr.write("welkin-async: the command needs an extra: pip install 'welkin-async[cli]'\n")
        return 2
    collected = gc.isenabled()
    gc.disable()  # what is imported stays: looking for garbage in it takes an eighth of the start
    try:
        from welkin_async.cli.app import run_command
    except KeyboardInterrupt:  # Ctrl-C while all this is imported, before anything watches signals
        return 130
    finally:
        if collected:
            gc.enable()
    return run_command(arguments)
