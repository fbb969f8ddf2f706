"""What mapping a row costs: ten columns of a CSV file, of plain objects, and of paths into nested ones.

``python -m benchmarks.row_mapping`` prints microseconds a row, the least of many rounds: on a busy machine the least is
what the work itself takes.
"""

from __future__ import annotations

import timeit
from typing import Any

from welkin_async.files.mapping.columns import Columns
from welkin_async.files.mapping.fields import FieldMapping
from welkin_async.files.options import ColumnMap, Field
from welkin_async.files.readers.row import SourceRow

NAMES = [f"c{number}" for number in range(10)]
CASES: dict[str, tuple[str, Any]] = {
    "ten plain columns of a CSV file": ("{}", ["k", *["v"] * 10]),
    "ten plain keys of an object": ("{}", {"p": "k", **dict.fromkeys(NAMES, "v")}),
    "ten dotted names": ("a.b.{}", {"p": "k", "a": {"b": dict.fromkeys(NAMES, "v")}}),
    "ten dotted names with an index": ("a.b[0].{}", {"p": "k", "a": {"b": [dict.fromkeys(NAMES, "v")]}}),
    "ten JMESPath expressions": ("a.b | {}", {"p": "k", "a": {"b": dict.fromkeys(NAMES, "v")}}),
}


def cost(pattern: str, values: Any) -> float:
    """Return the microseconds that a row takes."""
    fixed = isinstance(values, list)
    columns = Columns(["p", *NAMES] if pattern == "{}" else ["p", "a"], fixed=fixed)
    maps = [ColumnMap(pattern.format(name), Field(f"f{name}")) for name in NAMES]
    mapping, row = FieldMapping(columns, patient_column="p", maps=maps), SourceRow(1, values)
    assert mapping.apply(row) == ("k", {f"f{name}": "v" for name in NAMES}, {})
    rounds = timeit.repeat(lambda: mapping.apply(row), number=200, repeat=300)
    return min(rounds) / 200 * 1e6


if __name__ == "__main__":
    for case, (pattern, values) in CASES.items():
        print(f"{case:32} {cost(pattern, values):6.2f} us")
