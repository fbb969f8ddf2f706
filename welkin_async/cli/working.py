"""Runs a command that works through a file."""

from __future__ import annotations

from collections.abc import Callable

from welkin_async.cli.connection import Connection
from welkin_async.cli.dry_run import dry_run
from welkin_async.cli.file_run import FileRun
from welkin_async.cli.finishing import finish
from welkin_async.cli.jobs import Job
from welkin_async.cli.loop import Interrupt

__all__ = ["work_through"]


def work_through(job_of: Callable[[], Job], connection: Connection) -> None:
    """Carry a job out, or check its file alone where that is asked for, and end the command.

    Args:
        job_of: Returns what is done.
        connection: Where to connect.

    Raises:
        Exit: always, with the exit code.
    """

    async def main(interrupt: Interrupt) -> int:
        """Put the options together and begin."""
        job = job_of()
        if job.options.dry_run:
            return await dry_run(connection.session(), job)
        return await FileRun(lambda meter: connection.session(meter.count), job, interrupt).run()

    finish(main)
