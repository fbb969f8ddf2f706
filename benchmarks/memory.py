"""Memory of a process, as the kernel counts it.

Not ``ru_maxrss`` where that can be helped: on Linux it begins with what the parent held when it started the process.
"""

from __future__ import annotations

import sys

_STATUS = "/proc/{}/status"


def memory(name: str, process: int | str = "self") -> int:
    """Return a figure of a process in bytes.

    Args:
        name: As Linux calls it: ``VmRSS`` for what it holds, ``VmHWM`` for the most that it ever held.
        process: Its id.

    Raises:
        OSError: there is no such process, or the system has no such figures.
        LookupError: the process has ended, and is only waited for.
    """
    with open(_STATUS.format(process), encoding="ascii") as file:
        for line in file:
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    raise LookupError(name)


def peak() -> int:
    """Return the most that this process ever held, in bytes; where the system is not Linux, as ``getrusage`` says."""
    try:
        return memory("VmHWM")
    except FileNotFoundError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
