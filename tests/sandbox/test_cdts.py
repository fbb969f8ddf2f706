from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from welkin_async.sandbox import Sandbox

from .api import NOBODY, Api

SYSTEM = {
    "id", "created_at", "created_by", "created_by_name", "updated_at", "updated_by", "updated_by_name",
    "source_type", "source_name", "source_id", "external_id", "external_guid",
}  # fmt: skip


def at(patient: str, record: str = "", name: str = "medication") -> str:
    return f"patients/{patient}/cdts/{name}" + (f"/{record}" if record else "")


async def test_create_answers_the_envelope_with_every_field(server: Sandbox, api: Api, patient: str) -> None:
    sent = {"medication_name": "Tylenol", "icd-10": "G43", "external_id": "row-1", "created_by": "me", "dose": 5}
    reply = await api("POST", at(patient), sent)
    assert reply.status == 201
    assert list(reply.json) == ["id", "patientId", "cdtId", "version", "jsonBody", "cdtName"]
    body, formation = reply.json["jsonBody"], server.store.formations["medication"]
    assert set(body) == {each["name"] for each in formation["fields"]}
    assert set(body) > SYSTEM
    assert "dose" not in body
    assert (body["medication_name"], body["icd-10"], body["external_id"]) == ("Tylenol", "G43", "row-1")
    assert body["medication_status"] is None
    assert body["created_by"] != "me"
    assert body["created_by_name"] == "API_CLIENT:SANDBOX"
    assert body["id"] == reply.json["id"]
    assert reply.json["cdtId"] == formation["id"]
    assert (await api("GET", at(patient, body["id"]))).json == reply.json


@pytest.mark.parametrize(
    ("field", "fits", "wrong"),
    [
        ("t", ["", "x\n\u2603", "5"], [5, True, [], {}]),
        ("a", ["long"], [1.5]),
        ("i", [0, -5, 10**12], ["5", 5.0, True]),
        ("d", ["2020-02-29", "2020-02-29T00:00:00.000Z"], ["2020-02-30", 20200229, "soon"]),
        ("dt", ["2020-01-01T00:00:00.123Z", "2020-01-01T01:00:00+02:00"], ["x", 5, "2020-13-01T00:00:00Z"]),
        ("c", [True, False], ["true", 1]),
        ("s", ["on", "off"], ["ON", 1, ["on"]]),
        ("m", [["on"], []], ["on", ["x"]]),
        ("n", [1, 2], ["1", True, 3]),
        ("e", ["a@b.org"], ["a", "a b@c"]),
        ("p", ["+61403123456"], ["phone", 61]),
        ("external_guid", [NOBODY], ["x", 5]),
        ("external_id", ["k"], [5]),
    ],
)
async def test_values_are_echoed_as_sent_or_refused(
    server: Sandbox, api: Api, patient: str, field: str, fits: list[Any], wrong: list[Any]
) -> None:
    choice = {"options": [{"label": "On", "value": "on", "refCdtName": None}, {"label": "Off", "value": "off"}]}
    numbers = {"options": [{"label": "1", "value": 1}, {"label": "2", "value": 2}]}
    plain = {"t": "text", "a": "textarea", "i": "integer", "d": "date", "dt": "datetime", "c": "checkbox"}
    shapes: list[dict[str, Any]] = [
        *({"name": name, "type": kind} for name, kind in {**plain, "e": "email", "p": "phone"}.items()),
        {"name": "s", "type": "select", "meta": choice},
        {"name": "m", "type": "select", "meta": {**choice, "multiple": True}},
        {"name": "n", "type": "select", "meta": numbers},
    ]
    server.define_cdt("all", shapes)
    for value in [*fits, None]:
        reply = await api("POST", at(patient, name="all"), {field: value})
        assert reply.status == 201
        assert reply.json["jsonBody"][field] == value
    before = len(server.store.cdt_records("all"))
    for value in wrong:
        reply = await api("POST", at(patient, name="all"), {"t": "kept out", field: value})
        assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
        assert list(reply.error["details"]["fields"]) == [field]
    assert len(server.store.cdt_records("all")) == before


async def test_update_is_partial_and_null_clears(server: Sandbox, api: Api, patient: str) -> None:
    created = (await api("POST", at(patient), {"medication_name": "A", "medication_dose": "5"})).json
    server.clock.advance(5)
    reply = await api("PATCH", at(patient, created["id"]), {"medication_dose": None, "code": "c", "nope": 1})
    body = reply.json["jsonBody"]
    assert reply.status == 200
    assert (body["medication_name"], body["medication_dose"], body["code"]) == ("A", None, "c")
    assert body["updated_at"] > body["created_at"] == created["jsonBody"]["created_at"]
    assert (await api("PATCH", at(patient, created["id"]), {"code": "d", "dispenses": "x"})).status == 400
    assert (await api("GET", at(patient, created["id"]))).json["jsonBody"]["code"] == "c"


