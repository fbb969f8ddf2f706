"""A worker process that is stopped (SIGSTOP) past its lease, wakes up, and sends nothing more."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from typing import Any

import pytest

from welkin_async import bulk
from welkin_async.sandbox import Sandbox
from welkin_async.shared import Coordination

from .pace_runs import settings, start, told
from .servers import until

pytestmark = pytest.mark.slow
CDT, ROWS = "medication", 40


@pytest.mark.parametrize("url", ["sqlite", "postgres"], indirect=True)
async def test_a_stopped_worker_that_wakes_up_doubles_nothing(
    server: Sandbox, connect: Any, url: str, share: Callable[..., Coordination]
) -> None:
    lease = 3.0
    server.latency = 0.02
    ledger = share(lease).ledger
    await ledger.open_run("run", "file")
    patients = server.store.add_patients(4)
    options = {
        "settings": settings(server, url, timeout=3.0),
        "patients": patients,
        "rows": ROWS,
        "lease": lease,
    }
    worker = start("chunk", options)
    moment = random.Random(url[:6]).randrange(5, 120)
    await until(lambda: len(server.store.cdt_records(CDT)) >= moment, 30.0)
    worker.send_signal(signal.SIGSTOP)
    rows = [
        bulk.CdtRow(patient, {"medication_name": f"Medication {number}"}, key=f"{patient}/{number}")
        for patient in patients
        for number in range(ROWS)
    ]
    async with connect(server, timeout=3.0, check="off") as session:
        report = await bulk.import_chunk(
            session, CDT, "c1", rows, run="run", ledger=ledger, settle=1.0, final_settle=0.3, concurrency=8
        )
        worker.send_signal(signal.SIGCONT)
        assert await told(worker) == {"error": "LeaseLostError"}
        assert (report.created, report.takeovers) == (4 * ROWS, 1)
        finished = await bulk.finish_import(session, CDT, "run", ledger)
    held = [record["jsonBody"]["external_id"] for record in server.store.cdt_records(CDT)]
    assert len(held) == len(set(held)) == 4 * ROWS
    assert finished.complete
