"""Walking over pages: every record once, or an error; never a silent end."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from welkin_async.errors import DecodeError, PagingError
from welkin_async.models.patients import Patient
from welkin_async.pagination.pager import META_INFO, NESTED_SPRING, SPRING, Pager, PageStyle, Stated, Walk
from welkin_async.wire.codec import JSON
from welkin_async.wire.request import Answer

from .clockwork import run
from .wireforms import SECRET, answer

Write = Callable[[Sequence[JSON], int, int], dict[str, JSON]]


def spring(items: Sequence[JSON], number: int, size: int) -> dict[str, JSON]:
    content = list(items[number * size : (number + 1) * size])
    pages = math.ceil(len(items) / size)
    return {
        "empty": not content,
        "last": number + 1 >= pages,
        "content": content,
        "totalPages": pages,
        "totalElements": len(items),
        "numberOfElements": len(content),
        "first": number == 0,
        "number": number,
        "size": size,
    }


def nested(items: Sequence[JSON], number: int, size: int) -> dict[str, JSON]:
    return {"name": "medication", "data": spring(items, number, size)}


def meta_info(items: Sequence[JSON], number: int, size: int) -> dict[str, JSON]:
    page = spring(items, number, size)
    meta = {
        "page": number,
        "pageSize": size,
        "totalElements": page["totalElements"],
        "numberOfElements": page["numberOfElements"],
        "totalPages": page["totalPages"],
        "firstPage": page["first"],
        "lastPage": page["last"],
    }
    return {"metaInfo": meta, "data": page["content"]}


STYLES = [(SPRING, spring), (NESTED_SPRING, nested), (META_INFO, meta_info)]
EVERY_STYLE = pytest.mark.parametrize(("style", "write"), STYLES, ids=["spring", "nested", "meta"])


def stated(
    items: Sequence[JSON] = ("a",),
    number: int | None = 0,
    last: bool | None = False,
    total_pages: int | None = None,
    total: int | None = None,
) -> Stated:
    return Stated(list(items), number, last, total_pages, total)


@EVERY_STYLE
@given(count=st.integers(0, 40), size=st.integers(1, 12), first=st.integers(0, 3))
def test_a_walk_yields_every_item_once_and_in_order(
    style: PageStyle, write: Write, count: int, size: int, first: int
) -> None:
    items = [{"id": str(index)} for index in range(count)]
    if first and first * size >= count:
        first = 0
    walk = Walk(first)
    seen: list[JSON] = []
    more, asked = True, 0
    while more:
        page = style.read(write(items, walk.number, size))
        assert page is not None
        assert page.total_elements == count
        more = walk.feed(page)
        seen += page.items
        asked += 1
    assert seen == items[first * size :]
    assert asked == max(1, math.ceil(count / size) - first)


@EVERY_STYLE
@given(data=st.data(), count=st.integers(2, 20), size=st.integers(1, 5))
def test_a_server_that_breaks_off_or_repeats_is_found_out(
    style: PageStyle, write: Write, data: st.DataObject, count: int, size: int
) -> None:
    items = [{"id": str(index)} for index in range(count)]
    pages = math.ceil(count / size)
    if pages < 2:
        return
    broken = data.draw(st.integers(0, pages - 2))
    shift = data.draw(st.sampled_from([-1, 1, 7]))
    how = data.draw(st.sampled_from(["empty", "misnumbered", "repeated"]))
    walk = Walk()

    def serve(number: int) -> Stated:
        page = style.read(write(items, number, size))
        assert page is not None
        if number != broken:
            return page
        if how == "empty":
            return page._replace(items=[])
        if how == "repeated" and number:
            before = style.read(write(items, number - 1, size))
            assert before is not None
            return page._replace(items=before.items)
        return page._replace(number=number + shift)

    with pytest.raises(PagingError) as caught:
        while walk.feed(serve(walk.number)):
            pass
    assert walk.number == broken
    assert f"page {broken}" in str(caught.value)


def test_nothing_at_all_is_one_empty_page() -> None:
    assert Walk().feed(stated([], last=True, total_pages=0, total=0)) is False
    assert Walk().feed(stated([], last=None, total_pages=0)) is False


def test_an_empty_page_may_be_the_last() -> None:
    walk = Walk()
    assert walk.feed(stated(["a"])) is True
    assert walk.feed(stated([], number=1, last=True)) is False


def test_an_empty_page_before_the_end_is_an_error() -> None:
    with pytest.raises(PagingError, match="empty"):
        Walk().feed(stated([]))


def test_a_repeated_page_is_an_error() -> None:
    walk = Walk()
    walk.feed(stated(["a", "b"]))
    with pytest.raises(PagingError, match="repeats"):
        walk.feed(stated(["a", "b"], number=1))


def test_a_repeated_page_is_an_error_even_where_the_server_calls_it_the_last() -> None:
    walk = Walk()
    walk.feed(stated(["a", "b"]))
    with pytest.raises(PagingError, match="repeats"):
        walk.feed(stated(["a", "b"], number=1, last=True))


@pytest.mark.parametrize("number", [1, -1, 20])
def test_another_page_than_asked_for_is_an_error_even_if_it_is_the_last(number: int) -> None:
    with pytest.raises(PagingError, match="asked for page 0"):
        Walk().feed(stated(number=number, last=True))


def test_a_page_that_does_not_say_whether_it_is_the_last_is_an_error() -> None:
    with pytest.raises(PagingError, match="does not say"):
        Walk().feed(stated(last=None))


def test_the_number_of_pages_ends_a_walk_too() -> None:
    walk = Walk()
    assert walk.feed(stated(["a"], last=None, total_pages=2)) is True
    assert walk.feed(stated(["b"], number=1, last=None, total_pages=2)) is False
    walk = Walk()
    assert walk.feed(stated(["a"], last=False, total_pages=1)) is False


def test_a_page_without_a_number_is_taken_for_the_one_asked_for() -> None:
    walk = Walk(3)
    assert walk.feed(stated(number=None)) is True
    assert walk.number == 4


def test_pages_that_grow_meanwhile_are_walked_to_their_new_end() -> None:
    walk = Walk()
    assert walk.feed(stated(["a"], total_pages=2)) is True
    assert walk.feed(stated(["b"], number=1, total_pages=3)) is True
    assert walk.feed(stated(["c"], number=2, last=True, total_pages=3)) is False


@pytest.mark.parametrize(
    ("style", "data"),
    [
        (SPRING, {}),
        (SPRING, {"content": None}),
        (SPRING, {"content": {}}),
        (SPRING, {"data": {"content": []}}),
        (NESTED_SPRING, {"content": [], "last": True}),
        (NESTED_SPRING, {"data": []}),
        (NESTED_SPRING, {"data": {"content": "abc"}}),
        (META_INFO, {"data": []}),
        (META_INFO, {"data": [], "metaInfo": []}),
        (META_INFO, {"data": {"content": []}, "metaInfo": {}}),
        (META_INFO, {"metaInfo": {"lastPage": True}}),
    ],
)
def test_an_answer_of_another_style_is_not_taken_for_a_page(style: PageStyle, data: dict[str, JSON]) -> None:
    assert style.read(data) is None


@pytest.mark.parametrize("odd", ["1", 1.0, None, [], True])
def test_facts_of_another_type_count_as_not_stated(odd: JSON) -> None:
    page = SPRING.read({"content": [], "number": odd, "totalPages": odd, "totalElements": odd})
    assert page == Stated([], None, None, None, None)
    found = SPRING.read({"content": [], "last": 1 if odd is True else odd})
    assert found is not None
    assert found.last is None


class Server:
    """Answers pages of patients and remembers what it was asked."""

    def __init__(self, count: int, size: int = 2, write: Write = spring) -> None:
        self.items = [{"id": str(index), "createdAt": SECRET} for index in range(count)]
        self.size = size
        self.write = write
        self.asked: list[tuple[int, int | None]] = []
        self.change: dict[str, JSON] = {}

    async def fetch(self, number: int, size: int | None) -> Answer:
        self.asked.append((number, size))
        return answer(copy.deepcopy(self.write(self.items, number, size or self.size)) | self.change)

    def pager(self, first: int = 0, style: PageStyle = SPRING) -> Pager[Patient]:
        return Pager(self.fetch, style, Patient, first)


def test_awaiting_a_pager_gives_its_first_page_each_time() -> None:
    server = Server(5)

    async def main() -> None:
        pager = server.pager()
        assert server.asked == []
        first, again = await pager, await pager
        for page in (first, again):
            assert [patient.id for patient in page.items] == ["0", "1"]
            assert (page.number, page.last, page.total_elements, page.total_pages) == (0, False, 5, 3)
            assert page.answer.status == 200
        assert server.asked == [(0, None)] * 2

    run(main())


@EVERY_STYLE
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
def test_iterating_a_pager_gives_every_record_and_starts_anew_each_time(
    style: PageStyle, write: Write, count: int
) -> None:
    server = Server(count, write=write)

    async def main() -> None:
        pager = server.pager(style=style)
        for _ in range(2):
            server.asked.clear()
            assert [patient.id async for patient in pager] == [str(index) for index in range(count)]
            assert [number for number, _ in server.asked] == list(range(max(1, math.ceil(count / 2))))

    run(main())


def test_pages_yields_every_page_the_last_included() -> None:
    async def main() -> None:
        pages = [page async for page in Server(5).pager().pages()]
        assert [(page.number, len(page.items), page.last) for page in pages] == [
            (0, 2, False),
            (1, 2, False),
            (2, 1, True),
        ]
        (page,) = [page async for page in Server(0).pager().pages()]
        assert (page.items, page.last, page.total_elements, page.total_pages) == ((), True, 0, 0)

    run(main())


def test_a_pager_may_begin_further_on() -> None:
    server = Server(5)

    async def main() -> None:
        assert [patient.id async for patient in server.pager(first=1)] == ["2", "3", "4"]
        assert (await server.pager(first=2)).number == 2

    run(main())


def test_a_walk_fetches_no_page_before_it_is_needed() -> None:
    server = Server(100)

    async def main() -> None:
        pages = server.pager().pages()
        await anext(pages)
        assert server.asked == [(0, None)]
        await pages.aclose()

    run(main())


def test_total_asks_for_the_count_alone() -> None:
    server = Server(5)

    async def main() -> None:
        assert await server.pager(first=2).total() == 5
        assert server.asked == [(0, 1)]
        server.change = {"totalElements": None}
        with pytest.raises(PagingError, match="does not say how many"):
            await server.pager().total()

    run(main())


def test_an_answer_that_is_no_page_is_a_decode_error() -> None:
    server = Server(5)
    server.change = {"content": SECRET}

    async def main() -> None:
        for attempt in (server.pager(), server.pager().total()):
            with pytest.raises(DecodeError, match="not a page") as caught:
                await attempt
            assert SECRET not in str(caught.value)

    run(main())


def test_an_item_that_is_no_object_is_a_decode_error() -> None:
    server = Server(1)
    server.change = {"content": [SECRET]}

    async def main() -> None:
        with pytest.raises(DecodeError, match="element 0") as caught:
            await server.pager()
        assert SECRET not in str(caught.value)

    run(main())


def test_a_contradiction_stops_an_iteration_after_what_was_good() -> None:
    server = Server(6)

    async def main() -> None:
        seen = []
        with pytest.raises(PagingError):
            async for patient in server.pager():
                seen.append(patient.id)
                if len(seen) == 4:
                    server.change = {"content": []}
                    server.items += server.items  # not the last page, and yet empty
        assert seen == ["0", "1", "2", "3"]

    run(main())


def test_a_page_shows_counts_and_pickles_without_its_secrets_in_sight() -> None:
    async def main() -> None:
        page = await Server(3).pager()
        assert repr(page) == "<Page 0 with 2 items>"
        assert SECRET not in repr(page)
        assert pickle.loads(pickle.dumps(page.items)) == page.items

    run(main())