async def test_delete_is_200_without_body(api: Api, patient: str) -> None:
    record = (await api("POST", at(patient), {})).json["id"]
    reply = await api("DELETE", at(patient, record))
    assert (reply.status, reply.body, reply.headers["Content-Length"]) == (200, b"", "0")
    assert (await api("DELETE", at(patient, record))).status == 404


async def test_404_as_recorded(server: Sandbox, api: Api, patient: str) -> None:
    other = server.store.add_patient()["id"]
    record = (await api("POST", at(patient), {})).json["id"]
    for method in ("GET", "PATCH", "DELETE"):
        for path in (at(other, record), at(patient, NOBODY), at(NOBODY, record), at(patient, record, "nope")):
            reply = await api(method, path, {} if method == "PATCH" else None)
            assert (reply.status, reply.code) == (404, "DT_RECORD_NOT_FOUND")
            assert set(reply.error["details"]) == {"patientId", "cdtRecordId", "cdtName"}
            assert reply.error["componentType"] == "CDT"
    for path in (at(NOBODY), at(patient, name="nope")):
        assert (await api("POST", path, {})).code == "DT_RECORD_NOT_FOUND"
        assert (await api("GET", path)).code == "DT_RECORD_NOT_FOUND"


async def test_bulk_update_row_by_row(api: Api, patient: str) -> None:
    ids = [(await api("POST", at(patient), {"medication_name": str(number)})).json["id"] for number in range(3)]
    rows = [
        {"id": ids[0], "jsonBody": {"medication_status": "inactive"}},
        {"id": ids[1], "jsonBody": {"medication_name": "not bulk"}},
        {"id": ids[2], "jsonBody": {"medication_status": "gone"}},
        {"id": NOBODY, "jsonBody": {"medication_status": "active"}},
    ]
    reply = await api("PATCH", at(patient), {"rows": rows})
    assert reply.status == 200
    found = reply.json["rows"]
    assert [row["id"] for row in found] == [*ids, NOBODY]
    assert found[0]["result"] == {"status": "OK", "content": None}
    assert found[0]["jsonBody"]["medication_status"] == "inactive"
    assert [row["result"]["status"] for row in found[1:]] == ["ERROR"] * 3
    assert set(found[0]) == {"id", "jsonBody", "result"}
    assert (await api("GET", at(patient, ids[1]))).json["jsonBody"]["medication_name"] == "1"
    unusable: list[object] = [{"medication_name": "x"}, {"rows": {}}, {"rows": [{"id": ids[0]}]}]
    for wrong in unusable:
        assert (await api("PATCH", at(patient), wrong)).status == 400


async def test_list_wraps_the_page_and_projects(server: Sandbox, api: Api, patient: str) -> None:
    for number in range(45):
        await api("POST", at(patient), {"medication_name": f"m{number:02d}", "dispenses": number % 3 or None})
    await api("POST", at(server.store.add_patient()["id"]), {"medication_name": "another patient's"})
    reply = (await api("GET", at(patient), sort="created_at,asc", page="2")).json
    assert set(reply) == {"name", "data"}
    data = reply["data"]
    assert (reply["name"], data["totalElements"], data["totalPages"], data["last"]) == ("medication", 45, 3, True)
    assert [each["jsonBody"]["medication_name"] for each in data["content"]] == [f"m{n:02d}" for n in range(40, 45)]
    newest = (await api("GET", at(patient), sort="medication_name,desc", size="1", fields="medication_name,code")).json
    assert newest["data"]["content"][0]["jsonBody"] == {"medication_name": "m44", "code": None}
    ordered = (await api("GET", at(patient), sort="dispenses,asc", size="100")).json["data"]["content"]
    assert [each["jsonBody"]["dispenses"] for each in ordered] == [1] * 15 + [2] * 15 + [None] * 15
    assert (await api("GET", at(patient), sort="nope,asc")).status == 400


