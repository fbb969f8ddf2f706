"""What the tests of this folder share."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from typing import Any

from welkin_async import Welkin, bulk
from welkin_async.sandbox import Sandbox

CDT = "medication"
FAST: dict[str, Any] = {"concurrency": 32, "key_field": "external_id", "settle": 0.3, "final_settle": 0.6}


def connect(server: Sandbox, **settings: Any) -> Welkin:
    return Welkin(
        tenant=server.tenant,
        instance=server.instance,
        api_client=server.api_client,
        secret_key=server.secret_key,
        base_url=server.base_url,
        **settings,
    )


def rows_for(server: Sandbox, count: int, patients: int = 10) -> list[bulk.CdtRow]:
    ids = server.store.add_patients(patients)
    return [
        bulk.CdtRow(ids[number % patients], {"medication_name": f"Medication {number}"}, key=f"row-{number}")
        for number in range(count)
    ]


def keys_held(server: Sandbox) -> list[str]:
    """The keys on the server, each as often as it is there."""
    return sorted(str(record["jsonBody"]["external_id"]) for record in server.store.cdt_records(CDT))


def keys_of(rows: list[bulk.CdtRow]) -> list[str]:
    return sorted(str(row.key) for row in rows)


def forget(journal: Path, position: int) -> None:
    """Leave a journal as a kill does between a row's landing and the note of it."""
    with contextlib.closing(sqlite3.connect(journal)) as opened:
        opened.execute("DELETE FROM created")
        if position:
            opened.execute("INSERT INTO created VALUES (0, ?)", (position,))
        opened.commit()


async def outage_after(server: Sandbox, creates: int, seconds: float) -> None:
    """Begin an outage in the middle of an import, however fast it is."""
    while server.stats.performed["cdts.create"] < creates:
        await asyncio.sleep(0.001)
    server.outage(seconds)
