"""The soak: an import that is killed again and again under faults, and what the server holds in the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

import attrs

from welkin_async import Welkin
from welkin_async.sandbox import SandboxProcess

from .medication_file import MAPS, MedicationFile
from .trouble import faults, weather

_ROOT = Path(__file__).parents[2]


@attrs.define(kw_only=True)
class Figures:
    """What came of it.

    Attributes:
        rows: Rows of the file.
        held: Records on the server.
        lost: Rows that are not there.
        doubled: Records beyond the first of a row.
        results: Rows in the results file.
        rejected: Rows in the reject file.
        kills: How often the import was killed.
        starts: How often it was started.
        seconds: How long all took.
        memory: Peak memory of an import, in MB.
        requests: Creates that reached the server.
        faults: How often a fault was met.
        summary: What the last run said.
    """

    rows: int
    held: int = 0
    lost: int = 0
    doubled: int = 0
    results: int = 0
    rejected: int = 0
    kills: int = 0
    starts: int = 0
    seconds: float = 0.0
    memory: float = 0.0
    requests: int = 0
    faults: int = 0
    summary: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Soak:
    """One soak.

    Attributes:
        rows: How many rows.
        kills: How often the import is killed.
        folder: Where its files go.
        patients: For how many patients.
        bad: The share of rows that cannot be imported as they are.
        seed: Which rows, faults and moments.
        timeout: Seconds the import waits for an answer; a stall takes twice as long.
        settle: Seconds; more than anything lands late.
        final_settle: Seconds.
        concurrency: Requests at once.
        calm: Seconds between outages.
        outage: Seconds an outage lasts.
        rate: Requests per second that the server allows.
        token_life: Seconds; an import asks for 20 tokens in five minutes at most.
        quiet: Whether nothing is said on the way.
    """

    rows: int
    kills: int
    folder: Path
    patients: int = 200
    bad: float = 0.0
    seed: int = 1
    timeout: float = 2.0
    settle: float = 5.0
    final_settle: float = 20.0
    concurrency: int = 32
    calm: float = 20.0
    outage: float = 3.0
    rate: float = 1000.0
    token_life: float = 60.0
    quiet: bool = True

    async def run(self) -> Figures:
        """Import under faults and kills, and count what is there."""
        began = time.monotonic()
        figures = Figures(rows=self.rows)
        async with SandboxProcess(token_life=self.token_life, rate=self.rate, seed=self.seed) as server:
            guids = await self._create_patients(server)
            made = MedicationFile(guids, self.rows, self.bad, self.seed)
            lines = made.write(self.folder / "soak.csv")
            await server.add_fault(*faults(2 * self.timeout))
            async with _weather(server, self.seed, self.calm, self.outage):
                await self._import(server, self.folder / "soak.csv", figures, self.kills)
                figures.rejected = self._count(self.folder / "soak.rejects.csv")
                if figures.rejected:
                    row_of_line = {line: row for row, line in enumerate(lines)}
                    mended = self.folder / "mended.csv"
                    made.mend(self.folder / "soak.rejects.csv", mended, row_of_line)
                    await self._import(server, mended, figures, min(self.kills, 1))
            # The server, whose memory is not meant, has not ended yet.
            figures.memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            await server.settle()
            await self._judge(server, figures)
        figures.results = self._count(self.folder / "soak.ndjson")
        figures.seconds = time.monotonic() - began
        return figures

    def _count(self, path: Path) -> int:
        if not path.exists():
            return 0
        with path.open(encoding="utf-8", errors="replace") as file:
            return sum(1 for _ in file) - (path.suffix == ".csv")

    async def _create_patients(self, server: SandboxProcess) -> list[str]:
        guids = [str(uuid5(NAMESPACE_DNS, f"{self.seed}/{number}")) for number in range(self.patients)]
        async with Welkin(
            tenant=server.tenant,
            instance=server.instance,
            api_client=server.api_client,
            secret_key=server.secret_key,
            base_url=server.base_url,
        ) as welkin:
            for guid in guids:
                await welkin.patients.create(first_name="A", last_name="Patient", external_guid=guid)
        return guids

    def _command(self, path: Path) -> list[str]:
        return [
            *(sys.executable, "-m", "welkin_async.cli", "import", str(path), "--cdt", "medication"),
            *("--patient-column", "PATIENT", "--patient-type", "EGUID", *MAPS),
            *("--timeout", str(self.timeout), "--settle", str(self.settle), "--final-settle", str(self.final_settle)),
            *("--concurrency", str(self.concurrency), "--json"),
            *("--results", str(path.with_suffix(".ndjson")), "--report", str(path.with_suffix(".html"))),
        ]

    async def _import(self, server: SandboxProcess, path: Path, figures: Figures, kills: int) -> None:
        """Run one command again and again, killing it as often as asked, until it says that all is done."""
        chance = random.Random(self.seed)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WELKIN_")}
        names = ("base_url", "tenant", "instance", "api_client", "secret_key")
        variables = {f"WELKIN_{name.upper()}": str(getattr(server, name)) for name in names}
        environment = {**kept, "PYTHONPATH": str(_ROOT), **variables}
        done_before, endings = await _created(server), 0
        moments = sorted(chance.random() for _ in range(kills))
        while endings < 5:
            figures.starts += 1
            with (
                (self.folder / "out.json").open("w+") as out,
                (self.folder / "err.txt").open("a") as err,
                subprocess.Popen(self._command(path), env=environment, stdout=out, stderr=err) as process,
            ):
                if moments:
                    share = moments.pop(0)
                    killed = await self._kill(server, process, chance, done_before + share * self.rows)
                    figures.kills += killed
                    self._tell(f"{'killed' if killed else 'ended'} at {await _created(server)} creates")
                    if killed:
                        continue
                while process.poll() is None:
                    await asyncio.sleep(0.05)
                endings += 1
                out.seek(0)
                text = out.read()
                self._tell(f"ended with {process.returncode}")
            if text.startswith("{"):
                figures.summary = json.loads(text)
                wanted = 1 if figures.summary["rejected"] else 0
                left = sum(figures.summary[name] for name in ("unknown", "failed", "unsent", "conflict"))
                if process.returncode == wanted and not left:
                    return
        raise RuntimeError(f"the import does not come to an end: {self.folder / 'err.txt'} says why")

    async def _kill(
        self, server: SandboxProcess, process: subprocess.Popen[bytes], chance: random.Random, after: float
    ) -> bool:
        """Kill a process after so many creates, or soon after its start; False where it has ended before."""
        soon = time.monotonic() + (chance.uniform(0.3, 3.0) if chance.random() < 0.25 else 3600.0)
        await asyncio.sleep(0.3)
        while await _created(server) < after and time.monotonic() < soon:
            if process.poll() is not None:
                return False
            await asyncio.sleep(0.02)
        await asyncio.sleep(chance.uniform(0.0, 0.3))
        if process.poll() is not None:
            return False
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        return True

    async def _judge(self, server: SandboxProcess, figures: Figures) -> None:
        """Ask the server, and tell rows apart by what they hold, not by their keys."""
        counted = await server.records("medication")
        rows: Counter[str] = Counter()
        for patient in counted["patients"]:
            held = await server.records("medication", full=True, patient=patient)
            rows.update(record["jsonBody"]["medication_notes"] for record in held["records"])
        figures.held = counted["total"]
        wanted = {f"row {row}" for row in range(self.rows)}
        figures.lost = len(wanted - rows.keys())
        figures.doubled = rows.total() - len(rows)
        assert rows.total() == figures.held
        assert not rows.keys() - wanted
        figures.requests = await _created(server)
        figures.faults = sum(fault["met"] for fault in await server.faults())

    def _tell(self, text: str) -> None:
        if not self.quiet:
            sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
            sys.stderr.flush()


async def _created(server: SandboxProcess) -> int:
    return int((await server.stats())["operations"].get("cdts.create", 0))


@contextlib.asynccontextmanager
async def _weather(server: SandboxProcess, seed: int, calm: float, outage: float) -> AsyncIterator[None]:
    task = asyncio.create_task(weather(server, seed, calm=calm, outage=outage))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
