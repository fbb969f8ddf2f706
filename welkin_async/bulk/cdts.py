"""Creating CDT records in bulk."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Callable, Iterable
from types import TracebackType
from typing import Literal, TypedDict, Unpack

from welkin_async.bulk.bookkeeping import Bookkeeping
from welkin_async.bulk.channel import Channel
from welkin_async.bulk.create import Check, CreateCdt
from welkin_async.bulk.engine import Engine
from welkin_async.bulk.exactly import Exactly
from welkin_async.bulk.journal import Journal
from welkin_async.bulk.keys import KeyField
from welkin_async.bulk.outage import Outage
from welkin_async.bulk.outcomes import CdtRow, Progress, Report
from welkin_async.bulk.stream import OutcomeStream
from welkin_async.models.cdts import CdtRecord
from welkin_async.session import Welkin

__all__ = ["CreateOptions", "create_cdt_records", "stream_cdt_records"]

_SILENCE = 10  # requests in a row without an answer that make an outage, at least
_WINDOW = 8  # times the concurrency: how far ordered outcomes may run ahead of the slowest row
_ROOM = 4  # times the concurrency: how many rows may be parked for look-ups


class CreateOptions(TypedDict, total=False):
    """The options of `create_cdt_records` and `stream_cdt_records`.

    Attributes:
        concurrency: How many workers, each with one request at a time; 32 by default.
        fail_fast: Whether to stop at the first row that is not created.
        on_progress: Called with a snapshot about four times a second, and at the end.
        key_field: Which system field carries the row's key, so that a row whose outcome is unknown is looked up
            instead of being left so. None by default: nothing is looked up, and nothing is ever sent twice.
        settle: Seconds for which a key must stay absent before its row is sent again; 5 by default, and raised where
            look-ups turn out to lag more.
        final_settle: Seconds after the last unknown outcome before the last look for doubled keys; 60 by default.
        journal: A file that keeps track of the import, so that a run that was ended in any way can be started again
            with the same source and skips what is done; see `Journal`. None by default.
        resume: What a run with an existing journal takes up: ``resume``, the default: what was not sent; ``retry``:
            also what was refused or failed; ``restart``: everything, forgetting the journal.
        source: What identifies the source to the journal, such as the SHA-256 of a file whose keys are minted from it.
            By default the rows themselves are compared, by a digest of key and content.
        block: How many positions the journal reserves at once; 1 000 by default. After a crash at most so many rows,
            and half as many again, are looked up.
        remove_doubles: Whether a record that turns out to be there twice is removed where it is equal and unedited;
            the id that was reported stays. False by default: doubles are named, not touched.
        max_failures: After how many rows that are not created to stop: a count, or a share of the rows below 1.0
            (judged from 100 rows on). None, the default, for never.
        check: What to do about rows the CDT's formation does not allow. ``strict``, the default: they are ``failed``
            and never sent. ``warn``: they are sent, and a warning names the field once. ``off``: the formation is not
            read, and fields are compared without knowing their types.
    """

    concurrency: int
    fail_fast: bool
    on_progress: Callable[[Progress], None] | None
    key_field: KeyField | None
    settle: float
    final_settle: float
    journal: str | os.PathLike[str] | None
    resume: Literal["resume", "retry", "restart"]
    source: str | None
    block: int
    remove_doubles: bool
    max_failures: float | None
    check: Check


def _engine(
    action: CreateCdt,
    rows: Iterable[CdtRow] | AsyncIterable[CdtRow],
    options: CreateOptions,
    channel: Channel | None,
    window: int,
) -> Engine[CdtRow, CdtRecord]:
    """Put an import together."""
    concurrency = options.get("concurrency", 32)
    exactly = None
    if action.keys is not None:
        exactly = Exactly(
            action.keys,
            settle=options.get("settle", 5.0),
            final_settle=options.get("final_settle", 60.0),
            room=_ROOM * concurrency,
            remove_doubles=options.get("remove_doubles", False),
        )
    return Engine(
        action,
        rows,
        concurrency=concurrency,
        channel=channel,
        window=window,
        fail_fast=options.get("fail_fast", False),
        max_failures=options.get("max_failures"),
        on_progress=options.get("on_progress"),
        drain=action.patient_scope.defaults.timeout,
        lost=action.lost,
        exactly=exactly,
        outage=Outage(action.read, threshold=max(_SILENCE, concurrency // 2)),
    )


class _Preparation:
    """What an import needs while it runs: the formation, and the journal."""

    def __init__(self, action: CreateCdt, engine: Engine[CdtRow, CdtRecord], options: CreateOptions) -> None:
        self._action = action
        self._engine = engine
        self._options = options
        self._journal: Journal | None = None

    async def __aenter__(self) -> None:
        options = self._options
        path = options.get("journal")
        if path is not None:  # first, because its lock keeps a second run from doing anything
            source = options.get("source")
            self._journal = await Journal.open(
                path,
                source=source or "iterable",
                target=self._action.target,
                mode=options.get("resume", "resume"),
                block=1,
            )
            content = None if source is not None else self._action.content
            books = Bookkeeping(self._journal, content, block=options.get("block", 1000))
            self._engine.books = books
            if self._engine.exactly is None:
                books.widen()
            else:
                self._engine.exactly.books = books
        try:
            await self._action.prepare()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._journal is not None:
            await self._journal.aclose()


def _checked(options: CreateOptions) -> CreateOptions:
    unknown = options.keys() - CreateOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"unexpected keyword argument {min(unknown)!r}")
    return options


def stream_cdt_records(
    welkin: Welkin,
    cdt: str,
    rows: Iterable[CdtRow] | AsyncIterable[CdtRow],
    *,
    ordered: bool = False,
    **options: Unpack[CreateOptions],
) -> OutcomeStream[CdtRow, CdtRecord]:
    """Create CDT records and hand out what became of each.

    ``POST /{tenant}/{instance}/patients/{patient_id}/cdts/{cdt_name}`` for each row. A create is never repeated blindly
    after an attempt whose outcome is unknown: without ``key_field`` the row is then ``unknown``, with it the row is
    looked for first.

    Args:
        welkin: An open session.
        cdt: The CDT's name.
        rows: The rows, from an iterable or an async iterable; pulled as workers get free. A synchronous iterator is
            read on the event loop, so it should not block for long.
        ordered: Whether outcomes come in the order of the rows; pulling then stops at 8 times the concurrency.
        options: See `CreateOptions`.

    Returns:
        A stream, to be used in ``async with`` and iterated.

    Raises:
        SessionError: the session is not open.
        InvalidInputError: the CDT's name, the rows or an option do not fit.
    """
    action = CreateCdt(
        welkin.scope, cdt, check=_checked(options).get("check", "strict"), key_field=options.get("key_field")
    )
    concurrency = options.get("concurrency", 32)
    channel = Channel(concurrency, ordered=ordered)
    engine = _engine(action, rows, options, channel, _WINDOW * concurrency if ordered else 0)
    return OutcomeStream(engine, channel, _Preparation(action, engine, options))


async def create_cdt_records(
    welkin: Welkin,
    cdt: str,
    rows: Iterable[CdtRow] | AsyncIterable[CdtRow],
    **options: Unpack[CreateOptions],
) -> Report:
    """Create CDT records and count what became of them.

    Like `stream_cdt_records`, for a caller who wants the counts alone.

    Args:
        welkin: An open session.
        cdt: The CDT's name.
        rows: The rows, from an iterable or an async iterable; pulled as workers get free.
        options: See `CreateOptions`.

    Returns:
        The counts.

    Raises:
        AuthenticationError: the server refused the token; the import has stopped.
        ProofError: the key field cannot be relied on; the import has stopped.
        BulkStoppedError: it was to stop at the first failure.
        SessionError: the session is not open, or was closed meanwhile.
        InvalidInputError: the CDT's name, the rows or an option do not fit.
        Exception: whatever the source raised, after what was in flight has been drained. Each of these carries a note
            with the counts up to then.
    """
    action = CreateCdt(
        welkin.scope, cdt, check=_checked(options).get("check", "strict"), key_field=options.get("key_field")
    )
    engine = _engine(action, rows, options, None, 0)
    async with _Preparation(action, engine, options):
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