async def test_list_filters_by_value_and_date(server: Sandbox, api: Api, patient: str) -> None:
    for number in range(4):
        fields = {"medication_name": f"a,{number}" if number == 3 else f"n{number}", "dispenses": number}
        await api("POST", at(patient), {**fields, "external_id": f"k{number}", "medication_as_needed": number == 1})
        server.clock.advance(60)

    async def names(**query: str) -> list[str]:
        content = (await api("GET", at(patient), **query)).json["data"]["content"]
        return [each["jsonBody"]["medication_name"] for each in content]

    assert await names(filters="medication_name=n0,n2,x") == ["n0", "n2"]
    assert await names(filters="dispenses=1") == ["n1"]
    assert await names(filters="medication_as_needed=true") == ["n1"]
    # Not searchable: the filter does nothing, and the client has to compare for itself.
    assert len(await names(filters="external_id=k2")) == 4
    assert (await api("GET", at(patient), filters="x")).status == 400
    start = datetime.now(UTC) + timedelta(seconds=90)
    text = start.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert await names(dateStart=text) == ["n2", "a,3"]
    assert await names(dateEnd=text) == ["n0", "n1"]
    assert await names(dateStart=start.astimezone().isoformat(), dateEnd="2999-01-01T00:00:00.000Z") == ["n2", "a,3"]
    assert (await api("GET", at(patient), dateStart="soon")).status == 400


async def test_formations_show_the_recorded_shape(server: Sandbox, api: Api) -> None:
    found = (await api("GET", "formations/current/cdts")).json
    assert [each["name"] for each in found] == ["medication", "vitals"]
    one = (await api("GET", "formations/draft/cdts/medication")).json
    assert one == found[0]
    assert set(one) == {
        "id", "name", "title", "label", "version", "internal", "readable", "updatable", "type", "relation", "fields",
        "_containsPHI",
    }  # fmt: skip
    fields = {each["name"]: each for each in one["fields"]}
    assert list(fields)[:12] == sorted(SYSTEM, key=list(fields).index)
    assert {name for name in SYSTEM if fields[name]["editable"]} == {"external_id", "external_guid"}
    assert not any(fields[name]["searchable"] for name in SYSTEM)
    assert set(fields["icd-10"]) == {
        "name", "type", "formula", "dictionary", "profileDataType", "editable", "searchable", "bulkEdit", "phi",
        "disable", "injectedSource", "displayType", "valueType", "meta",
    }  # fmt: skip
    status = fields["medication_status"]
    assert (status["type"], status["bulkEdit"], status["displayType"]) == ("select", True, "SELECT")
    assert [option["value"] for option in status["meta"]["options"]] == ["active", "inactive"]
    assert (await api("GET", "formations/current/cdts/nope")).status == 404
    assert (await api("GET", "formations/old/cdts")).status == 404


async def test_a_cdt_can_be_defined_and_defined_anew(server: Sandbox, api: Api, patient: str) -> None:
    server.define_cdt("class", {"from": "text", "My-Field": "integer"})
    assert (await api("POST", at(patient, name="class"), {"from": "x", "My-Field": 3})).status == 201
    locked = {"name": "external_id", "type": "text", "editable": False}
    needed = {"name": "must", "type": "text", "meta": {"required": True}}
    assert server.define_cdt("class", [locked, needed])["version"] == 2
    assert (await api("POST", at(patient, name="class"), {"external_id": "k"})).status == 400
    body = (await api("POST", at(patient, name="class"), {"external_id": "k", "must": "x"})).json["jsonBody"]
    assert body["external_id"] is None
    assert len(server.store.cdt_records("class")) == 2
    for wrong in ({"x": "decimal"}, [{"name": "a", "type": "text"}] * 2):
        with pytest.raises(ValueError, match=r"type|twice"):
            server.define_cdt("wrong", wrong)
    assert "wrong" not in server.store.formations


async def test_store_counts_and_duplicates(server: Sandbox, api: Api, patient: str) -> None:
    ids = [(await api("POST", at(patient), {"external_id": key})).json["id"] for key in ("a", "b", "a")]
    assert server.store.cdt_counts("medication") == {patient: 3}
    assert server.store.duplicates("medication") == {"a": [ids[0], ids[2]]}
    assert server.store.duplicates("medication", "external_guid") == {}
    assert len(server.store.cdt_records("medication", patient)) == 3
    assert server.store.cdt_records("nope") == server.store.cdt_records("medication", NOBODY) == []


async def test_equal_seeds_give_equal_ids() -> None:
    first, second, third = Sandbox(seed=7), Sandbox(seed=7), Sandbox(seed=8)
    ids = [each.store.add_patients(3) for each in (first, second, third)]
    assert ids[0] == ids[1] != ids[2]
    assert all(len(each) == 36 and each[14] == "4" and each[19] in "89ab" for each in ids[0] + ids[2])
