"""Import page: the report of an import by several processes, in the form in which one process writes it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from welkin_async.bulk import ChunkReport
from welkin_async.errors import WelkinError
from welkin_async.files.chunks.chunk_queue import Answer
from welkin_async.files.jobs.create_records import RecordImport
from welkin_async.files.report.chunk_metrics import ImportMetrics
from welkin_async.files.report.file_report import FileReport
from welkin_async.files.report.run_origin import RunOrigin
from welkin_async.http.private_file import replacing
from welkin_async.session import Welkin

_log = logging.getLogger("welkin_async")


class ImportPage:
    """Import page: gathers what workers measure, and is written when the import ends, however it does.

    Args:
        jobs: What is done with the rows of each file; all have the same page, or none.

    Attributes:
        digests: SHA-256 of each file, as soon as they are known.
        report: The counts after the final scan; None until that is made.
    """

    def __init__(self, jobs: Sequence[RecordImport]) -> None:
        self._jobs = jobs
        self._path: Path | None = jobs[0].settings.html
        self._metrics = ImportMetrics()
        self._origin: RunOrigin | None = None
        self.digests: list[str] = []
        self.report: ChunkReport | None = None

    def start(self) -> None:
        """Let its clock begin: the first chunk is about to be handed out."""
        self._metrics.start()

    @contextlib.contextmanager
    def counting(self, welkin: Welkin) -> Iterator[None]:
        """Count what the process that hands out chunks sends itself, such as for the final scan.

        Args:
            welkin: Its session.
        """
        self._origin = RunOrigin.of(welkin.settings, self._jobs[0].settings.command)
        with self._metrics.requests.counting(welkin.transport):
            yield

    def take(self, answer: Answer, *, done: bool) -> None:
        """Take in what came of a chunk.

        Args:
            answer: That.
            done: Whether the chunk is done with it.
        """
        if answer.metrics is not None:
            self._metrics.add(answer.metrics, counts=done)

    @contextlib.contextmanager
    def writing(self, counted: Callable[[], ChunkReport], stop: asyncio.Event) -> Iterator[None]:
        """Write the page at the end of the context, where one is asked for; where it cannot be written that is logged.

        Args:
            counted: Returns the counts of the chunks that are done, for an import that ends before its final scan.
            stop: Set where it was asked to stop.
        """
        error: str | None = None
        try:
            yield
        except WelkinError as failed:
            error = str(failed)
            raise
        finally:
            self._write(self.report or counted(), stopped=stop.is_set(), error=error)

    def _write(self, report: ChunkReport, *, stopped: bool, error: str | None) -> None:
        if self._path is None or self._origin is None:
            return
        found = self._file_report(report, stopped=stopped, error=error)
        try:
            with replacing(self._path, "w", encoding="utf-8") as page:
                page.write(found.to_html(self._metrics.requests.samples))
        except OSError as failed:
            _log.warning("the report cannot be written: %s", failed.strerror)

    def _file_report(self, report: ChunkReport, *, stopped: bool, error: str | None) -> FileReport:
        """Return the counts as those of a single process.

        Chunks of an earlier call count as what they became there, but for why rows of theirs were refused: that is in
        their reject and review files alone. In a chunk that is done no row is left that could not be sent.
        """
        metrics, job = self._metrics, self._jobs[0]
        requests = metrics.requests
        answered = requests.operations
        several = len(self._jobs) > 1
        return FileReport(
            kind=job.kind,
            title=job.title,
            file=", ".join(each.settings.file.name for each in self._jobs),
            several=f"{len(self._jobs)} files" if several else "",
            cdt=job.cdt,
            file_sha256="" if several or not self.digests else self.digests[0],
            rows=report.rows,
            done=report.created,
            earlier=max(0, report.rows - metrics.rows),
            unchanged=report.unchanged,
            adopted=report.adopted,
            altered=report.altered,
            # Rows that do not fit, or for which another one stands, are refused, as a single process says.
            rejected=report.rejected + report.skipped + report.failed - metrics.failed,
            failed=metrics.failed,
            unknown=report.unknown,
            conflict=report.conflict,
            doubled=report.doubled,
            unswept=0 if report.scanned else report.created,
            attempts=report.attempts,
            retried=metrics.retried,
            lookups=report.lookups,
            existing=job.existing,
            seconds=metrics.seconds,
            rows_per_second=metrics.rows / metrics.seconds if metrics.seconds > 0.0 else 0.0,
            share_refused=requests.too_many / answered if answered else 0.0,
            requests=requests.to_dict(),
            reasons=dict(metrics.reasons.most_common()),
            stopped=stopped,
            error=error,
            origin=self._origin,
        )
