"""List templates: the requests and pages of an ordinary list, put together once for many parents."""

from __future__ import annotations

from typing import Any, cast

import pytest
from multidict import CIMultiDict

from welkin_async import InvalidInputError, PagingError
from welkin_async.models.cdts import CdtRecord
from welkin_async.resources._base.list_template import ListTemplate
from welkin_async.resources._base.scope import Defaults, Scope, Sender
from welkin_async.resources.cdts import LIST_CDTS, Cdts
from welkin_async.wire.codec import stdlib_codec
from welkin_async.wire.request import Answer, Request

QUERY: dict[str, Any] = {"sort": "created_at,asc", "filters": {"a": ["1", "2"]}}


class Server:
    """Answers with pages of a list and keeps what was asked."""

    def __init__(self, *pages: list[str]) -> None:
        self.pages = pages
        self.asked: list[Request] = []

    async def send(self, request: Request) -> Answer:
        self.asked.append(request)
        number = (request.query or {})["page"]
        content = [{"id": id} for id in self.pages[number]]
        page = {
            "content": content,
            "number": number,
            "totalPages": len(self.pages),
            "last": number + 1 == len(self.pages),
        }
        return Answer(200, CIMultiDict(), {"data": page}, 1, request.operation.line)


def scope(server: Server, base_url: str = "http://localhost") -> Scope:
    defaults = Defaults(timeout=7.0, max_attempts=3, max_wait=None, sure=True)
    place = Scope(lambda: cast("Sender", server), stdlib_codec(), base_url, {}, defaults)
    return place.within(tenant="gh", instance="sb", cdt_name="a {patient_id} b")


def template(
    server: Server, query: dict[str, Any] = QUERY, base_url: str = "http://localhost"
) -> ListTemplate[CdtRecord]:
    return ListTemplate(scope(server, base_url), CdtRecord, LIST_CDTS, "patient_id", query)


@pytest.mark.parametrize("query", [QUERY, {}, {"timeout": 2.0, "max_attempts": 1}])
@pytest.mark.parametrize("base_url", ["http://localhost", "http://localhost:8080/behind/{}/a"])
@pytest.mark.parametrize("parent", ["p1", "with / and %", "{}", "{patient_id}"])
async def test_it_asks_for_what_an_ordinary_list_asks_for(query: dict[str, Any], base_url: str, parent: str) -> None:
    server = Server(["a", "b"], ["c"])
    first = await template(server, query, base_url).first_page(parent, 2)
    assert first.following is not None
    pages = [page async for page in first.following]
    as_pages = [
        page async for page in Cdts(scope(server, base_url).within(patient_id=parent)).list(**query, size=2).pages()
    ]
    assert [[record.id for record in items] for items in (first.items, *(page.items for page in pages))] == [
        ["a", "b"],
        ["c"],
    ]
    assert (first.total, first.answer.data) == (as_pages[0].total_elements, as_pages[0].answer.data)
    assert [attributes(page) for page in pages] == [attributes(page) for page in as_pages[1:]]
    mine, usual = server.asked[:2], server.asked[2:]
    for one, other in zip(mine, usual, strict=True):
        assert one.url.raw_path == other.url.raw_path
        assert sorted(one.url.query.items()) == sorted(other.url.query.items())
        assert one.query == other.query
        assert one.asked == other.asked
        assert one.operation is other.operation
        for name in ("body", "timeout", "max_attempts", "max_wait", "sure", "sent"):
            assert getattr(one, name) == getattr(other, name)
        assert one.sure


def attributes(page: Any) -> tuple[object, ...]:
    return page.number, page.total_elements, page.total_pages, page.last, page.answer.data


async def test_a_page_that_is_the_only_one_is_followed_by_none() -> None:
    first = await template(Server([])).first_page("p1", 500)
    assert (first.items, first.following) == ((), None)


async def test_a_page_that_repeats_the_first_is_no_page() -> None:
    following = (await template(Server(["a", "b"], ["a", "b"], ["c"])).first_page("p1", 2)).following
    assert following is not None
    with pytest.raises(PagingError, match="page 1 repeats page 0"):
        await anext(following)


async def test_a_first_page_that_is_empty_and_not_the_last_is_no_page() -> None:
    with pytest.raises(PagingError, match="page 0 is empty"):
        await template(Server([], ["a"])).first_page("p1", 2)


@pytest.mark.parametrize("parent", ["", ".", "..", "\ud800"])
async def test_nothing_is_sent_for_a_parent_that_no_path_can_name(parent: str) -> None:
    server = Server([])
    with pytest.raises(InvalidInputError):
        await template(server).first_page(parent, 2)
    assert server.asked == []


@pytest.mark.parametrize("query", [{"filters": {"a": "1", "b": "2"}}, {"timeout": 0.0}, {"max_attempts": 0}])
def test_a_query_that_cannot_be_sent_is_refused_at_once(query: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        template(Server([]), query)


def test_a_word_that_is_no_parameter_is_refused() -> None:
    with pytest.raises(TypeError, match="unexpected"):
        template(Server([]), {"color": "red"})
