"""Exports and audits."""

from __future__ import annotations

from typing import Any

import pytest

from welkin_async.sandbox import Sandbox

from .api import Api
from .test_calendar import event
from .test_encounters import begin


async def walk(api: Api, resource: str, start: str = "", size: int = 3) -> tuple[list[dict[str, Any]], str]:
    """Every record, each once, and the last `end`; a page may repeat the last record of the page before."""
    found: dict[str, dict[str, Any]] = {}
    while True:
        query = {"pageSize": str(size)} | ({"start": start} if start else {})
        answer = (await api("GET", f"export/{resource}", **query)).json
        assert set(answer) == {"data", "cursor"}
        assert set(answer["cursor"]) == {"start", "end", "hasNext", "pageSize"}
        assert len(answer["data"]) <= size
        found.update((each["id"], each) for each in answer["data"])
        end = answer["cursor"]["end"]
        if not answer["cursor"]["hasNext"]:
            return list(found.values()), end
        assert end != start
        start = end


@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize("size", [1, 2, 3, 100])
async def test_an_export_tells_everything_once(
    server: Sandbox, api: Api, patient: str, overlap: bool, size: int
) -> None:
    server.store.sections.exports.overlap = overlap
    other = server.store.add_patient()["id"]
    for number in range(7):
        await api("POST", f"patients/{(patient, other)[number % 2]}/cdts/medication", {"external_id": str(number)})
        server.clock.advance(0.5)
    found, end = await walk(api, "CDT_RECORD", size=size)
    assert [each["jsonBody"]["external_id"] for each in found] == list("0123456")
    first = (await api("GET", "export/CDT_RECORD", pageSize="3")).json
    second = (await api("GET", "export/CDT_RECORD", pageSize="3", start=first["cursor"]["end"])).json
    assert (second["data"][0] == first["data"][-1]) is overlap
    # What has come since is found from the last end on.
    await api("POST", f"patients/{patient}/cdts/vitals", {"external_id": "7"})
    later, _ = await walk(api, "CDT_RECORD", start=end, size=size)
    assert later[-1]["jsonBody"]["external_id"] == "7"
    assert len(later) == 1 + (overlap and size > 1)


async def test_every_resource_is_exported(server: Sandbox, api: Api, patient: str) -> None:
    host = server.store.add_user("host", "h@x.org")["id"]
    encounter = await begin(api, patient, currentScheduledAppointment=event(host, patient))
    await api("POST", f"patients/{patient}/encounters/{encounter['id']}/comments", {"text": "x"})
    await api("POST", f"patients/{patient}/assessment-records", {"assessmentName": "phq-2"})
    await api("PATCH", f"patients/{patient}/programs/wellness", {"assigned": True})
    await api("POST", f"patients/{patient}/pdts/insurance", {"payer": "x"})
    await api("POST", f"patients/{patient}/sms", {"message": "x", "receiver": patient})
    await api("POST", f"patients/{patient}/emails", {"subject": "x", "body": "x", "receiver": patient})
    sent = {"name": "x", "priority": "LOW", "status": "TODO", "assignee": {"id": host}}
    await api("POST", "tasks", sent)
    for resource in (
        "ASSESSMENT", "CALENDAR_EVENT", "EMAIL", "ENCOUNTER", "ENCOUNTER_COMMENT", "ENCOUNTER_DISPOSITION", "PATIENT",
        "PATIENT_PROGRAM", "PDT_RECORD", "SMS", "TASK",
    ):  # fmt: skip
        assert len((await walk(api, resource))[0]) == 1, resource
    exported = (await walk(api, "ENCOUNTER"))[0][0]
    assert exported == encounter
    await api("POST", f"patients/{patient}/chat/inbound", {"message": "x"})
    assert (await api("GET", "export/CHAT")).json["data"][0]["message"] == "x"
    empty = (await api("GET", "export/VOICE_CALL")).json
    assert (empty["data"], empty["cursor"]["hasNext"], empty["cursor"]["end"]) == ([], False, None)
    assert (await api("GET", "export/NOTHING")).status == 404
    for wrong in ("0", "x"):
        assert (await api("GET", "export/TASK", pageSize=wrong)).status == 400


async def test_data_audit_tells_of_creates(server: Sandbox, api: Api, patient: str) -> None:
    for name in ("medication", "vitals", "medication"):
        await api("POST", f"patients/{patient}/cdts/{name}", {})
        server.clock.advance(60)
    answer = (await api("GET", "/gh/admin/audit-data", sort="sentAt,desc", size="2")).json
    assert answer["metaInfo"]["totalElements"] == 3
    assert [each["cdtName"] for each in answer["data"]] == ["medication", "vitals"]
    told = answer["data"][0]
    assert (told["eventSubtype"], told["patientFullName"], "cdt" in told) == ("CDT_CREATED", "Charlie Taylor", False)
    assert told["record"]["created_at"] == told["sentAt"]
    bounds = {"dateStart": answer["data"][1]["sentAt"], "dateEnd": answer["data"][1]["sentAt"]}
    shown = (await api("GET", "/gh/admin/audit-data", **bounds, includeFormation="true")).json["data"]
    assert [each["cdt"]["name"] for each in shown] == ["vitals"]
    for query, count in (({"cdtName": "vitals"}, 1), ({"patientId": "x"}, 0), ({"operation": "CDT_CREATED"}, 3)):
        assert (await api("GET", "/gh/admin/audit-data", **query)).json["metaInfo"]["totalElements"] == count


async def test_webhook_audit_tells_of_calendar_events(server: Sandbox, api: Api, patient: str) -> None:
    host = server.store.add_user("host", "h@x.org")["id"]
    made = (await api("POST", "calendar/events", event(host, patient))).json
    await api("PATCH", f"calendar/events/{made['id']}", {"eventTitle": "x"})
    answer = (await api("GET", "/gh/admin/audit-webhook", entity="CALENDAR", status="DELIVERED")).json
    assert [each["eventSubtype"] for each in answer["data"]] == ["CALENDAR_EVENT_CREATED", "CALENDAR_EVENT_UPDATED"]
    assert set(answer["data"][0]) == {
        "id", "sentAt", "eventEntity", "instance", "status", "statusCode", "response", "eventSubtype", "record",
        "patientId",
    }  # fmt: skip
    assert (await api("GET", "/gh/admin/audit-webhook", status="FAILED")).json["data"] == []
    assert (await api("GET", "/gh/admin/audit-security", sort="eventSubtype,desc")).json["data"] == []
    assert (await api("GET", "/gh/admin/audit-webhook", sort="nope,desc")).status == 400
