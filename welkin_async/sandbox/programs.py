"""Patient programs: every program of the instance, as far as a patient is in it."""

from __future__ import annotations

from collections import Counter

import attrs

from .designs import Designs
from .errors import ApiError, not_found, validation_error
from .pages import meta_page, sorted_by
from .records import PatientTable, picked, signed, touch
from .routing import Routes
from .site import Site
from .wire import Answer, Call, Record, no_content, ok

__all__ = ["Programs"]

_FINISHED = "FINISHED"


@attrs.define
class Programs:
    """Patient programs and their section of the API.

    Attributes:
        site: Clock, ids and author.
        table: Enrolments per patient.
        designs: Definitions of the programs.
    """

    site: Site
    table: PatientTable
    designs: Designs

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/{instance}/patients/{patient_id}/programs"
        routes.add("patient_programs.list", "GET", base, self.list_page)
        routes.add("patient_programs.get_current", "GET", base + "/current/{program_name}", self.get_current)
        routes.add("patient_programs.get_history", "GET", base + "/history/{patient_program_id}", self.get_history)
        routes.add("patient_programs.get", "GET", base + "/{program_name}", self.get)
        routes.add("patient_programs.update", "PATCH", base + "/{program_name}", self.update)
        routes.add("patient_programs.unassign", "DELETE", base + "/{patient_program_id}", self.unassign)
        routes.add("patient_programs.change_phase", "PATCH", base + "/{program_name}/phases", self.change_phase)
        reports = "/{tenant}/{instance}/reports/patient-program-phase-distribution"
        routes.add("reports.patient_program_phase_distribution", "GET", reports, self.distribution)

    def _active(self, patient_id: str, name: str) -> Record | None:
        enrolments = self.table.of(patient_id).values()
        return next((each for each in enrolments if each["programName"] == name and each["status"] != _FINISHED), None)

    def _blank(self, name: str) -> Record:
        """A program the patient is not in: no ids (recorded)."""
        design = self.designs.find("programs", name)
        return {
            **dict.fromkeys(("id", "createdByName", "createdAt", "updatedByName", "updatedAt")),
            "programName": name,
            "programTitle": design["title"],
            "programDescription": design["description"],
            "assigned": False,
            "patientId": None,
            "currentPhase": None,
            "status": None,
            "compatibleWithCurrentVersion": True,
            "pathHistory": [],
        }

    def list_page(self, call: Call, patient_id: str) -> Answer:
        """A page of every program of the instance (recorded), or with `assignedPrograms` of the patient's own."""
        own = list(self.table.of(patient_id).values())
        if not call.flag("assignedPrograms"):
            taken = {each["programName"] for each in own}
            own += [self._blank(name) for name in self.designs.current["programs"] if name not in taken]
        return ok(meta_page(sorted_by(own, call.query, own[0] if own else ()), call.query))

    def get_current(self, call: Call, patient_id: str, program_name: str) -> Answer:
        """The enrolment that is not finished; 404 with the recorded details otherwise."""
        found = self._active(patient_id, program_name)
        if found is None:
            details = {"programName": program_name, "patientId": patient_id, "notStatus": _FINISHED}
            raise _not_found(**details)
        return ok(found)

    def get_history(self, call: Call, patient_id: str, patient_program_id: str) -> Answer:
        """An enrolment by its id, in any status (recorded)."""
        return ok(self.table.find(patient_id, patient_program_id))

    def get(self, call: Call, patient_id: str, program_name: str) -> Answer:
        """The form of 2021: the enrolment, or the program without ids."""
        return ok(self._active(patient_id, program_name) or self._blank(program_name))

    def update(self, call: Call, patient_id: str, program_name: str) -> Answer:
        """Assign, change status or phase: 200 with the enrolment (recorded).

        Raises:
            ApiError: 400, unknown phase; 404, unknown patient or program, or one the patient is not in.
        """
        sent = picked(call.object(), {"assigned": bool, "status": str, "phaseName": str}, "PATIENT_PROGRAM")
        return self._change(patient_id, program_name, sent)

    def change_phase(self, call: Call, patient_id: str, program_name: str) -> Answer:
        """The older way to change the phase (documented): 200."""
        sent = picked(call.object(), {"phaseName": str}, "PATIENT_PROGRAM")
        return self._change(patient_id, program_name, sent)

    def _change(self, patient_id: str, name: str, sent: Record) -> Answer:
        self.table.of(patient_id)
        design = self.designs.find("programs", name)
        phases = {each["name"]: each for each in design["phases"]}
        if sent.get("phaseName") and sent["phaseName"] not in phases:
            raise validation_error("the program has no such phase", "PATIENT_PROGRAM", field="phaseName")
        record = self._active(patient_id, name)
        if record is None:
            if not sent.get("assigned"):
                raise _not_found(programName=name, patientId=patient_id, notStatus=_FINISHED)
            own = {"assigned": True, "status": "IN_PROGRESS", "patientId": patient_id.lower()}
            record = {**self._blank(name), **signed(self.site), **own}
            self.table.add(patient_id, record)
            sent.setdefault("phaseName", next(iter(phases), None))
        elif sent.get("assigned") is False:
            # What this does is unknown: here it ends the enrolment.
            sent.setdefault("status", _FINISHED)
        if sent.get("phaseName"):
            self._enter(record, phases[sent["phaseName"]])
        record["status"] = sent.get("status") or record["status"]
        record["assigned"] = record["status"] != _FINISHED
        touch(self.site, record)
        self._show(patient_id)
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

    def _show(self, patient_id: str) -> None:
        """Keep `patientPrograms` of the patient in step."""
        self.table.patients.find(patient_id)["patientPrograms"] = list(self.table.of(patient_id).values())

    def unassign(self, call: Call, patient_id: str, patient_program_id: str) -> Answer:
        """End an enrolment by its id (recorded) or the program's name (documented): 200 without a body."""
        named = self._active(patient_id, patient_program_id)
        record = named or self.table.find(patient_id, patient_program_id)
        self.table.remove(patient_id, record["id"])
        self._show(patient_id)
        return no_content()

    def distribution(self, call: Call) -> Answer:
        """Patients per phase of each program as a bare array (the shape of a row is unknown: chosen here)."""
        counts = Counter(
            (each["programName"], each["currentPhase"]["name"])
            for each in self.table
            if each["status"] != _FINISHED and each["currentPhase"]
        )
        return ok([
            {"programName": program, "phaseName": phase, "patientCount": count}
            for (program, phase), count in sorted(counts.items())
        ])  # fmt: skip


def _not_found(**details: str) -> ApiError:
    return not_found("PATIENT_PROGRAM_NOT_FOUND", "PATIENT_PROGRAM", "Patient program not found", **details)


def missing(patient_id: str, patient_program_id: str) -> ApiError:
    """404 of an enrolment, with the recorded code and detail keys."""
    return _not_found(id=patient_program_id, patientId=patient_id)
