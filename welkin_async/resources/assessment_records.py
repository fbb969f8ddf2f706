"""Assessment records: assessments of a patient, filled in or being filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from welkin_async.models.assessments import AssessmentRecord
from welkin_async.pagination.pager import SPRING, Pager
from welkin_async.resources._base.arguments import UNSET, Body, OneText, given, mapping, one_text
from welkin_async.resources._base.mixins import DeleteMixin, GetMixin
from welkin_async.resources._base.paths import Path
from welkin_async.resources._base.scope import CallOptions, Key, PageQuery

_COLLECTION = Path("assessment_records", "/{tenant}/{instance}/patients/{patient_id}/assessment-records")
_ONE = _COLLECTION / "{record_id}"


class AssessmentRecords(GetMixin[AssessmentRecord], DeleteMixin[AssessmentRecord]):
    """A patient's assessments: ``welkin.patient(id).assessment_records``.

    The path is recorded as ``assessment-records``; examples in the documentation spell it assessments-records.
    """

    _listing = _COLLECTION.pages("list", SPRING, PageQuery)
    _get_operation = _ONE.get("get")
    _create_operation = _COLLECTION.post("create")
    _update_operation = _ONE.put("update")
    _answers_operation = (_ONE / "answers").put("update_answers")
    _delete_operation = _ONE.delete("delete")

    def list(  # keywords of PageQuery
        self,
        *,
        page: int = UNSET,
        size: int = UNSET,
        prefetch: int = UNSET,
        limit: int = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> Pager[AssessmentRecord]:
        """List the patient's assessments: ``GET .../patients/{patient_id}/assessment-records`` (recorded).

        The keywords are those of `PageQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        keywords = given(PageQuery, locals())
        return self._list(keywords)

    async def create(self, assessment: OneText, /, **options: Unpack[CallOptions]) -> AssessmentRecord:
        """Begin an assessment: ``POST .../patients/{patient_id}/assessment-records`` (recorded, 201).

        Args:
            assessment: The assessment's name in the instance; or a mapping with ``assessmentName`` and more, such as
                answers, which no source shows.
            options: See `CallOptions`.

        Returns:
            The record as the server answered.

        Raises:
            OutcomeUnknownError: it may have been created; list the records before repeating.
            RequestError: see `errors`.
        """
        body = one_text("assessmentName", assessment)
        return await self._one(self._create_operation, body=body, options=options)

    async def update(
        self, id: Key, record: Body[AssessmentRecord], /, **options: Unpack[CallOptions]
    ) -> AssessmentRecord:
        """Replace a record by what was read, changed: ``PUT .../assessment-records/{record_id}`` (recorded).

        To complete it, change its status to COMPLETED: ``update(r.id, {**to_wire(r), "status": "COMPLETED"})``. The
        server tolerates the read-only keys.

        Args:
            id: The record's id.
            record: All of it, as a record or a mapping with the documented names.
            options: See `CallOptions`.

        Returns:
            The record as the server answered; a completed one has ``finalized_date`` and ``questions``.

        Raises:
            NotFoundError: there is no such record (ASSESSMENT_RECORD_NOT_FOUND).
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._one(self._update_operation, record_id=id, body=record, options=options)

    async def update_answers(
        self, id: Key, answers: Mapping[str, Any], /, **options: Unpack[CallOptions]
    ) -> AssessmentRecord:
        """Give answers: ``PUT .../assessment-records/{record_id}/answers`` (recorded).

        Args:
            id: The record's id.
            answers: By CDT and field name joined with two underscores, such as ``mood__score``; case matters.
            options: See `CallOptions`.

        Returns:
            The whole record as the server answered.

        Raises:
            NotFoundError: there is no such record (ASSESSMENT_RECORD_NOT_FOUND).
            RequestError: see `errors`.
            InvalidInputError: an answer cannot be sent; nothing was.
        """
        return await self._one(self._answers_operation, record_id=id, body=mapping(answers), options=options)
