"""Puts a bulk operation together: engine, look-ups, journal, and the stream or the counts that come of it."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from types import TracebackType
from typing import Any, Protocol, TypeVar

from welkin_async.bulk.bookkeeping import Bookkeeping
from welkin_async.bulk.channel import Channel
from welkin_async.bulk.engine import Engine
from welkin_async.bulk.exactly import Exactly
from welkin_async.bulk.journal import Journal
from welkin_async.bulk.looking import is_silence
from welkin_async.bulk.options import KeyedOptions, RunOptions
from welkin_async.bulk.outage import Outage
from welkin_async.bulk.outcomes import Report
from welkin_async.bulk.reconcile import Keys
from welkin_async.bulk.source import Source
from welkin_async.bulk.stream import OutcomeStream
from welkin_async.bulk.work import Action, Kind
from welkin_async.errors import RequestError
from welkin_async.record import Record

__all__ = ["Job", "exactly_of", "run", "stream"]

RowT = TypeVar("RowT")
R = TypeVar("R", bound=Record)
RowT_contra = TypeVar("RowT_contra", contravariant=True)
R_co = TypeVar("R_co", bound=Record, covariant=True)

_SILENCE = 10  # requests in a row without an answer that make an outage, at least
_WINDOW = 8  # times the concurrency: how far ordered outcomes may run ahead of the slowest row
_ROOM = 4  # times the concurrency: how many rows may be parked for look-ups
_WORKERS = 32


class Job(Action[RowT_contra, R_co], Protocol):
    """What is done with each row, and what must be known around it.

    Attributes:
        kind: What is done.
        timeout: Seconds an attempt may wait for the server.
    """

    kind: Kind
    timeout: float

    @property
    def target(self) -> str:
        """What identifies where it is done, for a journal."""
        ...

    async def prepare(self) -> bool:
        """Read what rows are checked against, if anything is; raises what ends the run before it begins."""
        ...

    async def read(self) -> object:
        """Make a harmless read, once; raises `RequestError` while the server is down."""
        ...

    def content(self, row: Any, /) -> tuple[str | None, bytes]:
        """Return a row's key, where it has one, and what it holds, for a journal's digest."""
        ...

    def own_key(self, row: Any, /) -> bool:
        """Tell whether a row's key is its own, not one that was minted from its position."""
        ...

    def lost(self, row: Any, record: Any, /) -> tuple[str, ...]:
        """Name the fields that the server dropped or changed."""
        ...


class _Preparation:
    """What a run needs around it: the journal, and what its job reads."""

    def __init__(self, job: Job[Any, Any], engine: Engine[Any, Any], options: RunOptions) -> None:
        self._job = job
        self._engine = engine
        self._options = options
        self._journal: Journal | None = None

    async def __aenter__(self) -> None:
        options = self._options
        path = options.get("journal")
        if path is not None:  # first, because its lock keeps a second run from doing anything
            source = options.get("source")
            mode = options.get("resume", "resume")
            exactly = self._engine.exactly
            self._journal = await Journal.open(
                path,
                source=source or "iterable",
                target=self._job.target,
                keys="" if exactly is None else exactly.key_field,
                mode=mode,
                block=1,
            )
            books = Bookkeeping(
                self._journal,
                self._job.content,
                self._job.own_key,
                verify=source is None,
                block=options.get("block", 1000),
                retry=mode == "retry",
                keyed=exactly is not None,
            )
            self._engine.books = books
            if exactly is None:
                books.widen()
            else:
                exactly.books = books
        try:
            if await self._job.prepare() or await self._is_answered():
                self._engine.reached()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise

    async def _is_answered(self) -> bool:
        """Tell whether the server answers, so that one that falls silent later is down; what it says is no matter."""
        try:
            await self._job.read()
        except RequestError as error:
            return not is_silence(error)
        return True

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._journal is not None:
            await self._journal.aclose()


def exactly_of(keys: Keys | None, options: KeyedOptions, *, remove_doubles: bool = False) -> Exactly | None:
    """Return what looks rows up whose outcome is unknown; None where rows have no keys.

    Args:
        keys: Gives rows their keys, or None.
        options: See `KeyedOptions`.
        remove_doubles: Whether doubles are removed.
    """
    if keys is None:
        return None
    return Exactly(
        keys,
        settle=options.get("settle", 5.0),
        final_settle=options.get("final_settle", 60.0),
        room=_ROOM * options.get("concurrency", _WORKERS),
        remove_doubles=remove_doubles,
    )


def _engine(
    job: Job[RowT, R],
    rows: Iterable[RowT] | AsyncIterable[RowT] | Source[RowT],
    options: RunOptions,
    exactly: Exactly | None,
    engine: type[Engine[RowT, R]],
    channel: Channel | None = None,
    window: int = 0,
) -> Engine[RowT, R]:
    concurrency = options.get("concurrency", _WORKERS)
    return engine(
        job,
        rows,
        concurrency=concurrency,
        channel=channel,
        window=window,
        fail_fast=options.get("fail_fast", False),
        max_failures=options.get("max_failures"),
        on_progress=options.get("on_progress"),
        drain=job.timeout,
        lost=job.lost,
        exactly=exactly,
        outage=Outage(job.read, threshold=max(_SILENCE, concurrency // 2)),
        kind=job.kind,
    )


def stream(
    job: Job[RowT, R],
    rows: Iterable[RowT] | AsyncIterable[RowT] | Source[RowT],
    options: RunOptions,
    exactly: Exactly | None = None,
    *,
    ordered: bool,
    engine: type[Engine[RowT, R]] = Engine,
    rows_at_once: int = 1,
) -> OutcomeStream[Any, R]:
    """Put a run together whose outcomes are taken one by one.

    Args:
        job: What is done with each row.
        rows: The rows.
        options: See `RunOptions`.
        exactly: Looks rows up whose outcome is unknown, or None.
        ordered: Whether outcomes come in the order of the rows.
        engine: What runs it.
        rows_at_once: How many rows a worker takes at once.
    """
    concurrency = options.get("concurrency", _WORKERS)
    channel = Channel(concurrency, ordered=ordered)
    window = _WINDOW * concurrency * rows_at_once if ordered else 0
    running = _engine(job, rows, options, exactly, engine, channel, window)
    return OutcomeStream(running, channel, _Preparation(job, running, options))


async def run(
    job: Job[RowT, R],
    rows: Iterable[RowT] | AsyncIterable[RowT] | Source[RowT],
    options: RunOptions,
    exactly: Exactly | None = None,
    *,
    engine: type[Engine[RowT, R]] = Engine,
) -> Report:
    """Carry a run out and return its counts; arguments as for `stream`.

    Raises:
        Exception: why it stopped early, with a note of the counts up to then.
    """
    running = _engine(job, rows, options, exactly, engine)
    async with _Preparation(job, running, options):
        running.start()
        await running.wait()
    report = running.report
    if running.error is not None:
        running.error.add_note(
            f"bulk: of {report.rows} rows pulled, {report.done} {job.kind.done}, {report.rejected} rejected, "
            f"{report.failed} failed, {report.unknown} unknown"
        )
        raise running.error
    return report
