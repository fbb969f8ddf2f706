"""Upserting CDT records and patients in bulk: rows that are there are changed, the others are created."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any, TypeVar, Unpack, overload

from welkin_async.bulk.actions.create_cdt import CreateCdt
from welkin_async.bulk.actions.create_patient import CreatePatient
from welkin_async.bulk.engine.outcome_stream import OutcomeStream
from welkin_async.bulk.existing.updates import ExistingUpdates
from welkin_async.bulk.keys.protocol import Keys
from welkin_async.bulk.options import PatientUpsertOptions, UpsertOptions, checked_options
from welkin_async.bulk.results import Report
from welkin_async.bulk.rows import CdtRow, PatientRow
from welkin_async.bulk.runner import lookup_options, stream
from welkin_async.errors import InvalidInputError
from welkin_async.models.cdts import CdtRecord
from welkin_async.models.patients import Patient
from welkin_async.models.typed_cdts import TypedCdt
from welkin_async.session import Welkin
from welkin_async.wire.tracebacks import without_frames

T = TypeVar("T", bound=TypedCdt)


@overload
def stream_cdt_upserts(
    welkin: Welkin,
    cdt: str,
    rows: Iterable[CdtRow] | AsyncIterable[CdtRow],
    *,
    ordered: bool = False,
    **options: Unpack[UpsertOptions],
) -> OutcomeStream[CdtRow, CdtRecord]: ...
@overload
def stream_cdt_upserts(
    welkin: Welkin,
    cdt: type[T],
    rows: Iterable[CdtRow] | AsyncIterable[CdtRow],
    *,
    ordered: bool = False,
    **options: Unpack[UpsertOptions],
) -> OutcomeStream[CdtRow, T]: ...
@without_frames
def stream_cdt_upserts(
    welkin: Welkin,
    cdt: str | type[TypedCdt],
    rows: Iterable[CdtRow] | AsyncIterable[CdtRow],
    *,
    ordered: bool = False,
    **options: Unpack[UpsertOptions],
) -> OutcomeStream[CdtRow, Any]:
    """Bring CDT records to what rows ask for, and hand out what became of each.

    Each row is looked for by its key. One that is not there is created, as by `stream_cdt_records`. One that is there
    with the same fields is ``unchanged``; of one that differs the fields that do are sent by ``PATCH`` (``updated``):
    fields that the row does not give stay as they are, and None clears one. The record is read right before, and is a
    ``conflict`` where somebody other than this api client changed it last, unless ``overwrite`` is given; an edit that
    is made in the moment between that read and the change is overwritten. A key that is there more than once is a
    ``conflict``, too, and named in ``stream.doubles``.

    Args:
        welkin: An open session.
        cdt: The CDT's name, or the class that was generated from its formation; records are of it then.
        rows: The rows, from an iterable or an async iterable; pulled as workers get free.
        ordered: Whether outcomes come in the order of the rows; pulling then stops at 8 times the concurrency.
        options: See `UpsertOptions`.

    Returns:
        A stream, to be used in ``async with`` and iterated.

    Raises:
        SessionError: the session is not open.
        InvalidInputError: the CDT's name, the rows or an option do not fit.
    """
    checked_options(options, UpsertOptions)
    action = CreateCdt(
        welkin.scope,
        cdt,
        check=options.get("check", "strict"),
        key_field=options.get("key_field", "external_id"),
        key_space=options.get("key_space"),
        single_record=options.get("single_record", False),
    )
    lookups = lookup_options(action.keys, options, remove_doubles=options.get("remove_doubles", False))
    updates = _updates(welkin, action.keys, options)
    return stream(action, rows, options, lookups, updates=updates, ordered=ordered)


@without_frames
async def upsert_cdt_records(
    welkin: Welkin,
    cdt: str | type[TypedCdt],
    rows: Iterable[CdtRow] | AsyncIterable[CdtRow],
    **options: Unpack[UpsertOptions],
) -> Report:
    """Bring CDT records to what rows ask for, and count what became of them.

    Like `stream_cdt_upserts`, for a caller who wants the counts alone.

    Raises:
        AuthenticationError: the server refused the token; the run has stopped.
        ExistingRecordsError: the api client may not list records; nothing was sent.
        ProofError: the key field cannot be relied on; the run has stopped.
        BulkStoppedError: it was to stop at the first failure, or at so many.
        SessionError: the session is not open, or was closed meanwhile.
        InvalidInputError: the CDT's name, the rows or an option do not fit.
        Exception: whatever the source raised, after what was in flight has been drained.
    """
    return await stream_cdt_upserts(welkin, cdt, rows, **options)


@without_frames
def stream_patient_upserts(
    welkin: Welkin,
    rows: Iterable[PatientRow] | AsyncIterable[PatientRow],
    *,
    ordered: bool = False,
    **options: Unpack[PatientUpsertOptions],
) -> OutcomeStream[PatientRow, Patient]:
    """Bring patients to what rows ask for, and hand out what became of each.

    As `stream_cdt_upserts`, by ``externalGuid``. A null asks for nothing, and lists (``careTeam``,
    ``patientTerritories``) only gain the entries that a row names.

    Args:
        welkin: An open session.
        rows: The rows, from an iterable or an async iterable; pulled as workers get free.
        ordered: Whether outcomes come in the order of the rows; pulling then stops at 8 times the concurrency.
        options: See `PatientUpsertOptions`.

    Returns:
        A stream, to be used in ``async with`` and iterated.

    Raises:
        SessionError: the session is not open.
        InvalidInputError: the rows or an option do not fit.
    """
    checked_options(options, PatientUpsertOptions)
    key_field = options.get("key_field", "external_guid")
    action = CreatePatient(welkin.scope, check=options.get("check", "strict"), key_field=key_field)
    updates = _updates(welkin, action.keys, options)
    return stream(action, rows, options, lookup_options(action.keys, options), updates=updates, ordered=ordered)


@without_frames
async def upsert_patients(
    welkin: Welkin, rows: Iterable[PatientRow] | AsyncIterable[PatientRow], **options: Unpack[PatientUpsertOptions]
) -> Report:
    """Bring patients to what rows ask for, and count what became of them.

    Like `stream_patient_upserts`, for a caller who wants the counts alone.

    Raises:
        AuthenticationError: the server refused the token; the run has stopped.
        ProofError: ``externalGuid`` cannot be relied on; the run has stopped.
        BulkStoppedError: it was to stop at the first failure, or at so many.
        SessionError: the session is not open, or was closed meanwhile.
        InvalidInputError: the rows or an option do not fit.
        Exception: whatever the source raised, after what was in flight has been drained.
    """
    return await stream_patient_upserts(welkin, rows, **options)


def _updates(welkin: Welkin, keys: Keys | None, options: Mapping[str, Any]) -> ExistingUpdates:
    """Return what changes records."""
    if keys is None or options.get("existing", "check") != "check":
        raise InvalidInputError("an upsert looks for its rows by their keys: key_field is given, and existing is check")
    return ExistingUpdates(
        keys,
        lambda: welkin.transport.client_name,
        overwrite=options.get("overwrite", False),
        recreate=options.get("recreate", False),
    )
