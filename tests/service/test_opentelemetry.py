"""Spans and metrics as they come of calls at the local server, with an SDK that keeps them in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from conftest import Connect

from welkin_async import (
    InvalidInputError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
    RejectedError,
    Welkin,
    bulk,
)
from welkin_async.sandbox import Fault, FaultKind, Sandbox

TEMPLATE = "/{tenant}/{instance}/patients/{patient_id}"


@attrs.define
class Telemetry:
    """An SDK that keeps what it is told.

    Attributes:
        instrumentation: To be given to a session.
        tracer_provider: Makes spans.
        exporter: Keeps them.
        reader: Keeps metrics.
    """

    instrumentation: Any
    tracer_provider: Any
    exporter: Any
    reader: Any

    def spans(self, name: str | None = None) -> list[Any]:
        """The spans that have ended, in that order, of a name where one is given."""
        return [each for each in self.exporter.get_finished_spans() if name in (None, each.name)]

    def points(self, name: str) -> list[Any]:
        """The data points of a metric."""
        data = self.reader.get_metrics_data()
        metrics = [] if data is None else data.resource_metrics[0].scope_metrics[0].metrics
        return [point for metric in metrics if metric.name == name for point in metric.data.data_points]

    def all_told(self) -> str:
        """Everything, as text."""
        data = self.reader.get_metrics_data()
        return "\n".join([*(span.to_json() for span in self.spans()), "" if data is None else data.to_json()])


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """An SDK of the test's own."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from welkin_async.integrations.opentelemetry import OpenTelemetry

    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers, meters = TracerProvider(), MeterProvider(metric_readers=[reader])
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentation = OpenTelemetry(tracer_provider=tracers, meter_provider=meters)
    yield Telemetry(instrumentation, tracers, exporter, reader)
    tracers.shutdown()
    meters.shutdown()


@pytest.fixture
def swift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("welkin_async.http.transport.backoff", lambda failures: 0.001)


def events(span: Any) -> list[tuple[str, str | None]]:
    return [(each.name, each.attributes.get("welkin.verdict")) for each in span.events]


async def test_a_call_is_a_span_and_each_attempt_one_below_it(
    server: Sandbox, connect: Connect, telemetry: Telemetry, swift: None
) -> None:
    patient = server.store.add_patient()["id"]
    server.faults.add(Fault(FaultKind.STATUS, operation="patients.get", status=502))
    server.faults.add(Fault(FaultKind.RESET_BEFORE, operation="patients.get", after=1))
    async with connect(server, instrumentation=telemetry.instrumentation) as welkin:
        await welkin.patients.get(patient)
    (call,) = telemetry.spans("patients.get")
    attempts = telemetry.spans(f"GET {TEMPLATE}")
    host, port = "127.0.0.1", int(server.base_url.rpartition(":")[2])
    common = {
        "http.request.method": "GET",
        "server.address": host,
        "server.port": port,
        "url.scheme": "http",
        "url.template": TEMPLATE,
    }
    assert [dict(each.attributes) for each in attempts] == [
        {**common, "http.response.status_code": 502, "error.type": "502"},
        {**common, "http.request.resend_count": 1, "error.type": "unknown"},
        {**common, "http.request.resend_count": 2, "http.response.status_code": 200},
    ]
    assert [each.status.status_code.name for each in attempts] == ["ERROR", "ERROR", "UNSET"]
    assert {each.kind.name for each in attempts} == {"CLIENT"}
    assert {each.parent.span_id for each in attempts} == {call.context.span_id}
    assert (call.kind.name, call.parent, call.status.status_code.name) == ("INTERNAL", None, "UNSET")
    assert dict(call.attributes) == {"welkin.operation": "patients.get", "welkin.attempts": 3}
    assert events(call) == [("welkin.token_wait", None), ("welkin.retry", "unknown"), ("welkin.retry", "unknown")]
    (token,) = telemetry.spans("auth.create_token")
    assert token.parent.span_id == call.context.span_id


