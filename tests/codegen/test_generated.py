"""Generated modules: Python as a formatter would write it, whatever the Designer calls things."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from welkin_async.codegen import CodegenError, compare, fingerprint, generate
from welkin_async.codegen.names import Names, pascal_case, snake_case
from welkin_async.models.cdts import SYSTEM_FIELDS
from welkin_async.models.formations import CdtFormation
from welkin_async.sandbox import DEFAULT_CDTS
from welkin_async.sandbox.records.fields import FIELD_TYPES, field

from .formations import EVERY_TYPE, every_type, formation, imported


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("icd-10", "icd_10"),
        ("heartRate", "heart_rate"),
        ("HTTPCode", "http_code"),
        ("Phone Number", "phone_number"),
        ("2nd dose", "field_2nd_dose"),
        ("---", "field"),
        ("__x", "x"),
        ("größe", "größe"),
    ],
)
def test_a_name_is_an_identifier_in_snake_case(text: str, name: str) -> None:
    assert snake_case(text, "field") == name


def test_the_name_that_is_python_already_keeps_it() -> None:
    assert Names({"version"}).take_all([("icd-10", "icd_10"), ("icd_10", "icd_10"), ("version", "version")]) == {
        "icd-10": "icd_10_",
        "icd_10": "icd_10",
        "version": "version_",
    }


def test_collisions_keywords_and_system_names_get_a_trailing_underscore(tmp_path: Path) -> None:
    record = every_type(tmp_path).EveryType
    names = {each.name: each.metadata["wire"] for each in attrs.fields(record) if "formation" in each.metadata}
    assert names == {
        "title": "title",
        "remarks": "remarks",
        "e_mail": "e-mail",
        "phone_number": "Phone Number",
        "count": "count",
        "confirmed": "confirmed",
        "date": "date",
        "measured_at": "measuredAt",
        "status": "status",
        "priority": "priority",
        "tags": "tags",
        "allergies": "allergies",
        "class_": "class",
        "version_": "version",
        "str_": "str",
        "icd_10_": "icd-10",
        "icd_10": "icd_10",
        "computed": "computed",
    }


def test_what_is_said_of_a_field_is_in_the_docstring_and_options_are_constants(tmp_path: Path) -> None:
    record = every_type(tmp_path).EveryType
    said = " ".join(str(record.__doc__).split())
    assert "Every type. Relation: COMMON." in said
    assert "title: Title: ``title``, text, required, PHI." in said
    assert "computed: ``computed``, integer, read-only." in said
    assert "count: ``count``, integer, at least 0, at most 10." in said
    assert "One of active (Active), on hold (On Hold), 2nd (2Nd)." in said
    assert (record.Status.ACTIVE, record.Status.ON_HOLD, record.Status.OPTION_2ND) == ("active", "on hold", "2nd")
    assert record.Priority.OPTION_1 == 1
    dictionary = formation(fields=[{**field("code", "text"), "dictionary": {"name": "icd-10", "field": "code"}}])
    assert "dictionary icd-10.code" in generate([dictionary])


LONG = [
    field("a-long-name-of-a-field", "select", options=[f"option number {n} of many" for n in range(20)]),
    field(
        "one", "select", options=("a single option whose text is so long that it does not fit into the line at all",)
    ),
    field("quotes", "select", options=("it's", 'say "x"', "back\\slash", "new\nline", "\u202eevil", "''\"")),
    field("label", "text", label='ends """ here \\ and "'),
]


@pytest.mark.skipif(find_spec("ruff") is None, reason="ruff is not installed")
@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
@pytest.mark.parametrize("length", [88, 120])
def test_a_formatter_changes_nothing(length: int, closed: bool, tmp_path: Path) -> None:
    cdts = [formation(), *(formation(name, list(fields)) for name, fields in DEFAULT_CDTS.items())]
    text = generate([*cdts, formation("long", [*LONG[:1], *LONG[2:]])], closed_options=closed)
    path = tmp_path / "cdts.py"
    path.write_text(text, encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    style = [*ruff, "format", "--isolated", "--check", "--diff", "--line-length", str(length), str(path)]
    formatted = subprocess.run(style, capture_output=True, text=True, check=False)
    assert formatted.returncode == 0, formatted.stdout + formatted.stderr
    rules = [*ruff, "check", "--isolated", "--select", "F,I,W,UP,D1,RUF022", str(path)]
    linted = subprocess.run(rules, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout


@given(st.text(max_size=20))
@example("\U000108a7")  # a numeral that is part of no identifier
@example("\u0130")  # whose small form has two characters
def test_every_name_is_an_identifier(text: str) -> None:
    assert snake_case(text, "field").isidentifier()
    assert pascal_case(text, "cdt").isidentifier()


TEXT = st.text(max_size=30)
OPTION = st.one_of(TEXT, st.integers(-3, 3))
FIELD: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "name": st.text(min_size=1, max_size=20),
        "type": st.one_of(st.sampled_from(sorted(FIELD_TYPES)), st.none(), TEXT),
        "editable": st.booleans(),
        "valueType": st.sampled_from(["STRING", "INTEGER", None]),
        "meta": st.one_of(
            st.none(),
            st.fixed_dictionaries(
                {"required": st.booleans(), "label": st.one_of(st.none(), TEXT), "multiple": st.booleans()},
                optional={"options": st.lists(OPTION.map(lambda value: {"label": str(value), "value": value}))},
            ),
        ),
    }
)


