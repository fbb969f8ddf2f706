"""Dates and times: the API's own form out, any offset in, and no clinical date moved by a zone."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from welkin_async.wire.dates import format_date, format_datetime, format_time, parse_date, parse_datetime, parse_time

OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MILLISECONDS = st.datetimes(
    min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29), timezones=st.one_of(st.timezones(), OFFSETS)
).map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))

WIRE_FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@given(MILLISECONDS)
def test_a_datetime_of_any_zone_survives_the_wire_to_the_millisecond(moment: datetime) -> None:
    text = format_datetime(moment)
    assert WIRE_FORM.fullmatch(text)
    # Compared in UTC: across zones, Python calls a datetime inside a fold unequal to itself elsewhere.
    assert parse_datetime(text) == moment.astimezone(UTC)


@given(st.datetimes())
def test_a_naive_datetime_is_refused_because_its_zone_would_be_a_guess(moment: datetime) -> None:
    with pytest.raises(ValueError, match="naive"):
        format_datetime(moment)


def test_finer_digits_are_cut_off_and_never_rounded_into_the_next_second() -> None:
    moment = datetime(2024, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert format_datetime(moment) == "2024-12-31T23:59:59.999Z"


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
        (datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC), "9999-12-31T23:59:59.999Z"),
        (datetime(987, 6, 5, tzinfo=UTC), "0987-06-05T00:00:00.000Z"),
    ],
)
def test_years_always_have_four_digits(moment: datetime, text: str) -> None:
    assert format_datetime(moment) == text


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        datetime(9999, 12, 31, 23, 30, tzinfo=timezone(timedelta(hours=-1))),
    ],
)
def test_a_datetime_that_utc_cannot_say_is_refused(moment: datetime) -> None:
    with pytest.raises(ValueError, match="outside year 1 to 9999"):
        format_datetime(moment)


@given(OFFSETS, st.datetimes())
def test_the_offset_of_what_was_received_is_kept(zone: timezone, moment: datetime) -> None:
    aware = moment.replace(tzinfo=zone)
    read = parse_datetime(aware.isoformat())
    assert read == aware
    assert read.utcoffset() == aware.utcoffset()


@pytest.mark.parametrize("text", ["", "2024-01-01T00:00:00", "2024-02-30T00:00:00Z", "yesterday", "\ud800"])
def test_what_is_not_a_datetime_with_an_offset_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_datetime(text)


@given(st.dates())
def test_a_date_survives_the_wire(day: date) -> None:
    assert format_date(day).endswith("T00:00:00.000Z")
    assert parse_date(format_date(day)) == day
    assert parse_date(day.isoformat()) == day


@given(st.dates(), OFFSETS, st.times())
def test_a_date_is_never_shifted_by_the_offset_it_came_with(day: date, zone: timezone, at: time) -> None:
    assert parse_date(datetime.combine(day, at, zone).isoformat()) == day


@pytest.mark.parametrize(
    "text", ["", "2024-02-30", "2024-1-1", "20240101x", "2024-01-01x", "12.03.2024", "2024-01-01Tnonsense"]
)
def test_what_is_not_a_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_date(text)


@given(st.times().map(lambda at: at.replace(microsecond=0)))
def test_a_time_of_day_survives_the_wire(at: time) -> None:
    assert re.fullmatch(r"\d\d:\d\d:\d\d", format_time(at))
    assert parse_time(format_time(at)) == at


def test_a_time_of_day_with_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        format_time(time(12, tzinfo=UTC))


@pytest.mark.parametrize("text", ["", "25:00:00", "noon", "12:00:00Z", "12:00:00+02:00"])
def test_what_is_not_a_time_of_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_time(text)
