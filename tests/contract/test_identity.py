"""Every operation's answer is held against its request, by what the recordings and documents show of it."""

from __future__ import annotations

import re
from datetime import date
from typing import Any
from urllib.parse import quote

import pytest
from yarl import URL

from welkin_async.errors import error_items
from welkin_async.http.identities import IDENTITIES, error_differences
from welkin_async.wire.request import Operation, Request

from .calls import BODY
from .catalogue import Endpoint, endpoints
from .identities import BODY_PLACES, PLACES, UNNAMED, put
from .samples import answer_to

NOT_RECORDS = {"empty", "file"}


def request_of(endpoint: Endpoint, query: dict[str, Any] | None = None, sent: object = BODY) -> Request:
    """The request of an operation, with path parameters that have to be encoded."""
    asked = {name: quote(value, safe="") for name, value in endpoint.parameters.items()}
    operation = Operation(endpoint.id, endpoint.method, endpoint.path)
    if endpoint.id in BODY_PLACES:
        sent = {"overview": "text", "rows": [{"id": "id"}]}
    return Request(operation, URL("http://h/"), asked=asked, query=query or {}, sent=sent)


def test_every_operation_is_accounted_for() -> None:
    assert IDENTITIES.keys() == endpoints().keys()


@pytest.mark.parametrize("name", [*PLACES, *BODY_PLACES])
def test_an_answer_that_is_the_requests_own_passes(name: str) -> None:
    endpoint = endpoints()[name]
    assert IDENTITIES[name].differences(request_of(endpoint), answer_to(endpoint, {})) in ((), None)


@pytest.mark.parametrize(("name", "place"), [(name, place) for name, places in PLACES.items() for place in places])
def test_an_answer_about_something_else_is_found(name: str, place: str) -> None:
    endpoint = endpoints()[name]
    answer = answer_to(endpoint, {})
    put(answer, place, "another")
    assert IDENTITIES[name].differences(request_of(endpoint), answer)


@pytest.mark.parametrize(("name", "place"), [(name, place) for name, places in PLACES.items() for place in places])
def test_a_field_that_an_answer_lacks_is_not_compared(name: str, place: str) -> None:
    """Projections, and records of older instances; but a new CDT record names its patient, and a formation itself."""
    endpoint = endpoints()[name]
    answer = answer_to(endpoint, {})
    put(answer, place, None)
    found = IDENTITIES[name].differences(request_of(endpoint), answer)
    formation = name.startswith("formation_") and ".get" in name
    assert bool(found) is ((name, place) == ("cdts.create", "patientId") or formation)


@pytest.mark.parametrize("name", BODY_PLACES)
def test_an_answer_to_another_body_is_found(name: str) -> None:
    endpoint = endpoints()[name]
    answer = answer_to(endpoint, {})
    put(answer, BODY_PLACES[name][0], "another")
    assert IDENTITIES[name].differences(request_of(endpoint), answer)


@pytest.mark.parametrize("name", [name for name, each in endpoints().items() if "page" in each.query])
def test_a_page_of_another_number_is_found(name: str) -> None:
    endpoint = endpoints()[name]
    own, other = (answer_to(endpoint, {"page": number}) for number in ("3", "4"))
    request = request_of(endpoint, {"page": 3})
    assert not IDENTITIES[name].differences(request, own)
    if endpoint.answer in ("spring", "nested_spring", "meta_info"):
        assert IDENTITIES[name].differences(request, other) == (("page", 4),)
        assert IDENTITIES[name].differences(request, {"id": "a record"})


def test_what_the_path_names_is_compared_wherever_the_answer_has_it() -> None:
    """An operation whose path names a record and whose answer is left alone is so for a reason that is written down."""
    alone = {
        name
        for name, each in endpoints().items()
        if re.search(r"\{\w+\}$", each.path)
        and each.answer not in NOT_RECORDS
        and name not in PLACES
        and name not in UNNAMED
        and not IDENTITIES[name].facts
    }
    assert alone == {"auth.create_token", "work_hours.update", "exports.list", "cdts.bulk_update"}


@pytest.mark.parametrize(
    ("name", "kind", "field", "own"),
    [
        ("patients.get", "EGUID", "externalGuid", "3FA85F64-5717-4562-B3FC-2C963F66AFA6"),
        ("patients.get", "EID", "externalId", " Hospital-7 "),
        ("patients.get", "MRN", "mrn", "hospital-7"),
        ("users.get", "EMAIL", "email", "A.B@Example.org"),
        ("users.get", "ID", "id", "hospital-7"),
        ("calendar_events.get", "EXTERNAL_ID", "externalId", "hospital-7"),
    ],
)
def test_a_record_found_by_another_key_is_compared_by_that(name: str, kind: str, field: str, own: str) -> None:
    """Recorded: a patient asked for by EGUID answers with another id than was asked for."""
    endpoint = endpoints()[name]
    parameter = re.findall(r"\{(\w+)\}", endpoint.path)[-1]
    asked = {"EGUID": "3fa85f64-5717-4562-b3fc-2c963f66afa6", "EMAIL": "a.b%40example.org"}.get(kind, "hospital-7")
    request = request_of(endpoint, {"type": kind})
    request.asked = {**request.asked, parameter: asked}
    identity = IDENTITIES[name]
    assert identity.differences(request, {"id": "its own", field: own}) == ()
    assert identity.differences(request, {"id": "its own", field: "another"})


