"""Audits of data, of users' access and of webhooks; and exports, which page through all records of a kind."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import attrs

from welkin_async.sandbox.api.cdts import Cdts
from welkin_async.sandbox.http.errors import not_found
from welkin_async.sandbox.http.messages import Answer, Call, Record, ok
from welkin_async.sandbox.http.routing import Routes
from welkin_async.sandbox.records.dates import between_dates
from welkin_async.sandbox.records.pages import meta_page, positive_size, sorted_by
from welkin_async.sandbox.records.records import full_name
from welkin_async.sandbox.site import Site

_DATA_SORT = ("sentAt", "eventEntity", "eventSubtype", "patientId")
_DATA_FILTERS = {
    "cdtName": "cdtName", "entity": "eventEntity", "subjectUsername": "subjectUsername", "operation": "eventSubtype",
    "subjectFullName": "subjectFullName", "subjectActor": "subjectActor", "instance": "instance",
    "patientFullName": "patientFullName", "patientId": "patientId",
}  # fmt: skip
_SECURITY_FILTERS = (
    "subjectUsername", "subjectFullName", "subjectActor", "objectUsername", "objectFullName", "objectActor",
    "eventSubtype",
)  # fmt: skip
_WEBHOOK_FILTERS = {
    "instance": "instance", "eventSubtype": "eventSubtype", "entity": "eventEntity", "eventEntity": "eventEntity",
    "status": "status", "patientId": "patientId",
}  # fmt: skip


@attrs.define
class Audits:
    """Audits and their section of the API.

    Attributes:
        site: Clock, ids and the subject of every event.
        cdts: Records whose creation the data audit tells; updates and deletes are not kept.
        security: Changes of users' access.
        webhooks: Webhooks that went out.
    """

    site: Site
    cdts: Cdts
    security: list[Record] = attrs.field(factory=list, repr=False)
    webhooks: list[Record] = attrs.field(factory=list, repr=False)

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/admin/audit-"
        routes.add("audit.list_data", "GET", base + "data", self.list_data)
        routes.add("audit.list_security", "GET", base + "security", self.list_security)
        routes.add("audit.list_webhook", "GET", base + "webhook", self.list_webhook)

    def list_data(self, call: Call) -> Answer:
        """A page of the data audit: one CDT_CREATED for each CDT record there is (shape recorded)."""
        found = _filtered(self._created(), call.query, _DATA_FILTERS)
        page = meta_page(sorted_by(found, call.query, _DATA_SORT), call.query)
        formation = call.flag("includeFormation")
        page["data"] = [self._event(each, formation=bool(formation)) for each in page["data"]]
        return ok(page)

    def _created(self) -> Iterator[Record]:
        # Only what filters and sorts look at: the whole event is made for the page that is shown.
        for name, table in self.cdts.tables.items():
            for patient_id, records in table.items():
                patient = self.cdts.patients.records[patient_id]
                for record in records.values():
                    yield {
                        "eventEntity": "CDT",
                        **self._subject(),
                        "patientFullName": full_name(patient),
                        "patientId": patient_id,
                        "instance": self.site.instance,
                        "cdtName": name,
                        "eventSubtype": "CDT_CREATED",
                        "sentAt": record["jsonBody"]["created_at"],
                        "record": record,
                    }

    def _event(self, event: Record, *, formation: bool) -> Record:
        extra = {"cdt": self.cdts.formations.definitions[event["cdtName"]].shape} if formation else {}
        return {**event, "cdtRelation": "COMMON", "record": event["record"]["jsonBody"], "url": None, **extra}

    def _subject(self) -> Record:
        site = self.site
        return {
            "subjectUsername": site.api_client,
            "subjectUserId": site.client_id,
            "subjectActor": "API_CLIENT",
            "subjectFullName": site.api_client,
        }

    def access_changed(self, user: Record) -> None:
        """Note a change of a user's access.

        Args:
            user: The user.
        """
        self.security.append({
            "sentAt": self.site.clock.stamp(),
            **self._subject(),
            "objectUsername": user["username"],
            "objectUserId": user["id"],
            "objectActor": "USER",
            "objectFullName": full_name(user) or user["username"],
            "eventSubtype": "USER_ACCESS_UPDATED",
            "record": dict(user["applicationAccess"]),
        })  # fmt: skip

    def list_security(self, call: Call) -> Answer:
        """A page of the changes of access (documented; the page by analogy)."""
        return _page(call, _filtered(self.security, call.query, {name: name for name in _SECURITY_FILTERS}))

    def event_changed(self, event: Record, what: str) -> None:
        """Note a webhook of a calendar event as delivered.

        Args:
            event: The calendar event.
            what: CREATED or UPDATED.
        """
        patients = [each["participantId"] for each in event["participants"] if each["participantRole"] == "patient"]
        record = {
            "name": "calendar",
            "title": "Calendar",
            "url": "https://example.org/hook",
            "headers": [{"name": "Content-Type", "value": "application/json"}],
            "queryParameters": [],
            "payload": {"customFields": [], "predefinedFields": ["EVENT_ENTITY", "EVENT_SUBTYPE", "SOURCE_ID"]},
            "active": True,
            "enabled": True,
        }
        self.webhooks.append({
            "id": self.site.new_id(),
            "sentAt": self.site.clock.stamp(),
            "eventEntity": "CALENDAR",
            "instance": self.site.instance,
            "status": "DELIVERED",
            "statusCode": "OK",
            "response": "",
            "eventSubtype": f"CALENDAR_EVENT_{what}",
            "record": record,
            **({"patientId": patients[0]} if patients else {}),
        })  # fmt: skip

    def list_webhook(self, call: Call) -> Answer:
        """A page of the webhooks that went out (recorded)."""
        return _page(call, _filtered(self.webhooks, call.query, _WEBHOOK_FILTERS))


def _filtered(events: Iterable[Record], query: Mapping[str, str], names: Mapping[str, str]) -> list[Record]:
    wanted = {key: query[name] for name, key in names.items() if query.get(name)}
    found = [each for each in events if all(each.get(key) == value for key, value in wanted.items())]
    return between_dates(found, query, lambda each: str(each["sentAt"]), "AUDIT")


def _page(call: Call, found: Sequence[Record]) -> Answer:
    return ok(meta_page(sorted_by(found, call.query), call.query))


RecordSource = Callable[[], Iterable[Record]]
"""Gives the records of one resource, in any order."""

_Row = tuple[str, Record]


@attrs.define
class Exports:
    """Exports and their section of the API.

    No export is recorded. As two clients read it, the next `start` is the `end` of the page before, and seems to be
    inclusive: the last record of a page comes again as the first of the next.

    Attributes:
        sources: Where the records of each resource come from.
        overlap: Whether `start` is inclusive; False starts after it.
    """

    sources: Mapping[str, RecordSource] = attrs.field(repr=False)
    overlap: bool = True
    _snapshots: dict[str, list[_Row]] = attrs.field(factory=dict, repr=False)

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        routes.add("exports.list", "GET", "/{tenant}/{instance}/export/{resource_name}", self.page)

    def page(self, call: Call, resource_name: str) -> Answer:
        """A page of `{data, cursor}` from `start` on.

        An export reads what was there when it began; at its end it looks for what has come since, so that it can be
        resumed from the last `end`.

        Raises:
            ApiError: 400, the page size is malformed; 404, no such resource (unknown: chosen here).
        """
        start, size = call.query.get("start", ""), positive_size(call.query, "pageSize", "EXPORT")
        if resource_name not in self.sources:
            raise not_found("EXPORT_NOT_FOUND", "EXPORT", "No such resource", resource=resource_name)
        rows = self._snapshots.get(resource_name)
        if rows is None or not start:
            rows = self._read(resource_name)
        place = self._place(rows, start, size)
        if place + size >= len(rows):
            rows = self._read(resource_name)
            place = self._place(rows, start, size)
        page = rows[place : place + size]
        cursor = {
            "start": start or None,
            "end": page[-1][0] if page else start or None,
            "hasNext": place + size < len(rows),
            "pageSize": size,
        }
        return ok({"data": [record for _, record in page], "cursor": cursor})

    def _read(self, resource: str) -> list[_Row]:
        rows = [(_key(record), record) for record in self.sources[resource]()]
        rows.sort(key=lambda row: row[0])
        self._snapshots[resource] = rows
        return rows

    def _place(self, rows: list[_Row], start: str, size: int) -> int:
        place = bisect_left(rows, start, key=lambda row: row[0])
        exclusive = not self.overlap or size == 1  # A page of one that overlaps would never get anywhere.
        if start and exclusive and place < len(rows) and rows[place][0] == start:
            place += 1
        return place


def _key(record: Record) -> str:
    """Place of a record: the time it was made, then its id, so that no two share one."""
    body = record.get("jsonBody", record)
    made = body.get("created_at") or body.get("createdAt") or body.get("date") or ""
    return f"{made}_{record.get('id') or record.get('externalId') or ''}"
