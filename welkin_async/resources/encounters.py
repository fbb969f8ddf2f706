"""Encounters of a patient and of a user; and what belongs to one: comments, linked assessments, disposition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack, overload

from welkin_async.models.calendar import CalendarEvent
from welkin_async.models.encounters import (
    Encounter,
    EncounterAssessmentLink,
    EncounterComment,
    EncounterDisposition,
    FullEncounter,
)
from welkin_async.pagination.pager import META_INFO, Pager
from welkin_async.resources._base.arguments import UNSET, Body, OneText, given, mapping, one_text
from welkin_async.resources._base.mixins import ArrayMixin, DeleteMixin, GetMixin, Resource, SingleMixin
from welkin_async.resources._base.paths import Path
from welkin_async.resources._base.scope import CallOptions, Key, SortedQuery
from welkin_async.wire.request import Shape

_PATIENT = Path("encounters", "/{tenant}/{instance}/patients/{patient_id}")
_USER = Path("encounters", "/{tenant}/{instance}/users/{user_id}")
_ENCOUNTERS = _PATIENT / "encounters"
_ENCOUNTER = _ENCOUNTERS / "{encounter_id}"
_COMMENTS = _ENCOUNTER / "comments"
_COMMENT = _COMMENTS / "{comment_id}"
_LINKS = _ENCOUNTER / "assessments"
_LINK = _LINKS / "{link_id}"
EncounterStatus = Literal["DRAFT", "OPEN", "ACTIVE", "FINALIZED", "CANCELLED"] | str


class NewEncounter(CallOptions, total=False):
    """The fields of an encounter that can be written.

    They are sent flat and in camelCase, and come back inside ``jsonBody``; each is named in `Encounter`.

    Attributes:
        template_name: Its template, which supplies the rest, such as the mode of the event.
        status: With ``update`` only; a new encounter is DRAFT.
        calendar_event_id: An event that exists already.
        current_scheduled_appointment: An event to be created with it: eventType ENCOUNTER, title, start, end, host and
            participants.
        location: From the vendor's collection.
        responsible_party: SELF_PAY or INSURANCE, from the vendor's collection.
        visit_services: Name, costs in cents and modifiers, from the vendor's collection.
    """

    title: str
    description: str | None
    template_name: str
    notes: str | None
    status: EncounterStatus
    calendar_event_id: Key | None
    current_scheduled_appointment: Body[CalendarEvent]
    location: str
    responsible_party: str
    visit_services: Sequence[Mapping[str, Any]]


class EncounterQuery(SortedQuery, total=False):
    """The query of a list of a patient's encounters.

    Attributes:
        statuses: Only these.
    """

    statuses: Sequence[EncounterStatus]


class FullEncounterQuery(EncounterQuery, total=False):
    """The query of a list of full encounters.

    Attributes:
        only_with_calendar_event: Whether those without an event are left out.
    """

    only_with_calendar_event: bool


class UserEncounterQuery(EncounterQuery, total=False):
    """The query of a list of a user's encounters.

    Attributes:
        with_care_team: From a published client; recorded with false.
    """

    with_care_team: bool


class Encounters(GetMixin[Encounter], DeleteMixin[Encounter]):
    """A patient's encounters: ``welkin.patient(id).encounters``.

    What belongs to one of them is at ``welkin.patient(id).encounter(encounter_id)``. An encounter that is gone answers
    with the code of a CDT record, DT_RECORD_NOT_FOUND (recorded).
    """

    _body_fields = NewEncounter
    _listing = _ENCOUNTERS.pages("list_for_patient", META_INFO, EncounterQuery)
    _full = (_PATIENT / "full-encounters").pages("list_full_for_patient", META_INFO, FullEncounterQuery)
    _create_operation = _ENCOUNTERS.post("create")
    _get_operation = _ENCOUNTER.get("get")
    _get_full_operation = (_PATIENT / "full-encounters/{encounter_id}").get("get_full", Shape.OBJECT)
    _update_operation = _ENCOUNTER.patch("update")
    _delete_operation = _ENCOUNTER.delete("delete")

    def list(  # keywords of EncounterQuery
        self,
        *,
        statuses: Sequence[EncounterStatus] = UNSET,
        sort: str = UNSET,
        page: int = UNSET,
        size: int = UNSET,
        prefetch: int = UNSET,
        limit: int = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> Pager[Encounter]:
        """List the patient's encounters: ``GET .../patients/{patient_id}/encounters`` (recorded).

        The keywords are those of `EncounterQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        keywords = given(EncounterQuery, locals())
        return self._list(keywords)

    def list_full(  # keywords of FullEncounterQuery
        self,
        *,
        only_with_calendar_event: bool = UNSET,
        statuses: Sequence[EncounterStatus] = UNSET,
        sort: str = UNSET,
        page: int = UNSET,
        size: int = UNSET,
        prefetch: int = UNSET,
        limit: int = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> Pager[FullEncounter]:
        """List encounters with all that belongs to them: ``GET .../{patient_id}/full-encounters`` (documented).

        The keywords are those of `FullEncounterQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        keywords = given(FullEncounterQuery, locals())
        return self._pager(FullEncounter, self._full, keywords)

    async def get_full(self, id: Key, /, **options: Unpack[CallOptions]) -> FullEncounter:
        """Read an encounter with all that belongs to it: ``GET .../full-encounters/{encounter_id}`` (recorded).

        Args:
            id: The encounter's id.
            options: See `CallOptions`.

        Returns:
            The encounter. It comes as a plain object (recorded); the documentation shows a page.

        Raises:
            NotFoundError: there is no such encounter.
            RequestError: see `errors`.
        """
        return await self._one_as(FullEncounter, self._get_full_operation, encounter_id=id, options=options)

    @overload
    async def create(self, record: Mapping[str, Any], /, **options: Unpack[CallOptions]) -> Encounter: ...
    @overload
    async def create(self, /, **fields: Unpack[NewEncounter]) -> Encounter: ...
    async def create(self, record: Mapping[str, Any] | None = None, /, **fields: Any) -> Encounter:
        """Create an encounter: ``POST .../patients/{patient_id}/encounters`` (recorded, 201).

        Args:
            record: A mapping with the documented names; or
            fields: the fields of `NewEncounter` as keywords.

        Returns:
            The encounter as the server answered, a DRAFT.

        Raises:
            OutcomeUnknownError: it may have been created; list the encounters before repeating.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._create(record, fields)

    @overload
    async def update(self, id: Key, record: Mapping[str, Any], /, **options: Unpack[CallOptions]) -> Encounter: ...
    @overload
    async def update(self, id: Key, /, **fields: Unpack[NewEncounter]) -> Encounter: ...
    async def update(self, id: Key, record: Mapping[str, Any] | None = None, /, **fields: Any) -> Encounter:
        """Change an encounter: ``PATCH .../patients/{patient_id}/encounters/{encounter_id}`` (recorded).

        Args:
            id: The encounter's id.
            record: A mapping with the documented names; or
            fields: the fields of `NewEncounter` as keywords. An explicit None is sent as null.

        Returns:
            The encounter as the server answered.

        Raises:
            NotFoundError: there is no such encounter.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._update(id, record, fields)


