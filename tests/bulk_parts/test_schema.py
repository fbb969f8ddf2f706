from __future__ import annotations

import enum
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from welkin_async.errors import InvalidInputError
from welkin_async.models.formations import CdtFormation
from welkin_async.validation.schema import FieldError, Schema


def field(name: str, type: str | None, **more: Any) -> dict[str, Any]:
    meta = {"required": False, **more.pop("meta", {})}
    return {"name": name, "type": type, "editable": True, "meta": meta, **more}


def options(*values: Any, **more: Any) -> dict[str, Any]:
    return {"options": [{"label": "A label", "value": value, "refCdtName": None} for value in values], **more}


FIELDS = [
    field("id", "text", editable=False),
    field("external_id", "text"),
    field("name", "text", meta={"required": True}),
    field("notes", "textarea"),
    field("mail", "email"),
    field("line", "phone"),
    field("refills", "integer"),
    field("score", "integer", meta={"minValue": "0", "maxValue": "10.5"}),
    field("least", "integer", meta={"minValue": "1000000"}),
    field("odd-bound", "integer", meta={"minValue": "many", "maxValue": None}),
    field("needed", "checkbox"),
    field("born", "date"),
    field("start", "datetime"),
    field("status", "select", meta=options("active", "inactive", multiple=False)),
    field("grade", "select", meta=options(1, 2), valueType="INTEGER"),
    field("tags", "select", meta=options("a", "b", multiple=True)),
    field("boxes", "checkbox", meta=options("x", "y")),
    field("open", "select", valueType="STRING"),
    field("open-numbers", "select", meta={"multiple": True}, valueType="INTEGER"),
    field("untold", "select"),
    field("shape", "polygon"),
    field("old", "text", meta={"required": True}, disable=True),
]


def schema(*fields: dict[str, Any]) -> Schema:
    return Schema.of(CdtFormation.from_wire({"id": "1", "name": "vitals", "fields": list(fields or FIELDS)}))


class Grade(enum.IntEnum):
    ONE = 1


class Status(enum.StrEnum):
    ACTIVE = "active"


class Plain(enum.Enum):
    ACTIVE = "active"


class Stamp(datetime):
    """As pandas has one."""


NOW = datetime(2021, 3, 1, 9, 30, tzinfo=UTC)
GOOD: list[tuple[str, Any]] = [
    ("external_id", uuid.uuid4()),
    ("notes", ""),
    ("mail", "not checked further"),
    ("line", "+61403000000"),
    ("refills", 3),
    ("refills", Decimal(3)),
    ("refills", Grade.ONE),
    ("score", 0),
    ("score", 10),
    ("least", 1_000_000),
    ("odd-bound", -5),
    ("needed", False),
    ("born", date(2021, 3, 1)),
    ("born", "2021-03-01"),
    ("born", "2021-03-01T00:00:00.000Z"),
    ("born", NOW),
    ("start", NOW),
    ("start", NOW.astimezone(timezone(timedelta(hours=-7)))),
    ("start", Stamp(2021, 3, 1, tzinfo=UTC)),
    ("start", date(2021, 3, 1)),
    ("start", "2021-03-01T09:30:00Z"),
    ("start", "2021-03-01T09:30:00.123456-07:00"),
    ("status", "active"),
    ("status", Status.ACTIVE),
    ("status", Plain.ACTIVE),
    ("grade", 1),
    ("tags", []),
    ("tags", ["a", "b"]),
    ("tags", ("b",)),
    ("boxes", ["x"]),
    ("boxes", "x"),
    ("open", "anything"),
    ("open-numbers", [5]),
    ("untold", {"any": 1}),
    ("shape", {"corners": [1.5, None, True, {"deep": NOW}]}),
    ("shape", 1.5),
    ("start", None),
]
BAD: list[tuple[str, Any, str, str]] = [
    ("name", 5, "text", "int"),
    ("name", NOW, "text", "datetime"),
    ("notes", ["x"], "text", "list"),
    ("refills", "3", "an integer", "str"),
    ("refills", 3.0, "an integer", "float"),
    ("refills", True, "an integer", "bool"),
    ("refills", Decimal("NaN"), "an integer", "Decimal"),
    ("score", 11, "an integer, at least 0 and at most 10.5", "int"),
    ("score", -1, "an integer, at least 0 and at most 10.5", "int"),
    ("least", 5, "an integer, at least 1000000", "int"),
    ("needed", 1, "true or false", "int"),
    ("needed", "true", "true or false", "str"),
    ("born", "1 March", "a date", "str"),
    ("born", "2021-02-30", "a date", "str"),
    ("start", "2021-03-01", "a datetime with a zone", "str"),
    ("start", "2021-03-01T09:30:00", "a datetime with a zone", "str"),
    ("start", "2021-W09-1T09:30:00.000Z", "a datetime with a zone", "str"),
    ("start", "2021-03-01T25:30:00.000Z", "a datetime with a zone", "str"),
    ("start", "２021-03-01T09:30:00.000Z", "a datetime with a zone", "str"),  # noqa: RUF001 - a digit of another script
    ("start", NOW.replace(tzinfo=None), "a datetime with a zone", "datetime without a zone"),
    ("start", 1614591000, "a datetime with a zone", "int"),
    ("status", "Active", "one of active, inactive", "str"),
    ("status", ["active"], "one of active, inactive", "list"),
    ("grade", "1", "one of 1, 2 (integers)", "str"),
    ("grade", True, "one of 1, 2 (integers)", "bool"),
    ("tags", "a", "a list of values among a, b", "str"),
    ("tags", ["a", "c"], "a list of values among a, b", "list"),
    ("tags", [["a"]], "a list of values among a, b", "list"),
    ("boxes", True, "a list of values, or one value, among x, y", "bool"),
    ("open", 5, "a value of type text", "int"),
    ("open-numbers", ["5"], "a list of integer values", "list"),
    ("shape", float("nan"), "a value that JSON can say", "float"),
    ("shape", object(), "a value that JSON can say", "object"),
    ("id", "5", "no value, the field is read-only", "str"),
    ("id", None, "no value, the field is read-only", "NoneType"),
    ("statuss", "x", "a field of vitals (perhaps status)", "str"),
    ("qqqq", "x", "a field of vitals", "str"),
]


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_what_fits(name: str, value: Any) -> None:
    assert schema().check({"name": "n", name: value}) == []


