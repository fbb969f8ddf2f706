"""The example's application, with all that it tells (spans, metrics, log lines) written to files, for tests to read.

``SERVICE_TOLD`` names the folder. Each worker writes files of its own there, whose names end in its process id.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from fastapi_service.service import app
from opentelemetry import metrics, trace
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

__all__ = ["app"]

FOLDER = Path(os.environ["SERVICE_TOLD"])
PROCESS = os.getpid()


def _told(name: str) -> Path:
    return FOLDER / f"{name}-{PROCESS}"


def _observe() -> None:
    """Write down everything: the log from the finest level on, and aiohttp's own instrumentation switched on."""
    handler = logging.FileHandler(_told("log"))
    logging.basicConfig(level=logging.DEBUG, handlers=[handler], format="%(name)s %(message)s")
    tracers = TracerProvider()
    spans = _told("spans").open("w", buffering=1)
    tracers.add_span_processor(
        SimpleSpanProcessor(ConsoleSpanExporter(out=spans, formatter=lambda span: span.to_json(indent=None) + "\n"))
    )
    trace.set_tracer_provider(tracers)
    exporter = ConsoleMetricExporter(
        out=_told("metrics").open("w", buffering=1), formatter=lambda data: data.to_json(indent=None) + "\n"
    )
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=500)
    metrics.set_meter_provider(MeterProvider(metric_readers=[reader]))
    AioHttpClientInstrumentor().instrument()
    _told("worker").touch()


_observe()
