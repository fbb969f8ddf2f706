"""A FastAPI service on welkin_async: one session for each worker, records as answers, errors mapped to statuses.

Run it with several workers, and without uvicorn's own access log, which would write patients' ids::

    uvicorn --app-dir examples fastapi_service.service:app --workers 4 --no-access-log

Settings come from ``WELKIN_*``. With ``WELKIN_SHARED`` the workers of all replicas share one token and one pace, for
which ``SERVICE_RATE`` names the requests per second that all of them may send together.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response, status
from pydantic import BaseModel, ConfigDict, Field

from welkin_async import Welkin
from welkin_async.integrations.opentelemetry import OpenTelemetry
from welkin_async.models.cdts import CdtRecord
from welkin_async.models.patients import Patient

from .errors import answer_errors

ATTEMPT_TIMEOUT = 5.0  # seconds: whoever calls a service does not wait for half a minute
MOST_HELD = 2.0  # seconds for which Welkin's throttling may hold a call back, before its caller is told to come again
LONGEST_PAUSE = 5.0  # seconds of a pause with which a worker is still ready


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the session when the worker starts, and close it when it stops: the pool and the token live as long."""
    rate = os.environ.get("SERVICE_RATE")
    async with Welkin(rate=float(rate) if rate else None, instrumentation=OpenTelemetry()) as welkin:
        app.state.welkin = welkin.with_options(timeout=ATTEMPT_TIMEOUT, max_wait=MOST_HELD)
        yield


# Of FastAPI's own telemetry, which recent versions have, the metrics alone: its spans hold the path of the URL, and so
# ids of patients, and its log records hold texts of exceptions. Older versions do without.
app = FastAPI(title="Patients", lifespan=lifespan, telemetry={"tracing": False, "logs": False})
answer_errors(app)


def session(request: Request) -> Welkin:
    """Return the worker's session."""
    welkin: Welkin = request.app.state.welkin
    return welkin


Session = Annotated[Welkin, Depends(session)]


class NewMedication(BaseModel):
    """What a caller sends to have a medication recorded."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    status: str = "active"


class Readiness(BaseModel):
    """What the probe is told: numbers of the worker's session, and nothing of any patient."""

    ready: bool
    in_flight: int
    slots: int
    pace: float | None
    share_refused: float
    paused_for: float
    tokens_requested: int


@app.get("/patients/{patient_id}")
async def show_patient(patient_id: str, welkin: Session) -> Patient:
    """Return a patient."""
    return await welkin.patients.get(patient_id)


@app.post("/patients/{patient_id}/medications", status_code=status.HTTP_201_CREATED)
async def record_medication(patient_id: str, medication: NewMedication, welkin: Session) -> CdtRecord:
    """Record a medication for a patient, once: where it is not known whether it was, the answer says so."""
    fields = {"medication_name": medication.name, "medication_status": medication.status}
    return await welkin.patient(patient_id).cdts("medication").create(fields)


@app.get("/ready")
async def ready(welkin: Session, response: Response) -> Readiness:
    """Say whether this worker should be sent requests: not while Welkin has everybody pause for long."""
    stats = welkin.stats
    paused = stats.paused_for > LONGEST_PAUSE
    if paused:
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
        response.headers["Retry-After"] = f"{stats.paused_for:.0f}"
    return Readiness(
        ready=not paused,
        in_flight=stats.in_flight,
        slots=stats.slots,
        pace=stats.pace,
        share_refused=stats.share_refused,
        paused_for=stats.paused_for,
        tokens_requested=stats.tokens_requested,
    )
