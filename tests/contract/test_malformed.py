from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from welkin_async import DecodeError, OutcomeUnknownError, PagingError, RequestError, Welkin, WelkinError

from .calls import CALLS
from .catalogue import Endpoint, endpoints
from .checking import call
from .recorder import Recorder
from .samples import answer_to

SECRET = "Charlie Taylor 1985"

READ = [name for name, each in endpoints().items() if each.answer not in ("empty", "file") and name in CALLS]
PAGED = {"spring", "nested_spring", "meta_info", "page_token", "cursor", "unknown"}

BODIES: dict[str, tuple[str, bytes]] = {
    "html": ("text/html", f"<html><body>{SECRET}</body></html>".encode()),
    "truncated": ("application/json", f'{{"id": "{SECRET}'.encode()),
    "text": ("application/json", f'"{SECRET}"'.encode()),
    "number": ("application/json", b"1985"),
}


def _answers(recorder: Recorder, content_type: str, body: bytes) -> None:
    recorder.reply = lambda request: web.Response(body=body, content_type=content_type)


async def _refused(recorder: Recorder, welkin: Welkin, endpoint: Endpoint, directory: Path) -> WelkinError:
    with pytest.raises(WelkinError) as caught:
        await call(welkin, endpoint, directory)
    error = caught.value
    assert endpoint.path in str(error)
    assert SECRET not in str(error)
    assert "1985" not in str(error)
    if isinstance(error, RequestError):
        assert error.request.operation == endpoint.id
    return error


@pytest.mark.parametrize("name", [name for name in READ if name != "auth.create_token"])
async def test_an_answer_that_is_no_record_is_an_error_of_its_operation(
    name: str, recorded: tuple[Recorder, Welkin], tmp_path: Path
) -> None:
    recorder, welkin = recorded
    endpoint = endpoints()[name]
    unread = OutcomeUnknownError if endpoint.repeat != "safe" else DecodeError
    for body, (content_type, content) in BODIES.items():
        _answers(recorder, content_type, content)
        error = await _refused(recorder, welkin, endpoint, tmp_path)
        if endpoint.answer != "object_or_array" or body in ("html", "truncated"):
            assert type(error) is unread


@pytest.mark.parametrize("name", [name for name in READ if endpoints()[name].answer in PAGED])
async def test_a_page_of_another_form_is_an_error_of_its_operation(
    name: str, recorded: tuple[Recorder, Welkin], tmp_path: Path
) -> None:
    recorder, welkin = recorded
    endpoint = endpoints()[name]
    for data in ({}, {"content": SECRET}, {"data": {"content": [SECRET]}}, {"data": SECRET, "metaInfo": SECRET}):
        recorder.reply = lambda request, data=data: web.json_response(data)  # type: ignore[misc]
        assert isinstance(await _refused(recorder, welkin, endpoint, tmp_path), DecodeError | PagingError)


@pytest.mark.parametrize("name", [name for name in READ if endpoints()[name].answer in PAGED | {"array", "rows"}])
async def test_an_element_that_is_no_object_is_an_error_of_its_operation(
    name: str, recorded: tuple[Recorder, Welkin], tmp_path: Path
) -> None:
    recorder, welkin = recorded
    endpoint = endpoints()[name]

    def reply(request: web.Request) -> web.Response:
        return web.json_response(_with_text(answer_to(endpoint, dict(request.query))))

    recorder.reply = reply
    error = await _refused(recorder, welkin, endpoint, tmp_path)
    assert "element 0" in str(error)


def _with_text(data: Any) -> Any:
    """Put a text where the first record stands."""
    if isinstance(data, list):
        return [SECRET, *data]
    for key in ("content", "rows", "data"):
        if key in data:
            return {**data, key: _with_text(data[key])}
    raise LookupError


async def test_a_record_without_its_id(recorded: tuple[Recorder, Welkin]) -> None:
    recorder, welkin = recorded
    recorder.reply = lambda request: web.json_response({"firstName": SECRET})
    with pytest.raises(DecodeError, match=r"patients\.get|patient_id.*an object with an id"):
        await welkin.patients.get("p")
    with pytest.raises(OutcomeUnknownError):
        await welkin.patients.create(first_name="C")
    recorder.reply = lambda request: web.json_response(
        {"content": [{"firstName": SECRET}], "last": True, "number": 0, "totalPages": 1, "totalElements": 1}
    )
    (patient,) = [patient async for patient in welkin.patients.list()]
    with pytest.raises(DecodeError, match=r"GET /{tenant}/{instance}/patients: id is missing"):
        _ = patient.id
