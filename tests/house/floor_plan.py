"""Floor plan: the rooms of the package as the import contracts of pyproject.toml order them, as SVG and as tables."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

__all__ = ["PACKAGE", "PAGE", "PICTURE", "Floors", "contracts", "picture", "tables", "with_tables"]

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "welkin_async"
PAGE = ROOT / "docs" / "architecture.md"
PICTURE = ROOT / "docs" / "architecture.svg"

_BEGIN, _END = "<!-- rooms: begin -->", "<!-- rooms: end -->"
_WIDTH, _MARGIN, _FLOOR, _GAP = 880, 16, 34, 8
_FILL, _LINE, _INK, _FAINT = "#e3f2f5", "#0b7285", "#212529", "#868e96"


class Floors(NamedTuple):
    """One contract of layers.

    Attributes:
        container: The package whose parts are ordered, dotted.
        layers: The layers, highest first; each holds the names of its parts.
    """

    container: str
    layers: list[list[str]]


def contracts() -> list[Floors]:
    """Read the contracts of layers from pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [
        Floors(contract["containers"][0], [re.split(r"\s*[|:]\s*", layer) for layer in contract["layers"]])
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    ]


def purpose(container: str, part: str) -> str:
    """Return the first line of the docstring of a module or package."""
    path = PACKAGE.joinpath(*container.split(".")[1:], part)
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return text.split("\n\n")[0].replace("\n", " ")


def tables() -> str:
    """Write a table of each contract: its parts, highest first, and what each is for."""
    parts = []
    for floors in contracts():
        name = floors.container.replace(".", "/")
        parts.append(f"`{name}/`\n\n| | what it is for |\n|---|---|")
        for layer in floors.layers:
            parts.extend(f"| `{part}` | {purpose(floors.container, part)} |" for part in layer)
        parts.append("")
    return "\n".join(parts)


def with_tables(page: str) -> str:
    """Return a page with the tables between its two marks made anew."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n\n{tables()}\n{_END}{after}"


def picture() -> str:
    """Draw the contracts: a floor for each layer; what stands higher may import what stands lower."""
    found = contracts()
    house, rooms = found[0], found[1:]
    drawn, y = _floors(house, _MARGIN, 56, _WIDTH - 2 * _MARGIN)
    half = (_WIDTH - 3 * _MARGIN) / 2
    tops = [y + 24, y + 24]
    for floors in sorted(rooms, key=lambda each: -len(each.layers)):
        column = 0 if tops[0] <= tops[1] else 1
        part, bottom = _floors(floors, _MARGIN + column * (half + _MARGIN), tops[column] + 28, half)
        drawn += part
        tops[column] = bottom + 24
    height = max(tops)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" role="img" '
        'aria-label="What may import what"><style>text{font:13px system-ui,sans-serif;fill:#212529}'
        ".h{font-weight:600}.s{font-size:11px;fill:#868e96}</style>"
        f'<rect width="{_WIDTH}" height="{height:.0f}" fill="#fff"/>'
        f'<text x="{_MARGIN}" y="24" class="s">Each floor may import the floors below it, never the one above; '
        "parts of one floor do not import each other.</text>"
    )
    return "\n".join([head, *drawn, "</svg>", ""])


def _floors(floors: Floors, x: float, y: float, width: float) -> tuple[list[str], float]:
    """Draw one contract at a place; return its parts and where it ends."""
    drawn = [f'<text x="{x:.0f}" y="{y - 8:.0f}" class="h">{escape(floors.container.replace(".", "/"))}/</text>']
    for layer in floors.layers:
        for row in _rows(layer, width):
            room = (width - _GAP * (len(row) - 1)) / len(row)
            for number, part in enumerate(row):
                left = x + number * (room + _GAP)
                drawn.append(
                    f'<rect x="{left:.1f}" y="{y:.1f}" width="{room:.1f}" height="{_FLOOR - _GAP}" rx="3" '
                    f'fill="{_FILL}" stroke="{_LINE}"/><text x="{left + room / 2:.1f}" y="{y + 18:.1f}" '
                    f'text-anchor="middle">{escape(part)}</text>'
                )
            y += _FLOOR - _GAP + 3
        y += _GAP - 3
    return drawn, y


def _rows(layer: Sequence[str], width: float) -> list[Sequence[str]]:
    """Break a layer into rows whose names have room."""
    longest = max(map(len, layer)) * 7.5 + 12
    most = max(1, int((width + _GAP) // (longest + _GAP)))
    return [layer[start : start + most] for start in range(0, len(layer), most)]
