"""``python -m tests.house`` draws docs/architecture.svg, writes its tables, and the keywords of resources, anew."""

from __future__ import annotations

from .floor_plan import PAGE, PICTURE, picture, with_tables
from .keywords import modules, rewritten

if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    for path in modules():
        path.write_text(rewritten(path), encoding="utf-8")
