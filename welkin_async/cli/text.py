"""What the command says: its errors, and columns of numbers."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["CommandError", "aligned", "size", "whole"]


class CommandError(Exception):
    """Ends the command with one line of text, which holds no patient data.

    Attributes:
        exit_code: What the process ends with.
    """

    def __init__(self, message: str, exit_code: int = 2) -> None:
        self.exit_code = exit_code
        super().__init__(message)


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
