"""Names: Python identifiers for what the Designer calls fields, options and CDTs. Pure."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake_case(text: str, otherwise: str) -> str:
    """Return a name in snake_case, which is an identifier: ``icd-10`` gives ``icd_10``.

    Args:
        text: Any text.
        otherwise: What stands before a digit, and for a text of which nothing is left.
    """
    spaced = _CAMEL.sub("_", unicodedata.normalize("NFKC", text)).lower()
    # Some numerals are of words as regular expressions see them, and of no identifier.
    words = "".join(each if f"_{each}".isidentifier() else "_" for each in spaced).split("_")
    name = "_".join(word for word in words if word)
    return name if name.isidentifier() else "_".join(word for word in (otherwise, name) if word)


def pascal_case(text: str, otherwise: str) -> str:
    """Return a name in PascalCase, which is an identifier: ``lab-report`` gives ``LabReport``.

    Args:
        text: Any text.
        otherwise: As for `snake_case`.
    """
    return "".join(word[:1].upper() + word[1:] for word in snake_case(text, otherwise).split("_"))


class Names:
    """The names of one scope: each is given once, and a name that is taken gets a trailing ``_``.

    Args:
        taken: Names that are not given.
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)

    def take(self, name: str) -> str:
        """Give a name, with as many ``_`` behind it as it needs to be no other and no keyword.

        Args:
            name: The name that is wanted.
        """
        while name in self._taken or keyword.iskeyword(name):
            name += "_"
        self._taken.add(name)
        return name

    def take_all(self, wanted: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Give a name to each of several: those whose own name it is come first, then those that come first.

        Args:
            wanted: What is to be named, and the name that is wanted.

        Returns:
            The names by what they name, in the order given.
        """
        pairs = list(wanted)
        found = {each: self.take(name) for exact in (True, False) for each, name in pairs if (each == name) is exact}
        return {each: found[each] for each, _ in pairs}
