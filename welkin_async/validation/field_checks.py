"""Field checks of a session: what a single create or change writes, held against its formation."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from welkin_async.validation.refusals import Check, Refusals

if TYPE_CHECKING:
    from welkin_async.models.formations import CdtFormation
    from welkin_async.validation.schema import Schema

_NEVER = float("-inf")
_FRESH = 60.0  # seconds for which a formation is believed when it refuses something, and one that cannot be read let be

_log = logging.getLogger("welkin_async")


@attrs.define(eq=False)
class _Known:
    """What is known of a CDT, of a profile, or of patients.

    Attributes:
        refusals: Refuses, or warns of each field once.
        schema: The formation, compiled; None where it could not be read.
        read_at: When it was read, or tried, in monotonic seconds.
        lock: Held while it is read.
    """

    refusals: Refusals
    schema: Schema | None = None
    read_at: float = _NEVER
    lock: asyncio.Lock = attrs.field(factory=asyncio.Lock)


class FieldChecks:
    """Field checks: formations are read once each, and again where one that is a minute old refuses something.

    Args:
        check: What to do about fields that the formation does not allow: ``strict`` refuses, ``warn`` logs each field
            once, ``off`` looks at nothing.
        clock: Returns monotonic seconds.

    Raises:
        InvalidInputError: there is no such check.
    """

    def __init__(self, check: Check, *, clock: Callable[[], float] = time.monotonic) -> None:
        Refusals(check, "")  # says what is no check
        self.check: Check = check
        self._clock = clock
        self._known: dict[str, _Known] = {}

    def passes(self, what: str, fields: Mapping[str, Any], *, partial: bool = False) -> bool:
        """Tell at once whether what is about to be written fits a formation that was read; arguments as for `judge`."""
        known = self._known.get(what)
        return known is not None and known.schema is not None and not known.schema.check(fields, partial=partial)

    async def judge(
        self,
        what: str,
        fields: Mapping[str, Any],
        read: Callable[[], Awaitable[CdtFormation]],
        *,
        partial: bool = False,
    ) -> None:
        """Judge what is about to be written.

        A formation that cannot be read allows everything.

        Args:
            what: What it is a record of: a CDT's name, or ``profile`` and a profile's.
            fields: Values by field name.
            read: Reads the formation.
            partial: Whether they change a record, so that a required field may be left out.

        Raises:
            InvalidInputError: the check is strict, and a field is not allowed; every problem is named.
        """
        known = self._of(what)
        if known.schema is None:
            await self._refresh(what, known, read)
        if known.schema is None or not (errors := known.schema.check(fields, partial=partial)):
            return
        if self._clock() - known.read_at >= _FRESH:
            await self._refresh(what, known, read)
            errors = known.schema.check(fields, partial=partial)
        known.refusals.judge(errors)

    def judge_by(self, schema: Schema, what: str, fields: Mapping[str, Any], *, partial: bool = False) -> None:
        """Judge what is about to be written by what is known without a formation.

        Args:
            schema: What is known.
            what: What it is a record of, for the warning.
            fields: Values by field name.
            partial: Whether they change a record, so that a required field may be left out.

        Raises:
            InvalidInputError: the check is strict, and a field is not allowed; every problem is named.
        """
        if errors := schema.check(fields, partial=partial):
            self._of(what).refusals.judge(errors)

    def _of(self, what: str) -> _Known:
        known = self._known.get(what)
        if known is None:
            known = self._known[what] = _Known(Refusals(self.check, what))
        return known

    async def _refresh(self, what: str, known: _Known, read: Callable[[], Awaitable[CdtFormation]]) -> None:
        """Read a formation, unless that was done a moment ago."""
        from welkin_async.validation.schema import Schema  # a session that checks nothing imports none of it

        async with known.lock:
            if self._clock() - known.read_at < _FRESH:
                return
            try:
                known.schema = Schema.of(await read())
            except Exception as error:  # whatever it is, a create does not fail for it
                level = logging.WARNING if known.read_at == _NEVER else logging.DEBUG
                _log.log(level, "%s: the formation could not be read (%s); its fields are not checked", what, error)
            known.read_at = self._clock()
