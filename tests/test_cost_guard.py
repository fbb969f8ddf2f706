"""What a record costs, counted in function calls: a guard that needs no quiet machine.

Calls of Python and C functions are counted over a run in this process, against a pool that answers at once. The count
per record is taken from two runs of different length, so that what happens once cancels out, and held against a bound
recorded below. It does not depend on the machine, only on the interpreter's version;
`python tests/test_cost_guard.py` prints what the present one counts.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any

import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from welkin_async import Welkin
from welkin_async.bulk import CdtRow, create_cdt_records
from welkin_async.bulk.keys.cdt_keys import CdtKeys
from welkin_async.http.attempt import Reply
from welkin_async.validation.comparison import FieldComparison
from welkin_async.wire.exchange import Exchange

TOLERANCE = 1.10
# Calls per record, by the interpreter's version: recorded, and lowered whenever the work gets less. Holding an answer
# against its request costs five calls of a single create, and two of a get; a bulk create compares its fields but once.
# A public function raises without the package's frames: one call for each, of which a single create has three and a get
# has one. A single create is held against the formation: seven calls.
BOUNDS: dict[str, dict[tuple[int, int], float]] = {
    "bulk create": {(3, 11): 59.0, (3, 12): 59.0, (3, 13): 59.0},
    "single create": {(3, 11): 79.0, (3, 12): 79.0, (3, 13): 79.0},
    "get": {(3, 11): 48.0, (3, 12): 48.0, (3, 13): 48.0},
    "walk": {(3, 11): 10.6, (3, 12): 10.6, (3, 13): 10.6},
    "listing of a keyed import": {(3, 11): 82.5, (3, 12): 82.5, (3, 13): 82.5},
}

PATIENT = "23a7711a-8133-4876-b7eb-000000000000"
EMPTY = "23a7711a-8133-4876-b7eb-000000000001"
FIELDS = {f"field_{number}": f"value {number}" for number in range(9)} | {"dispenses": 2}
SIZE = 50

Work = Callable[[Welkin, int], Awaitable[int]]


def _record(id: str) -> dict[str, Any]:
    return {"id": id, "patientId": PATIENT, "version": 1, "jsonBody": {"id": id, **FIELDS}, "cdtName": "medication"}


def _formation() -> dict[str, Any]:
    types = {name: "integer" if name == "dispenses" else "text" for name in FIELDS}
    fields = [{"name": name, "type": kind, "editable": True, "meta": {}} for name, kind in types.items()]
    return {"id": "f728b4fa-4248-4e3a-8a5d-2f346baa9455", "name": "medication", "version": 1, "fields": fields}


def _answer(method: str, url: URL) -> tuple[int, Any]:
    if "/admin/" in url.path:
        return 200, {"token": "x"}
    if "/formations/" in url.path:
        return 200, _formation()
    if method == "POST":
        return 201, _record("0")
    if "/cdts/" not in url.path:
        return 200, {"id": PATIENT, "firstName": "Charlie"}
    number = int(url.query["page"])
    if EMPTY in url.path:
        page = {"content": [], "number": number, "size": int(url.query["size"]), "last": True, "totalPages": 0}
        return 200, {"name": "medication", "data": {**page, "totalElements": 0}}
    items = [_record(f"{number}-{index}") for index in range(SIZE)]
    return 200, {"data": {"content": items, "number": number, "last": False}}


class _Connection:
    """A connection that stays open."""

    answers = confirmed = 1
    disordered = False
    open = True

    def retire(self) -> None:
        raise AssertionError

    def close(self) -> None:
        raise AssertionError


@asynccontextmanager
async def _session() -> AsyncIterator[Welkin]:
    """A session whose pool answers at once, from bytes made before they are asked for."""
    made: dict[tuple[str, URL], Reply] = {}
    headers = CIMultiDictProxy(CIMultiDict({"Content-Type": "application/json"}))
    place = Exchange(_Connection(), 1)

    def reply(method: str, url: URL) -> Reply:
        status, value = _answer(method, url)
        return Reply(status, headers, json.dumps(value).encode(), 0, place)

    async def exchange(method: str, url: URL, *_: object, **__: object) -> Reply:
        found = made.get((method, url))
        if found is None:
            profile = sys.getprofile()
            sys.setprofile(None)  # the server's work is not counted
            found = made[method, url] = reply(method, url)
            sys.setprofile(profile)
        return found

    names = {"tenant": "gh", "instance": "sb-demo", "api_client": "GUARD", "secret_key": "x"}
    async with Welkin(base_url="http://127.0.0.1:1", **names) as welkin:  # type: ignore[arg-type]
        welkin.transport._engine.exchange = exchange  # type: ignore[method-assign]
        yield welkin


async def _bulk_create(welkin: Welkin, count: int) -> int:
    rows = (CdtRow(PATIENT, dict(FIELDS)) for _ in range(count))
    return (await create_cdt_records(welkin, "medication", rows, concurrency=8)).created


async def _single_create(welkin: Welkin, count: int) -> int:
    for _ in range(count):
        await welkin.patient(PATIENT).cdts("medication").create(FIELDS)
    return count


async def _get(welkin: Welkin, count: int) -> int:
    return sum([(await welkin.patients.get(PATIENT)).first_name == "Charlie" for _ in range(count)])


async def _walk(welkin: Welkin, count: int) -> int:
    seen = 0
    async for record in welkin.patient(PATIENT).cdts("medication").list(size=SIZE):
        seen += record.version == 1 and record.id != ""
        if seen == count:
            break
    return seen


async def _listing(welkin: Welkin, count: int) -> int:
    keys = CdtKeys(welkin.scope, "medication", "external_id", FieldComparison)
    return sum([await keys.listing(EMPTY, 0.0) == [] for _ in range(count)])


WORKS: dict[str, Work] = {
    "bulk create": _bulk_create,
    "single create": _single_create,
    "get": _get,
    "walk": _walk,
    "listing of a keyed import": _listing,
}


class _Count:
    """Counts calls while it is the profiler; what a generator or coroutine resumes counts too."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event in ("call", "c_call"):
            self.calls += 1


