"""Fields that came back to the letter are compared once, by the check of whose answer it is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from welkin_async.http.identities import IDENTITIES
from welkin_async.validation.comparison import FieldComparison
from welkin_async.wire.request import Operation, Repeat, Request, Shape

CREATE = Operation("cdts.create", "POST", "/x", answer=Shape.RECORD, repeat=Repeat.UNSAFE)
ASKED = {"patient_id": "p", "cdt_name": "m"}

values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from([0.0, 1.0, 2.0]) | st.sampled_from(["", " ", "a"]),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)
fields = st.dictionaries(st.sampled_from(["a", "b", "external_id"]), values, max_size=3)


def verbatim(sent: dict[str, Any], body: Any) -> bool:
    request = Request(CREATE, URL("http://h/x"), asked=ASKED, sent=sent)
    IDENTITIES["cdts.create"].differences(request, {"patientId": "p", "cdtName": "m", "jsonBody": body})
    return request.verbatim


@given(fields, st.none() | fields)
def test_what_is_verbatim_has_no_changed_field(sent: dict[str, Any], body: dict[str, Any] | None) -> None:
    for back in (sent, body or sent):
        if verbatim(sent, back):
            assert FieldComparison().changed_fields(sent, back) == ()


@pytest.mark.parametrize(
    ("sent", "body", "expected"),
    [
        ({"a": "x", "b": 1, "c": None}, {"c": None, "b": 1, "a": "x", "id": "r"}, True),
        ({"a": True}, {"a": 1}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"a": 1.0}, False),
        ({"a": [1]}, {"a": [True]}, False),
        ({"a": "x", "b": "y"}, {"a": "x"}, False),
        ({"a": "x"}, {"a": "y"}, False),
        ({"a": "x"}, ["a"], False),
        ({"a": "x", "external_id": "k"}, {"a": "y", "external_id": "k"}, False),
        ({"a": "x", "external_id": "k"}, {"a": "x", "external_id": "k"}, True),
    ],
)
def test_verbatim_is_to_the_letter_and_the_type(sent: dict[str, Any], body: Any, expected: bool) -> None:
    assert verbatim(sent, body) is expected


def test_an_answer_is_verbatim_by_itself() -> None:
    """Not because an earlier answer to the same request was."""
    request = Request(CREATE, URL("http://h/x"), asked=ASKED, sent={"a": "x"})
    for body, expected in (({"a": "x"}, True), ({"a": "y"}, False), ({"a": "x"}, True), ({}, False)):
        IDENTITIES["cdts.create"].differences(request, {"patientId": "p", "cdtName": "m", "jsonBody": body})
        assert request.verbatim is expected
    IDENTITIES["cdts.create"].differences(request, {"patientId": "p", "cdtName": "m", "jsonBody": {"a": "x"}})
    IDENTITIES["cdts.create"].differences(request, {"patientId": "p", "cdtName": "m"})
    assert request.verbatim is False
