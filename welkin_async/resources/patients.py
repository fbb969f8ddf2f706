"""Patients of the instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final, Literal, Unpack, overload

from welkin_async.models.formations import CdtField
from welkin_async.models.patients import CareTeamMember, Patient, PatientTerritory
from welkin_async.pagination.pager import SPRING, Pager
from welkin_async.resources._base.arguments import UNSET, Body, given, wire_names
from welkin_async.resources._base.mixins import DeleteMixin
from welkin_async.resources._base.paths import Listing, Path
from welkin_async.resources._base.scope import CallOptions, Key, SortedQuery
from welkin_async.validation.schema import Schema, rule_of
from welkin_async.wire.records import field_names
from welkin_async.wire.request import Answer, Repeat, Shape

_PATIENTS = Path("patients", "/{tenant}/{instance}/patients")
_ONE = _PATIENTS / "{patient_id}"
_BY_FILTER = Path("patients", "/{tenant}/{instance}/by-filter/patients")
PatientKeyType = Literal["ID", "EID", "EGUID", "MRN"]
"""What a patient is named by: id, externalId, externalGuid or mrn. EGUID is recorded, EID and MRN are documented."""


class NewPatient(CallOptions, total=False):
    """The fields of a patient that can be written; each is named in `Patient`. First and last name are required."""

    first_name: str
    last_name: str
    middle_name: str | None
    birth_date: date | None
    gender: str
    marital_status: str
    primary_language: str
    secondary_language: str | None
    email: str | None
    secondary_email: str | None
    phone: str | None
    secondary_phone: str | None
    country: str | None
    state: str | None
    city: str | None
    zip: str | None
    address_line1: str | None
    address_line2: str | None
    timezone: str | None
    external_id: str | None
    external_guid: Key | None
    mrn: str | None
    patient_territories: Sequence[Body[PatientTerritory]]
    care_team: Sequence[Body[CareTeamMember]]


_LISTS = frozenset({"patient_territories", "care_team"})
_FREE = frozenset(
    {"nric", "preferableInstancePhoneId", "primaryPhoneCapabilities", "secondaryPhoneCapabilities", "cadence"}
)  # no source says whether they can be written


def _schema() -> Schema:
    """Compile what the sources say of a patient's fields, for which the API has no formation."""
    writable = {wire: name for name, wire in wire_names(NewPatient).items()}
    rules = {}
    for name in field_names(Patient).values():
        text = name in writable and writable[name] not in _LISTS and name != "birthDate"
        kind = "text" if text else "date" if name == "birthDate" else None
        rules[name] = rule_of(CdtField(name=name, type=kind, editable=name in writable or name in _FREE))
    return Schema("a patient", rules, ("firstName", "lastName"))


PATIENT_SCHEMA: Final = _schema()
"""What is known of a patient's fields, by wire name."""


class PatientSearchQuery(SortedQuery, total=False):
    """The query of a search by filter; ``sort`` is unproven on this route."""


class PatientQuery(SortedQuery, total=False):
    """The query of a patient list.

    Attributes:
        query: Free text over email, first name, last name and phone.
        email: Exactly this email.
        timezone: Patients of this zone; an empty string for those without one.
        territories: Patients of this territory; an empty string for those without one.
        cadence: Patients of this cadence; an empty string for those without one.
    """

    query: str
    email: str
    timezone: str
    territories: str
    cadence: str


