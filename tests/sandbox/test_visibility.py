"""Lists that run behind, keys that are lost, and refusals now and then: what an importer must not trust."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from welkin_async.sandbox import Alteration, Fault, FaultKind, Sandbox, SandboxProcess
from welkin_async.sandbox.site import format_timestamp

from .api import Api, connected

KEY = "row-1"


def at(patient: str, record: str = "") -> str:
    return f"patients/{patient}/cdts/medication" + (f"/{record}" if record else "")


async def listed(api: Api, patient: str, **query: str) -> tuple[list[str], int]:
    data = (await api("GET", at(patient), **{"sort": "created_at,asc", "size": "1000", **query})).json["data"]
    assert data["numberOfElements"] == len(data["content"])
    return [each["id"] for each in data["content"]], data["totalElements"]


async def test_a_record_is_found_by_id_long_before_lists_show_it(server: Sandbox, api: Api, patient: str) -> None:
    early = (await api("POST", at(patient), {})).json["id"]
    server.clock.advance(10)
    server.visibility_delay = 5
    late = (await api("POST", at(patient), {"external_id": KEY})).json["id"]
    assert (await api("GET", at(patient, late))).json["jsonBody"]["external_id"] == KEY
    assert await listed(api, patient) == ([early], 1)
    assert await listed(api, patient, dateStart="2020-01-01T00:00:00.000Z") == ([early], 1)
    server.clock.advance(4.9)
    assert await listed(api, patient) == ([early], 1)
    server.clock.advance(0.2)
    assert await listed(api, patient) == ([early, late], 2)
    # What exists already is judged anew when the delay changes.
    server.visibility_delay = 12
    assert await listed(api, patient) == ([early], 1)
    server.visibility_delay = 0
    assert await listed(api, patient) == ([early, late], 2)


async def test_totals_run_ahead_of_content(server: Sandbox, api: Api, patient: str) -> None:
    async def create() -> str:
        return str((await api("POST", at(patient), {})).json["id"])

    old = [await create() for _ in range(3)]
    server.clock.advance(20)
    server.visibility_delay, server.list_lag = 2, 5
    new = [await create() for _ in range(2)]
    assert await listed(api, patient) == (old, 3)
    server.clock.advance(3)
    assert await listed(api, patient) == (old, 5)
    page = (await api("GET", at(patient), size="2", page="2")).json["data"]
    assert (page["content"], page["totalPages"], page["last"], page["empty"]) == ([], 3, True, True)
    server.clock.advance(5)
    assert await listed(api, patient) == (old + new, 5)
    assert (server.visibility_delay, server.list_lag) == (2, 5)
    with pytest.raises(ValueError, match="lag"):
        server.list_lag = -1


async def test_options_of_the_constructor(api: Api) -> None:
    async with Sandbox(visibility_delay=30, list_lag=1) as server, connected(server) as client:
        patient = server.store.add_patient()["id"]
        await client("POST", at(patient), {})
        assert await listed(client, patient) == ([], 0)
        server.clock.advance(30.5)
        assert await listed(client, patient) == ([], 1)


async def test_a_delay_that_grows(server: Sandbox, api: Api, patient: str) -> None:
    server.visibility_delay, server.delay_growth = 1, 2
    made = []
    for _ in range(3):
        made.append((await api("POST", at(patient), {})).json["id"])
        server.clock.advance(10)
    # Made 0, 10 and 20 seconds after the growth began: shown 1, 21 and 41 seconds after they were made.
    for now, seen in ((30, 1), (30.9, 1), (31.1, 2), (60.9, 2), (61.1, 3)):
        server.clock.advance(max(0.0, now - 30 - (server.clock.offset - 30)))
        assert await listed(api, patient) == (made[:seen], seen)
    server.delay_growth = 0  # and what exists is judged by the delay alone
    assert await listed(api, patient) == (made, 3)
    with pytest.raises(ValueError, match="growth"):
        server.delay_growth = -1


async def test_one_backend_of_several_has_a_wrong_clock(server: Sandbox, api: Api, patient: str) -> None:
    server.skew, server.skew_every = -1200, 3  # the login was the first work
    replies = [await api("POST", at(patient), {}) for _ in range(6)]
    behind = [
        time.time() - datetime.fromisoformat(reply.json["jsonBody"]["created_at"]).timestamp() for reply in replies
    ]
    assert [seconds > 1000 for seconds in behind] == [False, True, False] * 2
    dates = [time.time() - parsedate_to_datetime(reply.headers["Date"]).timestamp() for reply in replies]
    assert [seconds > 1000 for seconds in dates] == [False, True, False] * 2
    ids = [reply.json["id"] for reply in replies]
    by_stamp = [ids[1], ids[4], ids[0], ids[2], ids[3], ids[5]]
    assert await listed(api, patient) == (by_stamp, 6)
    recent = format_timestamp(datetime.now(UTC) - timedelta(seconds=900))
    assert await listed(api, patient, dateStart=recent) == (by_stamp[2:], 4)
    # An index that runs behind knows when a record came, not what its stamp says.
    server.visibility_delay = 60
    assert await listed(api, patient) == ([], 0)
    server.skew, server.visibility_delay = 0, 0
    assert time.time() - parsedate_to_datetime((await api("GET", "patients")).headers["Date"]).timestamp() < 100


async def test_a_total_that_counts_what_was_deleted(server: Sandbox, api: Api, patient: str) -> None:
    first, second, third = [(await api("POST", at(patient), {})).json["id"] for _ in range(3)]
    await api("DELETE", at(patient, first))
    server.count_deleted = True
    assert (await api("DELETE", at(patient, second))).status == 200
    assert await listed(api, patient) == ([third], 2)
    assert (await api("GET", at(patient, second))).code == "DT_RECORD_NOT_FOUND"


async def test_a_key_that_must_be_unique(server: Sandbox, api: Api, patient: str) -> None:
    server.define_cdt("medication", {"dose": "text"}, unique=["external_id"])

    async def create(key: str | None) -> int:
        return (await api("POST", at(patient), {"external_id": key})).status

    assert [await create(key) for key in (KEY, KEY, "row-2", None, None)] == [201, 409, 201, 201, 201]
    first, second = server.store.cdt_records("medication")[:2]
    await api("DELETE", at(patient, first["id"]))
    await api("PATCH", at(patient, second["id"]), {"external_id": "row-3"})
    assert [await create(key) for key in (KEY, "row-2", KEY)] == [201, 201, 409]


async def test_a_key_that_is_changed_from_some_record_on(server: Sandbox, api: Api, patient: str) -> None:
    server.define_cdt(
        "medication", {"dose": "text"}, alterations={"external_id": Alteration(8, lower_case=True, after=1)}
    )

    async def stored(key: str | None) -> Any:
        created = (await api("POST", at(patient), {"external_id": key, "dose": "Ten Or More"})).json
        found = (await api("GET", at(patient, created["id"]))).json
        assert found == created
        assert found["jsonBody"]["dose"] == "Ten Or More"
        return found["jsonBody"]["external_id"]

    assert [await stored(key) for key in (None, "Hospital-A/1", "Hospital-A/2", "h-3")] == [
        None, "Hospital-A/1", "hospital", "h-3",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="has no field nope"):
        server.define_cdt("medication", {"dose": "text"}, alterations={"nope": Alteration()})
    with pytest.raises(ValueError, match="max_length"):
        Alteration(max_length=0)
    with pytest.raises(ValueError, match="after"):
        Alteration(after=-1)


async def test_a_key_that_is_echoed_but_never_stored(server: Sandbox, api: Api, patient: str) -> None:
    shape = server.define_cdt("medication", {"dose": "text"}, echo_only=["external_id"])
    assert next(each for each in shape["fields"] if each["name"] == "external_id")["editable"]
    created = (await api("POST", at(patient), {"external_id": KEY, "dose": "5"})).json
    assert (created["jsonBody"]["external_id"], created["jsonBody"]["dose"]) == (KEY, "5")
    found = (await api("GET", at(patient, created["id"]))).json["jsonBody"]
    assert (found["external_id"], found["dose"]) == (None, "5")
    content = (await api("GET", at(patient))).json["data"]["content"]
    assert [each["jsonBody"]["external_id"] for each in content] == [None]
    updated = (await api("PATCH", at(patient, created["id"]), {"external_id": KEY})).json
    assert updated["jsonBody"]["external_id"] == KEY
    assert (await api("GET", at(patient, created["id"]))).json["jsonBody"]["external_id"] is None


async def test_a_key_that_is_dropped_without_a_word(server: Sandbox, api: Api, patient: str) -> None:
    shape = server.define_cdt("medication", {"dose": "text"}, drops=["external_id", "dose"])
    assert all(each["editable"] for each in shape["fields"] if each["name"] in ("external_id", "external_guid", "dose"))
    body = (await api("POST", at(patient), {"external_id": KEY, "dose": "5"})).json["jsonBody"]
    assert (body["external_id"], body["dose"]) == (None, None)
    read_only: list[dict[str, Any]] = [{"name": "external_id", "type": "text", "editable": False}]
    server.define_cdt("medication", read_only)
    assert (await api("POST", at(patient), {"external_id": KEY})).json["jsonBody"]["external_id"] is None
    with pytest.raises(ValueError, match="has no field nope"):
        server.define_cdt("medication", {"dose": "text"}, drops=["nope"])


async def test_401_now_and_then(server: Sandbox, api: Api, patient: str) -> None:
    server.faults.add(Fault(FaultKind.STATUS, status=401, operation="cdts.create", every=3, times=None))
    replies = [await api("POST", at(patient), {}) for _ in range(6)]
    assert [reply.status for reply in replies] == [201, 201, 401, 201, 201, 401]
    assert replies[2].code == "TOKEN_EXPIRED"
    assert len(server.store.cdt_records("medication")) == 4
    assert not server.faults.unmet()


async def test_settings_of_a_process() -> None:
    async with SandboxProcess(visibility_delay=60.0, skew=3600.0, skew_every=2) as server, connected(server) as api:
        patient = (await server.add_patients(1))[0]
        cut = {"external_guid": Alteration(lower_case=True)}
        await server.define_cdt("medication", {"dose": "text"}, echo_only=["external_id"], drops=["dose"])
        body = (await api("POST", at(patient), {"external_id": KEY, "dose": "5"})).json["jsonBody"]
        assert (body["external_id"], body["dose"]) == (KEY, None)
        await server.define_cdt("other", {"dose": "text"}, alterations=cut, unique=["external_guid"])
        guid = "ABCDEF00-0000-4000-8000-000000000000"
        other = (await api("POST", at(patient).replace("medication", "other"), {"external_guid": guid})).json
        assert other["jsonBody"]["external_guid"] == guid.lower()
        again = await api("POST", at(patient).replace("medication", "other"), {"external_guid": guid})
        assert (again.status, again.code) == (409, "CONFLICT")
        assert await listed(api, patient) == ([], 0)
        settings = await server.set(visibility_delay=0, list_lag=60)
        assert settings == {
            "latency": 0.0, "visibility_delay": 0.0, "list_lag": 60.0, "delay_growth": 0.0, "count_deleted": False,
            "skew": 3600.0, "skew_every": 2, "refuse_tokens": False,
        }  # fmt: skip
        assert await listed(api, patient) == ([], 1)
        assert (await server.records("medication"))["total"] == 1
        with pytest.raises(ValueError, match="not one of"):
            await server.set(seed=1)


async def test_a_look_up_of_a_patient_with_ten_thousand_records_is_quick(
    server: Sandbox, api: Api, patient: str
) -> None:
    table = server.store.sections.cdts.tables.setdefault("medication", {}).setdefault(patient, {})
    first = (await api("POST", at(patient), {"external_id": KEY})).json
    for number in range(9999):
        record = {**first, "id": str(number)}
        table[record["id"]] = record
    query = {"sort": "created_at,asc", "size": "1000", "dateStart": "2020-01-01T00:00:00.000Z"}
    spent = []
    for page in range(10):
        started = time.process_time()
        reply = await api("GET", at(patient), **query, page=str(page))
        spent.append(time.process_time() - started)
        assert reply.json["data"]["totalElements"] == 10_000
    # Client and server together; the server's own share is a third of it.
    assert min(spent) < 0.1
