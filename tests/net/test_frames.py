"""What the frames of errors hold that come over real connections: nothing of this package and of what is under it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from welkin_async import MemoryTokenStore, Welkin, bulk
from welkin_async.bulk import CdtChange, CdtRow, PatientRow
from welkin_async.files import import_records
from welkin_async.http.multipart import UploadFile

from .helpers import NOBODY, Close, Hang, RawServer, Reaction, Reset, always, connect, free_port, http, record

Leaks = Callable[[BaseException, list[str]], list[str]]

NAME, DOSE, ANSWERED, SECRET = "Charlotte", "80mgTwiceDaily", "Tailorson", "s3cr3t+}{"
WORDS = [NAME, DOSE, ANSWERED, "s3cr3t", "t0ken", NOBODY]

Call = Callable[[Welkin, Path], Coroutine[Any, Any, Any]]


async def _walk(welkin: Welkin, directory: Path) -> None:
    async for _ in welkin.patients.list(query=NAME, prefetch=3):
        pass


async def _page(welkin: Welkin, directory: Path) -> None:
    await welkin.patients.list(query=NAME)


async def _chunks(welkin: Welkin, directory: Path) -> None:
    async with welkin.patient(NAME).document(NAME).files.stream(NAME) as chunks:
        async for _ in chunks:
            pass


def _rows() -> Iterator[CdtRow]:
    yield CdtRow(NOBODY, {"medication_dose": DOSE}, NAME)
    yield CdtRow(f"{NAME}/..", {"medication_dose": object()}, NAME)
    yield CdtRow(NOBODY, {"medication_dose": f"{DOSE}\ud800"}, NAME)


CALLS: dict[str, Call] = {
    "create": lambda welkin, _: welkin.patient(NOBODY).cdts(NAME).create({"medication_dose": DOSE}),
    "get": lambda welkin, _: welkin.patients.get(NAME, type="EID"),
    "delete": lambda welkin, _: welkin.patients.delete(NAME),
    "walk": _walk,
    "page": _page,
    "total": lambda welkin, _: welkin.patients.list(query=NAME).total(),
    "chunks": _chunks,
    "download": lambda welkin, path: welkin.patient(NAME).document(NAME).files.download(NAME, path / NAME / DOSE),
    "upload": lambda welkin, _: welkin.patient(NAME).document(NAME).files.upload(UploadFile(f"{NAME}.pdf", b"x" * 9)),
    "request": lambda welkin, _: welkin.request("POST", "/{tenant}/x/{id}", path={"id": NAME}, json={"a": DOSE}),
}

ENDS: dict[str, Reaction] = {
    "reset": Reset(),
    "cut short": Close(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + ANSWERED.encode()),
    "no HTTP": Close(ANSWERED.encode() + b"\r\n\r\n"),
    "a strange header": http(200, {"id": ANSWERED}, X_A=f"{ANSWERED}\x01"),
    "no JSON": http(200, ANSWERED.encode()),
    "silence": Hang(),
}


async def failure(call: Awaitable[Any]) -> BaseException | None:
    try:
        await call
    except BaseException as error:
        return error
    return None


@pytest.mark.parametrize("engine", ["aiohttp", "direct"])
@pytest.mark.parametrize("end", ENDS)
async def test_connections_that_end_badly(end: str, engine: str, swift: None, tmp_path: Path, leaks: Leaks) -> None:
    async with RawServer(always(ENDS[end])) as server:
        timeout = 0.2 if end == "silence" else 5.0
        async with connect(server, secret_key=SECRET, engine=engine, max_attempts=1, timeout=timeout) as welkin:
            errors = [await failure(call(welkin, tmp_path)) for call in CALLS.values()]
    assert len([error for error in errors if error is not None]) >= (4 if end == "a strange header" else 8)
    assert not [leak for error in errors if error is not None for leak in leaks(error, WORDS)]


@pytest.mark.parametrize("engine", ["aiohttp", "direct"])
async def test_calls_that_are_cancelled_and_a_callers_own_timeout(engine: str, tmp_path: Path, leaks: Leaks) -> None:
    async with RawServer(always(Hang())) as server, connect(server, secret_key=SECRET, engine=engine) as welkin:
        assert await failure(asyncio.wait_for(welkin.patients.get(NAME), 0.2)) is not None
        for name, call in CALLS.items():
            task = asyncio.create_task(call(welkin, tmp_path))
            await asyncio.sleep(0.1)
            task.cancel()
            error = await failure(task)
            assert isinstance(error, asyncio.CancelledError), name
            assert not leaks(error, WORDS), name

        async def hurried() -> None:
            async with asyncio.timeout(0.1):
                await welkin.patients.get(NAME)

        error = await failure(hurried())
        assert isinstance(error, TimeoutError)
        assert isinstance(error.__context__, asyncio.CancelledError)  # 3.11.2 names no cause
        assert not leaks(error, WORDS)


@pytest.mark.parametrize("engine", ["aiohttp", "direct"])
async def test_no_connection_and_no_token(engine: str, tmp_path: Path, leaks: Leaks) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    async with connect(nobody, secret_key=SECRET, engine=engine, max_attempts=1, token_store=Broken()) as welkin:
        for call in CALLS.values():
            error = await failure(call(welkin, tmp_path))
            assert error is not None
            assert not leaks(error, WORDS)
    reflecting = http(400, {"sent": SECRET})
    async with (
        RawServer(always(reflecting), tokens=False) as server,
        connect(server, secret_key=SECRET, engine=engine, max_attempts=1) as welkin,
    ):
        error = await failure(welkin.patients.get(NAME))
    assert error is not None
    assert not leaks(error, WORDS)


class Broken(MemoryTokenStore):
    """A token store that keeps nothing."""

    async def save(self, key: str, token: Any) -> None:
        raise OSError(SECRET)


@pytest.mark.parametrize("end", ["reset", "no JSON", "404", "201", "401"])
async def test_bulk_operations(end: str, swift: None, tmp_path: Path, leaks: Leaks) -> None:
    reactions: dict[str, Reaction] = {
        "404": http(404, [{"message": ANSWERED}]),
        "401": http(401, [{"message": ANSWERED}]),
        "201": record(),
    }
    changes = [CdtChange(NOBODY, NAME, {"medication_dose": DOSE}, NAME)]
    errors: list[BaseException] = []
    given: dict[str, Any] = {"secret_key": SECRET, "max_attempts": 1, "timeout": 5}

    async def work_off(stream: bulk.OutcomeStream[Any, Any]) -> None:
        async with asyncio.timeout(1), stream as outcomes:
            errors.extend([outcome.error async for outcome in outcomes if outcome.error is not None])

    async with RawServer(always((ENDS | reactions)[end])) as server, connect(server, **given) as welkin:
        calls: list[Coroutine[Any, Any, Any]] = [
            work_off(bulk.stream_cdt_records(welkin, "m", _rows(), check="off")),
            work_off(bulk.stream_cdt_records(welkin, "m", _rows(), check="off", key_field="external_id", settle=0.0)),
            work_off(bulk.stream_patients(welkin, [PatientRow({"firstName": NAME})], check="off")),
            work_off(bulk.stream_cdt_updates(welkin, "m", changes, check="off")),
            work_off(bulk.stream_cdt_upserts(welkin, "m", _rows(), check="off", key_field="external_id", settle=0.0)),
            work_off(bulk.stream_cdt_bulk_updates(welkin, "m", changes, check="off")),
            bulk.create_cdt_records(welkin, NAME, [*_rows()], fail_fast=True),
            bulk.create_cdt_records(welkin, f"{NAME}\ud800", [*_rows()]),
            bulk.create_cdt_records(welkin, NAME, [*_rows()], concurrency=0),
            bulk.update_cdt_records(welkin, NAME, changes, fail_fast=True),
            bulk.export_cdt(welkin, NAME, [NAME], tmp_path / NAME / DOSE),
            import_records(welkin, [{"dose": DOSE, "mrn": NAME}], cdt=NAME, patient="nobody"),
        ]
        raised = [error for call in calls if (error := await failure(call)) is not None]
    assert len(raised) >= 6
    assert len(errors) >= 2 or end == "401"
    assert not [leak for error in errors + raised for leak in leaks(error, WORDS)]


async def test_the_frames_of_the_callers_own_iterables_stay(tmp_path: Path, leaks: Leaks) -> None:
    async def rows() -> AsyncIterator[CdtRow]:
        mine = NAME
        yield CdtRow(NOBODY, {}, mine)
        raise LookupError

    async with RawServer(always(record())) as server, connect(server, secret_key=SECRET) as welkin:
        error = await failure(bulk.create_cdt_records(welkin, NAME, rows(), check="off"))
    assert isinstance(error, LookupError)
    assert not leaks(error, WORDS)
    trace = error.__traceback__
    names = []
    while trace is not None:
        names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert names == ["failure", "rows"]
