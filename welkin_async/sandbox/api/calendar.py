"""The calendar: events and who takes part, work hours of users, and schedules made of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from welkin_async.sandbox.api.patients import Patients
from welkin_async.sandbox.api.users import Users
from welkin_async.sandbox.http.errors import not_found, validation_error
from welkin_async.sandbox.http.messages import Answer, Call, Record, no_content, ok
from welkin_async.sandbox.http.routing import Routes
from welkin_async.sandbox.records.dates import local_timestamp, required_datetime, timestamp
from welkin_async.sandbox.records.pages import sorted_by, spring_page
from welkin_async.sandbox.records.records import authored_metadata, known_fields, require, touch
from welkin_async.sandbox.records.values import Kind, among, list_of, object_of, time_of_day, uuid
from welkin_async.sandbox.site import Site, format_timestamp

_OPTIONAL: dict[str, Kind] = {
    "externalId": str, "eventTitle": str, "eventDescription": str, "allDayEvent": bool, "eventType": str,
    "eventStatus": str, "eventMode": str, "eventColor": str, "timezone": str, "additionalInfo": dict, "createdBy": uuid,
}  # fmt: skip
_EVENT_REQUIRED = ("startDateTime", "endDateTime", "hostId", "participants")
_PARTICIPANT = object_of(
    {
        "participantId": uuid,
        "participantRole": among("psm", "patient"),
        "participationStatus": str,
        "attended": bool,
    },
    *("participantId", "participantRole"),
)
_RESPONSE: dict[str, Kind] = {"participantId": uuid, "participationStatus": str}
_KINDS: dict[str, Kind] = {
    **_OPTIONAL,
    "startDateTime": str,
    "endDateTime": str,
    "hostId": uuid,
    "participants": list_of(_PARTICIPANT),
}
_SORTABLE = frozenset(("id", "createdAt", "updatedAt", "duration", *_KINDS)) - {"participants", "additionalInfo"}


@attrs.define
class Events:
    """Calendar events and their section of the API.

    Attributes:
        site: Clock, ids and author.
        patients: Whose names participants bear.
        users: Whose names participants bear.
        records: Events by id, in order of creation.
        encounter_of: Finds the encounter of an event, for `includeEncounterInfo`; None for an event without one.
        on_write: Called with an event and CREATED or UPDATED.
    """

    site: Site
    patients: Patients
    users: Users
    records: dict[str, Record] = attrs.field(factory=dict, repr=False)
    encounter_of: Callable[[str], Record | None] = attrs.field(default=lambda event_id: None, repr=False)
    on_write: list[Callable[[Record, str], None]] = attrs.field(factory=list, repr=False)

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        one = "/{tenant}/{instance}/calendar/events/{event_id}"
        routes.collection("calendar_events", one, self, "list create get replace update delete")
        routes.add("calendar_events.respond", "PUT", one + "/invitation-response", self.respond)

    def add(self, fields: Mapping[str, Any]) -> Record:
        """Create an event.

        Args:
            fields: By wire name; unknown ones are dropped.

        Raises:
            ApiError: 400, a required key is missing, a value does not fit, or the external id is taken.
        """
        require(fields, _EVENT_REQUIRED, "CALENDAR")
        record: Record = {**authored_metadata(self.site), **dict.fromkeys(_OPTIONAL), "participants": []}
        del record["createdByName"], record["updatedByName"]
        record |= {"createdBy": self.site.client_id, "allDayEvent": False, "externalIdUpdatedAt": record["createdAt"]}
        self._write(record, fields)
        self.records[record["id"]] = record
        self._notify(record, "CREATED")
        return record

    def _notify(self, record: Record, what: str) -> None:
        for notify in self.on_write:
            notify(record, what)

    def _write(self, record: Record, sent: Mapping[str, Any]) -> None:
        """Everything that was sent, or nothing when a part does not fit."""
        if any(name.startswith("local") for name in sent):
            # A third-party client reports this refusal.
            raise validation_error("local* fields are read-only", "CALENDAR")
        clean = known_fields(sent, _KINDS, "CALENDAR")
        for name in ("createdBy", "allDayEvent", *_EVENT_REQUIRED):
            if name in clean and clean[name] is None:
                del clean[name]
        key = clean.get("externalId")
        if key is not None and any(each["externalId"] == key and each is not record for each in self.records.values()):
            raise validation_error("externalId is taken", "CALENDAR", field="externalId")
        merged = {**record, **clean}
        start, end = (required_datetime(merged, name, "CALENDAR") for name in ("startDateTime", "endDateTime"))
        if end < start:
            raise validation_error("endDateTime is before startDateTime", "CALENDAR", field="endDateTime")
        clean |= {"startDateTime": format_timestamp(start), "endDateTime": format_timestamp(end)}
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
        return {
            **record,
            "localStartDateTime": local_timestamp(record["startDateTime"], zone),
            "localEndDateTime": local_timestamp(record["endDateTime"], zone),
        }

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
        require(sent, _EVENT_REQUIRED, "CALENDAR")
        return self._change(record, {**dict.fromkeys(_OPTIONAL), **sent})

    def _change(self, record: Record, sent: Mapping[str, Any]) -> Answer:
        self._write(record, sent)
        touch(self.site, record)
        self._notify(record, "UPDATED")
        return ok(self.shown(record))

    def delete(self, call: Call, event_id: str) -> Answer:
        """204; a future event is gone, a past one stays as it is and readable (recorded for a cancelled one)."""
        record = self.find(event_id)
        if record["startDateTime"] > self.site.clock.stamp():
            del self.records[record["id"]]
        return no_content(204)

    def respond(self, call: Call, event_id: str) -> Answer:
        """Answer an invitation: 200 without a body (the status is not stated)."""
        record, kinds = self.find(event_id), _RESPONSE
        sent = known_fields(call.object(), kinds, "CALENDAR", tuple(kinds))
        found = [each for each in record["participants"] if each["participantId"] == sent["participantId"]]
        if not found:
            raise not_found("PARTICIPANT_NOT_FOUND", "CALENDAR", "No participant has that id")
        found[0]["participationStatus"] = sent["participationStatus"]
        return no_content()

    def list_records(self, call: Call) -> Answer:
        """A page of the events that start from `from` to `to`, by start unless `sort` says otherwise.

        Raises:
            ApiError: 400, a bound is missing or a parameter malformed.
        """
        query = call.query
        start, end = _period(query)
        people = {each for each in query.get("participantIds", "").lower().split(",") if each}
        cancelled, assigned = call.flag("includeCancelled"), call.flag("excludeAssignedToEncounterEvents")
        found = [
            each
            for each in self.records.values()
            if start <= each["startDateTime"] <= end
            and (not people or not people.isdisjoint(_people(each)))
            and query.get("eventType") in (None, "", each["eventType"])
            and (cancelled or not _is_cancelled(each))
            and not (assigned and self.encounter_of(each["id"]))
        ]
        # Recorded: sorted although no sort was asked for.
        sort = {**query, "sort": query.get("sort") or "startDateTime,asc"}
        page = spring_page(sorted_by(found, sort, _SORTABLE), sort)
        page["content"] = [self.shown(each, query.get("viewerTimezone")) for each in page["content"]]
        if call.flag("includeEncounterInfo"):
            for each in page["content"]:
                if each["eventType"] == "ENCOUNTER":
                    each["encounterInfo"] = self.encounter_of(each["id"])
        return ok(page)


def _period(query: Mapping[str, str]) -> tuple[str, str]:
    """The time from `from` to `to` as timestamps; 400 when either is missing."""
    start, end = (format_timestamp(required_datetime(query, name, "CALENDAR")) for name in ("from", "to"))
    return start, end


def _people(event: Record) -> set[str]:
    return {each["participantId"] for each in event["participants"]}


def _is_cancelled(event: Record) -> bool:
    return (event["eventStatus"] or "").upper() == "CANCELLED"


_WORK_HOURS_REQUIRED = ("psmId", "startDateTime", "endDateTime", "daysInfo")


@attrs.define
class WorkHours:
    """Work hours and their section of the API.

    Attributes:
        site: Clock, ids and author.
        periods: Periods by `workHoursId`.
        owners: User id (`psmId`) by `workHoursId`.
    """

    site: Site
    periods: dict[str, Record] = attrs.field(factory=dict, repr=False)
    owners: dict[str, str] = attrs.field(factory=dict, repr=False)

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        one = "/{tenant}/{instance}/calendar/work-hours/{work_hours_id}"
        routes.collection("work_hours", one, self, "list create update", update="PUT")

    def list_records(self, call: Call) -> Answer:
        """A bare array of `{psmId, details}` (recorded), users without hours left out.

        Takes `from`, `to` and `psmIds` (recorded) or `psm-ids` (documented). That the ids filter is documented but
        unproven; without any, everybody is listed.

        Raises:
            ApiError: 400, `from` or `to` is missing or malformed.
        """
        return ok([{"psmId": owner, "details": details} for owner, details in self.overlapping(call.query).items()])

    def overlapping(self, query: Mapping[str, str]) -> dict[str, list[Record]]:
        """Periods that overlap the time from `from` to `to`, by user id; users without any left out.

        Args:
            query: Decoded query parameters.

        Raises:
            ApiError: 400, `from` or `to` is missing or malformed.
        """
        start, end = required_datetime(query, "from", "CALENDAR"), required_datetime(query, "to", "CALENDAR")
        wanted = {each for each in (query.get("psmIds") or query.get("psm-ids") or "").lower().split(",") if each}
        found: dict[str, list[Record]] = {}
        for period_id, period in self.periods.items():
            owner = self.owners[period_id]
            overlaps = required_datetime(period, "startDateTime", "CALENDAR") < end and (
                period["endDateTime"] is None or required_datetime(period, "endDateTime", "CALENDAR") > start
            )
            if overlaps and (not wanted or owner in wanted):
                found.setdefault(owner, []).append(period)
        return found

    def create(self, call: Call) -> Answer:
        """Add a period: flat request, answer `{psmId, details}` (documented; 201 is chosen here, the text says 2xx)."""
        sent = _checked(call.object())
        period_id, now = self.site.new_id(), self.site.clock.stamp()
        period = {"createdAt": now, "createdBy": self.site.client_id, "name": None, "workHoursId": period_id}
        return ok(self._write(period, sent), 201)

    def update(self, call: Call, work_hours_id: str) -> Answer:
        """Replace a period (documented; the answer's shape is uncertain, that of create is chosen here).

        Raises:
            ApiError: 400, a required key is missing; 404 (its code is unknown: chosen here).
        """
        period = self.periods.get(work_hours_id.lower())
        if period is None:
            raise not_found("WORK_HOURS_NOT_FOUND", "CALENDAR", "Work hours not found", id=work_hours_id)
        return ok(self._write(period, _checked(call.object())))

    def _write(self, period: Record, sent: Record) -> Record:
        period |= {
            "updatedAt": self.site.clock.stamp(),
            "updatedBy": self.site.client_id,
            "type": "WORKING_HOURS",
            "ruleType": "DEFAULT",
            "startDateTime": timestamp(sent, "startDateTime", "CALENDAR"),
            "endDateTime": timestamp(sent, "endDateTime", "CALENDAR"),
            "localStartDateTime": local_timestamp(sent["startDateTime"]),
            "localEndDateTime": local_timestamp(sent["endDateTime"]),
            "daysInfo": [
                {
                    "startTime": day.get("startTime"),
                    "endTime": day.get("endTime"),
                    "day": day["day"],
                    "daysInfoId": self.site.new_id(),
                }
                for day in sent["daysInfo"]
            ],
        }
        owner = self.owners[period["workHoursId"]] = sent["psmId"].lower()
        self.periods[period["workHoursId"]] = period
        return {"psmId": owner, "details": [period]}


_DAY = object_of({"day": among(*range(1, 8)), "startTime": time_of_day, "endTime": time_of_day}, "day")


def _checked(sent: Record) -> Record:
    for name in _WORK_HOURS_REQUIRED:
        # An end may be null, for hours without end (recorded), but must be there (documented).
        if name not in sent or (sent[name] is None and name != "endDateTime"):
            raise validation_error(f"{name} is required", "CALENDAR", field=name)
    required_datetime(sent, "startDateTime", "CALENDAR")
    if sent["endDateTime"] is not None:
        required_datetime(sent, "endDateTime", "CALENDAR")
    known_fields(sent, {"psmId": uuid, "daysInfo": list_of(_DAY)}, "CALENDAR")
    return sent


_SHOWN = (
    "id", "eventId", "eventTitle", "eventType", "eventColor", "allDayEvent", "startDateTime", "localStartDateTime",
    "endDateTime", "localEndDateTime",
)  # fmt: skip


@attrs.define
class Schedules:
    """Schedules and their section of the API.

    Attributes:
        events: The events of the calendar.
        work_hours: The periods of work.
    """

    events: Events
    work_hours: WorkHours

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/{instance}/calendar"
        routes.add("schedules.list", "GET", base + "/psm-schedules", self.list_busy)
        routes.add("schedules.list_available", "GET", base + "/available-psm-schedules", self.list_available)
        routes.add("schedules.list_full", "GET", base + "/full-psm-schedules", self.list_full)
        routes.add("calendar_events.psm_summary", "GET", base + "/psm-event-summary", self.summary)

    def list_busy(self, call: Call) -> Answer:
        """A bare array of the users that have work hours or events (only empty ones are recorded)."""
        return ok([each for each in self._schedules(call) if each["workHours"] or each["events"]])

    def list_available(self, call: Call) -> Answer:
        """The users that have work hours (documented; how the server picks them is unknown: chosen here)."""
        return ok([each for each in self._schedules(call) if each["workHours"]])

    def list_full(self, call: Call) -> Answer:
        """Every user asked for (known from a published client only)."""
        return ok(self._schedules(call))

    def _schedules(self, call: Call) -> list[Record]:
        cancelled = bool(call.flag("includeCancelled"))
        hours = self.work_hours.overlapping(call.query)
        return [
            {
                "psmId": user,
                "workHours": hours.get(user, []),
                "events": [
                    {name: shown[name] for name in _SHOWN}
                    for shown in ({**self.events.shown(each), "eventId": each["id"]} for each in held)
                ],
            }
            for user, held in self._events(call, cancelled).items()
        ]

    def _events(self, call: Call, cancelled: bool) -> dict[str, list[Record]]:
        """Events from `from` to `to` of each user asked for; 400 when a parameter is missing."""
        query = call.query
        ids = query.get("psmIds") or query.get("psm-ids") or ""
        require({"psmIds": ids}, ("psmIds",), "CALENDAR")
        if not all(uuid(each) for each in ids.split(",") if each):
            raise validation_error("psmIds must be UUIDs", "CALENDAR", parameter="psmIds")
        start, end = _period(query)
        held = [
            each
            for each in self.events.records.values()
            if each["startDateTime"] < end and each["endDateTime"] > start and (cancelled or not _is_cancelled(each))
        ]
        return {
            user: [each for each in held if user in _people(each)]
            for user in dict.fromkeys(ids.lower().split(","))
            if user
        }

    def summary(self, call: Call) -> Answer:
        """Counts of each user's events; hours and occupancy are text with units (documented, their form chosen)."""
        now = self.events.site.clock.stamp()
        found = []
        for user, held in self._events(call, cancelled=True).items():
            hours = sum(each["duration"] for each in held) / 3600
            found.append({
                "psmId": user,
                "totalCreatedEvents": len(held),
                "totalOccurredEvents": sum(each["endDateTime"] <= now for each in held),
                "totalFutureEvents": sum(each["startDateTime"] > now for each in held),
                "eventStatusCount": dict(Counter(each["eventStatus"] or "SCHEDULED" for each in held)),
                "totalWorkingHours": "0 h",
                "totalEventHours": f"{hours:g} h",
                "occupancy": "0 %",
            })  # fmt: skip
        start, end = _period(call.query)
        return ok({"startDateTime": start, "endDateTime": end, "summary": found})
