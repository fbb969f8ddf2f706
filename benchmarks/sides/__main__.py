"""``python -m benchmarks.sides SIDE WORKLOAD JOB``: one measurement, printed as a line of JSON."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import sys

from benchmarks.server import run_loop
from benchmarks.sides import SIDES
from benchmarks.sides.work import Job


def main() -> int:
    """Do the workload and print what it took."""
    name, workload, given = sys.argv[1:4]
    side = SIDES[name]
    if not side.speed and side.module in ("by_hand", "sdk"):
        sys.modules["orjson"] = None  # type: ignore[assignment]  # as if it were not installed
    os.environ["WELKIN_ENGINE"] = side.engine
    job = Job(**json.loads(given), side=name, speed=side.speed)
    work = getattr(importlib.import_module(f"benchmarks.sides.{side.module}"), workload)
    result = (
        run_loop(lambda: work(job), uvloop=side.speed and not side.stock_loop)
        if inspect.iscoroutinefunction(work)
        else work(job)
    )
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
