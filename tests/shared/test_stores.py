"""Stores of every kind: documents, tokens, pace and ledger, on the real servers."""

from __future__ import annotations

import asyncio
import logging
import pickle
import secrets
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from welkin_async import ConfigurationError, StoredToken, Welkin
from welkin_async.http.sharing import PaceReport
from welkin_async.shared import (
    Coordination,
    LeaseLostError,
    LedgerError,
    SharedStoreError,
    StoreUnreachableError,
    coordination,
)
from welkin_async.shared.coordination import open_store, sqlite_url
from welkin_async.shared.documents import update

from .servers import RedisServer, free_port, fresh_postgres

Share = Callable[..., Coordination]
TOKEN = StoredToken("secret-token", life=3600.0, wall=0.0, monotonic=0.0)


async def test_a_document_is_changed_only_where_nobody_changed_it_since(share: Share, url: str) -> None:
    store = open_store(url)
    assert (await store.load("x")).value is None
    assert await store.swap("x", "", b"one")
    assert not await store.swap("x", "", b"another")
    read = await store.load("x")
    assert read.value == b"one"
    assert await store.swap("x", read.stamp, b"two")
    assert not await store.swap("x", read.stamp, b"three")
    assert (await store.load("x")).value == b"two"
    assert abs(read.now - time.time()) < 5.0
    assert read.server
    await store.aclose()


async def test_changes_of_many_at_once_all_count(share: Share, url: str) -> None:
    stores = [open_store(url) for _ in range(4)]

    def more(state: Any, _: object) -> tuple[Any, None]:
        return {"count": (state or {"count": 0})["count"] + 1}, None

    await asyncio.gather(*(update(store, "counter", more) for store in stores for _ in range(5)))
    assert await update(stores[0], "counter", lambda state, _: (None, state)) == {"count": 20}
    for store in stores:
        await store.aclose()


async def test_keys_that_begin_with_a_text(share: Share, url: str) -> None:
    store = open_store(url)
    for key in ("a:2", "a:1", "a*:1", "b:1", "a"):
        await store.swap(key, "", b"{}")
    assert list(await store.keys("a:")) == ["a:1", "a:2"]
    assert list(await store.keys("a*")) == ["a*:1"]
    await store.aclose()


async def test_a_store_that_was_not_set_up_says_what_to_do(url: str) -> None:
    shared = coordination(url)
    with pytest.raises(SharedStoreError, match="welkin-async shared init"):
        await shared.ledger.open_run("run", "file")
    await shared.init()
    await shared.init()
    await shared.ledger.open_run("run", "file")
    await shared.aclose()


async def test_a_token_is_kept_sealed_and_its_age_is_by_the_stores_clock(share: Share, url: str) -> None:
    one, two = share(), share()
    await one.tokens.save("key", TOKEN)
    await asyncio.sleep(0.05)
    held = await two.tokens.load("key")
    assert held is not None
    assert held.value == "secret-token"
    assert held.age is not None
    assert 0.03 < held.age < 5.0
    kept = await everything(url)
    assert b"sealed" in kept
    assert b"secret-token" not in kept


async def everything(url: str) -> bytes:
    store = open_store(url)
    documents = [await store.load(key) for key in await store.keys("")]
    await store.aclose()
    return b"".join(each.value or b"" for each in documents)


