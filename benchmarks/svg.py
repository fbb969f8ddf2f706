"""Pictures drawn as plain SVG text: bars of one comparison, the curves of the scaling, and shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.runner import summary
from benchmarks.tables import title_of

__all__ = ["bars", "curves", "shares"]

_OURS, _THEIRS, _INK, _FAINT = "#0b7285", "#adb5bd", "#212529", "#dee2e6"
_WIDTH, _LABELS, _ROW = 760, 270, 30


def _document(height: int, parts: Sequence[str], title: str) -> str:
    style = (
        f"text{{font:13px system-ui,sans-serif;fill:{_INK}}}.t{{font-weight:600;font-size:15px}}.s{{font-size:11px}}"
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}"><style>{style}</style><rect width="{_WIDTH}" height="{height}" fill="#fff"/>'
    )
    return "\n".join([head, _text(12, 24, title, "t"), *parts, "</svg>", ""])


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def bars(result: Mapping[str, Any], variant: str = "") -> str:
    """Draw what each side does per CPU second, longest first.

    Args:
        result: A comparison of the JSON file.
        variant: Which of its settings.
    """
    found = {side: 1e6 / summary(rounds)["cpu_us"] for side, rounds in result["results"][variant].items()}
    most = max(found.values())
    parts = []
    for number, (side, value) in enumerate(sorted(found.items(), key=lambda pair: -pair[1])):
        y = 44 + number * _ROW
        width = max(2.0, (_WIDTH - _LABELS - 80) * value / most)
        colour = _OURS if side.startswith("sdk") else _THEIRS
        parts.append(_text(_LABELS - 8, y + 15, title_of(side), anchor="end"))
        parts.append(f'<rect x="{_LABELS}" y="{y}" width="{width:.1f}" height="20" rx="2" fill="{colour}"/>')
        parts.append(_text(_LABELS + width + 6, y + 15, f"{value:,.0f}"))
    height = 44 + len(found) * _ROW + 12
    return _document(height, parts, f"{result['title']}: records per CPU second")


def curves(result: Mapping[str, Any]) -> str:
    """Draw CPU microseconds per record, a panel for each thing that grows.

    Args:
        result: The scaling comparison of the JSON file; its settings are named ``what count``.
    """
    panels: dict[str, dict[str, Any]] = {}
    for variant, sides in result["results"].items():
        what, count = variant.split()
        panels.setdefault(what, {})[count] = {side: summary(rounds)["cpu_us"] for side, rounds in sides.items()}
    most = 1.15 * max(value for panel in panels.values() for sides in panel.values() for value in sides.values())
    parts: list[str] = []
    room = (_WIDTH - 60) / len(panels)
    for number, (what, panel) in enumerate(panels.items()):
        parts.extend(_panel(what, panel, 50 + number * room, room - 30, most))
    for number, side in enumerate(next(iter(next(iter(panels.values())).values()))):
        x = 50 + number * 320
        colour = _OURS if side.startswith("sdk") else _THEIRS
        parts.append(f'<rect x="{x}" y="282" width="14" height="4" fill="{colour}"/>')
        parts.append(_text(x + 20, 288, title_of(side), "s"))
    return _document(300, parts, "CPU microseconds per record as an import grows")


def _panel(what: str, panel: Mapping[str, Mapping[str, float]], left: float, width: float, most: float) -> list[str]:
    """Draw one panel: counts along the bottom, evenly spaced, and a line for each side."""
    top, bottom = 50.0, 230.0
    counts = list(panel)
    step = width / max(1, len(counts) - 1)
    parts = [
        f'<line x1="{left:.1f}" y1="{bottom}" x2="{left + width:.1f}" y2="{bottom}" stroke="{_FAINT}"/>',
        _text(left + width / 2, 264, what, anchor="middle"),
        _text(left - 6, bottom + 4, "0", "s", "end"),
        _text(left - 6, top + 4, f"{most:.0f}", "s", "end"),
    ]
    parts.extend(
        _text(left + number * step, 246, f"{int(count):,}", "s", "middle") for number, count in enumerate(counts)
    )
    for side in panel[counts[0]]:
        points = [
            (left + number * step, bottom - (bottom - top) * panel[count][side] / most)
            for number, count in enumerate(counts)
        ]
        colour = _OURS if side.startswith("sdk") else _THEIRS
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        parts.extend(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in points)
    return parts


def shares(found: Mapping[str, Mapping[str, float]], title: str) -> str:
    """Draw shares of one whole, a bar for each side, by name.

    Args:
        found: Shares from 0 to 1 by side, by name.
        title: What they are shares of.
    """
    step, width = 26, _WIDTH - _LABELS - 70
    sides = list(next(iter(found.values())))
    parts = []
    for number, side in enumerate(sides):
        x = _LABELS + number * 200
        parts.append(f'<rect x="{x}" y="40" width="14" height="8" fill="{_OURS if number == 0 else _THEIRS}"/>')
        parts.append(_text(x + 20, 48, side, "s"))
    for row, (name, values) in enumerate(found.items()):
        y = 62 + row * step
        parts.append(_text(_LABELS - 8, y + 14, name, "s", "end"))
        for number, side in enumerate(sides):
            bar, colour = max(1.0, width * values[side]), _OURS if number == 0 else _THEIRS
            top = y + 10 * number
            parts.append(f'<rect x="{_LABELS}" y="{top}" width="{bar:.1f}" height="9" rx="1" fill="{colour}"/>')
            parts.append(_text(_LABELS + bar + 5, top + 9, f"{values[side]:.1%}", "s"))
    return _document(62 + len(found) * step + 8, parts, title)
