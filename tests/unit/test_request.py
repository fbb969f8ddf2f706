"""Paths and queries: each parameter arrives as what it was, in the one place it was meant for, or is refused."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum
from typing import Any
from urllib.parse import parse_qsl, unquote
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from welkin_async.errors import InvalidInputError, RequestLine
from welkin_async.wire.request import (
    Operation,
    Repeat,
    Request,
    Shape,
    check_template,
    checked_method,
    encode_query,
    encode_segment,
)

CLEAN_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SECRET = "Charlie-Taylor-1970"


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        ("medication", "medication"),
        ("a/b", "a%2Fb"),
        ("a\\b", "a%5Cb"),
        ("%2e%2e", "%252e%252e"),
        ("%", "%25"),
        ("a?b#c", "a%3Fb%23c"),
        ("a;b=c&d", "a%3Bb%3Dc%26d"),
        ("a b+c", "a%20b%2Bc"),
        ("c@x.org", "c%40x.org"),
        ("müller", "m%C3%BCller"),
        ("患者😀", "%E6%82%A3%E8%80%85%F0%9F%98%80"),
        ("a\r\nb", "a%0D%0Ab"),
        ("a\x00b", "a%00b"),
        ("...", "..."),
        (" ", "%20"),
        (".. ", "..%20"),
        ("{tenant}", "%7Btenant%7D"),
        ("~-._", "~-._"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (17, "17"),
    ],
)
def test_a_path_parameter_is_one_percent_encoded_segment(value: str | UUID | int, segment: str) -> None:
    assert encode_segment(value) == segment


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_a_segment_that_would_change_the_path_is_refused(value: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        encode_segment(value, "patient_id")
    assert caught.value.path == ("patient_id",)


def test_a_segment_that_utf_8_cannot_say_is_refused_without_being_quoted() -> None:
    with pytest.raises(InvalidInputError, match="surrogate") as caught:
        encode_segment(SECRET + "\ud800", "patient_id")
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None


@given(CLEAN_TEXT.filter(lambda text: text not in ("", ".", "..")))
def test_a_segment_reaches_the_server_as_what_it_was(text: str) -> None:
    segment = encode_segment(text)
    assert segment.isascii()
    assert not set(segment) & set("/?#\\;&= ")
    assert unquote(segment) == text
    url = URL(f"https://api.example.org/gh/{segment}/cdts", encoded=True)
    assert url.raw_path == f"/gh/{segment}/cdts"
    assert url.parts == ("/", "gh", text, "cdts")


class State(Enum):
    ACTIVE = "ACTIVE"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("", "x="),
        ("a b&c=d/e?f#g%", "x=a%20b%26c%3Dd%2Fe%3Ff%23g%25"),
        ("+4915112345", "x=%2B4915112345"),
        ("dG9rZW4==", "x=dG9rZW4%3D%3D"),
        (True, "x=true"),
        (False, "x=false"),
        (0, "x=0"),
        (20, "x=20"),
        (1.5, "x=1.5"),
        (UUID(int=1), "x=00000000-0000-0000-0000-000000000001"),
        (State.ACTIVE, "x=ACTIVE"),
        (datetime(2024, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC), "x=2024-01-02T03%3A04%3A05.678Z"),
        (datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=2))), "x=2023-12-31T22%3A00%3A00.000Z"),
        (date(2024, 1, 2), "x=2024-01-02T00%3A00%3A00.000Z"),
        (["a", "b"], "x=a%2Cb"),
        (("a",), "x=a"),
        ([UUID(int=1), True, 2], "x=00000000-0000-0000-0000-000000000001%2Ctrue%2C2"),
        ({"status": "active"}, "x=status%3Dactive"),
        ({"status": ["active", "on hold"]}, "x=status%3Dactive%2Con%20hold"),
        ({"flag": True}, "x=flag%3Dtrue"),
        ({"formula": "a=b"}, "x=formula%3Da%3Db"),
        ("firstName,desc", "x=firstName%2Cdesc"),
    ],
)
def test_each_type_has_one_query_form(value: object, text: str) -> None:
    assert encode_query({"x": value}) == text


def test_parameters_are_joined_in_order_and_none_leaves_no_trace() -> None:
    assert encode_query({"page": 0, "email": None, "sort": "a,asc", "timezone": ""}) == "page=0&sort=a%2Casc&timezone="
    assert encode_query({}) == ""
    assert encode_query({"psm-ids": ["a"], "a b": 1}) == "psm-ids=a&a%20b=1"


@pytest.mark.parametrize(
    "value",
    [
        datetime(2024, 1, 1),
        [datetime(2024, 1, 1)],
        {"a": 1, "b": 2},
        {},
        {"a": None},
        ["a,b"],
        [["a", "b"], "c"],
        {"name": ["Doe, Jane"]},
        {"name": "Doe, Jane"},
        [None],
        b"x",
        range(3),
        "\ud800",
        ["\ud800"],
        float("nan"),
        float("inf"),
    ],
    ids=repr,
)
def test_a_value_without_an_unambiguous_query_form_is_refused(value: object) -> None:
    with pytest.raises(InvalidInputError) as caught:
        encode_query({"ok": 1, "filters": value})
    assert caught.value.path == ("filters",)
    assert "Jane" not in str(caught.value)


VALUE = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(st.dictionaries(VALUE, CLEAN_TEXT, max_size=5))
def test_texts_reach_the_server_as_what_they_were(parameters: dict[str, str]) -> None:
    assert dict(parse_qsl(encode_query(parameters), keep_blank_values=True)) == parameters


@given(VALUE, VALUE | st.lists(VALUE, min_size=1, max_size=4))
@example("name", "Doe, Jane")
@example("a=b", "c")
@example("a,b", ["c", "d"])
def test_a_filter_is_read_back_as_one_field_with_its_values_or_refused(field: str, wanted: str | list[str]) -> None:
    try:
        query = encode_query({"filters": {field: wanted}})
    except InvalidInputError:
        return
    ((name, text),) = parse_qsl(query, keep_blank_values=True)
    assert name == "filters"
    found, _, values = text.partition("=")
    assert found == field
    assert values.split(",") == ([wanted] if isinstance(wanted, str) else wanted)


def test_an_empty_list_is_not_sent_as_the_empty_value_which_means_records_without_one() -> None:
    with contextlib.suppress(InvalidInputError):
        assert encode_query({"territories": []}) == ""


OPERATION = Operation("cdts.get", "GET", "/{tenant}/{instance}/patients/{patient_id}/cdts/{cdt_name}/{record_id}")


def test_an_operation_fills_its_path() -> None:
    known = {"tenant": "gh", "instance": "sb", "patient_id": "a%2Fb", "cdt_name": "m", "record_id": "1", "more": "x"}
    assert OPERATION.path(known) == "/gh/sb/patients/a%2Fb/cdts/m/1"
    assert OPERATION.parameters == ("tenant", "instance", "patient_id", "cdt_name", "record_id")
    assert OPERATION.line == RequestLine("GET", OPERATION.template, "cdts.get")
    assert OPERATION.line is OPERATION.line


def test_a_value_is_not_taken_for_a_parameter() -> None:
    assert Operation("x", "GET", "/{a}/{b}").path({"a": "%7Bb%7D", "b": "{a}"}) == "/%7Bb%7D/{a}"


def test_a_missing_path_parameter_is_named() -> None:
    with pytest.raises(InvalidInputError) as caught:
        OPERATION.path({"tenant": "gh"})
    assert caught.value.path == ("instance",)


def test_an_operation_is_safe_and_answers_with_a_record_unless_it_says_otherwise() -> None:
    assert (OPERATION.repeat, OPERATION.answer) == (Repeat.SAFE, Shape.RECORD)


def test_a_request_shows_its_template_alone() -> None:
    url = URL(f"https://api.example.org/gh/sb/patients/{SECRET}", encoded=True)
    request = Request(OPERATION, url, SECRET.encode())
    assert repr(request) == f"<Request GET {OPERATION.template}>"
    assert SECRET not in str(request)


@pytest.mark.parametrize("method", ["", "GE T", "GET\r\nX: y", "GET ", "G\x00T", "GET/1", "G" * 30, 5, None, b"GET"])
def test_a_verb_that_would_change_the_request_is_refused(method: Any) -> None:
    with pytest.raises(InvalidInputError, match="verb"):
        checked_method(method)


@pytest.mark.parametrize(
    "template",
    [
        "", "tasks", "/a b",
        "/a\r\nX: y", "/a\tb", "/a\x00", "/a?b=c", "/a#b", "/../admin", "/a/./b", "/a/..", "//host/a",
        "/{a.b}", "/{a[0]}", "/{tenant.__class__}", "/{a!r}", "/{a:>9}", "/{0}", "/{}", "/{{a}}", "/{", "/}", "/a%2",
        "/ä", "/a\\b", 5, None, b"/a",
    ],
)  # fmt: skip
def test_a_template_that_is_no_path_is_refused(template: Any) -> None:
    with pytest.raises(InvalidInputError, match="template"):
        check_template(template)


def test_templates_and_verbs_of_the_api_pass() -> None:
    for template in (
        "/",
        "/{tenant}/{instance}/tasks/{task_id}",
        "/v1.2/a-b_c/%2F/~x",
        "/a/...",
        "/{tenant}/admin/users",
    ):
        check_template(template)
    assert [checked_method(verb) for verb in ("get", "PATCH", "Delete")] == ["GET", "PATCH", "DELETE"]
