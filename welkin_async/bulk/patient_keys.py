"""Patients in bulk: their rows, what may be sent of a patient, and the key by which one is found again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

import attrs

from welkin_async.bulk.echo import Echo
from welkin_async.bulk.keys import canonical
from welkin_async.bulk.reconcile import Found
from welkin_async.bulk.schema import Schema
from welkin_async.bulk.schema_rules import rule_of
from welkin_async.codec import plain
from welkin_async.errors import InvalidInputError, NotFoundError
from welkin_async.models.formations import CdtField
from welkin_async.models.patients import Patient
from welkin_async.record import field_names, to_wire
from welkin_async.resources._base import Scope, wire_names
from welkin_async.resources.patients import NewPatient, PatientKeyType, Patients

__all__ = ["GUID", "PATIENT_SCHEMA", "PatientKeys", "PatientRow", "lost_fields", "sent_fields"]

GUID: Final = "externalGuid"
"""The field that carries the key."""

_LISTS = frozenset({"patientTerritories", "careTeam"})
_FREE = frozenset(
    {"nric", "preferableInstancePhoneId", "primaryPhoneCapabilities", "secondaryPhoneCapabilities", "cadence"}
)  # no source says whether they can be written


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


def _schema() -> Schema:
    """Compile what the sources say of a patient's fields, for which the API has no formation."""
    writable = set(wire_names(NewPatient).values())
    rules = {}
    for name in field_names(Patient).values():
        text = name in writable and name not in _LISTS and name != "birthDate"
        kind = "text" if text else "date" if name == "birthDate" else None
        rules[name] = rule_of(CdtField(name=name, type=kind, editable=name in writable or name in _FREE))
    return Schema("a patient", rules, ("firstName", "lastName"))


PATIENT_SCHEMA: Final = _schema()
_ECHO = Echo(PATIENT_SCHEMA)


def sent_fields(row: PatientRow) -> Mapping[str, Any]:
    """Return a row's fields by wire name.

    Raises:
        InvalidInputError: it is no `PatientRow`, or its fields are neither a mapping nor a `Patient`.
    """
    if not isinstance(row, PatientRow):
        raise InvalidInputError(f"a row is a PatientRow, not a {type(row).__name__}")
    if isinstance(row.fields, Patient):
        return to_wire(row.fields)
    if not isinstance(row.fields, Mapping):
        raise InvalidInputError(f"fields are a mapping or a Patient, not a {type(row.fields).__name__}")
    return row.fields


def lost_fields(sent: Mapping[str, Any], patient: Patient) -> tuple[str, ...]:
    """Name the fields that the server dropped or changed.

    A null asks for nothing, since the server has values of its own for some fields. Of the objects in ``careTeam`` and
    ``patientTerritories`` the keys that were sent count; the care team may come back as ``careTeamMembers`` (recorded).

    Args:
        sent: The fields by wire name.
        patient: The record.
    """
    held = patient.__wire__()
    given = {name: value for name, value in plain(sent).items() if value is not None}
    lost = _ECHO.lost(given, held)
    return tuple(name for name in lost if not _kept(name, given[name], held))


def _kept(name: str, sent: Any, held: Mapping[str, Any]) -> bool:
    """Whether a field that came back in another form says the same."""
    if name == GUID:
        return canonical(sent) == canonical(held.get(GUID))
    if name not in _LISTS:
        return False
    places = (name, "careTeamMembers") if name == "careTeam" else (name,)
    return any(_within(sent, held.get(place)) for place in places)


def _within(sent: Any, found: Any) -> bool:
    """Whether everything that was sent is there, whatever the server added."""
    if isinstance(sent, Mapping) and isinstance(found, Mapping):
        return all(_within(value, found.get(key)) for key, value in sent.items())
    if isinstance(sent, list) and isinstance(found, list):
        return len(sent) == len(found) and all(_within(*pair) for pair in zip(sent, found, strict=True))
    return bool(sent == found)