class Patients(DeleteMixin[Patient]):
    """Patients of the instance: ``welkin.patients``."""

    _create_operation = _PATIENTS.post("create")
    _get_operation = _ONE.get("get")
    _update_operation = _ONE.patch("update")
    _delete_operation = _ONE.delete("delete")
    _listing = _PATIENTS.pages("list", SPRING, PatientQuery)
    _by_filter = Listing(_BY_FILTER.post("list_by_filter", Shape.OBJECT, Repeat.SAFE), SPRING, PatientSearchQuery)

    @overload
    async def create(self, record: Body[Patient], /, **options: Unpack[CallOptions]) -> Patient: ...
    @overload
    async def create(self, /, **fields: Unpack[NewPatient]) -> Patient: ...
    async def create(self, record: Body[Patient] | None = None, /, **fields: Any) -> Patient:
        """Create a patient: ``POST /{tenant}/{instance}/patients`` (recorded, 201).

        Args:
            record: A record, or a mapping with the documented names; or
            fields: the fields of `NewPatient` as keywords. An explicit None is sent as null.

        Returns:
            The patient as the server answered.

        Raises:
            OutcomeUnknownError: it may have been created; look it up by ``externalGuid`` before repeating.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent, or the session's ``check`` is strict and a mapping has one that
                patients do not have; nothing was sent.
        """
        self._check(record)
        return await self._create(record, fields)

    async def get(
        self,
        key: Key,
        /,
        *,
        type: PatientKeyType | None = None,
        expand: bool | None = None,
        **options: Unpack[CallOptions],
    ) -> Patient:
        """Read a patient: ``GET /{tenant}/{instance}/patients/{patient_id}`` (recorded).

        Args:
            key: The id, or the key that ``type`` says.
            type: What the key is; the server takes it for an id where this is not given.
            expand: Whether to add ``territorialTeam`` (from the vendor's collection, not recorded).
            options: See `CallOptions`.

        Raises:
            NotFoundError: there is no such patient.
            RequestError: see `errors`.
        """
        query = {"type": type, "expand": expand}
        return await self._one(self._get_operation, patient_id=key, query=query, options=options)

    @overload
    async def update(self, id: Key, record: Body[Patient], /, **options: Unpack[CallOptions]) -> Patient: ...
    @overload
    async def update(self, id: Key, /, **fields: Unpack[NewPatient]) -> Patient: ...
    async def update(self, id: Key, record: Body[Patient] | None = None, /, **fields: Any) -> Patient:
        """Change a patient: ``PATCH /{tenant}/{instance}/patients/{patient_id}`` (recorded).

        Exactly what is given is sent; fields left out keep their values.

        Args:
            id: The patient's id.
            record: A record, or a mapping with the documented names; or
            fields: the fields of `NewPatient` as keywords. An explicit None is sent as null.

        Returns:
            The patient as the server answered.

        Raises:
            NotFoundError: there is no such patient.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent, or the session's ``check`` is strict and a mapping has one that
                patients do not have; nothing was sent.
        """
        self._check(record, partial=True)
        return await self._update(id, record, fields)

    def _check(self, given: object, *, partial: bool = False) -> None:
        """Hold the names and values of a mapping against what is known of a patient's fields.

        Keywords have no other names, and a record has what the server sent.
        """
        if self._scope.checks is not None and isinstance(given, Mapping):
            self._scope.checks.judge_by(PATIENT_SCHEMA, "patients", given, partial=partial)

    async def delete(self, id: Key, /, **options: Unpack[CallOptions]) -> Answer:
        """Delete a patient for good: ``DELETE /{tenant}/{instance}/patients/{patient_id}``.

        The sources disagree: a recording of 2022 got 403 ACCESS_FOR_API_CLIENT_RESTRICTED, the release notes of 2023
        allow it. It cannot be undone.

        Args:
            id: The patient's id.
            options: See `CallOptions`.

        Returns:
            The answer.

        Raises:
            PermissionDeniedError: the api client may not delete patients.
            NotFoundError: there is no such patient.
            RequestError: see `errors`.
        """
        return await super().delete(id, **options)

    def list(  # keywords of PatientQuery
        self,
        *,
        query: str = UNSET,
        email: str = UNSET,
        timezone: str = UNSET,
        territories: str = UNSET,
        cadence: str = UNSET,
        sort: str = UNSET,
        page: int = UNSET,
        size: int = UNSET,
        prefetch: int = UNSET,
        limit: int = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> Pager[Patient]:
        """List patients: ``GET /{tenant}/{instance}/patients`` (documented).

        The keywords are those of `PatientQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        keywords = given(PatientQuery, locals())
        return self._list(keywords)

    def search(  # keywords of PatientSearchQuery  # noqa: D417
        self,
        filter: Mapping[str, Any] | None = None,
        /,
        *,
        sort: str = UNSET,
        page: int = UNSET,
        size: int = UNSET,
        prefetch: int = UNSET,
        limit: int = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> Pager[Patient]:
        """Search patients: ``POST /{tenant}/{instance}/by-filter/patients`` (recorded with an empty filter).

        A read although the verb is POST, so it is repeated like one.

        The keywords are those of `PatientSearchQuery`.

        Args:
            filter: A filter object; its keys are not documented in any source, so they are passed on as they are.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        keywords = given(PatientSearchQuery, locals())
        return self._pager(Patient, self._by_filter, keywords, body=filter or {})
