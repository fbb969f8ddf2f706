from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from welkin_async.bulk import Status
from welkin_async.cli.options.field_options import parse_map
from welkin_async.cli.wording import CommandError, as_options
from welkin_async.files.errors import FileError
from welkin_async.files.mapping.columns import Column, Columns
from welkin_async.files.mapping.fields import FieldMapping, PatientMapping, RowFields
from welkin_async.files.options import ColumnMap, Field
from welkin_async.files.readers.row import RowError, SourceRow
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
        Columns(columns.split(), fixed=fixed),
        patient_column="p",
        maps=[parse_map(each) for each in maps],
        formation=defined,
    )


def applied(made: FieldMapping, values: Any) -> Any:
    found = made.apply(SourceRow(2, values))
    if isinstance(found, RowError):
        return found.reason
    return "; ".join(found.problems.values()) or found


def test_every_column_is_a_field_of_its_name() -> None:
    made = mapping("a p b")
    assert applied(made, ["1", " k ", ""]) == RowFields("k", {"a": "1"})
    assert applied(made, ["1", "", "2"]) == "the patient is missing"
    assert applied(made, ["", "k", "  "]) == "no field has a value"
    problem = RowError(Status.REJECTED, "short")
    assert made.apply(SourceRow(2, ["1"], problem)) is problem


def test_only_mapped_columns_are_sent() -> None:
    made = mapping("a p b", "a=x:integer", "p=who")
    assert applied(made, ["1", "k", "2"]) == RowFields("k", {"x": 1, "who": "k"})
    assert applied(made, ["one", "k", "2"]) == "column a: expected an integer of at most 64 bits; got text"


def test_columns_take_the_type_of_their_field() -> None:
    defined = formation(n="integer", b="checkbox", d="date", t="datetime", s="text")
    made = mapping("p n b d t s grade", defined=defined)
    assert applied(made, ["k", "1", "yes", "2020-01-02", "2020-01-02T03:04:05Z", "07", "3"]) == RowFields(
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
    assert applied(mapping("p x", "x=n:text", defined=defined), ["k", "1"]) == RowFields("k", {"n": "1"})
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
    with pytest.raises(FileError, match=part):
        mapping(columns, *maps, defined=formation(s="text"))


def test_a_column_without_a_name_is_refused_unless_it_is_not_sent() -> None:
    with pytest.raises(FileError, match="no name"):
        FieldMapping(Columns(["", "p"], fixed=True), patient_column="p")
    made = FieldMapping(Columns(["", "p"], fixed=True), patient_column="p", maps=[ColumnMap("p", Field("who"))])
    assert applied(made, ["1", "k"]) == RowFields("k", {"who": "k"})


def test_objects_keep_their_types() -> None:
    made = mapping("p n", fixed=False, defined=formation(n="integer", s="text"))
    assert applied(made, {"p": 7, "n": 1, "s": None, "tags": ["a"]}) == RowFields(
        "7", {"n": 1, "s": None, "tags": ["a"]}
    )
    assert applied(made, {"p": "k", "n": "12", "s": 5}) == RowFields("k", {"n": 12, "s": "5"})
    assert applied(made, {"p": "k", "n": True}) == "column n: expected an integer of at most 64 bits; got a boolean"
    assert "the CDT has no field x" in applied(made, {"p": "k", "x": 1})
    assert applied(made, {"n": 1}) == applied(made, {"p": None}) == "the patient is missing"
    assert applied(made, {"p": [1]}) == "column p: expected text; got a list"
    assert applied(made, {"p": "k"}) == "no field has a value"


def test_datetimes_of_a_file_with_types_need_a_zone_whatever_they_become() -> None:
    naive = datetime(2024, 5, 31, 14, 30)
    aware = naive.replace(tzinfo=UTC)
    for field in ("x", "s", "t"):
        made = mapping("p x", f"x={field}", fixed=False, defined=formation(x="", s="text", t="datetime"))
        assert applied(made, {"p": "k", "x": aware}) == RowFields("k", {field: "2024-05-31T14:30:00.000Z"})
        assert "column x: expected a datetime with an offset, or zone=" in applied(made, {"p": "k", "x": naive})
    unchecked = mapping("p", fixed=False)
    assert applied(unchecked, {"p": "k", "x": [aware, 1]}) == RowFields("k", {"x": ["2024-05-31T14:30:00.000Z", 1]})
    assert "zone=" in applied(unchecked, {"p": "k", "x": [aware, naive]})
    placed = FieldMapping(Columns(["p"], fixed=False), patient_column="p", zone=ZoneInfo("Europe/Vienna"))
    assert applied(placed, {"p": "k", "x": naive}) == RowFields("k", {"x": "2024-05-31T12:30:00.000Z"})
    number = mapping("p", "x=n:integer", fixed=False)
    assert applied(number, {"p": "k", "x": aware}) == "column x: expected an integer of at most 64 bits; got a datetime"
    assert Column("x", Columns((), fixed=False)).text(SourceRow(1, {"x": naive})) == "2024-05-31T14:30:00"


def test_fields_know_their_columns() -> None:
    assert [mapping("p a b", "a=x").column_of(field) for field in ("x", "a", "b")] == ["a", None, None]
    assert [mapping("p a").column_of(field) for field in ("a", "b")] == ["a", None]
    assert mapping("p a", fixed=False).column_of("b") == "b"
    assert PatientMapping(Columns(["p"], fixed=True), patient_column="p").column_of("p") is None


def test_objects_without_a_check_are_sent_as_they_are() -> None:
    made = mapping("p", fixed=False)
    assert applied(made, {"p": "k", "x": 1.5, "y": {"z": []}}) == RowFields("k", {"x": 1.5, "y": {"z": []}})
    some = mapping("p", "x=y", "z=w:integer", fixed=False)
    assert applied(some, {"p": "k", "x": 1.5, "other": 1}) == RowFields("k", {"y": 1.5})


BAD_MAPS = ["", "a", "=f", "a=", "a=f:decimal", "a=:integer", "a=f:text(x)", "a=f:date:date", "a=f:strip()"]


@pytest.mark.parametrize("text", [*BAD_MAPS, "a=f:date(%Y", "a=f:strip(a):strip(b)"])
def test_a_map_of_another_form_is_refused(text: str) -> None:
    with pytest.raises((CommandError, FileError)) as caught:
        parse_map(text)
    assert "--map" in as_options(str(caught.value))


def test_a_map_is_read() -> None:
    assert parse_map("a=b=f:date") == ("a=b", Field("f", "date"))
    assert parse_map("START=icd-10") == ("START", Field("icd-10"))
    assert parse_map("a[?b=='c']=f:datetime(%d.%m.%Y %H:%M)") == (
        "a[?b=='c']",
        Field("f", "datetime", format="%d.%m.%Y %H:%M"),
    )
    assert parse_map("a=f:strip(Patient/)") == ("a", Field("f", strip="Patient/"))
    assert parse_map("a=f:boolean(ja/nein):strip(#)") == ("a", Field("f", "boolean", format="ja/nein", strip="#"))
