"""Assessment records: an assessment put to a patient, with its answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from welkin_async.sandbox.api.formations import VersionedFormations, answer_keys
from welkin_async.sandbox.api.patients import PatientCollection
from welkin_async.sandbox.http.errors import validation_error
from welkin_async.sandbox.http.messages import Answer, Call, Record, ok
from welkin_async.sandbox.http.routing import Routes
from welkin_async.sandbox.records.dates import local_timestamp
from welkin_async.sandbox.records.records import authored_metadata, envelope, touch


@attrs.define
class Assessments(PatientCollection):
    """Assessment records and their section of the API.

    Reading and deleting one are recorded.

    Attributes:
        formations: Definitions of the assessments.
    """

    component = "ASSESSMENT"
    unknown = ("ASSESSMENT_RECORD_NOT_FOUND", "Assessment record not found")
    details = ("recordId", "patientId")
    fields = {"status": str, "answers": dict, "pfa": bool}
    new_fields = {"assessmentName": str, "answers": dict}
    required = ("assessmentName",)
    page = "content"

    formations: VersionedFormations

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        one = "/{tenant}/{instance}/patients/{patient_id}/assessment-records/{record_id}"
        routes.collection("assessment_records", one, self, "list create get update delete", update="PUT")
        routes.add("assessment_records.update_answers", "PUT", one + "/answers", self.update_answers)

    def made(self, sent: Record, patient_id: str) -> Record:
        """Begin an assessment: IN_PROGRESS (recorded).

        Raises:
            ApiError: 404, unknown assessment.
        """
        definition = self.formations.find("assessments", sent["assessmentName"])
        cdt = {"id": definition["id"], "version": definition["version"], "name": f"_{definition['name']}"}
        answers = envelope(self.site, patient_id, cdt, dict.fromkeys(answer_keys(definition)))["jsonBody"]
        record = {
            **authored_metadata(self.site),
            "finalizedDate": None,
            "assessmentName": definition["name"],
            "assessmentTitle": definition["title"],
            "assessmentCdtName": cdt["name"],
            "version": definition["version"],
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
        return record

    def shown(self, record: Record) -> Record:
        """A record as answers hold it, with local times.

        Args:
            record: As it is kept.
        """
        return {
            **record,
            "localFinalizedDate": local_timestamp(record["finalizedDate"]),
            "localCreatedDate": local_timestamp(record["createdAt"]),
            "localUpdatedDate": local_timestamp(record["updatedAt"]),
        }

    def _answer(self, record: Record, sent: Mapping[str, Any]) -> None:
        # Keys are case sensitive (release notes); unknown ones are dropped, as with CDT records.
        known = {name for name in record["answers"] if "__" in name}
        record["answers"].update({name: value for name, value in sent.items() if name in known})
        record["answers"]["updated_at"] = self.site.clock.stamp()

    def write(self, record: Record, sent: Record) -> None:
        """Take a whole record back; read-only keys are tolerated, completing it fills in the questions (recorded).

        Raises:
            ApiError: 400, the status is neither IN_PROGRESS nor COMPLETED (unknown: chosen here).
        """
        status = sent.get("status") or record["status"]
        if status not in ("IN_PROGRESS", "COMPLETED"):
            raise validation_error("status must be IN_PROGRESS or COMPLETED", "ASSESSMENT", field="status")
        self._answer(record, sent.get("answers") or {})
        record["pfa"] = bool(sent.get("pfa", record["pfa"]))
        if status == "COMPLETED" and record["status"] != status:
            record["finalizedDate"] = self.site.clock.stamp()
            record["questions"] = answer_keys(self.formations.find("assessments", record["assessmentName"]))
        record["status"] = status

    def update_answers(self, call: Call, patient_id: str, record_id: str) -> Answer:
        """Change the answers sent; answers the whole record (recorded)."""
        record = self.find(patient_id, record_id)
        self._answer(record, call.object())
        touch(self.site, record)
        return ok(self.shown(record))
