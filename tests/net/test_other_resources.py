from __future__ import annotations

from datetime import UTC, datetime, time
from uuid import uuid4

import pytest

from welkin_async import Answer, InvalidInputError, NotFoundError, Welkin
from welkin_async.errors import BadRequestError
from welkin_async.sandbox import Sandbox

from .helpers import HERE, NOBODY, RawServer, always, connect, http


async def test_work_hours(server: Sandbox, welkin: Welkin) -> None:
    user = uuid4()
    hours = welkin.calendar.work_hours
    days = [{"day": 1, "startTime": time(9), "endTime": "17:30:00"}]
    made = await hours.create(
        psm_id=user, start_date_time=datetime(2024, 1, 1, tzinfo=UTC), end_date_time=datetime(2025, 1, 1, tzinfo=UTC),
        days_info=days,
    )  # fmt: skip
    assert made.psm_id == str(user)
    (period_id,) = server.store.work_hours
    held = server.store.work_hours[period_id]
    assert (held["startDateTime"], held["daysInfo"][0]["startTime"]) == ("2024-01-01T00:00:00.000Z", "09:00:00")
    start, end = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC)
    found = await hours.list(from_=start, to=end, psm_ids=[user, NOBODY], viewer_timezone="US/Pacific")
    assert found == (made,)
    assert f"psmIds={user}%2C{NOBODY}" in server.stats.log[-1].query
    assert await hours.list(from_=start, to=end, psm_ids=[NOBODY], psm_ids_name="psm-ids") == ()
    updated = await hours.update(
        period_id,
        {"psmId": str(user), "startDateTime": "2024-02-01T00:00:00.000Z", "endDateTime": None, "daysInfo": []},
    )
    assert updated.psm_id == str(user)
    assert server.store.work_hours[period_id]["endDateTime"] is None
    assert server.stats.log[-1].method == "PUT"
    with pytest.raises(NotFoundError):
        await hours.update(NOBODY, {"psmId": "x", "startDateTime": "2024-02-01", "endDateTime": None, "daysInfo": []})
    with pytest.raises(BadRequestError):
        await hours.create({"psmId": str(user)})
    with pytest.raises(InvalidInputError, match="naive"):
        await hours.list(from_=datetime(2024, 1, 1), to=datetime(2024, 1, 2), psm_ids=[])
    with pytest.raises((InvalidInputError, TypeError), match="psmid"):
        await hours.create(psmid="x")  # type: ignore[call-overload]


async def test_formations(server: Sandbox, welkin: Welkin) -> None:
    server.define_cdt("my cdt/2", {"dose": "text"})
    formations = welkin.formations()
    names = [each.name for each in await formations.cdts.list()]
    assert names == list(server.store.formations)
    found = await formations.cdts.get("my cdt/2")
    assert (found.name, found.id) == ("my cdt/2", server.store.formations["my cdt/2"]["id"])
    assert server.stats.log[-1].path == f"{HERE}/formations/current/cdts/my%20cdt%2F2"
    with pytest.raises(NotFoundError):
        await formations.cdts.get("nothing")


async def test_draft_formations() -> None:
    async with RawServer(always(http(200, []))) as server, connect(server) as welkin:
        assert await welkin.formations("draft").cdts.list() == ()
        assert server.seen[0].target == f"{HERE}/formations/draft/cdts"


async def test_any_request(server: Sandbox, welkin: Welkin, patient: str) -> None:
    answer = await welkin.request("GET", "/{tenant}/{instance}/patients/{patient_id}", path={"patient_id": patient})
    assert isinstance(answer, Answer)
    assert (answer.status, answer.data["id"], answer.attempts) == (200, patient, 1)
    assert answer.headers["content-type"] == "application/json"
    assert answer.request.template == "/{tenant}/{instance}/patients/{patient_id}"
    made = await welkin.request(
        "post",
        "/{tenant}/{instance}/patients/{patient_id}/cdts/{name}",
        path={"patient_id": patient, "name": "medication"},
        json={"code": "a"},
        timeout=5.0,
        max_attempts=1,
    )
    assert made.status == 201
    gone = await welkin.request(
        "DELETE",
        "/{tenant}/{instance}/patients/{patient_id}/cdts/medication/{id}",
        path={"patient_id": patient, "id": made.data["id"]},
    )
    assert (gone.status, gone.data) == (200, None)
    listed = await welkin.request("GET", "/{tenant}/{instance}/patients", query={"size": 1, "sort": None, "email": ""})
    assert listed.data["size"] == 1
    assert server.stats.log[-1].query == "size=1&email="
    with pytest.raises(InvalidInputError, match="slash"):
        await welkin.request("GET", "patients")
    with pytest.raises(InvalidInputError, match="patient_id"):
        await welkin.request("GET", "/{tenant}/{instance}/patients/{patient_id}")


async def test_any_request_with_any_json() -> None:
    async with RawServer(always(http(200, [1, "x"]))) as server, connect(server) as welkin:
        assert (await welkin.request("PUT", "/{tenant}/x", json=[1, None])).data == [1, "x"]
        assert (server.seen[0].body, server.seen[0].target) == (b"[1,null]", "/gh/x")
        await welkin.request("GET", "/{tenant}/x")
        assert server.seen[1].body == b""
        assert "content-type" not in server.seen[1].headers
