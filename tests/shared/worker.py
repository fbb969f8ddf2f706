"""A process that uses a server together with others: ``python -m tests.shared.worker MODE OPTIONS``, in JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any


async def token(welkin: Any, options: Any) -> Any:
    """Make one call."""
    await welkin.patients.get(options["patient"])
    return welkin.stats.tokens_requested


async def create(welkin: Any, options: Any) -> Any:
    """Make many creates, 32 at once."""
    left = iter(range(options["rows"]))
    name = options.get("name", "")
    began = time.time()
    dry: list[float] = []  # when a worker found no row left

    async def work() -> None:
        for number in left:
            await welkin.patient(options["patient"]).cdts("medication").create({"medication_name": f"{name}{number}"})
        dry.append(time.time())

    await asyncio.gather(*(work() for _ in range(32)))
    stats = welkin.stats
    return {"began": began, "dry": dry[0], "accepted": stats.accepted, "refused": stats.refused}


async def chunk(welkin: Any, options: Any) -> Any:
    """Import a chunk of rows."""
    from welkin_async import WelkinError, bulk
    from welkin_async.shared import coordination

    shared = coordination(welkin.settings.shared, options["lease"])
    rows = [
        bulk.CdtRow(patient, {"medication_name": f"Medication {number}"}, key=f"{patient}/{number}")
        for patient in options["patients"]
        for number in range(options["rows"])
    ]
    try:
        report = await bulk.import_chunk(
            welkin, "medication", "c1", rows, run="run", ledger=shared.ledger, settle=1.0, concurrency=8
        )
        return report.to_dict()
    except WelkinError as error:
        return {"error": type(error).__name__}
    finally:
        await shared.aclose()


async def main(mode: str, options: Any) -> None:
    from welkin_async import Welkin

    async with Welkin(max_wait=None, check="off", **options["settings"]) as welkin:
        sys.stdout.write(json.dumps(await {"token": token, "create": create, "chunk": chunk}[mode](welkin, options)))


if __name__ == "__main__":
    given = json.loads(sys.argv[2])
    if skew := given.get("skew"):
        true_time = time.time
        time.time = lambda: true_time() + skew
    asyncio.run(main(sys.argv[1], given))
