from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from welkin_async.models.formations import CdtFormation
from welkin_async.validation.comparison import FieldComparison
from welkin_async.validation.schema import Schema
from welkin_async.wire.codec import plain

from .test_schema import field, options

TYPES = ["text", "textarea", "email", "phone", "integer", "number", "checkbox", "date", "datetime", "polygon"]
SCHEMA = Schema.of(
    CdtFormation.from_wire(
        {
            "id": "1",
            "name": "vitals",
            "fields": [*(field(kind, kind) for kind in TYPES), field("select", "select", meta=options("a", "b"))],
        }
    )
)
TYPED, UNTYPED = FieldComparison(SCHEMA), FieldComparison()

# Field, one value, another: the same, in either direction.
SAME: list[tuple[str, Any, Any]] = [
    *((kind, None, "") for kind in [*TYPES, "select"]),
    ("select", [], None),
    ("text", "  ", None),
    ("text", " dose\n", "dose"),
    ("integer", 1, 1.0),
    ("integer", 1, "1"),
    ("integer", 1, " 1.0 "),
    ("number", 0.1, "0.1"),
    ("number", 1e22, "10000000000000000000000"),
    ("number", 5e-5, 0.00005),
    ("integer", [1, 2], ["1", 2.0]),
    ("checkbox", True, "true"),
    ("checkbox", False, "False "),
    ("checkbox", True, 1),
    ("date", "2021-03-01T00:00:00.000Z", "2021-03-01"),
    ("date", "2021-03-01T23:00:00.000Z", "2021-03-01T00:00:00.000Z"),
    ("date", "2021-03-01T22:00:00.000-05:00", "2021-03-02T03:00:00.000Z"),
    ("datetime", "2021-03-01T09:30:00.000Z", "2021-03-01T02:30:00-07:00"),
    ("datetime", "2021-03-01T09:30:00.000Z", "2021-03-01T09:30:00Z"),
    ("datetime", "2021-03-01T09:30:00.123Z", "2021-03-01T09:30:00.123987+00:00"),
    ("datetime", "2021-03-01", "2021-03-01T00:00:00.000Z"),
    ("datetime", "2021-03-01T09:30:00", "2021-03-01T09:30:00.000"),
    ("select", 1, 1.0),
    ("select", ["a", "b"], ["a", "b"]),
    ("polygon", {"a": 1, "b": None}, {"a": 1.0}),
    ("polygon", [["2021-03-01T09:30:00Z"]], [["2021-03-01T09:30:00.000Z"]]),
    ("polygon", "not an instant", "not an instant"),
]
DIFFERENT: list[tuple[str, Any, Any]] = [
    ("text", "dose", None),
    ("text", "dose", "Dose"),
    ("text", "5", 5),
    ("text", "2021-03-01T09:30:00Z", "2021-03-01T09:30:00.000Z"),
    ("integer", 1, 2),
    ("integer", 1, True),
    ("integer", 1, "one"),
    ("integer", 1, "1_0"),
    ("integer", 0, None),
    ("integer", 2**53, 2**53 + 1),
    ("integer", [1, 2], [1]),
    ("integer", [1, 2], [2, 1]),
    ("integer", [1], 1),
    ("checkbox", False, None),
    ("checkbox", True, False),
    ("checkbox", True, "yes"),
    ("checkbox", True, 2),
    ("date", "2021-03-01T00:00:00.000Z", "2021-03-02T00:00:00.000Z"),
    ("date", "2021-03-01", "2021-03-01 or so"),
    ("date", "2021-02-30", "2021-02-30T00:00:00Z"),
    ("date", "2021-03-01", 20210301),
    ("datetime", "2021-03-01T09:30:00.000Z", "2021-03-01T09:30:00.001Z"),
    ("datetime", "2021-03-01T09:30:00.000Z", "2021-03-01T09:30:00.000-07:00"),
    ("datetime", "2021-03-01T09:30:00.000Z", "2021-03-01T09:30:00.000"),
    ("datetime", "2021-03-01T09:30:00.000Z", 1614591000000),
    ("datetime", "2021-03-01T09:30:00.000Z", "2021-03-01T25:30:00.000Z"),
    ("select", "a", "b"),
    ("select", "1", 1),
    ("select", "a ", "a"),
    ("polygon", True, 1),
    ("polygon", "1", 1),
    ("polygon", " x", "x"),
    ("polygon", {"a": 1}, {"a": 1, "b": 2}),
    ("polygon", {"a": 1}, [1]),
]