async def test_without_a_key_no_token_is_stored(share: Share, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WELKIN_SHARED_KEY")
    shared = share()
    async with shared.tokens.lock("key"):
        await shared.tokens.save("key", TOKEN)
    assert await shared.tokens.load("key") is None
    assert await shared.tokens.reserve("key") == 0.0


async def test_a_token_that_was_sealed_with_another_key_is_none(share: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    from welkin_async.shared import new_key

    one = share()
    await one.tokens.save("key", TOKEN)
    monkeypatch.setenv("WELKIN_SHARED_KEY", new_key())
    assert await share().tokens.load("key") is None


async def test_one_at_a_time_holds_the_lease_of_a_token(share: Share) -> None:
    inside, most = 0, 0

    async def hold(shared: Coordination) -> None:
        nonlocal inside, most
        async with shared.tokens.lock("key"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.02)
            inside -= 1

    await asyncio.gather(*(hold(share()) for _ in range(4)))
    assert most == 1


async def test_shares_of_two_sessions_make_up_the_rate(share: Share) -> None:
    one, two = share(), share()

    def told(member: str) -> PaceReport:
        return PaceReport(member=member, seconds=0.2, sent=20, waiting=100, rate=100.0)

    for _ in range(4):
        first = await one.pace.report("key", told("a"))
        second = await two.pace.report("key", told("b"))
    assert first.rate == pytest.approx(50.0)
    assert second.rate == pytest.approx(50.0)


async def test_a_ledger_hands_a_chunk_to_one_worker_and_refuses_the_old_fence(share: Share) -> None:
    one, two = share(lease=0.4).ledger, share(lease=0.4).ledger
    await one.open_run("run", "file")
    first = await one.claim("run", "c1", "holder-1")
    assert first is not None
    assert (first.attempt, first.lease.stands) == (1, True)
    assert await two.claim("run", "c1", "holder-2") is None
    await one.renew("run", first)
    await asyncio.sleep(0.45)
    assert not first.lease.stands
    second = await two.claim("run", "c1", "holder-2")
    assert second is not None
    assert (second.attempt, second.fence) == (2, 2)
    assert second.age >= 0.4
    with pytest.raises(LeaseLostError):
        await one.finish("run", first, {"created": 1})
    with pytest.raises(LeaseLostError):
        await one.renew("run", first)
    await two.finish("run", second, {"created": 1})
    await two.finish("run", second, {"created": 1})
    again = await one.claim("run", "c1", "holder-3")
    assert again is not None
    assert again.report == {"created": 1}
    assert [chunk async for chunk, _, _ in one.finished("run")] == ["c1"]


async def test_what_is_known_of_a_run_is_known_to_all(share: Share) -> None:
    one, two = share().ledger, share().ledger
    await one.open_run("run", "file")
    await one.note("run", proved=True, lag=0.5, keys_changed=False)
    known = await two.open_run("run", "file")
    assert (known.proved, known.lag, known.keys_changed) == (True, 0.5, False)
    with pytest.raises(LedgerError):
        await two.open_run("run", "another file")


async def test_a_ledger_that_was_emptied_during_a_run_is_refused(share: Share, url: str) -> None:
    ledger = share().ledger
    await ledger.open_run("run", "file")
    claimed = await ledger.claim("run", "c1", "holder")
    assert claimed is not None
    await empty(url)
    with pytest.raises(LedgerError, match="emptied"):
        await ledger.claim("run", "c2", "holder")
    with pytest.raises(LeaseLostError):
        await ledger.finish("run", claimed, {})


async def empty(url: str) -> None:
    if url.startswith("sqlite"):
        import sqlite3

        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            connection.execute("DELETE FROM documents")
        connection.close()
    elif url.startswith("postgres"):
        import psycopg

        with psycopg.connect(url, autocommit=True) as postgres:
            postgres.execute("TRUNCATE welkin_async_documents")
    else:
        import redis

        with redis.Redis.from_url(url) as client:
            client.flushall()


async def test_what_is_shared_can_be_handed_to_another_process(share: Share, url: str) -> None:
    other = pickle.loads(pickle.dumps(share()))
    await other.ledger.open_run("run", "file")
    assert url not in repr(other)
    await other.aclose()


@pytest.mark.parametrize(
    "setting", [{}, {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "allkeys-lru"}]
)
async def test_redis_keeps_no_ledger_that_it_may_lose(tmp_path: Path, setting: dict[str, str]) -> None:
    server = RedisServer(tmp_path, **setting)
    server.start()
    try:
        shared = coordination(server.url)
        with pytest.raises(LedgerError, match="only with"):
            await shared.ledger.open_run("run", "file")
        await shared.aclose()
    finally:
        server.kill()


async def test_redis_that_was_started_anew_voids_every_lease(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, appendonly="yes", appendfsync="always")
    server.start()
    try:
        shared = coordination(server.url, 5.0)
        await shared.init()
        await shared.ledger.open_run("run", "file")
        claimed = await shared.ledger.claim("run", "c1", "holder")
        assert claimed is not None
        server.kill()
        with pytest.raises(StoreUnreachableError):
            await shared.ledger.renew("run", claimed)
        assert claimed.lease.left > 0.0  # it goes on to its end
        server.start()
        with pytest.raises(LeaseLostError, match="void"):
            await shared.ledger.renew("run", claimed)
        assert not claimed.lease.stands
        again = await shared.ledger.claim("run", "c1", "another")
        assert again is not None
        assert again.attempt == 2
        assert 4.0 < again.wait <= 5.0
        await shared.aclose()
    finally:
        server.kill()


@pytest.mark.parametrize("kind", ["postgresql://nobody:hidden-word@127.0.0.1", "redis://:hidden-word@127.0.0.1"])
async def test_a_store_that_does_not_answer_is_named_without_its_url(
    kind: str, leaks: Callable[[BaseException, list[str]], list[str]]
) -> None:
    shared = coordination(f"{kind}:{free_port()}/0")
    with pytest.raises(StoreUnreachableError) as caught:
        await shared.ledger.open_run("run", "file")
    assert "hidden-word" not in str(caught.value)
    assert "hidden-word" not in repr(shared)
    await shared.aclose()


@pytest.mark.parametrize("wrong", ["", "mysql://here/it", "sqlite://", "sqlite:///", "sqlite://host/path", "file.db"])
def test_a_url_that_names_no_store_is_refused_and_not_quoted(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="sqlite:///path") as caught:
        coordination(wrong)
    assert not wrong or wrong not in str(caught.value).split()


@pytest.mark.parametrize(
    "wrong",
    [
        "redis://:hid/den-word@host:6379",
        "redis://user:hidden#word@host:6379",
        "redis://:hidden-word@host:port/0",
        "redis://:hidden-word@host:99999/0",
        "redis://:hidden-word@host/name",
        "redis://host/0?hidden=word",
        "redis://host/0?socket_timeout=hidden",
        "redis://:hidden-word@host/0?decode_responses=true",
        "rediss://host/0?ssl_cert_reqs=hidden",
        "postgresql://host/database?hidden=word",
        "sqlite:///hidden?word",
        "sqlite:///hidden#word",
        "sqlite:///hidden%00word",
    ],
)
def test_a_url_that_a_driver_does_not_take_is_refused_at_once_and_no_part_of_it_quoted(
    wrong: str, leaks: Callable[[BaseException, list[str]], list[str]]
) -> None:
    with pytest.raises(ConfigurationError, match="shared") as caught:
        coordination(wrong)
    assert not leaks(caught.value, ["hid", "word"])


async def test_a_file_of_any_name_is_a_store(tmp_path: Path) -> None:
    path = tmp_path / "50%25 off #1? \N{SNOWMAN}.db"
    shared = coordination(sqlite_url(path))
    await shared.init()
    await shared.aclose()
    assert path.exists()


async def test_a_store_is_set_up_by_many_at_once(url: str) -> None:
    for _ in range(3):
        stores = [coordination(url) for _ in range(12)]
        await asyncio.gather(*(each.init() for each in stores))
        for each in stores:
            await each.aclose()
        await drop(url)


async def drop(url: str) -> None:
    if url.startswith("sqlite"):
        for path in Path(url.removeprefix("sqlite:///")).parent.glob("shared.db*"):
            path.unlink()
    elif url.startswith("postgres"):
        import psycopg

        with psycopg.connect(url, autocommit=True) as postgres:
            postgres.execute("DROP TABLE welkin_async_documents")


@pytest.fixture
async def postgres_url(postgres: str) -> AsyncIterator[str]:
    """The URL of a store in PostgreSQL that is set up."""
    for url in fresh_postgres(postgres):
        shared = coordination(url)
        await shared.init()
        await shared.aclose()
        yield url


@pytest.mark.parametrize("content", [b"{hidden-word", b"\xff\xfe", b"[]"])
async def test_a_document_that_is_not_of_this_package_is_refused_and_not_quoted(
    share: Share, url: str, content: bytes
) -> None:
    store, shared = open_store(url), share()
    await store.swap("run:run", "", content)
    with pytest.raises(SharedStoreError, match="none of it") as caught:
        await shared.ledger.open_run("run", "file")
    assert "hidden-word" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None
    await store.aclose()


async def test_a_user_who_may_make_no_table_does_with_one_that_is_there(postgres_url: str) -> None:
    import psycopg

    url = postgres_url
    schema, role = url.rpartition("%3D")[2], f"welkin_test_{secrets.token_hex(3)}"
    with psycopg.connect(url, autocommit=True) as postgres:
        for statement in (
            f"CREATE ROLE {role} LOGIN PASSWORD 'word'",
            f"GRANT USAGE ON SCHEMA {schema} TO {role}",
            f"GRANT SELECT, INSERT, UPDATE ON welkin_async_documents TO {role}",
        ):
            postgres.execute(statement.encode())
    options = psycopg.conninfo.conninfo_to_dict(url) | {"user": role, "password": "word"}
    host = f"{options['host']}:{options.get('port', 5432)}" if "/" not in str(options["host"]) else ""
    limited = f"postgresql://{role}:word@{host}/{options['dbname']}?options=-csearch_path%3D{schema}"
    if not host:
        limited += f"&host={options['host']}"
    shared = coordination(limited)
    try:
        await shared.init()
        await shared.ledger.open_run("run", "file")
        assert await shared.ledger.claim("run", "c1", "holder")
    finally:
        await shared.aclose()
        with psycopg.connect(url, autocommit=True) as postgres:
            postgres.execute(f"DROP OWNED BY {role}".encode())
            postgres.execute(f"DROP ROLE {role}".encode())


@pytest.mark.parametrize("anew", [False, True], ids=["removed", "replaced"])
async def test_a_file_that_is_removed_or_replaced_during_a_run_is_noticed(tmp_path: Path, anew: bool) -> None:
    """Else who has it open and who opens its successor would each have a ledger of their own."""
    url = f"sqlite:///{tmp_path}/shared.db"
    shared = coordination(url)
    await shared.init()
    await shared.ledger.open_run("run", "file")
    claimed = await shared.ledger.claim("run", "c1", "holder")
    assert claimed is not None
    kept = tmp_path / "kept"  # so that no other file is given its number
    kept.hardlink_to(tmp_path / "shared.db")
    await drop(url)
    if anew:
        other = coordination(url)
        await other.init()
        await other.aclose()
    for _ in range(2):
        with pytest.raises(SharedStoreError, match="emptied" if anew else "shared init"):
            await shared.ledger.claim("run", "c2", "holder")
        with pytest.raises(LeaseLostError if anew else SharedStoreError):
            await shared.ledger.renew("run", claimed)
    await shared.aclose()


def test_a_session_takes_the_store_from_the_environment_and_its_settings_travel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"TENANT": "t", "INSTANCE": "i", "API_CLIENT": "c", "SECRET_KEY": "s"}.items():
        monkeypatch.setenv(f"WELKIN_{name}", value)
    monkeypatch.setenv("WELKIN_SHARED", "redis://:hidden-word@127.0.0.1:1/0")
    welkin = Welkin.from_env()
    assert "hidden-word" not in repr(welkin.settings)
    settings = pickle.loads(pickle.dumps(welkin.settings))
    assert Welkin.from_settings(settings).settings.shared == "redis://:hidden-word@127.0.0.1:1/0"
    monkeypatch.setenv("WELKIN_SHARED", "nothing")
    with pytest.raises(ConfigurationError):
        Welkin.from_env()


async def test_a_session_goes_on_without_its_store_and_says_so_once(
    server: Any, connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "welkin_async")
    patient = server.store.add_patient()["id"]
    async with connect(server, shared=f"redis://127.0.0.1:{free_port()}/0", rate=100.0) as welkin:
        for _ in range(5):
            assert (await welkin.patients.get(patient)).id == patient
        await asyncio.sleep(0.5)
    said = [each.getMessage() for each in caplog.records if "shared pace" in each.getMessage()]
    assert len(said) == 1


_NOTHING_LATE = """
import asyncio, sys
from welkin_async.shared import PaceReport, coordination

async def main():
    shared = coordination(sys.argv[1])
    before = set(sys.modules)
    await shared.pace.report("pace", PaceReport(member="a", seconds=0.2, sent=1, waiting=1))
    await shared.tokens.load("token")
    await shared.aclose()
    print(*{name.partition(".")[0] for name in set(sys.modules) - before})

asyncio.run(main())
"""


async def test_drivers_are_imported_before_a_session_sends(share: Share, url: str) -> None:
    """At the first call of the store that would hold up every request of the event loop, for a quarter of a second."""
    command = [sys.executable, "-c", _NOTHING_LATE, url]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    assert not {"psycopg", "redis", "cryptography", "anyio"} & set(done.stdout.split())


async def test_a_call_of_a_file_that_is_cancelled_ends_before_another_begins(tmp_path: Path, store_key: str) -> None:
    store = open_store(f"sqlite:///{tmp_path}/shared.db")
    await store.create_schema()
    locked = sqlite3.connect(tmp_path / "shared.db", isolation_level=None)
    locked.execute("BEGIN IMMEDIATE")
    writing = asyncio.create_task(store.swap("key", "", b"one"))
    await asyncio.sleep(0.2)
    writing.cancel()
    await asyncio.sleep(0.1)
    assert not writing.done()  # what it writes may be in the file
    locked.execute("ROLLBACK")
    locked.close()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert (await store.load("key")).value == b"one"
    await store.aclose()
