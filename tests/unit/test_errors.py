"""Errors: each says what to do next, none quotes what was sent or said, and all travel between processes."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

import welkin_async
from welkin_async import errors
from welkin_async.errors import (
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConflictError,
    ConnectError,
    ConnectionLostError,
    DecodeError,
    ErrorItem,
    InvalidInputError,
    NoAnswerError,
    NotFoundError,
    NotSentError,
    OutcomeUnknownError,
    PagingError,
    PermissionDeniedError,
    RateLimitedError,
    RejectedError,
    RequestError,
    RequestLine,
    ServerError,
    SessionError,
    TokenUnavailableError,
    UnprocessableError,
    WelkinError,
    error_items,
    rejection,
    request_id_of,
)

LINE = RequestLine("POST", "/{tenant}/{instance}/patients", "patients.create")
SECRET = "Charlie-Taylor-1970"


def subclasses(cls: type[WelkinError]) -> Iterator[type[WelkinError]]:
    yield cls
    for child in cls.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from subclasses(child)


EVERY_CLASS = sorted(set(subclasses(WelkinError)), key=lambda cls: cls.__name__)
REQUEST_ERRORS = [cls for cls in EVERY_CLASS if issubclass(cls, RequestError)]
EVERY_REQUEST_ERROR = pytest.mark.parametrize("cls", REQUEST_ERRORS, ids=lambda cls: cls.__name__)


def full(cls: type[RequestError], **other: Any) -> RequestError:
    items = (
        ErrorItem("DT_RECORD_NOT_FOUND", "CDT", SECRET, {"patientId": SECRET}, SECRET),
        ErrorItem(SECRET, SECRET),
        ErrorItem(),
    )
    given: dict[str, Any] = {"status": 404, "errors": items, "body": SECRET.encode(), "attempts": 3, "retry_after": 1.5}
    return cls("the server answered 404", request=LINE, **(given | other))


def test_the_tree_is_as_drawn() -> None:
    drawn = [
        line.strip(" │├└─").split()[0]
        for line in (errors.__doc__ or "").splitlines()
        if "Error " in line and any(sign in line for sign in "├└")
    ]
    assert sorted(drawn) == sorted(cls.__name__ for cls in EVERY_CLASS if cls is not WelkinError)


def test_every_class_can_be_imported_from_the_package() -> None:
    for cls in EVERY_CLASS:
        assert getattr(welkin_async, cls.__name__) is cls
        assert cls.__name__ in errors.__all__


@pytest.mark.parametrize("cls", [ConfigurationError, SessionError, PagingError, WelkinError])
@pytest.mark.parametrize("version", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_errors_pickle(cls: type[WelkinError], version: int) -> None:
    found = pickle.loads(pickle.dumps(cls("what went wrong"), version))
    assert type(found) is cls
    assert str(found) == "what went wrong"


def test_invalid_input_pickles_with_its_path() -> None:
    error = InvalidInputError("NaN", ("rows", "0"))
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert (twin.reason, twin.path, str(twin)) == ("NaN", ("rows", "0"), "rows.0: NaN")
    assert isinstance(error, ValueError)
    assert str(InvalidInputError("NaN")) == "NaN"


@EVERY_REQUEST_ERROR
@pytest.mark.parametrize("safe", [None, True, False])
def test_request_errors_pickle_without_body_and_items(cls: type[RequestError], safe: bool | None) -> None:
    error = full(cls, safe_to_repeat=safe)
    for version in range(pickle.HIGHEST_PROTOCOL + 1):
        data = pickle.dumps(error, version)
        twin = pickle.loads(data)
        assert type(twin) is cls
        assert str(twin) == str(error)
        assert twin.request == LINE
        assert isinstance(twin.request, RequestLine)
        assert (twin.status, twin.attempts, twin.retry_after) == (404, 3, 1.5)
        assert twin.safe_to_repeat is error.safe_to_repeat
        assert twin.error_codes == error.error_codes
        assert twin.reason == error.reason
        assert twin.body is None
        assert twin.errors == ()


@EVERY_REQUEST_ERROR
def test_a_pickle_holds_nothing_the_server_said_but_codes(cls: type[RequestError]) -> None:
    error = full(cls, errors=(ErrorItem("A_CODE", "CDT", SECRET, {"id": SECRET}, SECRET),))
    assert SECRET.encode() not in pickle.dumps(error)
    assert pickle.loads(pickle.dumps(error)).error_codes == ("A_CODE",)


@EVERY_REQUEST_ERROR
def test_no_text_of_an_error_quotes_what_the_server_said(cls: type[RequestError]) -> None:
    error = full(cls)
    texts = [str(error), repr(error), f"{error!r}", "".join(traceback.format_exception(error)), repr(error.errors)]
    assert SECRET not in "".join(texts)
    assert "DT_RECORD_NOT_FOUND" in str(error)
    assert "unrecognised code" in str(error)
    assert str(error).startswith(f"POST {LINE.template}: the server answered 404")
    assert "after 3 attempts." in str(error)
    assert cls.advice in str(error)
    assert error.body == SECRET.encode()
    assert error.errors[0].message == SECRET


def test_one_attempt_is_not_many() -> None:
    assert "after 1 attempt." in str(full(NotFoundError, attempts=1))


@given(st.text())
def test_a_code_is_shown_only_in_its_documented_form(code: str) -> None:
    text = str(RejectedError("refused", request=LINE, error_codes=(code,)))
    if not (code.isascii() and code.replace("_", "").isalnum() and code == code.upper() and len(code) <= 64):
        assert "[unrecognised code]" in text


SAFE = {NotSentError, ConnectError, RateLimitedError, TokenUnavailableError} | {
    NoAnswerError,
    ServerError,
    ConnectionLostError,
    DecodeError,
}


@EVERY_REQUEST_ERROR
def test_what_is_safe_to_repeat_is_so_for_the_class(cls: type[RequestError]) -> None:
    assert cls.safe_to_repeat is (cls in SAFE)
    assert full(cls).safe_to_repeat is (cls in SAFE)
    assert full(cls, safe_to_repeat=not cls.safe_to_repeat).safe_to_repeat is not (cls in SAFE)


def test_only_what_never_reached_the_server_and_what_may_be_repeated_is_safe() -> None:
    assert not OutcomeUnknownError.safe_to_repeat
    assert not RejectedError.safe_to_repeat
    assert not AuthenticationError.safe_to_repeat


@pytest.mark.parametrize(
    ("status", "cls"),
    [
        (400, BadRequestError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (409, ConflictError),
        (422, UnprocessableError),
        (301, RejectedError),
        (405, RejectedError),
        (418, RejectedError),
    ],
)
def test_a_refusing_status_has_its_class(status: int, cls: type[RejectedError]) -> None:
    assert rejection(status) is cls


RECORDED = {
    "errorCode": "DT_RECORD_NOT_FOUND",
    "componentType": "CDT",
    "message": "Record not found",
    "details": {"patientId": "p", "cdtRecordId": "r"},
    "date": "2022-07-27T19:25:50.028Z",
}


def test_error_items_come_from_an_array_or_a_single_object() -> None:
    for body in ([RECORDED], RECORDED):
        (item,) = error_items(body)
        assert item.error_code == "DT_RECORD_NOT_FOUND"
        assert item.component_type == "CDT"
        assert item.message == "Record not found"
        assert item.details == RECORDED["details"]
        assert item.date == RECORDED["date"]
        assert repr(item) == "ErrorItem(DT_RECORD_NOT_FOUND)"
    assert [item.error_code for item in error_items([{"errorCode": "A"}, "junk", {"errorCode": "B"}])] == ["A", "B"]


def test_an_item_without_a_date_or_with_odd_values_is_read_as_far_as_it_can_be() -> None:
    (item,) = error_items([{"errorCode": 5, "componentType": None, "message": [], "details": "x", "date": 1}])
    assert item == ErrorItem()
    assert repr(item) == "ErrorItem(no code)"
    with pytest.raises(TypeError):
        item.details["a"] = 1  # type: ignore[index]


@pytest.mark.parametrize("junk", [None, "text", 5, True, 1.5, [], [[]], ["a", None, 5], {}])
def test_junk_gives_no_codes(junk: object) -> None:
    assert [item.error_code for item in error_items(junk) if item.error_code] == []


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
)


@given(JSONS)
def test_no_body_makes_it_raise(body: object) -> None:
    for item in error_items(body):
        repr(item)


def test_an_error_can_be_raised_in_many_tasks_and_shown_as_a_group() -> None:
    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                for _ in range(2):
                    group.create_task(fail())
        assert SECRET not in "".join(traceback.format_exception(caught.value))

    async def fail() -> None:
        raise full(ServerError)

    asyncio.run(main())


def test_every_class_says_what_it_is() -> None:
    for cls in EVERY_CLASS:
        assert inspect.getdoc(cls)
    for cls in REQUEST_ERRORS:
        assert cls is RequestError or cls.advice


def test_a_request_id_is_kept_where_an_answer_has_one_of_the_form_of_an_id() -> None:
    headers: CIMultiDict[str] = CIMultiDict({"x-request-id": "a1b2-c3d4.e5", "X-Amzn-Trace-Id": "Root=1-2-3"})
    assert request_id_of(headers) == "a1b2-c3d4.e5"
    assert request_id_of(CIMultiDict({"X-Request-Id": "Charlotte Tailor", "cf-ray": "8f2a-LHR"})) == "8f2a-LHR"
    assert request_id_of(CIMultiDict({"X-Request-Id": "a" * 200, "Date": "today"})) is None
    error = NotFoundError("gone", request=RequestLine("GET", "/x", "x.get"), attempts=1, request_id="a1b2-c3d4")
    assert "gone (request id a1b2-c3d4) after 1 attempt" in str(error)
    assert pickle.loads(pickle.dumps(error)).request_id == "a1b2-c3d4"
