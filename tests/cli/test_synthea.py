from __future__ import annotations

import asyncio
import csv
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from welkin_async import Welkin

from .conftest import SECRET, Command, Local, write_csv

DATA = Path(os.environ.get("WELKIN_SYNTHEA") or Path(__file__).parents[3] / "shared" / "data" / "synthea")
FIELDS = (
    *("START", "STOP", "PAYER", "ENCOUNTER", "CODE", "DESCRIPTION", "BASE_COST"),
    *("PAYER_COVERAGE", "DISPENSES", "TOTALCOST", "REASONCODE", "REASONDESCRIPTION"),
)

pytestmark = pytest.mark.skipif(
    not (DATA / "medications.csv").is_file(), reason="no Synthea data: set WELKIN_SYNTHEA to a folder that has it"
)


async def create_patients(local: Local) -> None:
    server = local.server
    async with Welkin(
        tenant=server.tenant,
        instance=server.instance,
        api_client=server.api_client,
        secret_key=SECRET,
        base_url=local.base_url,
    ) as welkin:
        with (DATA / "patients.csv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                await welkin.patients.create(first_name=row["FIRST"], last_name=row["LAST"], external_guid=row["Id"])


def content(row: dict[str, str]) -> tuple[tuple[str, object], ...]:
    """A row of the file as the server should hold it."""
    kept = {name.lower(): value for name, value in row.items() if name in FIELDS and value}
    held: dict[str, object] = {**kept, "dispenses": int(kept["dispenses"])}
    held.update((name, kept[name].replace("Z", ".000Z")) for name in ("start", "stop") if name in kept)
    return tuple(sorted(held.items()))


def test_medications_of_synthea(command: Command, local: Local, folder: Path) -> None:
    asyncio.run(create_patients(local))
    assert len(local.server.store.patients) == 27
    path = Path(shutil.copy(DATA / "medications.csv", folder / "medications.csv"))
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    options = ("--cdt", "medication", "--patient-column", "PATIENT", "--patient-type", "EGUID")
    maps = [part for name in FIELDS for part in ("--map", f"{name}={name.lower()}")]
    result = command("import", path, *options, *maps)
    assert result.exit_code == 0, result.stderr
    assert "welkin-async:" not in result.stderr  # no warning; progress is told where it takes longer
    guids = {patient["id"]: patient["externalGuid"] for patient in local.server.store.patients.values()}
    records = local.server.store.cdt_records("medication")
    assert len(records) == len(rows) == 663
    stamps = {"created_at", "created_by", "created_by_name", "updated_at", "updated_by", "updated_by_name"}
    drop = {"id", "external_id", *stamps}
    held = Counter(
        (
            guids[record["patientId"]],
            tuple(sorted((k, v) for k, v in record["jsonBody"].items() if v is not None and k not in drop)),
        )
        for record in records
    )
    assert held == Counter((row["PATIENT"], content(row)) for row in rows)
    assert local.server.stats.operations["cdts.create"] == 663
    assert local.server.stats.operations["patients.get"] == len({row["PATIENT"] for row in rows})
    for row in rows:
        assert row["PATIENT"] not in result.output
        assert row["DESCRIPTION"] not in result.output
    assert not (folder / "medications.rejects.csv").exists()


def test_one_bad_row_of_synthea_mended(command: Command, local: Local, folder: Path) -> None:
    asyncio.run(create_patients(local))
    with (DATA / "medications.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    patient, dispenses = header.index("PATIENT"), header.index("DISPENSES")
    right = rows[9][patient]
    rows[9][patient] = "00000000-0000-4000-8000-000000000000"
    rows[20][dispenses] = "a few"
    path = write_csv(folder / "in.csv", header, rows)
    options = ("--cdt", "medication", "--patient-column", "PATIENT", "--patient-type", "EGUID")
    maps = [part for name in FIELDS for part in ("--map", f"{name}={name.lower()}")]
    assert command("import", path, *options, *maps).exit_code == 1
    assert len(local.records()) == 661
    with (folder / "in.rejects.csv").open(newline="", encoding="utf-8") as file:
        again, *bad = csv.reader(file)
    assert again == [*header, "_line", "_status", "_reason", "_key", "_origin", "_request_id"]
    assert [row[len(header)] for row in bad] == ["11", "22"]
    bad[0][patient], bad[1][dispenses] = right, "3"
    assert command("import", write_csv(folder / "mended.csv", again, bad), *options, *maps).exit_code == 0
    assert len(local.records()) == 663