class UserEncounters(Resource[Encounter]):
    """Encounters of a user, in this instance: ``welkin.user(id).encounters``."""

    _listing = (_USER / "encounters").pages("list_for_user", META_INFO, UserEncounterQuery)
    _full = (_USER / "full-encounters").pages("list_full_for_user", META_INFO, FullEncounterQuery)

    def list(  # keywords of UserEncounterQuery
        self,
        *,
        with_care_team: bool = UNSET,
        statuses: Sequence[EncounterStatus] = UNSET,
        sort: str = UNSET,
        page: int = UNSET,
        size: int = UNSET,
        prefetch: int = UNSET,
        limit: int = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> Pager[Encounter]:
        """List the user's encounters: ``GET /{tenant}/{instance}/users/{user_id}/encounters`` (recorded).

        These come with ``patient_info`` and without system fields, CDT name and version.

        The keywords are those of `UserEncounterQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        keywords = given(UserEncounterQuery, locals())
        return self._list(keywords)

    def list_full(  # keywords of FullEncounterQuery
        self,
        *,
        only_with_calendar_event: bool = UNSET,
        statuses: Sequence[EncounterStatus] = UNSET,
        sort: str = UNSET,
        page: int = UNSET,
        size: int = UNSET,
        prefetch: int = UNSET,
        limit: int = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> Pager[FullEncounter]:
        """List encounters with all that belongs to them: ``GET .../users/{user_id}/full-encounters`` (documented).

        The keywords are those of `FullEncounterQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        keywords = given(FullEncounterQuery, locals())
        return self._pager(FullEncounter, self._full, keywords)


class EncounterComments(ArrayMixin[EncounterComment], GetMixin[EncounterComment], DeleteMixin[EncounterComment]):
    """Comments on an encounter: ``.encounter(id).comments``, at ``.../comments[/{comment_id}]`` (documented)."""

    _list_operation = _COMMENTS.get("list_comments", Shape.ARRAY)
    _get_operation = _COMMENT.get("get_comment", Shape.OBJECT)
    _create_operation = _COMMENTS.post("create_comment", Shape.OBJECT)
    _update_operation = _COMMENT.put("update_comment", Shape.OBJECT)
    _delete_operation = _COMMENT.delete("delete_comment")

    async def create(self, text: OneText, /, **options: Unpack[CallOptions]) -> EncounterComment:
        """Add a comment: ``POST .../encounters/{encounter_id}/comments`` (documented).

        Args:
            text: What it says; or a mapping with the documented names.
            options: See `CallOptions`.

        Returns:
            The comment as the server answered.

        Raises:
            OutcomeUnknownError: it may have been added; list the comments before repeating.
            RequestError: see `errors`.
        """
        return await self._one(self._create_operation, body=one_text("text", text), options=options)

    async def update(self, id: Key, text: OneText, /, **options: Unpack[CallOptions]) -> EncounterComment:
        """Change a comment: ``PUT .../encounters/{encounter_id}/comments/{comment_id}`` (documented).

        Args:
            id: The comment's id.
            text: What it is to say; or a mapping with the documented names.
            options: See `CallOptions`.

        Returns:
            The comment as the server answered.

        Raises:
            NotFoundError: there is no such comment.
            RequestError: see `errors`.
        """
        return await self._one(self._update_operation, comment_id=id, body=one_text("text", text), options=options)


class EncounterAssessments(
    ArrayMixin[EncounterAssessmentLink], GetMixin[EncounterAssessmentLink], DeleteMixin[EncounterAssessmentLink]
):
    """Assessments linked to an encounter: ``.encounter(id).assessments``, at ``.../assessments[/{link_id}]``.

    All of it is recorded. A link is not the filled-in assessment: that is at ``welkin.patient(id).assessment_records``.
    """

    _list_operation = _LINKS.get("list_assessments", Shape.ARRAY)
    _get_operation = _LINK.get("get_assessment")
    _create_operation = _LINKS.post("create_assessment")
    _update_operation = _LINK.patch("update_assessment")
    _delete_operation = _LINK.delete("delete_assessment")

    async def create(
        self,
        assessment_name: OneText,
        /,
        *,
        assessment_record_id: Key | None = None,
        **options: Unpack[CallOptions],
    ) -> EncounterAssessmentLink:
        """Link an assessment: ``POST .../encounters/{encounter_id}/assessments`` (recorded, 201).

        Args:
            assessment_name: The assessment's name in the instance; or a mapping with the documented names.
            assessment_record_id: A filled-in assessment of the patient.
            options: See `CallOptions`.

        Returns:
            The link as the server answered.

        Raises:
            OutcomeUnknownError: it may have been linked; list the links before repeating.
            RequestError: see `errors`.
        """
        body = one_text("assessmentName", assessment_name)
        if assessment_record_id is not None:
            body = {**body, "assessmentRecordId": assessment_record_id}
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

    _get_operation = (_ENCOUNTER / "disposition").get("get_disposition")
    _update_operation = (_ENCOUNTER / "disposition").patch("update_disposition")

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
