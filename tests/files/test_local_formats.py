"""Values as they are written elsewhere: dates, booleans and numbers in other forms, null words, constants."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from welkin_async.files import FileError, FileReport, ImportOptions, import_records
from welkin_async.files.mapping.columns import Columns
from welkin_async.files.mapping.fields import FieldMapping, RowFields
from welkin_async.files.options import ColumnMap, FileSettings, parse_field
from welkin_async.files.readers.row import SourceRow
from welkin_async.sandbox import Sandbox
from welkin_async.session import Welkin
from welkin_async.validation.conversion import ConversionError
from welkin_async.validation.local_formats import date_format, number_format

from .conftest import GUID, add_patients, bodies

VIENNA = ZoneInfo("Europe/Vienna")


def converted(field: str, value: Any, *, fixed: bool = True, nulls: tuple[str, ...] = ()) -> Any:
    made = FieldMapping(
        Columns(["a", "b"], fixed=fixed),
        patient_column=None,
        maps=[ColumnMap("a", parse_field("a", f"x:{field}")), ColumnMap("b", parse_field("b", "y"))],
        zone=VIENNA,
        nulls=nulls,
    )
    found = made.apply(SourceRow(1, [value, "-"] if fixed else {"a": value, "b": "-"}))
    assert isinstance(found, RowFields)
    return found.problems.get("x") or found.fields.get("x", "absent")


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("date(%d/%m/%Y)", "31/05/2024", "2024-05-31T00:00:00.000Z"),
        ("date(%m/%d/%y)", " 5/1/24 ", "2024-05-01T00:00:00.000Z"),
        ("datetime(%d.%m.%Y %H:%M)", "31.05.2024 14:30", "2024-05-31T12:30:00.000Z"),
        ("datetime(%Y%m%d%H%M%S%z)", "20240531143000-0400", "2024-05-31T18:30:00.000Z"),
        ("datetime(%m/%d/%Y %I:%M %p)", "05/31/2024 02:30 PM", "2024-05-31T12:30:00.000Z"),
        ("boolean(ja,j/nein,n)", "Ja", True),
        ("boolean(ja,j/nein,n)", "N", False),
        ("boolean(1/2)", "2", False),
        ("number(1.234,56)", "-1.234.567,8", -1234567.8),
        ("number(1.234,56)", "1234,5", 1234.5),
        ("number(1'234.56)", "1'234.5", 1234.5),
        ("number(1 234,56)", "1\u202f234\u202f567,25", 1234567.25),
        ("number(1234,56)", "7", 7),
        ("integer(1.234)", "1.234", 1234),
        ("integer(1,234)", "+1,234,567", 1234567),
        ("text:strip(urn:uuid:)", "urn:uuid:7", "7"),
        ("integer:strip(#)", "#7", 7),
    ],
)
def test_a_named_form_is_read(field: str, text: str, value: Any) -> None:
    for fixed in (True, False):
        found = converted(field, text, fixed=fixed)
        assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [
        ("date(%d/%m/%Y)", "05/31/2024", "expected a date in the form %d/%m/%Y; got a date in another form"),
        ("date(%d/%m/%Y)", "2024-05-31", "expected a date in the form %d/%m/%Y; got a date"),
        (
            "datetime(%d.%m.%Y %H:%M)",
            "31.03.2024 02:30",
            "expected an offset: the clock was changed at this local time",
        ),
        ("boolean(ja/nein)", "true", "expected one of ja/nein"),
        ("number(1.234,56)", "1,234.5", "expected a number written as 1.234,56"),
        ("number(1.234,56)", "12.34,5", "expected a number written as 1.234,56"),
        ("number(1 234,56)", "1 234\u00a0567", "expected a number written as 1 234,56"),
        ("number(1234,56)", "1.5", "expected a number written as 1234,56"),
        ("integer(1.234)", "1.5", "expected an integer written as 1.234"),
        ("text:strip(Patient/)", "Group/1", "expected text that begins with Patient/"),
    ],
)
def test_what_follows_another_form_is_refused(field: str, text: str, reason: str) -> None:
    assert reason in converted(field, text)


def test_only_text_is_in_a_form_and_typed_values_are_what_they_are() -> None:
    moment = datetime(2024, 5, 31, tzinfo=UTC)
    assert converted("date(%d/%m/%Y)", moment, fixed=False) == "2024-05-31T00:00:00.000Z"
    assert converted("datetime(%d/%m/%Y %H:%M)", moment, fixed=False) == "2024-05-31T00:00:00.000Z"
    assert converted("number(1.234,56)", 1.5, fixed=False) == 1.5
    assert converted("boolean(ja/nein)", True, fixed=False) is True
    assert "expected a date" in converted("date", moment.replace(hour=1), fixed=False)


@pytest.mark.parametrize(
    "field",
    [
        *("date(%d/%m)", "date(%Y)", "date(%d.%m.%Y %H:%M)", "date(%q)", "date()", "datetime(%d.%m.%Y)"),
        *("datetime(%d.%m.%Y %I:%M)", "boolean(ja)", "boolean(ja/ja)", "boolean(/nein)", "number(1.234.56)"),
        *("number(12)", "integer(1.234,56)", "integer(x)"),
    ],
)
def test_a_form_that_says_too_little_or_too_much_is_refused_before_anything_is_sent(field: str) -> None:
    with pytest.raises(FileError, match="column a: "):
        converted(field, "x")


@given(st.integers(-(10**12), 10**12), st.integers(0, 99))
def test_a_number_is_read_as_it_was_written(whole: int, hundredths: int) -> None:
    text = f"{whole:,}.{hundredths:02}"
    swapped = text.replace(",", "_").replace(".", ",").replace("_", ".")
    assert number_format("1.234,56")(swapped, None) == number_format("1,234.56")(text, None)
    assert number_format("1.234,56")(swapped, None) == float(f"{whole}.{hundredths:02}")


@given(st.dates(min_value=datetime(1970, 1, 1).date(), max_value=datetime(2068, 12, 31).date()))
def test_a_date_is_read_as_it_was_written(day: Any) -> None:
    for form in ("%d/%m/%Y", "%m-%d-%y", "%d %b %Y", "%Y%m%d"):
        assert date_format(form)(day.strftime(form), None) == f"{day.isoformat()}T00:00:00.000Z"
    with pytest.raises(ConversionError):
        date_format("%d/%m/%Y")(day.isoformat(), None)


def test_null_words_are_an_empty_cell_or_a_null() -> None:
    assert converted("integer", " NULL ", nulls=("NULL", "NA")) == "absent"
    assert converted("integer", "NA", nulls=("NULL", "NA"), fixed=False) is None
    assert converted("text", "NA", nulls=("NULL", "NA"), fixed=False) is None
    assert converted("text", "NAN", nulls=("NULL", "NA"), fixed=False) == "NAN"
    assert "expected an integer" in converted("integer", "null", nulls=("NULL",))


OPTIONS: ImportOptions = {"constants": {"medication_notes": "import 7", "medication_refills": "3"}, "nulls": ["NA"]}


async def imported(welkin: Welkin, rows: Any, **more: Any) -> FileReport:
    return await import_records(welkin, rows, cdt="medication", patient="who", **{**OPTIONS, **more})


async def test_constants_are_sent_with_each_row_and_take_their_fields_type(server: Sandbox, welkin: Welkin) -> None:
    ids = add_patients(server)
    rows = [
        {"who": ids[0], "medication_name": "Advil", "internal": 1},
        {"who": "NA", "medication_name": "Advil", "internal": 2},
        {"who": ids[1], "medication_name": "Zyrtec", "internal": 3, "medication_notes": "own"},
    ]
    report = await imported(welkin, rows, ignore=["internal"])
    assert (report.done, report.rejected) == (1, 2)
    assert bodies(server, keys=False) == [
        {"medication_name": "Advil", "medication_notes": "import 7", "medication_refills": 3}
    ]
    assert set(report.reasons) == {
        "the patient is missing",
        "field medication_notes: it is given twice, by the row and by constants=",
    }


@pytest.mark.parametrize(
    ("constants", "problem"),
    [
        ({"medication_refills": "many"}, "constants= for medication_refills: expected an integer of at most 64 bits"),
        ({"medication_nam": "x"}, "constants= for medication_nam: the CDT has no field medication_nam"),
        ({"medication_name": "x"}, "field medication_name: it is given twice"),
    ],
)
async def test_a_constant_that_does_not_fit_sends_nothing(
    server: Sandbox, welkin: Welkin, constants: dict[str, str], problem: str
) -> None:
    rows = [{"who": add_patients(server)[0], "medication_name": "Advil"}]
    with pytest.raises(FileError, match=problem):
        await imported(welkin, rows, constants=constants)
    assert bodies(server) == []
    assert GUID not in problem


def test_what_decides_fields_decides_which_journal_fits(tmp_path: Any) -> None:
    def source(**options: Any) -> Any:
        return FileSettings(file=tmp_path, **options).bulk("digest", lambda _: None)["source"]

    others: list[dict[str, Any]] = [
        *({"constants": {"a": 1}}, {"nulls": ["a"]}, {"ignore": ["a"]}, {"mapping": {"a": "b:date"}}),
        *({"mapping": {"a": "b:date(%d/%m/%Y)"}}, {"mapping": {"a": "b:strip(x)"}}, {"mapping": {"a": "b"}}),
    ]
    assert len({source(), *(source(**each) for each in others)}) == 8
