"""Holds the SDK to the catalogue, an operation at a time."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterable, Awaitable
from pathlib import Path
from typing import Any

import attrs

from welkin_async import Answer, OutcomeUnknownError, Welkin
from welkin_async.http.auth.tokens import CREATE_TOKEN
from welkin_async.http.multipart import UploadFile
from welkin_async.wire.records import Record
from welkin_async.wire.request import Operation, Request, Shape

from .calls import BODY, CALLS
from .catalogue import Endpoint
from .recorder import Recorder

_FOLLOWED = {"chat.list": {"includeArchived": "true"}, "chat.search": {}}
"""What goes with a page token, beside it."""


async def call(welkin: Welkin, endpoint: Endpoint, directory: str | Path) -> Any:
    """Call the operation, and read a list to its end.

    Returns:
        What the method returned; of a list, its records.
    """
    made = eval(
        CALLS[endpoint.id],
        {
            "welkin": welkin,
            "query": endpoint.arguments(without=("pageToken",)),
            "body": BODY,
            "file": UploadFile("a.pdf", b"%PDF"),
            "path": Path(directory, "download"),
            **endpoint.parameters,
        },
    )
    if isinstance(made, AsyncIterable):
        return tuple([item async for item in made])
    assert isinstance(made, Awaitable)
    return await made


async def check(recorder: Recorder, welkin: Welkin, endpoint: Endpoint) -> list[str]:
    """Call an operation against the recording server.

    Returns:
        What differs from the catalogue; nothing where all is well.
    """
    sent: list[Operation] = []
    transport, original = welkin.transport, welkin.transport.send

    async def spy(request: Request) -> Answer:
        sent.append(request.operation)
        return await original(request)

    transport.send = spy  # type: ignore[method-assign, assignment]
    try:
        with tempfile.TemporaryDirectory() as directory:
            recorder.answering(endpoint)
            returned = await call(welkin, endpoint, directory)
            if endpoint.id == "auth.create_token":
                recorder.seen, sent = recorder.tokens, [CREATE_TOKEN]
            differences = [*_on_the_wire(recorder, endpoint), *_declared(sent, endpoint)]
            differences += [*_returned(returned, endpoint), *_accepted(sent, returned, endpoint)]
            if endpoint.id != "auth.create_token":
                differences += await _repeated(recorder, welkin, endpoint, directory)
            return differences
    finally:
        transport.send = original  # type: ignore[method-assign]


def expected_queries(endpoint: Endpoint) -> list[dict[str, str]]:
    """The query of each request that reading the operation to its end takes."""
    first = endpoint.texts(without=("pageToken",))
    if endpoint.answer == "page_token":
        return [first, {**_FOLLOWED[endpoint.id], "pageToken": "an%3Dopaque%2Btoken%3D%3D"}]
    if endpoint.answer == "cursor":
        return [first, {**first, "start": "the%20end"}]
    if "page" in endpoint.query:
        first["page"] = "7"
    return [first]


def _on_the_wire(recorder: Recorder, endpoint: Endpoint) -> list[str]:
    """Compare verb, raw path and raw query."""
    differences = []
    wanted = expected_queries(endpoint)
    if len(recorder.seen) != len(wanted):
        differences.append(f"{len(recorder.seen)} requests in place of {len(wanted)}")
    for seen, query in zip(recorder.seen, wanted, strict=False):
        if seen.method != endpoint.method:
            differences.append(f"verb {seen.method}")
        if seen.raw_path != endpoint.raw_path:
            differences.append(f"path {seen.raw_path}")
        if seen.query != query:
            differences.append(f"query {seen.query} in place of {query}")
    return differences


def _declared(sent: list[Operation], endpoint: Endpoint) -> list[str]:
    """Compare what the SDK says the operation is."""
    return [
        f"declared as {operation}"
        for operation in sent
        if (operation.name, operation.method, operation.template, operation.repeat.value)
        != (endpoint.id, endpoint.method, endpoint.path, endpoint.repeat)
    ]


def _returned(returned: Any, endpoint: Endpoint) -> list[str]:
    """Compare the class of the records that come back."""
    if endpoint.model is None:
        return []
    records = returned if isinstance(returned, tuple) and endpoint.id != "auth.create_token" else (returned,)
    return [f"returns {type(record).__name__}" for record in records if type(record).__name__ != endpoint.model] or (
        [] if records else ["returns nothing"]
    )


def _accepted(sent: list[Operation], returned: Any, endpoint: Endpoint) -> list[str]:
    """See that an answer without an id is accepted only where a record may lack one."""
    if endpoint.answer != "object" or endpoint.method == "DELETE" or not isinstance(returned, Record):
        return []
    has_id = any(field.name == "id" and field.metadata["required"] for field in attrs.fields(type(returned)))
    wanted = Shape.RECORD if has_id else Shape.OBJECT
    return [f"accepts {operation.answer.value}" for operation in sent if operation.answer is not wanted]


async def _repeated(recorder: Recorder, welkin: Welkin, endpoint: Endpoint, directory: str) -> list[str]:
    """See whether an attempt whose outcome is unknown is followed by another."""
    recorder.answering(endpoint, failures=1)
    try:
        await call(welkin, endpoint, directory)
    except OutcomeUnknownError:
        repeated = False
    else:
        repeated = True
    if repeated != (endpoint.repeat == "safe"):
        return ["repeated after an unknown outcome" if repeated else "not repeated after an unknown outcome"]
    return [] if repeated or len(recorder.seen) == 1 else ["sent more than once"]