async def test_a_call_that_fails_says_how_and_whether_it_may_be_repeated(
    server: Sandbox, connect: Connect, telemetry: Telemetry
) -> None:
    server.faults.add(Fault(FaultKind.RESET_AFTER, operation="patients.create"))
    async with connect(server, instrumentation=telemetry.instrumentation) as welkin:
        with pytest.raises(NotFoundError):
            await welkin.patients.get("Charlie")
        with pytest.raises(OutcomeUnknownError):
            await welkin.patients.create(first_name="Charlie", last_name="Taylor")
        with pytest.raises(InvalidInputError):
            await welkin.patients.get("")
    (read,) = telemetry.spans("patients.get")  # what is refused before anything is sent is no call
    (made,) = telemetry.spans("patients.create")
    assert read.attributes["error.type"] == "welkin_async.errors.NotFoundError"
    assert read.status.description == "the server answered 404"
    assert read.attributes["welkin.safe_to_repeat"] is False
    assert made.attributes["error.type"] == "welkin_async.errors.OutcomeUnknownError"
    assert not [each for span in telemetry.spans() for each in span.events if each.name == "exception"]
    told = telemetry.all_told()
    assert "Charlie" not in told
    assert "Taylor" not in told


async def test_throttling_and_a_refreshed_token_are_events(
    server: Sandbox, connect: Connect, telemetry: Telemetry, swift: None
) -> None:
    patient = server.store.add_patient()["id"]
    async with connect(server, instrumentation=telemetry.instrumentation, max_wait=3.0) as welkin:
        await welkin.patients.get(patient)
        server.expire_tokens()
        server.faults.add(Fault(FaultKind.STATUS, operation="patients.get", status=429, retry_after=1))
        await welkin.patients.get(patient)
        call = telemetry.spans("patients.get")[-1]
        assert events(call) == [
            ("welkin.retry", "unauthorized"),
            ("welkin.token_wait", None),
            ("welkin.retry", "throttled"),
        ]
        waits = [each.attributes["welkin.wait.seconds"] for each in call.events]
        assert waits[0] == 0.0
        assert waits[1] > 0.0
        assert waits[2] >= 1.0
        server.faults.add(Fault(FaultKind.STATUS, operation="patients.get", status=429, retry_after=60))
        with pytest.raises(RateLimitedError):
            await welkin.patients.get(patient)
    (refused,) = [each for each in telemetry.points("welkin.client.refused") if each.value == 2]
    assert refused.attributes["http.response.status_code"] == 429
    assert sum(each.value for each in telemetry.points("welkin.client.token.requests")) == 2


async def test_callers_that_wait_for_a_turn_have_it_in_their_spans(
    server: Sandbox, connect: Connect, telemetry: Telemetry
) -> None:
    patient = server.store.add_patient()["id"]
    async with connect(server, instrumentation=telemetry.instrumentation, concurrency=1) as welkin:
        await welkin.patients.get(patient)
        server.latency = 0.05
        await asyncio.gather(welkin.patients.get(patient), welkin.patients.get(patient))
    calls = telemetry.spans("patients.get")
    assert events(calls[2]) == [("welkin.turn_wait", None)]
    assert calls[2].events[0].attributes["welkin.wait.seconds"] > 0.03


async def test_spans_belong_to_what_they_were_called_from_and_to_nothing_afterwards(
    server: Sandbox, connect: Connect, telemetry: Telemetry
) -> None:
    from opentelemetry import trace

    patient = server.store.add_patient()["id"]
    tracer = telemetry.tracer_provider.get_tracer("test")
    async with connect(server, instrumentation=telemetry.instrumentation) as welkin:
        with tracer.start_as_current_span("ours") as ours:
            await asyncio.gather(*(welkin.patients.get(patient) for _ in range(5)))
            server.latency = 0.2
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await welkin.patients.get(patient)
            assert trace.get_current_span() is ours
    calls = telemetry.spans("patients.get")
    assert {each.parent.span_id for each in calls} == {ours.get_span_context().span_id}
    assert [each.attributes.get("error.type") for each in calls] == [None] * 5 + ["asyncio.exceptions.CancelledError"]
    cut_off = telemetry.spans(f"GET {TEMPLATE}")[-1]
    assert cut_off.attributes["error.type"] == "unknown"


