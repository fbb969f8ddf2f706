from __future__ import annotations

import asyncio
import gc
import time
from contextlib import aclosing
from typing import Any

import pytest
from aiohttp import web

from welkin_async import InvalidInputError, Pager, PagingError, RequestError, Welkin
from welkin_async.models.patients import Patient
from welkin_async.pagination.iterators import Pages

from .slow_server import Patients, serving


def others() -> set[asyncio.Task[Any]]:
    """The tasks there are beside this one, the server's left out: aiohttp's, and the event loop's that accept."""
    return {
        task
        for task in asyncio.all_tasks()
        if task is not asyncio.current_task()
        and not any(each in task.get_coro().cr_code.co_filename for each in ("aiohttp", "selector_events"))  # type: ignore[union-attr]
    }


async def into(found: list[str], pager: Pager[Patient]) -> None:
    """Keep what was read before an error."""
    async for patient in pager:
        found += [patient.id]


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("prefetch", [1, 2, 3, 8, 50])
@pytest.mark.parametrize("pages", [1, 2, 9])
async def test_a_walk_gives_the_same_records_in_the_same_order(prefetch: int, pages: int) -> None:
    patients = Patients(pages)
    async with serving(patients) as welkin:
        found = [patient.id async for patient in welkin.patients.list(prefetch=prefetch)]
    assert found == patients.ids()
    assert sorted(patients.asked) == list(range(pages))


async def test_no_more_pages_are_out_or_held_than_asked_for() -> None:
    patients = Patients(40, delay=0.005)
    async with serving(patients) as welkin:
        read = 0
        async for page in welkin.patients.list(prefetch=4).pages():
            read += 1
            await asyncio.sleep(0.01)
            assert len(patients.asked) <= read + 4
            assert page.number == read - 1
    assert patients.most_out <= 4


@pytest.mark.parametrize("prefetch", [1, 4])
@pytest.mark.parametrize(("limit", "pages"), [(0, 0), (1, 1), (3, 1), (4, 2), (7, 3), (30, 10), (1000, 10)])
async def test_a_limit_fetches_no_more_pages_than_it_takes(limit: int, pages: int, prefetch: int) -> None:
    patients = Patients(10)
    async with serving(patients) as welkin:
        pager = welkin.patients.list(limit=limit, prefetch=prefetch)
        assert [patient.id async for patient in pager] == patients.ids()[:limit]
        assert sorted(patients.asked) == list(range(pages))
        assert sum([len(page.items) async for page in pager.pages()]) == min(limit, 30)
        assert await pager.total() == 30


@pytest.mark.parametrize("options", [{"prefetch": 0}, {"prefetch": -1}, {"limit": -1}])
async def test_numbers_that_do_not_fit_are_refused(options: dict[str, int]) -> None:
    async with serving(Patients(1)) as welkin:
        with pytest.raises(InvalidInputError, match=next(iter(options))):
            welkin.patients.list(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("how", ["aclosing the walk", "aclosing the pager", "aclosing the pages"])
async def test_left_early_under_aclosing_no_task_is_left(how: str) -> None:
    patients = Patients(40, later=0.01)
    async with serving(patients) as welkin:
        pager = welkin.patients.list(prefetch=8)
        before = others()
        thing: Any = {"walk": pager.__aiter__(), "pager": pager, "pages": pager.pages()}[how.split()[-1]]
        async with aclosing(thing):
            async for _ in thing:
                if len(patients.asked) > 5:
                    assert others() - before
                    break
        assert others() == before


@pytest.mark.parametrize("way", ["items", "pages"])
async def test_left_by_a_break_no_task_is_left_after_two_turns(way: str) -> None:
    patients = Patients(40, later=0.01)
    gc.disable()  # references alone must do
    try:
        async with serving(patients) as welkin:
            before = others()
            pager = welkin.patients.list(prefetch=8)
            async for _ in pager if way == "items" else pager.pages():
                if len(patients.asked) > 5:
                    break
            assert others() - before
            await turns(2)
            assert others() == before
    finally:
        gc.enable()


async def test_an_error_of_a_page_comes_in_its_turn_and_leaves_no_task() -> None:
    patients = Patients(30, delay=0.005)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.query["page"] == "5":
            return web.json_response([{"errorCode": "NO"}], status=400)
        return await patients(request)

    async with serving(handle) as welkin:
        before = others()
        found: list[str] = []
        with pytest.raises(RequestError):
            await into(found, welkin.patients.list(prefetch=4))
        assert found == patients.ids(5)
        await turns(2)
        assert others() == before


async def test_a_cancelled_walk_leaves_no_task() -> None:
    patients = Patients(30, delay=0.05)
    async with serving(patients) as welkin:
        before = others()

        async def walk() -> None:
            async for _ in welkin.patients.list(prefetch=4):
                pass

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(walk(), 0.12)
        await turns(2)
        assert others() == before


async def test_a_walk_dropped_by_another_thread_leaves_no_task() -> None:
    patients = Patients(30, later=0.02)
    async with serving(patients) as welkin:
        before = others()
        held: list[Pages[Any]] = [welkin.patients.list(prefetch=4).pages()]
        await held[0].__anext__()
        await held[0].__anext__()
        assert others() - before
        await asyncio.to_thread(held.clear)
        await turns(3)
        assert others() == before


async def test_two_readers_of_one_walk_are_told_so() -> None:
    async with serving(Patients(5, delay=0.02)) as welkin:
        pages = welkin.patients.list().pages()
        first = asyncio.create_task(pages.__anext__())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="another task"):
            await pages.__anext__()
        assert (await first).number == 0


