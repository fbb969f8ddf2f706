"""File runs of the command line: session, progress, signals, summary and exit code."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Literal, Protocol

import anyio.to_thread
import attrs
import typer

from welkin_async.cli.options.connection import Connection
from welkin_async.cli.options.resume_command import command_shown, resume_command
from welkin_async.cli.options.row_options import RunFlags
from welkin_async.cli.progress import Counts, progress_shown, say
from welkin_async.cli.runtime import Interrupt, finish
from welkin_async.cli.wording import CommandError, as_options
from welkin_async.errors import printable
from welkin_async.files import FileReport
from welkin_async.files.errors import FileError
from welkin_async.files.jobs.create_records import RecordImport
from welkin_async.files.jobs.job import FileJob
from welkin_async.files.jobs.open_file import open_file
from welkin_async.files.jobs.upsert_records import RecordUpsert
from welkin_async.files.readers.file_format import input_paths
from welkin_async.files.readers.input_file import ending_by_content
from welkin_async.files.readers.spool import local_file
from welkin_async.files.report.lookup_cost import LookupCost
from welkin_async.files.run.absent_deletion import AbsentDeletion
from welkin_async.files.run.comparison_run import ComparisonRun
from welkin_async.files.run.file_run import FileRun
from welkin_async.session import Welkin

_STDIN = Path("-")
_UNNOTICED = 100  # list requests
_DRAINING = "stopping: what is in flight is waited for; press Ctrl-C again to stop at once"


class _Run(Protocol):
    @property
    def counts(self) -> Counts: ...
    @property
    def report(self) -> FileReport: ...
    async def run(self, welkin: Welkin) -> FileReport: ...


def carry_out(
    context: typer.Context,
    files: Sequence[Path],
    job_of: Callable[[Path], FileJob],
    flags: RunFlags,
    connection: Connection,
    deletion: Callable[[FileJob], AbsentDeletion] | None = None,
) -> None:
    """Carry a job out for each file, or check the files alone where that is asked for, and end the command.

    All files are looked through, and their columns checked, before the first row of the first one is sent.

    Args:
        context: Of the command.
        files: As they were given: files, folders, or ``-`` alone for standard input.
        job_of: Returns what is done with a file.
        flags: How.
        connection: Where to connect.
        deletion: Returns what deletes records that the file no longer names; None for no deletion.

    Raises:
        Exit: always, with the exit code.
    """
    resume, shown = resume_command(context), command_shown(context)

    def told(file: Path) -> FileJob:
        job = job_of(file)
        return attrs.evolve(job, settings=attrs.evolve(job.settings, command=shown))

    async def main(interrupt: Interrupt) -> int:
        """Carry out one file after another."""
        async with _jobs(files, told, flags) as jobs, connection.session() as welkin:
            several = len(jobs) > 1
            if several and deletion is not None:
                raise CommandError("--delete-absent goes with a single file, which says all that is there")
            deletions = [None if deletion is None else deletion(job) for job in jobs]
            for job in jobs if several else ():
                await _check_ahead(job, welkin)
            code = 0
            interrupt.orderly, interrupt.notice = True, "" if flags.dry_run else _DRAINING
            for job, absent in zip(jobs, deletions, strict=True):
                run = FileRun(job, stop=interrupt.stop, on_cost=_say_cost, deletion=absent)
                code = max(code, await _carry_out(run, welkin, interrupt, resume, as_json=flags.json, several=several))
                if run.report.stopped or run.report.error is not None:
                    break  # what ended it would end the others
            return code

    finish(main, as_json=flags.json)


def compare(
    context: typer.Context,
    files: Sequence[Path],
    job_of: Callable[[Path], RecordImport],
    findings: Path | None,
    connection: Connection,
    *,
    as_json: bool,
    planned: bool = False,
    unexpected: Literal["unexpected", "delete"] | None = None,
) -> None:
    """Compare each file with the server, and end the command.

    Args:
        context: Of the command.
        files: As they were given.
        job_of: Returns what is to be compared.
        findings: Where rows go that are not there once and equal; None for nowhere.
        connection: Where to connect.
        as_json: Whether the summary is for machines.
        planned: Whether it is no failure that rows are to be created or changed, and records to be deleted.
        unexpected: What findings call records that the file does not name; None to leave these alone.

    Raises:
        Exit: always, with the exit code.
    """
    shown = command_shown(context)

    async def main(interrupt: Interrupt) -> int:
        """Compare one file after another."""
        paths = input_paths(files)
        if findings is not None and len(paths) > 1:
            raise CommandError("a file of findings goes with a single file")
        if unexpected is not None and len(paths) > 1:
            option = "--delete-absent" if planned else "--strict"
            raise CommandError(f"{option} goes with a single file, which says all that is there")
        code = 0
        interrupt.orderly = True
        async with connection.session() as welkin:
            for path in paths:
                job = job_of(path)
                job = attrs.evolve(job, settings=attrs.evolve(job.settings, command=shown))
                comparison = ComparisonRun(
                    job, findings=findings, stop=interrupt.stop, unexpected=unexpected, on_cost=_say_cost
                )
                report = await comparison.run(welkin)
                named = {"file": report.file} if len(paths) > 1 else {}
                told = json.dumps({**named, **report.to_dict()}, indent=None if named else 2) if as_json else report
                sys.stdout.write(f"{told}\n")
                for note in report.notes:
                    say(as_options(note))
                overwritten = isinstance(job, RecordUpsert) and job.overwrite
                left = 0 if overwritten else report.edited
                off = report.doubled + report.refused + (left if planned else report.altered + report.missing)
                off += report.unlisted + (0 if planned else report.unexpected)
                code = max(code, int(bool(off) or report.stopped))
                if report.stopped:
                    if report.findings is not None:
                        say("welkin-async: stopped; the same command goes on where it stopped")
                    break
        return interrupt.exit_code if interrupt.signal else code

    finish(main, as_json=as_json)


def finish_run(
    make: Callable[[asyncio.Event], _Run], connection: Connection, *, resume: str, as_json: bool, draining: str = ""
) -> None:
    """Carry a run out, print its summary, and end the command.

    Args:
        make: Returns the run, given the event that asks for an orderly end.
        connection: Where to connect.
        resume: The command line that goes on with it.
        as_json: Whether the summary is for machines.
        draining: What is said when an orderly end is asked for.

    Raises:
        Exit: always, with the exit code.
    """

    async def main(interrupt: Interrupt) -> int:
        """Put the options together and begin."""
        run = make(interrupt.stop)
        interrupt.orderly, interrupt.notice = True, draining
        async with connection.session() as welkin:
            return await _carry_out(run, welkin, interrupt, resume, as_json=as_json)

    finish(main, as_json=as_json)


@contextlib.asynccontextmanager
async def _jobs(
    files: Sequence[Path], job_of: Callable[[Path], FileJob], flags: RunFlags
) -> AsyncIterator[list[FileJob]]:
    """Have what is done with each file; standard input is a file while the context lasts."""
    if _STDIN in files:
        if len(files) > 1:
            raise CommandError("- is standard input, and goes with no other file")
        async with local_file(sys.stdin.buffer, None) as (path, _):
            # What belongs to it stands in the working folder.
            job = job_of(Path(f"stdin{await anyio.to_thread.run_sync(ending_by_content, path)}"))
            yield [attrs.evolve(job, settings=attrs.evolve(job.settings, file=path))]
        return
    paths = input_paths(files)
    if len(paths) > 1:
        flags.check_several()
    yield [job_of(path) for path in paths]


async def _check_ahead(job: FileJob, welkin: Welkin) -> None:
    """Look a file through, and see how its columns fit, before any other file's rows are sent."""
    try:
        opened = await open_file(job.settings)
        try:
            await job.mapper(welkin, opened)
        finally:
            opened.source.close()
    except FileError as error:
        raise FileError(f"{job.settings.file}: {error}") from None


