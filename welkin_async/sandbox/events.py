"""Calendar events: records, look-up by external id, and who takes part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from .errors import not_found, validation_error
from .moments import local, moment
from .pages import sorted_by, spring_page
from .patients import Patients
from .records import authored, picked, require, touch
from .routing import Routes
from .site import Site, format_moment
from .users import Users
from .wire import Answer, Call, Record, no_content, ok

__all__ = ["Events"]

_OPTIONAL: dict[str, Any] = {
    "externalId": str, "eventTitle": str, "eventDescription": str, "allDayEvent": bool, "eventType": str,
    "eventStatus": str, "eventMode": str, "eventColor": str, "timezone": str, "additionalInfo": dict, "createdBy": str,
}  # fmt: skip
_REQUIRED = ("startDateTime", "endDateTime", "hostId", "participants")
_KINDS = {**_OPTIONAL, "startDateTime": str, "endDateTime": str, "hostId": str, "participants": list}
_SORTABLE = frozenset(("id", "createdAt", "updatedAt", "duration", *_KINDS)) - {"participants", "additionalInfo"}


@attrs.define
class Events:
    """Calendar events and their section of the API.

    Attributes:
        site: Clock, ids and author.
        patients: Whose names participants bear.
        users: Whose names participants bear.
        records: Events by id, in order of creation.
        info: Tells the encounter of an event, for `includeEncounterInfo`; None for an event without one.
        on_write: Called with an event and CREATED or UPDATED.
    """

    site: Site
    patients: Patients
    users: Users
    records: dict[str, Record] = attrs.field(factory=dict, repr=False)
    info: Callable[[str], Record | None] = attrs.field(default=lambda event_id: None, repr=False)
    on_write: list[Callable[[Record, str], None]] = attrs.field(factory=list, repr=False)

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/{instance}/calendar/events"
        routes.add("calendar_events.list", "GET", base, self.list_page)
        routes.add("calendar_events.create", "POST", base, self.create)
        routes.add("calendar_events.get", "GET", base + "/{event_id}", self.get)
        routes.add("calendar_events.replace", "PUT", base + "/{event_id}", self.replace)
        routes.add("calendar_events.update", "PATCH", base + "/{event_id}", self.update)
        routes.add("calendar_events.delete", "DELETE", base + "/{event_id}", self.delete)
        routes.add("calendar_events.respond", "PUT", base + "/{event_id}/invitation-response", self.respond)

    def add(self, fields: Mapping[str, Any]) -> Record:
        """Create an event.

        Args:
            fields: By wire name; unknown ones are dropped.

        Raises:
            ApiError: 400, a required key is missing, a value does not fit, or the external id is taken.
        """
        require(fields, _REQUIRED, "CALENDAR")
        record: Record = {**authored(self.site), **dict.fromkeys(_OPTIONAL), "participants": []}
        del record["createdByName"], record["updatedByName"]
        record |= {"createdBy": self.site.client_id, "allDayEvent": False, "externalIdUpdatedAt": record["createdAt"]}
        self._write(record, fields)
        self.records[record["id"]] = record
        self._tell(record, "CREATED")
        return record

    def _tell(self, record: Record, what: str) -> None:
        for notify in self.on_write:
            notify(record, what)

    def _write(self, record: Record, sent: Mapping[str, Any]) -> None:
        """Everything that was sent, or nothing when a part does not fit."""
        if any(name.startswith("local") for name in sent):
            # A third-party client reports this refusal.
            raise validation_error("local* fields are read-only", "CALENDAR")
        clean = picked(sent, _KINDS, "CALENDAR")
        for name in ("createdBy", "allDayEvent", *_REQUIRED):
            if name in clean and clean[name] is None:
                del clean[name]
        key = clean.get("externalId")
        if key is not None and any(each["externalId"] == key and each is not record for each in self.records.values()):
            raise validation_error("externalId is taken", "CALENDAR", field="externalId")
        merged = {**record, **clean}
        start, end = (moment(merged, name, "CALENDAR") for name in ("startDateTime", "endDateTime"))
        if end < start:
            raise validation_error("endDateTime is before startDateTime", "CALENDAR", field="endDateTime")
        clean |= {"startDateTime": format_moment(start), "endDateTime": format_moment(end)}
        clean["duration"] = int((end - start).total_seconds())
        people: list[Record] = record["participants"]
        if "participants" in clean:
            people = clean["participants"] = self._participants(clean["participants"], people)
        if all(each["participantId"] != merged["hostId"] for each in people):
            raise validation_error("participants must contain the host", "CALENDAR", field="participants")
        if "externalId" in clean and clean["externalId"] != record["externalId"]:
            clean["externalIdUpdatedAt"] = self.site.clock.stamp()
        record.update(clean)

    def _participants(self, sent: list[Any], held: list[Record]) -> list[Record]:
        ids = {each["participantId"]: each["id"] for each in held}
        found = []
        for each in sent:
            if not isinstance(each, dict) or each.get("participantRole") not in ("psm", "patient"):
                raise validation_error("each participant needs a participantRole", "CALENDAR", field="participants")
            require(each, ("participantId",), "CALENDAR")
            person_id, user = each["participantId"], each["participantRole"] == "psm"
            # Whether unknown persons are refused is unknown: here they take part without a name.
            person = (self.users.records if user else self.patients.records).get(person_id, {})
            found.append({
                "id": ids.get(person_id) or self.site.new_id(),
                "participantId": person_id,
                "participantRole": each["participantRole"],
                "participationStatus": each.get("participationStatus") or "",
                "attended": bool(each.get("attended")),
                "timezone": person.get("timezone"),
                "firstName": person.get("firstName") or "",
                "lastName": person.get("lastName") or "",
                "deleted": False,
                "hasAccess": True,
                "email": person.get("email") or "",
                "phone": person.get("phone"),
                "gender": person.get("gender"),
                "birthDate": person.get("birthDate"),
                "enabled": person.get("enabled"),
            })  # fmt: skip
        return found

    def find(self, event_id: str, kind: str | None = None) -> Record:
        """An event by its id, or by its external id when `kind` is EXTERNAL_ID.

        Args:
            event_id: The key.
            kind: Value of `type`.

        Raises:
            ApiError: 400, unknown kind; 404 (its code is unknown: chosen here).
        """
        if kind not in (None, "", "ID", "EXTERNAL_ID"):
            raise validation_error("type must be EXTERNAL_ID", "CALENDAR", parameter="type")
        if kind == "EXTERNAL_ID":
            found = next((each for each in self.records.values() if each["externalId"] == event_id), None)
        else:
            found = self.records.get(event_id.lower())
        if found is None:
            raise not_found("CALENDAR_EVENT_NOT_FOUND", "CALENDAR", "Calendar event not found", id=event_id)
        return found

    def shown(self, record: Record, zone: str | None = None) -> Record:
        """An event as answers hold it, local times included.

        Args:
            record: As it is kept.
            zone: The viewer's zone; None for the event's own.
        """
        zone = zone or record["timezone"]
        times = {f"local{name[0].upper()}{name[1:]}": local(record[name], zone) for name in _REQUIRED[:2]}
        return {**record, **times}

    def create(self, call: Call) -> Answer:
        """Create an event: 201 (recorded), enumerations that were left out null."""
        return ok(self.shown(self.add(call.object())), 201)

    def get(self, call: Call, event_id: str) -> Answer:
        """One event by id (recorded) or `type=EXTERNAL_ID` (documented)."""
        return ok(self.shown(self.find(event_id, call.query.get("type"))))

    def update(self, call: Call, event_id: str) -> Answer:
        """Change the keys sent (recorded: 200)."""
        return self._change(self.find(event_id), call.object())

    def replace(self, call: Call, event_id: str) -> Answer:
        """Replace an event (documented); participants that stay keep their id, what is not sent becomes null."""
        record, sent = self.find(event_id), call.object()
        require(sent, _REQUIRED, "CALENDAR")
        return self._change(record, {**dict.fromkeys(_OPTIONAL), **sent})

    def _change(self, record: Record, sent: Mapping[str, Any]) -> Answer:
        self._write(record, sent)
        touch(self.site, record)
        self._tell(record, "UPDATED")
        return ok(self.shown(record))

    def delete(self, call: Call, event_id: str) -> Answer:
        """204; a future event is gone, a past one stays as it is and readable (recorded for a cancelled one)."""
        record = self.find(event_id)
        if record["startDateTime"] > self.site.clock.stamp():
            del self.records[record["id"]]
        return no_content(204)

    def respond(self, call: Call, event_id: str) -> Answer:
        """Answer an invitation: 200 without a body (the status is not stated)."""
        record, sent = self.find(event_id), call.object()
        require(sent, ("participantId", "participationStatus"), "CALENDAR")
        found = [each for each in record["participants"] if each["participantId"] == sent["participantId"]]
        if not found:
            raise not_found("PARTICIPANT_NOT_FOUND", "CALENDAR", "Nobody of that id takes part")
        found[0]["participationStatus"] = sent["participationStatus"]
        return no_content()

    def list_page(self, call: Call) -> Answer:
        """A page of the events that start from `from` to `to`, by start unless `sort` says otherwise.

        Raises:
            ApiError: 400, a bound is missing or a parameter malformed.
        """
        query = call.query
        start, end = (format_moment(moment(query, name, "CALENDAR")) for name in ("from", "to"))
        people = {each for each in query.get("participantIds", "").lower().split(",") if each}
        cancelled, assigned = call.flag("includeCancelled"), call.flag("excludeAssignedToEncounterEvents")
        found = [
            each
            for each in self.records.values()
            if start <= each["startDateTime"] <= end
            and (not people or any(one["participantId"] in people for one in each["participants"]))
            and query.get("eventType") in (None, "", each["eventType"])
            and (cancelled or (each["eventStatus"] or "").upper() != "CANCELLED")
            and not (assigned and self.info(each["id"]))
        ]
        # Recorded: sorted although no sort was asked for.
        sort = {**query, "sort": query.get("sort") or "startDateTime,asc"}
        page = spring_page(sorted_by(found, sort, _SORTABLE), sort)
        page["content"] = [self.shown(each, query.get("viewerTimezone")) for each in page["content"]]
        if call.flag("includeEncounterInfo"):
            for each in page["content"]:
                if each["eventType"] == "ENCOUNTER":
                    each["encounterInfo"] = self.info(each["id"])
        return ok(page)
