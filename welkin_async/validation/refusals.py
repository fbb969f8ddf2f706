"""Refusals: rows with fields that a formation does not allow are refused, warned of, or let through."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from welkin_async.errors import InvalidInputError, printable

if TYPE_CHECKING:
    from welkin_async.validation.schema import FieldError

Check = Literal["strict", "warn", "off"]

_log = logging.getLogger("welkin_async")

_MOST_WARNINGS = 100


class Refusals:
    """Refuses rows with fields that are not allowed, or warns of each field once.

    Args:
        check: Which of the two.
        what: What the rows are, for the warning.

    Raises:
        InvalidInputError: there is no such check.
    """

    def __init__(self, check: Check, what: str) -> None:
        if check not in ("strict", "warn", "off"):
            raise InvalidInputError("check is strict, warn or off")
        self.check = check
        self._what = what
        self._warned: set[str] = set()

    def judge(self, errors: Sequence[FieldError]) -> None:
        """Judge what is wrong with a row, if anything.

        Raises:
            InvalidInputError: the row is refused.
        """
        if not errors:
            return
        if self.check == "strict":
            raise InvalidInputError("; ".join(error.text for error in errors))
        for error in errors:
            if error.field not in self._warned and len(self._warned) < _MOST_WARNINGS:
                self._warned.add(error.field)
                _log.warning("%s: %s", self._what, printable(error.text))
