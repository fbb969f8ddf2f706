"""Source text: pieces of Python as a formatter would write them, at whatever line length it is set to. Pure.

What fits a line of 88 characters stands on one; all else has an element on each line and a comma behind the last, which
formatters keep.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

WIDTH = 88


def quoted(text: str) -> str:
    """Write a string literal.

    Args:
        text: Any text; what is no printable character is escaped.
    """
    quote = "'" if text.count('"') > text.count("'") else '"'
    return quote + "".join(_letter(letter, quote) for letter in text) + quote


def literal(value: str | int | bool) -> str:
    """Write a value of an option list, or a flag.

    Args:
        value: The value.
    """
    return quoted(value) if isinstance(value, str) else repr(value)


def _letter(letter: str, quote: str) -> str:
    if letter in ("\\", quote):
        return f"\\{letter}"
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")


def listed(before: str, items: Sequence[str], after: str, indent: int = 0) -> list[str]:
    """Write what stands in brackets: on one line where it fits, else an item on each.

    Args:
        before: What stands before, the opening bracket included.
        items: What stands in the brackets.
        after: What stands behind, the closing bracket included.
        indent: Spaces before each line.
    """
    blank = " " * indent
    line = f"{blank}{before}{', '.join(items)}{after}"
    if len(line) <= WIDTH or not items:
        return [line]
    return exploded(before, items, after, indent)


def exploded(before: str, items: Iterable[str], after: str, indent: int = 0) -> list[str]:
    """Write what stands in brackets, an item on each line; arguments as for `listed`."""
    blank = " " * indent
    return [f"{blank}{before}", *(f"{blank}    {item}," for item in items), f"{blank}{after}"]


def docstring(text: str, attributes: Sequence[tuple[str, str]] = (), indent: int = 4) -> list[str]:
    """Write a docstring, with a section of attributes.

    Args:
        text: Its first paragraphs; the first line is the summary.
        attributes: Names and what is said of each.
        indent: Spaces before each line.
    """
    blank = " " * indent
    paragraphs = text.split("\n\n")
    lines: list[str] = []
    for paragraph in paragraphs:
        lines += [*_wrapped(_safe(paragraph), indent, ""), ""]
    if attributes:
        lines.append(f"{blank}Attributes:")
        for name, words in attributes:
            lines += _wrapped(f"{name}: {_safe(words)}", indent + 4, "    ")
        lines.append("")
    lines.pop()
    first = lines[0].strip()
    if len(lines) == 1 and indent + len(first) + 6 <= WIDTH and not first.endswith('"'):
        return [f'{blank}"""{first}"""']
    return [f'{blank}"""{first}', *lines[1:], f'{blank}"""']


def _wrapped(text: str, indent: int, hanging: str) -> list[str]:
    blank = " " * indent
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=blank,
        subsequent_indent=blank + hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _safe(text: str) -> str:
    """Return a text as a docstring can hold it: nothing ends it, nothing is an escape, nothing hides."""
    one_line = " ".join(text.split()).replace("\\", "\\\\").replace('"""', "'''")
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in one_line)
