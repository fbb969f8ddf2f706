"""What is sent in another than its documented form is refused, so that no answer holds it and nothing fails later."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from welkin_async.sandbox import Sandbox

from .api import NOBODY, Api

PERSON = {"participantId": NOBODY, "participantRole": "psm"}
EVENT = {
    "startDateTime": "2031-01-01T10:00:00.000Z",
    "endDateTime": "2031-01-01T11:00:00.000Z",
    "hostId": NOBODY,
    "participants": [PERSON],
}
HOURS = {"psmId": NOBODY, "startDateTime": "2031-01-01T00:00:00Z", "endDateTime": None, "daysInfo": [{"day": 1}]}
TASK = {"name": "A", "priority": "LOW", "status": "TODO", "assignee": {"id": NOBODY}}
FORMATIONS = "formations/draft"
LAST = "9999-12-31T23:59:59-12:00"  # a year later in UTC than there are years
FIRST = "0001-01-01T00:00:00+12:00"

REFUSED: list[tuple[str, str, Any]] = [
    ("POST", "calendar/events", {**EVENT, "participants": [{**PERSON, "participantId": [1]}]}),
    ("POST", "calendar/events", {**EVENT, "participants": [{**PERSON, "attended": "yes"}]}),
    ("POST", "calendar/events", {**EVENT, "hostId": {}}),
    ("POST", "calendar/events", {**EVENT, "startDateTime": FIRST}),
    ("POST", "calendar/events", {**EVENT, "endDateTime": LAST}),
    ("POST", "calendar/work-hours", {**HOURS, "psmId": "x"}),
    ("POST", "calendar/work-hours", {**HOURS, "daysInfo": [{"day": True}]}),
    ("POST", "calendar/work-hours", {**HOURS, "daysInfo": [{"day": 8}]}),
    ("POST", "calendar/work-hours", {**HOURS, "daysInfo": [{"day": 1, "startTime": "24:00:00"}]}),
    ("POST", "calendar/work-hours", {**HOURS, "startDateTime": FIRST}),
    ("POST", "tasks", {**TASK, "assignee": {"id": ""}}),
    ("POST", "tasks", {**TASK, "dueDate": LAST}),
    ("PATCH", "tasks", {"taskIds": [[1]], "status": "TODO"}),
    ("PATCH", "tasks", {"taskIds": [1], "status": "TODO"}),
    ("POST", f"{FORMATIONS}/programs", {"name": ["x"]}),
    ("POST", f"{FORMATIONS}/programs", {"name": {}}),
    ("POST", f"{FORMATIONS}/programs", {"name": "x", "phases": [{"title": "no name"}]}),
    ("POST", f"{FORMATIONS}/programs", {"name": "x", "phases": [5]}),
    ("POST", f"{FORMATIONS}/assessments", {"name": "x", "sections": 5}),
    ("POST", f"{FORMATIONS}/assessments", {"name": "x", "sections": [{"fields": 5}]}),
    ("POST", f"{FORMATIONS}/encounters", {"name": "x", "assessmentNames": [5]}),
    ("POST", f"{FORMATIONS}/encounters", {"name": "x", "defaultDuration": True}),
    ("POST", f"{FORMATIONS}/dictionaries", {"name": "x", "fields": [5]}),
    ("POST", f"{FORMATIONS}/document-types", {"name": "x", "fields": [{"name": "a", "type": "text", "phi": "yes"}]}),
    ("PUT", f"{FORMATIONS}/encounter-disposition", {"fields": [{"name": "a", "type": ["text"]}]}),
    ("POST", "patients", {"firstName": "A", "lastName": "B", "patientTerritories": [5]}),
    ("POST", "patients", {"firstName": "A", "lastName": "B", "patientTerritories": [{"name": "a", "territories": 5}]}),
    ("POST", "patients", {"firstName": "A", "lastName": "B", "birthDate": "2031-02-31"}),
    ("POST", "patients", {"firstName": "A", "lastName": "B", "birthDate": "0000-02-01"}),
    ("POST", "patients", {"firstName": "A", "lastName": "B", "careTeam": [{"id": "x"}]}),
    ("POST", "patients/{patient}/emails", {"subject": "A", "body": "B", "receiver": "x"}),
    ("POST", "patients/{patient}/sms", {"message": "A", "receiver": NOBODY, "sender": "x"}),
    ("POST", "patients/{patient}/contacts", {"name": "A", "pdtRecordId": ""}),
    ("POST", "patients/{patient}/encounters", {"calendarEventId": ""}),
    ("PATCH", "patients/{patient}/cdts/medication", {"rows": [{"id": 5, "jsonBody": {}}]}),
    ("PATCH", "patients/{patient}/cdts/medication", {"rows": [{"jsonBody": {}}]}),
    ("PUT", "/gh/admin/application-accesses/{user}", {"instanceAccesses": [{"instanceName": ["x"]}]}),
    ("PUT", "/gh/admin/application-accesses/{user}", {"adminAccessEnabled": "yes"}),
    ("PATCH", "/gh/admin/users/user", {"applicationAccess": {"instanceAccesses": 5}}),
    ("PUT", "/gh/admin/user-permissions/{user}", {"permissions": [{"permissionName": "a"}]}),
    (
        "PUT",
        "/gh/admin/user-territories/{user}",
        {"territories": [{"name": "a", "instanceName": "b", "territories": 5}]},
    ),
]


@pytest.mark.parametrize(("method", "path", "body"), REFUSED)
async def test_another_form_is_refused(
    method: str, path: str, body: Any, api: Api, server: Sandbox, patient: str
) -> None:
    user = server.store.add_user("user", "user@example.org")["id"]
    reply = await api(method, path.format(patient=patient, user=user), body)
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity"])
async def test_a_number_that_json_cannot_give_back_is_refused(number: str, api: Api, patient: str) -> None:
    reply = await api("POST", "patients", data=f'{{"firstName": "A", "lastName": "B", "cadence": [{number}]}}'.encode())
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("kind", "token"),
    [
        ("", {"type": "LOCAL_FIND", "start": -1, "size": 1}),
        ("", {"type": "LOCAL_FIND", "start": float("inf"), "size": 1}),
        ("", {"type": "LOCAL_FIND", "start": 0, "size": 0}),
        ("", ["LOCAL_FIND"]),
        ("/search", {"type": "LOCAL_SEARCH", "start": 0, "size": 1}),
        ("/search", {"type": "LOCAL_SEARCH", "start": 0, "size": 1, "query": 5}),
    ],
)
async def test_a_page_token_of_somebodys_own_making_is_refused(kind: str, token: Any, api: Api, patient: str) -> None:
    text = base64.b64encode(json.dumps(token).encode()).decode()
    reply = await api("GET", f"patients/{patient}/chat{kind}", pageToken=text)
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("path", ["export/PATIENT", "patients/{patient}/chat"])
async def test_a_size_of_thousands_of_digits_is_refused(path: str, api: Api, patient: str) -> None:
    reply = await api("GET", path.format(patient=patient), pageSize="9" * 5000)
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("moment", [FIRST, LAST])
async def test_a_period_at_the_end_of_time_is_refused(moment: str, api: Api) -> None:
    reply = await api("GET", "calendar/events", **{"from": moment, "to": "2031-01-01T00:00:00Z"})
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")


async def test_schedules_of_no_user_are_refused(api: Api) -> None:
    period = {"from": "2031-01-01T00:00:00Z", "to": "2031-01-02T00:00:00Z"}
    assert (await api("GET", "calendar/full-psm-schedules", psmIds="['null'", **period)).code == "VALIDATION_ERROR"


async def test_a_phase_of_a_program_is_completed(api: Api) -> None:
    body = {"name": "x", "phases": [{"name": "first", "title": None}]}
    made = (await api("POST", f"{FORMATIONS}/programs", body)).json
    assert made["phases"] == [
        {
            "name": "first",
            "title": "first",
            "type": "START",
            "description": "",
            "autoFinishProgram": False,
            "navigateTo": None,
        }
    ]


async def test_what_is_null_in_a_field_takes_its_usual_value(api: Api) -> None:
    body = {"name": "x", "fields": [{"name": "a", "type": "text", "phi": None, "meta": None}]}
    made = (await api("POST", f"{FORMATIONS}/document-types", body)).json
    (field,) = [each for each in made["fields"] if each["name"] == "a"]
    assert (field["phi"], field["meta"]) == (False, {"required": False})


async def test_work_hours_come_back_in_the_form_of_the_api(api: Api) -> None:
    made = (await api("POST", "calendar/work-hours", {**HOURS, "endDateTime": "2031-02-01T02:00:00+02:00"})).json
    (period,) = made["details"]
    assert (period["startDateTime"], period["endDateTime"]) == ("2031-01-01T00:00:00.000Z", "2031-02-01T00:00:00.000Z")


async def test_territories_that_were_left_out_are_none(api: Api) -> None:
    body = {"firstName": "A", "lastName": "B", "patientTerritories": [{"name": "north"}]}
    made = (await api("POST", "patients", body)).json
    assert made["patientTerritories"] == [{"name": "north", "territories": []}]
    assert [each["id"] for each in (await api("GET", "patients", territories="")).json["content"]] == [made["id"]]


async def test_a_user_is_made_with_access_to_instances(api: Api) -> None:
    access = {"adminAccessEnabled": True, "instanceAccesses": [{"instanceName": "sb-demo"}]}
    body = {"username": "a", "email": "a@example.org", "applicationAccess": access}
    made = (await api("POST", "/gh/admin/users", body)).json["applicationAccess"]
    assert made["adminAccessEnabled"] is True
    assert [(each["instanceName"], each["workshopAccessEnabled"]) for each in made["instanceAccesses"]] == [
        ("sb-demo", False)
    ]