def test_a_record_found_by_its_id_is_compared_by_that_whatever_else_the_query_says() -> None:
    request = request_of(endpoints()["patients.get"], {"type": None, "expand": True})
    id = request.asked["patient_id"]
    identity = IDENTITIES["patients.get"]
    assert identity.differences(request, {"id": id, "mrn": "other"}) == ()
    assert identity.differences(request, {"id": "other", "mrn": id}) == (("id", "other"),)


def test_a_user_whose_name_is_changed_may_have_the_new_one() -> None:
    endpoint = endpoints()["users.update"]
    request = request_of(endpoint, sent={"username": "new"})
    identity = IDENTITIES[endpoint.id]
    assert identity.differences(request, {"username": "new"}) == ()
    assert identity.differences(request, {"username": endpoint.parameters["user_key"]}) == ()
    assert identity.differences(request, {"username": "another"})


def test_a_uuid_in_another_form_is_the_same() -> None:
    endpoint = endpoints()["cdts.get"]
    request = request_of(endpoint)
    id, patient = "3fa85f64-5717-4562-b3fc-2c963f66afa6", "23a7711a-8133-4876-b7eb-000000000000"
    request.asked = {"record_id": id, "patient_id": patient, "cdt_name": "m"}
    answer = {"id": id.upper(), "patientId": patient.replace("-", ""), "cdtName": "m"}
    assert IDENTITIES[endpoint.id].differences(request, answer) == ()


def test_a_projected_list_is_compared_by_its_envelope_alone() -> None:
    endpoint = endpoints()["cdts.list"]
    answer = answer_to(endpoint, {})
    put(answer, "data.content[].patientId", "another")
    request = request_of(endpoint, {"page": 0, "fields": ["dose"]})
    assert IDENTITIES[endpoint.id].differences(request, answer) is None


def test_the_rows_of_a_batch_are_among_those_sent() -> None:
    endpoint = endpoints()["cdts.bulk_update"]
    request = request_of(endpoint)
    request.sent = {"rows": [{"id": "a"}, {"id": "B"}]}
    identity = IDENTITIES[endpoint.id]
    assert identity.differences(request, {"rows": [{"id": "b", "jsonBody": {}}]}) == ()
    assert identity.differences(request, {"rows": [{"id": "b"}, {"id": "c"}]}) == (("rows.id", "c"),)


@pytest.mark.parametrize(
    ("sent", "back", "differs"),
    [
        ({"external_id": "k", "dose": 1}, {"external_id": "k", "dose": 2}, False),
        ({"external_id": "k", "dose": 1}, {"external_id": "K ", "dose": 2}, False),
        ({"external_id": "k"}, {"external_id": "another"}, True),
        ({"dose": 1}, {"dose": 2}, True),
        ({"name": "A"}, {"name": "B"}, True),
        ({"on": True}, {"on": False}, True),
        ({"name": "A"}, {"name": None}, False),
        ({"name": "A"}, {}, False),
        ({"name": "A  b"}, {"name": " a b"}, False),
        ({"day": "2024-02-29"}, {"day": "2024-02-29T00:00:00.000Z"}, False),
        ({"at": "2024-02-29T23:30:00.000Z"}, {"at": "2024-03-01T07:30:00.000+08:00"}, False),
        ({"at": "2024-02-29T23:30:00.000Z"}, {"at": "2023-02-28T23:30:00.000Z"}, True),
        ({"dose": "1"}, {"dose": 1}, False),
    ],
)
def test_a_new_record_is_known_by_its_key_or_its_fields(
    sent: dict[str, Any], back: dict[str, Any], differs: bool
) -> None:
    endpoint = endpoints()["cdts.create"]
    answer = answer_to(endpoint, {}) | {"jsonBody": back}
    assert bool(IDENTITIES[endpoint.id].differences(request_of(endpoint, sent=sent), answer)) is differs


