"""Text of reports: counts, sizes and durations, and tables of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Part(NamedTuple):
    """Part of a progress line.

    Attributes:
        rank: What it matters: 0 always stands there; of the others the highest goes first where the line is too long.
        text: What it says.
    """

    rank: int
    text: str


def fitted(parts: Sequence[Part], width: int | None) -> str:
    """Put a progress line together, and leave out what matters least where it is too long.

    Args:
        parts: In the order in which they are shown.
        width: How many columns there are; None for no bound.
    """
    kept = list(parts)
    while width is not None and len("  ".join(part.text for part in kept)) > width:
        least = max(range(len(kept)), key=lambda place: (kept[place].rank, place), default=None)
        if least is None or not kept[least].rank:
            break
        del kept[least]
    return "  ".join(part.text for part in kept)


def whole(number: int) -> str:
    """Write a count with thousands apart."""
    return f"{number:,}"


def size(count: int) -> str:
    """Write a number of bytes in a unit that suits."""
    number = float(count)
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:,.0f} {unit}" if unit == "B" else f"{number:,.1f} {unit}"
        number /= 1000
    return f"{number:,.1f} GB"


def duration(seconds: float) -> str:
    """Write seconds as minutes and seconds, with hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def aligned(lines: Iterable[tuple[str, str, str]]) -> str:
    """Put a label, a number and a remark in columns.

    Args:
        lines: The three of each line; the remark may be empty.

    Returns:
        Lines of text, labels to the left, numbers to the right.
    """
    held = list(lines)
    label_width = max(len(label) for label, _, _ in held)
    number_width = max(len(number) for _, number, _ in held)
    return "\n".join(
        f"{label:<{label_width}}  {number:>{number_width}}  {remark}".rstrip() for label, number, remark in held
    )
