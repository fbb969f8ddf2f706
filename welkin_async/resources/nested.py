"""Nested resources: what belongs to one patient, one encounter, one document, one user.

Resources are imported when they are first asked for: building every record class takes longer than importing aiohttp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar, overload

from welkin_async.resources._base.children import Child, Scoped, resource_class
from welkin_async.resources._base.scope import Key, Scope

if TYPE_CHECKING:
    from welkin_async.resources.assessment_records import AssessmentRecords
    from welkin_async.resources.care_plans import CarePlans
    from welkin_async.resources.cdts import Cdts
    from welkin_async.resources.chat import Chat
    from welkin_async.resources.class_cdts import ClassCdts
    from welkin_async.resources.contacts import Contacts
    from welkin_async.resources.documents import DocumentFiles, Documents, DocumentTypeRecords
    from welkin_async.resources.encounters import (
        Disposition,
        EncounterAssessments,
        EncounterComments,
        Encounters,
        UserEncounters,
    )
    from welkin_async.resources.messages import Emails, SmsMessages, UnrecognizedEmails, UnrecognizedSms
    from welkin_async.resources.pdts import Pdts
    from welkin_async.resources.programs import Programs
    from welkin_async.resources.users import AppAccess, Permissions, Territories


T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")
V = TypeVar("V")


class CdtClass(Protocol[T_co]):
    """A class that is generated from a CDT's formation, which knows the resource of its records."""

    def __cdts__(self, patient: Scope, /) -> T_co:
        """Return a patient's records of the CDT."""
        ...


class PatientScope(Scoped):
    """What belongs to one patient: ``welkin.patient(id)``."""

    @overload
    def cdts(self, name: str, /) -> Cdts: ...
    @overload
    def cdts(self, name: str, kind: type[V], /) -> ClassCdts[V]: ...
    @overload
    def cdts(self, cdt: CdtClass[T], /) -> T: ...
    def cdts(self, cdt: str | CdtClass[T], kind: type[V] | None = None, /) -> Cdts | ClassCdts[V] | T:
        """Return the patient's records of a custom data type.

        Args:
            cdt: The CDT's name in the instance, or a class that was generated from its formation, whose records are
                typed.
            kind: A class of your own, for records as its objects; the session's ``converter`` makes them.

        Raises:
            InvalidInputError: the name is empty, ``.`` or ``..``.
        """
        if not isinstance(cdt, str):
            return cdt.__cdts__(self._scope)
        scope = self._scope.within(cdt_name=cdt)
        if kind is not None:
            from welkin_async.resources.class_cdts import ClassCdts

            return ClassCdts(scope, kind)
        found: Cdts = resource_class("cdts.Cdts")(scope)
        return found

    def pdts(self, name: str, /) -> Pdts:
        """Return the patient's records of a profile data type (unconfirmed).

        Args:
            name: The PDT's name in the instance.

        Raises:
            InvalidInputError: the name is empty, ``.`` or ``..``.
        """
        from welkin_async.resources.pdts import Pdts

        return Pdts(self._scope.within(pdt_name=name))

    contacts: Child[Contacts] = Child("contacts.Contacts")
    """The patient's contacts (unconfirmed)."""

    encounters: Child[Encounters] = Child("encounters.Encounters")
    """The patient's encounters."""

    def encounter(self, id: Key, /) -> EncounterScope:
        """Return what belongs to one encounter.

        Args:
            id: The encounter's id.

        Raises:
            InvalidInputError: the id is empty, ``.`` or ``..``.
        """
        return EncounterScope(self._scope.within(encounter_id=id))

    assessment_records: Child[AssessmentRecords] = Child("assessment_records.AssessmentRecords")
    """The patient's assessments, filled in or being filled in."""

    care_plan: Child[CarePlans] = Child("care_plans.CarePlans")
    """The patient's care plan."""

    chat: Child[Chat] = Child("chat.Chat")
    """The chat with the patient."""

    documents: Child[Documents] = Child("documents.Documents")
    """The patient's documents."""

    def document(self, id: Key, /) -> DocumentScope:
        """Return what belongs to one document.

        Args:
            id: The document's id.

        Raises:
            InvalidInputError: the id is empty, ``.`` or ``..``.
        """
        return DocumentScope(self._scope.within(summary_id=id))

    emails: Child[Emails] = Child("messages.Emails")
    """The patient's emails."""

    sms: Child[SmsMessages] = Child("messages.SmsMessages")
    """The patient's text messages."""

    programs: Child[Programs] = Child("programs.Programs")
    """The patient's programs."""


class EncounterScope(Scoped):
    """What belongs to one encounter: ``welkin.patient(id).encounter(encounter_id)``."""

    comments: Child[EncounterComments] = Child("encounters.EncounterComments")
    """Comments on it."""

    assessments: Child[EncounterAssessments] = Child("encounters.EncounterAssessments")
    """Assessments linked to it."""

    disposition: Child[Disposition] = Child("encounters.Disposition")
    """Its disposition."""


class DocumentScope(Scoped):
    """What belongs to one document: ``welkin.patient(id).document(summary_id)``."""

    files: Child[DocumentFiles] = Child("documents.DocumentFiles")
    """Its files."""

    def type_record(self, document_type_name: str, /) -> DocumentTypeRecords:
        """Return the fields of its type.

        Args:
            document_type_name: The type's name.

        Raises:
            InvalidInputError: the name is empty, ``.`` or ``..``.
        """
        from welkin_async.resources.documents import DocumentTypeRecords

        return DocumentTypeRecords(self._scope.within(document_type_name=document_type_name))


class UserScope(Scoped):
    """What belongs to one user: ``welkin.user(id)``."""

    app_access: Child[AppAccess] = Child("users.AppAccess")
    """The user's access to applications."""

    permissions: Child[Permissions] = Child("users.Permissions")
    """The user's roles and policies."""

    territories: Child[Territories] = Child("users.Territories")
    """The user's territories."""

    encounters: Child[UserEncounters] = Child("encounters.UserEncounters")
    """The user's encounters, in this instance."""


class UnrecognizedScope(Scoped):
    """Messages of unrecognized senders: ``welkin.unrecognized``."""

    emails: Child[UnrecognizedEmails] = Child("messages.UnrecognizedEmails")
    """Emails."""

    sms: Child[UnrecognizedSms] = Child("messages.UnrecognizedSms")
    """Text messages."""
