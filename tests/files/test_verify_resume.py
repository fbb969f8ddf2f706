"""A comparison that was ended goes on where it ended, and its findings are those of one that was not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from welkin_async import Welkin, files
from welkin_async.files.run.findings_file import FindingsFile
from welkin_async.sandbox import Sandbox

from .conftest import MAPPING, add_patients, medications, write_csv

WHAT: dict[str, Any] = {
    "cdt": "medication",
    "patient": files.PatientColumn("PATIENT", type="EGUID"),
    "mapping": MAPPING,
    "key": "CODE",
    "concurrency": 2,
}


@pytest.fixture
async def path(server: Sandbox, welkin: Welkin, folder: Path) -> Path:
    """A file of 120 rows, of which every other one is there."""
    add_patients(server)
    rows = medications(120)
    half = write_csv(folder / "half.csv", rows[::2])
    report = await files.import_records(welkin, half, **WHAT, settle=0.1, final_settle=0.1)
    assert report.done == 60
    return write_csv(folder / "in.csv", rows)


def lines(path: str) -> list[Any]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("noted", [10, 2_000], ids=["noted", "before-the-first-note"])
@pytest.mark.parametrize("end", ["stopped", "killed"])
async def test_a_comparison_goes_on_where_it_was_ended(
    welkin: Welkin, path: Path, monkeypatch: pytest.MonkeyPatch, end: str, noted: int
) -> None:
    whole = await files.verify_records(welkin, path, **WHAT, findings="whole.ndjson")
    assert (whole.present, whole.missing) == (60, 60)
    monkeypatch.setattr("welkin_async.files.run.findings_file._ROWS", noted)
    stop, reached = asyncio.Event(), FindingsFile.reached

    async def ending(self: FindingsFile, counts: Mapping[str, int]) -> None:
        await reached(self, counts)
        if counts["rows"] == 55:
            if end == "killed":
                raise RuntimeError
            stop.set()
            await asyncio.sleep(10)

    with monkeypatch.context() as patch:
        patch.setattr(FindingsFile, "reached", ending)
        if end == "killed":
            with pytest.raises(RuntimeError):
                await files.verify_records(welkin, path, **WHAT, findings="parts.ndjson")
            with Path("parts.ndjson").open("a", encoding="utf-8") as file:
                file.write('{"half a line')
        else:
            report = await files.verify_records(welkin, path, **WHAT, findings="parts.ndjson", stop=stop)
            assert (report.stopped, report.rows) == (True, 55)
    assert Path("parts.ndjson.resume").stat().st_mode & 0o777 == 0o600
    with pytest.raises(files.FileError, match="another comparison"):
        await files.verify_records(welkin, path, **{**WHAT, "key": "ENCOUNTER"}, findings="parts.ndjson")
    report = await files.verify_records(welkin, path, **WHAT, findings="parts.ndjson")
    assert report.counts == whole.counts
    assert lines("parts.ndjson") == lines("whole.ndjson")
    assert not Path("parts.ndjson.resume").exists()
    with pytest.raises(files.FileError, match="exists"):
        await files.verify_records(welkin, path, **WHAT, findings="parts.ndjson")


async def test_what_a_file_does_not_name_is_unexpected(welkin: Welkin, path: Path, folder: Path) -> None:
    spaced = {**WHAT, "key_space": "src"}
    await files.import_records(welkin, path, **spaced, settle=0.1, final_settle=0.1)
    fewer = write_csv(folder / "fewer.csv", medications(100))
    report = await files.verify_records(welkin, fewer, **spaced, strict=True, findings="found.ndjson")
    assert (report.present, report.unexpected, report.all_present) == (100, 10, False)  # others were there before
    assert {line["status"] for line in lines("found.ndjson")} == {"unexpected"}
    with pytest.raises(files.FileError, match="key_space="):
        await files.verify_records(welkin, fewer, **WHAT, strict=True)
