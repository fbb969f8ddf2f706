"""The example of a service: its endpoints, and what its callers are told where Welkin does not do as it was asked."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .running import serving

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
async def service(server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[aiohttp.ClientSession]:
    """The example under uvicorn on this event loop, asked by a client."""
    for name, value in server.environ().items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    from fastapi_service.service import app

    async with serving(app) as session:
        yield session
    for name in [name for name in sys.modules if name.startswith("fastapi_service")]:
        del sys.modules[name]


async def asked(service: aiohttp.ClientSession, method: str, path: str, body: Any = None) -> tuple[int, Any, Any]:
    async with service.request(method, path, json=body) as answer:
        return answer.status, await answer.json(), answer.headers.get("Retry-After")


def script(server: Sandbox, kind: FaultKind, operation: str, **more: Any) -> None:
    server.faults.add(Fault(kind, operation=operation, **more))


async def test_a_patient_and_a_record_are_answers_as_documented(
    server: Sandbox, service: aiohttp.ClientSession
) -> None:
    patient = server.store.add_patient()
    status, told, _ = await asked(service, "GET", f"/patients/{patient['id']}")
    assert (status, told["id"], told["firstName"]) == (200, patient["id"], patient["firstName"])
    body = {"name": "Aspirin"}
    status, told, _ = await asked(service, "POST", f"/patients/{patient['id']}/medications", body)
    assert (status, told["patientId"], told["jsonBody"]["medication_name"]) == (201, patient["id"], "Aspirin")
    assert [each["id"] for each in server.store.cdt_records("medication")] == [told["id"]]
    _, schema, _ = await asked(service, "GET", "/openapi.json")
    answer = schema["paths"]["/patients/{patient_id}"]["get"]["responses"]["200"]["content"]["application/json"]
    assert answer["schema"] == {"$ref": "#/components/schemas/Patient"}
    assert schema["components"]["schemas"]["Patient"]["properties"]["birthDate"]["anyOf"][0]["format"] == "date"


async def test_what_is_not_there_is_a_404_and_what_is_refused_a_422(
    server: Sandbox, service: aiohttp.ClientSession
) -> None:
    status, told, _ = await asked(service, "GET", "/patients/00000000-0000-4000-8000-000000000000")
    assert (status, told["error"], told["safe_to_repeat"]) == (404, "not_found", False)
    patient = server.store.add_patient()["id"]
    body = b'[{"errorCode": "VALIDATION_ERROR", "message": "Charlie Taylor"}]'
    script(server, FaultKind.STATUS, "cdts.create", status=400, body=body)
    status, told, _ = await asked(service, "POST", f"/patients/{patient}/medications", {"name": "Aspirin"})
    assert (status, told["error"], told["codes"]) == (422, "rejected", ["VALIDATION_ERROR"])
    assert "Charlie" not in str(told)
    status, told, _ = await asked(service, "GET", "/patients/..%2F..")
    assert status == 404
    status, told, _ = await asked(service, "POST", f"/patients/{patient}/medications", {"name": ""})
    assert status == 422


async def test_throttling_and_an_outage_are_a_503_that_says_when_to_come_again(
    server: Sandbox, service: aiohttp.ClientSession
) -> None:
    patient = server.store.add_patient()["id"]
    await asked(service, "GET", f"/patients/{patient}")
    script(server, FaultKind.STATUS, "patients.get", status=429, retry_after=30)
    status, told, later = await asked(service, "GET", f"/patients/{patient}")
    assert (status, told["error"], told["safe_to_repeat"], later) == (503, "try_again", True, "30")
    server.outage(60.0, 502)
    status, told, later = await asked(service, "GET", f"/patients/{patient}")
    assert (status, told["error"], later) == (503, "try_again", "1")
    server.outage(0.0)


@pytest.mark.parametrize(
    ("fault", "wanted"), [({"kind": FaultKind.RESET_AFTER}, 504), ({"kind": FaultKind.STATUS, "status": 502}, 502)]
)
async def test_a_create_of_which_nobody_knows_says_so(
    server: Sandbox, service: aiohttp.ClientSession, fault: dict[str, Any], wanted: int
) -> None:
    patient = server.store.add_patient()["id"]
    server.faults.add(Fault(operation="cdts.create", **fault))
    status, told, later = await asked(service, "POST", f"/patients/{patient}/medications", {"name": "Aspirin"})
    assert (status, told["error"], told["safe_to_repeat"], later) == (wanted, "outcome_unknown", False, None)
    assert "Look for the record" in told["detail"]


async def test_wrong_credentials_are_a_502_and_an_unreadable_record_too(
    server: Sandbox, service: aiohttp.ClientSession
) -> None:
    patient = server.store.add_patient()
    patient["birthDate"] = "on a Monday"
    status, told, _ = await asked(service, "GET", f"/patients/{patient['id']}")
    assert (status, told["error"]) == (502, "unreadable_upstream")
    assert "Monday" not in str(told)
    server.refuse_tokens = True
    status, told, _ = await asked(service, "GET", f"/patients/{patient['id']}")
    assert (status, told["error"], told["safe_to_repeat"]) == (502, "refused_upstream", False)


async def test_a_worker_is_not_ready_while_everybody_has_to_pause(
    server: Sandbox, service: aiohttp.ClientSession
) -> None:
    status, told, _ = await asked(service, "GET", "/ready")
    assert (status, told["ready"], told["tokens_requested"]) == (200, True, 0)
    patient = server.store.add_patient()["id"]
    script(server, FaultKind.STATUS, "patients.get", status=503, retry_after=30, times=100)
    await asyncio.gather(*(asked(service, "GET", f"/patients/{patient}") for _ in range(40)))
    status, told, later = await asked(service, "GET", "/ready")
    assert (status, told["ready"]) == (503, False)
    assert 5.0 < told["paused_for"] <= 33.0
    assert later == f"{told['paused_for']:.0f}"
    assert patient not in str(told)
