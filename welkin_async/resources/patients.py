"""Patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Literal, Unpack, overload

from welkin_async.models.patients import CareTeamMember, Patient, PatientTerritory
from welkin_async.paging import SPRING, Pager
from welkin_async.request import Answer, Operation, Repeat, Shape
from welkin_async.resources._base import (
    CallOptions,
    CreateMixin,
    DeleteMixin,
    Key,
    ListMixin,
    SortedQuery,
    UpdateMixin,
    pager_of,
    wire_names,
)

__all__ = ["NewPatient", "PatientKeyType", "PatientQuery", "PatientSearchQuery", "Patients"]

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
    patient_territories: Sequence[PatientTerritory | Mapping[str, Any]]
    care_team: Sequence[CareTeamMember | Mapping[str, Any]]


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


class Patients(CreateMixin[Patient], UpdateMixin[Patient], DeleteMixin[Patient], ListMixin[Patient]):
    """Patients of the instance: ``welkin.patients``."""

    _record = Patient
    _create_operation = Operation("patients.create", "POST", "/{tenant}/{instance}/patients", repeat=Repeat.UNSAFE)
    _get_operation = Operation("patients.get", "GET", "/{tenant}/{instance}/patients/{patient_id}")
    _update_operation = Operation("patients.update", "PATCH", "/{tenant}/{instance}/patients/{patient_id}")
    _delete_operation = Operation(
        "patients.delete", "DELETE", "/{tenant}/{instance}/patients/{patient_id}", answer=Shape.NOTHING
    )
    _list_operation = Operation("patients.list", "GET", "/{tenant}/{instance}/patients", answer=Shape.OBJECT)
    _search_operation = Operation(
        "patients.list_by_filter", "POST", "/{tenant}/{instance}/by-filter/patients", answer=Shape.OBJECT
    )
    _list_style = SPRING
    _list_query = wire_names(PatientQuery)

    @overload
    async def create(self, record: Patient | Mapping[str, Any], /, **options: Unpack[CallOptions]) -> Patient: ...
    @overload
    async def create(self, /, **fields: Unpack[NewPatient]) -> Patient: ...
    async def create(self, record: Patient | Mapping[str, Any] | None = None, /, **fields: Any) -> Patient:
        """Create a patient: ``POST /{tenant}/{instance}/patients`` (recorded, 201).

        Args:
            record: A record, or a mapping with the documented names; or
            fields: the fields of `NewPatient` as keywords. An explicit None is sent as null.

        Returns:
            The patient as the server answered.

        Raises:
            OutcomeUnknownError: it may have been created; look it up by ``externalGuid`` before repeating.
            RequestError: see `errors`.
            InvalidInputError: a field cannot be sent; nothing was.
        """
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
    async def update(
        self, id: Key, record: Patient | Mapping[str, Any], /, **options: Unpack[CallOptions]
    ) -> Patient: ...
    @overload
    async def update(self, id: Key, /, **fields: Unpack[NewPatient]) -> Patient: ...
    async def update(self, id: Key, record: Patient | Mapping[str, Any] | None = None, /, **fields: Any) -> Patient:
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
            InvalidInputError: a field cannot be sent; nothing was.
        """
        return await self._update(id, record, fields)

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

    def list(self, **query: Unpack[PatientQuery]) -> Pager[Patient]:
        """List patients: ``GET /{tenant}/{instance}/patients`` (documented).

        Args:
            query: See `PatientQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        return self._list(query)

    def search(self, filter: Mapping[str, Any] | None = None, /, **query: Unpack[PatientSearchQuery]) -> Pager[Patient]:
        """Search patients: ``POST /{tenant}/{instance}/by-filter/patients`` (recorded with an empty filter).

        A read although the verb is POST, so it is repeated like one.

        Args:
            filter: A filter object; its keys are not documented in any source, so they are passed on as they are.
            query: See `PatientSearchQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        names = wire_names(PatientSearchQuery)
        return pager_of(self._scope, Patient, self._search_operation, SPRING, query, names, body=filter or {})
