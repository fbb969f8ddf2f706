"""Cells that a spreadsheet would take for formulas."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from welkin_async import Welkin
from welkin_async.files import import_records
from welkin_async.files.readers.formats import with_formula, without_formula
from welkin_async.sandbox import Sandbox

BEGINNINGS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@given(st.text(alphabet=st.sampled_from("'=+-@\t\r\n 1a,.\uff1d")))
@example("'=1")
@example("''-5")
def test_a_cell_is_given_back_and_begins_no_formula(cell: str) -> None:
    safe = without_formula(cell)
    assert with_formula(safe) == cell
    assert not safe.startswith(BEGINNINGS) or safe[1:].strip("0123456789.,\t\r\n ") == ""


@pytest.mark.parametrize("number", ["-5", "+61403000000", "-1,5", "+1.25", "12"])
def test_numbers_are_left_alone(number: str) -> None:
    assert without_formula(number) == number


async def test_rejects_hold_no_formulas_and_are_imported_as_what_they_were(
    server: Sandbox, welkin: Welkin, tmp_path: Path
) -> None:
    patient = server.store.add_patient()["id"]
    cells = ["=HYPERLINK(1)", "@SUM(A1)", "'=x", "plain", "-5"]
    source = tmp_path / "rows.csv"
    with source.open("w", newline="") as file:
        csv.writer(file).writerow(["patient", "medication_name", "refills"])
        csv.writer(file).writerows([patient, cell, "x"] for cell in cells)
    rejects, mapping = tmp_path / "rejects.csv", {"medication_name": "medication_name"}
    report = await import_records(
        welkin, source, cdt="medication", patient="patient", rejects=rejects, csv_safe=True,
        mapping={**mapping, "refills": "medication_refills:integer"},
    )  # fmt: skip
    assert report.rejected == 5
    with rejects.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["medication_name"] for row in rows] == ["'=HYPERLINK(1)", "'@SUM(A1)", "''=x", "plain", "-5"]
    assert {row["_csv_safe"] for row in rows} == {"yes"}
    again = await import_records(welkin, rejects, cdt="medication", patient="patient", mapping=mapping)
    assert again.done == 5
    records = server.store.cdt_records("medication", patient)
    assert sorted(record["jsonBody"]["medication_name"] for record in records) == sorted(cells)
