"""The page on the engines: each difference it states names a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_difference_has_its_test() -> None:
    page = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")
    table = page.partition("## What differs on purpose")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    written = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("engines", "net")
        for path in (ROOT / "tests" / folder).glob("test_*.py")
    )
    assert len(rows) >= 12
    for row in rows:
        names = re.findall(r"`(test_\w+)`", row)
        assert names, row
        assert all(f"def {name}(" in written for name in names), row
