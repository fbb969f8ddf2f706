"""Contacts and profiles (pdts): confirmed to exist by release notes, their paths known from newer documents only."""

from __future__ import annotations

from typing import Any

import attrs

from .cdts import write
from .designs import Designs
from .errors import ApiError, not_found, record_not_found
from .formations import Formation
from .pages import meta_page, sorted_by, spring_page
from .patients import Patients
from .records import PatientTable, envelope, picked, require, touch_envelope
from .routing import Routes
from .site import Site
from .wire import Answer, Call, no_content, ok

__all__ = ["Contacts", "Profiles"]

_KINDS: dict[str, Any] = {
    "name": str, "phone": str, "email": str, "relation": str, "active": bool, "phoneLabel": str, "emailLabel": str,
    "secondaryPhoneLabel": str, "phonePdtFieldName": str, "secondaryPhonePdtFieldName": str, "pdtRecordId": str,
}  # fmt: skip


@attrs.define
class Contacts:
    """Contacts of patients and their section of the API; all statuses and the page are chosen here.

    Attributes:
        site: Source of ids.
        table: Contacts per patient.
    """

    site: Site
    table: PatientTable

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/{instance}/patients/{patient_id}/contacts"
        routes.add("contacts.list", "GET", base, self.list_page)
        routes.add("contacts.create", "POST", base, self.create)
        routes.add("contacts.get", "GET", base + "/{contact_id}", self.get)
        routes.add("contacts.update", "PATCH", base + "/{contact_id}", self.update)

    def list_page(self, call: Call, patient_id: str) -> Answer:
        """A page under `data`."""
        found = list(self.table.of(patient_id).values())
        return ok(meta_page(sorted_by(found, call.query, _KINDS), call.query))

    def create(self, call: Call, patient_id: str) -> Answer:
        """Create a contact: 201."""
        patient = self.table.patients.find(patient_id)["id"]
        sent = picked(call.object(), _KINDS, "CONTACT")
        require(sent, ("name",), "CONTACT")
        head = {"id": self.site.new_id(), "patientId": patient}
        return ok(self.table.add(patient, {**head, **dict.fromkeys(_KINDS), "active": True, **sent}), 201)

    def get(self, call: Call, patient_id: str, contact_id: str) -> Answer:
        """One contact."""
        return ok(self.table.find(patient_id, contact_id))

    def update(self, call: Call, patient_id: str, contact_id: str) -> Answer:
        """Change the keys sent; `active` false takes the place of a delete."""
        record = self.table.find(patient_id, contact_id)
        record.update(picked(call.object(), _KINDS, "CONTACT"))
        return ok(record)


@attrs.define
class Profiles:
    """Profiles of patients (pdts) and their section of the API; all statuses and pages are chosen here.

    Attributes:
        site: Clock, ids and author.
        patients: Whose profiles they are.
        designs: Definitions of the profiles.
        tables: Records per profile, then patient.
    """

    site: Site
    patients: Patients
    designs: Designs
    tables: dict[str, PatientTable] = attrs.field(factory=dict, repr=False)

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/{instance}/patients/{patient_id}/pdts/{pdt_name}"
        routes.add("pdts.list", "GET", base, self.list_page)
        routes.add("pdts.create", "POST", base, self.create)
        routes.add("pdts.get", "GET", base + "/{record_id}", self.get)
        routes.add("pdts.update", "PATCH", base + "/{record_id}", self.update)
        routes.add("pdts.delete", "DELETE", base + "/{record_id}", self.delete)
        routes.add("pdts.list_patients", "GET", "/{tenant}/{instance}/pdts/{pdt_name}/patients", self.list_patients)

    def _table(self, name: str) -> tuple[Formation, PatientTable]:
        formation = self.designs.formation("pdts", name)
        if name not in self.tables:
            self.tables[name] = PatientTable(self.patients, lambda patient, record: _no_record(patient, name, record))
        return formation, self.tables[name]

    def list_page(self, call: Call, patient_id: str, pdt_name: str) -> Answer:
        """A page as `{name, data}`, like that of CDT records."""
        formation, table = self._table(pdt_name)
        found = sorted_by(list(table.of(patient_id).values()), call.query, formation.blank, "jsonBody")
        return ok({"name": pdt_name, "data": spring_page(found, call.query)})

    def create(self, call: Call, patient_id: str, pdt_name: str) -> Answer:
        """Create a record: 201."""
        formation, table = self._table(pdt_name)
        patient = self.patients.find(patient_id)["id"]
        record = envelope(self.site, patient, formation.shape, formation.blank)
        write(formation, record["jsonBody"], call.object())
        return ok(table.add(patient, record), 201)

    def get(self, call: Call, patient_id: str, pdt_name: str, record_id: str) -> Answer:
        """One record."""
        return ok(self._table(pdt_name)[1].find(patient_id, record_id))

    def update(self, call: Call, patient_id: str, pdt_name: str, record_id: str) -> Answer:
        """Change the fields sent."""
        formation, table = self._table(pdt_name)
        record = table.find(patient_id, record_id)
        write(formation, record["jsonBody"], call.object())
        touch_envelope(self.site, record)
        return ok(record)

    def delete(self, call: Call, patient_id: str, pdt_name: str, record_id: str) -> Answer:
        """Delete a record: 204 without a body."""
        self._table(pdt_name)[1].remove(patient_id, record_id)
        return no_content(204)

    def list_patients(self, call: Call, pdt_name: str) -> Answer:
        """A page of the patients that have a record."""
        held = self._table(pdt_name)[1].rows
        found = [self.patients.records[patient_id] for patient_id, records in held.items() if records]
        return ok(spring_page(sorted_by(found, call.query, found[0] if found else ()), call.query))


def _no_record(patient_id: str, name: str, record_id: str) -> ApiError:
    return record_not_found(patient_id, name, record_id)


def missing(patient_id: str, contact_id: str) -> ApiError:
    """404 of a contact (its code is unknown: chosen here)."""
    return not_found("CONTACT_NOT_FOUND", "CONTACT", "Contact not found", id=contact_id, patientId=patient_id)
