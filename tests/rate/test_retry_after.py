"""What a Retry-After header says, and when that counts as nothing."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from welkin_async.http.rate_limit.retry_after import LONGEST_WAIT, read_retry_after, usable_wait

NOW = "Wed, 21 Oct 2015 07:28:00 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("30", 30.0),
        (" 30 ", 30.0),
        ("1.5", 1.5),
        ("-5", -5.0),
        ("-inf", -math.inf),
        ("Wed, 21 Oct 2015 07:29:30 GMT", 90.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 06:28:00 GMT", -3600.0),
        ("Wed, 21 Oct 2015 09:28:10 +0200", 10.0),
        ("nan", None),
        ("", None),
        ("soon", None),
        ("12 parsecs", None),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
        ("Wed, 21 Oct 99999 07:28:00 GMT", None),
        ("0x10", None),
        (None, None),
    ],
)
def test_it_is_seconds_or_a_date_read_against_the_answers_own(value: str | None, seconds: float | None) -> None:
    assert read_retry_after(value, NOW) == seconds


@pytest.mark.parametrize("date", [None, "garbage"])
def test_a_date_without_a_readable_date_of_the_answer_is_read_against_this_machines_clock(date: str | None) -> None:
    found = read_retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True), date)
    assert found is not None
    assert 55.0 < found < 61.0


@pytest.mark.parametrize(
    ("value", "date"), [(NOW, "Wed, 21 Oct 2015 07:28:00 -0000"), ("Wed, 21 Oct 2015 07:28:00 -0000", NOW)]
)
def test_a_date_without_a_zone_beside_one_with_a_zone_is_read_all_the_same(value: str, date: str) -> None:
    assert read_retry_after(value, date) is not None


@given(st.text(), st.none() | st.text())
def test_no_header_makes_it_raise(value: str, date: str | None) -> None:
    found = read_retry_after(value, date)
    assert found is None or found == found


@pytest.mark.parametrize("asked", [None, 0.0, -1.0, -math.inf, LONGEST_WAIT + 1, math.inf])
def test_what_cannot_be_waited_for_counts_as_not_given(asked: float | None) -> None:
    assert usable_wait(asked) is None


@given(st.integers(0, 10**9))
def test_whole_seconds_are_read_as_they_are(seconds: int) -> None:
    assert read_retry_after(str(seconds), NOW) == seconds


@given(st.floats(0.0, LONGEST_WAIT, exclude_min=True))
def test_what_can_is_waited_for_as_asked(asked: float) -> None:
    assert usable_wait(asked) == asked
