"""requests in 32 threads over one iterator, with a session for each thread."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks import payloads
from benchmarks.sides.work import Job, measured_sync

__all__ = ["create", "create_single", "get", "walk"]

_THREADS = 32


def _session(job: Job) -> Any:
    session: Any = importlib.import_module("requests").Session()
    session.trust_env = False
    path = f"{job.base_url}/{payloads.TENANT}/admin/api_clients/{payloads.API_CLIENT}"
    token = session.post(path, json={"secret": payloads.SECRET}, timeout=30).json()["token"]
    session.headers["Authorization"] = f"Bearer {token}"
    return session


def _run(job: Job, one: Callable[[Any, Any], int], items: Callable[[int], Iterator[Any]]) -> dict[str, Any]:
    lock = threading.Lock()
    sessions = [_session(job) for _ in range(_THREADS)]

    def worker(session: Any, todo: Iterator[Any]) -> int:
        done = 0
        while True:
            with lock:
                item = next(todo, None)
            if item is None:
                return done
            done += one(session, item)

    with ThreadPoolExecutor(_THREADS) as pool:

        def work(count: int) -> int:
            todo = items(count)
            return sum(pool.map(lambda session: worker(session, todo), sessions))

        return measured_sync(job, work)


def create(job: Job) -> dict[str, Any]:
    """Create records."""

    def one(session: Any, row: tuple[str, dict[str, Any]]) -> int:
        response = session.post(job.base_url + payloads.cdt_path(row[0]), json=row[1], timeout=30)
        response.raise_for_status()
        return int(response.json()["id"] is not None)

    return _run(job, one, lambda count: payloads.rows(job.patients, count))


create_single = create


def get(job: Job) -> dict[str, Any]:
    """Read patients one by one."""
    prefix = f"{job.base_url}/{payloads.TENANT}/{payloads.INSTANCE}/patients/"

    def one(session: Any, number: int) -> int:
        response = session.get(prefix + payloads.patient_id(number), timeout=30)
        response.raise_for_status()
        return int(response.json()["firstName"] == "Charlie")

    return _run(job, one, lambda count: iter(range(count)))


def walk(job: Job) -> dict[str, Any]:
    """Walk a list page by page, in one thread: which page is the last is known only when it is there."""
    session = _session(job)
    url = job.base_url + payloads.cdt_path(payloads.patient_id(0))

    def work(count: int) -> int:
        seen = number = 0
        last = False
        while not last and seen < count:
            response = session.get(url, params={"page": number, "size": job.size}, timeout=30)
            response.raise_for_status()
            page = response.json()["data"]
            for record in page["content"]:
                seen += record["id"] is not None and record["version"] == 1
            last, number = page["last"], number + 1
        return seen

    return measured_sync(job, work)