class PatientKeys:
    """Gives patients their keys, and finds them by these: ``GET /{tenant}/{instance}/patients/{guid}?type=EGUID``.

    The answer is one patient or 404, so a look-up is always complete. For the same reason it cannot show that two
    patients have one key: see `copies`.

    Args:
        scope: The session's scope.
    """

    field: str = GUID

    def __init__(self, scope: Scope) -> None:
        self._patients = Patients(scope)

    def fields(self, row: PatientRow) -> Mapping[str, Any]:
        """Return what is sent for a row, its key included.

        Raises:
            InvalidInputError: it has no key, or an ``externalGuid`` that is no UUID.
        """
        fields = sent_fields(row)
        own = fields.get(GUID)
        if own is not None:
            try:
                UUID(str(own))
            except ValueError:
                pass
            else:
                return fields
            raise InvalidInputError("a UUID", (GUID,))
        if not row.key:
            raise InvalidInputError(f"a row needs a key: PatientRow(key=...), or {GUID} among its fields")
        return {**fields, GUID: guid_of(row.key)}

    def key(self, row: Any) -> str:
        """Return what the patient of a row carries in ``externalGuid``; an empty text where the row is none."""
        try:
            return canonical(self.fields(row)[GUID])
        except InvalidInputError:
            return ""

    def group(self, row: Any) -> str:
        """Return the key: each patient is looked up by itself."""
        return self.key(row)

    def key_of(self, record: Patient) -> str | None:
        """Return what a patient carries in ``externalGuid``."""
        found = record.__wire__().get(GUID)
        return None if found is None else canonical(found)

    def shows(self, record: Patient, created: Patient) -> bool:
        """Tell whether a patient has the key of one that was created: of those that have it one is found, any one."""
        return self.key_of(record) == self.key_of(created)

    def found(self, row: PatientRow, record: Patient) -> Found:
        """Compare a row with the patient that carries its key."""
        created = record.created_at
        equal = not lost_fields(self.fields(row), record)
        return Found(record, equal, None if created is None else created.timestamp())

    async def listing(self, group: str, since: float) -> Sequence[Patient] | None:
        """Look a patient up by key.

        Args:
            group: The key.
            since: Not needed: the answer does not depend on when the patient was created.

        Returns:
            The patient, or nothing.

        Raises:
            RequestError: the look-up failed, which says nothing about the patient.
        """
        return await self._one(group, "EGUID") if group else []

    async def copies(self, group: str, reported: Mapping[str, str | None], since: float) -> Sequence[Patient] | None:
        """Look a patient up once more, after all that may still land has landed.

        A look-up by key shows one patient. So the only double that can be proved is this: the patient found is another
        than the one reported as created, and that one is still there.

        Args:
            group: The key.
            reported: The id that was reported as created, by key.
            since: Not needed.

        Raises:
            RequestError: a look-up failed.
        """
        found = list(await self.listing(group, since) or ())
        other = reported.get(group)
        if found and other is not None and found[0].id != other:
            found += [each for each in await self._one(other, "ID") if self.key_of(each) == group]
            found.sort(key=lambda each: str(each.__wire__().get("createdAt") or ""))
        return found

    def repeats(self, record: Patient, kept: Patient) -> bool:
        """Return False: no patient is ever taken for one that may be removed."""
        return False

    async def remove(self, group: str, id: str) -> None:
        """Never do so: a patient is deleted for good, with all that belongs to it.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError

    async def _one(self, key: str, type: PatientKeyType) -> list[Patient]:
        try:
            return [await self._patients.get(key, type=type)]
        except NotFoundError:
            return []


def guid_of(key: str) -> str:
    """Make a GUID of a caller's key.

    Args:
        key: Any text.

    Returns:
        The key itself where it is a UUID, else a UUID of version 5, always the same for the same key.
    """
    try:
        return str(UUID(key))
    except ValueError:
        return str(uuid5(NAMESPACE_URL, key))
