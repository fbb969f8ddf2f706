"""The state of a sandbox: one object per section of the API, and short ways in for tests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from .routing import Routes
from .sections import Sections
from .site import Site
from .visibility import Visibility
from .wire import Record

__all__ = ["Store"]


class Store:
    """Everything the server holds, in memory.

    Records are the server's own dictionaries: to be read by tests, not changed.

    Args:
        site: Names, clock and ids.
        cdts: Fields of the CDTs that exist from the start, by name.
        visibility_delay: Seconds until lists show a new CDT record.
        list_lag: Seconds beyond that for which only their totals count it.

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
    ) -> None:
        self.visibility = Visibility(site.clock, visibility_delay, list_lag)
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
        *,
        drops: Iterable[str] = (),
        echo_only: Iterable[str] = (),
    ) -> Record:
        """Define a CDT, or define it anew with the next version.

        Args:
            name: Name of the CDT.
            fields: Custom fields: types by name, such as `{"dose": "text"}`, or objects as formations show them, of
                which `name` and `type` are needed. An object with the name of a system field changes that field:
                `{"name": "external_id", "type": "text", "editable": False}` makes the server drop what is sent for it.
            drops: Fields, system fields included, whose values are dropped although the formation calls them editable.
            echo_only: Fields whose values are echoed by the answers to create and update but not stored, so that no
                later look-up finds them.

        Returns:
            The definition as the API shows it.

        Raises:
            ValueError: A name is given twice, a type or one of the fields to lose is unknown.
        """
        return self.sections.formations.define(name, fields, drops=drops, echo_only=echo_only).shape

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
        return [record for records in table.values() for record in records.values()]

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
