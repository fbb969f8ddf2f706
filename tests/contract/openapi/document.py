"""Document: the OpenAPI 3.1 description of the API, put together from the catalogue, the bodies and the words."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ..calls import CALLS
from ..catalogue import Endpoint, endpoints
from ..coverage import shown
from . import bodies, schemas, words
from .schemas import Schema, reference

DOCUMENT = Path(__file__).parents[3] / "welkin_async" / "sandbox" / "openapi.json"
"""Where the document is: within the package, so that the sandbox serves it."""

_DESCRIPTION = """The REST API of Welkin Health V8, as far as it is known: from recorded answers, the vendor's
documentation of 2021, release notes, and the code of other clients. It is not the vendor's document.

What no source states is marked `x-unverified: true`: on an operation, that only weak sources have it or that they
disagree; on an answer, that its status or body is not stated; on a field, that nobody says whether it may be null.
Records may have further fields, and enumerations further values: `examples` are those that were seen.

`x-confidence` says what stands behind an operation, `x-repeat` whether it may be sent again after an attempt whose
outcome is unknown, and `x-python` how the SDK calls it."""

_WEAK = ("client-only", "docs-only", "conflicting")

_PATH: dict[str, str] = {
    "tenant": "Name of the tenant (the organization).",
    "instance": "Name of the instance within the tenant, such as `sb-demo`.",
    "api_client": "Name of the API client.",
    "patient_id": "Id of the patient.",
    "cdt_name": "Name of the custom data type.",
    "pdt_name": "Name of the profile.",
    "record_id": "Id of the record.",
    "assessment_name": "Name of the assessment.",
    "document_type_name": "Name of the document type.",
    "template_name": "Name of the encounter template.",
    "goal_template_name": "Name of the goal template.",
    "program_name": "Name of the program.",
    "dictionary_name": "Name of the dictionary.",
    "user_key": "Username, or the key that `type` says.",
    "user_id": "Id of the user.",
    "event_id": "Id of the event, or its `externalId` where `type` says so.",
    "work_hours_id": "Id of the period: `workHoursId`.",
    "goal_id": "Id of the goal.",
    "summary_id": "Id of the document.",
    "file_id": "Id of the file.",
    "message_id": "Id of the message.",
    "encounter_id": "Id of the encounter.",
    "comment_id": "Id of the comment.",
    "link_id": "Id of the link.",
    "patient_program_id": "Id of the patient's enrolment.",
    "task_id": "Id of the task.",
    "watcher_id": "Id of the user who watches.",
    "resource_name": "What is exported, such as `PATIENT` or `CDT_RECORD`.",
    "contact_id": "Id of the contact.",
}

_NUMBERS: dict[str, Schema] = {
    "page": {"type": "integer", "minimum": 0, "default": 0},
    "size": {"type": "integer", "minimum": 1, "default": 20},
    "pageSize": {"type": "integer", "minimum": 1, "default": 20},
    "contentPageSize": {"type": "integer", "minimum": 1},
}
_USUAL = {
    "page": "Number of the page, from 0.",
    "size": "Records per page.",
    "pageSize": "Records per page.",
    "contentPageSize": "Messages around each hit.",
    "pageToken": "A token of an earlier page, which goes without the size.",
    "sort": "A field, a comma, and `asc` or `desc`.",
    "start": "Where to go on: `cursor.end` of the page before.",
    "type": "What the key in the path is.",
    "archiveDate": "Up to when messages are archived.",
    "expand": "Whether to add `territorialTeam`.",
}

_ERRORS: dict[str, tuple[str, str, bool]] = {
    "400": ("BadRequest", "Something of the request does not fit.", True),
    "401": ("Unauthorized", "The token is missing, not valid, or no longer.", True),
    "403": ("Forbidden", "The API client has no right to this.", False),
    "404": ("NotFound", "There is no such record, or no such path.", False),
    "405": ("MethodNotAllowed", "The verb is not supported there.", True),
    "429": ("TooManyRequests", "Too many requests; ask again later.", True),
    "500": ("ServerError", "The server failed; a write may or may not have been done.", True),
}
"""Name, description, and whether no source shows its body, of each error."""


def _parameter_schema(name: str, kind: str) -> Schema:
    if name in _NUMBERS:
        return _NUMBERS[name]
    if kind.startswith("csv"):
        of, _, choices = kind.removeprefix("csv").strip().partition(" ")
        inner: Schema = schemas.of_kind("uuid") if of == "of" else {"type": "string"}
        if choices and of == "enum":
            inner["examples"] = choices.split("|")
        return {"type": "array", "items": inner, "minItems": 1}
    if kind.startswith("enum"):
        choices = kind.removeprefix("enum").strip()
        values = [each for each in choices.split("|") if each and each not in ("(absent)", "...")]
        if not values:
            return {"type": "string"}
        return {"type": "string", "enum" if name == "type" else "examples": values}
    if kind == "key=v1,v2,v3":
        return {"type": "string", "pattern": "^[^=,]+=.+$", "examples": ["medication_status=active,inactive"]}
    if name == "sort":
        return {"type": "string", "pattern": "^[^,]+,(asc|desc)$"}
    if kind == "IANA name":
        return {"type": "string", "examples": ["US/Pacific"]}
    return schemas.of_kind({"UUID": "uuid"}.get(kind, kind))


def _query(endpoint: Endpoint) -> list[Schema]:
    found = []
    for name, kind in endpoint.query.items():
        schema = _parameter_schema(name, kind)
        parameter: Schema = {"name": name, "in": "query", "schema": schema}
        said = words.parameter(endpoint.id, name) or _USUAL.get(name)
        if said:
            parameter["description"] = said
        if name in endpoint.required:
            parameter["required"] = True
        if kind.startswith("csv"):
            parameter |= {"style": "form", "explode": False}  # one parameter, comma-joined
        if schema.get("type") == "string" and not schema.keys() & {"enum", "pattern", "format"}:
            parameter["allowEmptyValue"] = True
        found.append(parameter)
    return found


def _version(draft: bool) -> Schema:
    said = "Only the draft can be written." if draft else "What is in use, or what is being worked on."
    values = ["draft"] if draft else ["current", "draft"]
    return {
        "name": "version",
        "in": "path",
        "required": True,
        "description": said,
        "schema": {"type": "string", "enum": values},
    }


def _responses(endpoint: Endpoint, draft: bool) -> Schema:
    content = schemas.answer(endpoint)
    success: Schema = {"description": "Done." if content is None else "The answer."}
    if endpoint.success is None:
        success |= {"description": "Any of these: no source states which.", "x-unverified": True}
    if content is not None:
        success["content"] = content
    errors = [status for status in _ERRORS if draft or status != "405"]
    if endpoint.id == "auth.create_token":
        errors.remove("403")
    return {
        "2XX" if endpoint.success is None else str(endpoint.success): success,
        **{status: {"$ref": f"#/components/responses/{_ERRORS[status][0]}"} for status in errors},
    }


def operation(endpoint: Endpoint, path: str) -> Schema:
    """Return an operation of the document.

    Args:
        endpoint: The operation as the catalogue states it.
        path: The path that the document has it under, whose parameters may be called otherwise.
    """
    draft = "/formations/draft/" in endpoint.path
    section = endpoint.id.partition(".")[0]
    own = re.findall(r"\{(\w+)\}", endpoint.path.replace("/formations/draft/", "/formations/{version}/"))
    parameters: list[Schema] = []
    for name, meant in zip(re.findall(r"\{(\w+)\}", path), own, strict=True):
        if name == "version":
            parameters.append(_version(draft))
        elif name == meant:
            parameters.append({"$ref": f"#/components/parameters/{name}"})
        else:  # paths that differ in the names of their parameters alone are one path
            parameters.append(_path_parameter(name, meant))
    found: Schema = {
        "operationId": endpoint.id,
        "tags": [words.SECTIONS[section][0]],
        "summary": words.summary(endpoint.id),
        "parameters": [*parameters, *_query(endpoint)],
    }
    content = bodies.content(endpoint.id)
    if content is not None:
        found["requestBody"] = {"required": True, "content": content}
    found["responses"] = _responses(endpoint, draft)
    if section == "auth":
        found["security"] = []
    found |= {"x-confidence": endpoint.confidence, "x-repeat": endpoint.repeat, "x-sources": endpoint.sources}
    if endpoint.confidence in _WEAK:
        found["x-unverified"] = True
    found["x-python"] = shown(CALLS[endpoint.id])
    return found


def _path_parameter(name: str, meant: str) -> Schema:
    schema = {"type": "string", "minLength": 1}
    return {"name": name, "in": "path", "required": True, "description": _PATH[meant], "schema": schema}


def paths() -> Schema:
    """Return the paths of the document, each with its operations by verb."""
    found: dict[str, Schema] = {}
    names: dict[str, str] = {}
    for endpoint in endpoints().values():
        path = endpoint.path.replace("/formations/draft/", "/formations/{version}/")
        path = names.setdefault(re.sub(r"\{\w+\}", "{}", path), path)
        found.setdefault(path, {})[endpoint.method.lower()] = operation(endpoint, path)
    return found


def _error_responses() -> Schema:
    body = {"application/json": {"schema": schemas.ERRORS}}
    found: Schema = {}
    for status, (name, said, unverified) in _ERRORS.items():
        found[name] = {"description": said, "content": body, **({"x-unverified": True} if unverified else {})}
        if status == "429":
            wait = {"description": "Seconds to wait, or a date.", "schema": {"type": "string"}, "x-unverified": True}
            found[name]["headers"] = {"Retry-After": wait}
    return found


def _chat_webhook() -> Schema:
    headers = ("X-WEBHOOK-API-KEY", "X-WEBHOOK-API-SECRET")
    return {
        "post": {
            "operationId": "webhooks.chat",
            "summary": "A message of the care team in the chat, as the vendor's server sends it to yours",
            "parameters": [
                {"name": name, "in": "header", "required": True, "schema": {"type": "string"}} for name in headers
            ],
            "requestBody": {"content": {"application/json": {"schema": reference("ChatWebhook")}}},
            "responses": {"2XX": {"description": "Taken.", "x-unverified": True}},
        }
    }


def document() -> Schema:
    """Return the whole document."""
    environment = {
        "default": "live",
        "enum": ["live", "sandbox"],
        "description": "Only `live` is recorded; `sandbox` is known from another client.",
    }
    server = {
        "url": "https://api.{environment}.welkincloud.io",
        "description": "The vendor's servers.",
        "variables": {"environment": environment},
    }
    bearer = {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The token of `auth.create_token`.",
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Welkin Health V8 REST API",
            "version": "8",
            "summary": "Patients, their records, and the people who care for them.",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [server],
        "security": [{"token": []}],
        "tags": [{"name": title, "description": said} for title, said in words.SECTIONS.values()],
        "paths": paths(),
        "webhooks": {"chat": _chat_webhook()},
        "components": {
            "securitySchemes": {"token": bearer},
            "parameters": {name: _path_parameter(name, name) for name in _PATH},
            "responses": _error_responses(),
            "schemas": {**schemas.components(), **bodies.components()},
        },
    }


def render() -> str:
    """Return the document as it is kept: JSON, a line for each leaf."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
