"""Whatever a server answers: a call returns, or raises a documented error; so does each field that is read of it.

``WELKIN_FUZZ_SECONDS`` has the tests go on for that long, each.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pickle
import time
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from welkin_async import Answer, Page, Welkin, WelkinError, answer_of, to_wire
from welkin_async.http import transport
from welkin_async.http.attempt import Reply
from welkin_async.http.auth.tokens import token_life
from welkin_async.http.rate_limit.retry_after import read_retry_after
from welkin_async.wire.codec import best_codec
from welkin_async.wire.records import Record

SECONDS = float(os.environ.get("WELKIN_FUZZ_SECONDS", "0"))
NAMES = {"tenant": "gh", "instance": "sb", "api_client": "FUZZ", "secret_key": "s3cr3t", "check": "strict"}

KEYS = (
    st.sampled_from(["id", "patientId", "cdtName", "jsonBody", "version", "createdAt", "updatedAt", "firstName"])
    | st.sampled_from(["birthDate", "careTeam", "content", "data", "rows", "number", "size", "last", "totalPages"])
    | st.sampled_from(["totalElements", "metaInfo", "page", "pageSize", "lastPage", "meta", "nextPageToken", "cursor"])
    | st.sampled_from(["end", "hasNext", "errorCode", "message", "details", "date", "result", "token", "fields"])
    | st.sampled_from(["name", "type", "externalGuid"])
    | st.text(max_size=3)
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([10**30, -1, 1e308, float("nan"), float("inf"), "p", "r", "m", "", "2024-02-29T10:11:12.345Z"])
    | st.sampled_from(["0001-01-01", "9999-12-31T23:59:60Z", "2024-02-30", "24:00:00", "\ud800", "\x00", "A" * 99])
    | st.text(max_size=5)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=25
)


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


BODIES = (
    VALUES.map(_encoded)
    | st.binary(max_size=40)
    | st.tuples(VALUES.map(_encoded), st.integers(0, 60)).map(lambda cut: cut[0][: cut[1]])
    | st.sampled_from([b"[" * 5000, b'{"a":' * 5000, b'{"id": "p", "id": 5}', "é".encode("utf-16"), b"1" * 5000])
)
DATES = st.sampled_from(["Wed, 21 Oct 2015 07:28:00 GMT", "0", "-1", "1e9", "nan", "99999999999999", "soon", "", "é"])
HEADERS = st.fixed_dictionaries({}, optional={"Retry-After": DATES, "Date": DATES, "X-Request-Id": DATES})
STATUSES = st.sampled_from([200, 200, 200, 201, 202, 204, 301, 400, 401, 403, 404, 409, 422, 429, 500, 503, 599, 999])
ANSWERS = st.lists(st.tuples(STATUSES, HEADERS, BODIES), min_size=1, max_size=6)

CALLS: dict[str, Callable[[Welkin], Any]] = {
    "get": lambda welkin: welkin.patients.get("p"),
    "create": lambda welkin: welkin.patients.create(first_name="C"),
    "cdt": lambda welkin: welkin.patient("p").cdts("m").create({"a": 1}),
    "delete": lambda welkin: welkin.patient("p").cdts("m").delete("r"),
    "rows": lambda welkin: welkin.patient("p").cdts("m").bulk_update({"r": {"a": 1}}),
    "pages": lambda welkin: _walked(welkin.patients.list(limit=9)),
    "nested pages": lambda welkin: _walked(welkin.patient("p").cdts("m").list(limit=9, prefetch=2)),
    "other pages": lambda welkin: _walked(welkin.patient("p").care_plan.list_goals(limit=9)),
    "tokens": lambda welkin: _walked(welkin.patient("p").chat.list(limit=9)),
    "cursors": lambda welkin: _walked(welkin.export("PATIENT").list(limit=9)),
    "formation": lambda welkin: welkin.formations().cdts.get("m"),
    "any": lambda welkin: welkin.request("GET", "/{tenant}/x"),
}


async def _walked(pager: Any) -> Any:
    return [record async for record in pager]


def kept_up(test: Callable[[], None]) -> None:
    """Run a hypothesis test again and again, for as long as that is asked for."""
    end = time.monotonic() + SECONDS
    test()
    while time.monotonic() < end:
        test()


class Answers:
    """An engine that gives answers in turn, the last for good."""

    name = "aiohttp"

    def __init__(self, answers: list[Any], token: Any) -> None:
        self.answers, self.token, self.asked = answers, token, 0

    async def exchange(self, method: str, url: Any, *_: Any, **__: Any) -> Reply:
        if "/admin/api_clients/" in url.path:
            status, headers, body = self.token
        else:
            status, headers, body = self.answers[min(self.asked, len(self.answers) - 1)]
            self.asked += 1
        return Reply(status, CIMultiDictProxy(CIMultiDict(headers)), body, 0, None)

    async def aclose(self) -> None:
        """Do nothing."""


@contextlib.contextmanager
def documented() -> Iterator[None]:
    """Let an error of the package pass that says what it is, and says the same when it has been pickled."""
    kept: list[WelkinError] = []
    try:
        yield
    except WelkinError as error:
        kept.append(error)
    for each in kept:
        assert str(each)
        assert str(pickle.loads(pickle.dumps(each))) == str(each)


def looked_through(found: Any) -> None:
    """Read everything of what a call has returned."""
    if isinstance(found, list | tuple):
        for each in found:
            looked_through(each)
    elif isinstance(found, Page):
        looked_through(found.items)
    elif isinstance(found, Record):
        for attribute in attrs.fields(type(found)):
            if not attribute.name.startswith("_"):
                with documented():
                    looked_through(getattr(found, attribute.name))
        assert repr(found)
        assert to_wire(pickle.loads(pickle.dumps(found))) == to_wire(found) or "nan" in repr(to_wire(found)).lower()
        with contextlib.suppress(ValueError):
            assert isinstance(answer_of(found), Answer)


async def call(name: str, answers: list[Any], token: Any) -> None:
    async with Welkin(base_url="http://127.0.0.1:1", max_attempts=2, max_wait=0.0, **NAMES) as welkin:  # type: ignore[arg-type]
        engine: Any = Answers(answers, token)
        await welkin.transport._engine.aclose()
        welkin.transport._engine = engine
        with documented():
            async with asyncio.timeout(20):
                looked_through(await CALLS[name](welkin))
        assert engine.asked < 60


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "backoff", lambda failures: 0.0)
    monkeypatch.setattr(transport, "fresh_token_pause", lambda: 0.0)


QUICK = settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
GOOD_TOKEN: Any = (200, {}, b'{"token": "t"}')


@pytest.mark.parametrize("name", CALLS)
def test_any_answer(name: str) -> None:
    @QUICK
    @given(answers=ANSWERS)
    def test(answers: list[Any]) -> None:
        asyncio.run(call(name, answers, GOOD_TOKEN))

    kept_up(test)


def test_any_token() -> None:
    @QUICK
    @given(token=st.tuples(STATUSES, HEADERS, BODIES | VALUES.map(lambda value: _encoded({"token": value}))))
    def test(token: Any) -> None:
        from welkin_async.http.auth import tokens

        tokens._states.clear()
        asyncio.run(call("get", [(200, {}, b'{"id": "p"}')], token))

    kept_up(test)


def test_any_bytes_of_a_codec_and_any_life_of_a_token() -> None:
    @QUICK
    @given(body=BODIES, text=st.text(max_size=30) | DATES, date=DATES | st.none())
    def test(body: bytes, text: str, date: str | None) -> None:
        with contextlib.suppress(ValueError):
            best_codec().loads(body)
        assert token_life(text, date) > 0.0
        assert token_life(f"a.{text}.b", date) > 0.0
        waited = read_retry_after(text, date)
        assert waited is None or waited == waited

    kept_up(test)
