"""Names of columns and fields: exact and near matches. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_BETWEEN_WORDS = re.compile(r"[\s_.-]+")
_SIMILAR = 0.7  # of 1.0


def fold(name: str) -> str:
    """Return a name without case and without what stands between words: ``first_name`` and ``firstName`` are one.

    Args:
        name: Of a column or a field.
    """
    return _BETWEEN_WORDS.sub("", name).casefold()


def matching(name: str, names: Iterable[str], *, ignore_case: bool) -> str | None:
    """Return the one of some names that is meant; None where there is none, or where several could be.

    Args:
        name: The name.
        names: What there is.
        ignore_case: Whether one that differs in case is meant where none is the same.
    """
    found = list(names)
    if name in found:
        return name
    alike = {each for each in found if each.casefold() == name.casefold()} if ignore_case else set()
    return alike.pop() if len(alike) == 1 else None


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of some names that may have been meant; None where none is similar.

    Args:
        name: The name.
        names: What there is.
    """
    by_fold = {fold(each): each for each in names}
    near = difflib.get_close_matches(fold(name), by_fold, n=1, cutoff=_SIMILAR)
    return by_fold[near[0]] if near else None
