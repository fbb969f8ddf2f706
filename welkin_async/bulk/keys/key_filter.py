"""Key filter: finds records by asking for their keys, where a run has proved that the server honours that.

Lists take ``filters=field=v1,v2``. Which fields can be filtered by is not documented, and a server that ignores a
filter answers with everything, or with nothing. So before an answer decides anything the filter must find keys that
are there among many that are not, give no other record, and find nothing for a key that is not there.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence

from welkin_async.errors import RejectedError
from welkin_async.models.cdts import CdtRecord

_BOUNDS = (50, 10)  # keys at once that are tried
_FITS = re.compile(r"[^\s,=](?:[^,=\r\n]*[^\s,=])?").fullmatch  # a comma would part it, and space might be trimmed
_MOST_LETTERS = 3000  # of all keys together, so that no URL is too long


class KeyFilter:
    """Key filter of one CDT.

    Args:
        query: Lists the records of a patient that carry one of some keys; None where the listing is not complete.
        key_of: Returns what a record carries.

    Attributes:
        bound: How many keys may be asked for at once: 0 where filters are not honoured, None while that is not known.
    """

    def __init__(
        self,
        query: Callable[[str, Sequence[str]], Awaitable[Sequence[CdtRecord] | None]],
        key_of: Callable[[CdtRecord], str | None],
    ) -> None:
        self._query = query
        self._key_of = key_of
        self.bound: int | None = None

    def fits(self, keys: Iterable[str]) -> bool:
        """Tell whether keys can be asked for."""
        return all(_FITS(key) for key in keys)

    def batch(self, sought: Iterable[tuple[str, tuple[str, ...]]]) -> tuple[list[str], list[str]]:
        """Choose what is asked for at once.

        Args:
            sought: Rows' keys, each with all the keys under which its record may be there.

        Returns:
            The rows' keys that are chosen, and what is to be asked for.
        """
        chosen: list[str] = []
        asked: list[str] = []
        letters = 0
        for key, forms in sought:
            letters += sum(map(len, forms))
            if chosen and (len(asked) + len(forms) > (self.bound or 0) or letters > _MOST_LETTERS):
                break
            chosen.append(key)
            asked += forms
        return chosen, asked

    async def find(self, patient: str, keys: Sequence[str]) -> Sequence[CdtRecord] | None:
        """List the records of a patient that carry one of the keys.

        Args:
            patient: The patient's id.
            keys: What is asked for.

        Returns:
            The records; None where the listing was not complete, or holds others: then filters are honoured no more.

        Raises:
            RequestError: a page could not be had.
        """
        records = await self._query(patient, keys)
        if records is not None and not {self._key_of(record) for record in records} <= set(keys):
            self.bound = 0
            return None
        return records

    async def prove(self, patient: str, records: Iterable[CdtRecord]) -> bool:
        """Find out, where it is not known, whether filters are honoured; tell whether they are.

        Args:
            patient: A patient's id.
            records: Some of the patient's records; without two keys among them nothing can be proved.

        Raises:
            RequestError: the server did not answer.
        """
        if self.bound is None:
            keys = [key for record in records if (key := self._key_of(record)) is not None and _FITS(key)]
            if len(set(keys)) > 1:
                self.bound = await self._proved_bound(patient, keys[0], keys[-1])
        return bool(self.bound)

    async def _proved_bound(self, patient: str, one: str, other: str) -> int:
        for bound in _BOUNDS:
            absent = [f"absent-{uuid.uuid4()}" for _ in range(bound - 2)]
            try:
                found = await self._query(patient, [one, *absent, other])
                if found is None or {self._key_of(record) for record in found} != {one, other}:
                    continue
                nothing = await self._query(patient, absent[:1])
            except RejectedError:
                continue  # too many, or no filter by this field
            return bound if nothing is not None and not nothing else 0
        return 0