@pytest.mark.parametrize("prefetch", [1, 4])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"content": []}, "page 4 is empty"),
        ({"content": [{"id": f"3-{k}"} for k in range(3)]}, "page 4 repeats page 3"),
        ({"number": 7}, "asked for page 4"),
        ({"last": None, "totalPages": None}, "does not say"),
    ],
)
async def test_a_server_that_contradicts_itself_is_an_error(change: dict[str, Any], reason: str, prefetch: int) -> None:
    patients = Patients(9)
    patients.change = lambda number, page: {**page, **change} if number == 4 else page
    async with serving(patients) as welkin:
        found: list[str] = []
        with pytest.raises(PagingError, match="GET /{tenant}/{instance}/patients: .*" + reason):
            await into(found, welkin.patients.list(prefetch=prefetch))
        assert found == patients.ids(4)


@pytest.mark.parametrize(("grown", "read"), [(12, 12), (6, 6)])
async def test_a_list_that_changes_while_it_is_walked_is_read_to_the_end_it_states(grown: int, read: int) -> None:
    patients = Patients(9)

    def change(number: int, page: dict[str, Any]) -> dict[str, Any]:
        if number >= 4:
            patients.pages = grown
            page = {**page, "totalPages": grown, "last": number == grown - 1}
        return page

    patients.change = change
    async with serving(patients) as welkin:
        found = [patient.id async for patient in welkin.patients.list(prefetch=3)]
    assert found == patients.ids(read)


async def walked(welkin: Welkin, prefetch: int) -> tuple[float, list[str]]:
    began = time.perf_counter()
    found = [patient.id async for patient in welkin.patients.list(prefetch=prefetch)]
    return time.perf_counter() - began, found


async def compare(pages: int, delay: float) -> tuple[float, float]:
    """Walk one after the other and eight at once; return the seconds of both."""
    async with serving(Patients(pages, delay=delay)) as welkin:
        await welkin.patients.list()
        one_by_one, expected = await walked(welkin, 1)
        at_once, found = await walked(welkin, 8)
    assert found == expected
    return one_by_one, at_once


@pytest.mark.timing
async def test_eight_pages_at_once_take_a_sixth_of_the_time() -> None:
    one_by_one, at_once = await compare(80, 0.05)  # so late that the machine's own share of the time is small
    assert at_once <= one_by_one / 6


@pytest.mark.slow
@pytest.mark.timing
async def test_two_hundred_pages_at_fifty_milliseconds() -> None:
    one_by_one, at_once = await compare(200, 0.05)
    print(  # noqa: T201
        f"one by one {one_by_one:.2f} s, eight at once {at_once:.2f} s, ratio {one_by_one / at_once:.1f}"
    )
    assert at_once <= one_by_one / 6
