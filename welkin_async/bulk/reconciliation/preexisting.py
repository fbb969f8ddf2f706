"""Preexisting records: whether a row that this run has not sent is on the server already.

One complete listing of a patient answers for all of its rows, and is kept while they come.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import NamedTuple

import attrs

from welkin_async.bulk.keys.protocol import Keys
from welkin_async.bulk.reconciliation.lookup import Server, look
from welkin_async.errors import DecodeError, RequestError

_GROUPS = 256  # whose keys are held; a group is a patient, as a rule
_FIRST_PAUSE = 0.25  # seconds between two listings of a group


class Presence(NamedTuple):
    """What is known of a key.

    Attributes:
        known: Whether a complete listing was had.
        record_id: The record that carries the key; None where it is absent, or nothing is known.
        error: Why no listing was had, where that is known.
    """

    known: bool
    record_id: str | None = None
    error: RequestError | None = None

    @property
    def absent(self) -> bool:
        """Whether the key is surely not there."""
        return self.known and self.record_id is None


@attrs.define(eq=False)
class _Group:
    """What a group's listing has shown: record ids by key, and None before there was a complete one."""

    ids: Mapping[str, str] | None = None
    turn: asyncio.Lock = attrs.field(factory=asyncio.Lock)


class PreexistingRecords:
    """Preexisting records: finds out which keys are on the server before their rows are sent.

    Args:
        keys: How to look.
        server: Knows whether the server is there; None where nothing does.
        tries: How many listings of a group are made until one is complete.

    Attributes:
        lookups: How many listings were made.
    """

    def __init__(self, keys: Keys, server: Server | None = None, *, tries: int = 1) -> None:
        self._keys = keys
        self._server = server
        self._tries = tries
        self._groups: dict[str, _Group] = {}
        self.lookups = 0

    async def find(self, group: str, key: str, *, since: float = 0.0, not_before: float = 0.0) -> Presence:
        """Look for a key.

        Args:
            group: What is listed to find it, such as a patient's id.
            key: The key as it is compared.
            since: Wall-clock seconds since which its record may have been created; 0 for all there are.
            not_before: Monotonic seconds before which a listing may lag behind what another import created last.

        Raises:
            AuthenticationError: the server refused the token.
        """
        held = self._groups.pop(group) if group in self._groups else _Group()
        self._groups[group] = held
        if len(self._groups) > _GROUPS:
            del self._groups[next(iter(self._groups))]
        error: RequestError | None = None
        async with held.turn:
            if held.ids is None:
                await asyncio.sleep(max(0.0, not_before - time.monotonic()))
                held.ids, error = await self._list(group, since)
            return Presence(held.ids is not None, (held.ids or {}).get(key), error)

    async def _list(self, group: str, since: float) -> tuple[Mapping[str, str] | None, RequestError | None]:
        """Return the record ids of a group by key; None where not all is known that is there, and why."""
        pause, error = _FIRST_PAUSE, None
        for remaining in reversed(range(self._tries)):
            self.lookups += 1
            records, _, error = await look(self._keys.listing(group, since), self._server)
            try:
                if records is not None:
                    return {key: each.id for each in records if (key := self._keys.key_of(each)) is not None}, None
            except DecodeError as unreadable:
                return None, unreadable  # it may be any row's
            if remaining:
                await asyncio.sleep(pause)
                pause *= 2
        return None, error
