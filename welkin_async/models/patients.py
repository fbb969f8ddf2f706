"""Patients, their territories, care team and programs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from welkin_async.models.metadata import Authored, AuthoredById
from welkin_async.wire.records import Record, record, wire


@record
class PatientTerritory(Record):
    """A region of a patient with the territories in it.

    Attributes:
        name: Region name.
    """

    name: str | None = wire("name")
    territories: tuple[str, ...] | None = wire("territories")


@record
class CareTeamMember(Record):
    """A user who cares for a patient.

    Write with id and pointOfContact only.

    Attributes:
        id: User id.
        roles: Array of {name, primaryRole}.
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
        current_version: A string holding a number.
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
class PatientProgram(Authored):
    """A patient's assignment to a program.

    id, createdAt, updatedAt, patientId, status, currentPhase are null for a program the patient is not in.

    Values seen, none of them closed sets:

    - status: IN_PROGRESS (recorded, the 2021 documentation), FINISHED (seen in recorded error details), ACTIVE,
      PAUSED, COMPLETED (the 2026 documentation, doubtful).
    """

    id: str | None = wire("id")
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
class Patient(AuthoredById):
    """A patient.

    More keys came with time: nric and the phone capabilities by August 2022, accessCode and preferableInstancePhoneId
    by October 2023. What comes next is in ``extra``.

    Values seen, none of them closed sets:

    - gender (recorded, the 2021 documentation): UNKNOWN, MALE, OTHER.
    - gender (the 2026 documentation adds): FEMALE.
    - maritalStatus (recorded): UKN.
    - primaryLanguage (recorded): ENGLISH.

    Attributes:
        middle_name: May be an empty string instead of null.
        birth_date: Datetime (midnight UTC); a plain date is stored as midnight Z; do not shift zones.
        email: May be an empty string.
        phone: String E.164.
        primary_phone_capabilities: Array (items unknown).
        secondary_phone: String E.164.
        secondary_phone_capabilities: Array (items unknown).
        timezone: An IANA name, of which legacy US/* ones occur. Samples print the key with a trailing space and a value
            with inner spaces, which are slips.
        patient_territories: Null in the first documentation create sample, [] in recordings: accept both.
        care_team_members: Array of CareTeamMember (id and pointOfContact only).
        care_team: Null in the first documentation create sample; the 2021 documentation create sample nests an extra
            list: error; the list answer of 2022 gave [] here while careTeamMembers was filled.
        cadence: Array (items unknown).
        territorial_team: Only with expand=true.
    """

    id: str = wire("id", required=True)
    external_guid: str | None = wire("externalGuid")
    external_id: str | None = wire("externalId")
    mrn: str | None = wire("mrn")
    nric: str | None = wire("nric")
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
