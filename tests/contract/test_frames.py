"""No error of any operation holds an argument, a body, an answer or a token in the variables of its frames."""

from __future__ import annotations

import asyncio
import inspect
import pkgutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from welkin_async import Welkin, bulk, files, resources
from welkin_async.http.attempt import Reply
from welkin_async.http.multipart import UploadFile
from welkin_async.resources._base.children import Scoped
from welkin_async.wire import tracebacks

from .calls import CALLS
from .catalogue import Endpoint, endpoints

Leaks = Callable[[BaseException, list[str]], list[str]]

WORD, TOKEN, SECRET, ANSWERED = "Charlotte", "t0ken-of-Charles", "s3cr3t", "Tailorson"
WORDS = [WORD, TOKEN, SECRET, ANSWERED]
SETTINGS = {"tenant": "gh", "instance": "sb-demo", "api_client": "FRAMES", "secret_key": SECRET}
NO_SERVER = "http://127.0.0.1:1"
CODE = f'[{{"errorCode": "DT_RECORD_NOT_FOUND", "message": "{ANSWERED}"}}]'

ENDS: dict[str, tuple[int, str] | BaseException] = {
    **{str(status): (status, CODE) for status in (302, 400, 401, 403, 404, 409, 422, 429, 500, 503)},
    "no JSON": (200, f"<html>{ANSWERED}"),
    "another shape": (200, f'"{ANSWERED}"'),
    "a strange object": (200, f'{{"{ANSWERED}": ["{ANSWERED}"], "data": 5, "content": "{ANSWERED}"}}'),
    "a strange array": (200, f'["{ANSWERED}"]'),
    "reset": ConnectionResetError(),
    "timeout": TimeoutError(),
    "no connection": aiohttp.ClientOSError(111, ANSWERED),
    "cancelled": asyncio.CancelledError(),
    "a defect": ValueError("what no engine raises"),
    "an interrupt": KeyboardInterrupt(),
}


class Ends:
    """An engine whose every exchange ends in one way; its frame holds what it was handed, as any engine's does."""

    name = "aiohttp"

    def __init__(self, end: tuple[int, str] | BaseException, token_end: tuple[int, str] | BaseException | None) -> None:
        self.end, self.token_end = end, token_end
        self.requests = 0

    async def exchange(self, method: str, url: Any, body: Any, headers: Any, *more: Any, **options: Any) -> Reply:
        end: tuple[int, str] | BaseException = self.end
        if "/admin/api_clients/" in url.path:
            end = self.token_end or (200, f'{{"token": "{TOKEN}"}}')
        else:
            self.requests += 1
            assert TOKEN in headers["Authorization"]
        if isinstance(end, BaseException):
            raise type(end)(*end.args)
        return Reply(end[0], CIMultiDictProxy(CIMultiDict({"X": ANSWERED})), end[1].encode(), 0, None)

    async def transfer(self, method: str, url: Any, stream: Any, headers: Any, timeout: float, **_: Any) -> Reply:
        return await self.exchange(method, url, None, headers)

    async def aclose(self) -> None:
        """Do nothing."""


def _spoken(endpoint: Endpoint) -> dict[str, Any]:
    """The arguments of a call, every one of them telling."""
    query = {
        name: WORD if isinstance(value, str) else value
        for name, value in endpoint.arguments(without=("pageToken",)).items()
    }
    parameters = dict.fromkeys(endpoint.parameters, WORD)
    return {**parameters, "query": query, "body": {"a": WORD}, "file": UploadFile(f"{WORD}.pdf", WORD.encode())}


async def ended(welkin: Welkin, name: str, directory: Path, **other: Any) -> BaseException | None:
    """Call an operation and return how it failed; None where it did not."""
    arguments = _spoken(endpoints()[name]) | other | {"welkin": welkin, "path": directory / WORD}
    try:
        made = eval(CALLS[name], arguments)
        if hasattr(made, "__aiter__"):
            [item async for item in made]
        else:
            await made
    except BaseException as error:
        return error
    return None