@pytest.mark.parametrize(("name", "one", "other"), SAME)
def test_another_form_is_no_loss(name: str, one: Any, other: Any) -> None:
    assert TYPED.changed_fields({name: one}, {name: other}) == ()
    assert TYPED.changed_fields({name: other}, {name: one}) == ()


@pytest.mark.parametrize(("name", "one", "other"), DIFFERENT)
def test_another_value_is_a_loss(name: str, one: Any, other: Any) -> None:
    assert TYPED.changed_fields({name: one}, {name: other}) == (name,)
    assert TYPED.changed_fields({name: other}, {name: one}) == (name,)


def test_dropped_and_changed_fields_are_named_in_order() -> None:
    sent = {"text": "x", "unheard": "y", "integer": 1, "email": None, "phone": "+1"}
    assert TYPED.changed_fields(sent, {"integer": 2, "text": "x", "id": "more"}) == ("unheard", "integer", "phone")


def test_without_a_schema_values_are_compared_as_json() -> None:
    for one, other in [(1, 1.0), ("2021-03-01T09:30:00Z", "2021-03-01T02:30:00-07:00"), ([], None), ("", None)]:
        assert UNTYPED.changed_fields({"f": one}, {"f": other}) == ()
    for one, other in [(1, "1"), (True, 1), (True, "true"), (" x", "x"), ("x", {}), (0, False)]:
        assert UNTYPED.changed_fields({"f": one}, {"f": other}) == ("f",)
        assert UNTYPED.changed_fields({"f": other}, {"f": one}) == ("f",)


def test_a_form_of_floats_that_only_encoding_knows() -> None:
    sent = plain({"number": 5e-5, "polygon": [1e300]})
    assert TYPED.changed_fields(sent, {"number": 5e-5, "polygon": [1e300]}) == ()


@pytest.mark.parametrize("name", [*TYPES, "select"])
@pytest.mark.parametrize("value", [object(), {1}, b"x", 1j])
def test_what_is_no_json_is_lost_and_no_error(name: str, value: Any) -> None:
    assert TYPED.changed_fields({name: value}, {name: "x"}) == (name,)
    assert TYPED.changed_fields({name: "x"}, {name: value}) == (name,)


atoms = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(allow_nan=False, width=16),
    st.text("0123456789-T:Z+. eE", max_size=25),
    st.sampled_from(["true", "1", "1.0", "2021-03-01", "2021-03-01T00:00:00Z", "0001-01-01T00:00:00+14:00"]),
    st.sampled_from(["9999-12-31T23:59:59-14:00", "2021-03-01T00:00:00.999999999Z", "1e999", "", " "]),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
)
values = st.recursive(atoms, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner))
echoes = st.sampled_from([TYPED, UNTYPED])


@given(echoes, st.sampled_from([*TYPES, "select"]), values, values)
def test_it_is_symmetric_and_never_fails(echo: FieldComparison, name: str, one: Any, other: Any) -> None:
    assert echo.changed_fields({name: one}, {name: other}) == echo.changed_fields({name: other}, {name: one})


@given(echoes, st.sampled_from([*TYPES, "select"]), values)
def test_a_value_equals_itself(echo: FieldComparison, name: str, value: Any) -> None:
    assert echo.changed_fields({name: value}, {name: value}) == ()
