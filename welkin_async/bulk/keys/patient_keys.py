"""Idempotency keys of patients, and which fields of a patient may be sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from welkin_async.bulk.keys.cdt_keys import MintedKey, canonical, text_or_none
from welkin_async.bulk.keys.protocol import says_not_found
from welkin_async.bulk.rows import PatientRow, PreparedRow
from welkin_async.errors import InvalidInputError, NotFoundError
from welkin_async.models.patients import Patient
from welkin_async.resources._base.mixins import Scope
from welkin_async.resources.patients import PATIENT_SCHEMA, PatientKeyType, Patients
from welkin_async.validation.canonical import Forms, canonical_forms
from welkin_async.validation.comparison import FieldComparison
from welkin_async.wire.codec import plain
from welkin_async.wire.records import to_wire

GUID: Final = "externalGuid"
"""The field that carries the key."""

_LISTS = frozenset({"patientTerritories", "careTeam"})
_COMPARISON = FieldComparison(PATIENT_SCHEMA)


def sent_fields(row: PatientRow) -> dict[str, Any]:
    """Return a row's fields by wire name, copied.

    Raises:
        InvalidInputError: it is no `PatientRow`, or its fields are neither a mapping nor a `Patient`.
    """
    if not isinstance(row, PatientRow):
        raise InvalidInputError(f"a row is a PatientRow, not a {type(row).__name__}")
    if isinstance(row.fields, Patient):
        return {**to_wire(row.fields)}
    if not isinstance(row.fields, Mapping):
        raise InvalidInputError(f"fields are a mapping or a Patient, not a {type(row.fields).__name__}")
    return {**row.fields}


def changed_fields(sent: Mapping[str, Any], patient: Patient) -> tuple[str, ...]:
    """Name the fields that the server dropped or changed.

    A null asks for nothing, since the server has values of its own for some fields. Of the objects in ``careTeam`` and
    ``patientTerritories`` the keys that were sent count; the care team may come back as ``careTeamMembers`` (recorded).

    Args:
        sent: The fields by wire name.
        patient: The record.
    """
    held = patient.__wire__()
    given = {name: value for name, value in plain(sent).items() if value is not None}
    changed = _COMPARISON.changed_fields(given, held)
    return tuple(name for name in changed if not _kept(name, given[name], held))


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
        scope: The session's scope, one whose refusals are sure: a 404 names no patient.
    """

    field: str = GUID
    sees_all = False
    filter: None = None

    def __init__(self, scope: Scope) -> None:
        self._scope = scope.unchecked()

    def assign(self, key: str | None, fields: dict[str, Any]) -> str:
        """Put a row's key among its fields, unless it has one there, and return it as it is compared.

        Args:
            key: The key the row was given, or None.
            fields: Its fields by wire name; the key is added.

        Raises:
            InvalidInputError: it has neither, or an ``externalGuid`` that is no UUID.
        """
        own = fields.get(GUID)
        if own is None:
            if not key:
                raise InvalidInputError(f"a row needs a key: PatientRow(key=...), or {GUID} among its fields")
            own = fields[GUID] = guid_of(key)
        try:
            return str(UUID(str(own)))
        except ValueError:
            pass
        raise InvalidInputError("a UUID", (GUID,))

    def former(self, prepared: PreparedRow) -> tuple[str, ...]:
        """Return under which other key a patient may be there: earlier versions minted those of a file otherwise."""
        key = prepared.row.key
        former = key.former if type(key) is MintedKey and not prepared.own_key else None
        return () if former is None else (former,)

    def key_of(self, record: Patient) -> str | None:
        """Return what a patient carries in ``externalGuid``."""
        found = record.__wire__().get(GUID)
        return None if found is None else canonical(found)

    def shows(self, record: Patient, created: Patient) -> bool:
        """Tell whether a patient has the key of one that was created: of those that have it one is found, any one."""
        return self.key_of(record) == self.key_of(created)

    def changed_in(self, prepared: PreparedRow, record: Patient) -> tuple[str, ...]:
        """Name the fields of a row that a patient does not hold."""
        return changed_fields(prepared.fields, record)

    def sent(self, prepared: PreparedRow) -> Mapping[str, Any]:
        """Return what a row asks for, as plain JSON values by field; a null asks for nothing."""
        asked = plain(prepared.fields)
        return {name: value for name, value in asked.items() if value is not None and name != GUID}

    def held(self, record: Patient) -> Mapping[str, Any]:
        """Return what a patient holds, as plain JSON values by field; the care team by the name it is sent under."""
        held = record.__wire__()
        team = held.get("careTeamMembers")
        return {**held, "careTeam": team} if team and not held.get("careTeam") else held

    def stamps(self, record: Patient) -> tuple[str | None, str | None, str | None]:
        """Return when a patient was created and changed last, and by whom, as the server writes it."""
        held = record.__wire__()
        author = held.get("updatedByName") or held.get("updatedBy")
        return text_or_none(held.get("createdAt")), text_or_none(held.get("updatedAt")), text_or_none(author)

    def forms(self, field: str, value: Any) -> Forms:
        """Return the forms in which values of a field are compared; objects in lists may have members added to them."""
        return canonical_forms(_COMPARISON.equal_of(field), value, within=field in _LISTS)

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

    async def listing_or_long(self, group: str) -> Sequence[Patient] | None:
        """Look a patient up by key; see `listing`."""
        return await self.listing(group, 0.0)

    async def projected(self, group: str, since: float) -> Sequence[Patient] | None:
        """Look a patient up by key, which shows all of it; see `listing`."""
        return await self.listing(group, since)

    async def count_listings(self, group: str) -> int:
        """Return how many requests a look-up takes: one."""
        return 1

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
        if other is not None and (not found or found[0].id != other):  # or it has another key than was sent
            found += [each for each in await self._one(other, "ID") if not found or self.key_of(each) == group]
            found.sort(key=lambda each: str(each.__wire__().get("createdAt") or ""))
        return found

    def authors(self, record: Patient) -> tuple[str | None, str | None]:
        """Return by whom a patient was changed last: the name and the id, each None where it does not say."""
        held = record.__wire__()
        return text_or_none(held.get("updatedByName")), text_or_none(held.get("updatedBy"))

    def difference(self, prepared: PreparedRow, record: Patient) -> dict[str, Any]:
        """Return what is to be sent so that a patient holds what a row asks for; lists only gain entries."""
        asked, held = self.sent(prepared), self.held(record)
        changed = {name: asked[name] for name in changed_fields(asked, record)}
        for name in _LISTS & changed.keys():
            there = held.get(name)
            entries = list(there) if isinstance(there, list) else []
            added = [each for each in changed[name] if not any(_within(each, entry) for entry in entries)]
            if added:
                changed[name] = [*entries, *added]
            else:
                del changed[name]
        return changed

    async def read(self, group: str, id: str) -> Patient:
        """Read one patient."""
        return await Patients(self._scope).get(id)

    async def write(self, group: str, id: str, fields: Mapping[str, Any], permit: Callable[[], bool]) -> Patient:
        """Change fields of a patient, in one attempt, and return it as the server answers."""
        return await Patients(self._scope.once(permit)).update(id, fields)

    def repeats(self, record: Patient, kept: Patient) -> bool:
        """Return False: no patient is ever taken for one that may be removed."""
        return False

    async def remove(self, group: str, id: str, permit: Callable[[], bool]) -> None:
        """Never do so: a patient is deleted for good, with all that belongs to it.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError

    async def _one(self, key: str, type: PatientKeyType) -> list[Patient]:
        """Look a patient up; the scope sees to it that a 404 is not another request's answer.

        Raises:
            RequestError: the look-up failed, also by a 404 that is not the API's own.
        """
        try:
            return [await Patients(self._scope).get(key, type=type)]
        except NotFoundError as error:
            if not says_not_found(error):
                raise
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
