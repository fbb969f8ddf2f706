from __future__ import annotations

import pytest

from welkin_async.sandbox import Sandbox

from .api import NOBODY, Api, connected

NEW = {"username": "jo.doe+1@x.org", "email": "jo@x.org"}


async def test_create_is_provisioned_and_leaves_unset_keys_out(api: Api) -> None:
    reply = await api("POST", "/gh/admin/users", {**NEW, "firstName": "Jo", "userAttributes": {"a": 1}})
    assert reply.status == 201
    user = reply.json
    assert (user["userState"], user["enabled"], user["firstName"]) == ("PROVISIONED", False, "Jo")
    assert not {"lastName", "phone", "timezone", "credentials", "userAttributes"} & set(user)
    assert user["_root_user"] is False
    assert user["applicationAccess"]["userId"] == user["id"]
    for wrong in ({"username": "x"}, {"email": "x"}, NEW, {**NEW, "username": "y", "mfaEnabled": "yes"}):
        assert (await api("POST", "/gh/admin/users", wrong)).code == "VALIDATION_ERROR"


async def test_look_ups(server: Sandbox, api: Api) -> None:
    user = server.store.add_user(**NEW)
    for key, query in (("jo.doe%2B1@x.org", ""), (user["id"], "?type=ID"), ("jo@x.org", "?type=EMAIL")):
        assert (await api("GET", f"/gh/admin/users/{key}{query}")).json["id"] == user["id"]
    reply = await api("GET", "/gh/admin/users/me")
    assert (reply.status, reply.code, reply.error["details"]) == (404, "USER_NOT_FOUND", {})
    assert (await api("GET", f"/gh/admin/users/{NOBODY}", type="ID")).status == 404
    assert (await api("GET", "/gh/admin/users/x", type="PHONE")).status == 400


async def test_update_and_replace(server: Sandbox, api: Api) -> None:
    user = server.store.add_user(**NEW, firstName="Jo", phone="+1", roles=[{"permissionName": "nurse"}])
    path = f"/gh/admin/users/{user['id']}"
    changed = (await api("PATCH", path, {"lastName": "Doe", "phone": None}, type="ID")).json
    assert (changed["firstName"], changed["lastName"], "phone" in changed) == ("Jo", "Doe", False)
    assert (await api("PATCH", path, {"email": ""}, type="ID")).status == 400
    assert (await api("PATCH", path, {"email": 5}, type="ID")).status == 400
    replaced = (await api("PUT", path, {**NEW, "email": "new@x.org"}, type="ID")).json
    assert (replaced["email"], "firstName" in replaced, replaced["id"]) == ("new@x.org", False, user["id"])
    assert replaced["roles"] == [{"permissionName": "nurse"}]
    assert (await api("PUT", path, {"username": "x"}, type="ID")).status == 400


async def test_delete_is_restricted_unless_allowed(server: Sandbox, api: Api) -> None:
    server.store.add_user(**NEW)
    reply = await api("DELETE", "/gh/admin/users/jo.doe+1@x.org")
    assert (reply.status, reply.code) == (403, "ACCESS_FOR_API_CLIENT_RESTRICTED")
    assert reply.error["details"]["requestURI"] == "/gh/admin/users/jo.doe+1@x.org"
    async with Sandbox(allow_delete=True) as free, connected(free) as client:
        free.store.add_user(**NEW)
        assert (await client("DELETE", "/gh/admin/users/jo.doe+1@x.org")).status == 200
        assert not free.store.users


async def test_list_pages_and_filters(server: Sandbox, api: Api) -> None:
    west = [{"name": "West", "territories": ["Ohio"], "instanceName": "sb-demo"}]
    ids = [
        server.store.add_user(f"u{number}", f"{number}@x.org", firstName=f"F{number}", territories=west[number:])["id"]
        for number in range(3)
    ]
    server.store.add_user("z", "z@x.org", userState="ACTIVE", roles=[{"permissionName": "nurse"}], seats=[])

    async def found(path: str = "/gh/admin/users", **query: str) -> list[str]:
        reply = await api("GET", path, **query)
        assert reply.status == 200
        return [each["username"] for each in reply.json["data"]]

    page = (await api("GET", "/gh/admin/users", size="3", page="1")).json
    assert page["metaInfo"] == {
        "page": 1,
        "pageSize": 3,
        "totalElements": 4,
        "numberOfElements": 1,
        "totalPages": 2,
        "firstPage": False,
        "lastPage": True,
    }
    assert await found(search="F1") == ["u1"]
    assert await found(email="2@x.org") == await found(firstName="F2") == ["u2"]
    assert await found(ids=f"{ids[2]},{ids[0]}") == ["u0", "u2"]
    assert (
        await found(userState="ACTIVE") == await found(roleName="nurse") == await found(seatAssigned="False") == ["z"]
    )
    assert await found(region="West") == await found(region="West", territories="Ohio,Utah") == ["u0"]
    assert await found(region="West", territories="Utah") == []
    assert await found(sort="username,desc", size="1") == ["z"]
    assert await found("/gh/sb-demo/users", region="West") == ["u0"]
    assert (await api("GET", "users")).status == 400
    assert (await api("GET", "/gh/admin/users", userState="GONE")).status == 400


HOURS = {
    "psmId": NOBODY,
    "startDateTime": "2026-01-05T00:00:00.000Z",
    "endDateTime": "2026-02-01T00:00:00.000Z",
    "daysInfo": [{"day": 1, "startTime": "09:00:00", "endTime": "17:00:00"}, {"day": 7}],
}


async def test_work_hours(api: Api) -> None:
    path, other = "calendar/work-hours", "11111111-0000-4000-8000-000000000000"
    created = await api("POST", path, HOURS)
    assert created.status == 201
    assert created.json["psmId"] == NOBODY
    period = created.json["details"][0]
    assert period["daysInfo"][1]["startTime"] is None
    assert period["localStartDateTime"].endswith("+00:00")
    await api("POST", path, {**HOURS, "psmId": other, "endDateTime": None})

    async def owners(**query: str) -> list[str]:
        window = {"from": "2026-01-01T00:00:00.000Z", "to": "2026-03-01T00:00:00.000Z"}
        reply = await api("GET", path, **{**window, **query})
        assert isinstance(reply.json, list)
        return [each["psmId"] for each in reply.json]

    assert await owners() == await owners(psmIds=f"{NOBODY},{other}") == [NOBODY, other]
    assert await owners(psmIds=NOBODY) == await owners(**{"psm-ids": NOBODY}) == [NOBODY]
    assert await owners(**{"from": "2026-02-02T00:00:00.000Z"}) == [other]
    assert await owners(to="2025-12-31T00:00:00.000Z") == []
    changed = await api("PUT", f"{path}/{period['workHoursId']}", {**HOURS, "psmId": other})
    assert (changed.status, changed.json["psmId"]) == (200, other)
    assert changed.json["details"][0]["createdAt"] == period["createdAt"]
    assert await owners(psmIds=NOBODY) == []
    assert (await api("PUT", f"{path}/{NOBODY}", HOURS)).status == 404
    assert (await api("GET", path)).status == 400


@pytest.mark.parametrize(
    "wrong",
    [{"psmId": None}, {"psmId": 5}, {"daysInfo": {}}, {"daysInfo": [{"day": 8}]}, {"startDateTime": "x"}],
)
async def test_work_hours_refuse_what_is_incomplete(api: Api, wrong: dict[str, object]) -> None:
    assert (await api("POST", "calendar/work-hours", {**HOURS, **wrong})).code == "VALIDATION_ERROR"
