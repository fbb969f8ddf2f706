from __future__ import annotations

from typing import Any

from welkin_async.sandbox import Sandbox

from .api import NOBODY, Api
from .test_calendar import event

SYSTEM = {"id", "created_at", "created_by", "updated_at", "updated_by", "source_type", "external_id", "external_guid"}
ENVELOPE = {"id", "patientId", "cdtId", "version", "jsonBody", "cdtName"}


async def begin(api: Api, patient: str, **more: Any) -> dict[str, Any]:
    reply = await api("POST", f"patients/{patient}/encounters", {"templateName": "intake", "title": "First", **more})
    assert reply.status == 201
    return dict(reply.json)


async def test_create_from_a_template(api: Api, patient: str) -> None:
    made = await begin(api, patient)
    body = made["jsonBody"]
    assert set(made) == ENVELOPE
    assert set(body) > SYSTEM
    assert (made["cdtName"], body["status"], body["title"], body["type"]) == (
        "__encounter__",
        "DRAFT",
        "First",
        "intake",
    )
    assert body["instruction"] == "Ask for the history"
    assert body["local_created_at"].endswith("+00:00")
    path = f"patients/{patient}/encounters/{made['id']}"
    assert (await api("GET", path)).json == made
    links = (await api("GET", f"{path}/assessments", page="0")).json
    assert [each["jsonBody"]["assessmentName"] for each in links] == ["phq-2"]
    assert (links[0]["cdtName"], links[0]["jsonBody"]["source_id"]) == ("__encounter_assessment__", made["id"])
    disposition = (await api("GET", f"{path}/disposition")).json
    assert disposition["id"] == body["dispositionId"]
    assert (await api("POST", f"patients/{patient}/encounters", {"templateName": "nope"})).status == 404
    assert (await api("POST", f"patients/{patient}/encounters", {"title": 5})).status == 400


async def test_update_delete_and_what_is_gone(api: Api, patient: str) -> None:
    made = await begin(api, patient)
    path = f"patients/{patient}/encounters/{made['id']}"
    body = (await api("PATCH", path, {"status": "FINALIZED", "notes": "n", "nope": 1})).json["jsonBody"]
    assert (body["status"], body["notes"], body["title"]) == ("FINALIZED", "n", "First")
    assert body["localEndDatetime"] is not None
    assert (await api("PATCH", path, {"status": "GONE"})).status == 400
    assert (await api("PATCH", path, {"calendarEventId": NOBODY})).status == 404
    reply = await api("DELETE", path)
    assert (reply.status, reply.body) == (200, b"")
    for part in ("", "/comments", "/assessments", "/disposition"):
        assert (await api("GET", path + part)).code == "DT_RECORD_NOT_FOUND"


async def test_appointment_and_full_encounter(server: Sandbox, api: Api, patient: str) -> None:
    host = server.store.add_user("host", "h@x.org")["id"]
    appointment = {**event(host, patient), "eventType": "ENCOUNTER"}
    made = await begin(api, patient, currentScheduledAppointment=appointment)
    body = made["jsonBody"]
    assert body["calendarEvent"] == body["currentScheduledAppointment"]
    assert (body["calendarEvent"]["id"], body["calendarEvent"]["eventMode"]) == (body["calendarEventId"], "VIDEO")
    full = (await api("GET", f"patients/{patient}/full-encounters/{made['id']}")).json
    assert set(full) == {
        "encounter", "disposition", "calendarEvent", "userRelatedToCalendarEvent", "assessmentLinks", "comments",
    }  # fmt: skip
    assert full["encounter"] == made
    assert full["userRelatedToCalendarEvent"]["id"] == host
    assert "applicationAccess" not in full["userRelatedToCalendarEvent"]
    query = {"from": "2020-01-01T00:00:00.000Z", "to": "2090-01-01T00:00:00.000Z"}
    shown = (await api("GET", "calendar/events", **query, includeEncounterInfo="True")).json["content"][0]
    assert shown["encounterInfo"]["encounterId"] == made["id"]
    hidden = (await api("GET", "calendar/events", **query, excludeAssignedToEncounterEvents="true")).json
    assert hidden["totalElements"] == 0
    rows = (await api("GET", f"users/{host}/encounters", withCareTeam="false")).json
    assert set(rows) == {"data", "metaInfo"}
    row = rows["data"][0]
    assert (row["cdtId"], row["version"], row["cdtName"]) == (None, None, None)
    assert not SYSTEM & set(row["jsonBody"])
    assert row["jsonBody"]["patientInfo"]["patientId"] == patient
    many = (await api("GET", f"users/{host}/full-encounters")).json
    assert many["data"] == [full]


