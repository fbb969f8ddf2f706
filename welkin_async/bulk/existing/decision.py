"""Decision about a row before its first send: what the records with its key mean for it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import attrs

from welkin_async.bulk.existing.index import KeptRecord


class Standing(Enum):
    """How a row stands to what is on the server."""

    ABSENT = "absent"
    EQUAL = "equal"
    DIFFERENT = "different"
    DOUBLED = "doubled"


@attrs.frozen
class Existing:
    """What the server holds of a row.

    Attributes:
        records: The records with its key, the oldest first.
        differing: The fields that they hold otherwise, where it is one record.
    """

    records: Sequence[KeptRecord] = ()
    differing: tuple[str, ...] = ()

    @property
    def standing(self) -> Standing:
        """How the row stands to it."""
        if not self.records:
            return Standing.ABSENT
        if len(self.records) > 1:
            return Standing.DOUBLED
        return Standing.DIFFERENT if self.differing else Standing.EQUAL

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the records."""
        return tuple(record.id for record in self.records)


ABSENT = Existing()
