"""Wording of the command line: its errors, and the library's messages in terms of options."""

from __future__ import annotations

import re

_OPTIONS = {
    "cdt=": "--cdt",
    "constants=": "--set",
    "encoding=": "--encoding",
    "existing='trust'": "--existing trust",
    "existing='check'": "--existing check",
    "flat=": "--flat",
    "ignore=": "--ignore",
    "journal=": "--journal",
    "key=": "--key-column",
    "key_space=": "--key-space",
    "malformed='refuse'": "--malformed refuse",
    "mapping=": "--map",
    "max_deletes=": "--max-deletes",
    "max_lookups=": "--max-lookups",
    "nulls=": "--null",
    "patients='all'": "--all-patients",
    "patients=": "--patient",
    "rejects=": "--rejects",
    "resource=": "--resource",
    "restart=True": "--restart",
    "results=": "--results",
    "resume='restart'": "--restart",
    "sheet=": "--sheet",
    "review=": "--rejects",  # which stands beside it
    "start=": "--start",
    "zone=": "--timezone",
}
_ARGUMENT = re.compile(rf"\b(?:{'|'.join(_OPTIONS)})(?=[\s,.;:]|$)")


class CommandError(Exception):
    """Ends the command with one line of text, which holds no patient data.

    Attributes:
        exit_code: What the process ends with.
    """

    def __init__(self, message: str, exit_code: int = 2) -> None:
        self.exit_code = exit_code
        super().__init__(message)


def as_options(text: str) -> str:
    """Return a message of the library with the command's options in place of its arguments.

    Args:
        text: It names arguments as ``name=``.
    """
    return _ARGUMENT.sub(lambda found: _OPTIONS[found[0]], text)
