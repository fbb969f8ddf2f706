"""Rows: what bulk operations take, one class for each kind of operation, and a row as it is made ready to be sent."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID

import attrs
from yarl import URL

from welkin_async.errors import WelkinError
from welkin_async.models.patients import Patient

_NO_FIELDS: Mapping[str, Any] = MappingProxyType({})


@attrs.define(repr=False)
class CdtRow:
    """One CDT record to be created.

    Attributes:
        patient_id: The id of the patient it belongs to.
        fields: The customer's fields by their own names.
        key: What the caller knows the row by; comes back with its outcome.
        problem: Why it cannot be sent, where its source knows that; it keeps its position and is ``failed`` so. Where
            an earlier run may have sent it, it is ``unknown``, unless an `InvalidInputError` says that none can have.
    """

    patient_id: str | UUID
    fields: Mapping[str, Any]
    key: str | None = None
    problem: WelkinError | None = None

    def __repr__(self) -> str:
        """Show the class: everything in it may identify a person."""
        return "<CdtRow>"


@attrs.frozen(repr=False)
class CdtChange:
    """One CDT record to be changed.

    Attributes:
        patient_id: The id of the patient it belongs to.
        record_id: The record's id.
        fields: Exactly what is to change, by the customer's own names; None clears a field.
        key: What the caller knows the row by; comes back with its outcome.
    """

    patient_id: str | UUID
    record_id: str | UUID
    fields: Mapping[str, Any]
    key: str | None = None

    def __repr__(self) -> str:
        """Show the class: everything in it may identify a person."""
        return "<CdtChange>"


@attrs.frozen(repr=False)
class CdtRef:
    """One CDT record to be deleted.

    Attributes:
        patient_id: The id of the patient it belongs to.
        record_id: The record's id.
    """

    patient_id: str | UUID
    record_id: str | UUID

    def __repr__(self) -> str:
        """Show the class: the ids identify a person."""
        return "<CdtRef>"


@attrs.frozen(repr=False)
class PatientRow:
    """One patient to be created.

    Attributes:
        fields: The fields by their documented names, such as ``firstName``, or a `Patient` record.
        key: What the caller knows the row by; comes back with its outcome. With ``key_field="external_guid"`` it goes
            into ``externalGuid``: a UUID as it is, any other text as its UUIDv5. A field ``externalGuid`` goes first.
    """

    fields: Mapping[str, Any] | Patient
    key: str | None = None

    def __repr__(self) -> str:
        """Show the class: everything in it identifies a person."""
        return "<PatientRow>"


@attrs.define(repr=False, eq=False)
class PreparedRow:
    """A row made ready to be sent, once: journal, request, comparison and reconciliation work from this.

    It is made in the moment the row is pulled, so a source may change or reuse its objects afterwards.

    Attributes:
        index: Its position in the source.
        row: The row as it was given.
        key: What its record carries in the key field, or what else names its record to a journal; None for nothing.
        own_key: Whether the key is the row's own, so that another row may have it too; not one that was minted.
        may_exist: Whether an earlier import had the row, so that it is looked for in every mode.
        group: What is listed to find its record: a patient's id, as a rule.
        fields: What is sent, by wire name, its key included.
        body: The same as encoded; None where nothing is sent.
        url: Where it goes.
        asked: The path's parameters by name, percent-encoded: what its answer is checked against.
        problem: Why its source says that it cannot be sent, or None.
        refusal: What was raised when it was made ready: an `InvalidInputError` refuses the row, anything else is a bug
            that ends the run; or None.
    """

    index: int
    row: Any
    key: str | None = None
    own_key: bool = False
    may_exist: bool = False
    group: str = ""
    fields: Mapping[str, Any] = _NO_FIELDS
    body: bytes | None = None
    url: URL | None = None
    asked: Mapping[str, str] = _NO_FIELDS
    problem: WelkinError | None = None
    refusal: BaseException | None = None

    @property
    def sendable(self) -> bool:
        """Whether nothing speaks against its being sent."""
        return self.problem is None and self.refusal is None

    def __repr__(self) -> str:
        """Show the position: everything else may identify a person."""
        return f"<PreparedRow {self.index}>"
