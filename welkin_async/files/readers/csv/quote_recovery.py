"""Quote recovery: where rows begin again after a quoting fault of a CSV file. Pure.

A quote that is lost or stray leaves two readings of the lines behind it: they are rows of their own, or they are text
within a quoted cell. Both are followed, line by line, until one of them is disproved. A line is a row only where it
cannot be text of a cell; what stays in doubt is refused.
"""

from __future__ import annotations

import re
from enum import Enum, auto

import attrs


class Verdict(Enum):
    """What the lines behind a faulty one are."""

    OPEN = auto()
    """Not decided yet."""

    ROWS = auto()
    """They are rows, the last one taken included; the faulty line alone is refused."""

    REFUSED = auto()
    """All lines are refused, the last one taken included; the next one begins a row."""

    FAULTY = auto()
    """All lines are refused, and the last one taken leaves the same doubt behind it: it is malformed, or it closes a
    cell and may have opened another."""


class QuoteRecovery:
    """Follows both readings of the lines behind a faulty one.

    *Outside* reads them as rows by RFC 4180: no quote within a cell that is not quoted, and every row as wide as the
    header. *Inside* reads them as text of a quoted cell until a quote closes it. Within quotes a quote is written
    twice; where a line has a backslash before a quote, *inside* is also followed with quotes escaped so.

    Args:
        faulty: The first line of the row that is malformed.
        delimiter: What stands between cells.
        width: How many cells the header has.
    """

    def __init__(self, faulty: str, delimiter: str, width: int) -> None:
        unquoted = re.compile(f'[^"{re.escape(delimiter)}]*')
        self._opening = re.compile(f'(?:^|{re.escape(delimiter)})"').search
        self._even = faulty.count('"') % 2 == 0
        self._outside = _Reading(unquoted, delimiter, width=width)
        self._inside = [_Reading(unquoted, delimiter, quoted=True)]
        self._escapes = False

    def take(self, line: str) -> Verdict:
        """Take the next line.

        Args:
            line: With its end.

        Returns:
            What is known now; unless that is ``OPEN``, no more lines are to be given.
        """
        text = line.rstrip("\r\n")
        if '\\"' in text and not self._escapes:
            self._escapes = True
            self._inside += [attrs.evolve(each, backslash=True) for each in self._inside]
        outside, completed = self._outside, self._outside.take(text)
        for each in self._inside:
            each.take(text)
        self._inside = [each for each in self._inside if not each.malformed]
        if not self._inside:
            if outside.malformed:
                return Verdict.FAULTY
            return Verdict.ROWS if completed else Verdict.OPEN
        if any(each.quoted for each in self._inside) or not (outside.malformed or not outside.quoted):
            return Verdict.OPEN
        # Where quotes are not escaped at all, one at the beginning of a cell may have opened another.
        return Verdict.FAULTY if self._opening(text) else Verdict.REFUSED

    def end(self) -> Verdict:
        """Return what the lines are where the file ends in doubt: ``ROWS`` or ``REFUSED``.

        A line with an even number of quotes has, as a rule, closed those that it opened.
        """
        rows = self._even and not self._outside.malformed and not self._outside.quoted
        return Verdict.ROWS if rows else Verdict.REFUSED


_QUOTED = re.compile(r'[^"]*(?:""[^"]*)*')
_QUOTED_BACKSLASH = re.compile(r'[^"\\]*(?:(?:""|\\.|\\$)[^"\\]*)*')


@attrs.define
class _Reading:
    """One reading of lines, by the strict rules of quoting.

    Attributes:
        quoted: Whether a quoted cell is open at the end of the lines taken.
        malformed: Whether the lines cannot be what this reading takes them for.
    """

    _unquoted: re.Pattern[str]
    _delimiter: str
    _width: int | None = attrs.field(default=None, kw_only=True, alias="width")
    _backslash: bool = attrs.field(default=False, kw_only=True, alias="backslash")
    quoted: bool = attrs.field(default=False, kw_only=True)
    malformed: bool = attrs.field(default=False, init=False)
    _cells: int = attrs.field(default=0, init=False)  # of the row that is not complete
    _had_quotes: bool = attrs.field(default=False, init=False)

    def take(self, text: str) -> bool:
        """Read one more line, and tell whether a row with a quoted cell ends with it.

        Args:
            text: The line without its end.
        """
        if self.malformed or not text:
            return False
        at = 0
        if not self.quoted:
            if '"' not in text:
                self._had_quotes = False
                self._complete(text.count(self._delimiter) + 1)
                return False
            self._cells, self._had_quotes = 0, False
        while True:
            if self.quoted or text.startswith('"', at):
                at = self._through_quotes(text, at if self.quoted else at + 1)
                if self.quoted or self.malformed:
                    return False
            else:
                at = self._matched(self._unquoted, text, at)
            self._cells += 1
            if at == len(text):
                return self._complete(self._cells) and self._had_quotes
            if text[at] != self._delimiter:
                self.malformed = True  # a quote within an unquoted cell, or text behind a closing one
                return False
            at += 1

    def _through_quotes(self, text: str, at: int) -> int:
        """Return where the cell ends behind its closing quote; the cell stays open where there is none."""
        self._had_quotes = True
        at = self._matched(_QUOTED_BACKSLASH if self._backslash else _QUOTED, text, at)
        self.quoted = at == len(text)
        return at + 1

    def _complete(self, cells: int) -> bool:
        self.malformed = self._width is not None and cells != self._width
        return not self.malformed

    @staticmethod
    def _matched(pattern: re.Pattern[str], text: str, at: int) -> int:
        match = pattern.match(text, at)
        return at if match is None else match.end()
