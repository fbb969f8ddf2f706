"""Webhooks: which deliveries are believed, what they say, and the receivers of the examples on real sockets."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import pickle
import re
import runpy
import socket
import threading
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from welkin_async import ConfigurationError, DecodeError, WelkinError
from welkin_async.sandbox import SandboxProcess
from welkin_async.webhooks import (
    KEY_HEADER,
    MAX_PAYLOAD,
    SECRET_HEADER,
    WebhookPayloadError,
    WebhookRefusedError,
    read_chat,
    read_event,
    verify,
)
from welkin_async.wire.records import to_wire

PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs" / "webhooks.md"
KEY, SECRET = "k-4711", "s+ecret}{"
GOOD = {KEY_HEADER: KEY, SECRET_HEADER: SECRET}
CHAT: dict[str, Any] = {
    "patientId": "cdb303e7-844f-40f8-b634-fe99bfccce28",
    "patientUrl": "https://api.live.welkincloud.io/gh/sb-demo/patients/cdb303e7-844f-40f8-b634-fe99bfccce28",
    "tenantName": "gh",
    "instanceName": "sb-demo",
    "message": "Zebulon, call back",
}


class TestVerification:
    @pytest.mark.parametrize(
        "headers",
        [
            GOOD,
            {name.lower(): value for name, value in GOOD.items()},
            CIMultiDict(GOOD),
            {**GOOD, "X-Other": "x"},
        ],
    )
    def test_the_agreed_pair_is_believed_in_any_case_of_the_headers(self, headers: Mapping[str, str]) -> None:
        verify(headers, key=KEY, secret=SECRET)

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {KEY_HEADER: KEY},
            {SECRET_HEADER: SECRET},
            {KEY_HEADER: KEY, SECRET_HEADER: ""},
            {KEY_HEADER: KEY, SECRET_HEADER: SECRET[:-1]},
            {KEY_HEADER: KEY, SECRET_HEADER: SECRET + " "},
            {KEY_HEADER: KEY.upper(), SECRET_HEADER: SECRET},
            {KEY_HEADER: SECRET, SECRET_HEADER: KEY},
            {KEY_HEADER: KEY, SECRET_HEADER: "\udcff"},
            CIMultiDict([*GOOD.items(), (SECRET_HEADER, "another")]),
            CIMultiDict([*GOOD.items(), (SECRET_HEADER, SECRET)]),
        ],
    )
    def test_anything_else_is_refused_without_a_word_of_which_or_what(self, headers: Mapping[str, str]) -> None:
        with pytest.raises(WebhookRefusedError) as caught:
            verify(headers, key=KEY, secret=SECRET)
        assert str(caught.value) == "the delivery does not have the key and the secret of this webhook"
        assert isinstance(pickle.loads(pickle.dumps(caught.value)), WelkinError)

    @given(st.text(), st.text())
    def test_no_other_pair_is_believed(self, key: str, secret: str) -> None:
        if (key, secret) == (KEY, SECRET):
            return
        with pytest.raises(WebhookRefusedError):
            verify({KEY_HEADER: key, SECRET_HEADER: secret}, key=KEY, secret=SECRET)

    @pytest.mark.parametrize(("key", "secret"), [("", SECRET), (KEY, ""), ("", "")])
    def test_an_empty_secret_lets_nobody_in(self, key: str, secret: str) -> None:
        with pytest.raises(ConfigurationError):
            verify({KEY_HEADER: key, SECRET_HEADER: secret}, key=key, secret=secret)

    @pytest.mark.parametrize("headers", [GOOD, {}, {KEY_HEADER: "x", SECRET_HEADER: SECRET}, {KEY_HEADER: KEY}])
    def test_both_are_compared_whatever_the_first_comparison_says(
        self, monkeypatch: pytest.MonkeyPatch, headers: Mapping[str, str]
    ) -> None:
        lengths: list[tuple[int, int]] = []

        def compare(one: bytes, other: bytes) -> bool:
            lengths.append((len(one), len(other)))
            return one == other

        monkeypatch.setattr("hmac.compare_digest", compare)
        try:
            verify(headers, key=KEY, secret=SECRET)
        except WebhookRefusedError:
            assert headers is not GOOD
        assert lengths == [(32, 32), (32, 32)]  # digests: the length of what is compared tells nothing either


class TestPayloads:
    def test_a_chat_webhook_is_read_as_documented(self) -> None:
        chat = read_chat(json.dumps(CHAT).encode())
        assert (chat.patient_id, chat.tenant_name, chat.instance_name) == (CHAT["patientId"], "gh", "sb-demo")
        assert (chat.patient_url, chat.message) == (CHAT["patientUrl"], CHAT["message"])
        assert not chat.extra

    def test_what_is_not_known_is_kept(self) -> None:
        body = {**CHAT, "priority": {"level": 2}, "tags": ["a"]}
        chat = read_chat(json.dumps(body).encode())
        assert dict(chat.extra) == {"priority": {"level": 2}, "tags": ["a"]}
        assert to_wire(chat) == body

    def test_an_event_may_have_any_of_its_fields(self) -> None:
        event = read_event(b'{"eventEntity": "CALENDAR", "eventSubtype": "CALENDAR_EVENT_CREATED", "room": null}')
        assert (event.event_entity, event.event_subtype) == ("CALENDAR", "CALENDAR_EVENT_CREATED")
        assert event.patient_id is None
        assert dict(event.extra) == {"room": None}
        named = read_event(b'{"initiatedBy": "u", "initiatedTime": "2025-10-01", "initiatedByClientType": "USER"}')
        assert (named.initiated_by, named.initiated_time) == ("u", "2025-10-01")
        assert (named.initiated_by_client_type, named.initiated_by_object_id) == ("USER", None)

    def test_a_repr_and_an_error_of_a_field_quote_nothing(self) -> None:
        chat = read_chat(b'{"message": ["Zebulon"], "patientId": "p-1"}')
        assert repr(chat) == "<ChatWebhook of 2 fields>"
        with pytest.raises(DecodeError) as caught:
            _ = chat.message
        assert "message is not" in str(caught.value)
        assert "Zebulon" not in str(caught.value)

    @pytest.mark.parametrize(
        "body", [b"", b"Zebulon", b"[]", b'"x"', b"null", b"\xff\xfe", b'{"a": ', b"[" * 100_000, b"{}" + b"x"]
    )
    @pytest.mark.parametrize("read", [read_chat, read_event])
    def test_what_is_no_object_is_refused_and_not_quoted(self, read: Any, body: bytes) -> None:
        with pytest.raises(WebhookPayloadError) as caught:
            read(body)
        assert str(caught.value) == "the payload is no JSON object"
        assert caught.value.__cause__ is None

    def test_a_payload_has_a_bound(self) -> None:
        body = b'{"message": "' + b"x" * MAX_PAYLOAD + b'"}'
        with pytest.raises(WebhookPayloadError, match="more than 1048576 bytes"):
            read_chat(body)


@pytest.fixture
def agreed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_KEY", KEY)
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)


@asynccontextmanager
async def served_by_aiohttp() -> AsyncIterator[str]:
    module = runpy.run_path(str(PROJECT / "examples" / "webhooks_aiohttp.py"))
    runner = web.AppRunner(module["application"]())
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/welkin"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def served_by_fastapi() -> AsyncIterator[str]:
    uvicorn = pytest.importorskip("uvicorn")
    pytest.importorskip("fastapi")
    module = runpy.run_path(str(PROJECT / "examples" / "webhooks_fastapi.py"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(module["app"], log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            deadline = time.monotonic() + 10
            while not server.started:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/welkin"
        finally:
            server.should_exit = True
            await asyncio.to_thread(thread.join, 10)


SERVED = {"aiohttp": served_by_aiohttp, "fastapi": served_by_fastapi}


@pytest.mark.parametrize("framework", SERVED)
async def test_a_receiver_takes_up_what_is_verified_alone(
    framework: str, agreed: None, caplog: pytest.LogCaptureFixture
) -> None:
    body = {**CHAT, "eventSubtype": "CDT_CREATED", "sourceName": "medication"}
    with caplog.at_level(logging.INFO, "webhooks"):
        async with SERVED[framework]() as url, aiohttp.ClientSession() as client:

            async def post(data: bytes, **headers: str) -> int:
                async with client.post(url, data=io.BytesIO(data), headers=headers) as answer:
                    return answer.status

            good = json.dumps(body).encode()
            assert await post(good) == 401
            assert await post(good, **{**GOOD, SECRET_HEADER: "another"}) == 401
            assert await post(b"Zebulon", **GOOD) == 400
            assert await post(b"x" * (MAX_PAYLOAD + 1), **GOOD) == 413
            assert not caplog.messages
            assert await post(good, **GOOD) == 204
    assert len([record for record in caplog.records if record.name == "webhooks"]) == 1
    for word in ("Zebulon", CHAT["patientId"], SECRET):
        assert word not in caplog.text


def test_the_snippets_of_the_documentation_run(capsys: pytest.CaptureFixture[str]) -> None:
    first, second, _ = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    for snippet in (first, second):
        exec(compile(snippet, "webhooks.md", "exec"), {"__name__": "__main__"})
    said = [text for snippet in (first, second) for text in re.findall(r"print\(.*  # (.*)$", snippet, re.MULTILINE)]
    printed = capsys.readouterr().out.splitlines()
    assert said == [printed[0], printed[2]]
    assert printed[1] == "the delivery does not have the key and the secret of this webhook"


async def test_the_audit_of_deliveries_is_read_as_documented(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    *_, audit = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    async with SandboxProcess() as server:
        for name, value in server.environ().items():
            monkeypatch.setenv(name, value)
        await asyncio.to_thread(exec, compile(audit, "webhooks.md", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out == ""  # nothing failed
