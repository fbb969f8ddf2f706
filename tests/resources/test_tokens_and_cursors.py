from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from welkin_async import DecodeError, InvalidInputError, PagingError
from welkin_async.models.pages import ExportCursor, SpringPage, TokenMeta

from .slow_server import Handler, Patients, serving


def scripted(asked: list[dict[str, str]], answer: Callable[[dict[str, str]], Any]) -> Handler:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(dict(request.query))
        return web.json_response(answer(dict(request.query)))

    return handle


def chat(query: dict[str, str]) -> Any:
    """Three pages of chat, two messages each."""
    number = int(query.get("pageToken", "=0=")[1:-1])
    return {
        "content": [{"externalId": f"{number}{k}"} for k in "ab"],
        "meta": {"nextPageToken": f"={number + 1}=" if number < 2 else None, "prevPageToken": None, "found": True},
    }


async def test_a_token_is_sent_alone() -> None:
    asked: list[dict[str, str]] = []
    async with serving(scripted(asked, chat)) as welkin:
        pager = welkin.patient("p").chat.list(page_size=2)
        assert [message.external_id async for message in pager] == ["0a", "0b", "1a", "1b", "2a", "2b"]
        assert asked == [{"pageSize": "2"}, {"pageToken": "=1="}, {"pageToken": "=2="}]
        asked.clear()
        first = await welkin.patient("p").chat.list(include_archived=True)
        assert (first.cursor, first.last, first.total_elements) == ("=1=", False, None)
        assert isinstance(first.meta, TokenMeta)
        assert first.meta.found is True
        again = welkin.patient("p").chat.list(page_token=first.cursor, include_archived=True, limit=3)
        assert [message.external_id async for message in again] == ["1a", "1b", "2a"]
        assert asked == [
            {"includeArchived": "true"},
            {"pageToken": "=1=", "includeArchived": "true"},
            {"pageToken": "=2=", "includeArchived": "true"},
        ]
        with pytest.raises(InvalidInputError, match="page_token"):
            welkin.patient("p").chat.list(page_token="=1=", page_size=5)


async def test_a_page_cut_short_says_where_it_began() -> None:
    async with serving(scripted([], chat)) as welkin:
        pages = [page async for page in welkin.patient("p").chat.list(limit=3).pages()]
        assert [(len(page.items), page.cursor) for page in pages] == [(2, "=1="), (1, "=1=")]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"content": []}, "empty"),
        ({"meta": {"nextPageToken": "=1="}}, "names itself"),
        ({"content": [{"externalId": "0a"}, {"externalId": "0b"}]}, "repeats"),
        ({"meta": {}}, "does not say"),
        ({"meta": {"nextPageToken": 5}}, "does not say"),
        ({"meta": {"nextPageToken": ""}}, "does not say"),
    ],
)
async def test_tokens_that_lead_nowhere_are_an_error(changed: dict[str, Any], reason: str) -> None:
    def answer(query: dict[str, str]) -> Any:
        return {**chat(query), **changed} if query.get("pageToken") == "=1=" else chat(query)

    async with serving(scripted([], answer)) as welkin:
        with pytest.raises(PagingError, match=reason):
            _ = [message async for message in welkin.patient("p").chat.list()]


def export(query: dict[str, str]) -> Any:
    """Three pages of an export; each begins with the record the one before ends with."""
    number = int(query.get("start", "cursor 0")[-1])
    return {
        "data": [{"id": str(k), "jsonBody": {"dose": k}} for k in range(number * 2, number * 2 + 3)],
        "cursor": {"start": query.get("start"), "end": f"cursor {number + 1}", "hasNext": number < 2, "pageSize": 3},
    }


