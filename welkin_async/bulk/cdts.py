"""Creating CDT records in bulk."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable
from functools import lru_cache

from yarl import URL

from welkin_async.bulk.channel import Channel
from welkin_async.bulk.engine import Engine
from welkin_async.bulk.outcomes import CdtRow, Progress, Report
from welkin_async.bulk.stream import OutcomeStream
from welkin_async.errors import InvalidInputError
from welkin_async.models.cdts import CdtRecord
from welkin_async.request import Answer, Request
from welkin_async.resources._base import Key, Scope
from welkin_async.resources.cdts import CREATE_CDT
from welkin_async.session import Welkin

__all__ = ["create_cdt_records", "stream_cdt_records"]

_WINDOW = 8  # times the concurrency: how far ordered outcomes may run ahead of the slowest row


class _CreateCdt:
    """Turns rows into requests; the URL of a patient is made once while the patient's rows come."""

    def __init__(self, scope: Scope, cdt: str) -> None:
        self._scope = scope.within(cdt_name=cdt)
        self._codec = scope.codec
        self._sender = scope.sender()
        self._defaults = scope.defaults
        self._url = lru_cache(maxsize=4096)(self._make_url)

    def _make_url(self, patient_id: Key) -> URL:
        return self._scope.request(CREATE_CDT, patient_id=patient_id).url

    def request(self, row: CdtRow) -> Request:
        """Put the row's request together."""
        if not isinstance(row, CdtRow):
            raise InvalidInputError(f"a row is a CdtRow, not a {type(row).__name__}")
        defaults = self._defaults
        return Request(
            CREATE_CDT,
            self._url(row.patient_id),
            self._codec.encode(row.fields),
            defaults.timeout,
            defaults.max_attempts,
            None,  # an import waits out whatever pause the server asks for
        )

    async def send(self, request: Request) -> Answer:
        """Send it until it is answered for good."""
        return await self._sender.send(request)

    def record(self, answer: Answer) -> CdtRecord:
        """Wrap what came back."""
        return CdtRecord.from_wire(answer.data, answer)


def stream_cdt_records(
    welkin: Welkin,
    cdt: str,
    rows: Iterable[CdtRow] | AsyncIterable[CdtRow],
    *,
    concurrency: int = 32,
    ordered: bool = False,
    fail_fast: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> OutcomeStream[CdtRow, CdtRecord]:
    """Create CDT records and hand out what became of each.

    ``POST /{tenant}/{instance}/patients/{patient_id}/cdts/{cdt_name}`` for each row. A create is never repeated after
    an attempt whose outcome is unknown: the row is then ``unknown``.

    Args:
        welkin: An open session.
        cdt: The CDT's name.
        rows: The rows, from an iterable or an async iterable; pulled as workers get free. A synchronous iterator is
            read on the event loop, so it should not block for long.
        concurrency: How many workers, each with one request at a time.
        ordered: Whether outcomes come in the order of the rows; pulling then stops at 8 times the concurrency.
        fail_fast: Whether to stop at the first row that is not created.
        on_progress: Called with a snapshot about four times a second, and at the end.

    Returns:
        A stream, to be used in ``async with`` and iterated.

    Raises:
        SessionError: the session is not open.
        InvalidInputError: the CDT's name, the rows or the concurrency do not fit.
    """
    channel = Channel(concurrency, ordered=ordered)
    engine = Engine(
        _CreateCdt(welkin.scope, cdt),
        rows,
        concurrency=concurrency,
        channel=channel,
        window=_WINDOW * concurrency if ordered else 0,
        fail_fast=fail_fast,
        on_progress=on_progress,
        drain=welkin.scope.defaults.timeout,
    )
    return OutcomeStream(engine, channel)


async def create_cdt_records(
    welkin: Welkin,
    cdt: str,
    rows: Iterable[CdtRow] | AsyncIterable[CdtRow],
    *,
    concurrency: int = 32,
    fail_fast: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Create CDT records and count what became of them.

    Like `stream_cdt_records`, for a caller who wants the counts alone.

    Args:
        welkin: An open session.
        cdt: The CDT's name.
        rows: The rows, from an iterable or an async iterable; pulled as workers get free.
        concurrency: How many workers, each with one request at a time.
        fail_fast: Whether to stop at the first row that is not created.
        on_progress: Called with a snapshot about four times a second, and at the end.

    Returns:
        The counts.

    Raises:
        AuthenticationError: the server refused the token; the import has stopped.
        BulkStoppedError: it was to stop at the first failure.
        SessionError: the session is not open, or was closed meanwhile.
        InvalidInputError: the CDT's name, the rows or the concurrency do not fit.
        Exception: whatever the source raised, after what was in flight has been drained. Each of these carries a note
            with the counts up to then.
    """
    engine = Engine(
        _CreateCdt(welkin.scope, cdt),
        rows,
        concurrency=concurrency,
        fail_fast=fail_fast,
        on_progress=on_progress,
        drain=welkin.scope.defaults.timeout,
    )
    engine.start()
    await engine.wait()
    report = engine.report
    if engine.error is not None:
        engine.error.add_note(
            f"bulk: of {report.rows} rows pulled, {report.created} created, {report.rejected} rejected, "
            f"{report.failed} failed, {report.unknown} unknown"
        )
        raise engine.error
    return report
