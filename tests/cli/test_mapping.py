from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from welkin_async.bulk import Status
from welkin_async.cli.columns import Column, ColumnMap, parse_map
from welkin_async.cli.mapping import FieldMapping, Mapped, PatientMapping
from welkin_async.cli.rows import Problem, SourceRow
from welkin_async.cli.text import CommandError
from welkin_async.models.formations import CdtFormation


def formation(**types: str) -> CdtFormation:
    fields: list[dict[str, Any]] = [
        {"name": name, "type": kind, "editable": True, "meta": {}} for name, kind in types.items()
    ]
    fields.append({"name": "created_at", "type": "datetime", "editable": False, "meta": {}})
    fields.append({"name": "grade", "type": "select", "valueType": "INTEGER", "editable": True, "meta": {}})
    fields.append({"name": "tags", "type": "select", "editable": True, "meta": {"multiple": True}})
    return CdtFormation.from_wire({"id": "f", "fields": fields})


def mapping(columns: str, *maps: str, fixed: bool = True, defined: CdtFormation | None = None) -> FieldMapping:
    return FieldMapping(
        columns.split(), fixed=fixed, patient_column="p", maps=[parse_map(each) for each in maps], formation=defined
    )


def applied(made: FieldMapping, values: Any) -> Any:
    found = made.apply(SourceRow(2, values))
    return found.reason if isinstance(found, Problem) else found


def test_every_column_is_a_field_of_its_name() -> None:
    made = mapping("a p b")
    assert applied(made, ["1", " k ", ""]) == Mapped("k", {"a": "1"})
    assert applied(made, ["1", "", "2"]) == "the patient is missing"
    assert applied(made, ["", "k", "  "]) == "no field has a value"
    problem = Problem(Status.REJECTED, "short")
    assert made.apply(SourceRow(2, ["1"], problem)) is problem


def test_only_mapped_columns_are_sent() -> None:
    made = mapping("a p b", "a=x:integer", "p=who")
    assert applied(made, ["1", "k", "2"]) == Mapped("k", {"x": 1, "who": "k"})
    assert applied(made, ["one", "k", "2"]) == "column a: expected an integer of at most 64 bits; got str"


def test_columns_take_the_type_of_their_field() -> None:
    defined = formation(n="integer", b="checkbox", d="date", t="datetime", s="text")
    made = mapping("p n b d t s grade", defined=defined)
    assert applied(made, ["k", "1", "yes", "2020-01-02", "2020-01-02T03:04:05Z", "07", "3"]) == Mapped(
        "k",
        {
            "n": 1,
            "b": True,
            "d": "2020-01-02T00:00:00.000Z",
            "t": "2020-01-02T03:04:05.000Z",
            "s": "07",
            "grade": 3,
        },
    )
    assert applied(mapping("p x", "x=n:text", defined=defined), ["k", "1"]) == Mapped("k", {"n": "1"})
    assert "column t" in applied(made, ["k", "1", "yes", "2020-01-02", "2020-01-02T03:04:05", "07", "3"])


@pytest.mark.parametrize(
    ("columns", "maps", "part"),
    [
        ("p x", [], "column x: the CDT has no field x"),
        ("p x", ["x=y"], "column x: the CDT has no field y"),
        ("p created_at", [], "column created_at: the field created_at cannot be written"),
        ("p tags", [], "column tags: the field tags holds several"),
        ("p s", ["q=s"], "column q: the file has no such column"),
        ("s t", [], "column p: the file has no such column"),
        ("p a b", ["a=s", "b=s"], "field s: two columns"),
    ],
)
def test_what_does_not_fit_is_refused_up_front(columns: str, maps: list[str], part: str) -> None:
    with pytest.raises(CommandError, match=part):
        mapping(columns, *maps, defined=formation(s="text"))


