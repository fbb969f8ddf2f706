"""Patients: their records, look-ups by four kinds of key, and their section of the API."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from .errors import not_found, restricted, validation_error
from .fields import is_uuid
from .pages import sorted_by, spring_page
from .routing import Routes
from .site import Site
from .wire import Answer, Call, Record, no_content, ok

__all__ = ["Patients"]

# The keys of a patient that a caller may write, with the value an absent one gets (recorded).
_TEXTS: dict[str, str | None] = {
    "externalGuid": None, "externalId": None, "mrn": None, "nric": None, "firstName": None, "lastName": None,
    "middleName": None, "birthDate": None, "gender": "UNKNOWN", "maritalStatus": "UKN", "primaryLanguage": "ENGLISH",
    "secondaryLanguage": None, "email": None, "secondaryEmail": None, "phone": None, "secondaryPhone": None,
    "country": None, "state": None, "city": None, "zip": None, "addressLine1": None, "addressLine2": None,
    "timezone": None, "preferableInstancePhoneId": None,
}  # fmt: skip
_LISTS = ("primaryPhoneCapabilities", "secondaryPhoneCapabilities", "patientTerritories", "careTeam", "cadence")
_COMPUTED = ("id", "createdAt", "updatedAt", "createdBy", "updatedBy", "createdByName", "updatedByName")
_READ_ONLY: dict[str, Any] = {
    "patientRegion": None, "patientRegionTitle": None, "patientTerritory": None, "pointOfContact": None,
    "accessCode": None,
}  # fmt: skip
_KEYS = frozenset((*_COMPUTED, *_TEXTS, *_LISTS, *_READ_ONLY, "careTeamMembers", "patientPrograms"))
_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:T.*)?").fullmatch
_LOOKUPS = {"EID": "externalId", "EGUID": "externalGuid", "MRN": "mrn"}


@attrs.define
class Patients:
    """Patients and their section of the API.

    Attributes:
        site: Clock, ids, author, and whether deleting is allowed.
        records: Patients by id, in order of creation.
        on_delete: Called with the id of a deleted patient.
    """

    site: Site
    records: dict[str, Record] = attrs.field(factory=dict, repr=False)
    on_delete: list[Callable[[str], None]] = attrs.field(factory=list, repr=False)
    _index: dict[str, dict[str, dict[str, None]]] = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._index = {name: {} for name in _LOOKUPS.values()}

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/{instance}/patients"
        routes.add("patients.list", "GET", base, self.list_page)
        routes.add("patients.create", "POST", base, self.create)
        routes.add("patients.get", "GET", base + "/{patient_id}", self.get)
        routes.add("patients.update", "PATCH", base + "/{patient_id}", self.update)
        routes.add("patients.delete", "DELETE", base + "/{patient_id}", self.delete)
        routes.add("patients.list_by_filter", "POST", "/{tenant}/{instance}/by-filter/patients", self.list_by_filter)

    def add(self, fields: Mapping[str, Any]) -> Record:
        """Create a patient.

        Args:
            fields: By wire name; unknown and computed ones are dropped.

        Raises:
            ApiError: 400, a name is missing or a value does not fit.
        """
        clean = _clean(fields)
        for name in ("firstName", "lastName"):
            if not clean.get(name):
                raise validation_error(f"{name} is required", "PATIENT", field=name)
        site, patient_id, now = self.site, self.site.new_id(), self.site.clock.stamp()
        record: Record = {"id": patient_id, "createdAt": now, "updatedAt": now}
        record["createdBy"] = record["updatedBy"] = site.client_id
        record["createdByName"] = record["updatedByName"] = site.author
        record |= _TEXTS
        record |= {name: [] for name in (*_LISTS, "careTeamMembers", "patientPrograms")}
        record |= _READ_ONLY
        self._write(record, clean)
        self.records[patient_id] = record
        return record

    def _write(self, record: Record, clean: Record) -> None:
        for name, index in self._index.items():
            if name in clean:
                if record[name] is not None and (held := index.get(_folded(name, record[name]))):
                    held.pop(record["id"], None)
                if clean[name] is not None:
                    index.setdefault(_folded(name, clean[name]), {})[record["id"]] = None
        record.update(clean)
        if "careTeam" in clean:
            contact = next((each for each in clean["careTeam"] if each["pointOfContact"]), None)
            record["careTeamMembers"], record["pointOfContact"] = clean["careTeam"], contact

    def find(self, key: str, kind: str = "ID") -> Record:
        """A patient by one of its keys; of several with the same key the first made is found (unknown: chosen here).

        Args:
            key: Id, externalId, externalGuid or mrn.
            kind: ID, EID, EGUID or MRN.

        Raises:
            ApiError: 400, unknown kind; 404, no such patient (its code is unknown: chosen here).
        """
        if kind == "ID":
            found = self.records.get(key.lower())
        elif kind in _LOOKUPS:
            name = _LOOKUPS[kind]
            holders = self._index[name].get(_folded(name, key))
            found = self.records[next(iter(holders))] if holders else None
        else:
            raise validation_error("type must be ID, EID, EGUID or MRN", "PATIENT", parameter="type")
        if found is None:
            raise not_found("PATIENT_NOT_FOUND", "PATIENT", "Patient not found", patientId=key)
        return found

    def create(self, call: Call) -> Answer:
        """Create a patient: 201 (recorded). A second one with the same externalGuid is accepted: unknown, chosen."""
        return ok(self.add(call.object()), 201)

    def get(self, call: Call, patient_id: str) -> Answer:
        """One patient by `type`; `expand=true` adds territorialTeam."""
        record = self.find(patient_id, call.query.get("type", "ID"))
        return ok({**record, "territorialTeam": []} if call.flag("expand") else record)

    def update(self, call: Call, patient_id: str) -> Answer:
        """Change the keys sent (recorded: 200 with the whole patient)."""
        record, clean = self.find(patient_id), _clean(call.object())
        for name in ("firstName", "lastName"):
            if name in clean and not clean[name]:
                raise validation_error(f"{name} is required", "PATIENT", field=name)
        self._write(record, clean)
        record["updatedAt"] = self.site.clock.stamp()
        record["updatedBy"], record["updatedByName"] = self.site.client_id, self.site.author
        return ok(record)

    def delete(self, call: Call, patient_id: str) -> Answer:
        """403 for API clients (recorded); when deleting is allowed, 200 without a body (the status is unknown)."""
        site = self.site
        if not site.allow_delete:
            raise restricted(site.client_id, site.api_client, site.tenant, call.path)
        record = self.find(patient_id)
        self._write(record, dict.fromkeys(self._index))
        del self.records[record["id"]]
        for notify in self.on_delete:
            notify(record["id"])
        return no_content()

    def list_page(self, call: Call) -> Answer:
        """One page by `email`, `query`, `timezone`, `territories`, `cadence`, `sort` (documented)."""
        return ok(self._page(call, _matching(self.records, call.query)))

    def list_by_filter(self, call: Call) -> Answer:
        """One page (recorded with `{}` only). No filter key is known, so all are ignored."""
        call.object()
        return ok(self._page(call, list(self.records.values())))

    def _page(self, call: Call, records: Sequence[Record]) -> Record:
        return spring_page(sorted_by(records, call.query, _KEYS), call.query)


def _folded(name: str, key: str) -> str:
    return key.lower() if name == "externalGuid" else key


def _clean(fields: Mapping[str, Any]) -> Record:
    """The writable keys of what was sent, checked; 400 details name keys, never values."""
    clean: Record = {}
    for name, value in fields.items():
        if name in _TEXTS:
            fits = value is None or (is_uuid(value) if name == "externalGuid" else isinstance(value, str))
            value = _TEXTS[name] if value is None else value
            if fits and name == "birthDate" and value is not None:
                value = _midnight(value)
        elif name in _LISTS:
            fits = value is None or isinstance(value, list)
            value = _team(value or []) if fits and name == "careTeam" else value or []
        else:
            continue
        if not fits:
            raise validation_error(f"{name} does not fit", "PATIENT", field=name)
        clean[name] = value
    return clean


def _midnight(text: str) -> str:
    """A birth date as the API gives it back: padded, at midnight Z (documented sample: sent `2012-3-12T...`)."""
    found = _DATE(text)
    if found is None or not (1 <= int(found[2]) <= 12 and 1 <= int(found[3]) <= 31):
        raise validation_error("birthDate must be a date", "PATIENT", field="birthDate")
    return f"{found[1]}-{int(found[2]):02d}-{int(found[3]):02d}T00:00:00.000Z"


def _team(members: list[Any]) -> list[Record]:
    """Care team members; without a point of contact the first becomes it (documented)."""
    if not all(isinstance(each, dict) and isinstance(each.get("id"), str) for each in members):
        raise validation_error("careTeam must hold objects with an id", "PATIENT", field="careTeam")
    named = any(each.get("pointOfContact") for each in members)
    return [
        {"id": each["id"], "pointOfContact": bool(each.get("pointOfContact")) if named else not position}
        for position, each in enumerate(members)
    ]


def _matching(patients: Mapping[str, Record], query: Mapping[str, str]) -> list[Record]:
    found = list(patients.values())
    if query.get("email"):
        found = [each for each in found if each["email"] == query["email"]]
    if query.get("query"):
        text, names = query["query"].lower(), ("email", "firstName", "lastName", "phone")
        found = [each for each in found if any(text in (each[name] or "").lower() for name in names)]
    # An empty value of these three asks for patients without one (documented).
    if "timezone" in query:
        found = [each for each in found if (each["timezone"] or "") == query["timezone"]]
    if "territories" in query:
        wanted = {name for name in query["territories"].split(",") if name}
        found = [each for each in found if _any_of(wanted, _territories(each))]
    if "cadence" in query:
        found = [each for each in found if _any_of({query["cadence"]} - {""}, set(map(str, each["cadence"])))]
    return found


def _any_of(wanted: set[str], held: set[str]) -> bool:
    return bool(wanted & held) if wanted else not held


def _territories(patient: Record) -> set[str]:
    groups = [group for group in patient["patientTerritories"] if isinstance(group, dict)]
    return {str(name) for group in groups for name in group.get("territories") or ()}