async def test_lists_by_status(api: Api, patient: str) -> None:
    first, second = await begin(api, patient), await begin(api, patient, title="Second")
    await api("PATCH", f"patients/{patient}/encounters/{first['id']}", {"status": "OPEN"})

    async def ids(kind: str = "encounters", **query: str) -> list[str]:
        answer = (await api("GET", f"patients/{patient}/{kind}", **query)).json
        assert answer["metaInfo"]["numberOfElements"] == len(answer["data"])
        return [(each.get("encounter") or each)["id"] for each in answer["data"]]

    assert await ids() == [first["id"], second["id"]]
    assert await ids(statuses="OPEN,ACTIVE") == [first["id"]]
    assert await ids(sort="title,desc") == [second["id"], first["id"]]
    assert await ids("full-encounters", size="1", page="1") == [second["id"]]
    assert await ids("full-encounters", onlyWithCalendarEvent="true") == []


async def test_comments_links_and_disposition(api: Api, patient: str) -> None:
    path = f"patients/{patient}/encounters/{(await begin(api, patient))['id']}"
    comment = (await api("POST", f"{path}/comments", {"text": "one"})).json
    assert set(comment) == {
        "id", "createdAt", "updatedAt", "createdBy", "updatedBy", "createdByName", "updatedByName", "encounterId",
        "text",
    }  # fmt: skip
    one = f"{path}/comments/{comment['id']}"
    assert (await api("PUT", one, {"text": "two"})).json["text"] == "two"
    assert (await api("GET", f"{path}/comments")).json == [(await api("GET", one)).json]
    assert (await api("POST", f"{path}/comments", {})).status == 400
    assert (await api("DELETE", one)).body == b""
    assert (await api("GET", one)).status == 404

    reply = await api("POST", f"{path}/assessments", {"assessmentName": "phq-2"})
    assert reply.status == 201
    link = f"{path}/assessments/{reply.json['id']}"
    changed = (await api("PATCH", link, {"assessmentRecordId": NOBODY})).json
    assert (changed["jsonBody"]["assessmentRecordId"], changed["jsonBody"]["fromTemplate"]) == (NOBODY, False)
    assert (await api("GET", link)).json == changed
    assert (await api("POST", f"{path}/assessments", {"assessmentName": "nope"})).status == 404
    assert (await api("DELETE", link)).status == 200
    assert (await api("GET", link)).code == "DT_RECORD_NOT_FOUND"

    body = (await api("PATCH", f"{path}/disposition", {"notes": "n", "icd-10": "G43", "nope": 1})).json["jsonBody"]
    assert (body["notes"], body["icd-10"], "nope" in body) == ("n", "G43", False)
    assert (await api("PATCH", f"{path}/disposition", {"notes": None})).json["jsonBody"]["notes"] is None


async def test_assessment_records(api: Api, patient: str) -> None:
    base = f"patients/{patient}/assessment-records"
    reply = await api("POST", base, {"assessmentName": "phq-2"})
    assert reply.status == 201
    made = reply.json
    assert set(made) == {
        "id", "createdAt", "updatedAt", "createdBy", "updatedBy", "createdByName", "updatedByName", "finalizedDate",
        "localFinalizedDate", "localCreatedDate", "localUpdatedDate", "assessmentName", "assessmentTitle",
        "assessmentCdtName", "version", "patientId", "status", "answers", "scoring", "folderId", "expirationDate",
        "questions", "resolvedCdtValues", "pfa",
    }  # fmt: skip
    assert (made["status"], made["assessmentCdtName"], made["questions"]) == ("IN_PROGRESS", "_phq-2", {})
    assert made["answers"]["id"] != made["id"]
    one = f"{base}/{made['id']}"
    answered = (await api("PUT", f"{one}/answers", {"phq__interest": "often", "PHQ__interest": "x"})).json
    assert answered["answers"]["phq__interest"] == "often"
    assert "PHQ__interest" not in answered["answers"]
    done = (await api("PUT", one, {**answered, "status": "COMPLETED"})).json
    assert (done["status"], set(done["questions"])) == ("COMPLETED", {"phq__interest", "phq__feeling-down"})
    assert done["finalizedDate"] is not None
    assert (await api("GET", base)).json["content"] == [done]
    assert (await api("PUT", one, {"status": "x"})).status == 400
    assert (await api("DELETE", one)).body == b""
    reply = await api("GET", one)
    assert (reply.code, set(reply.error["details"])) == ("ASSESSMENT_RECORD_NOT_FOUND", {"recordId", "patientId"})
    assert (await api("POST", base, {"assessmentName": "nope"})).status == 404
