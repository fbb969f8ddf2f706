"""The chat between a patient and the care team."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Unpack

from welkin_async.models.messages import ChatMessage, ChatSearchHit
from welkin_async.pagination.pager import TokenPager
from welkin_async.resources._base.arguments import UNSET, OneText, given, one_text, split_query
from welkin_async.resources._base.mixins import Resource, T
from welkin_async.resources._base.paths import Path
from welkin_async.resources._base.scope import CallOptions
from welkin_async.wire.request import Answer, Operation, Shape

_CHAT = Path("chat", "/{tenant}/{instance}/patients/{patient_id}/chat")


class ChatQuery(CallOptions, total=False):
    """The query of a chat.

    Attributes:
        include_archived: Whether archived messages are listed too; it goes with every page.
        page_size: Messages per page.
        page_token: Where to read on: ``page.cursor``, or a token of a search hit. Excludes ``page_size``.
        limit: How many messages at most; all by default.
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
        limit: How many hits at most; all by default.
    """

    page_size: int
    content_page_size: int
    include_archived: bool
    limit: int


class _Searched(ChatSearchQuery, total=False):
    query: str


class Chat(Resource[ChatMessage]):
    """A patient's chat: ``welkin.patient(id).chat``.

    Its pages are not numbered: each holds the token of the next, which is sent in place of a page size.
    """

    _send_operation = (_CHAT / "inbound").post("send_inbound", Shape.OBJECT)
    _list_operation = _CHAT.get("list", Shape.OBJECT)
    _search_operation = (_CHAT / "search").get("search", Shape.OBJECT)
    _archive_operation = (_CHAT / "archive").post("archive", Shape.NOTHING)
    _restore_operation = (_CHAT / "restore").post("restore", Shape.NOTHING)

    async def send_inbound(self, message: OneText, /, **options: Unpack[CallOptions]) -> ChatMessage:
        """Write to the care team as the patient: ``POST .../chat/inbound`` (recorded, 200).

        No source shows a way to write to the patient.

        Args:
            message: The text; or a mapping with the documented names.
            options: See `CallOptions`.

        Returns:
            The message as the server answered; it has no id, ``external_id`` names it.

        Raises:
            OutcomeUnknownError: it may have been sent; look before repeating.
            RequestError: see `errors`.
        """
        return await self._one(self._send_operation, body=one_text("message", message), options=options)

    def list(  # keywords of ChatQuery
        self,
        *,
        include_archived: bool = UNSET,
        page_size: int = UNSET,
        page_token: str | None = UNSET,
        limit: int = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> TokenPager[ChatMessage]:
        """List the messages, newest first: ``GET .../patients/{patient_id}/chat`` (recorded).

        Times are cut to the second here, and kept to the millisecond by `search` (recorded).

        The keywords are those of `ChatQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.

        Raises:
            InvalidInputError: page size and token together.
        """
        keywords = given(ChatQuery, locals())
        beside_token = frozenset({"includeArchived"})
        return self._followed(ChatMessage, self._list_operation, keywords, ChatQuery, beside_token)

    def search(  # keywords of ChatSearchQuery  # noqa: D417
        self,
        query: str,
        /,
        *,
        page_size: int = UNSET,
        content_page_size: int = UNSET,
        include_archived: bool = UNSET,
        limit: int = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> TokenPager[ChatSearchHit]:
        """Search the messages: ``GET .../chat/search`` (recorded).

        The keywords are those of `ChatSearchQuery`.

        Args:
            query: The text.

        Returns:
            A pager of hits. A hit's ``meta`` holds tokens for `list`, to read on around the message.
        """
        keywords = given(ChatSearchQuery, locals())
        return self._followed(ChatSearchHit, self._search_operation, {**keywords, "query": query}, _Searched)

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
        typed: type,
        beside_token: frozenset[str] = frozenset(),
    ) -> TokenPager[T]:
        wire, options = split_query(query, typed)
        limit = options.pop("limit", None)

        async def fetch(asked: Mapping[str, Any]) -> Answer:
            return await self._scope.send(operation, query=asked, options=options)

        return TokenPager(fetch, record, wire, beside_token=beside_token, limit=limit)
