from __future__ import annotations

import pytest

from welkin_async import Welkin

from .calls import CALLS, NOT_COVERED
from .catalogue import Endpoint, endpoints
from .checking import check
from .coverage import COVERAGE, render
from .recorder import Recorder


@pytest.mark.parametrize("name", CALLS)
async def test_an_operation_goes_out_as_the_catalogue_states_it(name: str, recorded: tuple[Recorder, Welkin]) -> None:
    assert await check(*recorded, endpoints()[name]) == []


def test_every_operation_has_a_method_or_a_reason() -> None:
    assert len(endpoints()) == 183
    assert CALLS.keys() | NOT_COVERED.keys() == endpoints().keys()
    assert not CALLS.keys() & NOT_COVERED.keys()
    assert len(CALLS) >= 168


def test_the_coverage_table_is_not_stale() -> None:
    assert COVERAGE.read_text(encoding="utf-8") == render(), "python -m tests.contract --write"


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"method": "POST"}, "verb GET"),
        ({"path": "/{tenant}/{instance}/calendar/event"}, "path /tenant-%C3%A9/instance-%C3%A9/calendar/events"),
        ({"repeat": "unsafe"}, "repeated after an unknown outcome"),
        ({"model": "Patient"}, "returns CalendarEvent"),
    ],
)
async def test_the_check_finds_what_differs(
    changed: dict[str, str], difference: str, recorded: tuple[Recorder, Welkin]
) -> None:
    right = endpoints()["calendar_events.list"]
    wrong = Endpoint(*{**right._asdict(), **changed}.values())
    assert difference in await check(*recorded, wrong)


async def test_the_check_finds_a_query_that_differs(recorded: tuple[Recorder, Welkin]) -> None:
    class Lacking(Endpoint):
        def texts(self, *, without: tuple[str, ...] = ()) -> dict[str, str]:
            return {**super().texts(without=without), "more": "1"}

    (difference,) = await check(*recorded, Lacking(*endpoints()["calendar_events.list"]))
    assert difference.startswith("query {")
    assert "'from': '2024-03-01T07%3A30%3A00.123Z'" in difference
