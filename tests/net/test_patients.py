from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import pytest

from welkin_async import InvalidInputError, NotFoundError, PermissionDeniedError, Welkin, answer_of, to_wire
from welkin_async.errors import BadRequestError
from welkin_async.models.patients import CareTeamMember, Patient, PatientTerritory
from welkin_async.sandbox import Sandbox

from .helpers import HERE, NOBODY, RawServer, always, connect, http, record


async def test_create_by_keywords(server: Sandbox, welkin: Welkin) -> None:
    guid = uuid4()
    patient = await welkin.patients.create(
        first_name="Zoë", last_name="O'Neil", birth_date=date(1980, 2, 29), external_guid=guid, middle_name=None
    )
    held = server.store.patients[patient.id]
    assert (held["firstName"], held["lastName"], held["externalGuid"]) == ("Zoë", "O'Neil", str(guid))
    assert held["birthDate"] == "1980-02-29T00:00:00.000Z"
    assert patient.birth_date == date(1980, 2, 29)
    assert patient.created_at is not None
    assert patient.created_at.tzinfo is not None
    assert (answer_of(patient).status, answer_of(patient).attempts) == (201, 1)
    assert answer_of(patient).headers["Content-Type"] == "application/json"
    assert to_wire(patient) == held


async def test_create_takes_a_record_or_a_mapping_of_wire_names(welkin: Welkin) -> None:
    by_record = await welkin.patients.create(Patient(id="ignored", first_name="A", last_name="B"))
    by_mapping = await welkin.patients.create({"firstName": "C", "lastName": "D"}, timeout=5.0)
    assert (by_record.first_name, by_mapping.last_name) == ("A", "D")
    with pytest.raises(TypeError, match="not both"):
        await welkin.patients.create({"firstName": "C"}, last_name="D")  # type: ignore[call-overload]


async def test_a_body_is_exactly_what_was_given() -> None:
    async with RawServer(always(record())) as server, connect(server) as welkin:
        patients = welkin.patients
        await patients.create(first_name="A", middle_name=None)
        await patients.update("p1", email=None, first_name="ü")
        await patients.update("p1", {"careTeam": [], "unheardOf": {"a": 1}})
        await patients.update(
            "p1",
            patient_territories=[PatientTerritory(name="west", territories=("a", "b"))],
            care_team=[CareTeamMember(id="u1", point_of_contact=True)],
        )
        await patients.update("p1", {})
        assert [seen.json for seen in server.seen] == [
            {"firstName": "A", "middleName": None},
            {"email": None, "firstName": "ü"},
            {"careTeam": [], "unheardOf": {"a": 1}},
            {
                "patientTerritories": [{"name": "west", "territories": ["a", "b"]}],
                "careTeam": [{"id": "u1", "pointOfContact": True}],
            },
            {},
        ]
        assert server.methods() == ["POST", "PATCH", "PATCH", "PATCH", "PATCH"]
        assert {seen.headers["content-type"] for seen in server.seen} == {"application/json"}
        assert {seen.headers["authorization"] for seen in server.seen} == {"Bearer t0ken"}
        assert server.seen[0].target == f"{HERE}/patients"
        assert server.seen[1].target == f"{HERE}/patients/p1"


async def test_a_received_record_is_sent_back_as_it_was() -> None:
    body = {"id": "p1", "birthDate": "1980-2-9T00:00:00.000Z", "unheardOf": {"a": [1, None]}, "email": None}
    async with RawServer(always(http(200, body))) as server, connect(server) as welkin:
        patient = await welkin.patients.get("p1")
        assert patient.extra == {"unheardOf": {"a": [1, None]}}
        assert patient.email is None
        await welkin.patients.update("p1", patient)
        assert server.seen[-1].json == body
        assert to_wire(patient) == body


async def test_get_by_each_key(server: Sandbox, welkin: Welkin) -> None:
    guid = str(uuid4())
    held = server.store.add_patient(externalId="e/1", externalGuid=guid, mrn="m 1")
    by_id = await welkin.patients.get(UUID(held["id"]))
    assert by_id.id == held["id"]
    for key, kind in (("e/1", "EID"), (guid.upper(), "EGUID"), ("m 1", "MRN"), (held["id"], "ID")):
        found = await welkin.patients.get(key, type=kind)  # type: ignore[arg-type]
        assert found == by_id
    expanded = await welkin.patients.get(held["id"], expand=True)
    assert expanded.extra.get("territorialTeam", []) == []
    assert server.stats.log[-1].query == "expand=true"
    with pytest.raises(NotFoundError) as caught:
        await welkin.patients.get(NOBODY)
    assert (caught.value.status, caught.value.error_codes) == (404, ("PATIENT_NOT_FOUND",))
    assert caught.value.request.template == "/{tenant}/{instance}/patients/{patient_id}"
    assert caught.value.request.operation == "patients.get"


