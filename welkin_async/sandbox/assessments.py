"""Assessment records: an assessment put to a patient, with its answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from .designs import Designs, answer_keys
from .errors import ApiError, not_found, validation_error
from .moments import local
from .pages import sorted_by, spring_page
from .records import PatientTable, authored, envelope, picked, require, touch
from .routing import Routes
from .site import Site
from .wire import Answer, Call, Record, no_content, ok

__all__ = ["Assessments"]

_KINDS: dict[str, Any] = {"status": str, "answers": dict, "pfa": bool}


@attrs.define
class Assessments:
    """Assessment records and their section of the API.

    Attributes:
        site: Clock, ids and author.
        table: Records per patient.
        designs: Definitions of the assessments.
    """

    site: Site
    table: PatientTable
    designs: Designs

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/{instance}/patients/{patient_id}/assessment-records"
        one = base + "/{record_id}"
        routes.add("assessment_records.list", "GET", base, self.list_page)
        routes.add("assessment_records.create", "POST", base, self.create)
        routes.add("assessment_records.get", "GET", one, self.get)
        routes.add("assessment_records.update", "PUT", one, self.update)
        routes.add("assessment_records.update_answers", "PUT", one + "/answers", self.update_answers)
        routes.add("assessment_records.delete", "DELETE", one, self.delete)

    def list_page(self, call: Call, patient_id: str) -> Answer:
        """A page of a patient's records (recorded)."""
        found = [self._shown(each) for each in self.table.of(patient_id).values()]
        return ok(spring_page(sorted_by(found, call.query, found[0] if found else ()), call.query))

    def get(self, call: Call, patient_id: str, record_id: str) -> Answer:
        """One record (recorded)."""
        return ok(self._shown(self.table.find(patient_id, record_id)))

    def create(self, call: Call, patient_id: str) -> Answer:
        """Begin an assessment: 201, IN_PROGRESS (recorded).

        Raises:
            ApiError: 400, no name; 404, unknown patient or assessment.
        """
        sent = picked(call.object(), {"assessmentName": str, "answers": dict}, "ASSESSMENT")
        self.table.of(patient_id)
        require(sent, ("assessmentName",), "ASSESSMENT")
        design = self.designs.find("assessments", sent["assessmentName"])
        cdt = {"id": design["id"], "version": design["version"], "name": f"_{design['name']}"}
        answers = envelope(self.site, patient_id, cdt, dict.fromkeys(answer_keys(design)))["jsonBody"]
        record = {
            **authored(self.site),
            "finalizedDate": None,
            "assessmentName": design["name"],
            "assessmentTitle": design["title"],
            "assessmentCdtName": cdt["name"],
            "version": design["version"],
            "patientId": patient_id.lower(),
            "status": "IN_PROGRESS",
            "answers": answers,
            "scoring": {},
            "folderId": None,
            "expirationDate": None,
            "questions": {},
            "resolvedCdtValues": {},
            "pfa": False,
        }
        self._answer(record, sent.get("answers") or {})
        return ok(self._shown(self.table.add(patient_id, record)), 201)

    @staticmethod
    def _shown(record: Record) -> Record:
        return {
            **record,
            "localFinalizedDate": local(record["finalizedDate"]),
            "localCreatedDate": local(record["createdAt"]),
            "localUpdatedDate": local(record["updatedAt"]),
        }

    def _answer(self, record: Record, sent: Mapping[str, Any]) -> None:
        # Keys are case sensitive (release notes); unknown ones are dropped, as with CDT records.
        known = {name for name in record["answers"] if "__" in name}
        record["answers"].update({name: value for name, value in sent.items() if name in known})
        record["answers"]["updated_at"] = self.site.clock.stamp()

    def update(self, call: Call, patient_id: str, record_id: str) -> Answer:
        """Take a whole record back; read-only keys are tolerated, completing it fills in the questions (recorded).

        Raises:
            ApiError: 400, the status is neither IN_PROGRESS nor COMPLETED (unknown: chosen here); 404.
        """
        record, sent = self.table.find(patient_id, record_id), picked(call.object(), _KINDS, "ASSESSMENT")
        status = sent.get("status") or record["status"]
        if status not in ("IN_PROGRESS", "COMPLETED"):
            raise validation_error("status must be IN_PROGRESS or COMPLETED", "ASSESSMENT", field="status")
        self._answer(record, sent.get("answers") or {})
        record["pfa"] = bool(sent.get("pfa", record["pfa"]))
        touch(self.site, record)
        if status == "COMPLETED" and record["status"] != status:
            record["finalizedDate"] = record["updatedAt"]
            record["questions"] = answer_keys(self.designs.find("assessments", record["assessmentName"]))
        record["status"] = status
        return ok(self._shown(record))

    def update_answers(self, call: Call, patient_id: str, record_id: str) -> Answer:
        """Change the answers sent; answers the whole record (recorded)."""
        record = self.table.find(patient_id, record_id)
        self._answer(record, call.object())
        touch(self.site, record)
        return ok(self._shown(record))

    def delete(self, call: Call, patient_id: str, record_id: str) -> Answer:
        """Delete a record: 200 without a body (recorded)."""
        self.table.remove(patient_id, record_id)
        return no_content()


def missing(patient_id: str, record_id: str) -> ApiError:
    """404 of an assessment record, with the recorded code and detail keys."""
    details = {"recordId": record_id, "patientId": patient_id}
    return not_found("ASSESSMENT_RECORD_NOT_FOUND", "ASSESSMENT", "Assessment record not found", **details)
