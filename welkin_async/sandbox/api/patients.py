"""Patients: their records, look-ups by four kinds of key, and their section of the API."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Any

import attrs

from welkin_async.sandbox.http.errors import validation_error
from welkin_async.sandbox.http.messages import Answer, Call, Record, ok
from welkin_async.sandbox.http.routing import Routes
from welkin_async.sandbox.records.collection import Collection
from welkin_async.sandbox.records.records import authored_metadata, require
from welkin_async.sandbox.records.values import Kind, fits, list_of, object_of, uuid

# The keys of a patient that a caller may write, with the value an absent one gets (recorded).
_TEXTS: dict[str, str | None] = {
    "externalGuid": None, "externalId": None, "mrn": None, "nric": None, "firstName": None, "lastName": None,
    "middleName": None, "birthDate": None, "gender": "UNKNOWN", "maritalStatus": "UKN", "primaryLanguage": "ENGLISH",
    "secondaryLanguage": None, "email": None, "secondaryEmail": None, "phone": None, "secondaryPhone": None,
    "country": None, "state": None, "city": None, "zip": None, "addressLine1": None, "addressLine2": None,
    "timezone": None, "preferableInstancePhoneId": None,
}  # fmt: skip
_NAMES = ("firstName", "lastName")
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
class Patients(Collection):
    """Patients and their section of the API.

    A second one with the same externalGuid is accepted: unknown, chosen here. Deleting one is 403 for API clients
    (recorded); when it is allowed, 200 without a body (the status is unknown).

    Attributes:
        records: Patients by id, in order of creation.
        on_delete: Called with the id of a deleted patient.
    """

    component = "PATIENT"
    unknown = ("PATIENT_NOT_FOUND", "Patient not found")  # its code is unknown: chosen here
    details = ("patientId",)
    restricted = True
    page = "content"
    sortable = _KEYS

    records: dict[str, Record] = attrs.field(factory=dict, repr=False)
    on_delete: list[Callable[[str], None]] = attrs.field(factory=list, repr=False)
    _index: dict[str, dict[str, dict[str, None]]] = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._index = {name: {} for name in _LOOKUPS.values()}

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        one = "/{tenant}/{instance}/patients/{patient_id}"
        routes.collection("patients", one, self, "list create get update delete")
        routes.add("patients.list_by_filter", "POST", "/{tenant}/{instance}/by-filter/patients", self.list_by_filter)

    def rows(self) -> dict[str, Record]:
        """Patients by id."""
        return self.records

    def add(self, fields: Mapping[str, Any]) -> Record:
        """Create a patient.

        Args:
            fields: By wire name; unknown and computed ones are dropped.

        Raises:
            ApiError: 400, a name is missing or a value does not fit.
        """
        clean = _clean(fields)
        require(clean, _NAMES, "PATIENT")
        record: Record = {**authored_metadata(self.site), **_TEXTS}
        record |= {name: [] for name in (*_LISTS, "careTeamMembers", "patientPrograms")}
        record |= _READ_ONLY
        self._write(record, clean)
        self.records[record["id"]] = record
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
            ApiError: 400, unknown kind; 404, no such patient.
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
            raise self.missing(key)
        return found

    def made(self, sent: Record) -> Record:
        """A new patient; 201 is recorded."""
        return self.add(sent)

    def get(self, call: Call, patient_id: str) -> Answer:
        """One patient by `type`; `expand=true` adds territorialTeam."""
        record = self.find(patient_id, call.query.get("type", "ID"))
        return ok({**record, "territorialTeam": []} if call.flag("expand") else record)

    def write(self, record: Record, sent: Record) -> None:
        """Change the keys sent (recorded: 200 with the whole patient)."""
        clean = _clean(sent)
        require(clean, [name for name in _NAMES if name in clean], "PATIENT")
        self._write(record, clean)

    def dropped(self, record: Record) -> None:
        """Forget a patient's keys, and let others forget the patient."""
        self._write(record, dict.fromkeys(self._index))
        for notify in self.on_delete:
            notify(record["id"])

    def chosen(self, call: Call, records: Iterable[Record]) -> Iterable[Record]:
        """Those with the `email`, `query`, `timezone`, `territories` and `cadence` asked for (documented)."""
        return _matching(records, call.query)

    def list_by_filter(self, call: Call) -> Answer:
        """One page (recorded with `{}` only). No filter key is known, so all are ignored."""
        call.object()
        return ok(self.paged(call, list(self.records.values())))


