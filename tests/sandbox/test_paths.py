from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from welkin_async.sandbox import Sandbox
from welkin_async.sandbox.http.errors import ApiError
from welkin_async.sandbox.http.messages import Answer, Call
from welkin_async.sandbox.http.routing import Found, Routes

from .api import NOBODY, Api, connected_to


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("a%2Fb", "a/b"),
        ("%252e%252e", "%2e%2e"),
        ("%2e%2e", ".."),
        ("50%25", "50%"),
        ("a%3Fb%23c", "a?b#c"),
        ("%C3%A9%20x+y", "\u00e9 x+y"),
    ],
)
async def test_a_percent_encoded_segment_arrives_as_one(server: Sandbox, api: Api, raw: str, name: str) -> None:
    server.store.add_user(name, "a@b.org")
    reply = await api("GET", f"/gh/admin/users/{raw}")
    assert reply.status == 200
    assert reply.json["username"] == name
    assert server.stats.log[-1].path == f"/gh/admin/users/{raw}"


@pytest.mark.parametrize(
    "path",
    [
        "/other/sb-demo/patients",
        "/gh/other/patients",
        "/other/admin/users",
        "/gh/sb-demo/nothing",
        "/gh/sb-demo/patients/",
        "/gh/sb-demo//patients",
        "/gh/sb-demo",
        "/gh",
        f"/gh/sb-demo/patients/{NOBODY}/cdt/medication",
    ],
)
async def test_unknown_routes_and_foreign_names_are_404(api: Api, path: str) -> None:
    reply = await api("GET", path)
    assert reply.status == 404
    assert "date" in reply.error


async def test_wrong_verb_is_405(api: Api) -> None:
    reply = await api("PUT", "patients")
    assert (reply.status, reply.headers["Allow"]) == (405, "GET, POST")
    assert reply.code == "METHOD_NOT_ALLOWED"


async def test_tenant_and_instance_with_awkward_names() -> None:
    async with Sandbox(tenant="g h/1", instance="sb%demo") as server, connected_to(server, "g%20h%2F1") as api:
        assert (await api("GET", "/g%20h%2F1/sb%25demo/patients")).status == 200
        assert (await api("GET", "/g%20h/1/sb%25demo/patients")).status == 404


async def test_broken_json_is_400(api: Api) -> None:
    for data in (b"{", b"", b'{"firstName": NaN, "lastName": "x"}', b"\xff", b"[1]", b"[" * 5000):
        reply = await api("POST", "patients", data=data)
        assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")


async def test_absolute_request_target_as_sent_to_a_proxy(server: Sandbox, api: Api) -> None:
    host, port = server.base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"GET http://x/gh/sb-demo/patients HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.token}\r\n\r\n"
    writer.write(head.encode())
    assert b" 200 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_client_that_leaves_while_sending_is_survived_quietly(
    server: Sandbox, api: Api, capfd: pytest.CaptureFixture[str]
) -> None:
    host, port = server.base_url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /gh/sb-demo/patients HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    await asyncio.sleep(0.02)
    assert server.stats.in_flight == 1
    writer.transport.abort()
    await asyncio.sleep(0.02)
    assert server.stats.in_flight == 0
    assert (await api("GET", "patients")).status == 200
    assert capfd.readouterr() == ("", "")


def answer(call: Call, *parameters: str) -> Answer:
    """Handle a request of an operation that is looked up alone."""
    return Answer(200, b"", {})


def found(routes: Routes, path: str, method: str = "GET") -> tuple[str, list[str]] | frozenset[str]:
    """Tell which operation a request is for, and with which parameters; or which methods there are."""
    target = routes.find(method, URL(path, encoded=True).path_safe)
    return (target.operation.id, target.parameters) if isinstance(target, Found) else target


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
def test_every_text_survives_as_a_parameter(text: str) -> None:
    routes = Routes()
    routes.add("x", "GET", "/{tenant}/{instance}/x/{key}", answer)
    assert found(routes, f"/gh/sb/x/{quote(text, safe='')}") == ("x", ["gh", "sb", text])


def test_a_route_is_registered_once() -> None:
    routes = Routes()
    routes.add("x", "GET", "/{tenant}/x", answer)
    for path in ("/{tenant}/x", "/{organization}/x"):
        with pytest.raises(ValueError, match="twice"):
            routes.add("y", "GET", path, answer)
    assert found(routes, "/gh") == frozenset()


def test_of_two_operations_that_fit_the_one_added_first_is_found() -> None:
    routes = Routes()
    routes.add("get", "GET", "/x/{key}", answer)
    routes.add("new", "GET", "/x/new", answer)
    routes.add("make", "POST", "/x/new", answer)
    routes.add("change", "PATCH", "/{kind}/{key}", answer)
    assert found(routes, "/x/new") == ("get", ["new"])
    assert found(routes, "/x/new", "POST") == ("make", [])
    assert found(routes, "/x/new", "PATCH") == ("change", ["x", "new"])
    assert found(routes, "/x/new", "PUT") == frozenset({"GET", "POST", "PATCH"})
    assert found(routes, "/x/") == found(routes, "/x") == found(routes, "//new", "PATCH") == frozenset()


async def test_a_body_that_waits_for_an_invitation_is_invited(server: Sandbox, api: Api) -> None:
    host, port = server.base_url.removeprefix("http://").split(":")
    head = f"POST /gh/sb-demo/patients HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.token}\r\n"
    body = b'{"firstName": "Ada", "lastName": "L"}'
    for expected, status in (("100-continue", b" 100 "), ("200-ok", b" 417 ")):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"{head}Expect: {expected}\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        assert status in await reader.readline()
        if expected == "100-continue":
            await reader.readline()
            writer.write(body)
            assert b" 201 " in await reader.readline()
        writer.close()
        await writer.wait_closed()


@given(st.text("a1=&+%2Cf\u00e9", max_size=20))
def test_a_query_is_read_as_forms_are(text: str) -> None:
    assert Call("/", text).query == dict(parse_qsl(text, keep_blank_values=True))


def test_query_keeps_blank_values_and_decodes_plus() -> None:
    call = Call("/", "a=&b=1%2B2&c=x+y&flag=True", b"")
    assert call.query == {"a": "", "b": "1+2", "c": "x y", "flag": "True"}
    assert call.flag("flag") is True
    assert call.flag("none") is None
    with pytest.raises(ApiError):
        call.flag("c")
