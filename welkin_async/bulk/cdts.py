"""Creating CDT records in bulk."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from typing import Unpack

from welkin_async.bulk.create import CreateCdt
from welkin_async.bulk.options import CreateOptions, checked_options
from welkin_async.bulk.outcomes import CdtRow, Report
from welkin_async.bulk.running import exactly_of, run, stream
from welkin_async.bulk.stream import OutcomeStream
from welkin_async.models.cdts import CdtRecord
from welkin_async.session import Welkin

__all__ = ["CreateOptions", "create_cdt_records", "stream_cdt_records"]


def _action(welkin: Welkin, cdt: str, options: CreateOptions) -> CreateCdt:
    checked_options(options, CreateOptions)
    return CreateCdt(welkin.scope, cdt, check=options.get("check", "strict"), key_field=options.get("key_field"))


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
    action = _action(welkin, cdt, options)
    exactly = exactly_of(action.keys, options, remove_doubles=options.get("remove_doubles", False))
    return stream(action, rows, options, exactly, ordered=ordered)


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
    action = _action(welkin, cdt, options)
    exactly = exactly_of(action.keys, options, remove_doubles=options.get("remove_doubles", False))
    return await run(action, rows, options, exactly)
