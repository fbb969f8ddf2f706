"""The examples of docs/clusters.md that run here: a file imported by Dask and by Celery, whose workers are killed."""

from __future__ import annotations

import asyncio
import csv
import os
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from welkin_async.sandbox import Sandbox

from .nodes import RedisStore, running
from .test_ray import missing

PROJECT = Path(__file__).parents[2]
ROWS, REFUSED = 3000, 7

pytestmark = pytest.mark.slow


@pytest.fixture
def file(server: Sandbox, tmp_path: Path) -> Path:
    path = tmp_path / "medications.csv"
    patients = server.store.add_patients(30)
    with path.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["patient", "medication_name", "medication_refills"])
        writer.writerows([patients[number * 30 // ROWS], f"Medication {number}", number] for number in range(ROWS))
        writer.writerows([[patients[29], f"Refused {number}", "many"] for number in range(REFUSED)])
    return path


def refused(file: Path) -> list[str]:
    """The names in the reject file, in its order; nothing else is left beside the input."""
    beside = {path.name for path in file.parent.glob("medications*")}
    assert beside == {"medications.csv", "medications.csv.rejects.csv"}
    with file.with_name("medications.csv.rejects.csv").open(newline="") as rows:
        return [row["medication_name"] for row in csv.DictReader(rows)]


def variables(server: Sandbox, folder: Path) -> dict[str, str]:
    """Of a process that has its session and its store from them; it may warn, as what it imports is not ours."""
    store = {"WELKIN_SHARED": f"sqlite:///{folder}/ledger.db", "PYTHONPATH": str(PROJECT), "PYTHONWARNINGS": "default"}
    return {**os.environ, **server.environ(), **store}


async def run(environment: dict[str, str], *command: str) -> str:
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, *command], cwd=PROJECT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def names(server: Sandbox) -> list[str]:
    return sorted(record["jsonBody"]["medication_name"] for record in server.store.cdt_records("medication"))


ALL = sorted(f"Medication {number}" for number in range(ROWS))


async def test_dask_workers_import_a_file(server: Sandbox, tmp_path: Path, file: Path) -> None:
    if find_spec("distributed") is None:
        missing("dask is not installed")
    told = await run(variables(server, tmp_path), "examples/dask_import.py", str(file))
    assert told.splitlines()[-1] == f"{ROWS} created, {REFUSED} refused, complete: False"
    assert told.count("500 rows") >= 5
    assert names(server) == ALL
    assert refused(file) == [f"Refused {number}" for number in range(REFUSED)]


async def test_a_chunk_of_a_celery_worker_that_is_killed_goes_to_another(
    server: Sandbox, tmp_path: Path, file: Path
) -> None:
    if find_spec("celery") is None or shutil.which("redis-server") is None:
        missing("celery or redis-server is not installed")
    server.latency = 0.02
    broker = RedisStore(tmp_path)
    broker.start()
    environment = {**variables(server, tmp_path), "CELERY_BROKER": broker.url}
    environment["PYTHONPATH"] = os.pathsep.join((str(PROJECT), str(tmp_path)))
    # What waits for a lease, for what the killed worker had sent and for what may land late waits less here.
    example = (PROJECT / "examples" / "celery_import.py").read_text(encoding="utf-8")
    for shown, quick in (
        ('coordination(os.environ["WELKIN_SHARED"])', 'coordination(os.environ["WELKIN_SHARED"], 3.0)'),
        ('Welkin(check="off")', 'Welkin(check="off", timeout=1.0)'),
        ('{"settle": 1.0}', '{"settle": 0.2, "final_settle": 0.3, "concurrency": 16}'),
    ):
        assert shown in example
        example = example.replace(shown, quick)
    (tmp_path / "quick_import.py").write_text(example, encoding="utf-8")
    application = ("-m", "celery", "--app", "quick_import")
    options = ("worker", "--concurrency", "2", "--hostname", f"{tmp_path.name}@%h", "--loglevel", "ERROR")
    workers = subprocess.Popen(
        [sys.executable, *application, *options], cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL
    )
    try:
        importing = asyncio.create_task(run(environment, "-m", "quick_import", str(file)))
        while len(names(server)) < 300 and not importing.done():
            await asyncio.sleep(0.02)
        os.kill(children(workers.pid)[0], signal.SIGKILL)
        async with asyncio.timeout(100.0):
            told = await importing
    finally:
        workers.terminate()
        await asyncio.to_thread(workers.wait)
        broker.kill()
    assert told.splitlines()[-1] == f"{ROWS} created, {REFUSED} refused, complete: False"
    assert names(server) == ALL
    assert refused(file) == [f"Refused {number}" for number in range(REFUSED)]


def children(pid: int) -> list[int]:
    parents = {each: Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()[1] for each in running(b"")}
    return [each for each, parent in parents.items() if parent == str(pid)]
