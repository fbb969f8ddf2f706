"""Answers of the documented shape: one of each record, in every envelope."""

from __future__ import annotations

from typing import Any

from . import identities
from .catalogue import Endpoint, models

UUID_TEXT = "5b0c2a52-6d5e-4b6c-9a87-0c5d1b6f3e21"

SCALARS: dict[str, Any] = {
    "string": "text",
    "string E.164": "+61403000000",
    "enum": "A_VALUE",
    "uuid": UUID_TEXT,
    "boolean": True,
    "integer": 3,
    "datetime": "2024-02-29T10:11:12.345Z",
    "midnight": "1985-03-12T00:00:00.000Z",
    "datetime_offset": "2024-02-29T03:11:12.345-07:00",
    "time": "09:30:00",
    "object": {"key": "value"},
    "array": ["anything"],
    "unknown": None,
    "any": {"free": 1},
    "any JSON value": {"free": 1},
    "record": {"id": UUID_TEXT},
}


def sample(model: str) -> dict[str, Any]:
    """One record of a model, every field of it there."""
    raw: dict[str, Any] = {}
    for name, field in models()[model]["fields"].items():
        put(raw, name, lambda kind=field["type"]: value_of(kind))
    return raw


def put(raw: dict[str, Any], name: str, value: Any) -> None:
    """Put a field where its name says: the envelope's into the record, dotted ones into ``jsonBody``."""
    if name == "<envelope>":
        for key, inner in value().items():
            if key == "jsonBody":
                raw["jsonBody"] = {**inner, **raw.get("jsonBody", {})}
            else:
                raw.setdefault(key, inner)
    elif name.startswith("jsonBody."):
        raw.setdefault("jsonBody", {})[_own(name.removeprefix("jsonBody."))] = value()
    else:
        raw[_own(name)] = value()


def _own(name: str) -> str:
    return "icd-10" if name == "<custom field>" else name


def value_of(kind: str) -> Any:
    """A value of a documented type."""
    if kind in SCALARS:
        return SCALARS[kind]
    if kind.startswith("array of "):
        return [value_of(kind.removeprefix("array of "))]
    return sample(kind)


def answer_to(endpoint: Endpoint, query: dict[str, str]) -> Any:
    """What a server answers to an operation, naming what the path names.

    Args:
        endpoint: The operation.
        query: The request's query, decoded: a page answers with its own number, chat and exports have two pages.
    """
    answer = _answer_to(endpoint, query)
    for place, parameter in identities.PLACES.get(endpoint.id, {}).items():
        identities.put(answer, place, endpoint.parameters[parameter])
    key = identities.KEY_PLACES.get(endpoint.id, {}).get(query.get("type", ""))
    if key is not None:
        identities.put(answer, key, list(endpoint.parameters.values())[-1])
    for places in (identities.BODY_PLACES, identities.CHANGED):
        if endpoint.id in places:
            identities.put(answer, *places[endpoint.id])
    return answer


def _answer_to(endpoint: Endpoint, query: dict[str, str]) -> Any:
    record = sample(endpoint.model) if endpoint.model else {"id": UUID_TEXT, "value": 1}
    number, size = int(query.get("page", 0)), int(query.get("size", 20))
    spring = {**sample("SpringPage"), "content": [record], "number": number, "size": size, "last": True}
    spring["totalPages"] = number + 1
    match endpoint.answer:
        case "spring":
            return spring
        case "nested_spring":
            return {"name": "a", "data": spring}
        case "meta_info" | "unknown":
            meta = {**sample("MetaInfo"), "page": number, "pageSize": size, "lastPage": True, "totalPages": number + 1}
            return {"data": [record], "metaInfo": meta}
        case "page_token":
            token = None if "pageToken" in query else "an=opaque+token=="
            return {"content": [record], "meta": {**sample("TokenMeta"), "nextPageToken": token}}
        case "cursor":
            more = query.get("start") != "the end"
            cursor = {**sample("ExportCursor"), "end": "the end", "hasNext": more}
            return {"data": [{**record, "n": more}], "cursor": cursor}
        case "array" | "object_or_array":
            return [record]
        case "rows":
            return {"rows": [record]}
        case _:
            return record
