"""A running service for the tests: real uvicorn with several workers, and a load on it."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import attrs
from shared.servers import free_port, until

from welkin_async.sandbox import SandboxProcess

PROJECT = Path(__file__).parents[2]
_START = 60.0  # seconds: each worker imports FastAPI and an SDK, on a machine that may be busy


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve an application by uvicorn on this event loop, and ask it by a client.

    Args:
        app: The application.
    """
    import uvicorn

    running = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, ws="none", access_log=False))
    serving = asyncio.create_task(running._serve())  # `serve` would take the signals of the test run
    while not running.started:
        assert not serving.done()
        await asyncio.sleep(0.01)
    port = running.servers[0].sockets[0].getsockname()[1]
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        yield session
    running.should_exit = True
    await serving


class RunningService:
    """The example under uvicorn, as its documentation starts it; with what it tells in files.

    Args:
        server: The Welkin server it uses.
        folder: Where it tells.
        workers: How many processes serve.
        variables: More of its environment.

    Attributes:
        base_url: Where it serves.
    """

    def __init__(self, server: SandboxProcess, folder: Path, *, workers: int, variables: dict[str, str]) -> None:
        self._folder = folder
        self._workers = workers
        port = free_port()
        self.base_url = f"http://127.0.0.1:{port}"
        self._command = [
            *(sys.executable, "-m", "uvicorn", "--port", str(port), "--no-access-log", "--app-dir", "examples"),
            *("--workers", str(workers), "--timeout-graceful-shutdown", "5", "tests.service.observed_app:app"),
        ]
        self._environment = {
            **os.environ,
            **server.environ(),
            **variables,
            "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'examples'}",
            "SERVICE_TOLD": str(folder),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pids(self) -> set[int]:
        """The process ids of all workers there ever were."""
        return {int(path.name.partition("-")[2]) for path in self._folder.glob("worker-*")}

    def told(self) -> str:
        """All that it has told: output, log lines, spans and metrics."""
        return "\n".join(path.read_text(encoding="utf-8") for path in sorted(self._folder.iterdir()))

    async def __aenter__(self) -> Self:
        with (self._folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                self._command, cwd=PROJECT, env=self._environment, stdout=output, stderr=subprocess.STDOUT
            )
        try:
            await until(lambda: len(self.pids) == self._workers, _START)
            async with aiohttp.ClientSession(self.base_url) as session:
                await self._answers(session)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop()

    async def _answers(self, session: aiohttp.ClientSession) -> None:
        async with asyncio.timeout(_START):
            while True:
                try:
                    async with session.get("/ready") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)

    async def _stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            await asyncio.to_thread(self._process.wait, 20.0)
        except subprocess.TimeoutExpired:
            for pid in self.pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            self._process.kill()
            self._process.wait()

    async def kill_a_worker(self) -> None:
        """Kill the worker that has done most, and wait until another has taken its place."""
        before = self.pids
        running = [pid for pid in before if Path(f"/proc/{pid}").exists()]
        victim = max(running, key=lambda pid: (self._folder / f"spans-{pid}").stat().st_size)
        os.kill(victim, signal.SIGKILL)
        await until(lambda: self.pids > before, _START)


@attrs.define
class Load:
    """What came of a load.

    Attributes:
        statuses: Answers, by status.
        broken: Requests whose connection broke.
        odd: Answers that are not as documented: status and body.
        names: Names of medications that were answered with 201.
        records: Ids of their records.
    """

    statuses: Counter[int] = attrs.field(factory=Counter)
    broken: int = 0
    odd: list[tuple[int, str]] = attrs.field(factory=list)
    names: list[str] = attrs.field(factory=list)
    records: list[str] = attrs.field(factory=list)


async def load(base_url: str, patients: list[str], *, concurrency: int, seconds: float) -> Load:
    """Ask for patients and record medications, so many at once; whoever is told to come again does.

    Args:
        base_url: Of the service.
        patients: Their ids.
        concurrency: How many callers.
        seconds: For how long.
    """
    result = Load()
    ends = time.monotonic() + seconds
    choice = random.Random(0)

    async def one(session: aiohttp.ClientSession, caller: int, number: int) -> float:
        patient = choice.choice(patients)
        if (caller + number) % 5:
            method, path, body = "GET", f"/patients/{patient}", None
        else:
            method, path = "POST", f"/patients/{patient}/medications"
            body = {"name": f"Medication {caller}x{number}"}
        async with session.request(method, path, json=body) as answer:
            told: Any = await answer.json()
            result.statuses[answer.status] += 1
            if answer.status == 201:
                result.names.append(told["jsonBody"]["medication_name"])
                result.records.append(told["id"])
                if body != {"name": result.names[-1]}:
                    result.odd.append((answer.status, str(told)))
            elif answer.status == 200:
                if told["id"] != patient:
                    result.odd.append((answer.status, str(told)))
            elif answer.status == 503 and told["error"] == "try_again" and told["safe_to_repeat"]:
                return float(answer.headers["Retry-After"])
            else:
                result.odd.append((answer.status, str(told)))
        return 0.0

    async def call(session: aiohttp.ClientSession, caller: int) -> None:
        number = 0
        while time.monotonic() < ends:
            number += 1
            try:
                wait = await one(session, caller, number)
            except (aiohttp.ClientError, OSError):
                result.broken += 1
                wait = 0.1
            await asyncio.sleep(min(wait, max(0.0, ends - time.monotonic())))

    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=60.0)
    async with aiohttp.ClientSession(base_url, connector=connector, timeout=timeout) as session:
        await asyncio.gather(*(call(session, caller) for caller in range(concurrency)))
    return result
