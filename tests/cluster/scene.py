"""One import on a Ray cluster of two nodes, with trouble, and what the server holds in the end.

``python -m tests.cluster.scene JSON``, begun by `alone` in namespaces of its own; prints what came of it as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs

from welkin_async import Welkin
from welkin_async.bulk import ChunkReport
from welkin_async.files import WorkersFailedError
from welkin_async.files.api import process_job
from welkin_async.integrations.ray import RayImport
from welkin_async.sandbox import Fault, FaultKind, SandboxProcess
from welkin_async.shared import new_key

from .nodes import HEAD, OTHER, Nodes, RedisStore, environment, loopback_up

CDT, NAME = "medication", "Medication"
BEFORE = 600  # rows that the command imports, and ten of a file with rows that are refused
CPUS = 2  # of each node: so many workers it has
FAULTS = [
    Fault(kind, operation="cdts.create", times=None, probability=share, **more)
    for kind, share, more in (
        (FaultKind.RESET_AFTER, 0.020, {}),
        (FaultKind.RESET_BEFORE, 0.010, {}),
        (FaultKind.RESET_LATE, 0.005, {"delay": 1.0}),
        (FaultKind.TRUNCATED, 0.010, {}),
        (FaultKind.STATUS, 0.005, {"status": 504, "work_done": True}),
    )
]


@attrs.frozen(kw_only=True)
class Scene:
    """What is imported, and what goes wrong.

    Attributes:
        rows: How many rows, in a CSV, an NDJSON and a Parquet file together.
        patients: Of how many patients.
        chunk: How many rows a chunk is to have.
        faults: Whether five creates of a hundred meet a fault.
        kill_worker: The share of the rows that are there when a worker is killed; None for no such trouble.
        kill_node: The same for a node.
        stops: How many workers are stopped past their lease and continued.
        store_away: Seconds for which the store is killed in between; 0 for none.
        store_silent: Seconds for which the store is stopped in between, and goes on as if nothing was; 0 for none.
        store: ``sqlite`` or ``redis``.
        rate: Requests per second that the server allows.
        latency: Seconds it takes for an answer.
        lease: Seconds that a lease lasts.
        command: Whether the command imports other rows before, in a process of its own, and after it the program of
            docs/clusters.md the same.
        seed: Which moments.
    """

    rows: int = 5000
    patients: int = 100
    chunk: int = 250
    faults: bool = False
    kill_worker: float | None = None
    kill_node: float | None = None
    stops: int = 0
    store_away: float = 0.0
    store_silent: float = 0.0
    store: str = "sqlite"
    rate: float | None = None
    latency: float = 0.01
    lease: float = 3.0
    command: bool = False
    seed: int = 1


def write_files(folder: Path, patients: Sequence[str], rows: int, name: str = NAME) -> list[Path]:
    """Write the rows, in their order, into files of three formats."""
    pa, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")

    every = [
        {"patient": patients[number * len(patients) // rows], "medication_name": f"{name} {number}"}
        for number in range(rows)
    ]
    parts = [every[start::3] for start in range(3)]
    paths = [folder / f"{name}.{ending}" for ending in ("csv", "ndjson", "parquet")]
    with paths[0].open("w", newline="") as out:
        writer = csv.DictWriter(out, ["patient", "medication_name"])
        writer.writeheader()
        writer.writerows(parts[0])
    paths[1].write_text("".join(f"{json.dumps(row)}\n" for row in parts[1]))
    parquet.write_table(pa.Table.from_pylist(parts[2]), paths[2])
    return paths


class Trouble:
    """What goes wrong, while the import goes on.

    Attributes:
        done: How often each trouble was made.
    """

    def __init__(self, scene: Scene, server: SandboxProcess, nodes: Nodes, store: RedisStore | None) -> None:
        self._scene = scene
        self._server = server
        self._nodes = nodes
        self._store = store
        self._before = BEFORE if scene.command else 0
        self._random = random.Random(scene.seed)
        self.done: Counter[str] = Counter()

    async def make(self) -> None:
        """Make all trouble there is to be."""
        async with asyncio.TaskGroup() as group:
            for trouble in (self._kill_worker, self._kill_node, self._stop_workers, self._kill_store, self._stop_store):
                group.create_task(trouble())

    async def _kill_worker(self) -> None:
        if self._scene.kill_worker is not None:
            await self._reached(self._scene.kill_worker)
            os.kill(self._nodes.workers(HEAD)[0], signal.SIGKILL)
            self.done["worker killed"] += 1

    async def _kill_node(self) -> None:
        if self._scene.kill_node is not None:
            await self._reached(self._scene.kill_node)
            assert self._nodes.workers(OTHER)
            assert self._nodes.kill(OTHER) > CPUS
            self.done["node killed"] += 1

    async def _stop_workers(self) -> None:
        scene, stopped = self._scene, set[int]()
        for number in range(scene.stops):
            # The last moment of all is well before the last row, so that every worker has work.
            await self._reached(0.9 * (number + self._random.random()) / scene.stops)
            pid = self._random.choice([pid for pid in self._nodes.workers() if pid not in stopped])
            os.kill(pid, signal.SIGSTOP)
            stopped.add(pid)
            await asyncio.sleep(scene.lease * self._random.uniform(1.5, 2.0))
            os.kill(pid, signal.SIGCONT)
            stopped.discard(pid)
            self.done["worker stopped"] += 1

    async def _kill_store(self) -> None:
        if self._scene.store_away and self._store is not None:
            await self._reached(0.3)
            self._store.kill()
            await asyncio.sleep(self._scene.store_away)
            await asyncio.to_thread(self._store.start)
            self.done["store killed"] += 1

    async def _stop_store(self) -> None:
        if self._scene.store_silent and self._store is not None:
            await self._reached(0.3)
            self._store.stop()
            await asyncio.sleep(self._scene.store_silent)
            self._store.go_on()
            self.done["store stopped"] += 1

    async def _reached(self, share: float) -> None:
        while (await self._server.records(CDT))["total"] - self._before < share * self._scene.rows:
            await asyncio.sleep(0.05)


@attrs.frozen
class Import:
    """What came of the import, as it is told.

    Attributes:
        report: The merged counts.
        error: What failed; empty for nothing.
        progress: How many rows were done whenever a chunk was.
        restarts: How many workers took the place of one that died.
        given_elsewhere: How many chunks went to another worker because the first fell silent.
    """

    report: dict[str, Any]
    error: str = ""
    progress: Sequence[int] = ()
    restarts: int = 0
    given_elsewhere: int = 0


async def import_here(scene: Scene, server: SandboxProcess, nodes: Nodes, paths: Sequence[Path], url: str) -> Import:
    """Import with this process as the driver."""
    ray = import_module("ray")
    os.environ |= environment()
    ray.init(address=nodes.address, _node_ip_address=HEAD, log_to_driver=False, logging_level="ERROR")
    names = ("tenant", "instance", "api_client", "secret_key", "base_url")
    settings = Welkin(
        **{name: getattr(server, name) for name in names}, timeout=2.0, max_wait=None, rate=scene.rate
    ).settings
    # Faults land up to a second late: what settles waits for longer.
    settle = 2.5 if scene.faults else 0.5
    options = {"settle": settle, "final_settle": settle, "concurrency": 8}
    seen: list[ChunkReport] = []
    running = RayImport(
        [process_job(path, CDT, "patient", {**options}) for path in paths],
        settings=settings,
        shared=url,
        workers=2 * CPUS,
        rows=scene.chunk,
        lease=scene.lease,
        on_progress=seen.append,
    )
    try:
        report, error = await running.run(), ""
    except WorkersFailedError as failed:
        report, error = failed.report, str(failed)
    ray.shutdown()
    progress = [each.rows for each in seen]
    return Import(report.to_dict(), error, progress, running.restarts, running.given_elsewhere)


async def import_by_command(variables: dict[str, str], nodes: Nodes, paths: Sequence[Path]) -> dict[str, Any]:
    """Import with the command, and once more with the program of docs/clusters.md, which finds all done."""

    async def run(*command: str, code: int = 0) -> str:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, *command],
            env={**environment(), **variables, "RAY_ADDRESS": nodes.address},
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    command = ["import", *map(str, paths), "--cdt", CDT, "--patient-column", "patient", "--ray", nodes.address]
    command += ["--processes", "3", "--settle", "0.5", "--final-settle", "0.5", "--json"]
    told = await run("-m", "welkin_async.cli", *command)
    page = Path(__file__).parents[2].joinpath("docs", "clusters.md").read_text(encoding="utf-8")
    program = re.search(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    assert program is not None
    shown = '["medications.csv", "more.parquet"]'
    assert shown in program[1]
    printed = await run("-c", program[1].replace(shown, repr(list(map(str, paths)))))
    return {"command": json.loads(told), "page": printed, "refused": await refused_by_command(run, paths[0], nodes)}


async def refused_by_command(
    run: Callable[..., Awaitable[str]], file: Path, nodes: Nodes
) -> list[tuple[str, str, str]]:
    """Import a file by the command that has rows which cannot be sent; return what its reject file holds."""
    bad = file.with_name("Refused.csv")
    patient = file.read_text().splitlines()[1].split(",")[0]
    rows = [f"{patient},Refused {number},{'many' if number % 3 else number}" for number in range(30)]
    bad.write_text("\n".join(["patient,medication_name,medication_refills", *rows, ""]))
    command = ["import", str(bad), "--cdt", CDT, "--patient-column", "patient", "--ray", nodes.address]
    command += ["--processes", "2", "--settle", "0.5", "--final-settle", "0.5", "--json"]
    page = file.with_name("Refused.html")
    told = json.loads(await run("-m", "welkin_async.cli", *command, "--report", str(page), code=1))
    assert '<td>rejected</td><td class="n">20</td>' in page.read_text()
    (path,) = told["files"]["rejects"]
    with open(path, newline="") as out:
        return [(row["_line"], row["medication_name"], row["_status"]) for row in csv.DictReader(out)]


async def play(scene: Scene) -> dict[str, Any]:
    """Import, make trouble, and count."""
    with contextlib.ExitStack() as held:
        made = tempfile.TemporaryDirectory(prefix="r", dir="/tmp", ignore_cleanup_errors=True)
        folder = Path(held.enter_context(made))
        (folder / "n").mkdir()
        nodes = Nodes(folder / "n", CPUS)
        store: RedisStore | None = None
        url = f"sqlite:///{folder}/ledger.db"
        if scene.store == "redis":
            (folder / "redis").mkdir()
            store = RedisStore(folder / "redis")
            store.start()
            held.callback(store.kill)
            url = store.url
        async with SandboxProcess(rate=scene.rate, latency=scene.latency) as server:
            variables = {**server.environ(), "WELKIN_SHARED": url, "WELKIN_SHARED_KEY": new_key()}
            began = time.monotonic()
            await asyncio.to_thread(nodes.start, variables if scene.command else {})
            up = time.monotonic() - began
            paths = write_files(folder, await server.add_patients(scene.patients), scene.rows)
            if scene.faults:
                await server.add_fault(*FAULTS)
            before: dict[str, Any] = {}
            if scene.command:
                first = write_files(folder, await server.add_patients(30), BEFORE, "Before")
                before = await import_by_command(variables, nodes, first)
                before["creates"] = (await server.stats())["operations"]["cdts.create"]
                before["tokens"] = (await server.stats())["operations"]["auth.create_token"]
            answered: list[tuple[float, int]] = []
            counting = asyncio.create_task(_count(server, answered))
            trouble = Trouble(scene, server, nodes, store)
            making = asyncio.create_task(trouble.make())
            began = time.monotonic()
            os.environ |= variables
            told = await import_here(scene, server, nodes, paths, url)
            seconds = time.monotonic() - began
            making.cancel()
            counting.cancel()
            (ending,) = await asyncio.gather(making, return_exceptions=True)
            await server.settle()
            there = await server.records(CDT, full=True)
            stats = await server.stats()
            faults = sum(each["met"] for each in await server.faults())
        every = Counter(each["jsonBody"]["medication_name"] for each in there["records"])
        names = Counter({name: count for name, count in every.items() if name.startswith(NAME)})
        return {
            **attrs.asdict(told),
            "trouble": dict(trouble.done),
            "trouble_error": repr(ending) if isinstance(ending, BaseException) else "",
            "rows": scene.rows,
            "before": before,
            "held": names.total(),
            "lost": sum(f"{NAME} {number}" not in names for number in range(scene.rows)),
            "doubled": sum(count - 1 for count in names.values()),
            "tokens": stats["operations"].get("auth.create_token", 0),
            "creates": stats["operations"].get("cdts.create", 0),
            "lists": stats["operations"].get("cdts.list", 0),
            "faults": faults,
            "used": None if scene.rate is None else round(_used(there["records"], answered, scene.rate), 3),
            "by_second": _by_second(there["records"]),
            "nodes_up": round(up, 1),
            "seconds": round(seconds, 1),
        }


def _by_second(records: Sequence[dict[str, Any]]) -> list[int]:
    """How many were created in each second, from the first one on."""
    made = [datetime.fromisoformat(each["jsonBody"]["created_at"]).timestamp() for each in records]
    counted = Counter(int(at - min(made)) for at in made)
    return [counted[second] for second in range(max(counted) + 1)]


async def _count(server: SandboxProcess, answered: list[tuple[float, int]]) -> None:
    """Note, now and then, how many requests were answered that were not refused for the rate."""
    while True:
        statuses = (await server.stats())["statuses"]
        answered.append((time.time(), sum(statuses.values()) - statuses.get("429", 0)))
        await asyncio.sleep(0.25)


def _used(records: Sequence[dict[str, Any]], answered: Sequence[tuple[float, int]], rate: float) -> float:
    """The share of a rate that was used, by creates and lists, while there was work for all.

    That is from the first create until nineteen twentieths of the rows are there: then some workers have nothing left.
    """
    made = sorted(datetime.fromisoformat(each["jsonBody"]["created_at"]).timestamp() for each in records)
    begin, end = made[0], made[len(made) * 19 // 20]
    counted = [(at, count) for at, count in answered if begin <= at <= end]
    (first, before), (last, after) = counted[0], counted[-1]
    return (after - before) / (last - first) / rate


def main() -> None:
    """Play a scene by the command line's JSON."""
    loopback_up()
    figures = asyncio.run(play(Scene(**json.loads(sys.argv[1]))))
    sys.stdout.write(f"{json.dumps(figures)}\n")


if __name__ == "__main__":
    main()
