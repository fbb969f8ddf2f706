"""The snippets of docs/service.md and docs/opentelemetry.md, run as they stand against the local server."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .running import serving

PROJECT = Path(__file__).parents[2]
PAGES = ("service", "opentelemetry")
SNIPPETS = {
    (page, number): snippet
    for page in PAGES
    for number, snippet in enumerate(
        re.findall(
            r"^```python\n(.*?)^```$",
            (PROJECT / "docs" / f"{page}.md").read_text(encoding="utf-8"),
            flags=re.MULTILINE | re.DOTALL,
        )
    )
}
SCRIPTS = {
    ("service", 1): "ready\naiohttp 0 1 0 1\n",
    ("service", 2): "auth.create_token done 1\npatients.list done 1\n",
    ("opentelemetry", 0): None,
    ("opentelemetry", 1): "",
    ("opentelemetry", 2): "auth.create_token: done, attempts: 1\npatients.list: done, attempts: 1\n",
}


async def run(server: Sandbox, folder: Path, snippet: str) -> str:
    """Run a snippet as a program; return what it printed."""
    script = folder / "snippet.py"
    script.write_text(snippet, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), **server.environ()}
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_snippet_is_run_here() -> None:
    assert SNIPPETS.keys() == {("service", 0), *SCRIPTS}


@pytest.mark.parametrize("place", SCRIPTS, ids=str)
async def test_a_snippet_runs(server: Sandbox, tmp_path: Path, place: tuple[str, int]) -> None:
    patient = server.store.add_patient()["id"]
    printed = await run(server, tmp_path, SNIPPETS[place])
    if (wanted := SCRIPTS[place]) is not None:
        assert printed == wanted
    else:
        spans = re.findall(r'^    "name": "(.*)"', printed, re.MULTILINE)
        assert "patients.get" in spans
        assert "http.client.request.duration" in printed
    assert patient not in printed


async def test_the_service_of_the_page_answers(server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in server.environ().items():
        monkeypatch.setenv(name, value)
    namespace: dict[str, Any] = {"__name__": "snippet"}
    exec(compile(SNIPPETS["service", 0], "service.md", "exec"), namespace)
    patient = server.store.add_patient()
    async with serving(namespace["app"]) as service:
        async with service.get(f"/patients/{patient['id']}") as answer:
            told = await answer.json()
            assert (answer.status, told["id"], told["firstName"]) == (200, patient["id"], patient["firstName"])
        async with service.get("/patients/nobody") as answer:
            assert (answer.status, json.loads(await answer.text())) == (404, {"error": "not_found"})
        server.faults.add(Fault(FaultKind.STATUS, operation="patients.get", status=429, retry_after=20))
        async with service.get(f"/patients/{patient['id']}") as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "20")
