"""Rows of a reject file are looked for before they are sent: the file may have been imported before, or be out of date.

The keys they carry are those of the import that refused them, so a record that has one is the row's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

import attrs

from welkin_async.bulk import Status
from welkin_async.bulk.reconcile import Keys
from welkin_async.cli.patients import reason_of
from welkin_async.cli.rows import FileRow, Problem
from welkin_async.errors import AuthenticationError, NotFoundError, RequestError

__all__ = ["RecordsThere"]

_GROUPS = 256  # whose keys are held; a group is a patient, as a rule
_TRIES, _PAUSE = 8, 0.25  # listings of a group; seconds between them at first


class _Mark(Protocol):
    @property
    def mark(self) -> int: ...


@attrs.define
class RecordsThere:
    """Finds the rows of a reject file that are on the server already.

    Attributes:
        keys: Lists what may have the key of a row.
        earlier: Says from which position on no run of this import has sent anything; the others are the engine's.
    """

    keys: Keys
    earlier: Callable[[], _Mark]
    _held: dict[str, Mapping[str, str]] = attrs.field(factory=dict, init=False)

    async def look(self, row: FileRow) -> FileRow:
        """Return a row as it is, or with a problem where its record is there.

        Args:
            row: Any row.

        Raises:
            AuthenticationError: the server refused the token.
        """
        if not row.source.key or row.refused is not None or row.source.position < self.earlier().mark:
            return row
        group = self.keys.group(row)
        held = self._held.pop(group, None) or await self._keys_of(group)
        if isinstance(held, Problem):
            return row.refuse(held)
        self._held[group] = held
        if len(self._held) > _GROUPS:
            del self._held[next(iter(self._held))]
        found = held.get(self.keys.key(row))
        if found is None:
            return row
        return row.refuse(Problem(Status.CONFLICT, "a record with its key is on the server", record_id=found))

    async def _keys_of(self, group: str) -> Mapping[str, str] | Problem:
        """List a group's records completely."""
        pause, reason = _PAUSE, "the list never stood still"
        for _ in range(_TRIES):
            try:
                listed = await self.keys.listing(group, 0.0)
            except NotFoundError:
                return {}  # there is no such patient: the create will say so
            except AuthenticationError:
                raise
            except RequestError as error:
                listed, reason = None, reason_of(error)
            if listed is not None:
                return {key: record.id for record in listed if (key := self.keys.key_of(record)) is not None}
            await asyncio.sleep(pause)
            pause *= 2
        return Problem(Status.FAILED, f"looking for the record: {reason}", transient=True)
