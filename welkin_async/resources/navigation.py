"""Navigation: the resources of a session, as attributes and methods that `Welkin` inherits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from welkin_async.resources._base.children import Child, Scoped
from welkin_async.resources._base.scope import Key
from welkin_async.resources.nested import PatientScope, UnrecognizedScope, UserScope

if TYPE_CHECKING:
    from welkin_async.models.assessments import AssessmentRecord
    from welkin_async.models.calendar import CalendarEvent
    from welkin_async.models.cdts import CdtRecord
    from welkin_async.models.encounters import Encounter, EncounterComment, EncounterDisposition
    from welkin_async.models.messages import Email, Sms
    from welkin_async.models.patients import Patient, PatientProgram
    from welkin_async.models.tasks import Task
    from welkin_async.resources.audit import Audit
    from welkin_async.resources.calendar import Calendar
    from welkin_async.resources.dictionaries import Dictionaries
    from welkin_async.resources.exports import CdtExportName, Export
    from welkin_async.resources.formations import Formations
    from welkin_async.resources.patients import Patients
    from welkin_async.resources.pdts import PdtPatients
    from welkin_async.resources.reports import Reports
    from welkin_async.resources.tasks import Tasks
    from welkin_async.resources.users import Users


class Navigation(Scoped):
    """The resources of a session. Nothing here sends anything; resources are imported when first asked for."""

    patients: Child[Patients] = Child("patients.Patients")
    """Patients of the instance."""

    def patient(self, id: Key, /) -> PatientScope:
        """Return what belongs to a patient; nothing is sent.

        Args:
            id: The patient's id.

        Raises:
            InvalidInputError: the id is empty, ``.`` or ``..``.
        """
        return PatientScope(self._scope.within(patient_id=id))

    users: Child[Users] = Child("users.Users")
    """Users of the tenant."""

    def user(self, id: Key, /) -> UserScope:
        """Return what belongs to a user; nothing is sent.

        Args:
            id: The user's id (not the username).

        Raises:
            InvalidInputError: the id is empty, ``.`` or ``..``.
        """
        return UserScope(self._scope.within(user_id=id))

    calendar: Child[Calendar] = Child("calendar.Calendar")
    """Events, schedules and working hours."""

    tasks: Child[Tasks] = Child("tasks.Tasks")
    """Tasks of the instance."""

    unrecognized: Child[UnrecognizedScope] = Child(UnrecognizedScope)
    """Emails and text messages of unrecognized senders."""

    audit: Child[Audit] = Child("audit.Audit")
    """The audits of the tenant."""

    reports: Child[Reports] = Child("reports.Reports")
    """Reports of the instance (unconfirmed)."""

    def dictionary(self, name: str, /) -> Dictionaries:
        """Return the records of a dictionary; nothing is sent.

        Args:
            name: The dictionary's name, such as ``icd-10``.

        Raises:
            InvalidInputError: the name is empty, ``.`` or ``..``.
        """
        from welkin_async.resources.dictionaries import Dictionaries

        return Dictionaries(self._scope.within(dictionary_name=name))

    def formations(self, version: Literal["current", "draft"] = "current") -> Formations:
        """Return the definitions of the instance; nothing is sent.

        Args:
            version: ``current`` to read what is in force, ``draft`` to read what is being prepared. Writes go to the
                draft, whichever is given.
        """
        from welkin_async.resources.formations import Formations

        return Formations(self._scope.within(version=version))

    def pdt(self, name: str, /) -> PdtPatients:
        """Return the patients that have a profile (unconfirmed); nothing is sent.

        Args:
            name: The profile data type's name in the instance.

        Raises:
            InvalidInputError: the name is empty, ``.`` or ``..``.
        """
        from welkin_async.resources.pdts import PdtPatients

        return PdtPatients(self._scope.within(pdt_name=name))

    @overload
    def export(self, name: CdtExportName, /) -> Export[CdtRecord]: ...
    @overload
    def export(self, name: Literal["PATIENT"], /) -> Export[Patient]: ...
    @overload
    def export(self, name: Literal["PATIENT_PROGRAM"], /) -> Export[PatientProgram]: ...
    @overload
    def export(self, name: Literal["ASSESSMENT"], /) -> Export[AssessmentRecord]: ...
    @overload
    def export(self, name: Literal["CALENDAR_EVENT"], /) -> Export[CalendarEvent]: ...
    @overload
    def export(self, name: Literal["ENCOUNTER"], /) -> Export[Encounter]: ...
    @overload
    def export(self, name: Literal["ENCOUNTER_COMMENT"], /) -> Export[EncounterComment]: ...
    @overload
    def export(self, name: Literal["ENCOUNTER_DISPOSITION"], /) -> Export[EncounterDisposition]: ...
    @overload
    def export(self, name: Literal["EMAIL"], /) -> Export[Email]: ...
    @overload
    def export(self, name: Literal["SMS"], /) -> Export[Sms]: ...
    @overload
    def export(self, name: Literal["TASK"], /) -> Export[Task]: ...
    @overload
    def export(self, name: str, /) -> Export[Any]: ...
    def export(self, name: str, /) -> Export[Any]:
        """Return an export of all records of a kind; nothing is sent.

        Args:
            name: The kind; see `ExportName` for those that are known. Of another, each item is a bare `Record`.

        Raises:
            InvalidInputError: the name is empty, ``.`` or ``..``.
        """
        from welkin_async.resources.exports import Export, record_of

        return Export(self._scope.within(resource_name=name), record_of(name))
