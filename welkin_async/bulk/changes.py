"""Changing and deleting CDT records in bulk, one request for each.

Both may be sent twice without harm, so a request that fails is repeated, a row that an earlier run may have sent is
simply sent again, and no keys are needed. What is not kept is the order: two changes of one record may be carried out
either way round, so give one for each record. With a journal the second is refused.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from typing import Unpack

from welkin_async.bulk.change_actions import CdtChange, CdtRef, DeleteCdt, UpdateCdt
from welkin_async.bulk.options import ChangeOptions, RunOptions, checked_options
from welkin_async.bulk.outcomes import Report
from welkin_async.bulk.running import run, stream
from welkin_async.bulk.stream import OutcomeStream
from welkin_async.models.cdts import CdtRecord
from welkin_async.session import Welkin

__all__ = [
    "CdtChange",
    "CdtRef",
    "delete_cdt_records",
    "stream_cdt_deletions",
    "stream_cdt_updates",
    "update_cdt_records",
]


def _updating(welkin: Welkin, cdt: str, options: ChangeOptions) -> UpdateCdt:
    checked_options(options, ChangeOptions)
    return UpdateCdt(welkin.scope, cdt, check=options.get("check", "strict"))


def _deleting(welkin: Welkin, cdt: str, options: RunOptions) -> DeleteCdt:
    checked_options(options, RunOptions)
    return DeleteCdt(welkin.scope, cdt)


def stream_cdt_updates(
    welkin: Welkin,
    cdt: str,
    changes: Iterable[CdtChange] | AsyncIterable[CdtChange],
    *,
    ordered: bool = False,
    **options: Unpack[ChangeOptions],
) -> OutcomeStream[CdtChange, CdtRecord]:
    """Change CDT records and hand out what became of each.

    ``PATCH /{tenant}/{instance}/patients/{patient_id}/cdts/{cdt_name}/{record_id}`` for each change. A change that went
    unanswered at every attempt is ``unknown``, and may simply be sent again.

    Args:
        welkin: An open session.
        cdt: The CDT's name.
        changes: The changes, one for each record, from an iterable or an async iterable; pulled as workers get free.
        ordered: Whether outcomes come in the order of the changes; pulling then stops at 8 times the concurrency.
        options: See `ChangeOptions`.

    Returns:
        A stream, to be used in ``async with`` and iterated.

    Raises:
        SessionError: the session is not open.
        InvalidInputError: the CDT's name, the changes or an option do not fit.
    """
    return stream(_updating(welkin, cdt, options), changes, options, ordered=ordered)


async def update_cdt_records(
    welkin: Welkin,
    cdt: str,
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
    return await run(_updating(welkin, cdt, options), changes, options)


def stream_cdt_deletions(
    welkin: Welkin,
    cdt: str,
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
        cdt: The CDT's name.
        refs: Which, from an iterable or an async iterable; pulled as workers get free.
        ordered: Whether outcomes come in the order of the references; pulling then stops at 8 times the concurrency.
        options: See `RunOptions`.

    Returns:
        A stream, to be used in ``async with`` and iterated.

    Raises:
        SessionError: the session is not open.
        InvalidInputError: the CDT's name, the references or an option do not fit.
    """
    return stream(_deleting(welkin, cdt, options), refs, options, ordered=ordered)


async def delete_cdt_records(
    welkin: Welkin,
    cdt: str,
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
    return await run(_deleting(welkin, cdt, options), refs, options)
