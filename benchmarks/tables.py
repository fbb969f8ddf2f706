"""Figures as text: for the terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.runner import summary
from benchmarks.sides import SIDES

__all__ = ["condition_lines", "markdown_table", "rows_of", "text_table", "title_of"]

_HEADINGS = {
    "cpu_us": "CPU us/record",
    "per_s": "records/s",
    "peak_mb": "peak MB",
    "wall_ms": "ms",
    "cpu_ms": "CPU ms",
    "share": "share of the allowed",
    "refused": "refused",
    "first_ms": "first record, ms",
    "longest_ms": "longest gap, ms",
    "tokens": "token requests",
    "unauthorized": "401s",
    "lost": "rows lost",
    "late_p50_ms": "late, p50 ms",
    "late_p99_ms": "late, p99 ms",
    "late_most_ms": "late, most ms",
}
_LESS_IS_BETTER = frozenset({"cpu_us", "peak_mb", "wall_ms", "cpu_ms", "longest_ms", "late_p99_ms"})


def title_of(side: str) -> str:
    """Return what tables call a side."""
    return SIDES[side].title if side in SIDES else f"import {side}"


def rows_of(result: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return a comparison's headings and rows: each side's medians, and how it does beside the base."""
    base, metric = result["base"], result["metric"]
    kept = [
        key
        for key in _HEADINGS
        if any(key in each[0] for sides in result["results"].values() for each in sides.values())
    ]
    many = len(result["results"]) > 1
    rows = []
    for variant, sides in result["results"].items():
        medians = {side: summary(rounds) for side, rounds in sides.items()}
        for side, found in medians.items():
            ratio = ""
            if base in medians and found[metric] and medians[base][metric]:
                ours, theirs = found[metric], medians[base][metric]
                ratio = f"{theirs / ours if metric in _LESS_IS_BETTER else ours / theirs:.2f}"
            figures = [_number(found[key]) if key in found else "" for key in kept]
            rows.append([*([variant] if many else []), title_of(side), *figures, ratio])
    for side, lacking in result["absent"].items():
        blank = [""] * (len(kept) + 1)
        rows.append([*([""] if many else []), f"{title_of(side)}: {lacking} is not installed", *blank])
    headings = [*(["setting"] if many else []), "side", *(_HEADINGS[key] for key in kept), f"x {title_of(base)}"]
    return headings, rows


def _number(value: float) -> str:
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def text_table(result: Mapping[str, Any]) -> str:
    """Lay a comparison out for a terminal."""
    headings, rows = rows_of(result)
    widths = [max(len(row[column]) for row in [headings, *rows]) for column in range(len(headings))]
    words = sum(heading in ("setting", "side") for heading in headings)

    def line(cells: list[str]) -> str:
        laid = (
            cell.ljust(width) if number < words else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join(laid).rstrip()

    return "\n".join(map(line, [headings, *rows]))


def markdown_table(result: Mapping[str, Any]) -> str:
    """Lay a comparison out as Markdown."""
    headings, rows = rows_of(result)
    words = sum(heading in ("setting", "side") for heading in headings)
    rule = [":--"] * words + ["--:"] * (len(headings) - words)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [headings, rule, *rows])


def condition_lines(result: Mapping[str, Any]) -> str:
    """Say of each condition whether it is met."""
    lines = []
    for each in result["conditions"]:
        sign = "at most" if each["at_most"] else "at least"
        goal = "" if each["goal"] is None else f" (goal {each['goal']:g})"
        state = "met" if each["met"] else "NOT MET"
        lines.append(f"{state}: {each['text']}: {each['value']:.3f}, {sign} {each['bound']:g}{goal}")
    return "\n".join(lines)
