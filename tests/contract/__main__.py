"""``python -m tests.contract`` checks every operation and counts; ``--write`` writes docs/coverage.md."""

from __future__ import annotations

import asyncio
import sys

from welkin_async.http import transport

from .calls import CALLS, NOT_COVERED
from .catalogue import endpoints
from .checking import check
from .coverage import COVERAGE, render
from .recorder import recording


async def run() -> int:
    """Check every operation that has a method and print what was found; return how many differ."""
    setattr(transport, "backoff", lambda failures: 0.0)  # noqa: B010 - what is repeated is repeated at once
    mismatches = 0
    async with recording() as (recorder, welkin):
        for name, endpoint in endpoints().items():
            if name not in CALLS:
                continue
            for difference in await check(recorder, welkin, endpoint):
                mismatches += 1
                print(f"{name}: {difference}")  # noqa: T201
    covered = sum(1 for name in endpoints() if name in CALLS)
    print(f"operations covered {covered} of {len(endpoints())}, mismatches {mismatches}")  # noqa: T201
    for name, reason in NOT_COVERED.items():
        print(f"  not covered: {name}: {reason}")  # noqa: T201
    return mismatches


def main() -> int:
    """Do what the command line says."""
    if sys.argv[1:] == ["--write"]:
        COVERAGE.write_text(render(), encoding="utf-8")
        print(f"written: {COVERAGE.name}")  # noqa: T201
        return 0
    return 1 if asyncio.run(run()) else 0


if __name__ == "__main__":
    sys.exit(main())
