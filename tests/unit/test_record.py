"""Records: lazily decoded, exact about what was received and what was given, silent about values."""

from __future__ import annotations

import copy
import pickle
import threading
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import attrs
import pytest

from welkin_async.errors import DecodeError, InvalidInputError, RequestLine
from welkin_async.models.calendar import DayInfo, WorkHours
from welkin_async.models.cdts import CdtBulkRow, CdtRecord
from welkin_async.models.documents import DocumentSummary
from welkin_async.models.patients import CareTeamMember, Patient
from welkin_async.models.users import User
from welkin_async.wire.records import answer_of, detached, field_names, records_of, to_wire, wire_body

from .wireforms import SECRET, answer

RECEIVED = {
    "id": "p1",
    "firstName": "Charlie",
    "middleName": None,
    "birthDate": "1970-12-31T00:00:00.000Z",
    "createdAt": "2024-05-06T07:08:09.1Z",
    "gender": "SOMETHING_NEW",
    "careTeam": [{"id": "u1", "pointOfContact": True, "nickname": "C"}],
    "shoeSize": 44,
}


def received() -> Patient:
    return Patient.from_wire(copy.deepcopy(RECEIVED), answer())


def test_fields_are_typed() -> None:
    patient = received()
    assert patient.id == "p1"
    assert patient.birth_date == date(1970, 12, 31)
    assert patient.created_at == datetime(2024, 5, 6, 7, 8, 9, 100_000, tzinfo=UTC)
    assert patient.care_team is not None
    assert patient.care_team[0].point_of_contact is True


def test_an_enum_value_nobody_knows_is_kept_as_text() -> None:
    assert received().gender == "SOMETHING_NEW"


def test_a_field_is_decoded_when_it_is_first_read_and_never_again() -> None:
    patient = Patient.from_wire({"id": "p1", "createdAt": "no date", "updatedAt": "2024-01-01T00:00:00Z"})
    assert patient.id == "p1"
    assert patient.updated_at is patient.updated_at
    with pytest.raises(DecodeError, match="createdAt"):
        _ = patient.created_at


def test_unknown_keys_are_extra_and_survive() -> None:
    patient = received()
    assert dict(patient.extra) == {"shoeSize": 44}
    with pytest.raises(TypeError):
        patient.extra["shoeSize"] = 45  # type: ignore[index]
    assert to_wire(patient) == RECEIVED
    assert patient.care_team is not None
    assert to_wire(patient.care_team[0]) == RECEIVED["careTeam"][0]  # type: ignore[index]


def test_null_and_absent_read_alike_and_are_told_apart_on_the_wire() -> None:
    patient = received()
    assert patient.middle_name is None
    assert patient.last_name is None
    assert "middleName" in to_wire(patient)
    assert "lastName" not in to_wire(patient)
    assert Patient(middle_name=None) != Patient()
    assert to_wire(Patient(middle_name=None)) == {"middleName": None}


def test_the_text_of_a_date_is_kept_through_an_evolve_of_another_field() -> None:
    changed = attrs.evolve(received(), last_name="Taylor")
    assert to_wire(changed) == {**RECEIVED, "lastName": "Taylor"}
    assert to_wire(received()) == RECEIVED


def test_evolve_sends_null_for_a_field_that_was_there() -> None:
    changed = attrs.evolve(received(), first_name=None)
    assert to_wire(changed) == {**RECEIVED, "firstName": None}


def test_evolve_of_a_nested_field_leaves_its_neighbours_alone() -> None:
    record = CdtRecord.from_wire({"id": "r1", "jsonBody": {"dose": 5, "created_at": "2024-01-01T00:00:00.0Z"}})
    changed = attrs.evolve(record, external_id="row-1")
    assert to_wire(changed) == {
        "id": "r1",
        "jsonBody": {"dose": 5, "created_at": "2024-01-01T00:00:00.0Z", "external_id": "row-1"},
    }
    assert to_wire(record)["jsonBody"].keys() == {"dose", "created_at"}


def test_a_record_made_by_hand_evolves_although_it_has_no_id() -> None:
    changed = attrs.evolve(Patient(first_name="Charlie"), last_name="Taylor")
    assert to_wire(changed) == {"firstName": "Charlie", "lastName": "Taylor"}


def test_records_of_another_class_are_never_equal() -> None:
    assert CdtRecord.from_wire({"id": "1"}) != DocumentSummary.from_wire({"id": "1"})
    assert Patient(id="1") == Patient.from_wire({"id": "1"})
    assert Patient(id="1") != {"id": "1"}


