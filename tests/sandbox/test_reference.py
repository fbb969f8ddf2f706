"""The OpenAPI document and the page that shows it, as a server hands them out."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import welkin_async.sandbox
from welkin_async.sandbox import Sandbox

KEPT = Path(welkin_async.sandbox.__file__).parent


async def get(server: Sandbox, path: str) -> tuple[aiohttp.ClientResponse, str]:
    async with aiohttp.ClientSession() as session, session.get(server.base_url + path) as answer:
        return answer, await answer.text()


async def test_the_document_is_the_one_of_the_package_for_this_server(server: Sandbox) -> None:
    answer, text = await get(server, "/openapi.json")
    assert (answer.status, answer.content_type) == (200, "application/json")
    served, kept = json.loads(text), json.loads((KEPT / "openapi.json").read_text(encoding="utf-8"))
    assert served.pop("servers") == [{"url": "/", "description": "This sandbox."}]
    assert kept.pop("servers")[0]["url"] == "https://api.{environment}.welkincloud.io"
    parameters = served["components"]["parameters"]
    assert [parameters[name].pop("example") for name in ("tenant", "instance", "api_client")] == [
        *("gh", "sb-demo", "SANDBOX")
    ]
    assert served == kept


async def test_neither_holds_what_the_server_holds_so_that_no_key_is_asked_for() -> None:
    async with Sandbox(control_key="key", secret_key="a-secret-of-its-own") as server:
        server.store.add_patient(firstName="Zaphod")
        assert (await get(server, "/"))[0].status == 403
        for path in ("/openapi.json", "/openapi"):
            answer, text = await get(server, path)
            assert answer.status == 200
            assert not any(word in text for word in ("Zaphod", "a-secret-of-its-own", '"key"'))
        assert server.stats.total == 0  # neither is part of the API


async def test_the_page_may_run_its_own_script_and_reach_nothing_else(server: Sandbox) -> None:
    answer, text = await get(server, "/openapi")
    assert (answer.status, answer.content_type) == (200, "text/html")
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split(";"))
    for tag in ("script", "style"):
        (own,) = re.findall(f"<{tag}[^>]*>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        assert policy[f"{tag}-src"] == f"'sha256-{digest}'"
    assert (policy["default-src"], policy["connect-src"]) == ("'none'", "'self'")
    assert re.findall(r"https?://|//[a-z]+\.[a-z]|@import|url\(", text) == []
    assert set(re.findall(r'(?:src|href)="([^"]*)"', text)) == {"#"}


@pytest.mark.parametrize("unsafe", ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("])
def test_the_page_puts_the_document_in_as_text_only(unsafe: str) -> None:
    assert unsafe not in (KEPT / "reference.html").read_text(encoding="utf-8")


async def test_the_page_reads_what_the_document_has(server: Sandbox) -> None:
    served: dict[str, Any] = json.loads((await get(server, "/openapi.json"))[1])
    page = (await get(server, "/openapi"))[1]
    operations = [each for path in served["paths"].values() for each in path.values()]
    for name in sorted(set(re.findall(r'it\["(x-[a-z]+)"\]', page)) - {"x-unverified"}):
        assert all(name in each for each in operations), name
    assert all({"operationId", "summary", "tags", "parameters", "responses"} <= each.keys() for each in operations)
