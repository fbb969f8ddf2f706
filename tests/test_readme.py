"""Every Python snippet of the README runs, as it stands, against the local server."""

import asyncio
import re
from pathlib import Path

import pytest

from welkin_async.sandbox import SandboxProcess

README = Path(__file__).parent.parent / "README.md"
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", README.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=range(len(SNIPPETS)))
async def test_a_snippet_of_the_readme_runs(snippet: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with SandboxProcess() as server:
        for name, value in server.environ().items():
            monkeypatch.setenv(name, value)
        # A snippet runs its own event loop, so it is given a thread of its own.
        await asyncio.to_thread(exec, compile(snippet, "README.md", "exec"), {"__name__": "__main__"})


def test_the_first_two_shell_blocks_are_the_demo_and_the_tests() -> None:
    shell = re.findall(r"^```sh\n(.*?)^```$", README.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert "welkin-async demo" in shell[0]
    assert "nox --session tests" in shell[1]
