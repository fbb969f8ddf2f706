"""Contacts and profiles (pdts): confirmed to exist by release notes, their paths known from newer documents only."""

from __future__ import annotations

import attrs

from welkin_async.sandbox.api.cdts import write_fields
from welkin_async.sandbox.api.formations import VersionedFormations
from welkin_async.sandbox.api.patients import PatientCollection, Patients
from welkin_async.sandbox.http.errors import ApiError, record_not_found
from welkin_async.sandbox.http.messages import Answer, Call, Record, no_content, ok
from welkin_async.sandbox.http.routing import Routes
from welkin_async.sandbox.records.collection import Collection
from welkin_async.sandbox.records.pages import sorted_by, spring_page
from welkin_async.sandbox.records.records import envelope
from welkin_async.sandbox.records.values import Kind, uuid

_FIELDS: dict[str, Kind] = {
    "name": str, "phone": str, "email": str, "relation": str, "active": bool, "phoneLabel": str, "emailLabel": str,
    "secondaryPhoneLabel": str, "phonePdtFieldName": str, "secondaryPhonePdtFieldName": str, "pdtRecordId": uuid,
}  # fmt: skip


@attrs.define
class Contacts(PatientCollection):
    """Contacts of patients and their section of the API; all statuses, codes and the page are chosen here.

    There is no delete: `active` false takes its place.
    """

    component = "CONTACT"
    unknown = ("CONTACT_NOT_FOUND", "Contact not found")
    fields = _FIELDS
    required = ("name",)
    sortable = _FIELDS

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        one = "/{tenant}/{instance}/patients/{patient_id}/contacts/{contact_id}"
        routes.collection("contacts", one, self, "list create get update")

    def made(self, sent: Record, patient_id: str) -> Record:
        """A new contact."""
        head = {"id": self.site.new_id(), "patientId": self.patients.find(patient_id)["id"]}
        return {**head, **dict.fromkeys(_FIELDS), "active": True, **sent}


@attrs.define
class Profiles(Collection):
    """Profiles of patients (pdts) and their section of the API; all statuses and pages are chosen here.

    Attributes:
        patients: Whose profiles they are.
        formations: Definitions of the profiles.
        tables: Records per profile, then patient, then record id.
    """

    page = "content"
    inside = "jsonBody"

    patients: Patients
    formations: VersionedFormations
    tables: dict[str, dict[str, dict[str, Record]]] = attrs.field(factory=dict, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.patients.on_delete.append(self._forget)

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        one = "/{tenant}/{instance}/patients/{patient_id}/pdts/{pdt_name}/{record_id}"
        routes.collection("pdts", one, self, "list create get update delete")
        routes.add("pdts.list_patients", "GET", "/{tenant}/{instance}/pdts/{pdt_name}/patients", self.list_patients)

    def rows(self, patient_id: str, pdt_name: str) -> dict[str, Record]:
        """A patient's records of a profile by id."""
        self.formations.find("pdts", pdt_name)
        return self.tables.setdefault(pdt_name, {}).setdefault(self.patients.find(patient_id)["id"], {})

    def missing(self, patient_id: str, pdt_name: str, record_id: str) -> ApiError:
        """404 as of a CDT record."""
        return record_not_found(patient_id, pdt_name, record_id)

    def made(self, sent: Record, patient_id: str, pdt_name: str) -> Record:
        """A new record."""
        formation = self.formations.formation("pdts", pdt_name)
        record = envelope(self.site, self.patients.find(patient_id)["id"], formation.shape, formation.blank)
        self.write(record, sent)
        return record

    def write(self, record: Record, sent: Record) -> None:
        """Change the fields sent."""
        write_fields(self.formations.formation("pdts", record["cdtName"]), record["jsonBody"], sent)

    def listed(self, call: Call, patient_id: str, pdt_name: str) -> Record:
        """A page as `{name, data}`, like that of CDT records."""
        return {"name": pdt_name, "data": super().listed(call, patient_id, pdt_name)}

    def delete(self, call: Call, *path: str) -> Answer:
        """Delete a record: 204 without a body."""
        super().delete(call, *path)
        return no_content(204)

    def list_patients(self, call: Call, pdt_name: str) -> Answer:
        """A page of the patients that have a record."""
        self.formations.find("pdts", pdt_name)
        held = self.tables.get(pdt_name, {})
        found = [self.patients.records[patient_id] for patient_id, records in held.items() if records]
        return ok(spring_page(sorted_by(found, call.query), call.query))

    def _forget(self, patient_id: str) -> None:
        for table in self.tables.values():
            table.pop(patient_id, None)
