"""Changing and deleting CDT records in bulk, with one request for each or many changes of a patient in one.

Both may be sent twice without harm, so a request that fails is repeated, a row that an earlier run may have sent is
simply sent again, and no keys are needed. What is not kept is the order: two changes of one record may be carried out
either way round, so give one for each record. With a journal the second is refused.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from typing import Any, TypeVar, Unpack, overload

from welkin_async.bulk.actions.change_cdt import DeleteCdt, UpdateCdt
from welkin_async.bulk.batch_update.action import GroupUpdate
from welkin_async.bulk.batch_update.engine import GroupEngine
from welkin_async.bulk.engine.outcome_stream import OutcomeStream
from welkin_async.bulk.options import ChangeOptions, GroupOptions, RunOptions, checked_options
from welkin_async.bulk.results import Report
from welkin_async.bulk.rows import CdtChange, CdtRef
from welkin_async.bulk.runner import stream
from welkin_async.models.cdts import CdtBulkRow, CdtRecord
from welkin_async.models.typed_cdts import TypedCdt
from welkin_async.session import Welkin
from welkin_async.wire.tracebacks import without_frames

_GROUP = 50

T = TypeVar("T", bound=TypedCdt)


@overload
def stream_cdt_updates(
    welkin: Welkin,
    cdt: str,
    changes: Iterable[CdtChange] | AsyncIterable[CdtChange],
    *,
    ordered: bool = False,
    **options: Unpack[ChangeOptions],
) -> OutcomeStream[CdtChange, CdtRecord]: ...
@overload
def stream_cdt_updates(
    welkin: Welkin,
    cdt: type[T],
    changes: Iterable[CdtChange] | AsyncIterable[CdtChange],
    *,
    ordered: bool = False,
    **options: Unpack[ChangeOptions],
) -> OutcomeStream[CdtChange, T]: ...
@without_frames
def stream_cdt_updates(
    welkin: Welkin,
    cdt: str | type[TypedCdt],
    changes: Iterable[CdtChange] | AsyncIterable[CdtChange],
    *,
    ordered: bool = False,
    **options: Unpack[ChangeOptions],
) -> OutcomeStream[CdtChange, Any]:
    """Change CDT records and hand out what became of each.

    ``PATCH /{tenant}/{instance}/patients/{patient_id}/cdts/{cdt_name}/{record_id}`` for each change. A change that went
    unanswered at every attempt is ``unknown``, and may simply be sent again.

    Args:
        welkin: An open session.
        cdt: The CDT's name, or the class that was generated from its formation; records are of it then.
        changes: The changes, one for each record, from an iterable or an async iterable; pulled as workers get free.
        ordered: Whether outcomes come in the order of the changes; pulling then stops at 8 times the concurrency.
        options: See `ChangeOptions`.

    Returns:
        A stream, to be used in ``async with`` and iterated.

    Raises:
        SessionError: the session is not open.
        InvalidInputError: the CDT's name, the changes or an option do not fit.
    """
    checked_options(options, ChangeOptions)
    action = UpdateCdt(welkin.scope, cdt, check=options.get("check", "strict"))
    return stream(action, changes, options, ordered=ordered)


@without_frames
async def update_cdt_records(
    welkin: Welkin,
    cdt: str | type[TypedCdt],
    changes: Iterable[CdtChange] | AsyncIterable[CdtChange],
    **options: Unpack[ChangeOptions],
) -> Report:
    """Change CDT records and count what became of the changes.

    Like `stream_cdt_updates`, for a caller who wants the counts alone; ``updated`` counts those that were carried out.

    Raises:
        AuthenticationError: the server refused the token; the run has stopped.
        BulkStoppedError: it was to stop at the first failure, or at so many.
        SessionError: the session is not open, or was closed meanwhile.
        InvalidInputError: the CDT's name, the changes or an option do not fit.
        Exception: whatever the source raised, after what was in flight has been drained.
    """
    return await stream_cdt_updates(welkin, cdt, changes, **options)


@without_frames
def stream_cdt_deletions(
    welkin: Welkin,
    cdt: str | type[TypedCdt],
    refs: Iterable[CdtRef] | AsyncIterable[CdtRef],
    *,
    ordered: bool = False,
    **options: Unpack[RunOptions],
) -> OutcomeStream[CdtRef, CdtRecord]:
    """Delete CDT records and hand out what became of each; an outcome has no record.

    ``DELETE /{tenant}/{instance}/patients/{patient_id}/cdts/{cdt_name}/{record_id}`` for each. A record that is not
    there is ``rejected`` with a `NotFoundError`, but ``deleted`` where an attempt before, of this run or of an earlier
    one with the same journal, may have deleted it.

    Args:
        welkin: An open session.
        cdt: The CDT's name, or the class that was generated from its formation; records are of it then.
        refs: Which, from an iterable or an async iterable; pulled as workers get free.
        ordered: Whether outcomes come in the order of the references; pulling then stops at 8 times the concurrency.
        options: See `RunOptions`.

    Returns:
        A stream, to be used in ``async with`` and iterated.

    Raises:
        SessionError: the session is not open.
        InvalidInputError: the CDT's name, the references or an option do not fit.
    """
    checked_options(options, RunOptions)
    return stream(DeleteCdt(welkin.scope, cdt), refs, options, ordered=ordered)


@without_frames
async def delete_cdt_records(
    welkin: Welkin,
    cdt: str | type[TypedCdt],
    refs: Iterable[CdtRef] | AsyncIterable[CdtRef],
    **options: Unpack[RunOptions],
) -> Report:
    """Delete CDT records and count what became of them.

    Like `stream_cdt_deletions`, for a caller who wants the counts alone; ``deleted`` counts those that are gone.

    Raises:
        AuthenticationError: the server refused the token; the run has stopped.
        BulkStoppedError: it was to stop at the first failure, or at so many.
        SessionError: the session is not open, or was closed meanwhile.
        InvalidInputError: the CDT's name, the references or an option do not fit.
        Exception: whatever the source raised, after what was in flight has been drained.
    """
    return await stream_cdt_deletions(welkin, cdt, refs, **options)


@without_frames
def stream_cdt_bulk_updates(
    welkin: Welkin,
    cdt: str | type[TypedCdt],
    changes: Iterable[CdtChange] | AsyncIterable[CdtChange],
    *,
    ordered: bool = False,
    **options: Unpack[GroupOptions],
) -> OutcomeStream[CdtChange, CdtBulkRow]:
    """Change CDT records, many in one request, and hand out what became of each.

    ``PATCH /{tenant}/{instance}/patients/{patient_id}/cdts/{cdt_name}`` for up to ``group`` changes that follow one
    another and are of one patient, so a source that is sorted by patient takes the fewest requests. Only fields marked
    for bulk edit can be changed so. A 200 does not prove that each record was: a row whose ``result`` is other than OK
    is ``rejected`` with that status, one that the answer leaves out is ``unknown``. A group that is refused as a whole
    for what one row may have done (400, 413, 422) is sent again in halves.

    Args:
        welkin: An open session.
        cdt: The CDT's name, or the class that was generated from its formation; records are of it then.
        changes: The changes, one for each record, from an iterable or an async iterable. A group is sent when it is
            full, when another patient comes, or at the end, so a source that waits holds its last group back.
        ordered: Whether outcomes come in the order of the changes; pulling then stops at 8 times the concurrency, in
            groups.
        options: See `GroupOptions`.

    Returns:
        A stream, to be used in ``async with`` and iterated.

    Raises:
        SessionError: the session is not open.
        InvalidInputError: the CDT's name, the changes or an option do not fit.
    """
    checked_options(options, GroupOptions)
    size = options.get("group", _GROUP)
    action = GroupUpdate(welkin.scope, cdt, check=options.get("check", "strict"), size=size)
    # What it reads is the answer to a group, which the engine takes apart into the records of its rows.
    outcomes: OutcomeStream[CdtChange, Any] = stream(
        action, changes, options, ordered=ordered, engine=GroupEngine, rows_at_once=size
    )
    return outcomes


@without_frames
async def bulk_update_cdt_records(
    welkin: Welkin,
    cdt: str | type[TypedCdt],
    changes: Iterable[CdtChange] | AsyncIterable[CdtChange],
    **options: Unpack[GroupOptions],
) -> Report:
    """Change CDT records, many in one request, and count what became of the changes.

    Like `stream_cdt_bulk_updates`, for a caller who wants the counts alone; ``updated`` counts changes, ``attempts``
    requests.

    Raises:
        AuthenticationError: the server refused the token; the run has stopped.
        BulkStoppedError: it was to stop at the first failure, or at so many.
        SessionError: the session is not open, or was closed meanwhile.
        InvalidInputError: the CDT's name, the changes or an option do not fit.
        Exception: whatever the source raised, after what was in flight has been drained.
    """
    return await stream_cdt_bulk_updates(welkin, cdt, changes, **options)
