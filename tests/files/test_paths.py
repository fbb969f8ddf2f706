"""Nested sources: names as written, dotted names, JMESPath, and what is of another shape."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from welkin_async.bulk import Status
from welkin_async.files import FileError, PatientColumn
from welkin_async.files.mapping.columns import Column, Columns
from welkin_async.files.mapping.fields import FieldMapping, RowFields
from welkin_async.files.mapping.paths import MISSING, kind_of, reader_of, root_of
from welkin_async.files.mapping.row_keys import RowKeys
from welkin_async.files.options import ColumnMap, parse_field
from welkin_async.files.readers.row import RowError, SourceRow

OBSERVATION = {
    "code": {"coding": [{"code": "8302-2", "display": "Body Height"}, {"code": "x"}]},
    "subject": {"reference": "Patient/1"},
    "valueQuantity": {"value": 170.5, "unit": None},
    "a.b": "as written",
    "a": {"b": "walked"},
}


def mapping(
    columns: str, *maps: str, patient: PatientColumn | str | None = None, complete: bool = False
) -> FieldMapping:
    pairs = [each.rpartition("=") for each in maps]
    return FieldMapping(
        Columns(columns.split(), fixed=False, complete=complete),
        patient_column=patient,
        maps=[ColumnMap(column, parse_field(column, field)) for column, _, field in pairs],
    )


def applied(made: FieldMapping, values: Any) -> Any:
    found = made.apply(SourceRow(2, values))
    assert isinstance(found, RowFields)
    return "; ".join(found.problems.values()) or found.fields


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("code", "name"),
        ("body height", "name"),
        ("a.b", "dotted"),
        ("a[0]", "dotted"),
        ("a-b.c_d[-1].e", "dotted"),
        ("a[*].b", "expression"),
        ("a[?b=='c'].d | [0]", "expression"),
        ('"a.b"', "expression"),
        ("length(a)", "expression"),
        ("a.", "expression"),
    ],
)
def test_what_a_name_would_be(name: str, kind: str) -> None:
    assert kind_of(name) == kind


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("code.coding[0].display", "Body Height"),
        ("code.coding[-1].code", "x"),
        ("code.coding[2].code", MISSING),
        ("code.text", MISSING),
        ("absent.text", MISSING),
        ("valueQuantity.unit", None),
        ("valueQuantity.unit.system", MISSING),
        ("a.b", "as written"),
        ("code.coding[?code=='x'].code | [0]", "x"),
        ("code.coding[?code=='y'].code | [0]", MISSING),
    ],
)
def test_a_path_is_walked(name: str, value: Any) -> None:
    assert reader_of(name)(OBSERVATION) == value
    assert root_of("code.coding[0].display") == "code"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("subject.reference.id", "expected an object on the way"),
        ("subject[0]", "expected a list on the way"),
        ("code.coding.code", "expected an object on the way"),
        ("subject.reference[0].x", "expected a list on the way"),
        ("sum(code.coding[*].display)", "expected an object that the expression fits"),
    ],
)
def test_another_shape_refuses_the_row_and_quotes_nothing(name: str, reason: str) -> None:
    assert applied(mapping("code", f"{name}=x"), OBSERVATION) == f"column {name}: {reason}"


def test_an_object_where_a_value_is_wanted_refuses_the_row_and_names_the_path() -> None:
    made = mapping("code", "code.coding=x:text", "subject.reference=y")
    assert applied(made, OBSERVATION) == "column code.coding: expected text; got a list"
    made = mapping("code", "code=x", patient="subject")
    assert applied(made, OBSERVATION) == "column subject: expected text; got an object"
    keys = RowKeys("external_id", "t", "t", "d", Column("code.coding", Columns(["code"], fixed=False)))
    problem = keys.key_of(SourceRow(1, OBSERVATION), {})
    assert problem == RowError(Status.REJECTED, "column code.coding: expected text; got a list")


def test_an_expression_that_is_none_is_refused_and_says_how_a_key_is_written() -> None:
    with pytest.raises(FileError, match="double quotes"):
        mapping("a", "BP (mmHg=x")
    assert applied(mapping("a", '"BP (mmHg)"=x'), {"BP (mmHg)": 120}) == {"x": 120}
    assert applied(mapping("a BP_(mmHg)", "BP_(mmHg)=x"), {"BP_(mmHg)": 120}) == {"x": 120}


def test_jmespath_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jmespath", None)
    assert applied(mapping("code", "code.coding[0].code=x"), OBSERVATION) == {"x": "8302-2"}
    with pytest.raises(FileError, match=r"needs jmespath: pip install 'welkin-async\[cli\]'"):
        mapping("code", "code.coding[*].code=x")


def test_a_path_into_no_column_is_refused_where_the_columns_are_known() -> None:
    columns = Columns(["code", "subject"], fixed=False, complete=True)
    assert columns.needed(["code.coding[0].code", "subject"]) == frozenset({"code", "subject", "code.coding[0].code"})
    assert columns.needed(["code.coding[*].code", "subject"]) is None
    with pytest.raises(FileError, match=r"column cod\.coding: the file has no such column"):
        columns.needed(["cod.coding"])
    with pytest.raises(FileError, match=r"column code\.x: the file has no such column"):
        Columns(["code"], fixed=True).find("code.x")


def test_what_stands_before_a_reference_is_taken_away_and_the_patient_map_has_the_rest() -> None:
    patient = PatientColumn("subject.reference", "MRN", "Patient/", {"1": "M-1"})
    made = mapping("code", "code.coding[0].code=x", patient=patient)
    assert made.apply(SourceRow(1, OBSERVATION)) == RowFields("M-1", {"x": "8302-2"})
    for reference, reason in (
        ("Patient/2", "expected a patient that is in the patient map"),
        ("Group/1", "expected text that begins with Patient/"),
    ):
        row = {**OBSERVATION, "subject": {"reference": reference}}
        assert applied(made, row) == f"column subject.reference: {reason}"
    assert applied(made, {**OBSERVATION, "subject": {}}) == "the patient is missing"
    assert "M-1" not in repr(patient)
    others = [patient._replace(references={"1": "M-2"}), patient._replace(strip=""), patient._replace(type="EID")]
    assert len({each.decisive for each in (patient, *others)}) == 4
    assert PatientColumn("p").decisive == ("p", "ID")