async def _calls(work: Work, count: int) -> int:
    async with _session() as welkin:
        assert await work(welkin, SIZE) == SIZE  # converters, caches and the token are there from here on
        counter = _Count()
        sys.setprofile(counter)
        try:
            done = await work(welkin, count)
        finally:
            sys.setprofile(None)
        assert done == count
        return counter.calls


def cost(work: Work, tries: int = 1) -> float:
    """Return the calls a record costs, fixed costs left out.

    On a busy machine timers fall into a run and add to it: the least of several tries is the work itself.
    """
    few, many = 4 * SIZE, 16 * SIZE
    least = {count: min(asyncio.run(_calls(work, count)) for _ in range(tries)) for count in (few, many)}
    return (least[many] - least[few]) / (many - few)


@pytest.fixture(autouse=True)
def stock_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard library's codec, whether or not orjson is installed."""
    monkeypatch.setitem(sys.modules, "orjson", None)


@pytest.mark.parametrize("name", WORKS)
def test_a_record_costs_no_more_calls_than_recorded(name: str) -> None:
    version = sys.version_info[:2]
    if version not in BOUNDS[name]:
        pytest.skip(f"no bound is recorded for Python {version[0]}.{version[1]}")
    bound, found = BOUNDS[name][version], cost(WORKS[name], 2)
    assert found <= bound * TOLERANCE, f"{name}: {found:.1f} calls a record, {bound:.1f} recorded"


@pytest.mark.parametrize("name", ["bulk create", "walk"])
def test_the_count_does_not_depend_on_the_run(name: str) -> None:
    cost(WORKS[name])  # what is made once in a process
    assert cost(WORKS[name], 3) == pytest.approx(cost(WORKS[name], 3), rel=0.02)


if __name__ == "__main__":
    sys.modules["orjson"] = None  # type: ignore[assignment]
    for each, work in WORKS.items():
        sys.stdout.write(f"{each}: {cost(work):.1f}\n")