async def session(end: tuple[int, str] | BaseException, token_end: tuple[int, str] | None = None) -> Welkin:
    welkin = await Welkin(base_url=NO_SERVER, max_attempts=1, max_wait=0.0, **SETTINGS).open()  # type: ignore[arg-type]
    engine: Any = Ends(end, token_end)
    await welkin.transport._engine.aclose()
    welkin.transport._engine = engine
    return welkin


FOR_ALL = {"404", "no JSON", "cancelled"}
FOR_SOME = ("patients.create", "cdts.update", "users.get", "chat.list", "documents.upload_files", "exports.list",
            "documents.download_file", "cdts.list", "cdts.bulk_update", "tasks.add_comment")  # fmt: skip
"""One for each way through the package: what differs between the others is what they send."""


@pytest.mark.parametrize("end", ENDS)
async def test_every_operation_and_every_end(end: str, tmp_path: Path, no_backoff: None, leaks: Leaks) -> None:
    welkin = await session(ENDS[end])
    failed = 0
    found = []
    for name in CALLS if end in FOR_ALL else FOR_SOME:
        error = await ended(welkin, name, tmp_path)
        if error is not None:
            failed += 1
            found += [f"{name}: {line}" for line in leaks(error, WORDS)]
    await welkin.aclose()
    assert not found, f"{len(found)} of {failed} calls:\n" + "\n".join(found[:10])
    assert failed > (130 if end in FOR_ALL else 3)


UNFIT: dict[str, Any] = {"surrogate": f"{WORD}\ud800", "object": object, "not finite": [WORD, float("nan")]}


@pytest.mark.parametrize("unfit", UNFIT)
async def test_arguments_that_cannot_be_sent(unfit: str, tmp_path: Path, leaks: Leaks) -> None:
    welkin = await session((200, "{}"))
    failed = 0
    found = []
    for name, endpoint in endpoints().items():
        if name not in CALLS:
            continue
        text = UNFIT[unfit]
        parameters = {each: text for each in endpoint.parameters if isinstance(text, str)}
        error = await ended(welkin, name, tmp_path, **parameters, body={WORD: text}, query={"sort": text})
        failed += error is not None
        found += [] if error is None else [f"{name}: {line}" for line in leaks(error, WORDS)]
    await welkin.aclose()
    assert not found, "\n".join(found[:10])
    assert failed > 60


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
async def test_tokens_that_cannot_be_had(status: int, tmp_path: Path, no_backoff: None, leaks: Leaks) -> None:
    welkin = await session((200, "{}"), (status, f'[{{"errorCode": "X", "message": "{SECRET}{ANSWERED}"}}]'))
    for name in ("patients.get", "cdts.create", "auth.create_token", "patients.list"):
        error = await ended(welkin, name, tmp_path)
        assert error is not None
        assert not leaks(error, WORDS)
    await welkin.aclose()


async def test_a_session_that_is_not_open_or_closed(tmp_path: Path, leaks: Leaks) -> None:
    welkin = Welkin(base_url=NO_SERVER, **SETTINGS)  # type: ignore[arg-type]
    for _ in range(2):
        for name in CALLS:
            error = await ended(welkin, name, tmp_path)
            assert error is not None
            assert not leaks(error, WORDS)
        await welkin.aclose()


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "http://s3cr3t.example"}, {"proxy": "s3cr3t"}, {"timeout": -1}, {"tenant": ".."},
        {"secret_key": "s3cr3t\ud800"}, {"engine": "s3cr3t"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)  # fmt: skip
def test_settings_that_do_not_fit(wrong: dict[str, Any], leaks: Leaks) -> None:
    with pytest.raises(Exception) as caught:
        Welkin(**{**SETTINGS, **wrong})
    assert not leaks(caught.value, WORDS)


def _resources() -> list[type]:
    found: list[type] = []
    pending: list[type] = [Scoped]
    while pending:
        each = pending.pop()
        pending += each.__subclasses__()
        found.append(each)
    return [each for each in found if each.__module__.startswith("welkin_async.")]


