"""Canonical forms: two values share one in every slot exactly where they are compared as the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from welkin_async.validation.canonical import Forms, canonical_forms
from welkin_async.validation.equality import (
    Equal,
    same,
    same_date,
    same_datetime,
    same_json,
    same_number,
    same_option,
    same_text,
    same_truth,
)

EQUALS = [same_text, same_option, same_number, same_truth, same_date, same_datetime, same_json]
MOMENTS = [
    "2026-01-02",
    "2026-01-02T00:00:00Z",
    "2026-01-02T00:00:00.000Z",
    "2026-01-01T19:00:00-05:00",
    "2026-01-02T00:00:00.0004Z",
    "2026-01-02T00:00:00.001Z",
    "2026-01-02T00:00:00",
    "0001-01-01T00:00:00+14:00",
    "2026-13-45",
]
TEXTS = [*MOMENTS, "", " ", "a", " a ", "A", "1", "1.0", "1e0", "-0", "0", "true", "True", " false"]
NUMBERS = [0, -0.0, 1, 1.0, True, False, 2**53, 2**53 + 1, float(2**53), 0.1, -1.5, 10**30]
ATOMS = st.sampled_from([None, *TEXTS, *NUMBERS]) | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "c"]), ATOMS, max_size=3)
VALUES = ATOMS | st.lists(ATOMS, max_size=3) | OBJECTS | st.lists(OBJECTS, max_size=2)


def share(sent: Forms, held: Forms) -> bool:
    if not sent or not held:
        return not sent and not held
    there = {form for slot in held for form in slot}
    return all(there.intersection(slot) for slot in sent)


@pytest.mark.parametrize("equal", EQUALS, ids=lambda each: each.__name__)
@given(one=VALUES, other=VALUES)
def test_forms_are_shared_exactly_where_values_are_the_same(equal: Equal, one: Any, other: Any) -> None:
    said = share(canonical_forms(equal, one), canonical_forms(equal, other))
    assert said == same(equal, one, other)


@pytest.mark.parametrize("equal", EQUALS, ids=lambda each: each.__name__)
def test_every_pair_of_the_values_that_matter(equal: Equal) -> None:
    values: list[Any] = [None, *TEXTS, *NUMBERS]
    for one in values:
        for other in values:
            said = share(canonical_forms(equal, one), canonical_forms(equal, other))
            assert said == same(equal, one, other), (one, other)


def test_a_list_of_objects_may_gain_members_where_that_is_said() -> None:
    sent, held = [{"id": "u1"}], [{"id": "u1", "role": "NURSE"}]
    assert not share(canonical_forms(same_json, sent), canonical_forms(same_json, held))
    assert share(canonical_forms(same_json, sent, within=True), canonical_forms(same_json, held, within=True))
    assert not share(canonical_forms(same_json, held, within=True), canonical_forms(same_json, sent, within=True))
