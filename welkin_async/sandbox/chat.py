"""Chat: messages of a patient with the care team, in pages that tokens lead through."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from .errors import ApiError, not_found, restricted, validation_error
from .records import PatientTable, picked, require
from .routing import Routes
from .site import Site
from .users import Users
from .wire import Answer, Call, Record, ok

__all__ = ["Chat"]

_PAGE = 20


@attrs.define
class Chat:
    """Chat messages and their section of the API.

    Attributes:
        site: Clock and ids.
        table: Messages per patient by `externalId`, in order of sending; each also knows its `receiver`.
        users: Senders on the team's side.
    """

    site: Site
    table: PatientTable
    users: Users

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/{instance}/patients/{patient_id}/chat"
        routes.add("chat.list", "GET", base, self.list_page)
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
        patient = self.table.patients.find(patient_id)
        parties = [_party("PATIENT", patient["id"]), _party("USER", user_id or self.site.client_id)]
        if user_id is not None:
            user = self.users.find(user_id, "ID")
            names = (user.get("firstName"), user.get("lastName"))
            parties[1]["titleName"] = " ".join(filter(None, names)) or user["username"]
            parties.reverse()
        message_id = f"IM{self.site.new_id().replace('-', '')}"
        record: Record = {
            "sender": parties[0],
            "message": message,
            "externalId": message_id,
            "createdAt": self.site.clock.stamp(),
            "receiver": parties[1],
        }
        self.table.of(patient_id)[message_id] = record
        return record

    def send_inbound(self, call: Call, patient_id: str) -> Answer:
        """Send as the patient: 200 with the message, the patient's full name filled in (recorded)."""
        patient, sent = self.table.patients.find(patient_id), picked(call.object(), {"message": str}, "CHAT")
        require(sent, ("message",), "CHAT")
        record = _without_receiver(self.add(patient_id, sent["message"]))
        name = f"{patient['firstName']} {patient['lastName']}"
        return ok({**record, "sender": {**record["sender"], "patientFullName": name}})

    def refuse(self, call: Call, patient_id: str) -> Answer:
        """403: API clients may neither archive nor restore (documented; the body as recorded for deletes)."""
        site = self.site
        raise restricted(site.client_id, site.api_client, site.tenant, call.path)

    def _newest_first(self, patient_id: str) -> list[Record]:
        return list(self.table.of(patient_id).values())[::-1]

    def list_page(self, call: Call, patient_id: str) -> Answer:
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
        content_size = _size(call.query.get("contentPageSize"))

        def hit(record: Record) -> Record:
            around = places[record["externalId"]]
            tokens = (_token("LOCAL_FIND", place, content_size) for place in (around, max(0, around - content_size)))
            return {"meta": dict(zip(("nextPageToken", "prevPageToken"), tokens, strict=True)), "message": record}

        return _page(call, "LOCAL_SEARCH", found, (), hit, query=query)


def missing(patient_id: str, message_id: str) -> ApiError:
    """404 of a message; no operation asks for one."""
    return not_found("CHAT_MESSAGE_NOT_FOUND", "CHAT", "Message not found", id=message_id, patientId=patient_id)


def _party(kind: str, id: str) -> Record:
    return {"clientType": kind, "id": id, "titleName": None, "patientFullName": None}


def _without_receiver(record: Record) -> Record:
    return {key: value for key, value in record.items() if key != "receiver"}


def _token(kind: str, start: int, size: int, **more: Any) -> str:
    """An opaque token: base64 of JSON with a type, padding included (recorded)."""
    return base64.b64encode(json.dumps({"type": kind, "start": start, "size": size, **more}).encode()).decode()


def _token_of(text: str, kind: str) -> Record:
    try:
        found = json.loads(base64.b64decode(text, validate=True))
        if found["type"] != kind:
            raise ValueError
        return {**found, "start": int(found["start"]), "size": int(found["size"])}
    except (ValueError, KeyError, TypeError) as error:
        raise validation_error("pageToken is not one of this list", "CHAT", parameter="pageToken") from error


def _size(text: str | None) -> int:
    try:
        size = int(text or _PAGE)
    except ValueError:
        size = 0
    if size < 1:
        raise validation_error("a page size must be a positive integer", "CHAT")
    return size


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
    place = _token_of(token, kind) if token else {"start": 0, "size": _size(call.query.get("pageSize"))}
    start, size = place["start"], place["size"]
    content = [shown(each) for each in records[start : start + size]]
    following = _token(kind, start + size, size, **more) if start + size < len(records) else None
    earlier = _token(kind, max(0, start - size), size, **more) if start else None
    meta = {"nextPageToken": following, "prevPageToken": earlier, "pageSize": size, "found": bool(records)}
    return ok({"content": content, "meta": meta})
