"""Every section of the API, made and joined."""

from __future__ import annotations

from collections.abc import Iterator

from . import assessments, care_plans, chat, contacts, documents, encounters, messages, programs
from .access import Access
from .audits import Audits
from .cdts import Cdts
from .designs import Designs
from .dictionaries import Dictionaries
from .encounter_parts import EncounterParts
from .events import Events
from .exports import Exports
from .formations import Formations
from .patients import Patients
from .records import PatientTable
from .routing import Section
from .schedules import Schedules
from .site import Site
from .tasks import Tasks
from .users import Users
from .visibility import Visibility
from .wire import Record
from .work_hours import WorkHours

__all__ = ["Sections"]


class Sections:
    """The sections, each under its own name; iterating gives all of them.

    Args:
        site: Names, clock and ids.
        visibility: What lists of CDT records do not show yet.

    Attributes:
        designs: Formations other than CDTs; `designs.publish()` puts the draft in use.
        chat: Chat; `chat.add(patient_id, message, user_id)` sends as a user.
        emails: Emails; `emails.receive(address, subject=..., body=...)` lets one come in from nobody known.
        sms: Text messages; `sms.receive(address, message=...)` likewise.
        exports: Exports; `exports.overlap` tells whether pages share a record.
    """

    def __init__(self, site: Site, visibility: Visibility) -> None:
        self.patients = Patients(site)
        self.formations = Formations(site)
        self.designs = Designs(site)
        self.cdts = Cdts(site, self.patients, self.formations, visibility)
        self.patients.on_delete.append(self.cdts.forget)
        self.users = Users(site)
        self.access = Access(self.users)
        self.work_hours = WorkHours(site)
        self.events = Events(site, self.patients, self.users)
        self.schedules = Schedules(self.events, self.work_hours)
        held = PatientTable(self.patients, encounters.missing)
        self.encounter_parts = EncounterParts(site, held, self.designs)
        self.encounters = encounters.Encounters(site, held, self.events, self.designs, self.encounter_parts)
        held = PatientTable(self.patients, assessments.missing)
        self.assessments = assessments.Assessments(site, held, self.designs)
        self.documents = documents.Documents(site, PatientTable(self.patients, documents.missing), self.designs)
        self.programs = programs.Programs(site, PatientTable(self.patients, programs.missing), self.designs)
        self.tasks = Tasks(site, self.patients, self.users)
        held = PatientTable(self.patients, care_plans.missing)
        self.care_plans = care_plans.CarePlans(site, held, self.designs, self.tasks)
        self.dictionaries = Dictionaries(site, self.designs)
        self.chat = chat.Chat(site, PatientTable(self.patients, chat.missing), self.users)
        self.emails, self.sms = (
            messages.Messages(kind, site, PatientTable(self.patients, messages.missing_of(kind)))
            for kind in ("email", "sms")
        )
        self.contacts = contacts.Contacts(site, PatientTable(self.patients, contacts.missing))
        self.profiles = contacts.Profiles(site, self.patients, self.designs)
        self.audits = Audits(site, self.cdts)
        self.access.on_write.append(self.audits.access_changed)
        self.events.on_write.append(self.audits.event_changed)
        self.exports = Exports(
            {
                "ASSESSMENT": lambda: self.assessments.table,
                "CALENDAR_EVENT": lambda: map(self.events.shown, self.events.records.values()),
                "CDT_RECORD": self._cdt_records,
                "CHAT": lambda: self.chat.table,
                "EMAIL": lambda: self.emails.table,
                "ENCOUNTER": lambda: map(self.encounters.shown, self.encounters.table),
                "ENCOUNTER_COMMENT": self._comments,
                "ENCOUNTER_DISPOSITION": lambda: self.encounter_parts.dispositions.values(),
                "PATIENT": lambda: self.patients.records.values(),
                "PATIENT_PROGRAM": lambda: self.programs.table,
                "PDT_RECORD": self._profile_records,
                "SMS": lambda: self.sms.table,
                "TASK": lambda: self.tasks.records.values(),
                "VOICE_CALL": tuple,
            }
        )

    def __iter__(self) -> Iterator[Section]:
        return (value for value in vars(self).values() if hasattr(value, "register"))

    def _cdt_records(self) -> Iterator[Record]:
        for table in self.cdts.tables.values():
            for records in table.values():
                yield from records.values()

    def _comments(self) -> Iterator[Record]:
        for comments in self.encounter_parts.comments.values():
            yield from comments.values()

    def _profile_records(self) -> Iterator[Record]:
        for table in self.profiles.tables.values():
            yield from table
