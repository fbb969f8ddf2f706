"""The soak: an import that is killed again and again under faults, and what the server holds in the end."""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

import attrs

from welkin_async import Welkin
from welkin_async.sandbox import SandboxProcess

from .judging import ids_by_row, named_doubles
from .medication_file import MAPS, MedicationFile
from .trouble import Script, Weather, created, met, usual

_ROOT = Path(__file__).parents[2]
_BACKENDS = 4  # of which one has a clock of its own
_OTHERS = 40  # descriptors of an import that are no connection of a worker: files, journals, listings, the event loop


@attrs.define(kw_only=True)
class Figures:
    """What came of it.

    Attributes:
        rows: Rows of the file.
        held: Records on the server.
        lost: Rows that are not there.
        doubled: Records beyond the first of a row.
        named: Those of them that the review file names, with all ids of their row.
        created: Rows that the import reports as created.
        results: Rows in the results file.
        rejected: Rows in the reject file.
        kills: How often the import was killed.
        forgotten: How often its journal was lost too.
        starts: How often it was started.
        seconds: How long all took.
        row_seconds: How long it took until the last row had its result; the final scan comes after that.
        memory: Peak memory of an import, in MB.
        descriptors: How many an import had open at once, at most; 0 where the system does not tell.
        requests: Creates that reached the server.
        faulty: Of these, the share that met a fault.
        outages: How many there were.
        met: How often each fault was met.
        refused: How many requests each outage has refused, at least.
        statuses: How often each status was answered; 0 for none.
        summary: What the last run said.
    """

    rows: int
    held: int = 0
    lost: int = 0
    doubled: int = 0
    named: int = 0
    created: int = 0
    results: int = 0
    rejected: int = 0
    kills: int = 0
    forgotten: int = 0
    starts: int = 0
    seconds: float = 0.0
    row_seconds: float = 0.0
    memory: float = 0.0
    descriptors: int = 0
    requests: int = 0
    faulty: float = 0.0
    outages: int = 0
    met: Mapping[str, int] = attrs.field(factory=dict)
    refused: list[int] = attrs.field(factory=list)
    statuses: Mapping[str, int] = attrs.field(factory=dict)
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
        script: What goes wrong.
        timeout: Seconds the import waits for an answer.
        stall: Seconds a stalled answer takes; None for twice the timeout.
        settle: Seconds; unless doubles are meant to be, more than anything lands late.
        final_settle: Seconds.
        concurrency: Requests at once.
        calm: Seconds between two changes of the weather by chance; None for none.
        outage: Seconds an outage lasts, of which there is one at least; None for none.
        long_outage: Seconds of another one, once; None for none.
        storm: Seconds for which every request is answered 429, once; None for none.
        doubles: How many records land after their row was sent again.
        latency: Seconds the server takes for every answer.
        rate: Requests per second that the server allows.
        skew: Seconds by which the clock of every fourth backend is ahead of the others'.
        lag: Seconds until lists show a new record.
        growth: Seconds by which that grows with each second.
        token_life: Seconds; an import asks for 20 tokens in five minutes at most.
        forget: The share of kills after which the journal is lost too, and what else the import wrote.
        engines: The HTTP engines that the starts of the import take in turn.
        quiet: Whether nothing is said on the way.
    """

    rows: int
    kills: int
    folder: Path
    patients: int = 200
    bad: float = 0.0
    seed: int = 1
    script: Script = usual
    timeout: float = 2.0
    stall: float | None = None
    settle: float = 5.0
    final_settle: float = 20.0
    concurrency: int = 32
    calm: float | None = 20.0
    outage: float | None = 3.0
    long_outage: float | None = None
    storm: float | None = 1.0
    doubles: int = 0
    latency: float = 0.0
    rate: float = 1000.0
    skew: float = 0.0
    lag: float = 0.0
    growth: float = 0.0
    token_life: float = 60.0
    forget: float = 0.0
    engines: Sequence[str] = ("direct", "aiohttp")
    quiet: bool = True

    def broken(self, figures: Figures) -> list[str]:
        """Say which promises do not hold.

        Args:
            figures: What came of it.
        """
        never = [name for name, times in figures.met.items() if not times]
        promises = {
            f"{figures.lost} rows are lost": not figures.lost,
            f"{figures.doubled} records are doubled, not {self.doubles}": figures.doubled == self.doubles,
            f"{figures.named} of them are named": figures.named == figures.doubled,
            f"{figures.created} rows are reported as created": figures.created == self.rows,
            f"{figures.kills} kills, not {self.kills}": figures.kills >= self.kills,
            f"{figures.descriptors} descriptors at once": figures.descriptors <= self.concurrency + _OTHERS,
            f"never met: {', '.join(never)}": not never,
            "an outage has refused nothing": min(figures.refused, default=1) > 0,
        }
        return [text for text, held in promises.items() if not held]

    async def run(self) -> Figures:
        """Import under faults and kills, and count what is there."""
        began = time.monotonic()
        figures = Figures(rows=self.rows)
        options = {
            "token_life": self.token_life,
            "rate": self.rate,
            "latency": self.latency,
            "seed": self.seed,
            "skew": self.skew,
            "skew_every": _BACKENDS,
            "visibility_delay": self.lag,
            "delay_growth": self.growth,
        }
        async with SandboxProcess(**options) as server:
            guids = await self._create_patients(server)
            made = MedicationFile(guids, self.rows, self.bad, self.seed)
            lines = made.write(self.folder / "soak.csv")
            await server.add_fault(*self.script(self.rows, self.stall or 2 * self.timeout))
            weather = Weather(server, self.seed, self.calm or 0.0, self.outage or 0.0)
            async with asyncio.TaskGroup() as tasks:
                changing = [tasks.create_task(weather.by_chance())] if self.calm else []
                for share, seconds, status in (
                    (0.35, self.storm, 429),
                    (0.55, self.outage, None),
                    (0.75, self.long_outage, None),
                ):
                    if seconds:
                        after = weather.outage_after(share * self.rows, seconds, status)
                        changing.append(tasks.create_task(after))
                await self._import_all(server, made, lines, figures)
                for task in changing:
                    task.cancel()
            figures.outages, figures.refused = len(weather.refused), weather.refused
            # The server, whose memory is not meant, has not ended yet.
            figures.memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            await server.settle()
            await self._judge(server, figures)
        figures.results = self._count(self.folder / "soak.ndjson")
        figures.seconds = time.monotonic() - began
        return figures

    async def _import_all(
        self, server: SandboxProcess, made: MedicationFile, lines: list[int], figures: Figures
    ) -> None:
        """Import the file, then the rows that were rejected and mended."""
        await self._import(server, self.folder / "soak.csv", figures, self.kills)
        figures.rejected = self._count(self.folder / "soak.rejects.csv")
        if figures.rejected:
            row_of_line = {line: row for row, line in enumerate(lines)}
            mended = self.folder / "mended.csv"
            made.mend(self.folder / "soak.rejects.csv", mended, row_of_line)
            await self._import(server, mended, figures, min(self.kills, 1))

    def _forget(self, figures: Figures) -> None:
        """Delete the journal and what else the import wrote, as a container that ends takes its disk along."""
        for file in self.folder.glob("soak.*"):
            if file.name != "soak.csv":
                file.unlink()
        figures.forgotten += 1
        self._tell("the journal is lost")

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
        environment = {**kept, "PYTHONPATH": str(_ROOT), **server.environ()}
        done_before, endings = await created(server), 0
        began, size, results = time.monotonic(), 0, path.with_suffix(".ndjson")
        moments = sorted(chance.uniform(0.0, 0.9) for _ in range(kills))
        while endings < 5:
            environment["WELKIN_ENGINE"] = self.engines[figures.starts % len(self.engines)]
            figures.starts += 1
            with (
                (self.folder / "out.json").open("w+") as out,
                (self.folder / "err.txt").open("a") as err,
                subprocess.Popen(self._command(path), env=environment, stdout=out, stderr=err) as process,
            ):
                if moments:
                    killed = await self._kill(server, process, chance, done_before + moments[0] * self.rows)
                    figures.kills += killed
                    del moments[:killed]
                    self._tell(f"{'killed' if killed else 'ended'} at {await created(server)} creates")
                    if killed:
                        if chance.random() < self.forget:
                            self._forget(figures)
                        continue
                while process.poll() is None:
                    await asyncio.sleep(0.05)
                    figures.descriptors = max(figures.descriptors, _descriptors(process.pid))
                    if results.exists() and results.stat().st_size > size:
                        size, figures.row_seconds = results.stat().st_size, time.monotonic() - began
                endings += 1
                out.seek(0)
                text = out.read()
                self._tell(f"ended with {process.returncode}")
            summary = json.loads(text) if text.startswith("{") else {}
            if "complete" in summary:  # else it ended with an error, such as at its start in an outage
                figures.summary = summary
                wanted = 0 if figures.summary["complete"] else 1
                left = sum(figures.summary[name] for name in ("unknown", "failed", "unsent", "conflict"))
                if process.returncode == wanted and not left:
                    figures.created += figures.summary["created"]
                    if self.forget:  # what is there and in no journal is found, and counts as unchanged
                        figures.created += figures.summary["unchanged"]
                    return
        raise RuntimeError(f"the import does not come to an end: {self.folder / 'err.txt'} says why")

    async def _kill(
        self, server: SandboxProcess, process: subprocess.Popen[bytes], chance: random.Random, after: float
    ) -> bool:
        """Kill a process after so many creates, or soon after its start; False where it has ended before."""
        soon = time.monotonic() + (chance.uniform(0.3, 3.0) if chance.random() < 0.25 else 3600.0)
        await asyncio.sleep(0.3)
        while await created(server) < after and time.monotonic() < soon:
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
        held = await ids_by_row(server, "medication", "medication_notes")
        wanted = {f"row {row}" for row in range(self.rows)}
        figures.held = sum(map(len, held.values()))
        figures.lost = len(wanted - held.keys())
        figures.doubled = figures.held - len(held)
        figures.named = named_doubles(self.folder / "soak.review.csv", "NOTES", held)
        assert not held.keys() - wanted
        stats = await server.stats()
        figures.statuses = dict(sorted(stats["statuses"].items()))
        figures.requests = await created(server)
        figures.met = met(await server.faults())
        figures.faulty = sum(times for name, times in figures.met.items() if name.startswith("cdts.create ")) / max(
            1, figures.requests
        )

    def _tell(self, text: str) -> None:
        if not self.quiet:
            sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
            sys.stderr.flush()


def _descriptors(pid: int) -> int:
    """Return how many descriptors a process has open; 0 where the system does not tell, or it has ended."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0
