"""The index of existing records: what was listed is known, whether it is in memory or in the file by now."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from welkin_async.bulk.existing import index as module
from welkin_async.bulk.existing.digests import RecordDigests
from welkin_async.bulk.existing.index import ExistingIndex, KeptRecord

MANY = 3 * 1024 + 7  # more than are remembered, so that the oldest are in the file alone


@pytest.fixture
def index() -> Iterator[ExistingIndex]:
    index = ExistingIndex()
    yield index
    index.close()


def place(name: str) -> bytes:
    return RecordDigests(lambda field, value: [], b"secret").place(name)


def record(key: str, id: str) -> KeptRecord:
    return KeptRecord(place(key), id, "2024-01-01T00:00:00.000Z", None, None, b"")


def test_a_listing_is_known_from_then_on(index: ExistingIndex) -> None:
    groups = [place(f"group {number}") for number in range(MANY)]
    assert len({*groups}) == MANY
    for number, group in enumerate(groups):
        assert index.listed(group) is None
        records = [record("k", f"r{number}")] if number % 3 == 0 else []
        kept = index.keep(group, float(number), records)
        assert (kept.began, kept.records) == (float(number), len(records))
    for number, group in enumerate(groups):
        listed = index.listed(group)
        assert listed is not None
        assert (listed.began, listed.records) == (float(number), int(number % 3 == 0))
        assert [each.id for each in index.find(listed, place("k"))] == [f"r{number}"] * (number % 3 == 0)
        assert index.find(listed, place("another")) == []


def test_groups_that_share_a_slot_are_told_apart(index: ExistingIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_slot", lambda group: 0)
    groups = [place(f"group {number}") for number in range(MANY)]
    for group in groups[:-1]:
        index.keep(group, 1.0, ())
    assert all(index.listed(group) for group in groups[:-1])
    assert index.listed(groups[-1]) is None


@pytest.mark.parametrize("between", [0, 10, MANY])
def test_a_later_listing_takes_the_place_of_one_before(index: ExistingIndex, between: int) -> None:
    group = place("group")
    first = index.keep(group, 1.0, [record("a", "1"), record("b", "2"), record("b", "3")])
    for number in range(between):
        index.keep(place(f"other {number}"), 1.0, ())
    second = index.keep(group, 2.0, [record("b", "3")])
    assert second.number == first.number
    for number in range(between):
        index.keep(place(f"third {number}"), 1.0, ())
    listed = index.listed(group)
    assert listed == second
    assert index.find(second, place("a")) == []
    assert [each.id for each in index.find(second, place("b"))] == ["3"]
    empty = index.keep(group, 3.0, ())
    assert index.find(empty, place("b")) == []
    assert index.find(second, place("b")) == []


def test_a_place_is_the_same_whether_or_not_it_is_remembered() -> None:
    digests = RecordDigests(lambda field, value: [], b"secret")
    names = [f"group {number}" for number in range(MANY)] + ["\ud800"]
    places = [digests.place(name) for name in names]
    assert len({*places}) == len(names)
    assert [digests.place(name) for name in names] == places
    assert places[0] != RecordDigests(lambda field, value: [], b"another").place(names[0])
