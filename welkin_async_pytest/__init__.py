"""Fixtures for tests that use welkin_async: a local Welkin server, and an open session on it.

::

    async def test_a_medication_is_made(welkin, welkin_sandbox):
        patient = welkin_sandbox.add_patient()["id"]
        await welkin.patient(patient).cdts("medication").create({"medication_name": "Tylenol"})
        assert len(welkin_sandbox.records("medication")) == 1

pytest finds this module by itself. It imports the SDK when a fixture is first used, and not before.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterable, Iterator, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from welkin_async import Welkin
    from welkin_async.sandbox import Sandbox, SandboxProcess, SandboxThread
    from welkin_async.typed import TypedCdt

__all__ = ["cdt_definitions", "connect", "welkin", "welkin_cdts", "welkin_sandbox"]


def connect(sandbox: Sandbox | SandboxProcess | SandboxThread, /, **settings: Any) -> Welkin:
    """Return a session for a local server, which is not open yet.

    Args:
        sandbox: The server.
        settings: Keywords of `Welkin`, in place of those that point to the server or beside them.
    """
    from welkin_async import Welkin

    names = ("base_url", "tenant", "instance", "api_client", "secret_key")
    return Welkin(**({name: getattr(sandbox, name) for name in names} | settings))


def cdt_definitions(
    given: Mapping[str, Any] | Iterable[str | PathLike[str] | type[TypedCdt]],
) -> dict[str, Any]:
    """Return CDTs as the sandbox takes them.

    Args:
        given: By name, types of fields (``{"allergy": {"substance": "text"}}``) or fields in the shape of formations;
            or else files with formations, as ``welkin-async describe --json`` writes them, and generated classes.

    Raises:
        ValueError: a file holds no formation.
        OSError: a file cannot be read.
    """
    if isinstance(given, Mapping):
        return {str(name): fields for name, fields in given.items()}
    from welkin_async.sandbox import definitions_of, read_formations
    from welkin_async.typed import formation_fields

    found: dict[str, Any] = {}
    for each in given:
        if isinstance(each, type):
            found |= definitions_of([{"name": each.CDT, "fields": formation_fields(each)}])
        else:
            found |= read_formations(each)
    return found


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Leave the SDK as it is: pytest would rewrite every module of a plugin's distribution for its assertions."""
    hook = pluginmanager.rewrite_hook
    getattr(hook, "_must_rewrite", set()).discard("welkin_async")


@pytest.fixture(scope="session")
def welkin_cdts() -> Any:
    """CDTs of the local server: override it in ``conftest.py``; see `cdt_definitions`. Else medication and vitals."""
    from welkin_async.sandbox import DEFAULT_CDTS

    return DEFAULT_CDTS


@pytest.fixture(scope="session")
def _welkin_server(welkin_cdts: Any) -> Iterator[SandboxThread]:
    from welkin_async.sandbox import SandboxThread

    with SandboxThread(cdts=cdt_definitions(welkin_cdts)) as server:
        yield server


@pytest.fixture
def welkin_sandbox(_welkin_server: SandboxThread) -> SandboxThread:
    """A local Welkin server, the same for the whole test session and empty for each test.

    It runs in a thread of its own: ``define_cdt``, ``add_patient``, ``records``, ``add_fault`` and ``call`` are plain
    calls. ``environ()`` is what points a session or a command to it.
    """
    _welkin_server.reset()
    return _welkin_server


async def _welkin(welkin_sandbox: SandboxThread) -> AsyncIterator[Welkin]:
    """An open session on `welkin_sandbox`, for tests of pytest-asyncio (strict and auto) and of anyio."""
    async with connect(welkin_sandbox) as session:
        yield session


welkin = pytest.fixture(name="welkin")(_welkin)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, Any, Any]:
    """Let the session be opened by whichever plugin runs the test: anyio, or else pytest-asyncio."""
    if fixturedef.func is _welkin:
        # The mark of `pytest_asyncio.fixture`, which cannot be used: it would be right for tests of that plugin alone.
        _welkin.__dict__["_force_asyncio_fixture"] = "anyio_backend" not in request.fixturenames
    return (yield)
