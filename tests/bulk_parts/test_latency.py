from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from welkin_async.files.report.time_series import LatencyHistogram

durations = st.lists(st.floats(2e-6, 9e4), min_size=1, max_size=200)


def filled(seconds: list[float]) -> LatencyHistogram:
    histogram = LatencyHistogram()
    for each in seconds:
        histogram.add(each)
    return histogram


@example([240.0, 253.0], 0.0)  # longer than the number of samples of a time series
@given(durations, st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]))
def test_percentiles_are_close(seconds: list[float], share: float) -> None:
    true = sorted(seconds)[max(1, math.ceil(share * len(seconds))) - 1]
    assert filled(seconds).percentile(share) == pytest.approx(true, rel=0.05)


@given(durations, durations)
def test_merging_is_adding(one: list[float], other: list[float]) -> None:
    merged, whole = filled(one), filled(one + other)
    merged.merge(filled(other))
    assert merged.count == whole.count == len(one) + len(other)
    assert merged.most == whole.most
    assert [merged.percentile(share) for share in (0.5, 0.99)] == [whole.percentile(share) for share in (0.5, 0.99)]


def test_extremes() -> None:
    histogram = filled([0.0, -1.0, 1e-9])
    assert histogram.percentile(0.5) == pytest.approx(0, abs=2e-6)
    histogram.add(1e9)
    assert histogram.percentile(1.0) == pytest.approx(1e5, rel=0.05)
    assert histogram.most == 1e9
    with pytest.raises(ValueError, match="not a number"):
        histogram.add(math.nan)
    assert histogram.count == 4


def test_nothing_yet() -> None:
    assert LatencyHistogram().percentile(0.5) is None
    assert LatencyHistogram().count == 0
    with pytest.raises(ValueError, match="0 to 1"):
        LatencyHistogram().percentile(50)