async def test_metrics_have_the_buckets_of_the_conventions_and_come_back_to_nothing_in_flight(
    server: Sandbox, connect: Connect, telemetry: Telemetry
) -> None:
    patient = server.store.add_patient()["id"]
    server.latency = 0.05
    async with connect(server, instrumentation=telemetry.instrumentation) as welkin:
        calls = [asyncio.create_task(welkin.patients.get(patient)) for _ in range(4)]
        while server.stats.in_flight < 4:
            await asyncio.sleep(0.001)
        named = telemetry.points("http.client.active_requests")
        assert [each.value for each in named if each.attributes["url.template"] == TEMPLATE] == [4]
        await asyncio.gather(*calls)
    assert {each.value for each in telemetry.points("http.client.active_requests")} == {0}
    (duration,) = [
        each for each in telemetry.points("http.client.request.duration") if each.attributes["url.template"] == TEMPLATE
    ]
    assert duration.explicit_bounds[:3] == (0.005, 0.01, 0.025)
    assert duration.explicit_bounds[-1] == 10.0
    assert duration.count == 4
    assert 0.2 < duration.sum < 4.0
    assert set(duration.attributes) == {
        "http.request.method", "http.response.status_code", "server.address", "server.port", "url.scheme",
        "url.template",
    }  # fmt: skip


async def test_rows_of_a_bulk_operation_are_counted_by_their_outcome(
    server: Sandbox, connect: Connect, telemetry: Telemetry
) -> None:
    patient = server.store.add_patient()["id"]
    rows = [bulk.CdtRow(patient, {"medication_name": f"Medication {number}"}) for number in range(30)]
    rows += [bulk.CdtRow(patient, {"medication_name": 5}) for _ in range(2)]
    server.faults.add(Fault(FaultKind.RESET_AFTER, operation="cdts.create", after=3, times=1))
    async with connect(server, instrumentation=telemetry.instrumentation) as welkin:
        report = await bulk.create_cdt_records(welkin, "medication", rows, check="strict")
    counted = {each.attributes["welkin.row.status"]: each.value for each in telemetry.points("welkin.bulk.rows")}
    assert counted == {"created": report.created, "failed": report.failed, "unknown": report.unknown}
    assert counted == {"created": 29, "failed": 2, "unknown": 1}
    assert {each.attributes["welkin.operation"] for each in telemetry.points("welkin.bulk.rows")} == {"cdts.create"}
    assert len(telemetry.spans("cdts.create")) == 30


async def test_no_other_instrumentation_of_aiohttp_records_the_path(
    server: Sandbox, connect: Connect, telemetry: Telemetry
) -> None:
    from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
    from opentelemetry.instrumentation.utils import suppress_instrumentation

    patient = server.store.add_patient()["id"]
    instrumentor = AioHttpClientInstrumentor()
    instrumentor.instrument(tracer_provider=telemetry.tracer_provider)
    try:
        async with connect(server, engine="aiohttp") as welkin:  # without ours it does: that is what is guarded against
            await welkin.patients.get(patient)
            assert patient in telemetry.all_told()
            telemetry.exporter.clear()
            with suppress_instrumentation():  # as docs/opentelemetry.md has it
                await welkin.patients.get(patient)
            assert telemetry.spans() == []
        async with connect(server, engine="aiohttp", instrumentation=telemetry.instrumentation) as welkin:
            await welkin.patients.get(patient)
        assert telemetry.spans("patients.get")
        assert len(telemetry.spans(f"GET {TEMPLATE}")) == 1
        assert not [each for each in telemetry.spans() if each.name == "GET"]
        assert patient not in telemetry.all_told()
    finally:
        instrumentor.uninstrument()


async def test_a_verb_that_the_conventions_do_not_know_is_another(
    server: Sandbox, connect: Connect, telemetry: Telemetry
) -> None:
    async with connect(server, instrumentation=telemetry.instrumentation) as welkin:
        with pytest.raises(RejectedError):
            await welkin.request("PROPFIND", "/{tenant}/{instance}/coffee")
    (attempt,) = telemetry.spans("HTTP /{tenant}/{instance}/coffee")
    assert attempt.attributes["http.request.method"] == "_OTHER"


async def test_without_an_sdk_nothing_is_recorded_and_calls_are_as_ever(server: Sandbox, connect: Connect) -> None:
    from welkin_async.integrations.opentelemetry import OpenTelemetry

    patient = server.store.add_patient()["id"]
    async with connect(server, instrumentation=OpenTelemetry()) as welkin:
        assert (await welkin.patients.get(patient)).id == patient
    assert isinstance(welkin, Welkin)
    assert repr(OpenTelemetry()) == "<OpenTelemetry instrumentation>"
