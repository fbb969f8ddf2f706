"""Patients, their territories, care team and programs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from welkin_async.record import Record, record, wire

__all__ = ["CareTeamMember", "Patient", "PatientProgram", "PatientTerritory", "ProgramPhaseState"]


@record
class PatientTerritory(Record):
    """A region of a patient with the territories in it.

    Attributes:
        name: ``name``; region name.
        territories: ``territories``.
    """

    name: str | None = wire("name")
    territories: tuple[str, ...] | None = wire("territories")


@record
class CareTeamMember(Record):
    """A user who cares for a patient.

    Write with id and pointOfContact only.

    Attributes:
        id: ``id``; user id.
        point_of_contact: ``pointOfContact``.
        username: ``username``.
        first_name: ``firstName``.
        last_name: ``lastName``.
        roles: ``roles``; array of {name, primaryRole}.
    """

    id: str = wire("id", required=True)
    point_of_contact: bool | None = wire("pointOfContact")
    username: str | None = wire("username")
    first_name: str | None = wire("firstName")
    last_name: str | None = wire("lastName")
    roles: tuple[Mapping[str, Any], ...] | None = wire("roles")


@record
class ProgramPhaseState(Record):
    """A phase a patient is or was in.

    Attributes:
        timestamp: ``timestamp``.
        created_by: ``createdBy``.
        created_by_name: ``createdByName``.
        name: ``name``.
        title: ``title``.
        description: ``description``.
        current_version: ``currentVersion``; a string holding a number.
        deleted: ``deleted``.
    """

    timestamp: datetime | None = wire("timestamp")
    created_by: str | None = wire("createdBy")
    created_by_name: str | None = wire("createdByName")
    name: str | None = wire("name")
    title: str | None = wire("title")
    description: str | None = wire("description")
    current_version: str | None = wire("currentVersion")
    deleted: bool | None = wire("deleted")


@record
class PatientProgram(Record):
    """A patient's assignment to a program.

    id, createdAt, updatedAt, patientId, status, currentPhase are null for a program the patient is not in.

    Values seen, none of them closed sets:

    - status: IN_PROGRESS (recorded, the 2021 documentation), FINISHED (seen in recorded error details), ACTIVE,
      PAUSED, COMPLETED (the 2026 documentation, doubtful).

    Attributes:
        id: ``id``.
        created_by_name: ``createdByName``.
        created_at: ``createdAt``.
        updated_by_name: ``updatedByName``.
        updated_at: ``updatedAt``.
        program_name: ``programName``.
        program_title: ``programTitle``.
        program_description: ``programDescription``.
        assigned: ``assigned``.
        patient_id: ``patientId``.
        current_phase: ``currentPhase``.
        status: ``status``.
        compatible_with_current_version: ``compatibleWithCurrentVersion``.
        path_history: ``pathHistory``.
    """

    id: str | None = wire("id")
    created_by_name: str | None = wire("createdByName")
    created_at: datetime | None = wire("createdAt")
    updated_by_name: str | None = wire("updatedByName")
    updated_at: datetime | None = wire("updatedAt")
    program_name: str | None = wire("programName")
    program_title: str | None = wire("programTitle")
    program_description: str | None = wire("programDescription")
    assigned: bool | None = wire("assigned")
    patient_id: str | None = wire("patientId")
    current_phase: ProgramPhaseState | None = wire("currentPhase")
    status: str | None = wire("status")
    compatible_with_current_version: bool | None = wire("compatibleWithCurrentVersion")
    path_history: tuple[ProgramPhaseState, ...] | None = wire("pathHistory")


@record
class Patient(Record):
    """A patient.

    More keys came with time: nric and the phone capabilities by August 2022, accessCode and preferableInstancePhoneId
    by October 2023. What comes next is in ``extra``.

    Values seen, none of them closed sets:

    - gender (recorded, the 2021 documentation): UNKNOWN, MALE, OTHER.
    - gender (the 2026 documentation adds): FEMALE.
    - maritalStatus (recorded): UKN.
    - primaryLanguage (recorded): ENGLISH.

    Attributes:
        id: ``id``.
        external_guid: ``externalGuid``.
        external_id: ``externalId``.
        mrn: ``mrn``.
        nric: ``nric``.
        created_at: ``createdAt``.
        updated_at: ``updatedAt``.
        created_by: ``createdBy``.
        updated_by: ``updatedBy``.
        created_by_name: ``createdByName``.
        updated_by_name: ``updatedByName``.
        first_name: ``firstName``.
        last_name: ``lastName``.
        middle_name: ``middleName``; may be an empty string instead of null.
        birth_date: ``birthDate``; datetime (midnight UTC); a plain date is stored as midnight Z; do not shift
            zones.
        gender: ``gender``.
        marital_status: ``maritalStatus``.
        primary_language: ``primaryLanguage``.
        secondary_language: ``secondaryLanguage``.
        email: ``email``; may be an empty string.
        secondary_email: ``secondaryEmail``.
        phone: ``phone``; string E.164.
        primary_phone_capabilities: ``primaryPhoneCapabilities``; array (items unknown).
        secondary_phone: ``secondaryPhone``; string E.164.
        secondary_phone_capabilities: ``secondaryPhoneCapabilities``; array (items unknown).
        country: ``country``.
        state: ``state``.
        city: ``city``.
        zip: ``zip``.
        address_line1: ``addressLine1``.
        address_line2: ``addressLine2``.
        timezone: ``timezone``; an IANA name, of which legacy US/* ones occur. Samples print the key with a trailing
            space and a value with inner spaces, which are slips.
        patient_territories: ``patientTerritories``; null in the first documentation create sample, [] in
            recordings: accept both.
        care_team_members: ``careTeamMembers``; array of CareTeamMember (id and pointOfContact only).
        patient_programs: ``patientPrograms``.
        care_team: ``careTeam``; null in the first documentation create sample; the 2021 documentation create
            sample nests an extra list: error; the list answer of 2022 gave [] here while careTeamMembers was
            filled.
        cadence: ``cadence``; array (items unknown).
        patient_region: ``patientRegion``.
        patient_region_title: ``patientRegionTitle``.
        patient_territory: ``patientTerritory``.
        point_of_contact: ``pointOfContact``.
        access_code: ``accessCode``.
        preferable_instance_phone_id: ``preferableInstancePhoneId``.
        territorial_team: ``territorialTeam``; only with expand=true.
    """

    id: str = wire("id", required=True)
    external_guid: str | None = wire("externalGuid")
    external_id: str | None = wire("externalId")
    mrn: str | None = wire("mrn")
    nric: str | None = wire("nric")
    created_at: datetime | None = wire("createdAt")
    updated_at: datetime | None = wire("updatedAt")
    created_by: str | None = wire("createdBy")
    updated_by: str | None = wire("updatedBy")
    created_by_name: str | None = wire("createdByName")
    updated_by_name: str | None = wire("updatedByName")
    first_name: str | None = wire("firstName")
    last_name: str | None = wire("lastName")
    middle_name: str | None = wire("middleName")
    birth_date: date | None = wire("birthDate")
    gender: str | None = wire("gender")
    marital_status: str | None = wire("maritalStatus")
    primary_language: str | None = wire("primaryLanguage")
    secondary_language: str | None = wire("secondaryLanguage")
    email: str | None = wire("email")
    secondary_email: str | None = wire("secondaryEmail")
    phone: str | None = wire("phone")
    primary_phone_capabilities: tuple[Any, ...] | None = wire("primaryPhoneCapabilities")
    secondary_phone: str | None = wire("secondaryPhone")
    secondary_phone_capabilities: tuple[Any, ...] | None = wire("secondaryPhoneCapabilities")
    country: str | None = wire("country")
    state: str | None = wire("state")
    city: str | None = wire("city")
    zip: str | None = wire("zip")
    address_line1: str | None = wire("addressLine1")
    address_line2: str | None = wire("addressLine2")
    timezone: str | None = wire("timezone")
    patient_territories: tuple[PatientTerritory, ...] | None = wire("patientTerritories")
    care_team_members: tuple[CareTeamMember, ...] | None = wire("careTeamMembers")
    patient_programs: tuple[PatientProgram, ...] | None = wire("patientPrograms")
    care_team: tuple[CareTeamMember, ...] | None = wire("careTeam")
    cadence: tuple[Any, ...] | None = wire("cadence")
    patient_region: str | None = wire("patientRegion")
    patient_region_title: str | None = wire("patientRegionTitle")
    patient_territory: str | None = wire("patientTerritory")
    point_of_contact: CareTeamMember | None = wire("pointOfContact")
    access_code: str | None = wire("accessCode")
    preferable_instance_phone_id: str | None = wire("preferableInstancePhoneId")
    territorial_team: Any = wire("territorialTeam")