def test_a_record_holds_changing_json_so_it_has_no_hash() -> None:
    with pytest.raises(TypeError):
        hash(received())


def test_pickling_drops_the_answer_and_keeps_the_record() -> None:
    twin = pickle.loads(pickle.dumps(received()))
    assert twin == received()
    with pytest.raises(ValueError):
        answer_of(twin)


def test_a_deep_copy_shares_nothing() -> None:
    patient = received()
    twin = copy.deepcopy(patient)
    twin.__wire__()["careTeam"][0]["id"] = "changed"
    assert to_wire(patient) == RECEIVED


def test_repr_quotes_no_value() -> None:
    record = Patient(first_name=SECRET, care_team=(CareTeamMember(id=SECRET),))
    assert SECRET not in f"{record!r} {record} {record.care_team}"
    assert repr(record) == "<Patient of 2 fields>"


def test_what_cannot_be_sent_is_refused_when_the_record_is_made() -> None:
    with pytest.raises(InvalidInputError, match="naive"):
        Patient(created_at=datetime(2024, 1, 1))
    with pytest.raises(InvalidInputError, match="type set"):
        Patient(cadence=({1},))


def test_a_birth_date_given_as_a_datetime_is_not_moved_to_another_day() -> None:
    born = datetime(1970, 1, 1, tzinfo=timezone(timedelta(hours=5)))
    try:
        sent = to_wire(Patient(birth_date=born))
    except InvalidInputError:
        return
    assert sent == {"birthDate": "1970-01-01T00:00:00.000Z"}


def test_keyword_fields_may_be_records_uuids_and_tuples() -> None:
    wire = to_wire(Patient(external_guid=str(UUID(int=7)), care_team=(CareTeamMember(id="u1", point_of_contact=True),)))
    assert wire == {
        "externalGuid": "00000000-0000-0000-0000-000000000007",
        "careTeam": [{"id": "u1", "pointOfContact": True}],
    }


def test_a_detached_record_keeps_nothing_of_its_page_but_itself() -> None:
    page: list[Any] = [{"id": "1"}, {"id": "2"}]
    found = answer({"content": page})
    first, _ = records_of(Patient, page, found)
    alone = detached(first)
    assert alone == first
    assert type(alone) is Patient
    kept = answer_of(alone)
    assert kept.data == {"id": "1"}
    assert (kept.status, kept.headers, kept.attempts, kept.request) == (
        found.status,
        found.headers,
        found.attempts,
        found.request,
    )


def test_what_came_in_no_answer_of_its_own_is_detached_already() -> None:
    by_hand, other = Patient(id="1"), object()
    assert detached(by_hand) is by_hand
    assert detached(other) is other


def test_answer_of_gives_the_answer_a_record_came_in() -> None:
    found = answer()
    assert answer_of(Patient.from_wire({}, found)) is found
    first, second = records_of(Patient, [{"id": "1"}, {"id": "2"}], found)
    assert answer_of(first) is answer_of(second) is found


@pytest.mark.parametrize("record", [Patient(), Patient.from_wire({}), copy.copy(Patient.from_wire({}))])
def test_a_record_that_came_in_no_answer_says_so(record: Patient) -> None:
    with pytest.raises(ValueError, match="answer of its own"):
        answer_of(record)


def test_an_element_of_a_page_that_is_no_object_is_a_decode_error() -> None:
    with pytest.raises(DecodeError, match="element 1 of the page") as caught:
        records_of(Patient, [{"id": "1"}, SECRET], answer())
    assert SECRET not in str(caught.value)


def test_a_nested_record_names_its_operation_and_the_whole_path() -> None:
    patient = Patient.from_wire({"careTeam": [{"id": 5}], "patientPrograms": [{"currentPhase": {"name": 5}}]}, answer())
    assert patient.care_team is not None
    with pytest.raises(DecodeError, match=r"careTeam\[0\]\.id is not str") as caught:
        _ = patient.care_team[0].id
    assert caught.value.request.operation == "things.get"
    assert patient.patient_programs is not None
    phase = patient.patient_programs[0].current_phase
    assert phase is not None
    with pytest.raises(DecodeError, match=r"patientPrograms\[0\]\.currentPhase\.name is not") as caught:
        _ = phase.name
    assert caught.value.request.operation == "things.get"
    with pytest.raises(ValueError, match="answer of its own"):
        answer_of(phase)