def test_a_column_without_a_name_is_refused_unless_it_is_not_sent() -> None:
    with pytest.raises(CommandError, match="no name"):
        FieldMapping(["", "p"], fixed=True, patient_column="p")
    made = FieldMapping(["", "p"], fixed=True, patient_column="p", maps=[ColumnMap("p", "who")])
    assert applied(made, ["1", "k"]) == Mapped("k", {"who": "k"})


def test_objects_keep_their_types() -> None:
    made = mapping("p n", fixed=False, defined=formation(n="integer", s="text"))
    assert applied(made, {"p": 7, "n": 1, "s": None, "tags": ["a"]}) == Mapped("7", {"n": 1, "s": None, "tags": ["a"]})
    assert applied(made, {"p": "k", "n": "12", "s": 5}) == Mapped("k", {"n": 12, "s": "5"})
    assert applied(made, {"p": "k", "n": True}) == "column n: expected an integer of at most 64 bits; got bool"
    assert "the CDT has no field x" in applied(made, {"p": "k", "x": 1})
    assert (
        applied(made, {"n": 1}) == applied(made, {"p": None}) == applied(made, {"p": [1]}) == "the patient is missing"
    )
    assert applied(made, {"p": "k"}) == "no field has a value"


def test_datetimes_of_a_file_with_types_need_a_zone_whatever_they_become() -> None:
    naive = datetime(2024, 5, 31, 14, 30)
    aware = naive.replace(tzinfo=UTC)
    for field in ("x", "s", "t"):
        made = mapping("p x", f"x={field}", fixed=False, defined=formation(x="", s="text", t="datetime"))
        assert applied(made, {"p": "k", "x": aware}) == Mapped("k", {field: "2024-05-31T14:30:00.000Z"})
        assert "column x: expected a datetime with an offset, or --timezone" in applied(made, {"p": "k", "x": naive})
    unchecked = mapping("p", fixed=False)
    assert applied(unchecked, {"p": "k", "x": [aware, 1]}) == Mapped("k", {"x": ["2024-05-31T14:30:00.000Z", 1]})
    assert "--timezone" in applied(unchecked, {"p": "k", "x": [aware, naive]})
    placed = FieldMapping(["p"], fixed=False, patient_column="p", zone=ZoneInfo("Europe/Vienna"))
    assert applied(placed, {"p": "k", "x": naive}) == Mapped("k", {"x": "2024-05-31T12:30:00.000Z"})
    number = mapping("p", "x=n:integer", fixed=False)
    assert applied(number, {"p": "k", "x": aware}) == "column x: expected an integer of at most 64 bits; got datetime"
    assert Column("x", (), fixed=False).of(SourceRow(1, {"x": naive})) == "2024-05-31T14:30:00"


def test_fields_know_their_columns() -> None:
    assert [mapping("p a b", "a=x").column_of(field) for field in ("x", "a", "b")] == ["a", None, None]
    assert [mapping("p a").column_of(field) for field in ("a", "b")] == ["a", None]
    assert mapping("p a", fixed=False).column_of("b") == "b"
    assert PatientMapping(["p"], fixed=True, patient_column="p").column_of("p") is None


def test_objects_without_a_check_are_sent_as_they_are() -> None:
    made = mapping("p", fixed=False)
    assert applied(made, {"p": "k", "x": 1.5, "y": {"z": []}}) == Mapped("k", {"x": 1.5, "y": {"z": []}})
    some = mapping("p", "x=y", "z=w:integer", fixed=False)
    assert applied(some, {"p": "k", "x": 1.5, "other": 1}) == Mapped("k", {"y": 1.5})


@pytest.mark.parametrize("text", ["", "a", "=f", "a=", "a=f:decimal", "a=:integer"])
def test_a_map_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="--map"):
        parse_map(text)


def test_a_map_is_read() -> None:
    assert parse_map("a=b=f:date") == ("a=b", "f", "date")
    assert parse_map("START=icd-10") == ("START", "icd-10", None)
