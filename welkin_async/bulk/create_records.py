"""Creating CDT records and patients in bulk."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from typing import Any, TypeVar, Unpack, overload

from welkin_async.bulk.actions.create_cdt import CreateCdt
from welkin_async.bulk.actions.create_patient import CreatePatient
from welkin_async.bulk.engine.outcome_stream import OutcomeStream
from welkin_async.bulk.options import CreateOptions, PatientOptions, checked_options
from welkin_async.bulk.results import Report
from welkin_async.bulk.rows import CdtRow, PatientRow
from welkin_async.bulk.runner import lookup_options, stream
from welkin_async.models.cdts import CdtRecord
from welkin_async.models.patients import Patient
from welkin_async.models.typed_cdts import TypedCdt
from welkin_async.session import Welkin
from welkin_async.wire.tracebacks import without_frames

T = TypeVar("T", bound=TypedCdt)


@overload
def stream_cdt_records(
    welkin: Welkin,
    cdt: str,
    rows: Iterable[CdtRow] | AsyncIterable[CdtRow],
    *,
    ordered: bool = False,
    **options: Unpack[CreateOptions],
) -> OutcomeStream[CdtRow, CdtRecord]: ...
@overload
def stream_cdt_records(
    welkin: Welkin,
    cdt: type[T],
    rows: Iterable[CdtRow] | AsyncIterable[CdtRow],
    *,
    ordered: bool = False,
    **options: Unpack[CreateOptions],
) -> OutcomeStream[CdtRow, T]: ...
@without_frames
def stream_cdt_records(
    welkin: Welkin,
    cdt: str | type[TypedCdt],
    rows: Iterable[CdtRow] | AsyncIterable[CdtRow],
    *,
    ordered: bool = False,
    **options: Unpack[CreateOptions],
) -> OutcomeStream[CdtRow, Any]:
    """Create CDT records and hand out what became of each.

    ``POST /{tenant}/{instance}/patients/{patient_id}/cdts/{cdt_name}`` for each row. A create is never repeated blindly
    after an attempt whose outcome is unknown: without ``key_field`` the row is then ``unknown``, with it the row is
    looked for first.

    Args:
        welkin: An open session.
        cdt: The CDT's name, or the class that was generated from its formation; records are of it then.
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
    checked_options(options, CreateOptions)
    action = CreateCdt(
        welkin.scope,
        cdt,
        check=options.get("check", "strict"),
        key_field=options.get("key_field"),
        key_space=options.get("key_space"),
        single_record=options.get("single_record", False),
    )
    remove = options.get("remove_doubles", False)
    return stream(action, rows, options, lookup_options(action.keys, options, remove_doubles=remove), ordered=ordered)


@without_frames
async def create_cdt_records(
    welkin: Welkin,
    cdt: str | type[TypedCdt],
    rows: Iterable[CdtRow] | AsyncIterable[CdtRow],
    **options: Unpack[CreateOptions],
) -> Report:
    """Create CDT records and count what became of them.

    Like `stream_cdt_records`, for a caller who wants the counts alone.

    Args:
        welkin: An open session.
        cdt: The CDT's name, or the class that was generated from its formation; records are of it then.
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
    return await stream_cdt_records(welkin, cdt, rows, **options)


@without_frames
def stream_patients(
    welkin: Welkin,
    rows: Iterable[PatientRow] | AsyncIterable[PatientRow],
    *,
    ordered: bool = False,
    **options: Unpack[PatientOptions],
) -> OutcomeStream[PatientRow, Patient]:
    """Create patients and hand out what became of each.

    ``POST /{tenant}/{instance}/patients`` for each row. A create is never repeated blindly after an attempt whose
    outcome is unknown: without ``key_field`` the row is then ``unknown``. With it the patient is looked up by
    ``externalGuid`` first, adopted only where every field sent equals the one found and the patient is no older than
    the import, and sent again only after it has been absent for the settle time.

    A look-up by ``externalGuid`` shows one patient, so doubled patients cannot be seen by it. The final scan names a
    double where the patient found is another than the one that was reported; a double that hides behind the reported
    one, because the server finds that one first, goes unseen. Patients are never removed.

    Args:
        welkin: An open session.
        rows: The rows, from an iterable or an async iterable; pulled as workers get free. A synchronous iterator is
            read on the event loop, so it should not block for long.
        ordered: Whether outcomes come in the order of the rows; pulling then stops at 8 times the concurrency.
        options: See `PatientOptions`.

    Returns:
        A stream, to be used in ``async with`` and iterated.

    Raises:
        SessionError: the session is not open.
        InvalidInputError: the rows or an option do not fit.
    """
    checked_options(options, PatientOptions)
    action = CreatePatient(welkin.scope, check=options.get("check", "strict"), key_field=options.get("key_field"))
    return stream(action, rows, options, lookup_options(action.keys, options), ordered=ordered)


@without_frames
async def create_patients(
    welkin: Welkin, rows: Iterable[PatientRow] | AsyncIterable[PatientRow], **options: Unpack[PatientOptions]
) -> Report:
    """Create patients and count what became of them.

    Like `stream_patients`, for a caller who wants the counts alone.

    Args:
        welkin: An open session.
        rows: The rows, from an iterable or an async iterable; pulled as workers get free.
        options: See `PatientOptions`.

    Returns:
        The counts.

    Raises:
        AuthenticationError: the server refused the token; the import has stopped.
        ProofError: ``externalGuid`` cannot be relied on; the import has stopped.
        BulkStoppedError: it was to stop at the first failure, or at so many.
        SessionError: the session is not open, or was closed meanwhile.
        InvalidInputError: the rows or an option do not fit.
        Exception: whatever the source raised, after what was in flight has been drained. Each of these carries a note
            with the counts up to then.
    """
    return await stream_patients(welkin, rows, **options)