def _folded(name: str, key: str) -> str:
    return key.lower() if name == "externalGuid" else key


def _clean(fields: Mapping[str, Any]) -> Record:
    """The writable keys of what was sent, checked; 400 details name keys, never values."""
    clean: Record = {}
    for name, value in fields.items():
        if name in _TEXTS:
            kind: Kind = uuid if name == "externalGuid" else str
            absent: Any = _TEXTS[name]
        elif name in _LISTS:
            kind, absent = _LIST_KINDS.get(name, list), []
        else:
            continue
        if value is not None and not fits(value, kind):
            raise validation_error(f"{name} does not fit", "PATIENT", field=name)
        written = _WRITTEN.get(name)
        clean[name] = absent if value is None else value if written is None else written(value)
    return clean


def _midnight(text: str) -> str:
    """A birth date as the API gives it back: padded, at midnight Z (documented sample: sent `2012-3-12T...`)."""
    found = _DATE(text)
    try:
        day = date(*(int(part) for part in found.groups())) if found else None
    except ValueError:  # such as the 31st of February
        day = None
    if day is None:
        raise validation_error("birthDate must be a date", "PATIENT", field="birthDate")
    return f"{day.isoformat()}T00:00:00.000Z"


def _regions(sent: list[Any]) -> list[Record]:
    return [{"name": each["name"], "territories": each.get("territories") or []} for each in sent]


def _team(members: list[Any]) -> list[Record]:
    """Care team members; without a point of contact the first becomes it (documented)."""
    named = any(each.get("pointOfContact") for each in members)
    return [
        {"id": each["id"], "pointOfContact": bool(each.get("pointOfContact")) if named else not position}
        for position, each in enumerate(members)
    ]


_LIST_KINDS = {
    "patientTerritories": list_of(object_of({"name": str, "territories": list_of(str)}, "name")),
    "careTeam": list_of(object_of({"id": uuid}, "id")),
}
_WRITTEN: Mapping[str, Callable[[Any], Any]] = {
    "birthDate": _midnight, "patientTerritories": _regions, "careTeam": _team,
}  # fmt: skip


def _matching(patients: Iterable[Record], query: Mapping[str, str]) -> list[Record]:
    found = list(patients)
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
    return {name for group in patient["patientTerritories"] for name in group["territories"]}


@attrs.define
class PatientCollection(Collection):
    """Collection of records per patient, which go when the patient goes.

    The path of a record is the patient's id, then its own.

    Attributes:
        patients: Where a record's patient must be.
        held: Records by patient id, then record id; each in order of creation.
    """

    patients: Patients
    held: dict[str, dict[str, Record]] = attrs.field(factory=dict, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.patients.on_delete.append(self._forget)

    def __iter__(self) -> Iterator[Record]:
        for records in self.held.values():
            yield from records.values()

    def rows(self, patient_id: str) -> dict[str, Record]:
        """A patient's records by id."""
        return self.held.setdefault(self.patients.find(patient_id)["id"], {})

    def _forget(self, patient_id: str) -> None:
        for record in self.held.pop(patient_id, {}).values():
            self.dropped(record)


@attrs.define
class PartCollection(Collection):
    """Collection of parts of a patient's records, such as comments, listed as a bare array; they go with their record.

    Attributes:
        wholes: The records they are parts of.
        held: Parts by the record's id, then their own.
    """

    page = None

    wholes: PatientCollection
    held: dict[str, dict[str, Record]] = attrs.field(factory=dict, init=False, repr=False)

    def rows(self, patient_id: str, whole_id: str) -> dict[str, Record]:
        """The parts of a record by id."""
        return self.of(self.wholes.find(patient_id, whole_id))

    def of(self, whole: Record) -> dict[str, Record]:
        """The parts of a record by id.

        Args:
            whole: The record.
        """
        return self.held.setdefault(whole["id"], {})
