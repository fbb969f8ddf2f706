"""A request whose permit is refused is not sent: it is asked on the connection, before the first byte."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from welkin_async.errors import NotSentError
from welkin_async.sandbox import Sandbox
from welkin_async.wire.request import Operation, Request


@pytest.mark.parametrize("engine", ["aiohttp", "direct"])
@pytest.mark.parametrize("connected", [True, False])
async def test_a_request_without_a_permit_is_never_on_the_wire(
    server: Sandbox, connect: Any, engine: str, connected: bool
) -> None:
    patient = server.store.add_patient()["id"]
    async with connect(server, engine=engine, check="off") as welkin:
        if connected:
            await welkin.patients.get(patient)
        else:
            await welkin.transport.tokens.get()
        scope = welkin.scope.within(patient_id=patient, cdt_name="medication")
        path = "/{tenant}/{instance}/patients/{patient_id}/cdts/{cdt_name}"
        operation = Operation("cdts.create", "POST", path)
        asked = 0

        def refuse() -> bool:
            nonlocal asked
            asked += 1
            return False

        request: Request = scope.request(operation, body={"medication_name": "Never"})
        request.permit = refuse
        before = server.stats.total
        with pytest.raises(NotSentError) as caught:
            await welkin.transport.send(request)
        await asyncio.sleep(0.05)
        assert (asked, request.attempts, request.unknown) == (1, 0, False)
        assert caught.value.safe_to_repeat
        assert server.stats.total == before
        assert server.stats.in_flight == 0
        request.permit = lambda: True
        assert (await welkin.transport.send(request)).status in (200, 201)
        assert len(server.store.cdt_records("medication")) == 1