def test_a_create_whose_answer_cannot_be_read_is_not_called_safe_to_repeat() -> None:
    line = RequestLine("POST", "/{tenant}/{instance}/patients", "patients.create")
    created = Patient.from_wire({"id": "p1", "createdAt": 5}, answer(line=line))
    with pytest.raises(DecodeError) as caught:
        _ = created.created_at
    assert caught.value.safe_to_repeat is False


def test_field_names_and_wire_bodies_use_the_documented_names() -> None:
    assert field_names(Patient)["first_name"] == "firstName"
    assert "created_at" not in field_names(CdtRecord)
    assert wire_body(Patient, {"first_name": "C", "mrn": None}) == {"firstName": "C", "mrn": None}
    with pytest.raises(InvalidInputError, match="Patient") as caught:
        wire_body(Patient, {"frist_name": SECRET})
    assert caught.value.path == ("frist_name",)
    assert SECRET not in str(caught.value)


def test_a_field_called_like_a_type_hides_no_type() -> None:
    from welkin_async.models.messages import Email

    assert Email.from_wire({"date": "2024-01-01T00:00:00Z"}).date == datetime(2024, 1, 1, tzinfo=UTC)


def test_days_off_have_no_hours() -> None:
    hours = WorkHours.from_wire({"psmId": "u", "details": [{"daysInfo": [{"day": 7, "startTime": None}]}]})
    assert hours.details is not None
    assert hours.details[0].days_info == (DayInfo.from_wire({"day": 7, "startTime": None}),)


def test_a_cdt_record_gives_the_customers_fields_by_their_own_names() -> None:
    record = CdtRecord.from_wire(
        {"id": "r", "jsonBody": {"icd-10": "A", "class": 1, "created_at": "2024-01-01T00:00:00Z", "id": "r"}}
    )
    assert dict(record.fields) == {"icd-10": "A", "class": 1}
    assert record["icd-10"] == "A"
    assert "class" in record
    assert "dose" not in record
    with pytest.raises(KeyError, match="dose"):
        record["dose"]
    with pytest.raises(TypeError):
        record.fields["class"] = 2  # type: ignore[index]


@pytest.mark.parametrize("cls", [CdtRecord, CdtBulkRow])
def test_a_cdt_record_without_a_body_has_no_fields(cls: type[CdtRecord]) -> None:
    record = cls.from_wire({"id": "r"})
    assert dict(record.fields) == {}
    assert "dose" not in record
    with pytest.raises(KeyError):
        record["dose"]


@pytest.mark.parametrize("cls", [CdtRecord, CdtBulkRow])
@pytest.mark.parametrize("body", [SECRET, [SECRET], 5, True])
def test_a_cdt_record_whose_body_is_no_object_is_a_decode_error_however_it_is_read(
    cls: type[CdtRecord], body: object
) -> None:
    record = cls.from_wire({"id": "r", "jsonBody": body}, answer())
    with pytest.raises(DecodeError, match="jsonBody"):
        _ = record.fields
    with pytest.raises(DecodeError, match="jsonBody"):
        record["dose"]
    with pytest.raises(DecodeError, match="jsonBody"):
        _ = "Charlie" in record


def test_a_cdt_record_whose_body_is_null_has_no_fields() -> None:
    record = CdtRecord.from_wire({"id": "r", "jsonBody": None}, answer())
    assert dict(record.fields) == {}
    assert "dose" not in record
    with pytest.raises(KeyError):
        record["dose"]


def test_records_are_read_from_many_threads_at_once() -> None:
    patient = received()
    seen: list[object] = []
    threads = [threading.Thread(target=lambda: seen.append(patient.created_at)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [received().created_at] * 16


def test_users_say_who_is_root() -> None:
    assert User.from_wire({"_root_user": True}).root_user is True
    assert to_wire(User(root_user=False)) == {"_root_user": False}


@pytest.mark.parametrize("levels", [1, 99, 100, 1000])
def test_an_answer_nested_a_thousand_deep_is_written_and_pickled(levels: int) -> None:
    inner: dict[str, Any] = {"leaf": [1, None, "x"]}
    for level in range(levels):
        inner = {"in": inner} if level % 2 else {"in": [level, inner]}
    patient = Patient.from_wire({"id": "p1", "deep": inner}, answer())
    for copied in (to_wire(patient), to_wire(pickle.loads(pickle.dumps(patient)))):
        assert copied["id"] == "p1"
        here: Any = copied["deep"]
        there: Any = inner
        assert here is not there
        while "in" in there:
            assert here.keys() == there.keys()
            here, there = here["in"], there["in"]
            if isinstance(there, list):
                assert here[0] == there[0]
                here, there = here[1], there[1]
        assert here == {"leaf": [1, None, "x"]}
