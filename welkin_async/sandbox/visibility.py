"""When a CDT record shows up in lists: an index that runs behind, as eventually consistent back ends have one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import attrs

from .site import Clock
from .wire import Record

__all__ = ["Visibility"]


@attrs.define
class Visibility:
    """What lists of CDT records do not show yet; a look-up by id finds every record at once.

    Both delays are measured on the sandbox's clock from a record's creation and are read when a list is asked for, so a
    change of either applies to records that exist already. How the real API behaves is unknown: its lists may lag.

    Attributes:
        clock: Time source.
        delay: Seconds until a record is in any list, and in its total.
        lag: Seconds beyond `delay` for which a record counts in `totalElements` but is missing from the content.
    """

    clock: Clock
    delay: float = attrs.field(default=0.0, validator=attrs.validators.ge(0.0))
    lag: float = attrs.field(default=0.0, validator=attrs.validators.ge(0.0))

    def counted(self, records: Sequence[Record]) -> Sequence[Record]:
        """The records that totals count.

        Args:
            records: In order of creation.
        """
        return self._older(records, self.delay) if self.delay else records

    def shown(self, counted: Sequence[Record]) -> Sequence[Record]:
        """Of the counted records those that content may hold, in the same order.

        Args:
            counted: In any order.
        """
        if not self.lag:
            return counted
        latest = self.clock.stamp_before(self.delay + self.lag)
        return [record for record in counted if _created(record) <= latest]

    def _older(self, records: Sequence[Record], seconds: float) -> Sequence[Record]:
        return records[: bisect_right(records, self.clock.stamp_before(seconds), key=_created)]


def _created(record: Record) -> str:
    # Stamps are compared as text: they all have the same form and length.
    return str(record["jsonBody"]["created_at"])
