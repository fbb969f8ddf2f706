"""Bulk action that creates a patient from a row."""

from __future__ import annotations

import contextlib
from typing import Final, Literal
from uuid import uuid4

from welkin_async.bulk.actions.action import BulkOperation
from welkin_async.bulk.actions.base import LOOKUP_PATIENCE, BaseAction
from welkin_async.bulk.keys.cdt_keys import EarlierKey, MintedKey
from welkin_async.bulk.keys.patient_keys import GUID, PatientKeys, changed_fields, sent_fields
from welkin_async.bulk.results import Status
from welkin_async.bulk.rows import PatientRow, PreparedRow
from welkin_async.errors import InvalidInputError, RejectedError
from welkin_async.models.patients import Patient
from welkin_async.resources._base.mixins import Scope
from welkin_async.resources.patients import PATIENT_SCHEMA, Patients
from welkin_async.validation.refusals import Check
from welkin_async.wire.records import decode_error
from welkin_async.wire.request import Answer

CREATE_PATIENT: Final = BulkOperation(Status.CREATED, Patients._create_operation)  # noqa: SLF001 - declared there once


class CreatePatient(BaseAction):
    """Action that creates a patient from each row, and compares what comes back.

    Args:
        scope: The session's scope.
        check: What to do about fields that no source documents.
        key_field: Which field carries the row's key, or None.

    Attributes:
        keys: Gives rows their keys, or None.
        place: Where patients are created, by whatever address the server is reached: tenant and instance.
        target: What identifies where patients are created.
    """

    def __init__(self, scope: Scope, *, check: Check, key_field: Literal["external_guid"] | None) -> None:
        if key_field not in (None, "external_guid"):
            raise InvalidInputError("key_field is external_guid: the only key a patient is surely found by")
        super().__init__(scope, CREATE_PATIENT, check=check, what="patients")
        self._url, self._asked = scope.request(CREATE_PATIENT.operation).url, scope.params
        self._once = scope.without_max_wait(max_attempts=1)
        lookups = scope.without_max_wait().with_sure_refusals().with_patience(LOOKUP_PATIENCE)
        self.keys = None if key_field is None else PatientKeys(lookups)
        self.place = f"{CREATE_PATIENT.operation.method} {CREATE_PATIENT.operation.path(scope.params)}"
        self.target = f"{CREATE_PATIENT.operation.method} {self._url}"

    async def load(self) -> bool:
        """Return False: there is no formation of patients to be read."""
        return False

    async def probe(self) -> object:
        """Make a harmless read, once, to see whether the server is there: of a patient that is not."""
        with contextlib.suppress(RejectedError):  # an answer all the same
            await Patients(self._once).get(str(uuid4()), type="EGUID")
        return None

    def _fill(self, prepared: PreparedRow) -> None:
        row: PatientRow = prepared.row
        fields = sent_fields(row)
        key = row.key
        if self.keys is None:
            prepared.key, prepared.own_key = key, key is not None
        else:
            prepared.own_key = type(key) is not MintedKey or GUID in fields
            prepared.key = prepared.group = self.keys.assign(key, fields)
            prepared.may_exist = type(key) is EarlierKey
        prepared.fields = fields
        prepared.body = self._encode(fields)
        if self._refusals.check != "off":
            self._refusals.judge(PATIENT_SCHEMA.check(fields))
        prepared.url, prepared.asked = self._url, self._asked

    def read(self, prepared: PreparedRow, answer: Answer) -> tuple[Patient, tuple[str, ...]]:
        """Wrap what came back, and name the fields that the server dropped or changed."""
        patient = Patient.from_wire(answer.data, answer)
        held = patient.__wire__()
        if all(held.get(name) is None for name, value in prepared.fields.items() if value is not None):
            raise decode_error("the answer holds nothing of the patient", answer)  # such as one that only queues it
        return patient, changed_fields(prepared.fields, patient)
