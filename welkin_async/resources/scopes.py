"""Places of the API that hold several resources: one patient, one encounter, one document, one user.

Resources are imported when they are first asked for: building every record class takes longer than importing aiohttp.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from welkin_async.resources._scope import Key, Scope

if TYPE_CHECKING:
    from welkin_async.resources.assessment_records import AssessmentRecords
    from welkin_async.resources.care_plans import CarePlans
    from welkin_async.resources.cdts import Cdts
    from welkin_async.resources.chat import Chat
    from welkin_async.resources.contacts import Contacts
    from welkin_async.resources.documents import DocumentFiles, Documents, DocumentTypeRecords
    from welkin_async.resources.emails import Emails, UnrecognizedEmails
    from welkin_async.resources.encounter_parts import Disposition, EncounterAssessments, EncounterComments
    from welkin_async.resources.encounters import Encounters, UserEncounters
    from welkin_async.resources.pdts import Pdts
    from welkin_async.resources.programs import Programs
    from welkin_async.resources.sms import SmsMessages, UnrecognizedSms
    from welkin_async.resources.user_parts import AppAccess, Permissions, Territories

__all__ = ["DocumentScope", "EncounterScope", "PatientScope", "UnrecognizedScope", "UserScope"]


class _Place:
    """A scope with resources in it."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def __repr__(self) -> str:
        """Show the class: the id identifies a person."""
        return f"<{type(self).__name__}>"


class PatientScope(_Place):
    """What belongs to one patient: ``welkin.patient(id)``."""

    def cdts(self, name: str, /) -> Cdts:
        """Return the patient's records of a custom data type.

        Args:
            name: The CDT's name in the instance.

        Raises:
            InvalidInputError: the name is empty, ``.`` or ``..``.
        """
        from welkin_async.resources.cdts import Cdts

        return Cdts(self._scope.within(cdt_name=name))

    def pdts(self, name: str, /) -> Pdts:
        """Return the patient's records of a profile data type (unconfirmed).

        Args:
            name: The PDT's name in the instance.

        Raises:
            InvalidInputError: the name is empty, ``.`` or ``..``.
        """
        from welkin_async.resources.pdts import Pdts

        return Pdts(self._scope.within(pdt_name=name))

    @cached_property
    def contacts(self) -> Contacts:
        """The patient's contacts (unconfirmed)."""
        from welkin_async.resources.contacts import Contacts

        return Contacts(self._scope)

    @cached_property
    def encounters(self) -> Encounters:
        """The patient's encounters."""
        from welkin_async.resources.encounters import Encounters

        return Encounters(self._scope)

    def encounter(self, id: Key, /) -> EncounterScope:
        """Return what belongs to one encounter.

        Args:
            id: The encounter's id.

        Raises:
            InvalidInputError: the id is empty, ``.`` or ``..``.
        """
        return EncounterScope(self._scope.within(encounter_id=id))

    @cached_property
    def assessment_records(self) -> AssessmentRecords:
        """The patient's assessments, filled in or being filled in."""
        from welkin_async.resources.assessment_records import AssessmentRecords

        return AssessmentRecords(self._scope)

    @cached_property
    def care_plan(self) -> CarePlans:
        """The patient's care plan."""
        from welkin_async.resources.care_plans import CarePlans

        return CarePlans(self._scope)

    @cached_property
    def chat(self) -> Chat:
        """The chat with the patient."""
        from welkin_async.resources.chat import Chat

        return Chat(self._scope)

    @cached_property
    def documents(self) -> Documents:
        """The patient's documents."""
        from welkin_async.resources.documents import Documents

        return Documents(self._scope)

    def document(self, id: Key, /) -> DocumentScope:
        """Return what belongs to one document.

        Args:
            id: The document's id.

        Raises:
            InvalidInputError: the id is empty, ``.`` or ``..``.
        """
        return DocumentScope(self._scope.within(summary_id=id))

    @cached_property
    def emails(self) -> Emails:
        """The patient's emails."""
        from welkin_async.resources.emails import Emails

        return Emails(self._scope)

    @cached_property
    def sms(self) -> SmsMessages:
        """The patient's text messages."""
        from welkin_async.resources.sms import SmsMessages

        return SmsMessages(self._scope)

    @cached_property
    def programs(self) -> Programs:
        """The patient's programs."""
        from welkin_async.resources.programs import Programs

        return Programs(self._scope)


class EncounterScope(_Place):
    """What belongs to one encounter: ``welkin.patient(id).encounter(encounter_id)``."""

    @cached_property
    def comments(self) -> EncounterComments:
        """Comments on it."""
        from welkin_async.resources.encounter_parts import EncounterComments

        return EncounterComments(self._scope)

    @cached_property
    def assessments(self) -> EncounterAssessments:
        """Assessments linked to it."""
        from welkin_async.resources.encounter_parts import EncounterAssessments

        return EncounterAssessments(self._scope)

    @cached_property
    def disposition(self) -> Disposition:
        """Its disposition."""
        from welkin_async.resources.encounter_parts import Disposition

        return Disposition(self._scope)


class DocumentScope(_Place):
    """What belongs to one document: ``welkin.patient(id).document(summary_id)``."""

    @cached_property
    def files(self) -> DocumentFiles:
        """Its files."""
        from welkin_async.resources.documents import DocumentFiles

        return DocumentFiles(self._scope)

    def type_record(self, document_type_name: str, /) -> DocumentTypeRecords:
        """Return the fields of its type.

        Args:
            document_type_name: The type's name.

        Raises:
            InvalidInputError: the name is empty, ``.`` or ``..``.
        """
        from welkin_async.resources.documents import DocumentTypeRecords

        return DocumentTypeRecords(self._scope.within(document_type_name=document_type_name))


class UserScope(_Place):
    """What belongs to one user: ``welkin.user(id)``."""

    @cached_property
    def app_access(self) -> AppAccess:
        """The user's access to applications."""
        from welkin_async.resources.user_parts import AppAccess

        return AppAccess(self._scope)

    @cached_property
    def permissions(self) -> Permissions:
        """The user's roles and policies."""
        from welkin_async.resources.user_parts import Permissions

        return Permissions(self._scope)

    @cached_property
    def territories(self) -> Territories:
        """The user's territories."""
        from welkin_async.resources.user_parts import Territories

        return Territories(self._scope)

    @cached_property
    def encounters(self) -> UserEncounters:
        """The user's encounters, in this instance."""
        from welkin_async.resources.encounters import UserEncounters

        return UserEncounters(self._scope)


class UnrecognizedScope(_Place):
    """Messages of nobody known: ``welkin.unrecognized``."""

    @cached_property
    def emails(self) -> UnrecognizedEmails:
        """Emails."""
        from welkin_async.resources.emails import UnrecognizedEmails

        return UnrecognizedEmails(self._scope)

    @cached_property
    def sms(self) -> UnrecognizedSms:
        """Text messages."""
        from welkin_async.resources.sms import UnrecognizedSms

        return UnrecognizedSms(self._scope)
