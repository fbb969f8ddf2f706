"""Bulk action that creates a CDT record from a row."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache

import attrs
from yarl import URL

from welkin_async.bulk.actions.action import BulkOperation
from welkin_async.bulk.actions.base import CdtAction, checked_fields, checked_id
from welkin_async.bulk.errors import ProofError
from welkin_async.bulk.keys.cdt_keys import CdtKeys, EarlierKey, KeyField, MintedKey
from welkin_async.bulk.keys.single_record import SingleRecordKeys
from welkin_async.bulk.results import Status
from welkin_async.bulk.rows import CdtRow, PreparedRow
from welkin_async.errors import InvalidInputError, printable
from welkin_async.models.cdts import CdtRecord
from welkin_async.models.formations import CdtFormation
from welkin_async.models.typed_cdts import TypedCdt, cdt_and_record
from welkin_async.resources._base.mixins import Key, Scope
from welkin_async.resources.cdts import CREATE_CDT
from welkin_async.validation.refusals import Check
from welkin_async.wire.codec import plain
from welkin_async.wire.request import Answer, encode_segment

_MANY = "MULTI_RECORD"  # what every recorded formation says
_log = logging.getLogger("welkin_async")

_CREATE = BulkOperation(Status.CREATED, CREATE_CDT)
_CREATE_ONE = attrs.evolve(_CREATE, key_taken="another row is of the same patient, who has one record")


class CreateCdt(CdtAction):
    """Action that creates a record from each row, and compares what comes back.

    The URL of a patient is made once while the patient's rows come.

    Args:
        scope: The session's scope.
        cdt: The CDT's name, or its generated class.
        check: What to do about rows the formation does not allow.
        key_field: Which system field carries the row's key, or None.
        key_space: What stands before the keys that rows are given; None for nothing.
        single_record: Whether a patient has one record, by which it is found.

    Attributes:
        keys: Gives rows their keys, or None.
    """

    def __init__(
        self,
        scope: Scope,
        cdt: str | type[TypedCdt],
        *,
        check: Check,
        key_field: KeyField | None,
        key_space: str | None = None,
        single_record: bool = False,
    ) -> None:
        name, self._record = cdt_and_record(cdt)
        super().__init__(scope, name, _CREATE_ONE if single_record else _CREATE, check=check)
        # Each patient's URL is the same but for the id; what is percent-encoded holds no braces.
        self._around_patient = CREATE_CDT.path({**self._scope.params, "patient_id": "{}"}).split("{}")
        self._place_of = lru_cache(maxsize=4096)(self._make_place)
        self._single = single_record
        self.keys: CdtKeys | None = None
        if key_field is not None:
            kind = SingleRecordKeys if single_record else CdtKeys
            self.keys = kind(
                self.lookup_scope,
                name,
                key_field,
                lambda: self.comparison,
                self.confirm,
                space=key_space,
                record=self._record,
            )
        elif key_space is not None or single_record:
            raise InvalidInputError("a key space, and a single record for each patient, go with a key field")

    @property
    def place(self) -> str:
        """Where records are created, by whatever address the server is reached: tenant, instance and CDT."""
        return CREATE_CDT.path({**self._scope.params, "patient_id": "-"})

    @property
    def target(self) -> str:
        """What identifies where records are created."""
        return f"{self._scope.base_url}{self.place}"

    def _make_place(self, patient_id: Key) -> tuple[URL, Mapping[str, str]]:
        """Return where the rows of a patient go, and the path's parameters."""
        before, after = self._around_patient
        encoded = encode_segment(patient_id, "patient_id")
        return self._scope.url(f"{before}{encoded}{after}"), {**self._scope.params, "patient_id": encoded}

    def _learn(self, formation: CdtFormation) -> None:
        super()._learn(formation)
        assert self._schema is not None
        if self.keys is not None and not self._schema.editable(self.keys.field):
            raise ProofError(f"the formation says that {self.keys.field} cannot be written; nothing was sent")
        if formation.type not in (None, _MANY) and not self._single:
            _log.warning(
                "%s is no CDT of many records for each patient: where it is of one, say so (single_record=True, or "
                "--single-record), and it is found by its patient",
                printable(self.cdt),
            )

    def _fill(self, prepared: PreparedRow) -> None:
        row = prepared.row
        plain_row = isinstance(row, CdtRow) and type(row.fields) is dict
        fields = {**row.fields} if plain_row else checked_fields(row, CdtRow)
        key, patient = row.key, row.patient_id
        prepared.group = patient if type(patient) is str else checked_id("patient_id", patient)
        if self.keys is None:
            prepared.key, prepared.own_key = key, key is not None
        else:
            prepared.own_key = type(key) is not MintedKey or self._single or self.keys.field in fields
            prepared.key = self.keys.assign(key, fields)
            prepared.may_exist = type(key) is EarlierKey
        prepared.fields = fields
        prepared.body = self._encode(fields)
        if self._schema is not None and (errors := self._schema.check(fields)):
            self._refusals.judge(errors)
        prepared.url, prepared.asked = self._place_of(patient)

    def read(self, prepared: PreparedRow, answer: Answer) -> tuple[CdtRecord, tuple[str, ...]]:
        """Wrap what came back, and name the fields that the server dropped or changed."""
        record = self._record.from_wire(answer.data, answer)
        if answer.verbatim:
            return record, ()
        fields = prepared.fields
        body = record.__wire__().get("jsonBody")
        if type(body) is not dict:
            body = record.body
        # Most values go out as they are given; only where one seems changed is its wire form worth the time.
        if not self.comparison.changed_fields(fields, body):
            return record, ()
        sent = plain(fields)
        compared = self.comparison if self.keys is None else self.keys
        return record, compared.changed_fields(sent, body)
