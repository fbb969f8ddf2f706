"""JSON: the same bytes or the same refusal with and without orjson, and nothing sent that was changed on the way."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from welkin_async.errors import InvalidInputError
from welkin_async.models.patients import Patient
from welkin_async.wire.codec import Codec, best_codec, plain, stdlib_codec

pytest.importorskip("orjson")

STDLIB, ORJSON = stdlib_codec(), best_codec()
BOTH = pytest.mark.parametrize("codec", [STDLIB, ORJSON], ids=lambda codec: codec.name)


class Route(StrEnum):
    ORAL = "oral"


class Grade(IntEnum):
    MILD = 1


class Mixed(Enum):
    NOTHING = None
    HALF = 0.5
    LIST = ("a", 1)


class Text(str):
    __slots__ = ()


class Whole(int):
    pass


class Real(float):
    pass


ANY_TEXT = st.text(st.characters(exclude_categories=()))
CLEAN_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
FLOATS = st.floats() | st.sampled_from(
    [
        0.0,
        -0.0,
        5e-324,
        2.2250738585072014e-308,
        sys.float_info.max,
        1e16,
        9999999999999998.0,
        1e-4,
        9.999e-5,
        1e22,
        0.1,
    ]
)
ZONES = st.one_of(st.timezones(), st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))))
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**65), 2**65),
    FLOATS,
    ANY_TEXT,
    st.datetimes(timezones=ZONES | st.none()),
    st.dates(),
    st.times(),
    st.uuids(),
    st.decimals(),
    st.sampled_from([Route.ORAL, Grade.MILD, *Mixed]),
    CLEAN_TEXT.map(Text),
    st.integers().map(Whole),
    st.floats().map(Real),
    st.binary(max_size=3),
    st.builds(lambda name: Patient(first_name=name), CLEAN_TEXT),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(ANY_TEXT, inner, max_size=4)
        | st.dictionaries(st.integers() | st.text(), inner, max_size=2)
    ),
    max_leaves=12,
)


def outcome(codec: Codec, value: object) -> bytes | tuple[str, tuple[str, ...]]:
    try:
        return codec.encode(value)
    except InvalidInputError as error:
        return error.reason, error.path


@given(VALUES)
@example("\ud800")
@example({"\udfff": 1})
@example({"a": ["\ud83d", "\ude00"]})
@example('\u0000\u001f\u007f\u2028\u2029\ufeff\\"/<>&')
@example([1e16, 1e-5, -0.0, 5e-324, 2**64 - 1, -(2**63)])
@example({'a"': "\\", "\n": "\x00\x1f\x7f", "b": 'ä"', "c": True, "d": None, "e": 2**64 - 1})
@example({Route.ORAL: "a", "b": 2**64})
@settings(max_examples=400)
def test_both_libraries_write_the_same_bytes_or_refuse_alike(value: object) -> None:
    assert outcome(STDLIB, value) == outcome(ORJSON, value)


@given(VALUES)
def test_what_was_encoded_reads_back_as_what_plain_made_of_it(value: object) -> None:
    written = outcome(STDLIB, value)
    if isinstance(written, bytes):
        for codec in (STDLIB, ORJSON):
            assert codec.loads(written) == plain(value)
        assert json.loads(written) == plain(value)


@given(st.lists(FLOATS.filter(math.isfinite), max_size=20))
def test_no_digit_of_a_float_is_lost(numbers: list[float]) -> None:
    for codec in (STDLIB, ORJSON):
        back = codec.loads(codec.encode(numbers))
        assert [number.hex() for number in back] == [number.hex() for number in numbers]


@BOTH
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2024, 2, 29, 1, 2, 3, 456_789, tzinfo=UTC), '"2024-02-29T01:02:03.456Z"'),
        (datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=30))), '"2023-12-31T18:30:00.000Z"'),
        (date(2012, 3, 12), '"2012-03-12T00:00:00.000Z"'),
        (time(8, 30), '"08:30:00"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (Decimal("1.50"), "1.5"),
        (Decimal("2"), "2"),
        (Decimal("18446744073709551615"), "18446744073709551615"),
        (Route.ORAL, '"oral"'),
        (Grade.MILD, "1"),
        (Mixed.NOTHING, "null"),
        (Mixed.LIST, '["a",1]'),
        (True, "true"),
        (Text("x"), '"x"'),
        ({"ä": "\u2028😀"}, '{"ä":"\u2028😀"}'),
        (Patient(first_name="A", mrn=None), '{"mrn":null,"firstName":"A"}'),
        ({"careTeam": [Patient(id="1")]}, '{"careTeam":[{"id":"1"}]}'),
        ([], "[]"),
        ({}, "{}"),
    ],
)
def test_each_type_has_one_form(codec: Codec, value: object, text: str) -> None:
    assert codec.encode(value).decode() == text


SECRET = "Charlie-Taylor-1970"


class Unsendable:
    def __repr__(self) -> str:
        return SECRET


@BOTH
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (math.nan, "NaN"),
        (math.inf, "infinity"),
        (-math.inf, "infinity"),
        (Decimal("NaN"), "NaN"),
        (Decimal("sNaN"), "NaN"),
        (Decimal("-Infinity"), "infinity"),
        (Decimal("0.1234567890123456789"), "decimal"),
        (Decimal("1E+400"), "decimal"),
        (Decimal("1E-400"), "decimal"),
        (2**64, "64 bits"),
        (-(2**63) - 1, "64 bits"),
        (Whole(2**64), "64 bits"),
        (Real("nan"), "NaN"),
        (datetime(1970, 1, 1), "naive"),
        (time(1, tzinfo=UTC), "zone"),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))), "year"),
        ({SECRET}, "type set"),
        (frozenset({SECRET}), "type frozenset"),
        (SECRET.encode(), "type bytes"),
        (bytearray(SECRET.encode()), "type bytearray"),
        (1j, "type complex"),
        (Unsendable(), "type Unsendable"),
        ({1: SECRET}, "keys are strings"),
        ({None: SECRET}, "keys are strings"),
        ({b"k": SECRET}, "keys are strings"),
        (SECRET + "\ud800", "surrogate"),
        ({SECRET: "\udfff"}, "surrogate"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_what_would_arrive_changed_is_refused_with_its_place_and_without_its_value(
    codec: Codec, bad: object, reason: str
) -> None:
    with pytest.raises(InvalidInputError, match=reason) as caught:
        codec.encode({"rows": [{"dose": 1}, {"dose": bad}]})
    assert caught.value.path[:3] == ("rows", "1", "dose")
    assert str(caught.value).startswith("rows.1.dose")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    if not isinstance(bad, dict):
        assert SECRET not in str(caught.value)


@BOTH
def test_a_flat_object_goes_out_as_it_stands_unless_it_would_be_changed(codec: Codec) -> None:
    bounds = {"a": "ä", "b": True, "c": None, "d": 2**64 - 1, "e": -(2**63)}
    text = codec.encode(bounds).decode()
    assert text == f'{{"a":"ä","b":true,"c":null,"d":{2**64 - 1},"e":-{2**63}}}'
    assert codec.encode({Text("a"): "x"}) == codec.encode({"a": Text("x")}) == b'{"a":"x"}'
    refused: dict[Any, Any]
    for refused, path in ({"a": "x", "b": 2**64}, ("b",)), ({"a": -(2**63) - 1}, ("a",)), ({"a": "x", 1: "y"}, ()):
        with pytest.raises(InvalidInputError) as caught:
            codec.encode(refused)
        assert caught.value.path == path


@BOTH
@pytest.mark.parametrize("body", [b' {"a":1}', b'{"a":1}\r\n\t ', b'\n {"a" : 1 } \n'])
def test_white_space_around_an_answer_is_nothing(codec: Codec, body: bytes) -> None:
    assert codec.loads(body) == {"a": 1}


@BOTH
@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}, lambda inner: (inner,)])
def test_nesting_is_bounded_alike(codec: Codec, wrap: Callable[[object], object]) -> None:
    value: object = None
    for _ in range(100):
        value = wrap(value)
    codec.loads(codec.encode(value))
    with pytest.raises(InvalidInputError, match="nested"):
        codec.encode(wrap(wrap(value)))


@BOTH
def test_a_value_that_holds_itself_is_refused(codec: Codec) -> None:
    endless: dict[str, Any] = {}
    endless["again"] = [endless]
    with pytest.raises(InvalidInputError, match="nested"):
        codec.encode(endless)


def test_any_mapping_is_an_object() -> None:
    class Upper(Mapping[str, int]):
        def __getitem__(self, key: str) -> int:
            return 1

        def __iter__(self) -> Any:
            return iter("AB")

        def __len__(self) -> int:
            return 2

    assert plain(Upper()) == {"A": 1, "B": 1}


def test_what_is_given_is_not_changed() -> None:
    given: dict[str, Any] = {"at": datetime(2024, 1, 1, tzinfo=UTC), "list": [UUID(int=1)]}
    before = {"at": given["at"], "list": list(given["list"])}
    STDLIB.encode(given)
    assert given == before


@BOTH
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"NaN",
        b'{"a":NaN}',
        b"[Infinity]",
        b"[-Infinity]",
        b'{"a":1',
        b'{"a":"unfinished',
        b"[1,]",
        b"{'a':1}",
        b"nul",
        b"01",
        b"<html>502 Bad Gateway</html>",
        b"{}{}",
        b'"\x01"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        '{"a":1}'.encode("utf-32"),
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
    ids=lambda body: repr(body[:12]),
)
def test_what_is_not_json_is_a_value_error(codec: Codec, body: bytes) -> None:
    with pytest.raises(ValueError):
        codec.loads(body)


@pytest.mark.parametrize("body", [b"1e400", b"-1e400", b'"\\ud800"', b"18446744073709551616", b"-9223372036854775809"])
def test_both_libraries_read_what_json_allows_at_its_edges_alike(body: bytes) -> None:
    def read(codec: Codec) -> object:
        try:
            found = codec.loads(body)
        except ValueError:
            return "refused"
        return type(found), found

    assert read(STDLIB) == read(ORJSON)


@given(st.binary(max_size=30) | st.text(alphabet='{}[]",:0123456789.eE+-tfnul \\', max_size=20).map(str.encode))
def test_both_libraries_agree_on_what_is_json(body: bytes) -> None:
    def accepts(codec: Codec) -> bool:
        try:
            found = codec.loads(body)
        except ValueError:
            return False
        return not (isinstance(found, float) and math.isinf(found))

    assert accepts(STDLIB) == accepts(ORJSON)


@BOTH
@pytest.mark.parametrize("digits", [309, 310, 400, 4300, 5000])
def test_a_number_beyond_what_a_float_holds_is_not_read(codec: Codec, digits: int) -> None:
    """orjson refuses it too; an OverflowError would go past everything that handles an unreadable answer."""
    with pytest.raises(ValueError, match=r".") as caught:
        codec.loads(b'{"id": "r1", "n": ' + b"9" * digits + b"}")
    assert isinstance(caught.value, ValueError)


@BOTH
def test_a_large_number_that_a_float_holds_is_read(codec: Codec) -> None:
    assert codec.loads(b"[1" + b"0" * 308 + b"]") == [1e308]
