"""The snippets of docs/files.md, run in their order against a local server."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from welkin_async import Welkin
from welkin_async.sandbox import SandboxProcess

from .conftest import GUID, medications, write_csv

DOCS = Path(__file__).parents[2] / "docs" / "files.md"


async def test_what_the_documentation_shows_can_be_done(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snippets = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert len(snippets) == 4
    rows = medications(300)
    write_csv(folder / "medications.csv", rows)
    write_csv(folder / "names.csv", rows[::-1])  # another file, whose rows have keys of their own
    async with SandboxProcess() as server:
        for name, value in server.environ().items():
            monkeypatch.setenv(name, value)
        async with Welkin.from_env() as welkin:
            for number in range(3):
                await welkin.patients.create(
                    first_name="A", last_name="B", external_guid=GUID % number, mrn=f"M-{number}"
                )
        for snippet in snippets:
            # A snippet runs its own event loop, so it is given a thread of its own.
            await asyncio.to_thread(exec, compile(snippet, DOCS.name, "exec"), {"__name__": "__main__"})
        counted = await server.records("medication")
    assert counted["total"] == 300 + 1 + 300
