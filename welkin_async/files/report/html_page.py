"""HTML page: a report's counts, and throughput and latency over time. Holds no data of any row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import attrs

from welkin_async.files.report.time_series import Sample

_WIDTH, _HEIGHT = 900.0, 240.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 16.0, 14.0, 38.0
_STEPS = (1.0, 2.0, 5.0, 10.0)


@attrs.frozen
class Line:
    """Line of a chart.

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
    """Chart: a picture of lines over the same seconds.

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


_STYLE = """
:root { color-scheme: light dark; --ink: #1b2330; --soft: #68727f; --rule: #dde2e8; --paper: #fff;
  --a: #2563a8; --b: #1b8a5a; --c: #c77d0a; --d: #c2363a }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #98a3b1; --rule: #303946; --paper: #151a21;
  --a: #6aa7e8; --b: #57c795; --c: #e7ae4c; --d: #ef7a7d } }
body { margin: 2.5rem auto; max-width: 60rem; padding: 0 1.25rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.05rem; margin: 2.2rem 0 .4rem }
p { color: var(--soft); margin: .2rem 0 } svg { width: 100%; height: auto; display: block }
table { border-collapse: collapse } td { padding: .18rem 1.6rem .18rem 0; vertical-align: top }
td { white-space: nowrap } td.n { text-align: right; font-variant-numeric: tabular-nums }
td.r { color: var(--soft); white-space: normal }
.tables { display: flex; flex-wrap: wrap; align-items: start; gap: 1.4rem 4rem }
caption { text-align: left; color: var(--soft); padding-bottom: .2rem }
.grid { stroke: var(--rule) } .tick { fill: var(--soft); font: 12px system-ui, sans-serif }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round } .area { opacity: .16; stroke: none }
.line.a { stroke: var(--a) } .line.b { stroke: var(--b) } .line.c { stroke: var(--c) } .line.d { stroke: var(--d) }
.area.a, .dot.a { fill: var(--a) } .dot.b { fill: var(--b) } .dot.c { fill: var(--c) } .dot.d { fill: var(--d) }
.mark { stroke: var(--soft); stroke-width: 1.5 }
.key { display: inline-block; margin-right: 1.2rem } .key::before { content: ""; display: inline-block; width: .9rem;
  height: .2rem; margin-right: .4rem; vertical-align: middle; background: currentColor }
.key.a::before { background: var(--a) } .key.b::before { background: var(--b) }
.key.c::before { background: var(--c) } .key.d::before { background: var(--d) }
"""


def page(
    title: str,
    about: str,
    tables: Mapping[str, Sequence[tuple[str, str, str]]],
    samples: Sequence[tuple[float, Sample]],
    request: str,
) -> str:
    """Return the page, which needs no network.

    Args:
        title: Its heading.
        about: A line below.
        tables: By what they are about: labels, numbers and remarks.
        samples: Stretches of time with the seconds each lasted.
        request: What a request is called whose latency they hold.
    """
    ends: list[float] = []
    for seconds, _ in samples:
        ends.append((ends[-1] if ends else 0.0) + seconds)
    middles = [end - seconds / 2 for end, (seconds, _) in zip(ends, samples, strict=True)]
    total = ends[-1] if ends else 1.0
    each = list(zip(middles, samples, strict=True))
    marks = [middle for middle, (_, sample) in each if sample.throttled]
    rows = Line("rows per second", "a", [(at, sample.rows / seconds) for at, (seconds, sample) in each], filled=True)
    lost = [middle for middle, (_, sample) in each if sample.unanswered]
    latency = [
        Line(name, style, [(at, sample.latency.percentile(share)) for at, (_, sample) in each])
        for name, style, share in (("p99", "d", 0.99), ("p95", "c", 0.95), ("p50", "b", 0.5))
    ]
    throughput = Chart("Rows per second over time", "", [rows], total, marks)
    slowness = Chart(f"Latency of {request}s in milliseconds over time", " ms", latency, total, lost, scale=1000.0)
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>",
            f"<h1>{escape(title)}</h1>\n<p>{escape(about)}</p>",
            '<h2>Throughput</h2>\n<p><span class="key a">rows per second</span>',
            _note(marks, "the server throttled") + "</p>",
            throughput.svg(),
            f"<h2>Latency of {request}s</h2>\n<p>"
            + "".join(f'<span class="key {line.style}">{line.name}</span>' for line in reversed(latency))
            + _note(lost, "requests went without an answer")
            + "</p>",
            slowness.svg(),
            '<h2>Counts</h2>\n<div class="tables">',
            *(_table(name, table) for name, table in tables.items() if table),
            "</div>\n</body>\n</html>\n",
        ]
    )


def _note(marks: Sequence[float], what: str) -> str:
    return f"strokes below: {what}" if marks else ""


def _table(name: str, rows: Sequence[tuple[str, str, str]]) -> str:
    cells = "".join(
        f'<tr><td>{escape(label)}</td><td class="n">{escape(number)}</td><td class="r">{escape(remark)}</td></tr>'
        for label, number, remark in rows
    )
    return f"<table><caption>{escape(name)}</caption>{cells}</table>"
