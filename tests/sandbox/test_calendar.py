from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from welkin_async.sandbox import Sandbox

from .api import NOBODY, Api

KEYS = {
    "id", "createdBy", "createdAt", "updatedBy", "updatedAt", "externalId", "externalIdUpdatedAt", "eventTitle",
    "eventDescription", "startDateTime", "localStartDateTime", "endDateTime", "localEndDateTime", "allDayEvent",
    "duration", "eventType", "eventStatus", "eventMode", "eventColor", "hostId", "timezone", "additionalInfo",
    "participants",
}  # fmt: skip
RANGE = {"from": "2020-01-01T00:00:00.000Z", "to": "2090-01-01T00:00:00.000Z"}


def day(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


@pytest.fixture
def host(server: Sandbox) -> str:
    return str(server.store.add_user("host", "host@x.org", firstName="Ada", lastName="Host")["id"])


def event(host: str, patient: str, days: float = 1, **more: Any) -> dict[str, Any]:
    people = [
        {"participantId": host, "participantRole": "psm"},
        {"participantId": patient, "participantRole": "patient"},
    ]
    times = {"startDateTime": day(days), "endDateTime": day(days + 1 / 24)}
    return {"hostId": host, "participants": people, "eventType": "APPOINTMENT", **times, **more}


async def test_create_answers_the_recorded_keys(api: Api, host: str, patient: str) -> None:
    reply = await api("POST", "calendar/events", event(host, patient, timezone="US/Pacific", nope=1))
    assert reply.status == 201
    made = reply.json
    assert set(made) == KEYS
    assert (made["duration"], made["eventMode"], made["allDayEvent"]) == (3600, None, False)
    assert made["localStartDateTime"].endswith(("-07:00", "-08:00"))
    person = made["participants"][0]
    assert (person["participantId"], person["firstName"], person["participationStatus"]) == (host, "Ada", "")
    assert (await api("GET", f"calendar/events/{made['id']}")).json == made


async def test_external_id_finds_an_event_and_is_unique(api: Api, host: str, patient: str) -> None:
    made = (await api("POST", "calendar/events", event(host, patient, externalId="a/b 1"))).json
    assert (await api("GET", "calendar/events/a%2Fb%201", type="EXTERNAL_ID")).json == made
    assert (await api("GET", f"calendar/events/{made['id']}", type="EXTERNAL_ID")).status == 404
    assert (await api("GET", "calendar/events/x", type="NAME")).status == 400
    assert (await api("POST", "calendar/events", event(host, patient, externalId="a/b 1"))).status == 400
    assert (await api("GET", f"calendar/events/{NOBODY}")).code == "CALENDAR_EVENT_NOT_FOUND"


async def test_what_does_not_fit_is_refused_whole(api: Api, host: str, patient: str) -> None:
    good = event(host, patient)
    wrong: list[dict[str, Any]] = [
        {**good, "localStartDateTime": day(1)},
        {**good, "endDateTime": day(0)},
        {**good, "startDateTime": "soon"},
        {**good, "participants": []},
        {**good, "participants": good["participants"][1:]},
        {**good, "participants": [{"participantId": host}]},
        {**good, "eventTitle": 5},
        {name: value for name, value in good.items() if name != "hostId"},
    ]
    for each in wrong:
        assert (await api("POST", "calendar/events", each)).status == 400
    made = (await api("POST", "calendar/events", good)).json
    assert (
        await api("PATCH", f"calendar/events/{made['id']}", {"eventTitle": "x", "endDateTime": day(0)})
    ).status == 400
    assert (await api("PATCH", f"calendar/events/{made['id']}", {"participants": []})).status == 400
    assert (await api("GET", f"calendar/events/{made['id']}")).json == made


async def test_update_replace_and_respond(server: Sandbox, api: Api, host: str, patient: str) -> None:
    made = (await api("POST", "calendar/events", event(host, patient, eventTitle="a"))).json
    path = f"calendar/events/{made['id']}"
    server.clock.advance(1)
    updated = (await api("PATCH", path, {"eventStatus": "COMPLETED"})).json
    assert (updated["eventTitle"], updated["eventStatus"]) == ("a", "COMPLETED")
    assert updated["updatedAt"] > made["updatedAt"]
    replaced = (await api("PUT", path, event(host, patient))).json
    assert (replaced["eventTitle"], replaced["eventStatus"]) == (None, None)
    assert [each["id"] for each in replaced["participants"]] == [each["id"] for each in made["participants"]]
    assert (await api("PUT", path, {"eventTitle": "x"})).status == 400
    answer = {"participantId": patient, "participationStatus": "Yes"}
    reply = await api("PUT", f"{path}/invitation-response", answer)
    assert (reply.status, reply.body) == (200, b"")
    assert (await api("GET", path)).json["participants"][1]["participationStatus"] == "Yes"
    assert (await api("PUT", f"{path}/invitation-response", {**answer, "participantId": NOBODY})).status == 404


async def test_delete_is_204_and_leaves_the_past_alone(api: Api, host: str, patient: str) -> None:
    future = (await api("POST", "calendar/events", event(host, patient))).json["id"]
    past = (await api("POST", "calendar/events", event(host, patient, days=-9, eventStatus="CANCELLED"))).json
    for event_id, status in ((future, 404), (past["id"], 200)):
        reply = await api("DELETE", f"calendar/events/{event_id}")
        assert (reply.status, reply.body) == (204, b"")
        assert (await api("GET", f"calendar/events/{event_id}")).status == status
    assert (await api("GET", f"calendar/events/{past['id']}")).json == past


async def test_list_by_time_people_and_type(api: Api, host: str, patient: str) -> None:
    for days in (3, 1, 2):
        await api("POST", "calendar/events", event(host, patient, days=days, eventTitle=str(days)))
    await api("POST", "calendar/events", event(host, host, eventStatus="CANCELLED", eventType="LEAVE"))

    async def titles(**query: str) -> list[str]:
        page = (await api("GET", "calendar/events", **{**RANGE, **query})).json
        assert page["sort"]["sorted"]
        return [each["eventTitle"] for each in page["content"]]

    assert await titles() == ["1", "2", "3"]
    assert await titles(sort="startDateTime,desc", size="2") == ["3", "2"]
    assert await titles(includeCancelled="true", participantIds=host, eventType="LEAVE") == [None]
    assert await titles(participantIds=NOBODY) == []
    assert await titles(to=day(2.5)) == ["1", "2"]
    assert (await api("GET", "calendar/events")).status == 400
    zoned = (await api("GET", "calendar/events", **RANGE, viewerTimezone="Asia/Tokyo")).json["content"]
    assert all(each["localStartDateTime"].endswith("+09:00") for each in zoned)


async def test_schedules_and_summary(api: Api, host: str, patient: str) -> None:
    await api("POST", "calendar/events", event(host, patient))
    hours = {"psmId": host, "startDateTime": day(0), "endDateTime": None, "daysInfo": [{"day": 1}]}
    assert (await api("POST", "calendar/work-hours", hours)).status == 201
    query = {**RANGE, "psmIds": f"{host},{NOBODY}"}
    for kind, who in (("", [host]), ("available-", [host]), ("full-", [host, NOBODY])):
        found = (await api("GET", f"calendar/{kind}psm-schedules", **query)).json
        assert [each["psmId"] for each in found] == who
        assert set(found[0]) == {"psmId", "workHours", "events"}
        assert found[0]["events"][0]["eventId"] == found[0]["events"][0]["id"]
        assert len(found[0]["workHours"]) == 1
    assert (await api("GET", "calendar/psm-schedules", **RANGE)).status == 400
    summary = (await api("GET", "calendar/psm-event-summary", **query)).json
    assert set(summary) == {"startDateTime", "endDateTime", "summary"}
    assert (summary["summary"][0]["totalFutureEvents"], summary["summary"][0]["totalEventHours"]) == (1, "1 h")