async def _carry_out(
    run: _Run, welkin: Welkin, interrupt: Interrupt, resume: str, *, as_json: bool, several: bool = False
) -> int:
    """Carry one run out, print its summary, and return the exit code."""
    try:
        async with progress_shown(run.counts):
            await run.run(welkin)
    except asyncio.CancelledError:
        if not interrupt.signal:
            raise
    report = run.report
    _print(report, resume, as_json=as_json, several=several)
    if interrupt.signal:
        return interrupt.exit_code
    if report.error_type == "AuthenticationError" and not report.done and not report.unknown:
        return 2
    return 0 if report.outcome == "complete" else 1


def _say_cost(cost: LookupCost) -> None:
    """Say what looking for rows will cost, where a person would notice it."""
    if cost.listings + cost.afterwards > _UNNOTICED:
        say(str(cost))


def _print(report: FileReport, command: str, *, as_json: bool, several: bool) -> None:
    """Print the summary, and say how to go on where not all is done."""
    ended = report.stopped or report.error is not None
    goes_on = ended and (report.resume is not None or report.export is not None)
    text = as_options(printable(str(report)))
    if as_json:
        resume = {} if report.dry_run else {"resume": command if goes_on else None}
        named = {"file": report.file} if several else {}
        text = json.dumps({**named, **report.to_dict(), **resume}, indent=None if several else 2)
    elif report.resource is not None and report.export is not None and report.export.cursor and not ended:
        text += f"\n\nwhat comes later is read with\n  --start {report.export.cursor}"
    sys.stdout.write(f"{text}\n")
    for note in report.notes:
        say(as_options(note))
    if report.error is not None:
        say(f"welkin-async: {as_options(report.error)}")
    if goes_on:
        kept = "what was read is kept" if report.export is not None else "nothing is lost"
        say(f"welkin-async: stopped; {kept}. This goes on where it stopped:\n  {command}")
    elif ended and not report.dry_run and report.journal is None:
        say("welkin-async: stopped; without a journal it cannot be gone on with, and would begin anew")
