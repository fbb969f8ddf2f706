"""The chat between a patient and the care team."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Unpack

from welkin_async.models.messages import ChatMessage, ChatSearchHit
from welkin_async.paging import TokenPager
from welkin_async.request import Answer, Operation, Repeat, Shape
from welkin_async.resources._base import CallOptions, Resource, T, split_query, wire_names

__all__ = ["Chat", "ChatQuery", "ChatSearchQuery"]

_CHAT = "/{tenant}/{instance}/patients/{patient_id}/chat"


class ChatQuery(CallOptions, total=False):
    """The query of a chat.

    Attributes:
        include_archived: Whether archived messages are listed too; it goes with every page.
        page_size: Messages per page.
        page_token: Where to read on: ``page.cursor``, or a token of a search hit. Excludes ``page_size``.
        limit: Messages to be had in all; all by default.
    """

    include_archived: bool
    page_size: int
    page_token: str | None
    limit: int


class ChatSearchQuery(CallOptions, total=False):
    """The query of a search in a chat, beside what is searched for.

    Attributes:
        page_size: Hits per page.
        content_page_size: The page size that the tokens of a hit carry.
        include_archived: Whether archived messages are searched too.
        limit: Hits to be had in all; all by default.
    """

    page_size: int
    content_page_size: int
    include_archived: bool
    limit: int


class Chat(Resource[ChatMessage]):
    """A patient's chat: ``welkin.patient(id).chat``.

    Its pages are not numbered: each holds the token of the next, which is sent in place of a page size.
    """

    _record = ChatMessage
    _send_operation = Operation(
        "chat.send_inbound", "POST", _CHAT + "/inbound", repeat=Repeat.UNSAFE, answer=Shape.OBJECT
    )
    _list_operation = Operation("chat.list", "GET", _CHAT, answer=Shape.OBJECT)
    _search_operation = Operation("chat.search", "GET", _CHAT + "/search", answer=Shape.OBJECT)
    _archive_operation = Operation(
        "chat.archive", "POST", _CHAT + "/archive", repeat=Repeat.UNSAFE, answer=Shape.NOTHING
    )
    _restore_operation = Operation(
        "chat.restore", "POST", _CHAT + "/restore", repeat=Repeat.UNSAFE, answer=Shape.NOTHING
    )

    async def send_inbound(self, message: str, /, **options: Unpack[CallOptions]) -> ChatMessage:
        """Write to the care team as the patient: ``POST .../chat/inbound`` (recorded, 200).

        No source shows a way to write to the patient.

        Args:
            message: The text.
            options: See `CallOptions`.

        Returns:
            The message as the server answered; it has no id, ``external_id`` names it.

        Raises:
            OutcomeUnknownError: it may have been sent; look before repeating.
            RequestError: see `errors`.
        """
        return await self._one(self._send_operation, body={"message": message}, options=options)

    def list(self, **query: Unpack[ChatQuery]) -> TokenPager[ChatMessage]:
        """List the messages, newest first: ``GET .../patients/{patient_id}/chat`` (recorded).

        Times are cut to the second here, and kept to the millisecond by `search` (recorded).

        Args:
            query: See `ChatQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.

        Raises:
            InvalidInputError: page size and token together.
        """
        beside_token = frozenset({"includeArchived"})
        return self._followed(ChatMessage, self._list_operation, query, wire_names(ChatQuery), beside_token)

    def search(self, query: str, /, **options: Unpack[ChatSearchQuery]) -> TokenPager[ChatSearchHit]:
        """Search the messages: ``GET .../chat/search`` (recorded).

        Args:
            query: The text.
            options: See `ChatSearchQuery`.

        Returns:
            A pager of hits. A hit's ``meta`` holds tokens for `list`, to read on around the message.
        """
        names = wire_names(ChatSearchQuery, "query")
        return self._followed(ChatSearchHit, self._search_operation, {**options, "query": query}, names)

    async def archive(self, *, archive_date: datetime, **options: Unpack[CallOptions]) -> Answer:
        """Archive messages: ``POST .../chat/archive`` (documented).

        Restricted: the documentation says that api clients may not call it.

        Args:
            archive_date: Up to this moment, an aware datetime.
            options: See `CallOptions`.

        Raises:
            PermissionDeniedError: as documented.
            OutcomeUnknownError: they may have been archived.
            RequestError: see `errors`.
        """
        query = {"archiveDate": archive_date}
        return await self._scope.send(self._archive_operation, query=query, options=options)

    async def restore(self, **options: Unpack[CallOptions]) -> Answer:
        """Restore archived messages: ``POST .../chat/restore`` (documented).

        Restricted: the documentation says that api clients may not call it.

        Args:
            options: See `CallOptions`.

        Raises:
            PermissionDeniedError: as documented.
            OutcomeUnknownError: they may have been restored.
            RequestError: see `errors`.
        """
        return await self._scope.send(self._restore_operation, options=options)

    def _followed(
        self,
        record: type[T],
        operation: Operation,
        query: Mapping[str, Any],
        names: Mapping[str, str],
        beside_token: frozenset[str] = frozenset(),
    ) -> TokenPager[T]:
        wire, options = split_query(query, names)
        limit = options.pop("limit", None)

        async def fetch(asked: Mapping[str, Any]) -> Answer:
            return await self._scope.send(operation, query=asked, options=options)

        return TokenPager(fetch, record, wire, beside_token=beside_token, limit=limit)