def test_verbs_are_still_coroutine_functions_with_their_own_signature_and_text() -> None:
    welkin = Welkin(base_url=NO_SERVER, **SETTINGS)  # type: ignore[arg-type]
    for module in pkgutil.iter_modules(resources.__path__):
        import_module(f"welkin_async.resources.{module.name}")
    verbs = [
        (owner, name, verb)
        for owner in _resources()
        for name, verb in vars(owner).items()
        if not name.startswith("_") and inspect.isfunction(verb)
    ]
    asynchronous = [each for each in verbs if inspect.iscoroutinefunction(each[2])]
    assert len(asynchronous) > 90
    for owner, name, verb in verbs:
        assert verb.__doc__, f"{owner}.{name}"
        assert verb.__qualname__.endswith(name)
        assert "self" in inspect.signature(verb).parameters
    double = mock.create_autospec(Welkin, instance=True)
    assert isinstance(double.request, mock.AsyncMock)
    patients = mock.create_autospec(type(welkin.patients), instance=True)
    assert isinstance(patients.get, mock.AsyncMock)
    with pytest.raises(TypeError):
        patients.get(bogus=1, id="x", more=())
    assert not isinstance(patients.list, mock.AsyncMock)


@pytest.mark.parametrize("module", [bulk, files])
def test_every_public_function_of_bulk_and_files_raises_without_frames(module: Any) -> None:
    functions = [getattr(module, name) for name in module.__all__ if inspect.isfunction(getattr(module, name))]
    assert len(functions) >= 7
    for function in functions:
        assert function.__globals__ is vars(tracebacks), function.__qualname__


async def test_a_mock_of_a_resource_is_awaited() -> None:
    welkin = Welkin(base_url=NO_SERVER, **SETTINGS)  # type: ignore[arg-type]
    patients = mock.create_autospec(welkin.patients)
    patients.get.return_value = "found"
    assert await patients.get("id") == "found"
    patients.get.assert_awaited_once_with("id")


async def test_a_field_that_cannot_be_read_or_kept(tmp_path: Path, leaks: Leaks) -> None:
    from welkin_async.models.patients import Patient

    for name in ("birth_date", "first_name", "care_team", "created_at"):
        raw = {"birthDate": WORD, "firstName": [WORD], "careTeam": WORD, "createdAt": WORD}
        with pytest.raises(Exception, match="is not") as caught:
            getattr(Patient.from_wire(raw), name)
        assert not leaks(caught.value, WORDS)
    from datetime import datetime

    with pytest.raises(Exception, match="birth_date") as caught:
        Patient(first_name=WORD, birth_date=datetime(2024, 1, 1))
    assert not leaks(caught.value, WORDS)


async def test_a_defect_says_where_it_is(tmp_path: Path) -> None:
    welkin = await session((200, f'{{"id": "{WORD}"}}'))
    assert await ended(welkin, "patients.get", tmp_path) is None  # and a token is there
    welkin.transport.limiter = None  # type: ignore[assignment]
    error = await ended(welkin, "patients.get", tmp_path)
    await welkin.aclose()
    assert isinstance(error, AttributeError)
    (note,) = error.__notes__
    assert "http/transport.py:" in note
    assert WORD not in note


def test_what_the_caller_was_at_is_left_alone() -> None:
    welkin = Welkin(base_url=NO_SERVER, **SETTINGS)  # type: ignore[arg-type]

    def callers_own(kept: str) -> NoReturn:
        raise LookupError(kept)

    def handling() -> LookupError:
        try:
            callers_own(WORD)
        except LookupError as error:
            with pytest.raises(ValueError) as caught:
                welkin.patient("..")
            handled = caught.value.__context__
            return error if handled is error else LookupError("another")
        raise AssertionError

    trace = handling().__traceback__
    assert trace is not None
    assert trace.tb_next is not None
    assert trace.tb_next.tb_frame.f_locals["kept"] == WORD