@settings(max_examples=60)
@given(
    name=st.text(min_size=1, max_size=20),
    fields=st.lists(FIELD, min_size=1, max_size=6, unique_by=lambda each: each["name"]),
    closed=st.booleans(),
)
@example(
    name="a",
    fields=[
        {"name": each, "type": "text", "editable": True, "valueType": None, "meta": {"required": True}}
        for each in sorted(SYSTEM_FIELDS)
    ],
    closed=False,
)
def test_whatever_a_formation_holds_becomes_a_module_that_can_be_imported(
    name: str, fields: list[dict[str, Any]], closed: bool
) -> None:
    text = generate([CdtFormation.from_wire({"id": "f", "name": name, "fields": fields})], closed_options=closed)
    module: dict[str, Any] = {"__name__": "made"}
    exec(compile(ast.parse(text), "made.py", "exec"), module)
    record: Any
    (record,) = [each for each in module.values() if isinstance(each, type) and each.__dict__.get("CDT") == name]
    new = record.New(**{each.name: "x" for each in attrs.fields(record.New) if each.default is attrs.NOTHING})
    own = {each.metadata["wire"] for each in attrs.fields(record) if "formation" in each.metadata}
    assert own == {each["name"] for each in fields} - SYSTEM_FIELDS
    required = {each["name"] for each in fields if each["editable"] and (each["meta"] or {}).get("required")}
    # What the server sets is asked of nobody, even where a formation calls it required.
    assert set(new) == required - SYSTEM_FIELDS


def test_what_the_formation_does_not_change_does_not_change_the_fingerprint() -> None:
    first = formation()
    assert fingerprint(first) == fingerprint(formation(fields=EVERY_TYPE[::-1], id="other", version=9))
    changed = [
        formation(fields=[*EVERY_TYPE, field("new", "text")]),
        formation(fields=EVERY_TYPE[1:]),
        formation(fields=[{**EVERY_TYPE[0], "editable": False}, *EVERY_TYPE[1:]]),
        formation(fields=[{**EVERY_TYPE[0], "type": "textarea"}, *EVERY_TYPE[1:]]),
        formation(label="Another"),
    ]
    assert len({fingerprint(each) for each in (first, *changed)}) == 6


def test_a_file_is_compared_with_the_formations_of_today() -> None:
    text = generate([formation(), formation("other", EVERY_TYPE[:1])])
    assert compare(text, [formation(), formation("other", EVERY_TYPE[:1])]) == []
    drifts = compare(text, [formation(fields=[*EVERY_TYPE[1:], field("new", "text")]), formation("third")])
    assert [(each.cdt, each.reason) for each in drifts] == [
        ("every-type", "new: new; gone: title"),
        ("other", "there is no such CDT any more"),
        ("third", "it is not in the file"),
    ]
    relabelled = [formation(label="Another"), formation("other", EVERY_TYPE[:1])]
    assert [each.reason for each in compare(text, relabelled)] == ["a field or a label is defined otherwise"]


@pytest.mark.parametrize("text", ["", "x = 1", "def", "\x00", "class A:\n    CDT: str = 'a'"])
def test_what_codegen_has_not_made_is_refused(text: str) -> None:
    with pytest.raises(CodegenError):
        compare(text, [formation()])


@pytest.mark.parametrize(
    "formations",
    [[{"name": "a", "fields": []}], [{"name": None, "fields": [field("a", "text")]}], [{"name": "a"}]],
    ids=["no fields", "no name", "fields missing"],
)
def test_a_formation_that_defines_nothing_is_refused(formations: list[dict[str, Any]]) -> None:
    with pytest.raises(CodegenError):
        generate(CdtFormation.from_wire({"id": "f", **each}) for each in formations)
    with pytest.raises(CodegenError):
        generate([formation(), formation()])


def test_two_cdts_whose_names_become_one_have_two_classes(tmp_path: Path) -> None:
    module = imported(
        generate([formation("lab-report"), formation("lab_report"), formation("Any")]), tmp_path / "two_cdts.py"
    )
    assert [module.LabReport.CDT, module.LabReport_.CDT, module.Any_.CDT] == ["lab-report", "lab_report", "Any"]