@pytest.mark.parametrize(
    ("sent", "back", "differs"),
    [
        ({"dose": 1}, {"dose": 1, "name": "A"}, False),
        ({"dose": 1}, {"dose": 2}, True),
        ({"name": "A"}, {"name": "B"}, True),
        ({"name": "A"}, {"name": None}, True),
        ({"name": "A"}, {}, True),
        ({"name": None}, {"name": "A"}, True),
        ({"name": None}, {}, False),
        ({"external_id": "k", "dose": 1}, {"external_id": "k", "dose": 2}, True),
        ({"day": "2024-02-29"}, {"day": "2024-02-29T00:00:00.000Z"}, False),
        ({"day": "2024-02-29"}, {"day": "2024-02-28"}, True),
        ({"at": "2024-02-29T23:30:00.000Z"}, {"at": "2024-03-01T07:30:00+08:00"}, False),
        ({"at": "2024-02-29T23:30:00.000Z"}, {"at": "2024-02-29T22:30:00.000Z"}, True),
        ({"at": date(2024, 2, 29)}, {"at": "2024-02-29"}, False),
        ({"list": ["b", "a"]}, {"list": ["a", "b"]}, False),
        ({"dose": "1"}, {"dose": 1}, False),
    ],
)
def test_an_answer_to_a_change_has_the_fields_as_they_were_to_become(
    sent: dict[str, Any], back: dict[str, Any], differs: bool
) -> None:
    """Else it is the record as it was before, which an earlier request for it was answered with."""
    for name in ("cdts.update", "pdts.update"):
        endpoint = endpoints()[name]
        answer = answer_to(endpoint, {}) | {"jsonBody": back}
        assert bool(IDENTITIES[name].differences(request_of(endpoint, sent=sent), answer)) is differs
    batch = request_of(endpoints()["cdts.bulk_update"])
    batch.sent = {"rows": [{"id": "a", "jsonBody": sent}]}
    answer = {"rows": [{"id": "a", "jsonBody": back, "result": {"status": "OK"}}]}
    assert bool(IDENTITIES["cdts.bulk_update"].differences(batch, answer)) is differs


@pytest.mark.parametrize("name", [name for name, each in IDENTITIES.items() if each.changed == ""])
def test_a_field_beside_others_is_compared_where_the_answer_has_it(name: str) -> None:
    endpoint = endpoints()[name]
    request = request_of(endpoint, sent={"hue": "1"})
    for more, differs in (({}, False), ({"hue": "1"}, False), ({"hue": "2"}, True), ({"hue": None}, True)):
        assert bool(IDENTITIES[name].differences(request, answer_to(endpoint, {}) | more)) is differs


@pytest.mark.parametrize(
    ("answer", "differs"),
    [
        ({"id": "p", "firstName": "ann", "lastName": "Lee ", "externalGuid": "A-B"}, False),
        ({"id": "p", "firstName": "Ann", "lastName": "Lee", "externalGuid": "other"}, True),
        ({"id": "p", "firstName": "Bea", "lastName": "Lee", "externalGuid": "a-b"}, True),
        ({"id": "pending-1", "status": "QUEUED"}, True),
    ],
)
def test_a_new_patient_is_known_by_its_guid_and_its_name(answer: dict[str, Any], differs: bool) -> None:
    request = request_of(
        endpoints()["patients.create"], sent={"firstName": "Ann", "lastName": "Lee", "externalGuid": "a-b"}
    )
    assert bool(IDENTITIES["patients.create"].differences(request, answer)) is differs


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({}, None),
        ({"patientId": "p"}, None),
        ({"cdtRecordId": "record_id 1/2%é"}, ()),
        ({"cdtRecordId": "another", "patientId": "p"}, (("details.cdtRecordId", "another"),)),
    ],
)
def test_an_error_that_names_a_record_is_held_against_the_request(details: dict[str, str], expected: object) -> None:
    items = error_items([{"errorCode": "DT_RECORD_NOT_FOUND", "details": details}])
    assert error_differences(request_of(endpoints()["cdts.get"]), items) == expected


def test_an_error_about_what_a_body_refers_to_names_nobody() -> None:
    items = error_items([{"errorCode": "DT_RECORD_NOT_FOUND", "details": {"cdtRecordId": "another"}}])
    assert error_differences(request_of(endpoints()["cdts.create"]), items) is None
    items = error_items([{"errorCode": "GOAL_NOT_FOUND", "details": {"id": "another"}}])
    assert error_differences(request_of(endpoints()["tasks.update"]), items) is None


def test_a_deletion_is_confirmed_by_the_records_own_error_code_alone() -> None:
    gone = IDENTITIES["cdts.delete"].says_gone
    assert gone(error_items([{"errorCode": "DT_RECORD_NOT_FOUND"}]))
    assert not gone(error_items([{"errorCode": "PATIENT_NOT_FOUND"}]))
    assert not gone(error_items({"message": "no route"}))
    assert not gone(())


@pytest.mark.parametrize("name", [name for name, each in endpoints().items() if each.method == "DELETE"])
def test_every_deletion_knows_how_a_record_says_that_it_is_gone(name: str) -> None:
    assert IDENTITIES[name].gone or name in ("tasks.remove_watcher", "tasks.remove_comment")
