"""The OpenAPI document is a valid one, is in step with what it is made from, and says what the sandbox does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from welkin_async.sandbox.http.routing import Routes
from welkin_async.sandbox.server import Sandbox

from ..calls import CALLS
from ..catalogue import endpoints
from . import words
from .document import DOCUMENT, document, render

MADE = document()
OPERATIONS = {
    operation["operationId"]: (path, verb, operation)
    for path, verbs in MADE["paths"].items()
    for verb, operation in verbs.items()
}


def parts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from parts(each)
    elif isinstance(value, list):
        for each in value:
            yield from parts(each)


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    found: Any = MADE
    for name in part["$ref"].removeprefix("#/").split("/") if "$ref" in part else ():
        found = found[name]
    return found if "$ref" in part else part


def test_the_document_is_not_stale() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == render(), "python -m tests.contract.openapi --write"


def test_the_document_is_valid() -> None:
    OpenAPIV31SpecValidator(MADE).validate()


def test_a_document_that_is_not_valid_would_be_found() -> None:
    broken = json.loads(json.dumps(MADE))
    broken["paths"]["/{tenant}/{instance}/patients"]["get"]["operationId"] = "patients.create"
    broken["paths"]["/{tenant}/{instance}/tasks"]["get"]["responses"]["200"].pop("description")
    assert len(list(OpenAPIV31SpecValidator(broken).iter_errors())) >= 2


def test_every_operation_of_the_catalogue_is_there() -> None:
    assert OPERATIONS.keys() == endpoints().keys() == CALLS.keys()
    assert len(OPERATIONS) == 183
    assert {operation["tags"][0] for *_, operation in OPERATIONS.values()} == {each["name"] for each in MADE["tags"]}
    assert {name.partition(".")[0] for name in OPERATIONS} == words.SECTIONS.keys()


@pytest.mark.parametrize("name", endpoints())
def test_an_operation_says_what_the_catalogue_says(name: str) -> None:
    endpoint, (path, verb, operation) = endpoints()[name], OPERATIONS[name]
    assert verb.upper() == endpoint.method
    plain = re.sub(r"\{\w+\}", "{}", endpoint.path.replace("/formations/draft/", "/formations/{version}/"))
    assert re.sub(r"\{\w+\}", "{}", path) == plain
    given = [resolved(each) for each in operation["parameters"]]
    assert [each["name"] for each in given if each["in"] == "path"] == re.findall(r"\{(\w+)\}", path)
    assert all(each["required"] and each["description"] for each in given if each["in"] == "path")
    assert [each["name"] for each in given if each["in"] == "query"] == list(endpoint.query)
    assert {each["name"] for each in given if each["in"] == "query" and each.get("required")} == set(endpoint.required)
    success = "2XX" if endpoint.success is None else str(endpoint.success)
    assert success in operation["responses"]
    assert {"400", "401", "404", "429", "500"} <= operation["responses"].keys()
    assert ("content" in operation["responses"][success]) == (endpoint.answer != "empty")
    assert operation["summary"]
    assert (operation.get("x-unverified") is True) == (
        endpoint.confidence in ("client-only", "docs-only", "conflicting")
    )
    assert operation.get("security", MADE["security"]) == ([] if name == "auth.create_token" else [{"token": []}])


def test_every_write_but_these_says_what_it_is_sent() -> None:
    without = {
        name
        for name, (_, verb, operation) in OPERATIONS.items()
        if verb not in ("get", "delete") and "requestBody" not in operation
    }
    assert without == {"chat.archive", "chat.restore"}
    reads = [name for name, (_, verb, operation) in OPERATIONS.items() if verb == "get" and "requestBody" in operation]
    assert reads == []


def test_every_schema_is_used_and_every_reference_leads_somewhere() -> None:
    named = {each["$ref"] for each in parts(MADE) if "$ref" in each}
    for each in named:
        assert resolved({"$ref": each})
    schemas = {f"#/components/schemas/{name}" for name in MADE["components"]["schemas"]}
    assert schemas - named <= {"#/components/schemas/CdtBody"}  # its fields stand in every envelope


def test_the_bodies_are_those_of_the_sdk() -> None:
    schemas = MADE["components"]["schemas"]
    patient = schemas["PatientNew"]
    assert patient["required"] == ["firstName", "lastName"]
    assert patient["properties"]["externalGuid"] == {"type": ["string", "null"], "format": "uuid"}
    assert patient["properties"]["careTeam"]["items"] == {"$ref": "#/components/schemas/CareTeamMemberSent"}
    assert {"timeout", "maxAttempts"} & patient["properties"].keys() == set()
    assert schemas["TaskNew"]["properties"]["status"]["examples"] == ["TODO", "IN_PROGRESS", "COMPLETED", "CANCELED"]


def test_the_sandbox_serves_the_same_operations() -> None:
    server = Sandbox()
    routes = Routes()
    server.store.register(routes)
    served = {
        name: (operation.method, re.sub(r"\{\w+\}", "{}", operation.path))
        for name, operation in routes.operations.items()
    }
    assert served == {
        name: (verb.upper(), re.sub(r"\{\w+\}", "{}", path))
        for name, (path, verb, _) in OPERATIONS.items()
        if name != "auth.create_token"
    }
