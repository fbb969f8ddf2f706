"""What the tests of this folder share: sessions, rows, and an engine whose requests are answered by a script."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from welkin_async import (
    Answer,
    AuthenticationError,
    BadRequestError,
    ConnectError,
    InvalidInputError,
    OutcomeUnknownError,
    SessionError,
    Welkin,
)
from welkin_async.bulk import CdtRow, Outcome, OutcomeStream, Report, Status, stream_cdt_records
from welkin_async.bulk.actions.action import BulkOperation
from welkin_async.bulk.engine.engine import Engine
from welkin_async.bulk.engine.outcome_queue import OutcomeQueue
from welkin_async.bulk.rows import PreparedRow
from welkin_async.http.stats import SessionStats
from welkin_async.models.cdts import CdtRecord
from welkin_async.resources.cdts import CREATE_CDT
from welkin_async.sandbox import Fault, FaultKind, Sandbox
from welkin_async.wire.exchange import Exchange
from welkin_async.wire.request import Request

CDT = "medication"
FAST: dict[str, Any] = {"key_field": "external_id", "settle": 0.2, "final_settle": 0.3, "concurrency": 4}


def connect(server: Sandbox, /, **settings: Any) -> Welkin:
    """A session on a server; open it with `async with`."""
    given: dict[str, Any] = {
        "tenant": server.tenant,
        "instance": server.instance,
        "api_client": server.api_client,
        "secret_key": server.secret_key,
        "base_url": server.base_url,
    }
    return Welkin(**(given | settings))


def rows(patient: str, count: int) -> list[CdtRow]:
    return [CdtRow(patient, {"external_id": f"e{index}"}, f"e{index}") for index in range(count)]


class Pulled:
    """A source that counts what was taken from it."""

    def __init__(self, source: Iterable[Any]) -> None:
        self.source = source
        self.count = 0

    def __iter__(self) -> Iterator[Any]:
        for row in self.source:
            self.count += 1
            yield row

    async def later(self, every: int = 1) -> AsyncIterator[Any]:
        """The same, asynchronously: each `every`-th row comes a turn of the loop later."""
        for row in self.source:
            if self.count % every == 0:
                await asyncio.sleep(0)
            self.count += 1
            yield row


def held(server: Sandbox) -> set[str]:
    """The keys that are on the server."""
    return {record["jsonBody"]["external_id"] for record in server.store.cdt_records(CDT)}


def same(report: Report, outcomes: Iterable[Outcome[Any, Any]]) -> None:
    """Assert that the counts of a report are those of the outcomes."""
    found = list(outcomes)
    statuses = [str(outcome.status) for outcome in found]
    counted = {name: getattr(report, name) for name in ("created", "rejected", "failed", "unknown")}
    assert counted == {name: statuses.count(name) for name in counted}
    assert report.rows == len(found)
    assert report.attempts == sum(outcome.attempts for outcome in found)


async def take(outcomes: AsyncIterable[Outcome[Any, Any]], seen: list[Outcome[Any, Any]]) -> None:
    """Take outcomes until the end; an error loses none of those before it."""
    async for outcome in outcomes:
        seen.append(outcome)  # noqa: PERF401 - a comprehension would lose them


def bulk_tasks() -> list[str]:
    """Names of the tasks of an import that are not done; a token's refresh belongs to the session."""
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("welkin_async bulk")]


async def outcomes_of(welkin: Welkin, rows: Any, /, **options: Any) -> tuple[list[Outcome[Any, Any]], Report]:
    """All outcomes by position, and the report."""
    stream = stream_cdt_records(welkin, CDT, rows, **{**FAST, **options})
    async with stream:
        found = [outcome async for outcome in stream]
    return sorted(found, key=lambda outcome: outcome.index), stream.report


def statuses(outcomes: Iterable[Outcome[Any, Any]]) -> list[str]:
    return [str(outcome.status) for outcome in outcomes]


def recorded(journal: Path) -> dict[int, str]:
    """What a closed journal holds beside created rows."""
    with contextlib.closing(sqlite3.connect(journal)) as opened:
        return dict(opened.execute("SELECT position, status FROM outcomes"))


def refuse(server: Sandbox, count: int, after: int = 0) -> None:
    server.faults.add(Fault(FaultKind.STATUS, status=422, operation="cdts.create", after=after, times=count))


