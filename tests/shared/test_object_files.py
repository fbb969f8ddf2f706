"""Imports of objects of a storage by several processes: each fetches the object, and refuses one that has changed."""

from __future__ import annotations

import asyncio
import gzip
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from welkin_async import files
from welkin_async.files.chunks.chunk_importer import ChunkImporter
from welkin_async.files.chunks.object_file import local_copy, object_name, object_url
from welkin_async.files.options import FileSettings
from welkin_async.sandbox import Sandbox
from welkin_async.shared import coordination

from .object_storage import KINDS, ObjectStorage
from .test_command import command

pytest.importorskip("pyarrow.fs")
CDT = "medication"


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ObjectStorage]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "of-this-test")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    with ObjectStorage() as storage:
        yield storage


def content(patients: list[str], rows: int = 60, name: str = "Medication") -> bytes:
    lines = [f"{patients[number % len(patients)]},{name} {number}" for number in range(rows)]
    return "\n".join(["patient,medication_name", *lines, ""]).encode()


def test_urls_are_told_from_paths() -> None:
    assert object_url("s3://bucket/a/rows.csv?region=x") == "s3://bucket/a/rows.csv?region=x"
    assert object_url(Path("s3://bucket/rows.csv")) == "s3://bucket/rows.csv"  # one slash is left in a path
    assert object_url(Path("file:///data/rows.csv")) == "file:///data/rows.csv"
    assert [object_url(path) for path in ("rows.csv", Path("/data/rows.csv"), "C:/data/rows.csv", "s3.csv")] == [
        None
    ] * 4
    assert object_name("gs://bucket/a/rows.csv.gz?x=/y") == "rows.csv.gz"
    with pytest.raises(files.FileError, match="names no object"):
        object_name("s3://bucket/?region=x")


def test_a_plan_is_made_of_an_object_as_of_a_file(storage: ObjectStorage, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content(["p1", "p2", "p3"]))
    storage.objects["/bucket/in/rows.csv"] = path.read_bytes()
    of_file = files.plan(path, rows=20)
    of_object = files.plan(storage.url("/bucket/in/rows.csv"), rows=20)
    assert of_object.chunks == of_file.chunks
    assert len(of_object.chunks) > 1
    assert (of_object.digest, of_object.file) == (of_file.digest, Path("rows.csv"))
    assert files.plan(path.as_uri(), rows=20).chunks == of_file.chunks
    with pytest.raises(files.FileError, match="cannot be opened") as caught:
        files.plan(storage.url("/bucket/in/none.csv"))
    assert "none.csv" not in str(caught.value)


