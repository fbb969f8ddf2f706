from __future__ import annotations

from uuid import UUID

import pytest

from welkin_async import InvalidInputError, NotFoundError, Welkin, bulk
from welkin_async.bulk import CdtRow, Status
from welkin_async.sandbox import Sandbox

from .helpers import HERE, RawServer, always, connect, http, record

SEGMENTS = {
    "a/b": "a%2Fb",
    "%2e%2e": "%252e%252e",
    "%": "%25",
    "a?b#c": "a%3Fb%23c",
    "ä ö": "%C3%A4%20%C3%B6",
    "a+b": "a%2Bb",
    "...": "...",
    ".a": ".a",
    "a@b.c": "a%40b.c",
    "a;b=c&d": "a%3Bb%3Dc%26d",
    "a\\b": "a%5Cb",
    "a\r\nHost: evil": "a%0D%0AHost%3A%20evil",
    " ": "%20",
    "😀": "%F0%9F%98%80",
    "/../../admin": "%2F..%2F..%2Fadmin",
}
segments = pytest.mark.parametrize(("key", "raw"), SEGMENTS.items(), ids=[ascii(key) for key in SEGMENTS])


@segments
async def test_a_parameter_reaches_the_server_as_one_raw_segment(
    server: Sandbox, welkin: Welkin, key: str, raw: str
) -> None:
    medications = welkin.patient(key).cdts(key)
    for call, path in (
        (welkin.patients.get(key), f"{HERE}/patients/{raw}"),
        (welkin.patients.get(key, type="EID"), f"{HERE}/patients/{raw}"),
        (welkin.patients.update(key, first_name="x"), f"{HERE}/patients/{raw}"),
        (welkin.users.get(key), f"/gh/admin/users/{raw}"),
        (welkin.users.update(key, first_name="x"), f"/gh/admin/users/{raw}"),
        (welkin.users.replace(key, username="x", email="y"), f"/gh/admin/users/{raw}"),
        (medications.create({}), f"{HERE}/patients/{raw}/cdts/{raw}"),
        (medications.get(key), f"{HERE}/patients/{raw}/cdts/{raw}/{raw}"),
        (medications.delete(key), f"{HERE}/patients/{raw}/cdts/{raw}/{raw}"),
        (medications.bulk_update({key: {}}), f"{HERE}/patients/{raw}/cdts/{raw}"),
        (medications.list(), f"{HERE}/patients/{raw}/cdts/{raw}"),
        (welkin.formations().cdts.get(key), f"{HERE}/formations/current/cdts/{raw}"),
        (welkin.request("GET", "/{tenant}/{instance}/patients/{id}", path={"id": key}), f"{HERE}/patients/{raw}"),
    ):
        with pytest.raises(NotFoundError):
            await call
        assert server.stats.log[-1].path == path
        assert server.stats.log[-1].operation != "unknown"


@segments
async def test_what_the_server_reads_is_what_was_given(server: Sandbox, welkin: Welkin, key: str, raw: str) -> None:
    server.store.add_user(key, "a@b.c")
    patient = server.store.add_patient(externalId=key)
    server.define_cdt(key, {"a": "text"})
    assert (await welkin.users.get(key)).username == key
    assert (await welkin.patients.get(key, type="EID")).external_id == key
    cdts = welkin.patient(patient["id"]).cdts(key)
    await cdts.create({"a": key})
    assert [each["a"] async for each in cdts.list()] == [key]
    report = await bulk.create_cdt_records(welkin, key, [CdtRow(patient["id"], {"a": key})])
    assert report.created == 1
    assert [each["jsonBody"]["a"] for each in server.store.cdt_records(key)] == [key, key]


@pytest.mark.parametrize("key", ["", ".", ".."])
async def test_dots_and_nothing_are_refused_before_anything_is_sent(key: str) -> None:
    async with RawServer(always(record())) as server, connect(server) as welkin:
        medications = welkin.patient("p").cdts("m")
        for call in (
            lambda: welkin.patients.get(key),
            lambda: welkin.patients.update(key, {}),
            lambda: welkin.patients.delete(key),
            lambda: welkin.users.get(key),
            lambda: welkin.users.update(key, {}),
            lambda: welkin.users.replace(key, {}),
            lambda: welkin.users.delete(key),
            lambda: medications.get(key),
            lambda: medications.update(key, {}),
            lambda: medications.delete(key),
            lambda: welkin.calendar.work_hours.update(key, {}),
            lambda: welkin.formations().cdts.get(key),
            lambda: welkin.request("GET", "/x/{id}", path={"id": key}),
        ):
            with pytest.raises(InvalidInputError) as caught:
                await call()
            assert len(caught.value.path) == 1
        for make in (welkin.patient, welkin.patient("p").cdts):
            with pytest.raises(InvalidInputError):
                make(key)
        with pytest.raises(InvalidInputError):
            await bulk.create_cdt_records(welkin, key, [], check="off")
        async with bulk.stream_cdt_records(welkin, "m", [CdtRow(key, {})], check="off") as outcomes:
            (outcome,) = [each async for each in outcomes]
        assert (outcome.status, outcome.attempts) == (Status.FAILED, 0)
        assert isinstance(outcome.error, InvalidInputError)
        # One read tells whether the server is there; nothing is created.
        assert [(seen.method, seen.target) for seen in server.seen] == [("GET", f"{HERE}/formations/current/cdts/m")]


@pytest.mark.parametrize("key", [None, 1.5, float("nan"), b"p", ["p"], True], ids=repr)
async def test_what_is_no_key_is_refused_before_anything_is_sent(key: object) -> None:
    """A column that was empty reads as None or NaN, and is not the patient called None."""
    async with RawServer(always(record())) as server, connect(server) as welkin:
        with pytest.raises((InvalidInputError, TypeError)):
            await welkin.patients.get(key)  # type: ignore[arg-type]
        with pytest.raises((InvalidInputError, TypeError)):
            welkin.patient(key)  # type: ignore[arg-type]
        rows = [CdtRow(key, {})]  # type: ignore[arg-type]
        async with bulk.stream_cdt_records(welkin, "m", rows, check="off") as outcomes:
            (outcome,) = [each async for each in outcomes]
        assert outcome.status is Status.FAILED
        assert [(seen.method, seen.target) for seen in server.seen] == [("GET", f"{HERE}/formations/current/cdts/m")]


async def test_a_uuid_is_a_key() -> None:
    key = UUID("00000000-0000-4000-8000-00000000000a")
    async with RawServer(always(record())) as server, connect(server) as welkin:
        await welkin.patients.get(key)
        await welkin.patient(key).cdts("m").get(key)
        assert [seen.target for seen in server.seen] == [
            f"{HERE}/patients/{key}",
            f"{HERE}/patients/{key}/cdts/m/{key}",
        ]


async def test_a_lone_surrogate_is_refused() -> None:
    async with RawServer(always(record())) as server, connect(server) as welkin:
        with pytest.raises(InvalidInputError, match="surrogate"):
            await welkin.patients.get("a\ud800")
        with pytest.raises(InvalidInputError, match="surrogate"):
            await welkin.patients.list(email="a\ud800")
        assert server.seen == []


async def test_names_of_the_session_are_encoded_too() -> None:
    async with RawServer(always(http(200, {"token": "t", "id": "x"})), tokens=False) as server:
        async with connect(server, tenant="a/b", instance="ü", api_client="c d") as welkin:
            await welkin.patients.get("x")
        assert [seen.target for seen in server.seen] == [
            "/a%2Fb/admin/api_clients/c%20d",
            "/a%2Fb/%C3%BC/patients/x",
        ]