@pytest.mark.parametrize(("name", "value", "expected", "found"), BAD)
def test_what_does_not_fit(name: str, value: Any, expected: str, found: str) -> None:
    (problem,) = schema().check({"name": "n", name: value})
    assert problem.field == name
    assert problem.expected.startswith(expected)
    assert problem.found_type == found


@pytest.mark.parametrize("row", [{}, {"name": None}])
def test_a_required_field_must_be_there(row: dict[str, Any]) -> None:
    (problem,) = schema().check(row)
    assert problem == FieldError("name", "a value, the field is required (text)", "nothing")
    assert schema().required == ("name",)  # not one that is disabled


def test_every_problem_is_told_and_no_value_quoted() -> None:
    compiled = schema()
    row = {"refills": "SECRET", "unheard": "SECRET", "status": "SECRET", "nae": "SECRET"}
    problems = compiled.check(row)
    assert compiled.check(row) == problems  # from memory
    assert [problem.field for problem in problems] == ["refills", "unheard", "status", "nae", "name"]
    assert "SECRET" not in "".join(problem.text + repr(problem) for problem in problems)
    assert problems[2].text == "status: expected one of active, inactive; got str"


def test_a_key_that_is_no_text() -> None:
    (problem,) = schema().check({"name": "n", 5: "x"})  # type: ignore[dict-item]
    assert problem.field == "5"


def test_many_options_are_cut() -> None:
    (problem,) = schema(field("code", "select", meta=options(*range(20)))).check({"code": 99})
    assert problem.expected.endswith("10, 11 and 8 more (integers)")


def test_what_is_asked_of_a_field() -> None:
    compiled = schema()
    assert compiled.name == "vitals"
    assert compiled.type_of("start") == "datetime"
    assert compiled.type_of("nowhere") is None
    assert compiled.editable("external_id")
    assert not compiled.editable("id")
    assert not compiled.editable("nowhere")
    assert "id" in compiled


def test_many_unknown_names_are_not_all_remembered() -> None:
    compiled = schema()
    for number in range(1000):
        compiled.check({"name": "n", f"column {number}": 1})
    assert len(compiled._unknown) <= 256


@pytest.mark.parametrize("fields", [None, []])
def test_a_formation_without_fields_checks_nothing(fields: Any) -> None:
    with pytest.raises(InvalidInputError, match="names no fields"):
        Schema.of(CdtFormation.from_wire({"id": "1", "fields": fields}))


def test_odd_metadata_is_survived() -> None:
    compiled = schema(
        {"name": "bare"},
        {"name": None, "type": "text"},
        field("s", "select", meta={"options": [None, {"label": "x"}, {"value": None}]}),
    )
    assert compiled.check({"bare": {"x": [1]}, "s": 5}) == []
