"""Page: the records of one answer of a list, and what it states of its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from welkin_async.wire.records import Record
from welkin_async.wire.request import Answer

if TYPE_CHECKING:
    from welkin_async.models.pages import ExportCursor, MetaInfo, SpringPage, TokenMeta

R = TypeVar("R", bound=Record)


@attrs.frozen(repr=False)
class Page(Generic[R]):
    """One page of a list.

    Attributes:
        items: The records.
        number: The page's number, from 0.
        total_elements: How many records the server says there are, or None where it does not say.
        total_pages: How many pages the server says there are, or None.
        last: Whether it is the last.
        answer: Status, headers and raw data of the answer.
        cursor: Where to read on after this page: chat's page token, an export's cursor; None where there is no more
            or pages are numbered. Of a page cut short by ``limit``: where that page itself began.
    """

    items: tuple[R, ...]
    number: int
    total_elements: int | None
    total_pages: int | None
    last: bool
    answer: Answer
    cursor: str | None = None

    @property
    def meta(self) -> SpringPage | MetaInfo | TokenMeta | ExportCursor:
        """All that the answer states of its page, in the record of its style."""
        from welkin_async.models.pages import meta_of

        return meta_of(self.answer)

    def __repr__(self) -> str:
        """Show counts alone."""
        return f"<Page {self.number} with {len(self.items)} items>"
