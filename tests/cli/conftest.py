from __future__ import annotations

import asyncio
import csv
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest
from typer.testing import CliRunner, Result

from welkin_async.cli.app import app
from welkin_async.sandbox import Fault, FaultKind, Sandbox

SECRET = "the-secret-of-this-test"  # pragma: allowlist secret


class Command(Protocol):
    """Runs the command in this process, with the variables of the local server."""

    def __call__(self, *arguments: object, **env: str) -> Result: ...


class Local:
    """A local server in a thread, so that the command may have an event loop of its own."""

    def __init__(self, **options: Any) -> None:
        self.server = Sandbox(secret_key=SECRET, **options)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with self.server:
            self.base_url = self.server.base_url
            self._ready.set()
            await self._stop.wait()

    def __enter__(self) -> Local:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def do(self, action: Callable[[], Any]) -> Any:
        """Do something on the server's thread."""

        async def done() -> Any:
            return action()

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result(10)

    def patient(self, **fields: Any) -> str:
        return str(self.do(lambda: self.server.store.add_patient(**fields))["id"])

    def change_patient(self, patient: str, **fields: Any) -> None:
        """Change fields of a patient."""

        class Body:
            def object(self) -> dict[str, Any]:
                return fields

        self.do(lambda: self.server.store.sections.patients.update(Body(), patient))  # type: ignore[arg-type]

    def record(self, patient: str, cdt: str = "medication", **fields: Any) -> str:
        """Put a record there, and return its id."""

        class Body:
            def object(self) -> dict[str, Any]:
                return fields

        def create() -> Any:
            store = self.server.store
            store.sections.cdts.create(Body(), patient, cdt)  # type: ignore[arg-type]
            return store.cdt_records(cdt, patient)[-1]["id"]

        return str(self.do(create))

    def fault(self, kind: FaultKind, **more: Any) -> None:
        self.do(lambda: self.server.faults.add(Fault(kind, **more)))

    def define(self, name: str, fields: Mapping[str, str] | Sequence[Mapping[str, Any]]) -> None:
        self.do(lambda: self.server.define_cdt(name, fields))

    def records(self, name: str = "medication") -> list[dict[str, Any]]:
        """The bodies of a CDT's records, without what was not sent and without keys."""
        stamps = ("created_at", "created_by", "created_by_name", "updated_at", "updated_by", "updated_by_name")
        drop = ("id", "external_id", "external_guid", *stamps)
        return [
            {key: value for key, value in record["jsonBody"].items() if value is not None and key not in drop}
            for record in self.do(lambda: self.server.store.cdt_records(name))
        ]

    def record_keys(self, name: str = "medication") -> list[str]:
        return [record["jsonBody"]["external_id"] for record in self.do(lambda: self.server.store.cdt_records(name))]

    @property
    def env(self) -> dict[str, str]:
        server = self.server
        return {
            "WELKIN_BASE_URL": self.base_url,
            "WELKIN_TENANT": server.tenant,
            "WELKIN_INSTANCE": server.instance,
            "WELKIN_API_CLIENT": server.api_client,
            "WELKIN_SECRET_KEY": server.secret_key,
        }


@pytest.fixture
def local() -> Iterator[Local]:
    with Local() as running:
        yield running


@pytest.fixture
def command(local: Local) -> Command:
    def run(*arguments: object, **env: str) -> Result:
        result = CliRunner().invoke(app, [str(each) for each in arguments], env={**local.env, **env})
        assert SECRET not in result.output
        return result

    return run


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]], delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def write_ndjson(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read_ndjson(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def environment(local_env: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process of its own."""
    root = str(Path(__file__).parents[2])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WELKIN_")}
    return {**kept, "PYTHONPATH": root, **local_env}