async def test_an_export_is_read_by_its_cursor_and_gives_each_record_once() -> None:
    asked: list[dict[str, str]] = []
    async with serving(scripted(asked, export)) as welkin:
        pager = welkin.export("CDT_RECORD").list(page_size=3)
        assert [(record.id, record["dose"]) async for record in pager] == [(str(k), k) for k in range(7)]
        assert asked == [
            {"pageSize": "3"},
            {"pageSize": "3", "start": "cursor 1"},
            {"pageSize": "3", "start": "cursor 2"},
        ]
        pages = [page async for page in pager.pages()]
        assert [page.cursor for page in pages] == ["cursor 1", "cursor 2", "cursor 3"]
        assert isinstance(pages[0].meta, ExportCursor)
        resumed = [page async for page in welkin.export("CDT_RECORD").list(start=pages[1].cursor).pages()]
        assert [record.id for page in resumed for record in page.items] == ["4", "5", "6"]


async def test_an_export_begins_at_a_moment() -> None:
    asked: list[dict[str, str]] = []
    async with serving(
        scripted(asked, lambda query: {"data": [], "cursor": {"hasNext": False, "end": None}})
    ) as welkin:
        pager = welkin.export("SOMETHING_NEW").list(start=datetime(2024, 1, 1, tzinfo=UTC))
        page = await pager
        assert (page.items, page.last, page.cursor) == ((), True, None)
        assert asked == [{"start": "2024-01-01T00:00:00.000Z"}]
        with pytest.raises(ValueError, match="naive"):
            welkin.export("PATIENT").list(start=datetime(2024, 1, 1))


async def test_a_changed_record_at_the_border_is_given_again() -> None:
    def answer(query: dict[str, str]) -> Any:
        page = export(query)
        if query.get("start") == "cursor 1":
            page["data"][0]["jsonBody"]["dose"] = 99
        return page

    async with serving(scripted([], answer)) as welkin:
        found = [(record.id, record["dose"]) async for record in welkin.export("CDT_RECORD").list()]
    assert ("2", 2) in found
    assert ("2", 99) in found


@pytest.mark.parametrize(
    ("cursor", "reason"),
    [
        ({"end": "cursor 1", "hasNext": True}, "does not move"),
        ({"end": None, "hasNext": True}, "does not move"),
        ({"end": "cursor 9"}, "does not say"),
    ],
)
async def test_a_cursor_that_leads_nowhere_is_an_error(cursor: dict[str, Any], reason: str) -> None:
    def answer(query: dict[str, str]) -> Any:
        return {**export(query), "cursor": cursor} if query.get("start") == "cursor 1" else export(query)

    async with serving(scripted([], answer)) as welkin:
        with pytest.raises(PagingError, match=reason):
            _ = [record async for record in welkin.export("CDT_RECORD").list()]


@pytest.mark.parametrize(
    "answer",
    [
        lambda page, record: {"content": [record], "number": page, "last": True, "totalPages": page + 1},
        lambda page, record: {"data": {"content": [record], "number": page, "last": True}},
        lambda page, record: {"data": [record], "metaInfo": {"page": page, "lastPage": True}},
    ],
)
async def test_contacts_are_read_in_any_of_the_documented_styles(answer: Callable[[int, Any], Any]) -> None:
    async with serving(scripted([], lambda query: answer(int(query["page"]), {"id": "c", "name": "N"}))) as welkin:
        (contact,) = [contact async for contact in welkin.patient("p").contacts.list()]
        assert contact.name == "N"


async def test_contacts_without_any_word_on_the_page_are_no_silent_end() -> None:
    async with serving(scripted([], lambda query: {"data": [{"id": "c"}]})) as welkin:
        with pytest.raises(PagingError, match="does not say"):
            await welkin.patient("p").contacts.list()


async def test_a_page_tells_all_that_was_stated_of_it() -> None:
    async with serving(Patients(2)) as welkin:
        page = await welkin.patients.list()
        assert isinstance(page.meta, SpringPage)
        assert (page.meta.total_pages, page.meta.last, page.cursor) == (2, False, None)


async def test_a_chat_of_another_form_is_no_empty_chat() -> None:
    async with serving(scripted([], lambda query: {"messages": []})) as welkin:
        with pytest.raises(DecodeError, match="documented form"):
            await welkin.patient("p").chat.list()
