"""Messages: emails and text messages, of patients and of senders who were not recognized; and chat."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import attrs

from welkin_async.sandbox.api.patients import PatientCollection
from welkin_async.sandbox.api.users import Users
from welkin_async.sandbox.http.errors import restricted, validation_error
from welkin_async.sandbox.http.messages import Answer, Call, Record, ok
from welkin_async.sandbox.http.routing import Routes
from welkin_async.sandbox.records.dates import timestamp
from welkin_async.sandbox.records.pages import positive_size
from welkin_async.sandbox.records.records import full_name, known_fields, require
from welkin_async.sandbox.records.values import Kind, uuid

_SHARED = (
    "id", "sendNow", "scheduledAt", "sentAt", "receivedAt", "date", "careTeam", "patientInfo", "timezone", "sender",
    "from", "receiver", "to", "direction", "externalId", "starred", "senderName", "receiverName",
)  # fmt: skip
_EQUAL = ("sender", "receiver", "direction", "from", "to", "senderName", "receiverName", "status")
_OPEN = ("SCHEDULED", "UNRECOGNISED")


@attrs.define
class _Messages(PatientCollection):
    """Messages of one kind and their section of the API (documented): of a patient, or of unrecognized senders.

    The path of a message of an unrecognized sender has no patient.

    Attributes:
        name: What paths and operations call them.
        texts: Fields that carry text.
        more: Fields that only answers have.
        address: Where a person has an address for them.
        arrived: Status of one that was received.
        unrecognized: Messages of unrecognized senders, by id.
    """

    name: ClassVar[str]
    texts: ClassVar[tuple[str, ...]]
    more: ClassVar[Record]
    address: ClassVar[str]
    arrived: ClassVar[str]
    page = "content"

    unrecognized: dict[str, Record] = attrs.field(factory=dict, init=False, repr=False)

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        name = self.name
        base = f"/{{tenant}}/{{instance}}/patients/{{patient_id}}/{name}"
        routes.collection(name, base + "/{message_id}", self, "list get update delete", update="PUT")
        routes.add(f"{name}.send", "POST", base, self.create, multipart="attachments" in self.more)
        one = f"/{{tenant}}/{{instance}}/unrecognized-patients/{name}/{{message_id}}"
        handlers = "list_unrecognized get_unrecognized update_unrecognized delete_unrecognized"
        routes.collection(name, one, self, handlers, update="PUT")

    def rows(self, patient_id: str | None = None) -> dict[str, Record]:
        """A patient's messages by id, or those of unrecognized senders."""
        return self.unrecognized if patient_id is None else super().rows(patient_id)

    def _blank(self, **fields: Any) -> Record:
        now = self.site.clock.stamp()
        head = {**dict.fromkeys(_SHARED), "id": self.site.new_id(), "date": now, "starred": False, "sendNow": False}
        return {**head, **dict.fromkeys(self.texts, ""), **self.more, "status": None, **fields}

    def receive(self, address: str, **texts: str) -> Record:
        """Receive a message of an unrecognized sender, which no request can bring about.

        Args:
            address: Email address or phone number of its sender.
            texts: `subject` and `body`, or `message`.
        """
        now = self.site.clock.stamp()
        record = self._blank(direction="IN", receivedAt=now, status="UNRECOGNISED", **{"from": address}, **texts)
        self.unrecognized[record["id"]] = record
        return record

    def create(self, call: Call, patient_id: str) -> Answer:
        """Send, at once or as scheduled: 201 (the status is not stated) with `sendNow` false.

        Raises:
            ApiError: 400, a text or the receiver is missing; 404, unknown patient.
        """
        rows, patient = self.rows(patient_id), self.patients.find(patient_id)
        sent = call.object() if call.parts is None else self._form(call)
        kinds: dict[str, Kind] = dict.fromkeys((*self.texts, "scheduledAt", "to"), str)
        kinds |= {"receiver": uuid, "sender": uuid, "sendNow": bool, "secure": bool}
        clean = known_fields(sent, kinds, self.component, (*self.texts, "receiver"))
        now, later = self.site.clock.stamp(), timestamp(clean, "scheduledAt", self.component)
        scheduled = later is not None and not clean.get("sendNow")
        record = self._blank()
        record |= {name: value for name, value in clean.items() if name in record}
        record |= {
            "sendNow": False,
            "scheduledAt": later,
            "sentAt": None if scheduled else now,
            "direction": "OUT",
            "to": clean.get("to") or patient[self.address],
            "receiverName": full_name(patient),
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
        rows[record["id"]] = record
        return ok(record, 201)

    @staticmethod
    def _form(call: Call) -> Record:
        """The values of a multipart form, in which a boolean is the text true."""
        values: Record = {}
        for part in call.parts or ():
            if part.name != "attachmentsAsFiles":
                text = part.content.read().decode("utf-8", "replace")
                values[part.name] = text == "true" if part.name in ("sendNow", "secure") else text
        return values

    def write(self, record: Record, sent: Record) -> None:
        """Star, reassign, or rewrite while SCHEDULED."""
        kinds: dict[str, Kind] = {"starred": bool, "sender": uuid}
        if record["status"] == "SCHEDULED":
            kinds |= {**dict.fromkeys((*self.texts, "scheduledAt"), str), "receiver": uuid}
        clean = known_fields(sent, kinds, self.component)
        if record["id"] in self.unrecognized and clean.get("sender"):
            rows = self.rows(clean["sender"])  # the patient it is given to
            rows[record["id"]] = self.unrecognized.pop(record["id"])
            record["status"] = self.arrived
        if "scheduledAt" in clean:
            clean["scheduledAt"] = timestamp(clean, "scheduledAt", self.component)
        record.update(clean)

    def delete(self, call: Call, *path: str) -> Answer:
        """Delete while SCHEDULED or UNRECOGNISED: 200 without a body (otherwise 400, chosen here)."""
        if self.find(*path)["status"] not in _OPEN:
            raise validation_error("only a scheduled or unrecognized message can be deleted", self.component)
        return super().delete(call, *path)

    def chosen(self, call: Call, records: Iterable[Record]) -> Iterable[Record]:
        """Those that meet every filter."""
        query, starred = call.query, call.flag("starred")
        wanted = {name: query[name] for name in _EQUAL if query.get(name)}
        either = query.get(self.address)
        text = query.get("search", "").lower()
        return [
            each
            for each in records
            if all(each[name] == value for name, value in wanted.items())
            and (starred is None or bool(each["starred"]) == starred)
            and (not either or either in (each["from"], each["to"]))
            and (not text or any(text in (each[name] or "").lower() for name in self.texts))
        ]


@attrs.define
class Emails(_Messages):
    """Emails and their section of the API; an empty page and the 404 are recorded."""

    component = "EMAIL"
    unknown = ("EMAIL_NOT_FOUND", "Email not found")
    name = "emails"
    texts = ("subject", "body")
    more = {"secure": False, "attachments": []}
    address = "email"
    arrived = "DELIVERED"
    sortable = (*_SHARED, "subject", "body", "status")


@attrs.define
class TextMessages(_Messages):
    """Text messages and their section of the API; an empty page and the 404 are recorded."""

    component = "SMS"
    unknown = ("SMS_NOT_FOUND", "Sms not found")
    details = ("id",)
    name = "sms"
    texts = ("message",)
    more = {"parts": 1}
    address = "phone"
    arrived = "RECEIVED"
    sortable = (*_SHARED, "message", "status")


@attrs.define
class Chat(PatientCollection):
    """Chat messages and their section of the API; they are held by `externalId`, and each knows its `receiver`.

    Attributes:
        users: Senders on the team's side.
    """

    users: Users

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/{instance}/patients/{patient_id}/chat"
        routes.add("chat.list", "GET", base, self.list_records)
        routes.add("chat.search", "GET", base + "/search", self.search)
        routes.add("chat.send_inbound", "POST", base + "/inbound", self.send_inbound)
        routes.add("chat.archive", "POST", base + "/archive", self.refuse)
        routes.add("chat.restore", "POST", base + "/restore", self.refuse)

    def add(self, patient_id: str, message: str, user_id: str | None = None) -> Record:
        """Add a message, of the patient or, as no request can, of a user.

        Args:
            patient_id: Whose chat it is.
            message: Its text.
            user_id: The user who sends it; None for the patient.

        Raises:
            ApiError: 404, unknown patient or user.
        """
        patient = self.patients.find(patient_id)
        parties = [_party("PATIENT", patient["id"]), _party("USER", user_id or self.site.client_id)]
        if user_id is not None:
            user = self.users.find(user_id, "ID")
            parties[1]["titleName"] = full_name(user) or user["username"]
            parties.reverse()
        message_id = f"IM{self.site.new_id().replace('-', '')}"
        record: Record = {
            "sender": parties[0],
            "message": message,
            "externalId": message_id,
            "createdAt": self.site.clock.stamp(),
            "receiver": parties[1],
        }
        self.rows(patient_id)[message_id] = record
        return record

    def send_inbound(self, call: Call, patient_id: str) -> Answer:
        """Send as the patient: 200 with the message, the patient's full name filled in (recorded)."""
        patient = self.patients.find(patient_id)
        sent = known_fields(call.object(), {"message": str}, "CHAT", ["message"])
        record = _without_receiver(self.add(patient_id, sent["message"]))
        return ok({**record, "sender": {**record["sender"], "patientFullName": full_name(patient)}})

    def refuse(self, call: Call, patient_id: str) -> Answer:
        """403: API clients may neither archive nor restore (documented; the body as recorded for deletes)."""
        raise restricted(self.site, call.path)

    def _newest_first(self, patient_id: str) -> list[Record]:
        return list(self.rows(patient_id).values())[::-1]

    def list_records(self, call: Call, patient_id: str) -> Answer:
        """A page, newest first, of `pageSize` or by `pageToken` (recorded); times cut to the second (recorded).

        Raises:
            ApiError: 400, both parameters are sent, or a token is not one of these; 404, unknown patient.
        """
        call.flag("includeArchived")

        def shown(record: Record) -> Record:
            return _without_receiver({**record, "createdAt": f"{record['createdAt'][:19]}.000Z"})

        return _page(call, "LOCAL_FIND", self._newest_first(patient_id), ("includeArchived",), shown)

    def search(self, call: Call, patient_id: str) -> Answer:
        """A page of hits, each with tokens that `chat.list` takes to show its surroundings (recorded).

        Raises:
            ApiError: 400, no query, or a token together with another parameter; 404, unknown patient.
        """
        messages = self._newest_first(patient_id)
        token = call.query.get("pageToken")
        query = _token_of(token, "LOCAL_SEARCH")["query"] if token else call.query.get("query", "")
        require({"query": query}, ("query",), "CHAT")
        found = [each for each in messages if query.lower() in each["message"].lower()]
        places = {each["externalId"]: place for place, each in enumerate(messages)}
        content_size = positive_size(call.query, "contentPageSize", "CHAT")

        def hit(record: Record) -> Record:
            around = places[record["externalId"]]
            tokens = (_token("LOCAL_FIND", place, content_size) for place in (around, max(0, around - content_size)))
            return {"meta": dict(zip(("nextPageToken", "prevPageToken"), tokens, strict=True)), "message": record}

        return _page(call, "LOCAL_SEARCH", found, (), hit, query=query)


def _party(kind: str, id: str) -> Record:
    return {"clientType": kind, "id": id, "titleName": None, "patientFullName": None}


def _without_receiver(record: Record) -> Record:
    return {key: value for key, value in record.items() if key != "receiver"}


def _page(
    call: Call,
    kind: str,
    records: Sequence[Record],
    beside: Sequence[str],
    shown: Callable[[Record], Record],
    **more: str,
) -> Answer:
    """A page of `{content, meta}`; a token goes alone, but for the parameters in `beside`."""
    token = call.query.get("pageToken")
    if token and set(call.query) - {"pageToken", *beside}:
        raise validation_error("pageToken goes without other parameters", "CHAT", parameter="pageToken")
    place = _token_of(token, kind) if token else {"start": 0, "size": positive_size(call.query, "pageSize", "CHAT")}
    start, size = place["start"], place["size"]
    content = [shown(each) for each in records[start : start + size]]
    following = _token(kind, start + size, size, **more) if start + size < len(records) else None
    earlier = _token(kind, max(0, start - size), size, **more) if start else None
    meta = {"nextPageToken": following, "prevPageToken": earlier, "pageSize": size, "found": bool(records)}
    return ok({"content": content, "meta": meta})


def _token(kind: str, start: int, size: int, **more: Any) -> str:
    """An opaque token: base64 of JSON with a type, padding included (recorded)."""
    return base64.b64encode(json.dumps({"type": kind, "start": start, "size": size, **more}).encode()).decode()


def _token_of(text: str, kind: str) -> Record:
    try:
        found = json.loads(base64.b64decode(text, validate=True))
        start, size = found["start"], found["size"]
        if found["type"] != kind or type(start) is not int or type(size) is not int or start < 0 or size < 1:
            raise ValueError
        if kind == "LOCAL_SEARCH" and not isinstance(found["query"], str):
            raise ValueError
        return {**found, "start": start, "size": size}
    except (ValueError, KeyError, TypeError) as error:
        raise validation_error("pageToken is not one of this list", "CHAT", parameter="pageToken") from error
