"""Protocol of idempotency keys: how rows get theirs, and how records are found by them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Protocol

import attrs

from welkin_async.bulk.rows import PreparedRow
from welkin_async.errors import NotFoundError
from welkin_async.validation.canonical import Forms


class LongListingError(Exception):
    """A listing was broken off after its first page, because its records are to be found by their keys instead.

    Attributes:
        pages: How many pages it would have.
    """

    def __init__(self, pages: int) -> None:
        self.pages = pages
        super().__init__(pages)


class Filter(Protocol):
    """Finds records by asking for keys; see `KeyFilter`."""

    bound: int | None

    def fits(self, keys: Iterable[str], /) -> bool:
        """Tell whether keys can be asked for."""
        ...

    def batch(self, sought: Iterable[tuple[str, tuple[str, ...]]], /) -> tuple[list[str], list[str]]:
        """Choose rows' keys that are sought at once, and return what is asked for beside."""
        ...

    async def find(self, group: str, keys: Sequence[str], /) -> Sequence[Any] | None:
        """List the records that carry one of the keys; None where that is not sure."""
        ...


class Keys(Protocol):
    """How rows get their keys, and how records are found by them.

    Attributes:
        field: The field that carries the key.
        sees_all: Whether a listing shows every record that carries a key.
    """

    field: str
    sees_all: bool

    @property
    def filter(self) -> Filter | None:
        """Finds records by asking for their keys; None where nothing does."""
        ...

    def assign(self, key: str | None, fields: dict[str, Any], /) -> str:
        """Put a row's key among its fields and return it as it is compared; raises `InvalidInputError` without one."""
        ...

    def former(self, prepared: PreparedRow, /) -> tuple[str, ...]:
        """Return under which other keys, as they are compared, a row's record may be there from before."""
        ...

    def listing(self, group: str, since: float, /) -> Coroutine[Any, Any, Sequence[Any] | None]:
        """List a group's records created since a wall-clock moment; None where the listing is not complete."""
        ...

    def copies(
        self, group: str, reported: Mapping[str, str | None], since: float, /
    ) -> Coroutine[Any, Any, Sequence[Any] | None]:
        """List all that can be found of a group, for the final scan; keys come with the id reported, where there is."""
        ...

    def projected(self, group: str, since: float, /) -> Coroutine[Any, Any, Sequence[Any] | None]:
        """List a group as `listing` does, asking for no more of each record than its key."""
        ...

    def listing_or_long(self, group: str, /) -> Coroutine[Any, Any, Sequence[Any] | None]:
        """List a group as `listing` does, or raise `LongListingError` where it is long and keys can be asked for."""
        ...

    async def count_listings(self, group: str, /) -> int:
        """Return how many requests a complete listing of a group takes, as it states."""
        ...

    def key_of(self, record: Any, /) -> str | None:
        """Return what a record carries in the key field."""
        ...

    def shows(self, record: Any, created: Any, /) -> bool:
        """Tell whether a record that was found shows that look-ups find one that was created."""
        ...

    def changed_in(self, prepared: PreparedRow, record: Any, /) -> tuple[str, ...]:
        """Name the fields of a row that a record does not hold."""
        ...

    def sent(self, prepared: PreparedRow, /) -> Mapping[str, Any]:
        """Return what a row asks for, as plain JSON values by field: what `forms` are compared of."""
        ...

    def held(self, record: Any, /) -> Mapping[str, Any]:
        """Return what a record holds, as plain JSON values by field."""
        ...

    def stamps(self, record: Any, /) -> tuple[str | None, str | None, str | None]:
        """Return when a record was created and changed last, and by whom, as the server writes it."""
        ...

    def forms(self, field: str, value: Any, /) -> Forms:
        """Return the forms in which values of a field are compared; see `canonical_forms`."""
        ...

    def authors(self, record: Any, /) -> tuple[str | None, str | None]:
        """Return by whom a record was changed last: the name and the id, each None where it does not say."""
        ...

    def difference(self, prepared: PreparedRow, record: Any, /) -> dict[str, Any]:
        """Return what is to be sent so that a record holds what a row asks for; nothing where it does."""
        ...

    async def read(self, group: str, id: str, /) -> Any:
        """Read one record; raises `NotFoundError` where there is none."""
        ...

    async def write(self, group: str, id: str, fields: Mapping[str, Any], permit: Callable[[], bool], /) -> Any:
        """Change fields of a record, in one attempt if that is permitted, and return it as the server answers."""
        ...

    def repeats(self, record: Any, kept: Any, /) -> bool:
        """Tell whether a record repeats another to the letter and was never edited."""
        ...

    async def remove(self, group: str, id: str, permit: Callable[[], bool], /) -> None:
        """Delete a record, in one attempt if that is permitted."""
        ...


@attrs.frozen(repr=False)
class Found:
    """A record that carries the key of a pending row.

    Attributes:
        record: The record.
        equal: Whether every field that was sent equals what it holds.
    """

    record: Any
    equal: bool


def says_not_found(error: NotFoundError) -> bool:
    """Tell whether a 404 is the API's own: each code of such that is recorded says so by its end.

    Not every code is known, such as a patient's; a gateway's own error has none, or another.

    Args:
        error: The error.
    """
    return any((code or "").endswith("_NOT_FOUND") for code in error.error_codes)