@pytest.mark.slow
async def test_the_command_imports_an_object_by_two_processes(
    server: Sandbox, storage: ObjectStorage, tmp_path: Path
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    rows = content(server.store.add_patients(4)) + b"nobody,Medication 60\n"
    storage.objects["/bucket/in/rows.csv.gz"] = gzip.compress(rows)
    given = ("import", storage.url("/bucket/in/rows.csv.gz"), "--cdt", CDT, "--patient-column", "patient")
    more = ("--processes", "2", "--settle", "0.1", "--final-settle", "0.2", "--json")
    done = await asyncio.to_thread(command, folder, *given, *more, **server.environ())
    told = json.loads(done.stdout)
    assert (done.returncode, told["created"], told["rejected"]) == (1, 60, 1), done.stderr
    assert len(server.store.cdt_records(CDT)) == 60
    assert storage.reads["/bucket/in/rows.csv.gz"] >= 2  # by who divides it, and by who imports it
    written = {path.name for path in folder.iterdir()}
    assert {"rows.csv.gz.medication.ledger", "rows.rejects.csv"} <= written
    assert "Medication 60" in (folder / "rows.rejects.csv").read_text()
    assert list((tmp_path / "tmp").iterdir()) == []


async def test_an_object_that_was_replaced_is_refused_and_its_copy_goes(
    server: Sandbox, storage: ObjectStorage, connect: Any, tmp_path: Path
) -> None:
    patients = server.store.add_patients(4)
    storage.objects["/bucket/rows.csv"] = content(patients)
    shared = coordination(f"sqlite:///{tmp_path}/ledger.db", 2.0)
    await shared.init()
    async with connect(server) as welkin:
        url = storage.url("/bucket/rows.csv")
        options: dict[str, Any] = {"cdt": CDT, "patient": "patient", "settle": 0.1, "final_settle": 0.2}
        prepared = await asyncio.to_thread(files.prepare_import, welkin, url, **options)
        await shared.ledger.open_run(prepared.run, prepared.identity)
        assert url not in repr(prepared)
        storage.objects["/bucket/rows.csv"] = content(patients, name="Another")
        with pytest.raises(files.FileError, match="has changed since its chunks were planned"):
            await ChunkImporter.open(welkin, prepared.work, shared.ledger)
        storage.objects["/bucket/rows.csv"] = content(patients)
        importer = await ChunkImporter.open(welkin, prepared.work, shared.ledger)
        storage.objects.clear()  # it was fetched
        report = await importer.carry_out(prepared.chunks[0])
        assert (report.created, report.finished) == (60, 1)
        (copy,) = (tmp_path / "tmp").iterdir()
        assert copy.stat().st_mode & 0o777 == 0o700
        assert [path.stat().st_mode & 0o777 for path in copy.iterdir()] == [0o600]
        del importer
        assert list((tmp_path / "tmp").iterdir()) == []
        with pytest.raises(files.FileError, match="cannot be opened") as refused:
            await asyncio.to_thread(files.prepare_import, welkin, url, **options)
        assert "bucket" not in str(refused.value)
    await shared.aclose()


@pytest.mark.parametrize("kind", KINDS)
async def test_an_object_of_each_storage_is_fetched_whole_and_imported(
    kind: str, server: Sandbox, storage: ObjectStorage, connect: Any, tmp_path: Path
) -> None:
    url = storage.url("/bucket/in/rows.csv", kind)
    options: dict[str, Any] = {"cdt": CDT, "patient": "patient", "settle": 0.1, "final_settle": 0.2}
    storage.objects["/bucket/in/rows.csv"] = content(server.store.add_patients(4))
    shared = coordination(f"sqlite:///{tmp_path}/ledger.db", 2.0)
    await shared.init()
    async with connect(server) as welkin:
        prepared = await asyncio.to_thread(files.prepare_import, welkin, url, **options)
        await shared.ledger.open_run(prepared.run, prepared.identity)
        importer = await ChunkImporter.open(welkin, prepared.work, shared.ledger)
        report = await importer.carry_out(prepared.chunks[0])
        assert (report.created, report.finished) == (60, 1)
        storage.objects.clear()
        with pytest.raises(files.FileError, match="cannot be opened") as refused:
            await asyncio.to_thread(files.prepare_import, welkin, url, **options)
        assert "bucket" not in str(refused.value)
    await shared.aclose()
    large = bytes(range(256)) * 20_000  # more than is read at once
    storage.objects["/bucket/in/rows.csv"] = large
    with local_copy(FileSettings(file=Path("rows.csv"), url=url)) as settings:
        assert settings.file.read_bytes() == large


async def test_a_file_url_is_read_as_any_object(
    server: Sandbox, storage: ObjectStorage, connect: Any, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_bytes(content(server.store.add_patients(2)))
    async with connect(server) as welkin:
        url = (tmp_path / "rows.csv").as_uri()
        prepared = await asyncio.to_thread(files.prepare_import, welkin, url, cdt=CDT, patient="patient", rows=30)
    plan = files.plan(tmp_path / "rows.csv", rows=30)
    assert (prepared.chunks, prepared.work.digest) == (plan.chunks, plan.digest)
