"""PostgreSQL store (extra ``postgres``): one statement for each step, committed by itself."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from welkin_async.errors import ConfigurationError
from welkin_async.shared.documents import NOT_MADE, Document
from welkin_async.shared.errors import LedgerError, SharedStoreError, StoreUnreachableError

if TYPE_CHECKING:
    import psycopg

_PATIENCE = 5.0  # seconds until a statement counts as not answered
# `now()` would be the moment at which a transaction began. The timeline is another one after a failover.
_LOAD = """
SELECT d.value, d.stamp, extract(epoch FROM clock_timestamp())::float8,
       (SELECT system_identifier::text FROM pg_control_system())
       || ':' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
FROM (SELECT 1) AS one LEFT JOIN welkin_async_documents AS d ON d.key = %s
"""
_INSERT = "INSERT INTO welkin_async_documents (key, stamp, value) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
_UPDATE = "UPDATE welkin_async_documents SET stamp = %s, value = %s WHERE key = %s AND stamp = %s"
_KEYS = 'SELECT key FROM welkin_async_documents WHERE starts_with(key, %s) ORDER BY key COLLATE "C"'
_THERE = "SELECT to_regclass('welkin_async_documents') IS NOT NULL"
# Of several at once IF NOT EXISTS fails all but one, if they do not see the table of the first yet.
_CREATE = """
DO $$ BEGIN
    CREATE TABLE IF NOT EXISTS welkin_async_documents (
        key text COLLATE "C" PRIMARY KEY, stamp text NOT NULL, value bytea NOT NULL
    );
EXCEPTION WHEN unique_violation OR duplicate_table OR duplicate_object THEN NULL;
END $$
"""


class PostgresStore:
    """PostgreSQL store; its clock is the server's ``clock_timestamp()``.

    Args:
        url: ``postgresql://user:password@host/database``.

    Raises:
        ConfigurationError: the ``postgres`` extra is not installed, or its driver does not take the URL.
    """

    def __init__(self, url: str) -> None:
        if not find_spec("psycopg"):
            raise ConfigurationError("postgresql:// needs the `postgres` extra: pip install 'welkin-async[postgres]'")
        # Not at the first statement: that would hold up the event loop, and so all requests, for a quarter of a second.
        from psycopg import AsyncConnection, ProgrammingError
        from psycopg.conninfo import conninfo_to_dict

        fits = False
        with contextlib.suppress(ProgrammingError):  # what it says quotes the URL
            fits = conninfo_to_dict(url) is not None
        if not fits:
            raise ConfigurationError(
                "shared is postgresql://user:password@host:port/database, what is special in user or password "
                "percent-encoded, and with options that libpq knows"
            )
        self._connect = AsyncConnection.connect
        self._url = url
        self._connection: psycopg.AsyncConnection[tuple[Any, ...]] | None = None
        self._turn = asyncio.Lock()

    async def load(self, key: str) -> Document:
        """Read a document; see `DocumentStore`."""
        ((value, stamp, now, server),) = await self._rows(_LOAD, key)
        return Document(value, stamp or "", now, server)

    async def swap(self, key: str, stamp: str, value: bytes) -> bool:
        """Write a document if it still has a stamp; see `DocumentStore`."""
        new = secrets.token_hex(8)
        if stamp:
            return await self._run(_UPDATE, new, value, key, stamp) == 1
        return await self._run(_INSERT, key, new, value) == 1

    async def keys(self, prefix: str) -> Sequence[str]:
        """Return the keys that begin with a text; see `DocumentStore`."""
        return [key for (key,) in await self._rows(_KEYS, prefix)]

    async def create_schema(self) -> None:
        """Make the table, where it is not there: a user who may not does with one that somebody else has made."""
        ((there,),) = await self._rows(_THERE)
        if not there:
            await self._run(_CREATE)

    async def check_durable(self) -> None:
        """See that the server waits for its disk; see `DocumentStore`."""
        ((fsync,),) = await self._rows("SELECT current_setting('fsync')")
        if fsync != "on":
            raise LedgerError("PostgreSQL keeps a ledger only with fsync = on")

    async def aclose(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return (await self._execute(statement, values, rows=True))[0]

    async def _run(self, statement: str, *values: object) -> int:
        return (await self._execute(statement, values, rows=False))[1]

    async def _execute(
        self, statement: str, values: tuple[object, ...], *, rows: bool
    ) -> tuple[list[tuple[Any, ...]], int]:
        import psycopg

        async with self._turn:
            try:
                async with asyncio.timeout(_PATIENCE):
                    if self._connection is None:
                        self._connection = await self._connect(
                            self._url, autocommit=True, connect_timeout=int(_PATIENCE), application_name="welkin_async"
                        )
                        await self._connection.execute("SET synchronous_commit = on")
                    cursor = await self._connection.execute(statement.encode(), values)
                    return (await cursor.fetchall() if rows else []), cursor.rowcount
            except psycopg.errors.UndefinedTable:
                raise SharedStoreError(NOT_MADE) from None
            except psycopg.errors.InsufficientPrivilege:
                raise SharedStoreError("PostgreSQL does not allow this user what the shared store needs") from None
            except (psycopg.OperationalError, psycopg.InterfaceError, TimeoutError, OSError) as error:
                await self.aclose()
                raise StoreUnreachableError(f"PostgreSQL cannot be reached ({type(error).__name__})") from None
            except psycopg.Error as error:
                raise SharedStoreError(f"PostgreSQL refused a statement ({type(error).__name__})") from None
            except BaseException:  # cancelled in the middle of an answer
                await self.aclose()
                raise
