from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from welkin_async.sandbox import Sandbox

GUID = "00000000-0000-4000-8000-00000000000%d"
SYNTHEA = ("START", "STOP", "PATIENT", "PAYER", "ENCOUNTER", "CODE", "DESCRIPTION", "BASE_COST", "DISPENSES")
MAPPING = {
    "DESCRIPTION": "medication_name",
    "START": "medication_start_date:datetime",
    "DISPENSES": "medication_refills",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, and a folder of its own for temporary files."""
    work, temporary = tmp_path / "work", tmp_path / "temporary"
    work.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    return work


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path, folder: Path) -> Any:
    """Private temporary files are removed, however a test ends."""
    yield
    assert list((tmp_path / "temporary").iterdir()) == []


def medications(count: int, patients: int = 3) -> list[dict[str, str]]:
    """Rows as Synthea writes them; every seventh has no stop."""
    return [
        {
            "START": f"2019-03-{1 + number % 28:02}T08:{number % 60:02}:00Z",
            "STOP": "" if number % 7 == 0 else "2019-04-01T08:00:00Z",
            "PATIENT": GUID % (number % patients),
            "PAYER": "b1c428d6-4f07-31e0-90f0-68ffa6ff8c76",
            "ENCOUNTER": f"00000000-0000-4000-9000-{number:012}",
            "CODE": str(310965 + number),
            "DESCRIPTION": f'Ibuprofen {number} MG, "oral"',
            "BASE_COST": "5.60",
            "DISPENSES": str(number % 5),
        }
        for number in range(count)
    ]


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_ndjson(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def add_patients(server: Sandbox, count: int = 3) -> list[str]:
    """Patients that are known by an external GUID, as Synthea's are; returns their ids."""
    return [str(server.store.add_patient(externalGuid=GUID % number)["id"]) for number in range(count)]


def bodies(server: Sandbox, cdt: str = "medication", *, keys: bool = True) -> list[dict[str, Any]]:
    """What is in the records, without the server's own stamps, and without keys where these are left out."""
    drop = {"id", "created_at", "created_by", "created_by_name", "updated_at", "updated_by", "updated_by_name"}
    if not keys:
        drop.add("external_id")
    found = [
        {name: value for name, value in record["jsonBody"].items() if value is not None and name not in drop}
        for record in server.store.cdt_records(cdt)
    ]
    return sorted(found, key=repr)
