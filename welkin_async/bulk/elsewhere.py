"""Rows that an earlier run did not create, and that may be there all the same: imported another way, from its rejects.

Nothing that was sent for such a row can land any more, so one complete list without its key is enough to send it. That
list is made by the worker that has the row, and serves all rows of its patient.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import attrs

from welkin_async.bulk.looking import Server, look
from welkin_async.bulk.reconcile import Keys, Trust
from welkin_async.errors import DecodeError

__all__ = ["Elsewhere"]

_GROUPS = 256  # whose keys are held; a group is a patient, as a rule


@attrs.define(eq=False)
class _Group:
    """What a patient's list has shown: its keys, and None before there was a complete one."""

    keys: frozenset[str] | None = None
    turn: asyncio.Lock = attrs.field(factory=asyncio.Lock)


class Elsewhere:
    """Tells which rows that an earlier run refused or failed are surely not on the server.

    Args:
        keys: How to look.
        trust: What is proved of look-ups.
        server: Knows whether the server is there; None where nobody does.

    Attributes:
        lookups: How many listings were made.
    """

    def __init__(self, keys: Keys, trust: Trust, server: Server | None) -> None:
        self._keys = keys
        self._trust = trust
        self._server = server
        self._groups: dict[str, _Group] = {}
        self.lookups = 0

    async def absent(self, row: Any, *, begun: float, at: float) -> bool:
        """Tell whether a row is surely not there; if not, it is there or that could not be learned.

        Args:
            row: The row.
            begun: Wall-clock seconds since which any run may have created it.
            at: Monotonic seconds before which a list may lag behind what another import created last.

        Raises:
            AuthenticationError: the server refused the token.
        """
        key = self._keys.key(row)
        if not key:
            return True  # nothing can carry it, and it fails by itself
        name = self._keys.group(row)
        group = self._groups.pop(name) if name in self._groups else _Group()
        self._groups[name] = group
        if len(self._groups) > _GROUPS:
            del self._groups[next(iter(self._groups))]
        async with group.turn:
            if group.keys is None:
                await asyncio.sleep(max(0.0, at - time.monotonic()))
                group.keys = await self._list(name, begun)
            return group.keys is not None and key not in group.keys

    async def _list(self, name: str, begun: float) -> frozenset[str] | None:
        """Return the keys of a patient's records; None where not all is known that is there."""
        self.lookups += 1
        # Before it is proved that the server's dates and ours go together, all there is is listed.
        since = begun if self._trust.measured else 0.0
        records = (await look(self._keys.listing(name, since), self._server)).records
        try:
            return None if records is None else frozenset(filter(None, map(self._keys.key_of, records)))
        except DecodeError:
            return None  # it may be any row's
