from __future__ import annotations

import re

import pytest

from welkin_async.sandbox import Sandbox

from .api import NOBODY, Api, connected

GUID = "6F9619FF-8B86-4011-B42D-00CF4FC964FF"
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z").fullmatch


async def test_create_answers_every_recorded_key(api: Api) -> None:
    reply = await api("POST", "patients", {"firstName": "Zo\u00eb", "lastName": "T", "id": "x", "shoeSize": 44})
    assert reply.status == 201
    found = reply.json
    assert len(found) == 43
    assert "shoeSize" not in found
    assert found["id"] != "x"
    assert found["firstName"] == "Zo\u00eb"
    assert STAMP(found["createdAt"])
    assert found["createdByName"] == "API_CLIENT:SANDBOX"
    assert (found["gender"], found["maritalStatus"], found["primaryLanguage"]) == ("UNKNOWN", "UKN", "ENGLISH")
    assert found["patientTerritories"] == found["careTeam"] == found["cadence"] == found["patientPrograms"] == []
    assert found["externalGuid"] is found["pointOfContact"] is found["birthDate"] is None


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2012-3-12T00:00:00.000Z", "2012-03-12T00:00:00.000Z"),
        ("1980-01-31", "1980-01-31T00:00:00.000Z"),
        ("1980-01-31T00:00:00.000Z", "1980-01-31T00:00:00.000Z"),
        (None, None),
    ],
)
async def test_birth_date_is_padded_to_midnight(api: Api, sent: str | None, stored: str | None) -> None:
    reply = await api("POST", "patients", {"firstName": "A", "lastName": "B", "birthDate": sent})
    assert reply.json["birthDate"] == stored


@pytest.mark.parametrize(
    "wrong",
    [
        {"firstName": None},
        {"lastName": ""},
        {"birthDate": "soon"},
        {"birthDate": "1980-13-01"},
        {"externalGuid": "x"},
        {"email": 7},
        {"careTeam": ["x"]},
        {"cadence": "x"},
    ],
)
async def test_create_refuses_what_does_not_fit(server: Sandbox, api: Api, wrong: dict[str, object]) -> None:
    reply = await api("POST", "patients", {"firstName": "A", "lastName": "B", **wrong})
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
    assert not server.store.patients


async def test_look_ups(api: Api) -> None:
    created = await api.patient(externalId="e/1", externalGuid=GUID, mrn="m")
    for key, kind in ((created, "ID"), ("e%2F1", "EID"), (GUID.lower(), "EGUID"), ("m", "MRN")):
        assert (await api("GET", f"patients/{key}?type={kind}")).json["id"] == created
    assert (await api("GET", f"patients/{created}")).json["externalGuid"] == GUID
    assert (await api("GET", f"patients/{created}", type="MRN")).status == 404
    assert (await api("GET", f"patients/{NOBODY}")).error["componentType"] == "PATIENT"
    assert (await api("GET", f"patients/{created}", type="NAME")).status == 400
    assert "territorialTeam" in (await api("GET", f"patients/{created}", expand="True")).json


async def test_same_external_guid_twice_is_accepted_and_the_first_is_found(api: Api) -> None:
    first, second = await api.patient(externalGuid=GUID), await api.patient(externalGuid=GUID)
    assert first != second
    assert (await api("GET", f"patients/{GUID}", type="EGUID")).json["id"] == first


async def test_update_is_partial_and_moves_the_look_up_keys(api: Api) -> None:
    patient = await api.patient(
        mrn="old", city="Bern", careTeam=[{"id": NOBODY}, {"id": "00000000-0000-4000-8000-000000000001"}]
    )
    reply = await api("PATCH", f"patients/{patient}", {"mrn": "new", "middleName": "M", "gender": None})
    assert reply.status == 200
    assert (reply.json["city"], reply.json["middleName"], reply.json["gender"]) == ("Bern", "M", "UNKNOWN")
    assert reply.json["pointOfContact"] == {"id": NOBODY, "pointOfContact": True}
    assert [each["pointOfContact"] for each in reply.json["careTeamMembers"]] == [True, False]
    assert (await api("GET", "patients/old", type="MRN")).status == 404
    assert (await api("GET", "patients/new", type="MRN")).json["id"] == patient
    assert (await api("PATCH", f"patients/{patient}", {"firstName": ""})).status == 400


