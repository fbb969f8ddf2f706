"""Visibility: when a CDT record shows up in lists, whose index runs behind as in eventually consistent back ends."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs

from welkin_async.sandbox.http.messages import Record
from welkin_async.sandbox.site import Clock, format_timestamp


def _restart_growth(visibility: Visibility, attribute: Any, value: float) -> float:
    visibility.grows_since = visibility.clock.time()
    return value


@attrs.define
class Visibility:
    """What lists of CDT records do not show yet; a look-up by id finds every record at once.

    Both delays are measured on the sandbox's clock from a record's creation and are read when a list is asked for, so a
    change of either applies to records that exist already. How the real API behaves is unknown: its lists may lag.

    Attributes:
        clock: Time source.
        delay: Seconds until a record is in any list, and in its total.
        lag: Seconds beyond `delay` for which a record counts in `totalElements` but is missing from the content.
        growth: Seconds by which both grow with each second between the moment it is set and a record's creation.
        grows_since: Second of the clock at which `growth` was set.
        count_deleted: Whether `totalElements` goes on counting records that are deleted while this is set.
        skews: Seconds by which a record's `created_at` is ahead, by record id, of records that a wrong clock stamped.
    """

    clock: Clock
    delay: float = attrs.field(default=0.0, validator=attrs.validators.ge(0.0))
    lag: float = attrs.field(default=0.0, validator=attrs.validators.ge(0.0))
    growth: float = attrs.field(
        default=0.0, validator=attrs.validators.ge(0.0), on_setattr=[attrs.setters.validate, _restart_growth]
    )
    count_deleted: bool = False
    skews: dict[str, float] = attrs.field(factory=dict, repr=False)
    grows_since: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.grows_since = self.clock.time()

    def counted(self, records: Sequence[Record]) -> Sequence[Record]:
        """The records that totals count.

        Args:
            records: In order of creation.
        """
        if not self.delay and not self.growth:
            return records
        latest = self._latest(self.delay)
        if self.skews:
            return [record for record in records if self._created(record) <= latest]
        return records[: bisect_right(records, latest, key=self._created)]

    def shown(self, counted: Sequence[Record]) -> Sequence[Record]:
        """Of the counted records those that content may hold, in the same order.

        Args:
            counted: In any order.
        """
        if not self.lag:
            return counted
        latest = self._latest(self.delay + self.lag)
        return [record for record in counted if self._created(record) <= latest]

    def _latest(self, delay: float) -> str:
        """The creation of the youngest record that a delay lets through.

        One made after the growth began at `since` is let through when `made + delay + growth * (made - since) <= now`.
        """
        now, since = self.clock.time(), self.grows_since
        made = now - delay
        if made > since:
            made = (made + self.growth * since) / (1 + self.growth)
        return self.clock.stamp_before(now - made)

    def _created(self, record: Record) -> str:
        # Stamps are compared as text: they all have the same form and length.
        stamp = str(record["jsonBody"]["created_at"])
        skew = self.skews.get(record["id"])
        return stamp if skew is None else format_timestamp(datetime.fromisoformat(stamp) - timedelta(seconds=skew))
