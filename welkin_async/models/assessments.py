"""Assessment records: a filled-in assessment of a patient."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from welkin_async.record import Record, record, wire

__all__ = ["AssessmentRecord"]


@record
class AssessmentRecord(Record):
    """A filled-in assessment.

    Not shown in the 2021 documentation. answers mixes the 12 CDT system fields with <cdt>__<field> keys; its id
    is the answer record, not this record.

    Values seen, none of them closed sets:

    - status (recorded): IN_PROGRESS, COMPLETED.

    Attributes:
        id: ``id``.
        created_at: ``createdAt``.
        updated_at: ``updatedAt``.
        created_by: ``createdBy``.
        updated_by: ``updatedBy``.
        created_by_name: ``createdByName``.
        updated_by_name: ``updatedByName``.
        finalized_date: ``finalizedDate``.
        local_finalized_date: ``localFinalizedDate``.
        local_created_date: ``localCreatedDate``.
        local_updated_date: ``localUpdatedDate``.
        assessment_name: ``assessmentName``.
        assessment_title: ``assessmentTitle``.
        assessment_cdt_name: ``assessmentCdtName``.
        version: ``version``.
        patient_id: ``patientId``.
        status: ``status``.
        answers: ``answers``.
        scoring: ``scoring``.
        folder_id: ``folderId``; an id; only null was seen.
        expiration_date: ``expirationDate``; only null was seen.
        questions: ``questions``; object {answer key: question text}; empty until completed.
        resolved_cdt_values: ``resolvedCdtValues``.
        pfa: ``pfa``; true when sent to the patient (assumed from the vendor term).
    """

    id: str = wire("id", required=True)
    created_at: datetime | None = wire("createdAt")
    updated_at: datetime | None = wire("updatedAt")
    created_by: str | None = wire("createdBy")
    updated_by: str | None = wire("updatedBy")
    created_by_name: str | None = wire("createdByName")
    updated_by_name: str | None = wire("updatedByName")
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
