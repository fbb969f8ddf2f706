"""Runner: puts a bulk operation together from engine, look-ups and journal, as one outcome stream."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from types import TracebackType
from typing import Any, TypeVar

import anyio

from welkin_async.bulk.actions.action import Action
from welkin_async.bulk.engine.circuit_breaker import ServerGuard
from welkin_async.bulk.engine.engine import Engine
from welkin_async.bulk.engine.outcome_queue import OutcomeQueue
from welkin_async.bulk.engine.outcome_stream import OutcomeStream
from welkin_async.bulk.errors import JournalMismatchError
from welkin_async.bulk.existing.updates import ExistingUpdates
from welkin_async.bulk.journal.journal import Journal
from welkin_async.bulk.journal.row_admission import RowAdmission
from welkin_async.bulk.keys.protocol import Keys
from welkin_async.bulk.options import KeyedOptions, RunOptions, check_seconds
from welkin_async.bulk.reconciliation.lookup import is_gone, is_silence
from welkin_async.bulk.reconciliation.options import LookupOptions
from welkin_async.errors import InvalidInputError, RequestError
from welkin_async.wire.records import Record

RowT = TypeVar("RowT")
R = TypeVar("R", bound=Record)

_SILENCE = 10  # requests in a row without an answer that make an outage, at least
_WINDOW = 8  # times the concurrency: how far ordered outcomes may run ahead of the slowest row
_ROOM = 4  # times the concurrency: how many rows may be pending
_WORKERS = 32
_BLOCK = 1000  # rows reserved at once


class _Surroundings:
    """What a run needs around it: the journal, and the definition that rows are checked against."""

    def __init__(self, action: Action[Any], engine: Engine[Any, Any], options: RunOptions) -> None:
        self._action = action
        self._engine = engine
        self._options = options
        self._journal: Journal | None = None

    async def __aenter__(self) -> None:
        keyed = self._engine.lookups is not None
        if "journal" in self._options and self._options["journal"] is not None:
            await self._open_journal(keyed=keyed)  # first: its lock keeps a second run from doing anything
        elif keyed:
            # A key belongs to one row, whether or not a later run is to know.
            self._journal = await Journal.open_private()
            self._engine.admission = RowAdmission(self._journal, verify=False, block=_BLOCK)
            self._engine.admission.widen()
        try:
            if await self._action.load() or await self._is_answered():
                self._engine.reached()
            if self._journal is not None and self._engine.lookups is not None and self._engine.updates is None:
                await _check_anchors(self._journal, self._engine.lookups.keys)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise

    async def _open_journal(self, *, keyed: bool) -> None:
        options, engine = self._options, self._engine
        path, source, mode = options.get("journal"), options.get("source"), options.get("resume", "resume")
        assert path is not None
        self._journal = await Journal.open(
            path,
            source=source or "iterable",
            target=self._action.target,
            keys="" if engine.lookups is None else _keys_of(engine.lookups.keys),
            mode=mode,
            block=1,
        )
        engine.admission = RowAdmission(
            self._journal,
            verify=source is None,
            block=options.get("block", _BLOCK if engine.lookups is None else self._block_of(engine.lookups.keys)),
            retry=mode == "retry",
            keyed=keyed,
        )
        if not keyed:
            engine.admission.widen()

    def _block_of(self, keys: Keys) -> int:
        """Return how many rows are reserved at once: after a kill each of them may have been sent.

        Few where it could not be told afterwards whether one that is sent again was.
        """
        return _BLOCK if keys.sees_all else 2 * self._options.get("concurrency", _WORKERS)

    async def _is_answered(self) -> bool:
        """Tell whether the server answers, so that one that falls silent later is down; what it says is no matter."""
        try:
            await self._action.probe()
        except RequestError as error:
            return not is_silence(error)
        return True

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._journal is not None:
            with anyio.CancelScope(shield=True):  # a cancelled scope would go on while its lock is still held
                await self._journal.aclose()


async def _check_anchors(journal: Journal, keys: Keys) -> None:
    """See to it that the server holds what the journal says was created there: one record of the first is enough.

    Raises:
        JournalMismatchError: it holds none of them.
    """
    for patient, id, _ in journal.anchors:
        if not await is_gone(keys, patient, id):
            return
    if journal.anchors:
        raise JournalMismatchError("records")


def _keys_of(keys: Keys) -> str:
    """Return by what a journal knows how rows get their keys."""
    space = getattr(keys, "space", None)
    single = "one for each patient" if getattr(keys, "single", False) else None
    return " ".join(part for part in (keys.field, space, single) if part is not None)


def lookup_options(keys: Keys | None, options: KeyedOptions, *, remove_doubles: bool = False) -> LookupOptions | None:
    """Return how rows are looked for whose outcome is unknown; None where rows have no keys.

    Args:
        keys: Gives rows their keys, or None.
        options: See `KeyedOptions`.
        remove_doubles: Whether doubles are removed.

    Raises:
        InvalidInputError: an option does not fit.
    """
    if keys is None:
        return None
    # A kill leaves a block in doubt; what is sent beside its rows shows sooner than waiting that they are not there.
    room = max(_BLOCK, _ROOM * options.get("concurrency", _WORKERS))
    existing = options.get("existing", "check")
    if existing not in ("check", "trust"):
        raise InvalidInputError("existing is check or trust")
    check_seconds(options, "settle", "final_settle")
    settle, final_settle = options.get("settle", 5.0), options.get("final_settle", 60.0)
    return LookupOptions(keys, settle, final_settle, room, remove_doubles, existing)


def stream(
    action: Action[R],
    rows: Iterable[RowT] | AsyncIterable[RowT],
    options: RunOptions,
    lookups: LookupOptions | None = None,
    *,
    updates: ExistingUpdates | None = None,
    ordered: bool = False,
    engine: type[Engine[Any, Any]] = Engine,
    rows_at_once: int = 1,
) -> OutcomeStream[RowT, R]:
    """Put a run together.

    Args:
        action: What is done with each row.
        rows: The rows.
        options: See `RunOptions`.
        lookups: How rows are looked for whose outcome is unknown; None to report them so.
        updates: Changes records that are there otherwise than their rows ask for; None to leave them.
        ordered: Whether outcomes come in the order of the rows.
        engine: What runs it.
        rows_at_once: How many rows a worker takes at once.

    Raises:
        InvalidInputError: an option does not fit.
    """
    ordered_by = options.get("ordered_by")
    if ordered_by not in (None, "patient") or (ordered_by is not None and rows_at_once > 1):
        raise InvalidInputError("ordered_by is patient or None, and goes with rows that are sent one by one")
    check_seconds(options, "row_patience", endless=True)
    concurrency = options.get("concurrency", _WORKERS)
    queue = OutcomeQueue(concurrency, ordered=ordered)
    running: Engine[RowT, R] = engine(
        action,
        rows,
        concurrency=concurrency,
        queue=queue,
        window=_WINDOW * concurrency * rows_at_once if ordered else 0,
        fail_fast=options.get("fail_fast", False),
        max_failures=options.get("max_failures"),
        on_progress=options.get("on_progress"),
        lookups=lookups,
        updates=updates,
        row_patience=options.get("row_patience", 300.0),
        by_patient=ordered_by is not None,
        guard=ServerGuard(action.probe, threshold=max(_SILENCE, concurrency // 2)),
    )
    return OutcomeStream(running, queue, _Surroundings(action, running, options))
