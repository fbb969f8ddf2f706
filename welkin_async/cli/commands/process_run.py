"""Imports of the command line by several processes, of this machine or of a Ray cluster."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import attrs
import typer

from welkin_async.bulk import ChunkReport
from welkin_async.cli.options.connection import Connection
from welkin_async.cli.options.resume_command import command_shown, resume_command
from welkin_async.cli.options.row_options import RunFlags
from welkin_async.cli.progress import progress_shown, say
from welkin_async.cli.runtime import Interrupt, finish
from welkin_async.cli.wording import CommandError
from welkin_async.errors import WelkinError, printable
from welkin_async.files import WorkersFailedError
from welkin_async.files.chunks.object_file import object_name, object_url
from welkin_async.files.chunks.process_pool import ProcessPool
from welkin_async.files.jobs.create_records import RecordImport
from welkin_async.files.report.run_origin import RunOrigin
from welkin_async.files.report.text import whole
from welkin_async.integrations.ray import RayImport, joined

_DRAINING = "stopping: the chunks that are begun are finished; press Ctrl-C again to stop at once"
_BEFORE_ROWS = frozenset({"FileError", "ConfigurationError", "AuthenticationError"})  # a worker's first words
_COUNTS = (
    ("created", "created"),
    ("unchanged", "there before"),
    ("rejected", "rejected"),
    ("failed", "failed"),
    ("unknown", "unknown"),
    ("conflict", "in conflict"),
    ("altered", "altered"),
    ("doubled", "doubled"),
    ("missing", "missing"),
)


@attrs.define
class _Counts:
    """Counts of a progress display."""

    running: ProcessPool | RayImport | None = None
    report: ChunkReport = attrs.field(factory=ChunkReport)

    @property
    def total(self) -> int | None:
        """How many rows there are."""
        return None if self.running is None else self.running.planned_rows

    @property
    def rows(self) -> int:
        """How many rows of chunks that are done."""
        return self.report.rows

    def line(self, width: int | None = None) -> str:
        """Say in one line how far it is.

        Args:
            width: How many columns there are; the line is short in any case.
        """
        if self.total is None:
            return "dividing the file into chunks"
        chunks = f"{self.report.chunks} chunks done"
        return f"{whole(self.rows)} of {whole(self.total)} rows, {chunks}"

    def take(self, report: ChunkReport) -> None:
        """Take the counts in."""
        self.report = report


def carry_out_in_processes(
    context: typer.Context,
    files: Sequence[Path],
    job_of: Callable[[Path], RecordImport],
    flags: RunFlags,
    connection: Connection,
    processes: int,
    ray: str | None = None,
    *,
    rejects: bool = True,
) -> None:
    """Import files by several processes, and end the command.

    Args:
        context: Of the command.
        files: As they were given: one, or any number for a cluster.
        job_of: Returns what is done with a file.
        flags: How.
        connection: Where to connect.
        processes: How many processes.
        ray: The address of a Ray cluster; None for processes of this machine.
        rejects: Whether reject and review files are written.

    Raises:
        Exit: always, with the exit code.
        CommandError: options do not go together.
    """
    resume, shown = resume_command(context), command_shown(context)

    async def main(interrupt: Interrupt) -> int:
        """Import, and say what came of it."""
        _check(files, flags, "--processes" if ray is None else "--ray")
        if ray is None and len(files) != 1:
            raise CommandError("--processes goes with a single file")
        counts = _Counts()
        interrupt.orderly, interrupt.notice = True, _DRAINING
        jobs = _jobs([_job(job_of, file) for file in files], shown, rejects=rejects)
        running: ProcessPool | RayImport
        async with contextlib.AsyncExitStack() as held:
            if ray is None:
                welkin = await held.enter_async_context(connection.session())
                origin = RunOrigin.of(welkin.settings, shown)
                counts.running = running = ProcessPool(
                    jobs[0],
                    welkin,
                    shared=connection.resolve().shared,
                    processes=processes,
                    stop=interrupt.stop,
                    on_progress=counts.take,
                )
            else:
                settings = connection.session().settings
                origin = RunOrigin.of(settings, shown)
                held.enter_context(joined(ray))
                counts.running = running = RayImport(
                    jobs,
                    settings=settings,
                    shared=connection.resolve().shared,
                    workers=processes,
                    stop=interrupt.stop,
                    on_progress=counts.take,
                )
            async with progress_shown(counts):
                report, error = await _run(running)
        _print(
            report,
            error,
            resume,
            origin,
            running.paths if rejects else None,
            stopped=bool(interrupt.signal),
            as_json=flags.json,
        )
        if interrupt.signal:
            return interrupt.exit_code
        if isinstance(error, WorkersFailedError) and error.kind in _BEFORE_ROWS and not report.rows:
            return 2
        return 0 if report.complete else 1

    finish(main, as_json=flags.json)


def _job(job_of: Callable[[Path], RecordImport], file: Path) -> RecordImport:
    """Return what is done with a file, or with an object, whose other files are in the working folder."""
    url = object_url(file)
    if url is None:
        return job_of(file)
    job = job_of(Path(object_name(url)))
    return attrs.evolve(job, settings=attrs.evolve(job.settings, url=url))


def _jobs(jobs: Iterable[RecordImport], command: str, *, rejects: bool) -> list[RecordImport]:
    """Return jobs as several processes do them: without a journal, and no two of them with one file of rows.

    Inputs whose names differ in their endings alone have reject files of their whole names.
    """
    done: list[RecordImport] = []
    taken: set[Path | None] = set()
    for job in jobs:
        settings = attrs.evolve(job.settings, journal=None, command=command)
        file, path = settings.file, settings.rejects
        if not rejects:
            settings = attrs.evolve(settings, rejects=None, review=None)
        elif path in taken and path is not None:
            settings = attrs.evolve(
                settings,
                rejects=file.with_name(f"{file.name}.rejects{path.suffix}"),
                review=file.with_name(f"{file.name}.review{path.suffix}"),
            )
        taken.add(path)
        done.append(attrs.evolve(job, settings=settings))
    return done


def _check(files: Sequence[Path], flags: RunFlags, option: str) -> None:
    """Refuse what several processes do not do."""
    single = {
        "--dry-run": flags.dry_run,
        "--journal": flags.journal is not None,
        "--retry": flags.retry,
        "--restart": flags.restart,
        "--ordered-by": flags.ordered_by is not None,
        "--max-failures": flags.max_failures is not None,
    }
    given = [name for name, value in single.items() if value]
    if given:
        raise CommandError(f"{' and '.join(given)} does not go with {option}")
    if len(files) > 1:
        flags.check_several(one_report=True)
    if not all(file.is_file() or object_url(file) is not None for file in files):
        raise CommandError(f"{option} goes with files, not with folders or standard input")


async def _run(running: ProcessPool | RayImport) -> tuple[ChunkReport, WelkinError | None]:
    try:
        return await running.run(), None
    except WorkersFailedError as error:
        return error.report, error
    except asyncio.CancelledError:
        return running.report, None


def _print(
    report: ChunkReport,
    error: WelkinError | None,
    resume: str,
    origin: RunOrigin,
    paths: Mapping[str, Sequence[Path]] | None,
    *,
    stopped: bool,
    as_json: bool,
) -> None:
    if as_json:
        told = {"run": origin.to_dict()} | report.to_dict() | {"error": None if error is None else str(error)}
        told["files"] = {name: [str(path) for path in held] for name, held in (paths or {}).items()}
        told["resume"] = resume if stopped or error is not None else None
        sys.stdout.write(f"{json.dumps(told, indent=2)}\n")
    else:
        counts = [f"{whole(getattr(report, name))} {word}" for name, word in _COUNTS if getattr(report, name)]
        sys.stdout.write(
            f"{origin}\n{whole(report.rows)} rows in {report.chunks} chunks: {', '.join(counts) or 'none'}\n"
        )
        for path in [path for name, held in (paths or {}).items() if name != "results" for path in held]:
            sys.stdout.write(f"see {printable(str(path))}\n")
    if error is not None:
        say(f"welkin-async: {error}")
    if stopped or error is not None:
        say(f"welkin-async: stopped; nothing is lost. This goes on where it stopped:\n  {resume}")
    elif report.unwritten:
        alone = "the same command without --processes or --ray, and with another --rejects,"
        unwritten = f"{whole(report.unwritten)} rows are missing in a file of rows, by an earlier call"
        say(f"welkin-async: {unwritten}: {alone} finds what is done, and writes them")
    elif paths is None and not report.complete:
        alone = "the same command without --processes or --ray"
        say(f"welkin-async: {alone} finds what is done, and writes the others to a file")