def forget(journal: Path, position: int) -> None:
    """Leave a journal as a kill does between a row's landing and the note of it."""
    with contextlib.closing(sqlite3.connect(journal)) as opened:
        opened.execute("DELETE FROM created")
        if position:
            opened.execute("INSERT INTO created VALUES (0, ?)", (position,))
        opened.commit()


class Step(NamedTuple):
    """What becomes of a scripted row.

    Attributes:
        kind: See `Scripted.send`.
        before: Turns of the loop it waits before it is sent.
        out: Turns of the loop for which it is on the wire.
    """

    kind: str
    before: int = 0
    out: int = 1


ANSWER = Answer(201, CIMultiDictProxy(CIMultiDict()), {"id": "r", "jsonBody": {}}, 1, CREATE_CDT.line)
_URL = URL("http://127.0.0.1/")


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class Scripted:
    """An action that does with each row what the row itself says; rows are `Step` objects."""

    operation = BulkOperation(Status.CREATED, CREATE_CDT)
    timeout = 5.0
    max_attempts = 1
    row_hook: Callable[[str], None] | None = None
    target = "here"

    def __init__(self, changed: Callable[[Step], tuple[str, ...]] = lambda _: ()) -> None:
        self.out = 0
        self.peak = 0
        self.sent = 0
        self.landed = 0
        self._changed = changed

    def stats(self) -> SessionStats:
        raise SessionError("there is none")

    async def load(self) -> bool:
        return False

    async def probe(self) -> None:
        pass

    async def confirm(self, exchange: Exchange, /) -> None:
        pass

    async def look(self, prepared: PreparedRow, /) -> tuple[bool, None]:
        return False, None

    def prepare(self, index: int, row: Step, /) -> PreparedRow:
        refusal: Exception | None = InvalidInputError("it does not fit") if row.kind == "refused" else None
        if row.kind == "broken":
            refusal = ZeroDivisionError("a bug in a mapping")
        body = f"{row.kind} {row.before} {row.out}".encode()
        return PreparedRow(index, row, body=body, url=_URL, refusal=refusal)

    async def send(self, request: Request) -> Answer:
        """As the transport does: `on_wire` while it is out, `unknown` where it was cut off."""
        kind, before, out = (request.body or b"").decode().split()
        row = Step(kind, int(before), int(out))
        line = request.operation.line
        if row.kind == "closed":
            raise SessionError("the session is closed")
        await turns(row.before)
        request.attempts += 1
        request.on_wire = True
        self.sent += 1
        self.out += 1
        self.peak = max(self.peak, self.out)
        try:
            await turns(row.out)
        except BaseException:
            request.unknown = True
            raise
        finally:
            request.on_wire = False
            self.out -= 1
        attempts = request.attempts
        if row.kind == "rejected":
            raise BadRequestError("the server answered 400", request=line, status=400, attempts=attempts)
        if row.kind == "unknown":
            request.unknown = True
            raise OutcomeUnknownError("the connection broke", request=line, attempts=attempts)
        if row.kind == "unsent":
            raise ConnectError("the connection was refused", request=line, attempts=attempts)
        if row.kind == "unauthorized":
            raise AuthenticationError("the server refused the token (401)", request=line, status=401, attempts=attempts)
        if row.kind == "crash":
            request.unknown = True
            raise ZeroDivisionError("a bug in the transport")
        self.landed += 1
        return ANSWER

    def read(self, prepared: PreparedRow, answer: Answer, /) -> tuple[CdtRecord, tuple[str, ...]]:
        return CdtRecord.from_wire(answer.data, answer), self._changed(prepared.row)


def scripted(
    source: Iterable[Step] | AsyncIterable[Step],
    *,
    concurrency: int = 4,
    ordered: bool = False,
    action: Scripted | None = None,
    **more: Any,
) -> OutcomeStream[Step, CdtRecord]:
    """A stream over scripted rows, put together as `stream_cdt_records` does."""
    queue = OutcomeQueue(concurrency, ordered=ordered)
    window = 8 * concurrency if ordered else 0
    engine: Engine[Step, CdtRecord] = Engine(
        action or Scripted(), source, concurrency=concurrency, queue=queue, window=window, **more
    )
    return OutcomeStream(engine, queue)
