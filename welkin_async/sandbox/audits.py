"""Audits: what was done to data, to users' access, and which webhooks went out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from .cdts import Cdts
from .moments import within
from .pages import meta_page, sorted_by
from .routing import Routes
from .site import Site
from .wire import Answer, Call, Record, ok

__all__ = ["Audits"]

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
                        "patientFullName": f"{patient['firstName']} {patient['lastName']}",
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
        names = " ".join(user[key] for key in ("firstName", "lastName") if user.get(key))
        self.security.append({
            "sentAt": self.site.clock.stamp(),
            **self._subject(),
            "objectUsername": user["username"],
            "objectUserId": user["id"],
            "objectActor": "USER",
            "objectFullName": names or user["username"],
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
    return within(found, query, lambda each: str(each["sentAt"]), "AUDIT")


def _page(call: Call, found: Sequence[Record]) -> Answer:
    return ok(meta_page(sorted_by(found, call.query, found[0] if found else ()), call.query))
