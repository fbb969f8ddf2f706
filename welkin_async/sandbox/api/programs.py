"""Patient programs: enrolments of patients in the programs of the instance."""

from __future__ import annotations

from collections import Counter

import attrs

from welkin_async.sandbox.api.formations import VersionedFormations
from welkin_async.sandbox.api.patients import PatientCollection
from welkin_async.sandbox.http.errors import ApiError, not_found, validation_error
from welkin_async.sandbox.http.messages import Answer, Call, Record, no_content, ok
from welkin_async.sandbox.http.routing import Routes
from welkin_async.sandbox.records.records import known_fields, new_metadata, touch

_FINISHED = "FINISHED"
_UNKNOWN = ("PATIENT_PROGRAM_NOT_FOUND", "Patient program not found")


@attrs.define
class Programs(PatientCollection):
    """Enrolments of patients in programs and their section of the API.

    Attributes:
        formations: Definitions of the programs.
    """

    component = "PATIENT_PROGRAM"
    unknown = _UNKNOWN

    formations: VersionedFormations

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/{instance}/patients/{patient_id}/programs"
        named = base + "/{program_name}"
        routes.add("patient_programs.get_current", "GET", base + "/current/{program_name}", self.get_current)
        routes.add("patient_programs.get_history", "GET", base + "/history/{patient_program_id}", self.get_history)
        routes.collection("patient_programs", named, self, "list get update")
        routes.add("patient_programs.unassign", "DELETE", base + "/{patient_program_id}", self.unassign)
        routes.add("patient_programs.change_phase", "PATCH", named + "/phases", self.change_phase)
        reports = "/{tenant}/{instance}/reports/patient-program-phase-distribution"
        routes.add("reports.patient_program_phase_distribution", "GET", reports, self.distribution)

    def _not_enrolled(self, name: str, patient_id: str) -> ApiError:
        """404 of an enrolment that is not finished, with the recorded detail keys."""
        details = {"programName": name, "patientId": patient_id, "notStatus": _FINISHED}
        return not_found(_UNKNOWN[0], self.component, _UNKNOWN[1], **details)

    def _active(self, patient_id: str, name: str) -> Record | None:
        enrolments = self.rows(patient_id).values()
        return next((each for each in enrolments if each["programName"] == name and each["status"] != _FINISHED), None)

    def _blank(self, name: str) -> Record:
        """A program the patient is not in: no ids (recorded)."""
        definition = self.formations.find("programs", name)
        return {
            **dict.fromkeys(("id", "createdByName", "createdAt", "updatedByName", "updatedAt")),
            "programName": name,
            "programTitle": definition["title"],
            "programDescription": definition["description"],
            "assigned": False,
            "patientId": None,
            "currentPhase": None,
            "status": None,
            "compatibleWithCurrentVersion": True,
            "pathHistory": [],
        }

    def list_records(self, call: Call, patient_id: str) -> Answer:
        """A page of every program of the instance (recorded), or with `assignedPrograms` of the patient's own."""
        own = list(self.rows(patient_id).values())
        if not call.flag("assignedPrograms"):
            taken = {each["programName"] for each in own}
            own += [self._blank(name) for name in self.formations.current["programs"] if name not in taken]
        return ok(self.paged(call, own))

    def get_current(self, call: Call, patient_id: str, program_name: str) -> Answer:
        """The enrolment that is not finished; 404 with the recorded details otherwise."""
        found = self._active(patient_id, program_name)
        if found is None:
            raise self._not_enrolled(program_name, patient_id)
        return ok(found)

    def get_history(self, call: Call, patient_id: str, patient_program_id: str) -> Answer:
        """An enrolment by its id, in any status (recorded)."""
        return ok(self.find(patient_id, patient_program_id))

    def get(self, call: Call, patient_id: str, program_name: str) -> Answer:
        """The form of 2021: the enrolment, or the program without ids."""
        return ok(self._active(patient_id, program_name) or self._blank(program_name))

    def update(self, call: Call, patient_id: str, program_name: str) -> Answer:
        """Assign, change status or phase: 200 with the enrolment (recorded).

        Raises:
            ApiError: 400, unknown phase; 404, unknown patient or program, or one the patient is not in.
        """
        sent = known_fields(call.object(), {"assigned": bool, "status": str, "phaseName": str}, "PATIENT_PROGRAM")
        return self._change(patient_id, program_name, sent)

    def change_phase(self, call: Call, patient_id: str, program_name: str) -> Answer:
        """The older way to change the phase (documented): 200."""
        sent = known_fields(call.object(), {"phaseName": str}, "PATIENT_PROGRAM")
        return self._change(patient_id, program_name, sent)

    def _change(self, patient_id: str, name: str, sent: Record) -> Answer:
        rows = self.rows(patient_id)
        definition = self.formations.find("programs", name)
        phases = {each["name"]: each for each in definition["phases"]}
        if sent.get("phaseName") and sent["phaseName"] not in phases:
            raise validation_error("the program has no such phase", "PATIENT_PROGRAM", field="phaseName")
        record = self._active(patient_id, name)
        if record is None:
            if not sent.get("assigned"):
                raise self._not_enrolled(name, patient_id)
            own = {"assigned": True, "status": "IN_PROGRESS", "patientId": patient_id.lower()}
            record = {**self._blank(name), **new_metadata(self.site), **own}
            rows[record["id"]] = record
            sent.setdefault("phaseName", next(iter(phases), None))
        elif sent.get("assigned") is False:
            # What this does is unknown: here it ends the enrolment.
            sent.setdefault("status", _FINISHED)
        if sent.get("phaseName"):
            self._enter(record, phases[sent["phaseName"]])
        record["status"] = sent.get("status") or record["status"]
        record["assigned"] = record["status"] != _FINISHED
        touch(self.site, record)
        self._update_patient(patient_id)
        return ok(record)

    def _enter(self, record: Record, phase: Record) -> None:
        state = {
            "timestamp": self.site.clock.stamp(),
            "createdBy": self.site.client_id,
            "createdByName": self.site.author,
            "name": phase["name"],
            "title": phase["title"],
            "description": phase["description"],
            "currentVersion": "1",
            "deleted": False,
        }
        record["currentPhase"] = state
        record["pathHistory"].append(state)

    def _update_patient(self, patient_id: str) -> None:
        """Keep `patientPrograms` of the patient in step."""
        self.patients.find(patient_id)["patientPrograms"] = list(self.rows(patient_id).values())

    def unassign(self, call: Call, patient_id: str, patient_program_id: str) -> Answer:
        """End an enrolment by its id (recorded) or the program's name (documented): 200 without a body."""
        named = self._active(patient_id, patient_program_id)
        record = named or self.find(patient_id, patient_program_id)
        del self.rows(patient_id)[record["id"]]
        self._update_patient(patient_id)
        return no_content()

    def distribution(self, call: Call) -> Answer:
        """Patients per phase of each program as a bare array (the shape of a row is unknown: chosen here)."""
        counts = Counter(
            (each["programName"], each["currentPhase"]["name"])
            for each in self
            if each["status"] != _FINISHED and each["currentPhase"]
        )
        return ok([
            {"programName": program, "phaseName": phase, "patientCount": count}
            for (program, phase), count in sorted(counts.items())
        ])  # fmt: skip
