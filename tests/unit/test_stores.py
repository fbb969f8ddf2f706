"""Tokens in files: for their owner's eyes only, whole or not at all, and one request for all processes."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from welkin_async.errors import ConfigurationError
from welkin_async.http.auth.token_store import FileTokenStore, StoredToken, Token
from welkin_async.http.auth.tokens import TokenCache

from .clockwork import Clock

pytest.importorskip("filelock")
pytest.importorskip("platformdirs")

URL = "https://api.example.org/some-tenant/admin/api_clients/SOME-CLIENT"
KEY = "0" * 64
TOKEN = StoredToken("the-token", life=3600.0, wall=1e9, monotonic=5.0)
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "welkin"


@pytest.fixture
def store(directory: Path) -> FileTokenStore:
    return FileTokenStore(directory)


def cache(store: FileTokenStore, values: list[str], clock: Clock) -> TokenCache:
    async def fetch() -> Token:
        await asyncio.sleep(0)
        return Token(values.pop(0), received_at=clock(), life=3600.0)

    return TokenCache(URL, fetch, store, clock=clock, wall=lambda: 1e9 + clock())


async def test_what_was_saved_is_loaded(store: FileTokenStore) -> None:
    assert await store.load(KEY) is None
    await store.save(KEY, TOKEN)
    assert await store.load(KEY) == TOKEN
    assert await store.load("1" * 64) is None


@POSIX
async def test_only_the_owner_may_look(store: FileTokenStore, directory: Path) -> None:
    before = os.umask(0)
    try:
        async with store.lock(KEY):
            await store.save(KEY, TOKEN)
    finally:
        os.umask(before)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert modes.pop(f"{KEY}.json") == 0o600
    assert set(modes.values()) <= {0o600}


@POSIX
async def test_a_file_that_others_could_read_is_replaced_by_one_they_cannot(
    store: FileTokenStore, directory: Path
) -> None:
    directory.mkdir(parents=True)
    path = directory / f"{KEY}.json"
    path.write_text("{}")
    path.chmod(0o644)
    await store.save(KEY, TOKEN)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_save_leaves_nothing_beside_the_file(store: FileTokenStore, directory: Path) -> None:
    for _ in range(3):
        await store.save(KEY, TOKEN)
    assert [path.name for path in directory.iterdir()] == [f"{KEY}.json"]


async def test_a_save_that_fails_leaves_the_old_token_whole(
    store: FileTokenStore, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.save(KEY, TOKEN)

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "no space left on device")

    for broken in ("os.replace", "json.dump"):
        with monkeypatch.context() as patched:
            patched.setattr(broken, fail)
            with pytest.raises(OSError):
                await store.save(KEY, StoredToken("another", life=1.0, wall=0.0, monotonic=0.0))
        assert await store.load(KEY) == TOKEN
        assert [path.name for path in directory.iterdir()] == [f"{KEY}.json"]


async def test_readers_see_the_old_token_or_the_new_one_never_a_part(store: FileTokenStore) -> None:
    await store.save(KEY, TOKEN)
    long = StoredToken("x" * 100_000, life=1.0, wall=0.0, monotonic=0.0)

    async def write() -> None:
        for token in [long, TOKEN] * 10:
            await store.save(KEY, token)

    async def read() -> None:
        for _ in range(60):
            assert await store.load(KEY) in (TOKEN, long)

    await asyncio.gather(write(), read(), read())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"not json",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"value":"x"}',
        b'{"value":"x","life":"y","wall":1,"monotonic":1}',
        b'{"value":"x","life":null,"wall":1,"monotonic":1}',
        b'{"value":null,"life":3600,"wall":1,"monotonic":1}',
        b'{"value":"","life":3600,"wall":1,"monotonic":1}',
        b'{"value":"x\\r\\nHost: evil","life":3600,"wall":1,"monotonic":1}',
        b'{"value":"x","life":Infinity,"wall":1,"monotonic":1}',
        b'{"value":"x","life":3600,"wall":NaN,"monotonic":1}',
    ],
    ids=repr,
)
async def test_a_corrupt_file_is_ignored_and_replaced(store: FileTokenStore, directory: Path, content: bytes) -> None:
    directory.mkdir(parents=True)
    (directory / f"{KEY}.json").write_bytes(content)
    found = await store.load(KEY)
    assert found is None
    await store.save(KEY, TOKEN)
    assert await store.load(KEY) == TOKEN


async def test_a_directory_in_the_files_place_is_no_token(store: FileTokenStore, directory: Path) -> None:
    (directory / f"{KEY}.json").mkdir(parents=True)
    assert await store.load(KEY) is None


async def test_two_sessions_with_the_same_directory_make_one_request(directory: Path) -> None:
    clock = Clock(100.0)
    first, second = ["token-1"], ["token-2"]
    one, two = cache(FileTokenStore(directory), first, clock), cache(FileTokenStore(directory), second, clock)
    found = await asyncio.gather(one.get(), two.get())
    assert found[0].value == found[1].value
    assert len(first) + len(second) == 1
    await one.aclose()
    await two.aclose()


async def test_neither_name_nor_content_tells_tenant_or_client(directory: Path) -> None:
    clock = Clock(100.0)
    holder = cache(FileTokenStore(directory), ["the-token"], clock)
    await holder.get()
    (path,) = directory.glob("*.json")
    assert len(path.stem) == 64
    assert set(json.loads(path.read_text())) == {"value", "life", "wall", "monotonic"}
    for file in directory.iterdir():
        told = f"{file.name} {file.read_text()}"
        assert "SOME-CLIENT" not in told
        assert "some-tenant" not in told
        assert "example.org" not in told


async def test_a_directory_that_cannot_be_made_does_not_stop_authentication(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    holder = cache(FileTokenStore(blocked / "cache"), ["the-token"], Clock(100.0))
    assert (await holder.get()).value == "the-token"


async def test_a_token_found_in_a_file_is_used_without_a_request(directory: Path) -> None:
    clock = Clock(100.0)
    await cache(FileTokenStore(directory), ["the-token"], clock).get()
    clock.advance(1000.0)
    token = await cache(FileTokenStore(directory), [], clock).get()
    assert token.value == "the-token"
    assert token.expires_at == 3700.0


def test_it_shows_nothing(store: FileTokenStore) -> None:
    assert repr(store) == "<FileTokenStore>"


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("welkin_async.http.auth.token_store.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'welkin-async\[store\]'"):
        FileTokenStore()


def test_by_default_it_is_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert FileTokenStore()._directory.is_relative_to(tmp_path)
    assert not any(tmp_path.iterdir())  # nothing is made before it is needed
