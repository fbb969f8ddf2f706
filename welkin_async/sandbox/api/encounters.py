"""Encounters of patients: records in the envelope of CDT records, and the parts of each.

Parts are comments, links to assessments, and one disposition; a full encounter is one with all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from welkin_async.sandbox.api.calendar import Events
from welkin_async.sandbox.api.cdts import write_fields
from welkin_async.sandbox.api.formations import VersionedFormations
from welkin_async.sandbox.api.patients import PartCollection, PatientCollection
from welkin_async.sandbox.http.errors import validation_error
from welkin_async.sandbox.http.messages import Answer, Call, Record, ok
from welkin_async.sandbox.http.routing import Routes
from welkin_async.sandbox.records.dates import local_timestamp
from welkin_async.sandbox.records.records import authored_metadata, envelope, known_fields, touch
from welkin_async.sandbox.records.values import Kind, uuid

_NAME = "__encounter__"
_STATUSES = ("DRAFT", "OPEN", "ACTIVE", "FINALIZED", "CANCELLED")
_FIELDS: dict[str, Kind] = {
    **dict.fromkeys(("title", "description", "templateName", "notes", "status", "external_id"), str),
    **dict.fromkeys(("calendarEventId", "external_guid"), uuid),
}
_SYSTEM = (
    "id", "created_at", "created_by", "created_by_name", "updated_at", "updated_by", "updated_by_name", "source_type",
    "source_name", "source_id", "external_id", "external_guid",
)  # fmt: skip


_LINK = "__encounter_assessment__"


@attrs.define
class _Comments(PartCollection):
    """Comments on encounters (documented)."""

    component = "ENCOUNTER"
    cdt_name = _NAME
    fields = {"text": str}
    required = ("text",)

    def made(self, sent: Record, patient_id: str, encounter_id: str) -> Record:
        """A new comment."""
        encounter = self.wholes.find(patient_id, encounter_id)
        return {**authored_metadata(self.site), "encounterId": encounter["id"], **sent}


@attrs.define
class _Links(PartCollection):
    """Links from encounters to assessments (recorded).

    Attributes:
        formations: Titles of assessments.
    """

    component = "ENCOUNTER"
    cdt_name = _LINK
    fields = {"assessmentRecordId": uuid}
    new_fields = {"assessmentName": str, "assessmentRecordId": uuid}
    required = ("assessmentName",)
    inside = "jsonBody"

    formations: VersionedFormations
    _formation: Record = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._formation = {"id": self.site.new_id(), "version": 1, "name": _LINK}

    def made(self, sent: Record, patient_id: str, encounter_id: str) -> Record:
        """A new link; 404 for an unknown assessment."""
        encounter = self.wholes.find(patient_id, encounter_id)
        return self.link(encounter, sent["assessmentName"], sent.get("assessmentRecordId"))

    def link(
        self, encounter: Record, name: str, record_id: str | None = None, *, from_template: bool = False
    ) -> Record:
        """A link of an encounter to an assessment.

        Args:
            encounter: The encounter.
            name: Name of the assessment.
            record_id: The record of the assessment.
            from_template: Whether the encounter's template asks for it.

        Raises:
            ApiError: 404, there is no such assessment.
        """
        fields = {
            "fromTemplate": from_template,
            "assessmentTitle": self.formations.find("assessments", name)["title"],
            "relation": "ASSESSMENT",
            "assessmentName": name,
            "assessmentRecordId": record_id,
        }
        return envelope(self.site, encounter["patientId"], self._formation, fields, **_source(encounter))


def _source(encounter: Record) -> Record:
    return {"source_type": "ENCOUNTER", "source_name": _NAME, "source_id": encounter["id"]}


@attrs.define
class Encounters(PatientCollection):
    """Encounters, their parts, and their section of the API.

    Reading and deleting one are recorded; afterwards it is 404 DT_RECORD_NOT_FOUND (recorded).

    Attributes:
        events: Where an encounter's calendar event is.
        formations: Templates and the disposition's definition.
        comments: Comments on each.
        links: Links of each to assessments.
        dispositions: Dispositions by encounter id.
    """

    component = "ENCOUNTER"
    cdt_name = _NAME
    fields = _FIELDS
    inside = "jsonBody"

    events: Events
    formations: VersionedFormations
    comments: _Comments = attrs.field(init=False, repr=False)
    links: _Links = attrs.field(init=False, repr=False)
    dispositions: dict[str, Record] = attrs.field(factory=dict, init=False, repr=False)
    _formation: Record = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._formation = {"id": self.site.new_id(), "version": 1, "name": _NAME}
        self.comments, self.links = _Comments(self.site, self), _Links(self.site, self, self.formations)
        self.events.encounter_of = self.encounter_of

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        patient, user = "/{tenant}/{instance}/patients/{patient_id}", "/{tenant}/{instance}/users/{user_id}"
        one = patient + "/encounters/{encounter_id}"
        comments = "list_comments create_comment get_comment update_comment delete_comment"
        routes.collection("encounters", one + "/comments/{comment_id}", self.comments, comments, update="PUT")
        links = one + "/assessments/{link_id}"
        routes.collection("encounters", links, self.links, "list_assessments create_assessment get_assessment")
        routes.collection("encounters", links, self.links, "update_assessment delete_assessment")
        routes.collection("encounters", one + "/disposition", self, "get_disposition update_disposition")
        routes.add("encounters.list_for_patient", "GET", patient + "/encounters", self.list_records)
        routes.add("encounters.list_full_for_patient", "GET", patient + "/full-encounters", self.list_full_for_patient)
        routes.add("encounters.list_for_user", "GET", user + "/encounters", self.list_for_user)
        routes.add("encounters.list_full_for_user", "GET", user + "/full-encounters", self.list_full_for_user)
        routes.collection("encounters", one, self, "create get update delete")
        routes.add("encounters.get_full", "GET", patient + "/full-encounters/{encounter_id}", self.get_full)

    def create(self, call: Call, patient_id: str) -> Answer:
        """Create an encounter: 201, DRAFT (recorded), its disposition and the template's assessments with it.

        `currentScheduledAppointment` makes a calendar event, of which the template supplies the mode (recorded).

        Raises:
            ApiError: 400, a value does not fit; 404, unknown patient, template or event.
        """
        rows, sent = self.rows(patient_id), call.object()
        clean = known_fields(sent, _FIELDS, "ENCOUNTER")
        template = self.formations.find("encounters", clean["templateName"]) if clean.get("templateName") else {}
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
        self.write(record, clean)
        for name in template.get("assessmentNames") or ():
            link = self.links.link(record, name, from_template=True)
            self.links.of(record)[link["id"]] = link
        formation = self.formations.find("encounter-disposition", "")
        custom = {each["name"]: None for each in formation["fields"]}
        disposition = envelope(self.site, record["patientId"], formation, custom, **_source(record))
        self.dispositions[record["id"]] = disposition
        record["jsonBody"]["dispositionId"] = disposition["id"]
        rows[record["id"]] = record
        return ok(self.shown(record), 201)

    def write(self, record: Record, sent: Record) -> None:
        """Change the keys sent (recorded: 200)."""
        body = record["jsonBody"]
        status = sent.get("status", body["status"])
        if status not in _STATUSES:
            raise validation_error("status is none of an encounter's", "ENCOUNTER", field="status")
        if sent.get("calendarEventId"):
            self.events.find(sent["calendarEventId"])
        if status == "FINALIZED" and body["status"] != "FINALIZED":
            body["endDatetime"] = self.site.clock.stamp()
        body.update(sent)

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
            "local_created_at": local_timestamp(body["created_at"]),
            "local_updated_at": local_timestamp(body["updated_at"]),
            # Recorded with values where `startDatetime` and `endDatetime` are null: the event's are assumed.
            "localStartDatetime": local_timestamp(body["startDatetime"]) or (shown and shown["localStartDateTime"]),
            "localEndDatetime": local_timestamp(body["endDatetime"]) or (shown and shown["localEndDateTime"]),
            "calendarEventStartDatetime": start,
            "localCalendarEventStartDatetime": shown and shown["localStartDateTime"],
            "calendarEvent": shown,
            "currentScheduledAppointment": shown,
        }
        return {**record, "jsonBody": {**body, **times}}

    def encounter_of(self, event_id: str) -> Record | None:
        """The encounter of a calendar event (the keys of `encounterInfo` are unknown: chosen here).

        Args:
            event_id: The event's id.
        """
        for record in self:
            if record["jsonBody"]["calendarEventId"] == event_id:
                return {"encounterId": record["id"], "status": record["jsonBody"]["status"]}
        return None

    def dropped(self, record: Record) -> None:
        """Remove an encounter's parts."""
        for held in (self.comments.held, self.links.held, self.dispositions):
            held.pop(record["id"], None)

    def get_full(self, call: Call, patient_id: str, encounter_id: str) -> Answer:
        """One full encounter as a plain object (recorded)."""
        return ok(self._full(self.find(patient_id, encounter_id)))

    def _full(self, record: Record) -> Record:
        shown = self.shown(record)
        event = shown["jsonBody"]["calendarEvent"]
        user = self.events.users.records.get(event["hostId"]) if event else None
        return {
            "encounter": shown,
            "disposition": self.dispositions.get(record["id"]),
            "calendarEvent": event,
            "userRelatedToCalendarEvent": user and {key: user[key] for key in user if key != "applicationAccess"},
            "assessmentLinks": list(self.links.of(record).values()),
            "comments": list(self.comments.of(record).values()),
        }

    def list_full_for_patient(self, call: Call, patient_id: str) -> Answer:
        """A page of a patient's full encounters (documented)."""
        return self._full_page(call, self.rows(patient_id).values())

    def list_for_user(self, call: Call, user_id: str) -> Answer:
        """A page of a user's encounters: bare rows with `patientInfo` (recorded); whose they are is chosen here."""
        answer = self._page(call, self._of_user(user_id))
        answer["data"] = [self._bare(each) for each in answer["data"]]
        return ok(answer)

    def list_full_for_user(self, call: Call, user_id: str) -> Answer:
        """A page of a user's full encounters (documented)."""
        return self._full_page(call, self._of_user(user_id))

    def _of_user(self, user_id: str) -> Iterator[Record]:
        user = user_id.lower()
        for record in self:
            event = self.events.records.get(record["jsonBody"]["calendarEventId"] or "")
            people = {each["participantId"] for each in event["participants"]} if event else set()
            if user in people or user == record["jsonBody"]["ownerUserId"]:
                yield record

    def _bare(self, shown: Record) -> Record:
        patient = self.patients.records.get(shown["patientId"], {})
        body = {key: value for key, value in shown["jsonBody"].items() if key not in _SYSTEM}
        names = {key: patient.get(key) for key in ("firstName", "lastName")}
        body["patientInfo"] = {"patientId": shown["patientId"], **names}
        return {**shown, "cdtId": None, "version": None, "cdtName": None, "jsonBody": body}

    def _page(self, call: Call, records: Iterable[Record]) -> Record:
        return self.paged(call, [self.shown(each) for each in self.chosen(call, records)])

    def _full_page(self, call: Call, records: Iterable[Record]) -> Answer:
        held = {record["id"]: record for record in records}
        answer = self._page(call, held.values())
        answer["data"] = [self._full(held[each["id"]]) for each in answer["data"]]
        return ok(answer)

    def chosen(self, call: Call, records: Iterable[Record]) -> Iterable[Record]:
        """Those of the `statuses` asked for, or `onlyWithCalendarEvent`."""
        wanted = {each for each in call.query.get("statuses", "").upper().split(",") if each}
        event = call.flag("onlyWithCalendarEvent")
        return [
            each
            for each in records
            if (not wanted or each["jsonBody"]["status"] in wanted)
            and not (event and each["jsonBody"]["calendarEventId"] not in self.events.records)
        ]

    def get_disposition(self, call: Call, patient_id: str, encounter_id: str) -> Answer:
        """The disposition, which came with the encounter (recorded)."""
        return ok(self.dispositions[self.find(patient_id, encounter_id)["id"]])

    def update_disposition(self, call: Call, patient_id: str, encounter_id: str) -> Answer:
        """Change the fields sent, null clearing one (documented); unknown ones are dropped."""
        record = self.dispositions[self.find(patient_id, encounter_id)["id"]]
        write_fields(self.formations.formation("encounter-disposition", ""), record["jsonBody"], call.object())
        touch(self.site, record)
        return ok(record)
