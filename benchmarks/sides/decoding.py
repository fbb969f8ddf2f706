"""From an answer's bytes to fields: parsed, wrapped, and read."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from typing import Any

from benchmarks import payloads
from benchmarks.sides.work import Job, Watch

__all__ = ["decode"]

_BODIES: dict[str, Callable[[], dict[str, Any]]] = {
    "cdt": payloads.record,
    "patient": payloads.patient,
    "encounter": payloads.encounter,
}
_RECORDS = {
    "cdt": ("welkin_async.models.cdts", "CdtRecord", ("patient_id", "version", "created_at")),
    "patient": ("welkin_async.models.patients", "Patient", ("first_name", "birth_date", "created_at")),
    "encounter": ("welkin_async.models.encounters", "Encounter", ("status", "start_datetime", "created_at")),
}


def decode(job: Job) -> dict[str, Any]:
    """Decode a record over and over; the SDK's sides wrap it and read three typed fields, two of them dates."""
    loads: Callable[[bytes], Any] = importlib.import_module("orjson").loads if job.speed else json.loads
    body = payloads.dumps(_BODIES[job.kind]())
    if job.side.startswith("hand"):
        one: Callable[[], object] = lambda: loads(body)["id"]  # noqa: E731 - two forms of one thing
    else:
        module, name, fields = _RECORDS[job.kind]
        from_wire = getattr(importlib.import_module(module), name).from_wire

        def one() -> object:
            record = from_wire(loads(body))
            for field in fields:
                getattr(record, field)
            return record

    for _ in range(job.warm):
        one()
    watch = Watch()
    for _ in range(job.records):
        one()
    return watch.stop(job.records)
