"""What a verb sends and what it makes of the answer, without a server; `tests/net` does it with one."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime, time
from functools import partial
from inspect import signature
from typing import Any, NamedTuple, get_type_hints
from uuid import UUID

import pytest
from yarl import URL

from welkin_async import (
    Answer,
    DecodeError,
    InvalidInputError,
    NotFoundError,
    OutcomeUnknownError,
    PagingError,
    SessionError,
    Welkin,
    WelkinError,
    answer_of,
    to_wire,
)
from welkin_async.errors import RequestError
from welkin_async.models.calendar import DayInfo
from welkin_async.models.patients import CareTeamMember, Patient
from welkin_async.models.users import User
from welkin_async.resources.calendar import NewWorkHours
from welkin_async.resources.patients import NewPatient
from welkin_async.resources.users import NewUser
from welkin_async.wire.records import field_names

HOST = "https://api.example.org"
TOKEN = f"{HOST}/gh/admin/api_clients/CLIENT"
INSTANCE = f"{HOST}/gh/sb-demo"
SECRET = "Charlie-Taylor-1970"


class Sent(NamedTuple):
    method: str
    url: URL
    body: Any
    headers: dict[str, str]


@pytest.fixture
async def session(answers: Any) -> AsyncIterator[Welkin]:
    answers.add(TOKEN, "POST", payload={"token": "the-token"})
    given = {"tenant": "gh", "instance": "sb-demo", "api_client": "CLIENT", "secret_key": "s+}{", "base_url": HOST}
    async with Welkin(**given, max_attempts=1, check="off") as welkin:  # type: ignore[arg-type]
        yield welkin


def sent(answers: Any, *, token_call: bool = False) -> list[Sent]:
    found = []
    for (method, url), calls in answers.requests.items():
        for call in calls:
            body = call.kwargs["data"]
            sent = Sent(method, url, None if body is None else json.loads(body), dict(call.kwargs["headers"]))
            if token_call == (str(url) == TOKEN):
                found.append(sent)
    return found


def only(answers: Any) -> Sent:
    (found,) = sent(answers)
    return found


async def test_a_token_is_fetched_once_and_sent_with_every_request(session: Welkin, answers: Any) -> None:
    for id in "12":
        answers.add(f"{INSTANCE}/patients/{id}", payload={"id": id})
        await session.patients.get(id)
    (login,) = sent(answers, token_call=True)
    assert (login.method, login.body) == ("POST", {"secret": "s+}{"})
    assert "Authorization" not in login.headers
    for request in sent(answers):
        assert request.headers["Authorization"] == "Bearer the-token"
        assert request.headers["Accept"] == "application/json"
        assert "Content-Type" not in request.headers


async def test_a_create_takes_keywords(session: Welkin, answers: Any) -> None:
    kept = {"id": "p1", "firstName": "Charlie", "externalGuid": str(UUID(int=1))}
    answers.add(f"{INSTANCE}/patients", "POST", status=201, payload=kept)
    patient = await session.patients.create(
        first_name="Charlie",
        birth_date=date(1970, 1, 1),
        external_guid=UUID(int=1),
        middle_name=None,
        care_team=[CareTeamMember(id="u1", point_of_contact=True)],
        timeout=5.0,
    )
    request = only(answers)
    assert (request.method, request.url.path) == ("POST", "/gh/sb-demo/patients")
    assert request.body == {
        "firstName": "Charlie",
        "birthDate": "1970-01-01T00:00:00.000Z",
        "externalGuid": "00000000-0000-0000-0000-000000000001",
        "middleName": None,
        "careTeam": [{"id": "u1", "pointOfContact": True}],
    }
    assert request.headers["Content-Type"] == "application/json"
    assert (patient.id, patient.first_name) == ("p1", "Charlie")
    answer = answer_of(patient)
    assert (answer.status, answer.attempts, answer.request.operation) == (201, 1, "patients.create")


@pytest.mark.parametrize("given", [Patient(first_name="Charlie"), {"firstName": "Charlie"}])
async def test_a_create_takes_a_record_or_a_mapping(session: Welkin, answers: Any, given: Any) -> None:
    answers.add(f"{INSTANCE}/patients", "POST", status=201, payload={"id": "p1"})
    await session.patients.create(given)
    assert only(answers).body == {"firstName": "Charlie"}


async def test_a_create_takes_one_or_the_other(session: Welkin) -> None:
    with pytest.raises(TypeError, match="not both"):
        await session.patients.create({"firstName": "A"}, first_name="A")  # type: ignore[call-overload]
    with pytest.raises(InvalidInputError, match="Patient") as caught:
        await session.patients.create(frist_name=SECRET)  # type: ignore[call-overload]
    assert caught.value.path == ("frist_name",)


async def test_an_update_sends_exactly_what_was_given(session: Welkin, answers: Any) -> None:
    answers.add(f"{INSTANCE}/patients/p1", "PATCH", payload={"id": "p1"}, repeat=True)
    await session.patients.update("p1", email=None)
    await session.patients.update("p1", {"email": ""})
    await session.patients.update("p1", Patient(mrn="7"))
    await session.patients.update("p1", {})
    assert [request.body for request in sent(answers)] == [{"email": None}, {"email": ""}, {"mrn": "7"}, {}]


async def test_a_delete_needs_no_body_in_its_answer(session: Welkin, answers: Any) -> None:
    url = f"{INSTANCE}/patients/p1/cdts/medication/r1"
    answers.add(url, "DELETE", status=200)
    answer = await session.patient("p1").cdts("medication").delete("r1")
    assert isinstance(answer, Answer)
    assert (answer.status, answer.data) == (200, None)
    assert only(answers).body is None


async def test_cdt_fields_are_never_renamed(session: Welkin, answers: Any) -> None:
    fields = {"icd-10": "A", "class": 1, "at": datetime(2024, 1, 1, tzinfo=UTC), "day": date(2024, 1, 1), "gone": None}
    body = {"id": "r1", "created_at": "2024-01-01T00:00:00.000Z", "icd-10": "A"}
    answers.add(
        f"{INSTANCE}/patients/p1/cdts/m", "POST", status=201, payload={"id": "r1", "patientId": "p1", "jsonBody": body}
    )
    record = await session.patient("p1").cdts("m").create(fields)
    assert only(answers).body == {
        "icd-10": "A",
        "class": 1,
        "at": "2024-01-01T00:00:00.000Z",
        "day": "2024-01-01T00:00:00.000Z",
        "gone": None,
    }
    assert dict(record.fields) == {"icd-10": "A"}


async def test_a_bulk_update_sends_rows_and_reads_each_result(session: Welkin, answers: Any) -> None:
    row = {"id": "r1", "jsonBody": {"a": 1}, "result": {"status": "OK", "content": None}}
    answers.add(f"{INSTANCE}/patients/p1/cdts/m", "PATCH", payload={"rows": [row]})
    (found,) = await session.patient("p1").cdts("m").bulk_update({"r1": {"a": 1}})
    assert only(answers).body == {"rows": [{"id": "r1", "jsonBody": {"a": 1}}]}
    assert found.result is not None
    assert found.result["status"] == "OK"
    answers.add(f"{INSTANCE}/patients/p1/cdts/m", "PATCH", payload={"rows": SECRET})
    with pytest.raises(DecodeError, match="rows is not an array"):
        await session.patient("p1").cdts("m").bulk_update({})


async def test_a_list_sends_its_query_by_wire_name(session: Welkin, answers: Any) -> None:
    page = {"name": "m", "data": {"content": [{"id": "r1"}], "last": True, "number": 0}}
    answers.add(
        f"{INSTANCE}/patients/p1/cdts/m?dateStart=2024-01-01T00:00:00.000Z&fields=a,b"
        "&filters=status%3Dactive,on%20hold&page=0&size=5&sort=created_at,desc",
        payload=page,
    )
    pager = (
        session.patient("p1")
        .cdts("m")
        .list(
            fields=["a", "b"],
            size=5,
            sort="created_at,desc",
            filters={"status": ["active", "on hold"]},
            date_start=datetime(2024, 1, 1, tzinfo=UTC),
        )
    )
    assert sent(answers) == []
    assert [record.id async for record in pager] == ["r1"]
    assert dict(only(answers).url.query) == {
        "fields": "a,b",
        "size": "5",
        "sort": "created_at,desc",
        "filters": "status=active,on hold",
        "dateStart": "2024-01-01T00:00:00.000Z",
        "page": "0",
    }


async def test_a_list_refuses_what_it_does_not_know_before_anything_is_sent(session: Welkin, answers: Any) -> None:
    with pytest.raises(TypeError, match="frist_name"):
        await session.users.list(frist_name="x")  # type: ignore[call-arg]
    with pytest.raises(InvalidInputError, match="naive"):
        await session.patient("p1").cdts("m").list(date_start=datetime(2024, 1, 1))
    assert not answers.requests


async def test_an_ill_walk_is_an_error(session: Welkin, answers: Any) -> None:
    answers.add(f"{INSTANCE}/patients?page=0", payload={"content": [], "last": False, "number": 0})
    with pytest.raises(PagingError, match="empty"):
        [patient async for patient in session.patients.list()]


async def test_a_search_posts_its_filter_and_pages_in_the_query(session: Welkin, answers: Any) -> None:
    for number, last in ((0, False), (1, True)):
        answers.add(
            f"{INSTANCE}/by-filter/patients?page={number}&size=1",
            "POST",
            payload={"content": [{"id": str(number)}], "last": last, "number": number},
        )
    found = [patient.id async for patient in session.patients.search({"a": 1}, size=1)]
    assert found == ["0", "1"]
    assert [request.body for request in sent(answers)] == [{"a": 1}] * 2


async def test_users_are_had_by_what_the_type_says(session: Welkin, answers: Any) -> None:
    answers.add(f"{HOST}/gh/admin/users/u1?type=ID", payload={"id": "u1"})
    assert (await session.users.get("u1", type="ID")).id == "u1"
    answers.add(f"{HOST}/gh/admin/users/charlie", "PUT", payload={"id": "u1"})
    await session.users.replace("charlie", User(first_name="C"))
    assert sent(answers)[-1].body == {"firstName": "C"}


async def test_work_hours_are_written_flat(session: Welkin, answers: Any) -> None:
    answers.add(f"{INSTANCE}/calendar/work-hours", "POST", payload={"psmId": "u1", "details": []})
    hours = await session.calendar.work_hours.create(
        psm_id="u1",
        start_date_time=datetime(2024, 1, 1, tzinfo=UTC),
        days_info=[DayInfo(day=1, start_time=time(8), end_time=time(16, 30))],
    )
    assert only(answers).body == {
        "psmId": "u1",
        "startDateTime": "2024-01-01T00:00:00.000Z",
        "daysInfo": [{"startTime": "08:00:00", "endTime": "16:30:00", "day": 1}],
    }
    assert hours.details == ()


async def test_any_other_operation_can_be_requested(session: Welkin, answers: Any) -> None:
    answers.add(f"{INSTANCE}/tasks/a%2Fb?x=1", "PUT", payload=[1])
    answer = await session.request(
        "put", "/{tenant}/{instance}/tasks/{task_id}", path={"task_id": "a/b"}, query={"x": 1, "y": None}, json={"b": 2}
    )
    assert answer.data == [1]
    assert answer.request.template == "/{tenant}/{instance}/tasks/{task_id}"
    assert only(answers).body == {"b": 2}
    for template in ("tasks", "/{tenant}/{task_id}", "/{tenant}/{0}", "/{tenant}/{", "/{}", "/{tenant.x}"):
        with pytest.raises(InvalidInputError):
            await session.request("GET", template)


@pytest.mark.parametrize("value", ["", ".", "..", "\ud800"])
async def test_a_key_that_would_change_the_path_is_refused(session: Welkin, answers: Any, value: str) -> None:
    with pytest.raises(InvalidInputError):
        await session.patients.get(value)
    with pytest.raises(InvalidInputError):
        session.patient(value)
    with pytest.raises(InvalidInputError):
        session.patient("p1").cdts(value)
    assert not answers.requests


@pytest.mark.parametrize("value", [None, True, b"p1", 1.5], ids=repr)
async def test_a_key_that_is_no_text_is_refused_instead_of_being_made_one(
    session: Welkin, answers: Any, value: Any
) -> None:
    with pytest.raises((InvalidInputError, TypeError)):
        session.patient(value)
    assert not answers.requests


async def test_a_refusal_carries_codes_and_body_in_attributes_alone(session: Welkin, answers: Any) -> None:
    error = {"errorCode": "DT_RECORD_NOT_FOUND", "message": SECRET, "details": {"patientId": SECRET}}
    answers.add(f"{INSTANCE}/patients/{SECRET}", status=404, payload=[error])
    with pytest.raises(NotFoundError) as caught:
        await session.patients.get(SECRET)
    assert caught.value.error_codes == ("DT_RECORD_NOT_FOUND",)
    assert caught.value.errors[0].details["patientId"] == SECRET
    assert SECRET.encode() in (caught.value.body or b"")
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


UNREADABLE: list[dict[str, Any]] = [
    {"body": b""},
    {"body": b"<html>502</html>"},
    {"body": b"[]"},
    {"body": b"null"},
    {"body": b"{}"},
    {"body": b'{"id":5}'},
    {"body": b'{"id":"p1"'},
    {"body": '{"id":"p1"}'.encode("utf-16")},
]


@pytest.mark.parametrize("answer", UNREADABLE, ids=lambda answer: repr(answer["body"][:12]))
async def test_a_2xx_that_cannot_be_read_leaves_a_create_unknown_and_a_read_to_be_repeated(
    session: Welkin, answers: Any, answer: dict[str, Any]
) -> None:
    answers.add(f"{INSTANCE}/patients", "POST", status=201, **answer)
    with pytest.raises(OutcomeUnknownError) as unknown:
        await session.patients.create(first_name="A")
    assert not unknown.value.safe_to_repeat
    answers.add(f"{INSTANCE}/patients/p1", **answer)
    with pytest.raises(DecodeError) as decode:
        await session.patients.get("p1")
    assert decode.value.safe_to_repeat


async def test_a_field_of_a_created_record_that_cannot_be_read_is_no_reason_to_create_it_again(
    session: Welkin, answers: Any
) -> None:
    answers.add(f"{INSTANCE}/patients", "POST", status=201, payload={"id": "p1", "createdAt": 5})
    patient = await session.patients.create(first_name="A")
    with pytest.raises(RequestError) as caught:
        _ = patient.created_at
    assert not caught.value.safe_to_repeat


async def test_options_are_per_call_or_per_view(session: Welkin, answers: Any) -> None:
    for _ in range(3):
        answers.add(f"{INSTANCE}/patients/p1", payload={"id": "p1"})
    await session.patients.get("p1")
    await session.patients.get("p1", timeout=1.5)
    await session.with_options(timeout=2.5).patients.get("p1")
    ((_, calls),) = [item for item in answers.requests.items() if str(item[0][1]) != TOKEN]
    assert [call.kwargs["timeout"].connect for call in calls] == [10.0, 0.8 * 1.5, 0.8 * 2.5]


@pytest.mark.parametrize(
    "options",
    [{"timeout": 0}, {"timeout": -1.0}, {"timeout": float("inf")}, {"max_attempts": 0}, {"max_attempts": -1}],
    ids=repr,
)
async def test_an_option_that_does_not_fit_is_refused_and_not_replaced(
    session: Welkin, answers: Any, options: dict[str, Any]
) -> None:
    answers.add(f"{INSTANCE}/patients/p1", payload={"id": "p1"}, repeat=True)
    with pytest.raises((InvalidInputError, ValueError)):
        await session.patients.get("p1", **options)
    with pytest.raises((InvalidInputError, ValueError)):
        await session.with_options(**options).patients.get("p1")


async def test_a_session_says_so_if_it_is_not_open(session: Welkin) -> None:
    closed = Welkin(tenant="gh", instance="sb", api_client="C", secret_key="s", base_url=HOST)
    with pytest.raises(SessionError, match="not open"):
        await closed.patients.get("p1")
    async with closed:
        with pytest.raises(SessionError, match="open already"):
            await closed.open()
    for attempt in (closed.patients.get("p1"), closed.open()):
        with pytest.raises(SessionError, match="closed"):
            await attempt
    assert repr(closed) == "<Welkin session, closed>"
    assert repr(session) == "<Welkin session, open>"


async def test_a_view_neither_opens_nor_closes_the_session(session: Welkin, answers: Any) -> None:
    answers.add(f"{INSTANCE}/patients/p1", payload={"id": "p1"}, repeat=True)
    view = session.with_options(max_attempts=2)
    async with view:
        await view.patients.get("p1")
    await view.aclose()
    await session.patients.get("p1")
    assert len(sent(answers, token_call=True)) == 1


async def test_a_session_belongs_to_its_event_loop(session: Welkin) -> None:
    def elsewhere() -> None:
        asyncio.run(use())

    async def use() -> None:
        with pytest.raises(SessionError, match="another event loop"):
            await session.patients.get("p1")

    await asyncio.to_thread(elsewhere)


async def test_closing_ends_a_call_that_waits_for_its_turn(answers: Any) -> None:
    answers.add(TOKEN, "POST", payload={"token": "the-token"})
    answers.add(f"{INSTANCE}/patients/p1", payload={"id": "p1"}, repeat=True)
    session = Welkin(tenant="gh", instance="sb-demo", api_client="CLIENT", secret_key="s", base_url=HOST, rate=0.01)
    await session.open()
    await session.patients.get("p1")
    waiting = asyncio.ensure_future(session.patients.get("p1"))
    await asyncio.sleep(0.01)
    await session.aclose()
    done, _ = await asyncio.wait((waiting,), timeout=0.1)
    waiting.cancel()
    assert done, "the call goes on waiting at the gate of a closed session"
    with pytest.raises(SessionError):
        await waiting


@pytest.mark.parametrize("retry_after", ["60", "3600"])
async def test_a_token_call_that_is_throttled_holds_a_call_back_no_longer_than_it_may_wait(
    answers: Any, retry_after: str
) -> None:
    answers.add(TOKEN, "POST", status=429, headers={"Retry-After": retry_after})
    given = {"tenant": "gh", "instance": "sb-demo", "api_client": "CLIENT", "secret_key": "s", "base_url": HOST}
    async with Welkin(**given, max_wait=1.0) as session:  # type: ignore[arg-type]
        call = asyncio.ensure_future(session.patients.get("p1"))
        done, _ = await asyncio.wait((call,), timeout=0.1)
        call.cancel()
        assert done, "the call sleeps for as long as the token call was told to"
        with pytest.raises(RequestError) as caught:
            await call
        assert caught.value.safe_to_repeat
        assert caught.value.retry_after


async def test_a_secret_that_cannot_be_sent_burns_no_budget(answers: Any) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda _, context: None)
    asked = 0
    with pytest.raises(WelkinError) as caught:
        async with Welkin(
            tenant="gh", instance="sb-demo", api_client="C", secret_key="abc\udcff", base_url=HOST, max_attempts=1
        ) as session:
            try:
                await session.patients.get("p1")
            finally:
                asked = session.transport.tokens.requests
    assert asked <= 1
    assert "20 requests" not in str(caught.value)


ABOUT_THE_CALL = {"timeout", "max_attempts", "prefetch", "limit"}


def documented(name: str) -> str:
    first, *others = name.rstrip("_").split("_")
    return first + "".join(word.capitalize() for word in others)


def keywords(verb: Any) -> dict[str, Any]:
    """The keywords of a verb that concern what is asked for."""
    hints = get_type_hints(verb)
    named = [each.name for each in signature(verb).parameters.values() if each.kind is each.KEYWORD_ONLY]
    return {name: hints[name] for name in named if name not in ABOUT_THE_CALL}


def sample(name: str, hint: Any) -> Any:
    samples = {datetime: datetime(2024, 1, 1, tzinfo=UTC), bool: True, int: 3, str: "x"}
    return {"filters": {"a": "x"}}.get(name) or samples.get(hint, ["x"] if "Sequence" in str(hint) else "x")


@pytest.mark.parametrize(("fields", "record"), [(NewPatient, Patient), (NewUser, User)])
def test_every_field_that_can_be_written_is_one_of_the_record(fields: Any, record: Any) -> None:
    names = field_names(record)
    assert {name: documented(name) for name in set(get_type_hints(fields)) - ABOUT_THE_CALL}.items() <= names.items()


@pytest.mark.parametrize(
    "choose",
    [
        lambda w: w.patients.list,
        lambda w: w.patients.search,
        lambda w: w.users.list,
        lambda w: partial(w.users.list_by_region, "north"),
        lambda w: w.patient("p").cdts("m").list,
    ],
    ids=["patients.list", "patients.search", "users.list", "users.list_by_region", "cdts.list"],
)
async def test_every_typed_filter_is_sent_under_its_documented_name(
    session: Welkin, answers: Any, choose: Callable[[Welkin], Any]
) -> None:
    empty = {"content": [], "last": True, "number": 3}
    page = {**empty, "data": empty, "metaInfo": {"page": 3, "lastPage": True}}
    listed = {**page, "data": []}
    verb = choose(session)
    given = {name: sample(name, hint) for name, hint in keywords(getattr(verb, "func", verb)).items()}
    in_data = "cdts" in type(getattr(verb, "__self__", None)).__name__.lower()
    for method in ("GET", "POST"):
        answers.add(re.compile(".*"), method, payload=page if in_data else listed, repeat=True)
    await verb(**given)
    query = only(answers).url.query
    assert set(query) - {"region"} == {documented(name) for name in given} - {"region"}
    assert query["page"] == "3"


def test_every_field_of_work_hours_has_a_wire_name() -> None:
    names = set(get_type_hints(NewWorkHours)) - ABOUT_THE_CALL
    assert names == {"psm_id", "start_date_time", "end_date_time", "days_info", "created_by", "updated_by"}


async def test_an_answer_read_and_written_again_is_the_same(session: Welkin, answers: Any) -> None:
    received = {"id": "p1", "createdAt": "2024-01-01T00:00:00.1Z", "mrn": None, "new": {"x": [1.5, None]}}
    answers.add(f"{INSTANCE}/patients/p1", body=json.dumps(received))
    assert to_wire(await session.patients.get("p1")) == received


Call = Callable[[Welkin], Awaitable[Any]]


@pytest.mark.parametrize(
    ("call", "method", "path"),
    [
        (lambda w: w.users.delete("u", type="ID"), "DELETE", "/gh/admin/users/u?type=ID"),
        (lambda w: w.patients.delete("p"), "DELETE", "/gh/sb-demo/patients/p"),
        (lambda w: w.patient("p").cdts("m").get("r"), "GET", "/gh/sb-demo/patients/p/cdts/m/r"),
        (lambda w: w.patient("p").cdts("m").update("r", {"a": 1}), "PATCH", "/gh/sb-demo/patients/p/cdts/m/r"),
        (lambda w: w.users.update("u", first_name="x"), "PATCH", "/gh/admin/users/u"),
        (lambda w: w.users.create(username="u"), "POST", "/gh/admin/users"),
        (lambda w: w.formations().cdts.get("m"), "GET", "/gh/sb-demo/formations/current/cdts/m"),
        (lambda w: w.formations("draft").cdts.get("m"), "GET", "/gh/sb-demo/formations/draft/cdts/m"),
        (lambda w: w.calendar.work_hours.update("h", psm_id="u"), "PUT", "/gh/sb-demo/calendar/work-hours/h"),
        (lambda w: w.patients.get("7", type="MRN", expand=True), "GET", "/gh/sb-demo/patients/7?expand=true&type=MRN"),
    ],
)
async def test_each_verb_has_its_method_and_path(
    session: Welkin, answers: Any, call: Call, method: str, path: str
) -> None:
    answers.add(HOST + path, method, payload={"id": URL(path).name, "name": URL(path).name})
    await call(session)
    request = only(answers)
    assert (request.method, request.url.path_qs) == (method, path)
