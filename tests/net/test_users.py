from __future__ import annotations

import pytest

from welkin_async import InvalidInputError, NotFoundError, PermissionDeniedError, Welkin, answer_of
from welkin_async.errors import BadRequestError
from welkin_async.sandbox import Sandbox

from .helpers import RawServer, always, connect, record


async def test_create_and_get_by_each_key(server: Sandbox, welkin: Welkin) -> None:
    made = await welkin.users.create(username="anna.b", email="anna@x.org", first_name="Anna", mfa_enabled=False)
    assert (answer_of(made).status, made.user_state, made.last_name) == (201, "PROVISIONED", None)
    assert "lastName" not in server.store.users[made.id]
    assert await welkin.users.get("anna.b") == made
    assert await welkin.users.get(made.id, type="ID") == made
    assert await welkin.users.get("anna@x.org", type="EMAIL") == made
    assert [entry.query for entry in list(server.stats.log)[-3:]] == ["", "type=ID", "type=EMAIL"]
    with pytest.raises(NotFoundError) as caught:
        await welkin.users.get("me")
    assert caught.value.error_codes == ("USER_NOT_FOUND",)
    with pytest.raises(BadRequestError):
        await welkin.users.create(username="anna.b", email="other@x.org")
    with pytest.raises(BadRequestError):
        await welkin.users.create({"username": "nobody"})


async def test_update_and_replace(server: Sandbox, welkin: Welkin) -> None:
    held = server.store.add_user("a+b@c", "a@x.org", firstName="A", phone="+15550100")
    updated = await welkin.users.update("a+b@c", first_name="B")
    assert (updated.first_name, updated.phone) == ("B", "+15550100")
    assert (await welkin.users.update(held["id"], type="ID", last_name="C")).last_name == "C"
    cleared = await welkin.users.update("a+b@c", {"phone": None})
    assert cleared.phone is None
    assert "phone" not in server.store.users[held["id"]]
    replaced = await welkin.users.replace("a+b@c", username="a+b@c", email="new@x.org")
    assert (replaced.email, replaced.first_name) == ("new@x.org", None)
    assert [entry.method for entry in list(server.stats.log)[-4:]] == ["PATCH", "PATCH", "PATCH", "PUT"]
    with pytest.raises(BadRequestError):
        await welkin.users.replace("a+b@c", email="new@x.org")
    with pytest.raises(NotFoundError):
        await welkin.users.update("nobody", first_name="x")


async def test_bodies_are_exactly_what_was_given() -> None:
    async with RawServer(always(record())) as server, connect(server) as welkin:
        await welkin.users.update("u", first_name=None, custom_user_attributes={"npi": ["1", "2"]})  # type: ignore[call-overload]
        await welkin.users.replace("u", {"username": "u", "email": "e", "unheardOf": 1})
        assert [seen.json for seen in server.seen] == [
            {"firstName": None, "customUserAttributes": {"npi": ["1", "2"]}},
            {"username": "u", "email": "e", "unheardOf": 1},
        ]


async def test_delete_is_refused_to_api_clients(server: Sandbox, welkin: Welkin) -> None:
    server.store.add_user("u1", "u1@x.org")
    with pytest.raises(PermissionDeniedError) as caught:
        await welkin.users.delete("u1")
    assert (caught.value.status, caught.value.attempts) == (403, 1)
    assert caught.value.error_codes == ("ACCESS_FOR_API_CLIENT_RESTRICTED",)
    assert server.stats.statuses[403] == 1
    async with Sandbox(allow_delete=True) as open_server, connect(open_server) as session:
        user = open_server.store.add_user("u1", "u1@x.org")
        assert (await session.users.delete(user["id"], type="ID")).status == 200
        assert open_server.store.users == {}


async def test_list_in_three_styles(server: Sandbox, welkin: Welkin) -> None:
    for index in range(25):
        server.store.add_user(f"u{index:02d}", f"u{index}@x.org", firstName="odd" if index % 2 else "even")
    names = [f"u{index:02d}" for index in range(25)]
    assert [user.username async for user in welkin.users.list()] == names
    pages = [page async for page in welkin.users.list(size=10).pages()]
    assert [(page.number, len(page.items), page.last) for page in pages] == [
        (0, 10, False),
        (1, 10, False),
        (2, 5, True),
    ]
    first = await welkin.users.list(size=1000)
    assert (len(first.items), first.total_elements, first.total_pages) == (25, 25, 1)
    assert await welkin.users.list().total() == 25
    odd = [user.username async for user in welkin.users.list(first_name="odd", sort="username,desc", size=5)]
    assert odd == names[1::2][::-1]


async def test_filters(server: Sandbox, welkin: Welkin) -> None:
    territory = {"name": "north", "territories": ["n1", "n2"]}
    one = server.store.add_user("one", "o+1@x.org", territories=[territory], userState="ACTIVE")
    two = server.store.add_user("two", "two@x.org", roles=[{"permissionName": "nurse"}], seats=[])
    users = welkin.users

    async def found(**query: object) -> list[str | None]:
        return [user.username async for user in users.list(**query)]  # type: ignore[arg-type]

    assert await found(email="o+1@x.org") == ["one"]
    assert await found(ids=[one["id"], two["id"]]) == ["one", "two"]
    assert await found(region="north", territories=["n0", "n2"]) == ["one"]
    assert await found(role_name="nurse") == ["two"]
    assert await found(user_state="ACTIVE") == ["one"]
    assert await found(seat_assigned=False) == ["two"]
    assert await found(search="TWO", include_deleted=True) == ["two"]
    assert "includeDeleted=true" in server.stats.log[-1].query
    with pytest.raises(InvalidInputError, match="comma"):
        await users.list(region="north", territories=["n,1"])
    assert [user.username async for user in users.list_by_region("north")] == ["one"]
    assert server.stats.log[-1].path == "/gh/sb-demo/users"
    assert [user.username async for user in users.list_by_region("south", seat_assigned=True, size=3)] == []
