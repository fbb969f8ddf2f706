"""What belongs to one encounter: comments, linked assessments, the disposition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from welkin_async.models.encounters import EncounterAssessmentLink, EncounterComment, EncounterDisposition
from welkin_async.request import Operation, Repeat, Shape
from welkin_async.resources._base import ArrayMixin, CallOptions, DeleteMixin, GetMixin, Key, SingleMixin, mapping

__all__ = ["Disposition", "EncounterAssessments", "EncounterComments"]

_ENCOUNTER = "/{tenant}/{instance}/patients/{patient_id}/encounters/{encounter_id}"
_COMMENTS = _ENCOUNTER + "/comments"
_COMMENT = _COMMENTS + "/{comment_id}"
_LINKS = _ENCOUNTER + "/assessments"
_LINK = _LINKS + "/{link_id}"


class EncounterComments(ArrayMixin[EncounterComment], GetMixin[EncounterComment], DeleteMixin[EncounterComment]):
    """Comments on an encounter: ``.encounter(id).comments``, at ``.../comments[/{comment_id}]`` (documented)."""

    _record = EncounterComment
    _list_operation = Operation("encounters.list_comments", "GET", _COMMENTS, answer=Shape.ARRAY)
    _get_operation = Operation("encounters.get_comment", "GET", _COMMENT, answer=Shape.OBJECT)
    _create_operation = Operation(
        "encounters.create_comment", "POST", _COMMENTS, repeat=Repeat.UNSAFE, answer=Shape.OBJECT
    )
    _update_operation = Operation("encounters.update_comment", "PUT", _COMMENT, answer=Shape.OBJECT)
    _delete_operation = Operation("encounters.delete_comment", "DELETE", _COMMENT, answer=Shape.NOTHING)

    async def create(self, text: str, /, **options: Unpack[CallOptions]) -> EncounterComment:
        """Add a comment: ``POST .../encounters/{encounter_id}/comments`` (documented).

        Args:
            text: What it says.
            options: See `CallOptions`.

        Returns:
            The comment as the server answered.

        Raises:
            OutcomeUnknownError: it may have been added; list the comments before repeating.
            RequestError: see `errors`.
        """
        return await self._one(self._create_operation, body={"text": text}, options=options)

    async def update(self, id: Key, text: str, /, **options: Unpack[CallOptions]) -> EncounterComment:
        """Change a comment: ``PUT .../encounters/{encounter_id}/comments/{comment_id}`` (documented).

        Args:
            id: The comment's id.
            text: What it is to say.
            options: See `CallOptions`.

        Returns:
            The comment as the server answered.

        Raises:
            NotFoundError: there is no such comment.
            RequestError: see `errors`.
        """
        return await self._one(self._update_operation, comment_id=id, body={"text": text}, options=options)


class EncounterAssessments(
    ArrayMixin[EncounterAssessmentLink], GetMixin[EncounterAssessmentLink], DeleteMixin[EncounterAssessmentLink]
):
    """Assessments linked to an encounter: ``.encounter(id).assessments``, at ``.../assessments[/{link_id}]``.

    All of it is recorded. A link is not the filled-in assessment: that is at ``welkin.patient(id).assessment_records``.
    """

    _record = EncounterAssessmentLink
    _list_operation = Operation("encounters.list_assessments", "GET", _LINKS, answer=Shape.ARRAY)
    _get_operation = Operation("encounters.get_assessment", "GET", _LINK)
    _create_operation = Operation("encounters.create_assessment", "POST", _LINKS, repeat=Repeat.UNSAFE)
    _update_operation = Operation("encounters.update_assessment", "PATCH", _LINK)
    _delete_operation = Operation("encounters.delete_assessment", "DELETE", _LINK, answer=Shape.NOTHING)

    async def create(
        self,
        assessment_name: str,
        /,
        *,
        assessment_record_id: Key | None = None,
        **options: Unpack[CallOptions],
    ) -> EncounterAssessmentLink:
        """Link an assessment: ``POST .../encounters/{encounter_id}/assessments`` (recorded, 201).

        Args:
            assessment_name: The assessment's name in the instance.
            assessment_record_id: A filled-in assessment of the patient.
            options: See `CallOptions`.

        Returns:
            The link as the server answered.

        Raises:
            OutcomeUnknownError: it may have been linked; list the links before repeating.
            RequestError: see `errors`.
        """
        body: dict[str, Any] = {"assessmentName": assessment_name}
        if assessment_record_id is not None:
            body["assessmentRecordId"] = assessment_record_id
        return await self._one(self._create_operation, body=body, options=options)

    async def update(
        self, id: Key, /, *, assessment_record_id: Key | None, **options: Unpack[CallOptions]
    ) -> EncounterAssessmentLink:
        """Change a link: ``PATCH .../encounters/{encounter_id}/assessments/{link_id}`` (recorded).

        Args:
            id: The link's id.
            assessment_record_id: The filled-in assessment it is to lead to.
            options: See `CallOptions`.

        Returns:
            The link as the server answered.

        Raises:
            NotFoundError: there is no such link.
            RequestError: see `errors`.
        """
        body = {"assessmentRecordId": assessment_record_id}
        return await self._one(self._update_operation, link_id=id, body=body, options=options)


class Disposition(SingleMixin[EncounterDisposition]):
    """The disposition of an encounter: ``.encounter(id).disposition``. It is created with the encounter.

    ``get`` is ``GET .../encounters/{encounter_id}/disposition`` (recorded).
    """

    _record = EncounterDisposition
    _get_operation = Operation("encounters.get_disposition", "GET", _ENCOUNTER + "/disposition")
    _update_operation = Operation("encounters.update_disposition", "PATCH", _ENCOUNTER + "/disposition")

    async def update(self, fields: Mapping[str, Any], /, **options: Unpack[CallOptions]) -> EncounterDisposition:
        """Change it: ``PATCH .../encounters/{encounter_id}/disposition`` (recorded).

        Args:
            fields: The customer's fields by their own names, such as ``icd-10``; None clears a field.
            options: See `CallOptions`.

        Returns:
            The disposition as the server answered.

        Raises:
            NotFoundError: there is no such encounter.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._one(self._update_operation, body=mapping(fields), options=options)
