"""An instrumentation of one's own: what it is told of calls, in which order, and that it harms nothing."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from welkin_async import (
    Attempt,
    CallWait,
    ConfigurationError,
    NotFoundError,
    NotSentError,
    RateLimitedError,
    ServerAddress,
    Welkin,
    bulk,
)
from welkin_async.errors import RequestLine
from welkin_async.sandbox import FaultKind, Sandbox
from welkin_async.wire.request import Operation

from .helpers import connect, script


class Recorder:
    """Notes what it is told, as words."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.servers: set[ServerAddress] = set()

    def call(self, request: RequestLine, server: ServerAddress, /) -> RecordedCall:
        self.servers.add(server)
        return RecordedCall(request.operation, self.told)

    def row(self, request: RequestLine, status: str, server: ServerAddress, /) -> None:
        self.servers.add(server)
        self.told.append(f"row {request.operation} {status}")


class RecordedCall:
    def __init__(self, operation: str, told: list[str]) -> None:
        self._operation, self._told = operation, told
        self.tell("begins")

    def tell(self, what: str) -> None:
        self._told.append(f"{self._operation} {what}")

    def attempt_began(self, number: int, /) -> None:
        self.tell(f"sends {number}")

    def attempt_ended(self, attempt: Attempt | None, /) -> None:
        self.tell("sent nothing" if attempt is None else f"got {attempt.verdict} {attempt.status}")

    def waited(self, wait: CallWait, /) -> None:
        assert wait.seconds >= 0.0
        self.tell(f"waits for {wait.reason}{'' if wait.verdict is None else f' after {wait.verdict}'}")

    def ended(self, error: BaseException | None, /) -> None:
        self.tell("ends" if error is None else f"raises {type(error).__name__}")


async def test_a_call_is_followed_from_its_beginning_to_its_end(server: Sandbox, swift: None, patient: str) -> None:
    recorder = Recorder()
    async with connect(server, instrumentation=recorder) as welkin:
        script(server, FaultKind.RESET_BEFORE, "patients.get")
        await welkin.patients.get(patient)
        assert recorder.told == [
            "patients.get begins",
            "auth.create_token begins",
            "auth.create_token sends 1",
            "auth.create_token got done 200",
            "auth.create_token ends",
            "patients.get waits for token",
            "patients.get sends 1",
            "patients.get got unknown None",
            "patients.get waits for retry after unknown",
            "patients.get sends 2",
            "patients.get got done 200",
            "patients.get ends",
        ]
        recorder.told.clear()
        with pytest.raises(NotFoundError):
            await welkin.with_options(timeout=5.0).patients.get("none")
        assert recorder.told[-2:] == ["patients.get got rejected 404", "patients.get raises NotFoundError"]
    host, _, port = server.base_url.removeprefix("http://").partition(":")
    assert recorder.servers == {ServerAddress("http", host, int(port))}


async def test_a_call_that_is_held_back_says_by_whom(server: Sandbox, patient: str) -> None:
    recorder = Recorder()
    async with connect(server, instrumentation=recorder, concurrency=1, max_wait=0.5) as welkin:
        await welkin.patients.get(patient)
        server.latency = 0.05
        recorder.told.clear()
        await asyncio.gather(welkin.patients.get(patient), welkin.patients.get(patient))
        assert recorder.told.count("patients.get waits for turn") == 1
        server.latency = 0.0
        script(server, FaultKind.STATUS, "patients.get", status=503, retry_after=0.3, times=3)
        for _ in range(3):
            await asyncio.gather(*(welkin.patients.get(patient) for _ in range(2)), return_exceptions=True)
        script(server, FaultKind.STATUS, "patients.get", status=429, retry_after=5)
        with pytest.raises(RateLimitedError):
            await welkin.patients.get(patient)
        assert recorder.told[-2:] == ["patients.get got throttled 429", "patients.get raises RateLimitedError"]


