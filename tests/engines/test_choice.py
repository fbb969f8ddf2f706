"""Which HTTP engine runs: the one that was asked for, or aiohttp's, and it is said once."""

from __future__ import annotations

import logging
import sys
from typing import Any

import httptools
import pytest

from welkin_async import ConfigurationError, Welkin
from welkin_async.http.engines import choose

NAMES: dict[str, Any] = {"tenant": "gh", "instance": "sb-demo", "api_client": "C", "secret_key": "s"}
PROXY = "http://proxy.example:3128"


@pytest.fixture(autouse=True)
def nothing_asked_for_or_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WELKIN_ENGINE", raising=False)
    monkeypatch.setattr(choose, "_logged", set())


async def running(**settings: Any) -> str:
    """The name of the engine that runs in a session with the settings."""
    async with Welkin(base_url="http://127.0.0.1:1", **(NAMES | settings)) as welkin:
        return welkin.transport.engine_name


@pytest.mark.parametrize(
    ("asked", "runs"), [(None, "aiohttp"), ("aiohttp", "aiohttp"), ("direct", "direct"), ("auto", "direct")]
)
async def test_the_engine_asked_for_runs(asked: Any, runs: str) -> None:
    assert await running(**({"engine": asked} if asked else {})) == runs


async def test_the_environment_may_choose_and_an_argument_is_stronger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WELKIN_ENGINE", "direct")
    assert await running() == "direct"
    assert await running(engine="aiohttp") == "aiohttp"


@pytest.mark.parametrize("engine", ["Direct", "", "httpx"])
def test_any_other_is_refused(engine: Any) -> None:
    with pytest.raises(ConfigurationError, match="WELKIN_ENGINE"):
        Welkin(engine=engine, **NAMES)


@pytest.mark.parametrize("engine", ["direct", "auto"])
async def test_a_proxy_is_aiohttps(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await running(engine=engine, proxy=PROXY) == "aiohttp"
    monkeypatch.setenv("http_proxy", PROXY)
    monkeypatch.setenv("no_proxy", "")
    assert await running(engine=engine, trust_env=True) == "aiohttp"
    assert await running(engine=engine) == "direct"


@pytest.mark.parametrize("engine", ["direct", "auto"])
async def test_without_httptools_aiohttp_runs(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httptools", None)
    assert await running(engine=engine) == "aiohttp"


@pytest.mark.parametrize(
    ("version", "runs"), [("0.6.3", "aiohttp"), ("0.6.4", "direct"), ("0.7.0.dev1", "direct"), ("1.0", "direct")]
)
async def test_an_old_httptools_does_not_refuse_enough(
    version: str, runs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(httptools, "__version__", version)
    assert await running(engine="auto") == runs


async def test_which_one_runs_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "welkin_async")
    for _ in range(2):
        await running(engine="direct")
        await running(engine="direct", proxy=PROXY)
        await running()
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("INFO", "HTTP engine: direct"),
        ("WARNING", "HTTP engine: aiohttp, because there is a proxy"),
    ]


async def test_nobody_is_switched_because_a_package_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """uvicorn brings httptools."""
    assert "httptools" in sys.modules
    assert await running() == "aiohttp"