async def test_delete_is_restricted_by_default(api: Api, patient: str) -> None:
    reply = await api("DELETE", f"patients/{patient}")
    assert (reply.status, reply.code) == (403, "ACCESS_FOR_API_CLIENT_RESTRICTED")
    assert "date" not in reply.error
    assert set(reply.error["details"]) == {"clientId", "clientName", "clientType", "organizationName", "requestURI"}


async def test_delete_when_allowed_takes_the_records_along() -> None:
    async with Sandbox(allow_delete=True) as server, connected(server) as api:
        patient = await api.patient(mrn="m")
        await api("POST", f"patients/{patient}/cdts/medication", {})
        reply = await api("DELETE", f"patients/{patient}")
        assert (reply.status, reply.body, reply.headers["Content-Length"]) == (200, b"", "0")
        assert (await api("GET", "patients/m", type="MRN")).status == 404
        assert (await api("DELETE", f"patients/{patient}")).status == 404
        assert server.store.cdt_records("medication") == []


async def test_list_pages_sorts_and_finds(server: Sandbox, api: Api) -> None:
    for number in range(5):
        server.store.add_patient(firstName=f"P{number}", email=f"{number}@1.com", phone=f"+4930{number}")
    page = (await api("GET", "patients", sort="firstName,desc", size="2", page="1")).json
    assert [each["firstName"] for each in page["content"]] == ["P2", "P1"]
    assert (page["totalElements"], page["totalPages"], page["number"], page["size"]) == (5, 3, 1, 2)
    assert (page["first"], page["last"], page["empty"], page["numberOfElements"]) == (False, False, False, 2)
    assert page["pageable"] == {
        "sort": {"sorted": True, "unsorted": False, "empty": False},
        "pageNumber": 1,
        "pageSize": 2,
        "offset": 2,
        "paged": True,
        "unpaged": False,
    }
    assert (await api("GET", "patients", page="2", size="2")).json["last"] is True
    assert (await api("GET", "patients", email="3@1.com")).json["totalElements"] == 1
    assert (await api("GET", "patients", query="p4")).json["totalElements"] == 1
    assert (await api("GET", "patients", query="+4930")).json["totalElements"] == 5
    nobody = (await api("GET", "patients", email="x")).json
    assert (nobody["totalPages"], nobody["last"], nobody["empty"], nobody["content"]) == (0, True, True, [])
    assert (await api("GET", "patients")).json["size"] == 20
    assert len((await api("POST", "by-filter/patients", {}, page="1", size="3")).json["content"]) == 2
    for wrong in ({"page": "-1"}, {"size": "0"}, {"size": "x"}, {"sort": "shoeSize,asc"}, {"sort": "email,up"}):
        assert (await api("GET", "patients", **wrong)).status == 400


async def test_an_empty_filter_finds_patients_without(server: Sandbox, api: Api) -> None:
    server.store.add_patient(firstName="A")
    region = {"name": "West", "territories": ["Utah", "Ohio"]}
    server.store.add_patient(firstName="B", timezone="US/Pacific", patientTerritories=[region], cadence=["x"])

    async def names(**query: str) -> list[str]:
        return [each["firstName"] for each in (await api("GET", "patients", **query)).json["content"]]

    for name, value in (("timezone", "US/Pacific"), ("territories", "Ohio,Iowa"), ("cadence", "x")):
        assert await names(**{name: ""}) == ["A"]
        assert await names(**{name: value}) == ["B"]
        assert await names(**{name: "other"}) == []
