"""What `ray_import` refuses before anything is sent; no cluster is needed for that."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from welkin_async import ConfigurationError, files
from welkin_async.integrations.ray import RayImport, ray_import
from welkin_async.sandbox import Sandbox


class Ray(ModuleType):
    """As much of Ray as is asked before a worker is."""

    def __init__(self, *machines: str, initialised: bool = True) -> None:
        super().__init__("ray")
        self._machines = machines
        self._initialised = initialised

    def is_initialized(self) -> bool:
        return self._initialised

    def nodes(self) -> list[dict[str, Any]]:
        return [{"NodeManagerHostname": machine, "Alive": True} for machine in self._machines]

    def put(self, value: Any) -> Any:
        return value


@pytest.fixture
def importing(server: Sandbox, tmp_path: Path, connect: Any) -> dict[str, Any]:
    (tmp_path / "rows.csv").write_text("patient,medication_name\nP-1,Aspirin\n")
    (tmp_path / "same.csv").write_text("patient,medication_name\nP-1,Aspirin\n")
    return {
        "paths": [tmp_path / "rows.csv"],
        "cdt": "medication",
        "patient": "patient",
        "settings": connect(server).settings,
        "shared": f"sqlite:///{tmp_path}/ledger.db",
    }


async def test_without_ray_or_where_it_is_not_initialised_nothing_is_started(
    monkeypatch: pytest.MonkeyPatch, importing: dict[str, Any]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'welkin-async\[ray\]'"):
        await ray_import(**importing)
    monkeypatch.setitem(sys.modules, "ray", Ray(initialised=False))
    with pytest.raises(ConfigurationError, match="not initialised"):
        await ray_import(**importing)


async def test_a_store_of_one_machine_and_none_are_refused(
    monkeypatch: pytest.MonkeyPatch, importing: dict[str, Any]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", Ray("one", "two"))
    with pytest.raises(ConfigurationError, match="not SQLite"):
        await ray_import(**importing)
    with pytest.raises(ConfigurationError, match="share a store"):
        await ray_import(**{**importing, "shared": None})


async def test_a_file_twice_and_options_of_a_single_run_are_refused(
    monkeypatch: pytest.MonkeyPatch, importing: dict[str, Any], server: Sandbox, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ray", Ray("one"))
    with pytest.raises(files.FileError, match="same content"):
        await ray_import(**{**importing, "paths": [tmp_path / "rows.csv", tmp_path / "same.csv"]})
    with pytest.raises(files.FileError, match="needs keys"):
        await ray_import(**importing, key_field=None)  # type: ignore[arg-type]
    with pytest.raises(files.FileError, match="at least 1"):
        await ray_import(**importing, workers=0)
    with pytest.raises(TypeError, match="journal"):
        await ray_import(**importing, journal="x")  # type: ignore[call-arg]
    assert server.store.cdt_records("medication") == []


def test_files_whose_rows_have_keys_of_their_own_come_one_after_the_other(importing: dict[str, Any]) -> None:
    from welkin_async.files.api import process_job

    def phases(**options: Any) -> list[list[int]]:
        jobs = [process_job(Path(name), "medication", "patient", dict(options)) for name in ("a.csv", "b.csv")]
        running = RayImport(jobs, settings=importing["settings"], shared=importing["shared"])
        running._files = [None, None]  # type: ignore[list-item]
        return [list(phase) for phase in running._phases()]

    assert phases() == [[0, 1]]
    assert phases(key="order") == [[0], [1]]
