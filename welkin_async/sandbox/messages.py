"""Emails and text messages, of patients and of senders who were not recognized."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from .errors import ApiError, not_found, validation_error
from .moments import instant
from .pages import sorted_by, spring_page
from .records import PatientTable, picked, require
from .routing import Routes
from .site import Site
from .wire import Answer, Call, Record, no_content, ok

__all__ = ["Messages"]

_SHARED = (
    "id", "sendNow", "scheduledAt", "sentAt", "receivedAt", "date", "careTeam", "patientInfo", "timezone", "sender",
    "from", "receiver", "to", "direction", "externalId", "starred", "senderName", "receiverName",
)  # fmt: skip
# Fields of each kind: those that carry text, and those that only answers have.
_TEXTS = {"email": ("subject", "body"), "sms": ("message",)}
_MORE: Mapping[str, Record] = {"email": {"secure": False, "attachments": []}, "sms": {"parts": 1}}
_EQUAL = ("sender", "receiver", "direction", "from", "to", "senderName", "receiverName", "status")
_OPEN = ("SCHEDULED", "UNRECOGNISED")


@attrs.define
class Messages:
    """Messages of one kind and their section of the API.

    Attributes:
        kind: `email` or `sms`.
        site: Clock and ids.
        table: Messages per patient.
        unrecognized: Messages that came from nobody known, by id.
    """

    kind: str
    site: Site
    table: PatientTable
    unrecognized: dict[str, Record] = attrs.field(factory=dict, repr=False)

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        name = "emails" if self.kind == "email" else "sms"
        base = f"/{{tenant}}/{{instance}}/patients/{{patient_id}}/{name}"
        routes.add(f"{name}.list", "GET", base, self.list_page)
        routes.add(f"{name}.send", "POST", base, self.send, multipart=self.kind == "email")
        routes.add(f"{name}.get", "GET", base + "/{message_id}", self.get)
        routes.add(f"{name}.update", "PUT", base + "/{message_id}", self.update)
        routes.add(f"{name}.delete", "DELETE", base + "/{message_id}", self.delete)
        base = f"/{{tenant}}/{{instance}}/unrecognized-patients/{name}"
        routes.add(f"{name}.list_unrecognized", "GET", base, self.list_unrecognized)
        routes.add(f"{name}.get_unrecognized", "GET", base + "/{message_id}", self.get_unrecognized)
        routes.add(f"{name}.update_unrecognized", "PUT", base + "/{message_id}", self.update_unrecognized)
        routes.add(f"{name}.delete_unrecognized", "DELETE", base + "/{message_id}", self.delete_unrecognized)

    def _blank(self, **fields: Any) -> Record:
        now = self.site.clock.stamp()
        texts = dict.fromkeys(_TEXTS[self.kind], "")
        head = {**dict.fromkeys(_SHARED), "id": self.site.new_id(), "date": now, "starred": False, "sendNow": False}
        return {**head, **texts, **_MORE[self.kind], "status": None, **fields}

    def receive(self, address: str, **texts: str) -> Record:
        """Let a message come in from nobody known, which no request can.

        Args:
            address: Email address or phone number of its sender.
            texts: `subject` and `body`, or `message`.
        """
        now = self.site.clock.stamp()
        record = self._blank(direction="IN", receivedAt=now, status="UNRECOGNISED", **{"from": address}, **texts)
        self.unrecognized[record["id"]] = record
        return record

    def _missing(self, patient_id: str | None, message_id: str) -> ApiError:
        return missing_of(self.kind)(patient_id or "", message_id)

    def _any(self, message_id: str) -> Record:
        found = self.unrecognized.get(message_id.lower())
        if found is None:
            raise self._missing(None, message_id)
        return found

    def send(self, call: Call, patient_id: str) -> Answer:
        """Send, at once or as scheduled: 201 (the status is not stated) with `sendNow` false (documented).

        Raises:
            ApiError: 400, a text or the receiver is missing; 404, unknown patient.
        """
        patient = self.table.patients.find(patient_id)
        sent = call.object() if call.parts is None else self._form(call)
        texts = _TEXTS[self.kind]
        kinds: dict[str, Any] = dict.fromkeys((*texts, "receiver", "scheduledAt", "sender", "to"), str)
        clean = picked(sent, {**kinds, "sendNow": bool, "secure": bool}, self.kind.upper())
        require(clean, (*texts, "receiver"), self.kind.upper())
        now, later = self.site.clock.stamp(), instant(clean, "scheduledAt", self.kind.upper())
        scheduled = later is not None and not clean.get("sendNow")
        record = self._blank(
            **{name: value for name, value in clean.items() if name != "secure" or self.kind == "email"}
        )
        record |= {
            "sendNow": False,
            "scheduledAt": later,
            "sentAt": None if scheduled else now,
            "direction": "OUT",
            "to": clean.get("to") or patient["email" if self.kind == "email" else "phone"],
            "receiverName": f"{patient['firstName']} {patient['lastName']}",
            "sender": clean.get("sender") or self.site.client_id,
            "senderName": self.site.author,
            "status": "SCHEDULED" if scheduled else "ACCEPTED",
        }
        if call.parts:
            record["attachments"] = [
                {"originalName": part.filename, "contentType": part.content_type, "size": part.content.size}
                for part in call.parts
                if part.name == "attachmentsAsFiles"
            ]
        return ok(self.table.add(patient_id, record), 201)

    @staticmethod
    def _form(call: Call) -> Record:
        """The values of a multipart form, in which a boolean is the text true (documented)."""
        values: Record = {}
        for part in call.parts or ():
            if part.name != "attachmentsAsFiles":
                text = part.content.read().decode("utf-8", "replace")
                values[part.name] = text == "true" if part.name in ("sendNow", "secure") else text
        return values

    def get(self, call: Call, patient_id: str, message_id: str) -> Answer:
        """One message; 404 with the recorded code."""
        return ok(self.table.find(patient_id, message_id))

    def get_unrecognized(self, call: Call, message_id: str) -> Answer:
        """One message of nobody known (documented)."""
        return ok(self._any(message_id))

    def update(self, call: Call, patient_id: str, message_id: str) -> Answer:
        """Star, reassign, or rewrite while SCHEDULED (documented)."""
        record = self.table.find(patient_id, message_id)
        self._change(record, call.object())
        return ok(record)

    def _change(self, record: Record, sent: Mapping[str, Any]) -> None:
        kinds: dict[str, Any] = {"starred": bool, "sender": str}
        if record["status"] == "SCHEDULED":
            kinds |= dict.fromkeys((*_TEXTS[self.kind], "receiver", "scheduledAt"), str)
        clean = picked(sent, kinds, self.kind.upper())
        if "scheduledAt" in clean:
            clean["scheduledAt"] = instant(clean, "scheduledAt", self.kind.upper())
        record.update(clean)

    def update_unrecognized(self, call: Call, message_id: str) -> Answer:
        """Star a message, or give it to the patient whose id is sent as `sender` (documented)."""
        record, sent = self._any(message_id), call.object()
        if sent.get("sender"):
            require(picked(sent, {"sender": str}, self.kind.upper()), ("sender",), self.kind.upper())
            self.table.add(sent["sender"], record)
            del self.unrecognized[record["id"]]
            record["status"] = "DELIVERED" if self.kind == "email" else "RECEIVED"
        self._change(record, sent)
        return ok(record)

    def delete(self, call: Call, patient_id: str, message_id: str) -> Answer:
        """Delete while SCHEDULED or UNRECOGNISED: 200 without a body (documented; otherwise 400, chosen here)."""
        self._check_open(self.table.find(patient_id, message_id))
        self.table.remove(patient_id, message_id)
        return no_content()

    def delete_unrecognized(self, call: Call, message_id: str) -> Answer:
        """Delete a message of nobody known: 200 without a body (assumed)."""
        record = self._any(message_id)
        self._check_open(record)
        del self.unrecognized[record["id"]]
        return no_content()

    def _check_open(self, record: Record) -> None:
        if record["status"] not in _OPEN:
            raise validation_error("only a scheduled or unrecognized message can be deleted", self.kind.upper())

    def list_page(self, call: Call, patient_id: str) -> Answer:
        """A page of a patient's messages (an empty one is recorded)."""
        return self._page(call, list(self.table.of(patient_id).values()))

    def list_unrecognized(self, call: Call) -> Answer:
        """A page of the messages of nobody known (documented)."""
        return self._page(call, list(self.unrecognized.values()))

    def _page(self, call: Call, records: Sequence[Record]) -> Answer:
        query, starred = call.query, call.flag("starred")
        wanted = {name: query[name] for name in _EQUAL if query.get(name)}
        either = query.get("email" if self.kind == "email" else "phone")
        text = query.get("search", "").lower()
        found = [
            each
            for each in records
            if all(each[name] == value for name, value in wanted.items())
            and (starred is None or bool(each["starred"]) == starred)
            and (not either or either in (each["from"], each["to"]))
            and (not text or any(text in (each[name] or "").lower() for name in _TEXTS[self.kind]))
        ]
        known = (*_SHARED, *_TEXTS[self.kind], "status")
        return ok(spring_page(sorted_by(found, query, known), query))


def missing_of(kind: str) -> Callable[[str, str], ApiError]:
    """What makes the 404 of a message, with the recorded codes and detail keys.

    Args:
        kind: `email` or `sms`.
    """

    def missing(patient_id: str, message_id: str) -> ApiError:
        if kind == "sms":
            return not_found("SMS_NOT_FOUND", "SMS", "Sms not found", id=message_id)
        return not_found("EMAIL_NOT_FOUND", "EMAIL", "Email not found", patientId=patient_id, id=message_id)

    return missing
