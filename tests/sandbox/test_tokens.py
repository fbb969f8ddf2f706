from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import Any

import pytest

from welkin_async.sandbox import Sandbox

from .api import SECRET, Api, connected, connected_to


def claims(token: str) -> dict[str, Any]:
    header, payload, signature = token.split(".")
    assert json.loads(base64.urlsafe_b64decode(header + "=="))["alg"] == "RS256"
    assert len(signature) > 300
    assert "=" not in token
    return dict(json.loads(base64.urlsafe_b64decode(payload + "==")))


async def test_token_is_a_jwt_unique_per_call(api: Api) -> None:
    first, second = await api.login(), await api.login()
    assert first.status == 200
    assert set(first.json) == {"clientName", "token", "enabled"}
    assert first.json["clientName"] == "SANDBOX"
    assert first.json["enabled"] is True
    assert first.json["token"] != second.json["token"]
    found = claims(first.json["token"])
    assert found["exp"] - found["iat"] == 3600
    assert isinstance(found["exp"], int)
    assert abs(found["iat"] - time.time()) < 3
    assert found["cognito:username"] == "SANDBOX"
    assert "Date" in first.headers


async def test_fractional_life_really_expires() -> None:
    async with Sandbox(token_life=0.15) as server, connected(server) as api:
        assert api.token is not None
        found = claims(api.token)
        assert round(found["exp"] - found["iat"], 3) == 0.15
        assert (await api("GET", "patients")).status == 200
        await asyncio.sleep(0.16)
        reply = await api("GET", "patients")
        assert (reply.status, reply.code) == (401, "TOKEN_EXPIRED")
        await api.login()
        assert (await api("GET", "patients")).status == 200


@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Basic abc", "Bearer", ""])
async def test_every_other_route_wants_a_token(server: Sandbox, header: str | None) -> None:
    async with connected(server) as api:
        headers = {} if header is None else {"Authorization": header}
        for path in ("/gh/sb-demo/patients", "/gh/admin/users", "/gh/nothing", "/gh"):
            async with api.session.get(server.base_url + path, headers=headers) as answer:
                assert answer.status == 401
                assert (await answer.json())[0]["errorCode"] == "NOT_VALID_JSON_WEB_TOKEN"


async def test_wrong_credentials(api: Api) -> None:
    for reply in (await api.login({"secret": "wrong"}), await api.login(client="OTHER")):
        assert reply.status == 401
        assert reply.error["componentType"] == "AUTH"
    unusable: list[object] = [{}, {"secret": 7}, []]
    for sent in unusable:
        assert (await api.login(sent)).code == "VALIDATION_ERROR"


async def test_secret_with_every_awkward_character() -> None:
    secret = "+ }{#%;\"'\\\u00e9"
    async with Sandbox(secret_key=secret, api_client="A/B %") as server:
        async with connected_to(server, "") as api:
            assert (await api.login({"secret": secret}, "A%2FB%20%25")).json["clientName"] == "A/B %"
        assert secret not in repr(server)


async def test_more_than_100_requests_block_authorization_for_5_minutes(server: Sandbox, api: Api) -> None:
    for _ in range(99):
        assert (await api.login()).status == 200
    token = api.token
    for _ in range(3):
        reply = await api.login()
        assert (reply.status, reply.error["componentType"]) == (429, "AUTH")
    assert server.stats.token_requests == 103
    assert (await api("GET", "patients", token=token)).status == 200
    server.clock.advance(299)
    assert (await api.login()).status == 429
    server.clock.advance(2)
    assert (await api.login()).status == 200


async def test_requests_spread_over_time_do_not_block(server: Sandbox, api: Api) -> None:
    for _ in range(3):
        server.clock.advance(301)
        for _ in range(100):
            assert (await api.login()).status == 200


async def test_expire_revoke_refuse(server: Sandbox, api: Api) -> None:
    server.expire_tokens()
    assert (await api("GET", "patients")).code == "TOKEN_EXPIRED"
    await api.login()
    assert api.token is not None
    server.revoke(api.token)
    assert (await api("GET", "patients")).code == "NOT_VALID_JSON_WEB_TOKEN"
    server.refuse_tokens = True
    assert (await api.login(SECRET)).status == 200
    assert (await api("GET", "patients")).status == 401
    server.refuse_tokens = False
    assert (await api("GET", "patients")).status == 200


async def test_clock_only_moves_forward(server: Sandbox) -> None:
    with pytest.raises(ValueError, match="forward"):
        server.clock.advance(-1)
