"""Every snippet is run or, where it needs what is not here, parsed; and each page says which test runs it."""

from __future__ import annotations

import ast
import asyncio
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from aiohttp.test_utils import TestClient, TestServer

from welkin_async.cli.app import app
from welkin_async.sandbox import SandboxThread

from .blocks import DOCS, PAGES, PROJECT, blocks_of, commands_of, name_of

# Pages whose Python stands alone: each snippet runs as it is, in a folder of its own.
ALONE = [
    PROJECT / "README.md",
    *(
        DOCS / f"{each}.md"
        for each in ("sessions", "bulk", "exactly-once", "tokens", "from-welkin", "reference/errors")
    ),
]
SNIPPETS = [
    pytest.param(page, each.text, id=f"{name_of(page)}-{number}")
    for page in ALONE
    for number, each in enumerate(blocks_of(page))
    if each.language == "python" and each.title is None
]
# What runs the Python and the commands of the other pages.
RUN_BY = {
    "clusters.md": "cluster/test_pages.py",
    "command-line.md": "cli/test_docs.py",
    "fhir.md": "cli/test_fhir.py",
    "files.md": "files/test_docs.py",
    "frames.md": "files/test_frames.py",
    "openapi.md": "contract/openapi/test_docs.py",
    "opentelemetry.md": "service/test_docs.py",
    "schedulers.md": "pages/test_guides.py",
    "service.md": "service/test_docs.py",
    "shared.md": "shared/test_docs.py",
    "testing.md": "pytest_plugin/test_docs.py",
    "tutorial.md": "pages/test_tutorial.py",
    "typed-cdts.md": "codegen/test_docs.py",
    "upserts.md": "pages/test_guides.py",
    "webhooks.md": "webhooks/test_webhooks.py",
}
# Pages whose blocks are excerpts of this package: its own tests run what they are taken from.
EXCERPTS = {"adding-an-endpoint.md"}


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A local server, the variables that point to it, and a working folder that is nobody else's."""
    monkeypatch.chdir(tmp_path)
    with SandboxThread() as server:
        for name, value in server.environ().items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.mark.parametrize(("page", "snippet"), SNIPPETS)
async def test_a_snippet_that_stands_alone_runs(page: Path, snippet: str, environment: SandboxThread) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    # A snippet runs its own event loop, so it is given a thread of its own.
    await asyncio.to_thread(exec, compile(snippet, page.name, "exec", dont_inherit=True), names)
    if "app" in names:  # a service: it answers
        patient = environment.add_patient(externalGuid="6b2cbb26-5b6b-4a8a-9b1b-000000000001")
        async with TestClient(TestServer(names["app"])) as client:
            found = await client.get(f"/patients/{patient['externalGuid']}")
            assert (await found.json())["id"] == patient["id"]
            assert (await client.get("/patients/6b2cbb26-5b6b-4a8a-9b1b-000000000002")).status == 404


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_blocks_of_a_page_can_be_parsed(page: Path) -> None:
    for block in blocks_of(page):
        if block.language == "python" and page.name not in EXCERPTS:
            ast.parse(block.text)
        elif block.language == "toml":
            tomllib.loads(block.text)
        elif block.language == "yaml":
            assert yaml.safe_load(block.text)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_with_python_has_a_test_that_runs_it(page: Path) -> None:
    shown = {each.language for each in blocks_of(page) if each.title is None}
    name = name_of(page)
    if "python" in shown and page not in ALONE and name not in EXCERPTS:
        assert name in RUN_BY, "name the test that runs its snippets"
        assert page.name in (PROJECT / "tests" / RUN_BY[name]).read_text(encoding="utf-8")


COMMANDS = [
    pytest.param(shlex.split(command, comments=True), id=f"{name_of(page)}-{number}")
    for page in PAGES
    for number, command in enumerate(
        each
        for block in blocks_of(page)
        if block.language in ("console", "sh")
        for each in (commands_of(block.text) if block.language == "console" else block.text.splitlines())
    )
    if command.startswith("welkin-async ")
]


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_that_is_shown_is_one(words: list[str]) -> None:
    parse([word for word in words[1:] if word not in ("&", ">")])


def parse(words: list[str]) -> None:
    """Parse a command's arguments as the command line does, and carry nothing out.

    Raises:
        Exception: an option or the command is none.
    """
    if "&" in words or words[0] == "--version":
        return
    command: Any = typer.main.get_command(app)
    context = command.context_class(command, info_name="welkin-async")
    while hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    end = next((at for at, word in enumerate(words) if word in ("sleep", "sandbox.env")), len(words))
    command.make_context(command.name, list(words[:end]), parent=context)


def test_the_job_of_kubernetes_calls_a_command() -> None:
    (block,) = [each for each in blocks_of(DOCS / "kubernetes.md") if each.language == "yaml"]
    (container,) = yaml.safe_load(block.text)["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["welkin-async"]
    parse(container["args"])
    policy = yaml.safe_load(block.text)["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"]
    assert policy["containerName"] == container["name"]
