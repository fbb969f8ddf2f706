"""Store: the state of a sandbox, one object per section of the API, with shortcuts for tests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Unpack

from welkin_async.sandbox.api.assessments import Assessments
from welkin_async.sandbox.api.audits import Audits, Exports
from welkin_async.sandbox.api.calendar import Events, Schedules, WorkHours
from welkin_async.sandbox.api.care_plans import CarePlans, Tasks
from welkin_async.sandbox.api.cdts import Cdts
from welkin_async.sandbox.api.contacts import Contacts, Profiles
from welkin_async.sandbox.api.dictionaries import Dictionaries
from welkin_async.sandbox.api.documents import Documents
from welkin_async.sandbox.api.encounters import Encounters
from welkin_async.sandbox.api.formations import CdtFormations, CdtOptions, VersionedFormations
from welkin_async.sandbox.api.messages import Chat, Emails, TextMessages
from welkin_async.sandbox.api.patients import Patients
from welkin_async.sandbox.api.programs import Programs
from welkin_async.sandbox.api.users import UserAccess, Users
from welkin_async.sandbox.http.messages import Record
from welkin_async.sandbox.http.routing import Routes, Section
from welkin_async.sandbox.records.visibility import Visibility
from welkin_async.sandbox.site import Site


class Sections:
    """The sections, each under its own name; iterating gives all of them.

    Args:
        site: Names, clock and ids.
        visibility: What lists of CDT records do not show yet.

    Attributes:
        versioned_formations: Formations other than CDTs; `versioned_formations.publish()` puts the draft in use.
        chat: Chat; `messages.add(patient_id, message, user_id)` sends as a user.
        emails: Emails; `emails.receive(address, subject=..., body=...)` receives one of an unrecognized sender.
        sms: Text messages; `sms.receive(address, message=...)` likewise.
        exports: Exports; `exports.overlap` tells whether pages share a record.
    """

    def __init__(self, site: Site, visibility: Visibility) -> None:
        patients, formations = Patients(site), CdtFormations(site)
        # The router tries paths in the order of the sections: the busiest first.
        self.cdts = Cdts(site, patients, formations, visibility)
        self.patients, self.formations = patients, formations
        patients.on_delete.append(self.cdts.forget)
        self.versioned_formations = versioned = VersionedFormations(site)
        self.users = Users(site)
        self.access = UserAccess(self.users)
        self.work_hours = WorkHours(site)
        self.events = Events(site, patients, self.users)
        self.schedules = Schedules(self.events, self.work_hours)
        self.encounters = Encounters(site, patients, self.events, versioned)
        self.assessments = Assessments(site, patients, versioned)
        self.documents = Documents(site, patients, versioned)
        self.programs = Programs(site, patients, versioned)
        self.tasks = Tasks(site, patients, self.users)
        self.care_plans = CarePlans(site, patients, versioned, self.tasks)
        self.dictionaries = Dictionaries(site, versioned)
        self.chat = Chat(site, patients, self.users)
        self.emails, self.sms = Emails(site, patients), TextMessages(site, patients)
        self.contacts = Contacts(site, patients)
        self.profiles = Profiles(site, patients, versioned)
        self.audits = Audits(site, self.cdts)
        self.access.on_write.append(self.audits.access_changed)
        self.events.on_write.append(self.audits.event_changed)
        self.exports = Exports(
            {
                "ASSESSMENT": lambda: self.assessments,
                "CALENDAR_EVENT": lambda: map(self.events.shown, self.events.records.values()),
                "CDT_RECORD": lambda: _records(self.cdts.tables, 3),
                "CHAT": lambda: self.chat,
                "EMAIL": lambda: self.emails,
                "ENCOUNTER": lambda: map(self.encounters.shown, self.encounters),
                "ENCOUNTER_COMMENT": lambda: _records(self.encounters.comments.held, 2),
                "ENCOUNTER_DISPOSITION": lambda: self.encounters.dispositions.values(),
                "PATIENT": lambda: self.patients.records.values(),
                "PATIENT_PROGRAM": lambda: self.programs,
                "PDT_RECORD": lambda: _records(self.profiles.tables, 3),
                "SMS": lambda: self.sms,
                "TASK": lambda: self.tasks.records.values(),
                "VOICE_CALL": tuple,
            }
        )

    def __iter__(self) -> Iterator[Section]:
        return (value for value in vars(self).values() if hasattr(value, "register"))


def _records(held: Mapping[str, Any], levels: int) -> Iterator[Record]:
    """Records that are kept by several keys, such as CDT, patient and id."""
    for each in held.values():
        if levels > 1:
            yield from _records(each, levels - 1)
        else:
            yield each


class Store:
    """State of a server, in memory.

    Records are the server's own dictionaries: to be read by tests, not changed.

    Args:
        site: Names, clock and ids.
        cdts: Fields of the CDTs that exist from the start, by name.
        visibility_delay: Seconds until lists show a new CDT record.
        list_lag: Seconds beyond that for which only their totals count it.
        delay_growth: Seconds by which both grow for every second that passes before a record is created.

    Attributes:
        visibility: What lists of CDT records do not show yet.
        sections: State and routes of each section of the API, under its name.
    """

    def __init__(
        self,
        site: Site,
        cdts: Mapping[str, Mapping[str, str] | Iterable[Mapping[str, Any]]],
        visibility_delay: float = 0.0,
        list_lag: float = 0.0,
        delay_growth: float = 0.0,
    ) -> None:
        self.visibility = Visibility(site.clock, visibility_delay, list_lag, delay_growth)
        self.sections = Sections(site, self.visibility)
        for name, fields in cdts.items():
            self.sections.formations.define(name, fields)

    def register(self, routes: Routes) -> None:
        """Add the operations of every section.

        Args:
            routes: The table to fill.
        """
        for section in self.sections:
            section.register(routes)

    @property
    def patients(self) -> Mapping[str, Record]:
        """Patients by id, in order of creation."""
        return self.sections.patients.records

    @property
    def users(self) -> Mapping[str, Record]:
        """Users by id, in order of creation."""
        return self.sections.users.records

    @property
    def work_hours(self) -> Mapping[str, Record]:
        """Periods of work hours by `workHoursId`."""
        return self.sections.work_hours.periods

    @property
    def formations(self) -> Mapping[str, Record]:
        """CDT definitions by name, as the API shows them."""
        return {name: formation.shape for name, formation in self.sections.formations.definitions.items()}

    def define_cdt(
        self,
        name: str,
        fields: Mapping[str, str] | Iterable[Mapping[str, Any]],
        **kept: Unpack[CdtOptions],
    ) -> Record:
        """Define a CDT, or define it anew with the next version.

        Args:
            name: Name of the CDT.
            fields: Custom fields: types by name, such as `{"dose": "text"}`, or objects as formations show them, of
                which `name` and `type` are needed. An object with the name of a system field changes that field:
                `{"name": "external_id", "type": "text", "editable": False}` makes the server drop what is sent for it.
            kept: See `CdtOptions`.

        Returns:
            The definition as the API shows it.

        Raises:
            ValueError: A name is given twice, a type or one of the fields named is unknown.
        """
        return self.sections.formations.define(name, fields, **kept).shape

    def add_patient(self, **fields: Any) -> Record:
        """Create a patient without a request.

        Args:
            fields: By wire name; `firstName` and `lastName` have values of their own when left out.

        Raises:
            ApiError: 400, a value does not fit.
        """
        return self.sections.patients.add({"firstName": "Charlie", "lastName": "Taylor", **fields})

    def add_patients(self, count: int) -> list[str]:
        """Create patients without requests.

        Args:
            count: How many.

        Returns:
            Their ids.
        """
        return [self.add_patient()["id"] for _ in range(count)]

    def add_user(self, username: str, email: str, **fields: Any) -> Record:
        """Create a user without a request, with any keys of the model.

        Args:
            username: Must not be taken.
            email: Any text.
            fields: By wire name; those a request could not set, such as `roles` or `userState`, are set all the same.

        Raises:
            ApiError: 400, the username is taken or a value does not fit.
        """
        record = self.sections.users.add({**fields, "username": username, "email": email})
        record.update(fields)
        return record

    def cdt_records(self, name: str, patient_id: str | None = None) -> list[Record]:
        """Records of a CDT as envelopes, in order of creation per patient.

        Args:
            name: Name of the CDT; an unknown one has no records.
            patient_id: One patient only; None for all.
        """
        table = self.sections.cdts.tables.get(name, {})
        if patient_id is not None:
            return list(table.get(patient_id, {}).values())
        return list(_records(table, 2))

    def cdt_counts(self, name: str) -> dict[str, int]:
        """Number of records per patient, of patients that have any.

        Args:
            name: Name of the CDT.
        """
        return {patient_id: len(held) for patient_id, held in self.sections.cdts.tables.get(name, {}).items() if held}

    def duplicates(self, name: str, field: str = "external_id") -> dict[str, list[str]]:
        """Values that more than one record has, with the ids of these records.

        Args:
            name: Name of the CDT.
            field: Field of `jsonBody`; null is never a duplicate.
        """
        holders: defaultdict[str, list[str]] = defaultdict(list)
        for record in self.cdt_records(name):
            value = record["jsonBody"].get(field)
            if value is not None:
                holders[str(value)].append(record["id"])
        return {value: ids for value, ids in holders.items() if len(ids) > 1}
