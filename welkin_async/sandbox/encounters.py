"""Encounters: records in the envelope of CDT records, listed per patient and per user, and full encounters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from .designs import Designs
from .encounter_parts import EncounterParts
from .errors import ApiError, record_not_found, validation_error
from .events import Events
from .moments import local
from .pages import meta_page, sorted_by
from .records import PatientTable, envelope, picked, touch_envelope
from .routing import Routes
from .site import Site
from .wire import Answer, Call, Record, no_content, ok

__all__ = ["Encounters"]

_NAME = "__encounter__"
_STATUSES = ("DRAFT", "OPEN", "ACTIVE", "FINALIZED", "CANCELLED")
_KINDS: dict[str, Any] = dict.fromkeys(
    ("title", "description", "templateName", "notes", "status", "calendarEventId", "external_id", "external_guid"), str
)
_SYSTEM = (
    "id", "created_at", "created_by", "created_by_name", "updated_at", "updated_by", "updated_by_name", "source_type",
    "source_name", "source_id", "external_id", "external_guid",
)  # fmt: skip


@attrs.define
class Encounters:
    """Encounters and their section of the API.

    Attributes:
        site: Clock, ids and author.
        table: Encounters per patient.
        events: Where an encounter's calendar event is.
        designs: Templates and the disposition's definition.
        parts: Comments, assessments and disposition of each.
    """

    site: Site
    table: PatientTable
    events: Events
    designs: Designs
    parts: EncounterParts
    _formation: Record = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._formation = {"id": self.site.new_id(), "version": 1, "name": _NAME}
        self.events.info = self.info

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        instance = "/{tenant}/{instance}"
        patient, user = instance + "/patients/{patient_id}", instance + "/users/{user_id}"
        one = patient + "/encounters/{encounter_id}"
        routes.add("encounters.list_for_patient", "GET", patient + "/encounters", self.list_for_patient)
        routes.add("encounters.list_full_for_patient", "GET", patient + "/full-encounters", self.list_full_for_patient)
        routes.add("encounters.list_for_user", "GET", user + "/encounters", self.list_for_user)
        routes.add("encounters.list_full_for_user", "GET", user + "/full-encounters", self.list_full_for_user)
        routes.add("encounters.create", "POST", patient + "/encounters", self.create)
        routes.add("encounters.get", "GET", one, self.get)
        routes.add("encounters.get_full", "GET", patient + "/full-encounters/{encounter_id}", self.get_full)
        routes.add("encounters.update", "PATCH", one, self.update)
        routes.add("encounters.delete", "DELETE", one, self.delete)

    def create(self, call: Call, patient_id: str) -> Answer:
        """Create an encounter: 201, DRAFT (recorded), its disposition and the template's assessments with it.

        `currentScheduledAppointment` makes a calendar event, of which the template supplies the mode (recorded).

        Raises:
            ApiError: 400, a value does not fit; 404, unknown patient, template or event.
        """
        self.table.of(patient_id)
        sent = call.object()
        clean = picked(sent, _KINDS, "ENCOUNTER")
        template = self.designs.find("encounters", clean["templateName"]) if clean.get("templateName") else {}
        appointment = sent.get("currentScheduledAppointment")
        if isinstance(appointment, dict):
            defaults = {"eventType": "ENCOUNTER", "eventMode": template.get("deliveryMethod")}
            clean["calendarEventId"] = self.events.add(defaults | appointment)["id"]
        fields = {
            "title": template.get("title") or "",
            "description": template.get("encounterDescription") or "",
            "instruction": template.get("encounterInstruction") or "",
            # The type of a recorded encounter is its template's name.
            "type": clean.get("templateName") or "",
            "templateTitle": template.get("title"),
            "templateName": None,
            "notes": None,
            "status": "DRAFT",
            "calendarEventId": None,
            "startDatetime": None,
            "endDatetime": None,
            "activeUserId": None,
            "activeUserName": None,
            "ownerUserId": self.site.client_id,
            "ownerUserName": self.site.author,
        }
        record = envelope(self.site, patient_id.lower(), self._formation, fields)
        body = record["jsonBody"]
        self._write(body, clean)
        body["dispositionId"] = self.parts.begin(record, template.get("assessmentNames") or ())
        self.table.add(patient_id, record)
        return ok(self.shown(record), 201)

    def _write(self, body: Record, clean: Mapping[str, Any]) -> None:
        status = clean.get("status", body["status"])
        if status not in _STATUSES:
            raise validation_error("status is none of an encounter's", "ENCOUNTER", field="status")
        if clean.get("calendarEventId"):
            self.events.find(clean["calendarEventId"])
        if status == "FINALIZED" and body["status"] != "FINALIZED":
            body["endDatetime"] = self.site.clock.stamp()
        body.update(clean)

    def shown(self, record: Record) -> Record:
        """An encounter as answers hold it, with its calendar event as it is now.

        Args:
            record: As it is kept.
        """
        body = record["jsonBody"]
        event = self.events.records.get(body["calendarEventId"] or "")
        shown = None if event is None else self.events.shown(event)
        start = shown and shown["startDateTime"]
        times = {
            "local_created_at": local(body["created_at"]),
            "local_updated_at": local(body["updated_at"]),
            # Recorded with values where `startDatetime` and `endDatetime` are null: the event's are assumed.
            "localStartDatetime": local(body["startDatetime"]) or (shown and shown["localStartDateTime"]),
            "localEndDatetime": local(body["endDatetime"]) or (shown and shown["localEndDateTime"]),
            "calendarEventStartDatetime": start,
            "localCalendarEventStartDatetime": shown and shown["localStartDateTime"],
            "calendarEvent": shown,
            "currentScheduledAppointment": shown,
        }
        return {**record, "jsonBody": {**body, **times}}

    def info(self, event_id: str) -> Record | None:
        """The encounter of a calendar event (the keys of `encounterInfo` are unknown: chosen here).

        Args:
            event_id: The event's id.
        """
        for record in self.table:
            if record["jsonBody"]["calendarEventId"] == event_id:
                return {"encounterId": record["id"], "status": record["jsonBody"]["status"]}
        return None

    def get(self, call: Call, patient_id: str, encounter_id: str) -> Answer:
        """One encounter (recorded)."""
        return ok(self.shown(self.table.find(patient_id, encounter_id)))

    def update(self, call: Call, patient_id: str, encounter_id: str) -> Answer:
        """Change the keys sent (recorded: 200)."""
        record = self.table.find(patient_id, encounter_id)
        self._write(record["jsonBody"], picked(call.object(), _KINDS, "ENCOUNTER"))
        touch_envelope(self.site, record)
        return ok(self.shown(record))

    def delete(self, call: Call, patient_id: str, encounter_id: str) -> Answer:
        """Delete an encounter with its parts: 200 without a body; afterwards 404 DT_RECORD_NOT_FOUND (recorded)."""
        self.table.remove(patient_id, encounter_id)
        return no_content()

    def get_full(self, call: Call, patient_id: str, encounter_id: str) -> Answer:
        """One full encounter as a plain object (recorded)."""
        return ok(self._full(self.table.find(patient_id, encounter_id)))

    def _full(self, record: Record) -> Record:
        shown = self.shown(record)
        event = shown["jsonBody"]["calendarEvent"]
        user = self.events.users.records.get(event["hostId"]) if event else None
        return {
            "encounter": shown,
            "disposition": self.parts.dispositions.get(record["id"]),
            "calendarEvent": event,
            "userRelatedToCalendarEvent": user and {key: user[key] for key in user if key != "applicationAccess"},
            "assessmentLinks": list(self.parts.links[record["id"]].values()),
            "comments": list(self.parts.comments[record["id"]].values()),
        }

    def list_for_patient(self, call: Call, patient_id: str) -> Answer:
        """A page of a patient's encounters (recorded)."""
        return self._page(call, list(self.table.of(patient_id).values()))

    def list_full_for_patient(self, call: Call, patient_id: str) -> Answer:
        """A page of a patient's full encounters (documented)."""
        return self._page(call, list(self.table.of(patient_id).values()), full=True)

    def list_for_user(self, call: Call, user_id: str) -> Answer:
        """A page of a user's encounters: bare rows with `patientInfo` (recorded); whose they are is chosen here."""
        answer = self._select(call, self._of_user(user_id))
        answer["data"] = [self._bare(each) for each in answer["data"]]
        return ok(answer)

    def list_full_for_user(self, call: Call, user_id: str) -> Answer:
        """A page of a user's full encounters (documented)."""
        return self._page(call, self._of_user(user_id), full=True)

    def _of_user(self, user_id: str) -> list[Record]:
        user = user_id.lower()
        found = []
        for record in self.table:
            event = self.events.records.get(record["jsonBody"]["calendarEventId"] or "")
            people = {each["participantId"] for each in event["participants"]} if event else set()
            if user in people or user == record["jsonBody"]["ownerUserId"]:
                found.append(record)
        return found

    def _bare(self, shown: Record) -> Record:
        patient = self.table.patients.records.get(shown["patientId"], {})
        body = {key: value for key, value in shown["jsonBody"].items() if key not in _SYSTEM}
        names = {key: patient.get(key) for key in ("firstName", "lastName")}
        body["patientInfo"] = {"patientId": shown["patientId"], **names}
        return {**shown, "cdtId": None, "version": None, "cdtName": None, "jsonBody": body}

    def _page(self, call: Call, records: list[Record], *, full: bool = False) -> Answer:
        answer = self._select(call, records)
        if full:
            held = {record["id"]: record for record in records}
            answer["data"] = [self._full(held[each["id"]]) for each in answer["data"]]
        return ok(answer)

    def _select(self, call: Call, records: list[Record]) -> Record:
        wanted = {each for each in call.query.get("statuses", "").upper().split(",") if each}
        event = call.flag("onlyWithCalendarEvent")
        found = [
            self.shown(each)
            for each in records
            if (not wanted or each["jsonBody"]["status"] in wanted)
            and not (event and each["jsonBody"]["calendarEventId"] not in self.events.records)
        ]
        known = found[0]["jsonBody"] if found else ()
        return meta_page(sorted_by(found, call.query, known, "jsonBody"), call.query)


def missing(patient_id: str, encounter_id: str) -> ApiError:
    """404 of an encounter: the code of CDT records (recorded)."""
    return record_not_found(patient_id, _NAME, encounter_id)
