"""The cost of look-ups: patients are counted without remembering them, and the sample is fair."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from welkin_async.files.report.lookup_cost import LookupCost, PatientSketch


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=3), max_size=200))
def test_few_patients_are_counted_exactly_and_sampled_among_themselves(patients: list[str]) -> None:
    sketch = PatientSketch()
    for patient in patients:
        sketch.add(patient)
    distinct = set(patients)
    assert (sketch.rows, sketch.patients) == (len(patients), len(distinct))
    assert len(sketch.sample) == min(8, len(distinct)) == len(set(sketch.sample))
    assert distinct.issuperset(sketch.sample)
    again = PatientSketch()
    for patient in reversed(patients):
        again.add(patient)
    assert set(again.sample) == set(sketch.sample)


def test_many_patients_are_counted_to_within_a_part_in_a_hundred() -> None:
    sketch = PatientSketch()
    for number in range(60_000):
        sketch.add(f"patient-{number % 30_000}")
    assert sketch.patients == pytest.approx(30_000, rel=0.01)


def test_the_cost_is_said_for_each_row() -> None:
    cost = LookupCost(rows=20_000, patients=200, listings=200, afterwards=200)
    assert cost.per_row == pytest.approx(0.02)
    assert "200 patients takes about 200 list requests" in str(cost)
    assert LookupCost(rows=0, patients=0, listings=0, afterwards=0).per_row == 0
