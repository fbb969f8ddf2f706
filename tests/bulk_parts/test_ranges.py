from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from welkin_async.bulk.position_set import RangeSet

positions = st.integers(0, 60)
steps = st.lists(st.one_of(positions, st.tuples(positions, positions).map(sorted)), max_size=80)


def built(parts: Iterable[object]) -> tuple[RangeSet, set[int]]:
    ranges, model = RangeSet(), set[int]()
    for part in parts:
        if isinstance(part, int):
            ranges.add(part)
            model.add(part)
        else:
            assert isinstance(part, list)
            ranges.add_range(*part)
            model.update(range(*part))
    return ranges, model


def spread(pairs: Iterable[tuple[int, int]]) -> list[int]:
    return [position for start, stop in pairs for position in range(start, stop)]


@given(steps)
def test_it_is_a_set(parts: list[object]) -> None:
    ranges, model = built(parts)
    assert len(ranges) == len(model)
    assert spread(ranges) == sorted(model)
    assert all((position in ranges) == (position in model) for position in range(-2, 64))


@given(steps)
def test_ranges_are_sorted_and_do_not_touch(parts: list[object]) -> None:
    pairs = built(parts)[0].to_pairs()
    assert all(start < stop for start, stop in pairs)
    assert all(one[1] < other[0] for one, other in pairwise(pairs))


@given(steps, st.integers(-1, 64))
def test_gaps_are_what_is_missing(parts: list[object], upto: int) -> None:
    ranges, model = built(parts)
    gaps = list(ranges.missing(upto))
    assert spread(gaps) == sorted(set(range(upto)) - model)
    assert all(start < stop for start, stop in gaps)


@given(steps, st.integers(-1, 64))
def test_the_range_of_a_position(parts: list[object], position: int) -> None:
    ranges, model = built(parts)
    found = ranges.range_of(position)
    assert (found is not None) == (position in model)
    if found is not None:
        start, stop = found
        assert start <= position < stop
        assert model.issuperset(range(start, stop))
        assert not {start - 1, stop} & model


@given(steps, st.integers(-1, 64))
def test_the_first_from_a_position(parts: list[object], position: int) -> None:
    ranges, model = built(parts)
    assert ranges.first_from(position) == min((each for each in model if each >= position), default=None)


@given(steps, st.data())
def test_pairs_come_back_in_any_order(parts: list[object], data: st.DataObject) -> None:
    ranges, _ = built(parts)
    assert RangeSet.from_pairs(data.draw(st.permutations(ranges.to_pairs()))) == ranges


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        RangeSet().add(-1)
    with pytest.raises(ValueError, match="from 0 on"):
        RangeSet().add_range(-1, 3)
    with pytest.raises(ValueError, match="not below"):
        RangeSet([(3, 1)])


def test_small_things() -> None:
    ranges = RangeSet([(0, 3), (5, 6)])
    assert repr(ranges) == "<RangeSet of 4 positions in 2 ranges>"
    assert "3" not in ranges
    assert ranges != {0, 1, 2, 5}
    with pytest.raises(TypeError):
        hash(ranges)
