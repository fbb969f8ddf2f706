"""Rows that are refused wait without a worker; a row, or a patient, with a problem of its own holds nobody up."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from welkin_async.bulk.engine.refused_rows import GroupCircuits, RefusedRow, RefusedRows


def rows(capacity: int = 10, **given: float) -> RefusedRows[int]:
    return RefusedRows(capacity, jitter=lambda: 0.5, **given)  # type: ignore[arg-type]


def refused_until_given_up(
    aside: RefusedRows[int], row: RefusedRow[int], *, others: bool, most: int = 100
) -> int | None:
    """Refuse a row each time it is due; return after how many times it is given up."""
    for count in range(1, most + 1):
        if aside.refused(row, row.due, None, throttled=True):
            return count
        aside.accepted += others
    return None


class TestRows:
    def test_a_row_is_due_when_the_server_says_or_after_a_back_off_that_doubles(self) -> None:
        aside, row = rows(), RefusedRow(1, "a")
        aside.refused(row, 100.0, 7.0, throttled=True)
        assert row.due == 107.0
        waits = []
        for _ in range(9):
            aside.refused(row, 100.0, None, throttled=True)
            waits.append(row.due - 100.0)
        assert waits == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]

    @given(st.lists(st.floats(0.0, 100.0), max_size=50))
    def test_they_come_back_when_they_are_due_and_each_once(self, dues: list[float]) -> None:
        aside = rows(100)
        for number, due in enumerate(dues):
            aside.set_aside(RefusedRow(number, None, due=due))
        assert aside.next_due == min(dues, default=math.inf)
        found = []
        for now in (10.0, 50.0, 100.0):
            while (row := aside.take_due(now)) is not None:
                assert row.due <= now
                found.append(row.item)
        assert sorted(found) == list(range(len(dues)))
        assert len(aside) == 0

    def test_there_is_room_for_so_many(self) -> None:
        aside, full = rows(2), []
        for due in (5.0, 3.0):
            aside.set_aside(RefusedRow(int(due), None, due=due))
            full.append(aside.full)
        assert [row.item for row in aside.drain()] == [3, 5]
        assert [*full, aside.full] == [False, True, False]

    def test_a_row_refused_while_others_pass_is_given_up_after_twenty_refusals(self) -> None:
        assert refused_until_given_up(rows(), RefusedRow(1, None), others=True) == 20

    def test_or_after_five_minutes(self) -> None:
        aside, row = rows(), RefusedRow(1, None)
        count = 1
        while not aside.refused(row, row.due, 70.0, throttled=True):
            aside.accepted += 1
            count += 1
        assert count == 6

    def test_a_row_that_is_the_last_one_is_given_up_as_well(self) -> None:
        assert refused_until_given_up(rows(), RefusedRow(1, None), others=False) == 20

    def test_while_everybody_is_refused_no_row_is_to_blame(self) -> None:
        aside = rows()
        everybody = [RefusedRow(number, None) for number in range(5)]
        for at in range(1000):
            assert not any([aside.refused(row, float(at), 1.0, throttled=True) for row in everybody][1:])

    def test_nor_is_it_before_patience_is_over(self) -> None:
        aside = rows(patience=300.0)
        aside.refused(RefusedRow(1, None), 10.0, None, throttled=True)
        assert [aside.barren(at) for at in (10.0, 309.0, 310.0)] == [False, False, True]

    def test_but_rows_that_are_all_that_is_left_are_not_waited_for_without_end(self) -> None:
        aside = rows(patience=300.0)
        everybody = [RefusedRow(number, None, due=10.0) for number in range(5)]
        for row in everybody:
            aside.refused(row, 10.0, None, throttled=True)
        assert not any(aside.hopeless(row, row.due) for row in everybody)
        aside.refused(everybody[0], 309.0, None, throttled=True)
        assert not any(aside.hopeless(row, 309.0) for row in everybody)
        aside.refused(everybody[0], 310.0, 60.0, throttled=True)
        assert [aside.hopeless(row, 310.0) for row in everybody] == [False, True, True, True, True]

    def test_a_row_that_was_told_to_wait_is_tried_once_more(self) -> None:
        aside, told, other = rows(patience=300.0), RefusedRow(1, None), RefusedRow(2, None)
        aside.refused(told, 0.0, 3600.0, throttled=True)
        aside.refused(other, 1800.0, None, throttled=True)
        assert not aside.hopeless(told, 3600.0)
        aside.refused(other, 3601.0, None, throttled=True)
        assert aside.hopeless(told, 3601.0)

    def test_any_row_accepted_begins_the_wait_anew(self) -> None:
        aside, row = rows(patience=300.0), RefusedRow(1, None)
        aside.refused(row, 0.0, None, throttled=True)
        aside.accepted += 1
        assert not aside.hopeless(row, 1000.0)
        aside.refused(row, 1000.0, None, throttled=True)
        aside.refused(RefusedRow(2, None), 1200.0, None, throttled=True)
        assert not aside.hopeless(row, 1200.0)
        aside.refused(RefusedRow(2, None), 1301.0, None, throttled=True)
        assert aside.hopeless(row, 1301.0)

    def test_several_bad_rows_that_are_left_over_do_not_excuse_each_other(self) -> None:
        aside = rows()
        bad = [RefusedRow(number, None) for number in range(5)]
        for at in range(5):
            aside.accepted += 1
            for row in bad:
                aside.refused(row, float(at), 1.0, throttled=True)
                aside.accepted += 1
        given_up = [any(aside.refused(row, float(at), 1.0, throttled=True) for at in range(6, 30)) for row in bad]
        assert all(given_up)

    def test_it_is_known_whether_all_refusals_were_throttling(self) -> None:
        aside, row = rows(), RefusedRow(1, None)
        aside.refused(row, 0.0, None, throttled=True)
        assert row.throttled_only
        aside.refused(row, 0.0, None, throttled=False)
        aside.refused(row, 0.0, None, throttled=True)
        assert not row.throttled_only


def failing(refusals: int, others: tuple[str, ...] = ("b", "c"), jitter: float = 0.0) -> GroupCircuits:
    """Return circuits where group a was refused so often, with others accepted between."""
    circuits = GroupCircuits(jitter=lambda: jitter)
    for _ in range(refusals):
        circuits.refused("a", 10.0)
        for group in others:
            circuits.accepted(group)
    return circuits


def by_itself(count: int, seconds: float, lately: str | None = "z") -> GroupCircuits:
    """Return circuits where only rows of group a are in flight, and were refused so often in so many seconds."""
    circuits = GroupCircuits(jitter=lambda: 0.0)
    for number in range(count):
        circuits.refused("a", 10.0 + seconds * number / (count - 1), lately)
    return circuits


class TestCircuits:
    def test_a_group_refused_five_times_while_others_pass_is_held_back(self) -> None:
        assert failing(4).admits("a", 10.0)
        circuits = failing(5)
        assert not circuits.admits("a", 10.0)
        assert circuits.admits("b", 10.0)
        assert circuits.failing == 1

    @given(st.integers(5, 40), st.floats(0.5, 60.0))
    def test_its_own_run_of_refusals_opens_it_where_rows_come_group_by_group(self, count: int, seconds: float) -> None:
        circuits = by_itself(count, seconds)
        assert circuits.open_until("a") is not None
        assert circuits.is_doubtful("a")

    def test_not_before_a_probe_was_refused_as_well(self) -> None:
        assert by_itself(40, 0.3).admits("a", 10.3)

    def test_not_where_its_own_rows_were_accepted_or_nobodys(self) -> None:
        assert by_itself(40, 60.0, lately="a").admits("a", 70.0)
        assert by_itself(40, 60.0, lately=None).admits("a", 70.0)

    def test_not_where_distinct_groups_fail_because_that_is_the_server(self) -> None:
        circuits = GroupCircuits(jitter=lambda: 0.0)
        for at in range(20):
            for group in "abc":
                circuits.refused(group, 10.0 + at, "z")
        assert all(circuits.admits(group, 40.0) for group in "abc")

    def test_as_long_as_it_may_be_the_server_its_rows_are_tried_often_and_not_given_up(self) -> None:
        circuits, now = by_itself(5, 1.0), 11.0
        for _ in range(50):
            due = circuits.open_until("a")
            assert due is not None
            assert due - now <= 2.0
            now = due
            assert circuits.admits("a", now)
            circuits.refused("a", now, "z")
            assert not circuits.fails_fast("a")
            assert not circuits.given_up("a")

    def test_once_the_server_is_known_to_be_there_rows_without_room_are_given_up(self) -> None:
        circuits = by_itself(5, 1.0)
        circuits.vouch("a")
        assert not circuits.is_doubtful("a")
        assert circuits.fails_fast("a")
        assert not circuits.given_up("a")

    def test_others_that_are_accepted_say_so_as_well(self) -> None:
        circuits = by_itself(5, 1.0)
        circuits.accepted("b")
        circuits.accepted("c")
        assert not circuits.is_doubtful("a")

    def test_a_read_proves_nothing_where_a_second_group_is_in_doubt(self) -> None:
        circuits = by_itself(5, 1.0)
        circuits.refused("b", 12.0, "z")
        circuits.vouch("a")
        assert not circuits.fails_fast("a")

    def test_with_fewer_than_two_others_a_group_cannot_be_told_from_the_server(self) -> None:
        assert failing(50, others=("b",)).admits("a", 10.0)
        assert failing(50, others=()).admits("a", 10.0)

    def test_one_row_at_a_time_tries_and_the_first_accepted_closes_it(self) -> None:
        circuits = failing(5)
        due = circuits.open_until("a")
        assert due is not None
        assert circuits.admits("a", due)
        assert not circuits.admits("a", due)
        circuits.accepted("a")
        assert circuits.admits("a", due)
        assert circuits.open_until("a") is None
        assert circuits.failing == 0

    def test_a_trial_row_without_a_verdict_lets_the_next_one_try(self) -> None:
        circuits = failing(5)
        assert circuits.admits("a", 20.0)
        circuits.withdraw("a")
        assert circuits.admits("a", 20.0)

    def test_trials_are_made_more_and_more_rarely(self) -> None:
        circuits, now, apart = failing(5), 10.0, []
        for _ in range(8):
            due = circuits.open_until("a")
            assert due is not None
            apart.append(due - now)
            now = due
            assert circuits.admits("a", now)
            circuits.refused("a", now)
            circuits.accepted("b")
            circuits.accepted("c")
        assert apart == [0.25, 0.25, 0.25, 0.5, 1.0, 2.0, 4.0, 7.5]

    def test_rows_without_room_are_given_up_within_two_seconds(self) -> None:
        """Until then they hold everybody up."""
        circuits, now = failing(5, jitter=1.0), 10.0
        while not circuits.fails_fast("a"):
            now = circuits.open_until("a") or now
            assert circuits.admits("a", now)
            circuits.refused("a", now)
        assert now <= 11.5

    def test_its_rows_are_given_up_after_twenty_trials(self) -> None:
        circuits, trials = failing(5), 0
        while not circuits.given_up("a"):
            assert circuits.fails_fast("a") == (trials >= 3)
            now = circuits.open_until("a")
            assert now is not None
            assert circuits.admits("a", now)
            circuits.refused("a", now)
            trials += 1
        assert trials == 20

    def test_an_outage_of_the_server_does_not_count_against_a_group(self) -> None:
        circuits = failing(5)
        for at in range(100):
            now = 100.0 + 20.0 * at
            assert circuits.admits("a", now)
            circuits.refused("a", now)
            circuits.refused(f"stranger {at}", now)
        assert not circuits.given_up("a")
        assert circuits.failing == 101

    def test_groups_that_do_not_fail_are_not_remembered(self) -> None:
        circuits = GroupCircuits()
        for number in range(1000):
            circuits.refused(number, 0.0)
            circuits.accepted(number)
        assert circuits.failing == 0