async def test_what_is_withdrawn_at_the_last_moment_sent_nothing(server: Sandbox, patient: str) -> None:
    recorder = Recorder()
    async with connect(server, instrumentation=recorder) as welkin:
        await welkin.patients.get(patient)
        recorder.told.clear()
        path = "/{tenant}/{instance}/patients/{patient_id}"
        request = welkin.scope.within(patient_id=patient).request(Operation("patients.update", "PATCH", path), body={})
        request.permit = lambda: False
        with pytest.raises(NotSentError):
            await welkin.transport.send(request)
    assert recorder.told == [
        "patients.update begins",
        "patients.update sends 1",
        "patients.update sent nothing",
        "patients.update raises NotSentError",
    ]


async def test_a_cancelled_call_ends_once(server: Sandbox, patient: str) -> None:
    recorder = Recorder()
    async with connect(server, instrumentation=recorder) as welkin:
        await welkin.patients.get(patient)
        recorder.told.clear()
        server.latency = 0.2
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await welkin.patients.get(patient)
    assert recorder.told[-2:] == ["patients.get got unknown None", "patients.get raises CancelledError"]


async def test_each_row_of_a_bulk_operation_is_told_once(server: Sandbox, patient: str) -> None:
    recorder = Recorder()
    rows = [bulk.CdtRow(patient, {"medication_name": "x"}, key=f"row-{number}") for number in range(20)]
    script(server, FaultKind.RESET_AFTER, "cdts.create", after=5)
    async with connect(server, instrumentation=recorder) as welkin:
        report = await bulk.create_cdt_records(
            welkin, "medication", rows, key_field="external_id", settle=0.05, final_settle=0.1
        )
        changes = [bulk.CdtChange(patient, each["id"], {"medication_name": "y"}) for each in _records(server)]
        await bulk.update_cdt_records(welkin, "medication", changes)
        grouped = await bulk.bulk_update_cdt_records(welkin, "medication", changes)
    assert report.created == 20
    told = [each for each in recorder.told if each.startswith("row ")]
    assert told[:20] == ["row cdts.create created"] * 20
    assert told[20:40] == ["row cdts.update updated"] * 20
    assert grouped.failed == 20  # a field that the formation does not let be changed in bulk
    assert told[40:] == ["row cdts.bulk_update failed"] * 20


def _records(server: Sandbox) -> list[dict[str, Any]]:
    return list(server.store.cdt_records("medication"))


class Fails:
    """Fails whatever it is asked, or from the first call on."""

    def __init__(self, *, later: bool) -> None:
        self._later = later

    def call(self, request: RequestLine, server: ServerAddress, /) -> Any:
        if self._later:
            return FailingCall()
        raise ValueError("Charlie Taylor")

    def row(self, request: RequestLine, status: str, server: ServerAddress, /) -> None:
        raise ValueError("Charlie Taylor")


class FailingCall:
    def __getattr__(self, name: str) -> Any:
        raise ValueError("Charlie Taylor")


@pytest.mark.parametrize("later", [False, True])
async def test_an_instrumentation_that_fails_harms_nothing(
    server: Sandbox, patient: str, caplog: pytest.LogCaptureFixture, later: bool
) -> None:
    async with connect(server, instrumentation=Fails(later=later)) as welkin:
        assert (await welkin.patients.get(patient)).id == patient
        report = await bulk.create_cdt_records(welkin, "medication", [bulk.CdtRow(patient, {"medication_name": "x"})])
    assert report.complete
    assert "the instrumentation failed (ValueError)" in caplog.text
    assert {each.levelno for each in caplog.records} == {logging.ERROR}
    assert "Charlie" not in caplog.text


@pytest.mark.parametrize("given", [5, "otel", object(), logging])
def test_what_is_no_instrumentation_is_refused(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="instrumentation has call and row"):
        Welkin(tenant="gh", instance="i", api_client="c", secret_key="s", instrumentation=given)
