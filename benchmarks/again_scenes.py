"""``python -m benchmarks.again_scenes``: scenes of imports that are run again, at full size, judged by the server.

``upsert``: a file of which 1 % changed and 1 % is new is upserted twice, and the writes are counted by the server.
``verify``: faults are planted among the records of a file, and another writer adds records meanwhile.
``two``: two runs of one file at the same time, with journals that know nothing of each other.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from welkin_async import Welkin, bulk, files
from welkin_async.sandbox import SandboxProcess

__all__ = ["main"]

CDT = "medication"
_WRITES = ("cdts.create", "cdts.update", "cdts.bulk_update", "cdts.delete")


def session(server: SandboxProcess) -> Welkin:
    """Return a session with a server."""
    return Welkin(
        tenant=server.tenant,
        instance=server.instance,
        api_client=server.api_client,
        secret_key=server.secret_key,
        base_url=server.base_url,
    )


def row(ids: list[str], number: int, name: str = "Medication") -> bulk.CdtRow:
    """Return a row by its number."""
    fields = {"medication_name": f"{name} {number}", "medication_refills": number % 12}
    return bulk.CdtRow(ids[number % len(ids)], fields, key=f"row-{number}")


async def writes(server: SandboxProcess) -> dict[str, int]:
    """Count the writes that a server was sent."""
    operations = (await server.stats())["operations"]
    return {name: operations.get(name, 0) for name in _WRITES}


async def upsert(rows: int, patients: int) -> bool:
    """Upsert a changed file twice; tell whether exactly what differs was written."""
    async with SandboxProcess() as server, session(server) as welkin:
        ids = await server.add_patients(patients)
        await bulk.upsert_cdt_records(welkin, CDT, (row(ids, number) for number in range(rows)))
        changed = {number for number in range(rows) if number % 100 == 7}
        new = rows // 100
        right = True
        for expected in ({"cdts.create": new, "cdts.update": len(changed)}, {}):
            await server.reset_stats()
            file = (row(ids, number, "Changed" if number in changed else "Medication") for number in range(rows + new))
            began = time.perf_counter()
            report = await bulk.upsert_cdt_records(welkin, CDT, file)
            told = await writes(server)
            right = right and told == {**dict.fromkeys(_WRITES, 0), **expected} and report.complete
            print(f"  {told}, unchanged {report.unchanged}, {time.perf_counter() - began:.1f} s", flush=True)
    return right


async def verify(rows: int, patients: int) -> bool:
    """Plant faults and verify the file; tell whether each is found and nothing else."""
    async with SandboxProcess() as server, session(server) as welkin:
        ids = await server.add_patients(patients)
        with tempfile.TemporaryDirectory() as name:
            path, found = Path(name) / "rows.csv", Path(name) / "found.ndjson"
            with path.open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(("pid", "medication_name", "medication_refills", "row"))
                for number in range(rows):
                    given = row(ids, number)
                    writer.writerow((given.patient_id, *given.fields.values(), given.key))
            made: dict[int, str] = {}
            async with bulk.stream_cdt_records(
                welkin, CDT, (row(ids, number) for number in range(rows)), key_field="external_id"
            ) as stream:
                async for outcome in stream:
                    made[outcome.index] = outcome.record_id or ""
            planted: dict[str, str] = {}
            for at, number in enumerate(range(17, rows, rows // 30)):
                cdts, kind = (
                    welkin.patient(ids[number % patients]).cdts(CDT),
                    ("altered", "missing", "doubled")[at % 3],
                )
                planted[f"row-{number}"] = kind
                if kind == "altered":
                    await cdts.update(made[number], {"medication_refills": 99})
                elif kind == "missing":
                    await cdts.delete(made[number])
                else:
                    await cdts.create({**row(ids, number).fields, "external_id": f"row-{number}"})

            async def write_others() -> None:
                number = 0
                while True:
                    number += 1
                    cdts = welkin.patient(ids[number % patients]).cdts(CDT)
                    await cdts.create({"medication_name": "other", "external_id": f"other-{number}"})

            others = asyncio.create_task(write_others())
            options: dict[str, Any] = {"cdt": CDT, "patient": "pid", "key": "row", "mapping": None}
            options["mapping"] = {"medication_name": "medication_name", "medication_refills": "medication_refills"}
            report = await files.verify_records(welkin, path, findings=found, **options)
            others.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await others
            told = {each["key"]: each["status"] for each in map(json.loads, found.read_text().splitlines())}
    print(f"  planted {len(planted)}, found {len(told)}; {report.to_dict()}", flush=True)
    return told == planted and report.rows == rows


async def two(rows: int, patients: int, tries: int) -> bool:
    """Let two runs go at the same time; tell whether every double is named and no such run is complete."""
    right = True
    for attempt in range(tries):
        with tempfile.TemporaryDirectory() as name:
            async with SandboxProcess() as server:
                ids = await server.add_patients(patients)

                async def run(journal: Path, ids: list[str] = ids, server: SandboxProcess = server) -> Any:
                    async with session(server) as welkin:
                        stream = bulk.stream_cdt_records(
                            welkin,
                            CDT,
                            (row(ids, number) for number in range(rows)),
                            key_field="external_id",
                            journal=journal,
                            settle=0.5,
                        )
                        async with stream:
                            async for _ in stream:
                                pass
                        return stream

                runs = await asyncio.gather(*(run(Path(name) / each) for each in ("one", "other")))
                there = (await server.records(CDT))["duplicates"]["external_id"]
        named = {double.key: set(double.ids) for stream in runs for double in stream.doubles}
        as_it_is = named == {key: set(each) for key, each in there.items()}
        complete = all(stream.report.complete for stream in runs)
        right = right and as_it_is and complete is not bool(there)
        print(f"  try {attempt + 1}: {len(there)} doubles, {len(named)} named, all complete: {complete}", flush=True)
    return right


def main() -> int:
    """Run the scenes that were asked for; the exit code is 1 where one does not show what it must."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.again_scenes", description=__doc__)
    parser.add_argument("scenes", nargs="*", default=["upsert", "verify", "two"])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--tries", type=int, default=10)
    given = parser.parse_args()
    shown = True
    for scene in given.scenes:
        print(scene, flush=True)
        if scene == "two":
            right = asyncio.run(two(min(given.rows, 1000), min(given.patients, 50), given.tries))
        else:
            right = asyncio.run({"upsert": upsert, "verify": verify}[scene](given.rows, given.patients))
        print(f"  {'as it must be' if right else 'NOT as it must be'}", flush=True)
        shown = shown and right
    return 0 if shown else 1


if __name__ == "__main__":
    raise SystemExit(main())
