"""Creating patients in bulk."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any, Literal, Unpack
from uuid import uuid4

from welkin_async.bulk.cdt_action import Check, Refusals, unhurried
from welkin_async.bulk.keys import MintedKey
from welkin_async.bulk.options import PatientOptions, checked_options
from welkin_async.bulk.outcomes import Report
from welkin_async.bulk.patient_keys import GUID, PATIENT_SCHEMA, PatientKeys, PatientRow, lost_fields, sent_fields
from welkin_async.bulk.running import exactly_of, run, stream
from welkin_async.bulk.stream import OutcomeStream
from welkin_async.bulk.work import Kind
from welkin_async.errors import InvalidInputError, RejectedError
from welkin_async.models.patients import Patient
from welkin_async.request import Answer, Request
from welkin_async.resources._base import Scope
from welkin_async.resources.patients import Patients
from welkin_async.session import Welkin

__all__ = ["PatientRow", "create_patients", "stream_patients"]

_CREATE = Patients._create_operation  # noqa: SLF001 - declared there once


class CreatePatient:
    """Turns rows into requests, and compares what comes back.

    Args:
        scope: The session's scope.
        check: What to do about fields that no source documents.
        key_field: Which field carries the row's key, or None.

    Attributes:
        kind: What is done.
        keys: Gives rows their keys, or None.
        target: What identifies where patients are created.
        timeout: Seconds an attempt may wait for the server.
    """

    kind = Kind(operation=_CREATE)

    def __init__(self, scope: Scope, *, check: Check, key_field: Literal["external_guid"] | None) -> None:
        if key_field not in (None, "external_guid"):
            raise InvalidInputError("key_field is external_guid: the only key a patient is surely found by")
        self._encode = scope.codec.encode
        self._sender = scope.sender()
        self._defaults = scope.defaults
        self._refusals = Refusals(check, "patients")
        self._url = scope.request(_CREATE).url
        self._probe = PatientKeys(unhurried(scope, max_attempts=1))
        self.keys = None if key_field is None else PatientKeys(unhurried(scope))
        self.target = f"{_CREATE.method} {self._url}"
        self.timeout = scope.defaults.timeout

    async def prepare(self) -> bool:
        """Return False: there is no formation of patients to be read."""
        return False

    async def read(self) -> object:
        """Make a harmless read, once, to see whether the server is there: of a patient that is not."""
        try:
            return await self._probe.listing(str(uuid4()), 0.0)
        except RejectedError:
            return None  # an answer all the same

    def request(self, row: PatientRow, /) -> Request:
        """Put the row's request together."""
        fields = self._fields(row)
        if self._refusals.check != "off":
            self._refusals.of(PATIENT_SCHEMA.check(fields))
        defaults = self._defaults
        return Request(_CREATE, self._url, self._encode(fields), defaults.timeout, defaults.max_attempts, None)

    async def send(self, request: Request) -> Answer:
        """Send it until it is answered for good."""
        return await self._sender.send(request)

    def record(self, answer: Answer) -> Patient:
        """Wrap what came back."""
        return Patient.from_wire(answer.data, answer)

    def lost(self, row: PatientRow, record: Patient) -> tuple[str, ...]:
        """Name the fields that the server dropped or changed."""
        return lost_fields(self._fields(row), record)

    def content(self, row: PatientRow) -> tuple[str | None, bytes]:
        """Return a row's key, where it has one, and what it holds, for a journal's digest."""
        try:
            fields = sent_fields(row)
            held = self._encode({"key": row.key, "fields": fields})
        except InvalidInputError:
            return None, b""  # a row that cannot be sent fails by itself
        key = row.key if self.keys is None else self.keys.key(row)
        return (str(key) if key else None), held

    def own_key(self, row: PatientRow) -> bool:
        """Tell whether a row's key is its own, not one that was minted from its position."""
        try:
            if row.key is not None and not isinstance(row.key, MintedKey):
                return True
            return self.keys is not None and GUID in sent_fields(row)
        except (InvalidInputError, AttributeError):
            return False  # a row that cannot be sent fails by itself

    def _fields(self, row: PatientRow) -> Mapping[str, Any]:
        return sent_fields(row) if self.keys is None else self.keys.fields(row)


def _action(welkin: Welkin, options: PatientOptions) -> CreatePatient:
    checked_options(options, PatientOptions)
    return CreatePatient(welkin.scope, check=options.get("check", "strict"), key_field=options.get("key_field"))


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

    A look-up by ``externalGuid`` shows one patient, so doubled patients cannot be seen by it. The last sweep names a
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
    action = _action(welkin, options)
    return stream(action, rows, options, exactly_of(action.keys, options), ordered=ordered)


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
    action = _action(welkin, options)
    return await run(action, rows, options, exactly_of(action.keys, options))