async def test_update(server: Sandbox, welkin: Welkin, patient: str) -> None:
    updated = await welkin.patients.update(patient, email="a@b.c", phone="+15550100")
    assert (updated.email, updated.first_name) == ("a@b.c", "Charlie")
    updated = await welkin.patients.update(patient, email=None)
    assert server.store.patients[patient]["email"] is None
    assert (updated.email, updated.phone) == (None, "+15550100")
    with pytest.raises(BadRequestError):
        await welkin.patients.update(patient, first_name="")
    with pytest.raises(InvalidInputError, match="firstname"):
        await welkin.patients.update(patient, firstname="x")  # type: ignore[call-overload]


async def test_delete(server: Sandbox, welkin: Welkin, patient: str) -> None:
    with pytest.raises(PermissionDeniedError) as caught:
        await welkin.patients.delete(patient)
    assert caught.value.error_codes == ("ACCESS_FOR_API_CLIENT_RESTRICTED",)
    assert caught.value.errors[0].date is None
    async with Sandbox(allow_delete=True) as open_server, connect(open_server) as session:
        held = open_server.store.add_patient()["id"]
        assert (await session.patients.delete(held)).status == 200
        assert open_server.store.patients == {}
        with pytest.raises(NotFoundError):
            await session.patients.delete(held)


async def test_list_in_three_styles(server: Sandbox, welkin: Welkin) -> None:
    ids = server.store.add_patients(45)
    assert [patient.id async for patient in welkin.patients.list()] == ids
    pages = [page async for page in welkin.patients.list(size=20).pages()]
    assert [(page.number, len(page.items), page.last) for page in pages] == [
        (0, 20, False),
        (1, 20, False),
        (2, 5, True),
    ]
    assert [item.id for page in pages for item in page.items] == ids
    assert {(page.total_elements, page.total_pages) for page in pages} == {(45, 3)}
    first = await welkin.patients.list(size=7)
    assert ([item.id for item in first.items], first.number, first.last) == (ids[:7], 0, False)
    assert first.answer.status == 200
    pager = welkin.patients.list(page=2, size=20)
    assert [patient.id async for patient in pager] == ids[40:]
    assert [patient.id async for patient in pager] == ids[40:]
    assert await pager.total() == 45
    assert server.stats.operations["patients.list"] == 3 + 3 + 1 + 1 + 1 + 1


async def test_a_walk_fetches_only_as_it_is_read(server: Sandbox, welkin: Welkin) -> None:
    server.store.add_patients(30)
    async for _ in welkin.patients.list(size=10):
        break
    assert server.stats.operations["patients.list"] == 1
    welkin.patients.list()
    assert server.stats.operations["patients.list"] == 1


async def test_empty_lists(welkin: Welkin) -> None:
    assert [patient async for patient in welkin.patients.list()] == []
    pages = [page async for page in welkin.patients.list().pages()]
    assert [(page.items, page.last, page.total_elements) for page in pages] == [((), True, 0)]
    assert await welkin.patients.list().total() == 0


async def test_filters_and_sort(server: Sandbox, welkin: Welkin) -> None:
    add = server.store.add_patient
    one = add(firstName="B", email="b+1@x.org", timezone="US/Pacific")["id"]
    two = add(firstName="A", cadence=["weekly"], patientTerritories=[{"name": "w", "territories": ["t1", "t,2"]}])["id"]
    patients = welkin.patients
    assert [each.id async for each in patients.list(email="b+1@x.org")] == [one]
    assert [each.id async for each in patients.list(query="b+1")] == [one]
    assert [each.id async for each in patients.list(timezone="")] == [two]
    assert [each.id async for each in patients.list(territories="t1")] == [two]
    assert [each.id async for each in patients.list(cadence="weekly")] == [two]
    assert [each.id async for each in patients.list(sort="firstName,desc")] == [one, two]
    assert "email=b%2B1%40x.org" in server.stats.log[-6].query
    with pytest.raises(TypeError, match="emial"):
        patients.list(emial="x")  # type: ignore[call-arg]


async def test_search(server: Sandbox, welkin: Welkin) -> None:
    ids = server.store.add_patients(5)
    assert [each.id async for each in welkin.patients.search(size=2)] == ids
    entries = list(server.stats.log)[-3:]
    assert {(entry.method, entry.path) for entry in entries} == {("POST", f"{HERE}/by-filter/patients")}
    assert [entry.query for entry in entries] == ["size=2&page=0", "size=2&page=1", "size=2&page=2"]
    async with RawServer(always(http(200, {"content": [], "last": True}))) as raw, connect(raw) as session:
        await session.patients.search()
        await session.patients.search({"anything": ["x"]})
        assert [seen.json for seen in raw.seen] == [{}, {"anything": ["x"]}]


async def test_datetimes_in_a_mapping_go_out_in_the_documented_form() -> None:
    async with RawServer(always(record())) as server, connect(server) as welkin:
        await welkin.patients.create({"at": datetime(2024, 5, 1, 12, 0, 0, 123999, UTC), "on": date(2024, 5, 1)})
        assert server.seen[0].json == {"at": "2024-05-01T12:00:00.123Z", "on": "2024-05-01T00:00:00.000Z"}
        with pytest.raises(InvalidInputError, match="naive") as caught:
            await welkin.patients.create({"deep": [{"at": datetime(2024, 5, 1)}]})
        assert caught.value.path == ("deep", "0", "at")
        assert len(server.seen) == 1
