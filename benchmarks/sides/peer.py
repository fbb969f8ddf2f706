"""The sync peer, `welkin` from PyPI: serially, and in threads with a client each."""

from __future__ import annotations

import importlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks import payloads
from benchmarks.sides.work import Job, measured_sync

__all__ = ["create", "create_single", "get", "walk"]

_THREADS = 32


def _client(job: Job) -> Any:
    """Return a client of the peer; it keeps its token in a file, and its host is an attribute."""
    client = importlib.import_module("welkin").Client(
        tenant=payloads.TENANT,
        instance=payloads.INSTANCE,
        api_client=payloads.API_CLIENT,
        secret_key=payloads.SECRET,
    )
    client.host = f"{job.base_url}/{payloads.TENANT}/"
    client.trust_env = False
    return client


def _run(job: Job, one: Callable[[Any, Any], int], items: Callable[[int], Iterator[Any]]) -> dict[str, Any]:
    """Do the work with one client, or with one for each thread over one iterator."""
    with tempfile.TemporaryDirectory() as directory:
        authentication: Any = importlib.import_module("welkin.authentication")
        authentication.DB_PATH = os.path.join(directory, "tokens")
        authentication.DB_LOCK = authentication.DB_PATH + ".lock"
        client = _client(job)
        if job.side != "peer-threads":
            return measured_sync(job, lambda count: sum(one(client, item) for item in items(count)))
        lock = threading.Lock()

        def worker(todo: Iterator[Any]) -> int:
            done = 0
            while True:
                with lock:
                    item = next(todo, None)
                if item is None:
                    return done
                done += one(client, item)

        with ThreadPoolExecutor(_THREADS) as pool:

            def work(count: int) -> int:
                todo = items(count)
                return sum(pool.map(worker, [todo] * _THREADS))

            return measured_sync(job, work)


def _create_one(client: Any, row: tuple[str, dict[str, Any]]) -> int:
    record = client.CDT(cdtName=payloads.CDT, **row[1]).create(patient_id=row[0])
    return int(record["id"] is not None)


def create(job: Job) -> dict[str, Any]:
    """Create records."""
    return _run(job, _create_one, lambda count: payloads.rows(job.patients, count))


create_single = create


def _get_one(client: Any, number: int) -> int:
    return int(client.Patient(id=payloads.patient_id(number)).get()["firstName"] == "Charlie")


def get(job: Job) -> dict[str, Any]:
    """Read patients one by one."""
    return _run(job, _get_one, lambda count: iter(range(count)))


def walk(job: Job) -> dict[str, Any]:
    """Walk a list and look at two fields of each record."""

    def one(client: Any, count: int) -> int:
        seen = 0
        walked = client.CDTs().get(payloads.patient_id(0), payloads.CDT, paginate=True, size=job.size)
        for record in walked:
            seen += record["id"] is not None and record["version"] == 1
            if seen >= count:
                break
        return seen

    return _run(job, one, lambda count: iter((count,)))
