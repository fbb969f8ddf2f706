"""Lazy headers of an answer: parsed when first read, as most never are; a mapping for each costs 4 us."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, ValuesView
from typing import Any

from multidict import CIMultiDict, MultiMapping

_NONE_GIVEN: Any = object()


class LazyHeaders(MultiMapping[str]):
    """Case-insensitive headers; read like the mapping that aiohttp gives.

    Args:
        head: Status line and headers as they came, the empty line at their end included; sound, which is not checked.
    """

    __slots__ = ("_head", "_parsed")

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._parsed: CIMultiDict[str] | None = None

    def _all(self) -> CIMultiDict[str]:
        if self._parsed is None:
            lines = self._head.decode("utf-8", "surrogateescape").split("\r\n")[1:-2]
            pairs = (line.partition(":") for line in lines)
            self._parsed = CIMultiDict((name, value.strip(" \t")) for name, _, value in pairs)
        return self._parsed

    def __getitem__(self, key: str) -> str:
        return self._all()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def getall(self, key: str, default: Any = _NONE_GIVEN) -> Any:
        """Return every value of a header.

        Args:
            key: Its name, in any case.
            default: What to return where there is none.

        Raises:
            KeyError: there is none, and no default.
        """
        found = self._all()
        return found.getall(key) if default is _NONE_GIVEN else found.getall(key, default)

    def getone(self, key: str, default: Any = _NONE_GIVEN) -> Any:
        """Return the first value of a header; arguments and errors are those of `getall`."""
        found = self._all()
        return found.getone(key) if default is _NONE_GIVEN else found.getone(key, default)

    def items(self) -> ItemsView[str, str]:
        """Return names and values; a repeated header is there as often as it came."""
        return self._all().items()

    def values(self) -> ValuesView[str]:
        """Return the values; a repeated header's are there each."""
        return self._all().values()
