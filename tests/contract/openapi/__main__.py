"""``python -m tests.contract.openapi`` counts what the document holds; ``--write`` writes it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from .document import DOCUMENT, document, render


def _marks(part: Any) -> Iterator[Any]:
    if isinstance(part, dict):
        if part.get("x-unverified"):
            yield part
        for each in part.values():
            yield from _marks(each)
    elif isinstance(part, list):
        for each in part:
            yield from _marks(each)


def main() -> int:
    """Do what the command line says."""
    if sys.argv[1:] == ["--write"]:
        DOCUMENT.write_text(render(), encoding="utf-8")
    made = document()
    operations = [each for path in made["paths"].values() for each in path.values()]
    stale = not DOCUMENT.exists() or json.loads(DOCUMENT.read_text(encoding="utf-8")) != made
    print(  # noqa: T201
        f"operations {len(operations)}, paths {len(made['paths'])}, schemas {len(made['components']['schemas'])}, "
        f"marks x-unverified {len(list(_marks(made)))}{', the file is stale' if stale else ''}"
    )
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
