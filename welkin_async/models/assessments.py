"""Assessment records: a filled-in assessment of a patient."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from welkin_async.models.metadata import AuthoredById
from welkin_async.wire.records import record, wire


@record
class AssessmentRecord(AuthoredById):
    """A filled-in assessment.

    Not shown in the 2021 documentation. ``answers`` mixes the 12 CDT system fields with ``<cdt>__<field>`` keys; its id
    is the answer record, not this record.

    Values seen, none of them closed sets:

    - status (recorded): IN_PROGRESS, COMPLETED.

    Attributes:
        folder_id: An id; only null was seen.
        expiration_date: Only null was seen.
        questions: Object {answer key: question text}; empty until completed.
        pfa: True when sent to the patient (assumed from the vendor term).
    """

    id: str = wire("id", required=True)
    finalized_date: datetime | None = wire("finalizedDate")
    local_finalized_date: datetime | None = wire("localFinalizedDate")
    local_created_date: datetime | None = wire("localCreatedDate")
    local_updated_date: datetime | None = wire("localUpdatedDate")
    assessment_name: str | None = wire("assessmentName")
    assessment_title: str | None = wire("assessmentTitle")
    assessment_cdt_name: str | None = wire("assessmentCdtName")
    version: int | None = wire("version")
    patient_id: str | None = wire("patientId")
    status: str | None = wire("status")
    answers: Mapping[str, Any] | None = wire("answers")
    scoring: Mapping[str, Any] | None = wire("scoring")
    folder_id: str | None = wire("folderId")
    expiration_date: datetime | None = wire("expirationDate")
    questions: Mapping[str, Any] | None = wire("questions")
    resolved_cdt_values: Mapping[str, Any] | None = wire("resolvedCdtValues")
    pfa: bool | None = wire("pfa")
