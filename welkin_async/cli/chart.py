"""Lines over time as SVG: no script, no font, nothing from a network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import attrs

__all__ = ["Chart", "Line"]

_WIDTH, _HEIGHT = 900.0, 240.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 16.0, 14.0, 38.0
_STEPS = (1.0, 2.0, 5.0, 10.0)


@attrs.frozen
class Line:
    """One line.

    Attributes:
        name: What it shows.
        style: The class it is drawn with.
        points: Seconds and values; a value of None breaks the line.
        filled: Whether the area under it is filled.
    """

    name: str
    style: str
    points: Sequence[tuple[float, float | None]]
    filled: bool = False


@attrs.frozen
class Chart:
    """A picture of lines over the same seconds.

    Attributes:
        title: What it is about, for those who cannot see it.
        unit: What is written behind the values of the axis.
        lines: The lines, the first one undermost.
        seconds: How long the axis is.
        marks: Seconds at which something happened, drawn as strokes.
        scale: What values are multiplied by before they are drawn.
    """

    title: str
    unit: str
    lines: Sequence[Line]
    seconds: float
    marks: Sequence[float] = ()
    scale: float = 1.0

    def svg(self) -> str:
        """Return the picture."""
        values = [value * self.scale for line in self.lines for _, value in line.points if value is not None]
        step, top = _axis(max(values, default=1.0))
        parts = [
            f'<svg viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" aria-label="{escape(self.title)}"'
            ' xmlns="http://www.w3.org/2000/svg">'
        ]
        for number in range(round(top / step) + 1):
            y = self._y(number * step, top)
            parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            label = f"{number * step:,.10g}{self.unit}"
            parts.append(f'<text class="tick" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
        along, _ = _axis(self.seconds, 8)
        moments = [number * along for number in range(math.floor(self.seconds / along) + 1)]
        for moment in moments:
            text = f'<text class="tick" x="{self._x(moment):.1f}" y="{_HEIGHT - 8}" text-anchor="middle">'
            parts.append(f"{text}{_moment(moment)}</text>")
        parts += [
            f'<line class="mark" x1="{self._x(moment):.1f}" x2="{self._x(moment):.1f}"'
            f' y1="{_HEIGHT - _BOTTOM + 2}" y2="{_HEIGHT - _BOTTOM + 9}"/>'
            for moment in self.marks
        ]
        parts += [self._drawn(line, top) for line in self.lines]
        return "\n".join([*parts, "</svg>"])

    def _drawn(self, line: Line, top: float) -> str:
        pieces: list[list[tuple[float, float]]] = [[]]
        for moment, value in line.points:
            if value is None:
                pieces.append([])
            else:
                pieces[-1].append((self._x(moment), self._y(value * self.scale, top)))
        drawn = []
        for piece in pieces:
            if len(piece) == 1:
                drawn.append(f'<circle class="{line.style} dot" cx="{piece[0][0]:.1f}" cy="{piece[0][1]:.1f}" r="2"/>')
            elif piece:
                path = " ".join(f"{x:.1f},{y:.1f}" for x, y in piece)
                if line.filled:
                    floor = _HEIGHT - _BOTTOM
                    area = f"{piece[0][0]:.1f},{floor} {path} {piece[-1][0]:.1f},{floor}"
                    drawn.append(f'<polygon class="{line.style} area" points="{area}"/>')
                drawn.append(f'<polyline class="{line.style} line" points="{path}"/>')
        return "\n".join(drawn)

    def _x(self, moment: float) -> float:
        return _LEFT + moment / max(self.seconds, 1e-9) * (_WIDTH - _LEFT - _RIGHT)

    def _y(self, value: float, top: float) -> float:
        return _HEIGHT - _BOTTOM - value / top * (_HEIGHT - _TOP - _BOTTOM)


def _axis(most: float, parts: int = 4) -> tuple[float, float]:
    """Return a round step and the end of an axis that reaches a value in about so many steps."""
    rough = max(most, 1e-9) / parts
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(each * power for each in _STEPS if each * power >= rough * 0.999)
    return step, step * max(1, math.ceil(most / step * 0.999))


def _moment(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.10g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
