"""What belongs to an encounter: comments, links to assessments, and the disposition."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from .cdts import write
from .designs import Designs
from .errors import record_not_found
from .records import PatientTable, authored, envelope, picked, require, touch, touch_envelope
from .routing import Routes
from .site import Site
from .wire import Answer, Call, Record, no_content, ok

__all__ = ["EncounterParts"]

_LINK = "__encounter_assessment__"


@attrs.define
class EncounterParts:
    """Parts of encounters and their section of the API.

    Attributes:
        site: Clock, ids and author.
        encounters: Encounters per patient.
        designs: Titles of assessments, and the disposition's definition.
        comments: Comments by encounter id, then comment id.
        links: Links to assessments by encounter id, then link id.
        dispositions: Dispositions by encounter id.
    """

    site: Site
    encounters: PatientTable
    designs: Designs
    comments: dict[str, dict[str, Record]] = attrs.field(factory=dict, repr=False)
    links: dict[str, dict[str, Record]] = attrs.field(factory=dict, repr=False)
    dispositions: dict[str, Record] = attrs.field(factory=dict, repr=False)
    _link: Record = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.encounters.on_drop.append(self._forget)
        self._link = {"id": self.site.new_id(), "version": 1, "name": _LINK}

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/{instance}/patients/{patient_id}/encounters/{encounter_id}"
        routes.add("encounters.list_comments", "GET", base + "/comments", self.list_comments)
        routes.add("encounters.create_comment", "POST", base + "/comments", self.create_comment)
        routes.add("encounters.get_comment", "GET", base + "/comments/{comment_id}", self.get_comment)
        routes.add("encounters.update_comment", "PUT", base + "/comments/{comment_id}", self.update_comment)
        routes.add("encounters.delete_comment", "DELETE", base + "/comments/{comment_id}", self.delete_comment)
        routes.add("encounters.list_assessments", "GET", base + "/assessments", self.list_links)
        routes.add("encounters.create_assessment", "POST", base + "/assessments", self.create_link)
        routes.add("encounters.get_assessment", "GET", base + "/assessments/{link_id}", self.get_link)
        routes.add("encounters.update_assessment", "PATCH", base + "/assessments/{link_id}", self.update_link)
        routes.add("encounters.delete_assessment", "DELETE", base + "/assessments/{link_id}", self.delete_link)
        routes.add("encounters.get_disposition", "GET", base + "/disposition", self.get_disposition)
        routes.add("encounters.update_disposition", "PATCH", base + "/disposition", self.update_disposition)

    def begin(self, encounter: Record, assessments: Iterable[str]) -> str:
        """Make the parts of a new encounter.

        Args:
            encounter: The encounter.
            assessments: Names of its template's assessments.

        Returns:
            Id of its disposition.
        """
        self.comments[encounter["id"]], self.links[encounter["id"]] = {}, {}
        for name in assessments:
            self._add_link(encounter, name, None, from_template=True)
        formation = self.designs.find("encounter-disposition", "")
        custom = {each["name"]: None for each in formation["fields"]}
        source = {"source_type": "ENCOUNTER", "source_name": "__encounter__", "source_id": encounter["id"]}
        found = envelope(self.site, encounter["patientId"], formation, custom, **source)
        self.dispositions[encounter["id"]] = found
        return str(found["id"])

    def _forget(self, encounter: Record) -> None:
        for held in (self.comments, self.links, self.dispositions):
            held.pop(encounter["id"], None)

    def _find(self, held: dict[str, dict[str, Record]], patient_id: str, encounter_id: str, part_id: str) -> Record:
        encounter = self.encounters.find(patient_id, encounter_id)
        found = held[encounter["id"]].get(part_id.lower())
        if found is None:
            raise record_not_found(patient_id, _LINK if held is self.links else "__encounter__", part_id)
        return found

    def list_comments(self, call: Call, patient_id: str, encounter_id: str) -> Answer:
        """A bare array (documented)."""
        return ok(list(self.comments[self.encounters.find(patient_id, encounter_id)["id"]].values()))

    def create_comment(self, call: Call, patient_id: str, encounter_id: str) -> Answer:
        """Add a comment: 201 (documented)."""
        encounter, sent = self.encounters.find(patient_id, encounter_id), call.object()
        require(picked(sent, {"text": str}, "ENCOUNTER"), ("text",), "ENCOUNTER")
        comment = {**authored(self.site), "encounterId": encounter["id"], "text": sent["text"]}
        self.comments[encounter["id"]][comment["id"]] = comment
        return ok(comment, 201)

    def get_comment(self, call: Call, patient_id: str, encounter_id: str, comment_id: str) -> Answer:
        """One comment (documented)."""
        return ok(self._find(self.comments, patient_id, encounter_id, comment_id))

    def update_comment(self, call: Call, patient_id: str, encounter_id: str, comment_id: str) -> Answer:
        """Change a comment's text (documented)."""
        comment, sent = self._find(self.comments, patient_id, encounter_id, comment_id), call.object()
        require(picked(sent, {"text": str}, "ENCOUNTER"), ("text",), "ENCOUNTER")
        comment["text"] = sent["text"]
        touch(self.site, comment)
        return ok(comment)

    def delete_comment(self, call: Call, patient_id: str, encounter_id: str, comment_id: str) -> Answer:
        """Delete a comment: 200 without a body (assumed)."""
        return self._delete(self.comments, patient_id, encounter_id, comment_id)

    def _delete(self, held: dict[str, dict[str, Record]], patient_id: str, encounter_id: str, part_id: str) -> Answer:
        found = self._find(held, patient_id, encounter_id, part_id)
        del held[self.encounters.find(patient_id, encounter_id)["id"]][found["id"]]
        return no_content()

    def list_links(self, call: Call, patient_id: str, encounter_id: str) -> Answer:
        """A bare array (recorded)."""
        return ok(list(self.links[self.encounters.find(patient_id, encounter_id)["id"]].values()))

    def create_link(self, call: Call, patient_id: str, encounter_id: str) -> Answer:
        """Link an assessment: 201 (recorded).

        Raises:
            ApiError: 400, no name; 404, unknown encounter or assessment.
        """
        encounter, sent = self.encounters.find(patient_id, encounter_id), call.object()
        clean = picked(sent, {"assessmentName": str, "assessmentRecordId": str}, "ENCOUNTER")
        require(clean, ("assessmentName",), "ENCOUNTER")
        return ok(self._add_link(encounter, clean["assessmentName"], clean.get("assessmentRecordId")), 201)

    def _add_link(self, encounter: Record, name: str, record_id: str | None, *, from_template: bool = False) -> Record:
        fields = {
            "fromTemplate": from_template,
            "assessmentTitle": self.designs.find("assessments", name)["title"],
            "relation": "ASSESSMENT",
            "assessmentName": name,
            "assessmentRecordId": record_id,
        }
        source = {"source_type": "ENCOUNTER", "source_name": "__encounter__", "source_id": encounter["id"]}
        link = envelope(self.site, encounter["patientId"], self._link, fields, **source)
        self.links[encounter["id"]][link["id"]] = link
        return link

    def get_link(self, call: Call, patient_id: str, encounter_id: str, link_id: str) -> Answer:
        """One link (recorded)."""
        return ok(self._find(self.links, patient_id, encounter_id, link_id))

    def update_link(self, call: Call, patient_id: str, encounter_id: str, link_id: str) -> Answer:
        """Change the record that is linked (recorded: 200)."""
        link = self._find(self.links, patient_id, encounter_id, link_id)
        link["jsonBody"].update(picked(call.object(), {"assessmentRecordId": str}, "ENCOUNTER"))
        touch_envelope(self.site, link)
        return ok(link)

    def delete_link(self, call: Call, patient_id: str, encounter_id: str, link_id: str) -> Answer:
        """Delete a link: 200 without a body (recorded)."""
        return self._delete(self.links, patient_id, encounter_id, link_id)

    def get_disposition(self, call: Call, patient_id: str, encounter_id: str) -> Answer:
        """The disposition, which came with the encounter (recorded)."""
        return ok(self.dispositions[self.encounters.find(patient_id, encounter_id)["id"]])

    def update_disposition(self, call: Call, patient_id: str, encounter_id: str) -> Answer:
        """Change the fields sent, null clearing one (documented); unknown ones are dropped."""
        record = self.dispositions[self.encounters.find(patient_id, encounter_id)["id"]]
        write(self.designs.formation("encounter-disposition", ""), record["jsonBody"], call.object())
        touch_envelope(self.site, record)
        return ok(record)
