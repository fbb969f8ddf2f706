"""Records as plain data, to be handed on: by `to_dict`, and by pydantic, which FastAPI returns them with."""

from __future__ import annotations

import copy
import importlib
import json
import pkgutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pydantic
import pytest

import welkin_async.models
from welkin_async import to_wire
from welkin_async.errors import DecodeError
from welkin_async.models.cdts import CdtRecord
from welkin_async.models.patients import CareTeamMember, Patient
from welkin_async.wire.records import Record

from .wireforms import SECRET, answer

RECEIVED: dict[str, Any] = {
    "id": "p1",
    "firstName": "Charlie",
    "middleName": None,
    "birthDate": "1970-12-31T00:00:00.000Z",
    "createdAt": "2024-05-06T09:08:09.1234+02:00",
    "gender": "SOMETHING_NEW",
    "careTeam": [{"id": "u1", "pointOfContact": True, "nickname": "C"}],
    "pointOfContact": {"id": "u2", "roles": [{"name": "nurse", "added": [1]}], "nickname": "D"},
    "cadence": [{"every": {"days": 2}}],
    "shoeSize": 44,
}


def received() -> Patient:
    return Patient.from_wire(copy.deepcopy(RECEIVED), answer())


def record_classes() -> Iterator[type[Record]]:
    """Every class of records that the models have."""
    for module in pkgutil.iter_modules(welkin_async.models.__path__):
        importlib.import_module(f"welkin_async.models.{module.name}")
    pending = [Record]
    while pending:
        below = pending.pop().__subclasses__()
        yield from below
        pending += below


def test_a_record_is_handed_on_as_documented_and_by_the_forms_of_its_types() -> None:
    assert received().to_dict() == {
        "id": "p1",
        "firstName": "Charlie",
        "middleName": None,
        "birthDate": "1970-12-31",
        "createdAt": "2024-05-06T07:08:09.123Z",
        "gender": "SOMETHING_NEW",
        "careTeam": [{"id": "u1", "pointOfContact": True}],
        "pointOfContact": {"id": "u2", "roles": [{"name": "nurse", "added": [1]}]},
        "cadence": [{"every": {"days": 2}}],
    }


def test_it_is_plain_json_of_its_own_and_the_record_stays_what_it_was() -> None:
    patient = received()
    data = patient.to_dict()
    assert json.loads(json.dumps(data)) == data
    data["cadence"][0]["every"]["days"] = 3
    data["careTeam"].clear()
    assert to_wire(patient) == RECEIVED
    assert {**patient.to_dict(), **patient.extra}["shoeSize"] == 44


def test_a_record_made_by_hand_is_handed_on_too() -> None:
    moment = datetime(2024, 5, 6, 9, tzinfo=timezone(timedelta(hours=2)))
    made = Patient(birth_date=date(1970, 12, 31), created_at=moment, care_team=(CareTeamMember(id="u"),), email=None)
    assert made.to_dict() == {
        "birthDate": "1970-12-31",
        "createdAt": "2024-05-06T07:00:00.000Z",
        "careTeam": [{"id": "u"}],
        "email": None,
    }


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+02:00", "9999-12-31T23:59:59-02:00"])
def test_a_moment_that_has_no_form_in_utc_keeps_its_offset(text: str) -> None:
    assert Patient.from_wire({"id": "p", "createdAt": text}).to_dict()["createdAt"] == text


def test_the_customers_fields_of_a_cdt_record_are_handed_on_as_they_came() -> None:
    raw = {"id": "r", "jsonBody": {"dose": 3, "icd-10": ["A"], "created_at": "2024-05-06T07:08:09Z"}, "shelf": "B"}
    assert CdtRecord.from_wire(raw).to_dict() == {
        "id": "r",
        "jsonBody": {"dose": 3, "icd-10": ["A"], "created_at": "2024-05-06T07:08:09.000Z"},
    }
    assert CdtRecord.from_wire({"id": "r", "jsonBody": None}).to_dict() == {"id": "r", "jsonBody": None}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ({"firstName": SECRET}, "id is missing"),
        ({"id": "p", "birthDate": SECRET}, "birthDate is not"),
        ({"id": "p", "careTeam": [{"id": 5, "username": SECRET}]}, "careTeam\\[0\\].id is not"),
    ],
)
def test_a_field_that_is_not_of_its_type_is_refused_as_when_it_is_read(raw: dict[str, Any], reason: str) -> None:
    record = Patient.from_wire(raw, answer())
    with pytest.raises(DecodeError, match=reason) as caught:
        record.to_dict()
    assert SECRET not in str(caught.value)
    # By pydantic it is the same error, so that a service answers it like any other of a call.
    with pytest.raises(DecodeError, match=reason):
        pydantic.TypeAdapter(Patient).validate_python(record)
    with pytest.raises(pydantic.ValidationError, match=reason.rpartition(".")[2]):
        pydantic.TypeAdapter(Patient).validate_python(raw)


def test_pydantic_takes_records_and_objects_and_writes_what_to_dict_returns() -> None:
    class Visit(pydantic.BaseModel):
        patient: Patient
        records: list[CdtRecord] = []

    patient = received()
    visit = Visit(patient=patient, records=[CdtRecord.from_wire({"id": "r"})])
    assert visit.patient is patient
    assert json.loads(visit.model_dump_json()) == {"patient": patient.to_dict(), "records": [{"id": "r"}]}
    again = Visit.model_validate_json(visit.model_dump_json())
    assert again.patient.created_at == datetime(2024, 5, 6, 7, 8, 9, 123000, tzinfo=UTC)
    assert again.patient.birth_date == date(1970, 12, 31)
    by_values = Visit.model_validate({"patient": {"id": "p", "birthDate": date(1970, 12, 31)}})
    assert by_values.patient.to_dict() == {"id": "p", "birthDate": "1970-12-31"}
    for value in (5, "p1", ["p1"], {"id": object()}, {5: "p"}):
        with pytest.raises(pydantic.ValidationError):
            Visit.model_validate({"patient": value})


def test_every_class_of_records_is_described_for_openapi() -> None:
    classes = {each for each in record_classes() if each.__module__.startswith("welkin_async.models.")}
    assert len(classes) > 50
    for cls in classes:
        schema = pydantic.TypeAdapter(list[cls]).json_schema(mode="serialization")  # type: ignore[valid-type]
        (described,) = schema["$defs"].values()
        assert described["title"] == cls.__name__
        assert described["type"] == "object"
    patient = pydantic.TypeAdapter(Patient).json_schema()
    assert patient["required"] == ["id"]
    assert patient["properties"]["birthDate"] == {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}
    member = patient["properties"]["careTeam"]["anyOf"][0]["items"]
    assert (member["title"], member["properties"]["pointOfContact"]["anyOf"][0]) == (
        "CareTeamMember",
        {"type": "boolean"},
    )
    body = pydantic.TypeAdapter(CdtRecord).json_schema()["properties"]["jsonBody"]
    assert body["properties"]["created_at"]["anyOf"][0] == {"type": "string", "format": "date-time"}
