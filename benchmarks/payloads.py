"""What the canned servers answer and what the sides send: made up, and shaped as the API's recorded answers are."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

__all__ = [
    "API_CLIENT",
    "CDT",
    "FIELDS",
    "INSTANCE",
    "SECRET",
    "TENANT",
    "cdt_path",
    "dumps",
    "encounter",
    "formation",
    "page",
    "patient",
    "patient_id",
    "record",
    "rows",
    "token",
]

TENANT, INSTANCE, API_CLIENT, SECRET = "gh", "sb-demo", "SANDBOX", "sandbox-secret"
CDT = "medication"

FIELDS: dict[str, Any] = {
    "start": "2021-04-09T09:30:56.000Z",
    "stop": "2021-06-08T09:30:56.000Z",
    "payer": "df166300-5a78-3502-a46a-832842197811",
    "encounter": "1cf1e0b8-2d7a-4d1a-9b52-1e2a1f9e7a11",
    "code": "313782",
    "description": "Acetaminophen 325 MG Oral Tablet",
    "base_cost": "5.49",
    "payer_coverage": "0.00",
    "dispenses": 2,
    "totalcost": "10.98",
}
"""A medication, ten fields: what each row of an import sends."""

_ID, _USER = "1846d424-c17c-4279-a3c6-612f48268673", "e3e70682-c209-4cac-a29f-6fbed82c07cd"
_AT = "2026-01-05T13:22:18.474Z"
_SYSTEM: dict[str, Any] = {
    "id": _ID,
    "created_at": _AT,
    "created_by": _USER,
    "created_by_name": "API_CLIENT:SANDBOX",
    "updated_at": _AT,
    "updated_by": _USER,
    "updated_by_name": "API_CLIENT:SANDBOX",
    "source_type": None,
    "source_name": None,
    "source_id": None,
    "external_id": None,
    "external_guid": None,
}
_TYPES = {"start": "datetime", "stop": "datetime", "dispenses": "integer", "created_at": "datetime"}


def dumps(value: object) -> bytes:
    """Encode without spaces, as the API does."""
    return json.dumps(value, separators=(",", ":")).encode()


def patient_id(number: int) -> str:
    """Return the id of a made-up patient."""
    return f"23a7711a-8133-4876-b7eb-{number:012d}"


def cdt_path(patient: str) -> str:
    """Return the path of a patient's records."""
    return f"/{TENANT}/{INSTANCE}/patients/{patient}/cdts/{CDT}"


def rows(patients: int, count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield rows to import: a patient's id and a mapping of its own, patients in turn."""
    ids = [patient_id(number) for number in range(patients)]
    for number in range(count):
        yield ids[number % patients], dict(FIELDS)


def token(life: int = 3600) -> dict[str, Any]:
    """Return the answer to a token call."""
    now = int(time.time())
    head, claims = ({"alg": "HS256", "typ": "JWT"}, {"sub": API_CLIENT, "iat": now, "exp": now + life})
    parts = [base64.urlsafe_b64encode(dumps(part)).rstrip(b"=").decode() for part in (head, claims)]
    return {"token": ".".join((*parts, "bm90LWEtc2lnbmF0dXJl"))}


def record(id: str = _ID, patient: str | None = None) -> dict[str, Any]:
    """Return a CDT record as a create answers: what was sent, echoed beside the system fields."""
    return {
        "id": id,
        "patientId": patient or patient_id(0),
        "cdtId": "f728b4fa-4248-4e3a-8a5d-2f346baa9455",
        "version": 1,
        "jsonBody": {**_SYSTEM, "id": id, **FIELDS, "reasoncode": None, "reasondescription": None},
        "cdtName": CDT,
    }


def page(number: int, size: int, total: int, patient: str | None = None) -> dict[str, Any]:
    """Return a page of a patient's CDT records; each has an id of its own, so that pages differ."""
    pages = -(-total // size)
    order = {"sorted": False, "unsorted": True, "empty": True}
    items = [record(f"{number:08d}-c17c-4279-a3c6-{index:012d}", patient) for index in range(size)]
    return {
        "name": CDT,
        "data": {
            "content": items,
            "pageable": {"sort": order, "pageNumber": number, "pageSize": size, "offset": number * size, "paged": True},
            "last": number + 1 >= pages,
            "totalElements": total,
            "totalPages": pages,
            "first": number == 0,
            "number": number,
            "sort": order,
            "numberOfElements": size,
            "size": size,
            "empty": False,
        },
    }


def patient(id: str | None = None) -> dict[str, Any]:
    """Return a patient."""
    absent = "externalGuid externalId mrn nric middleName secondaryLanguage secondaryEmail secondaryPhone country state"
    absent += " city zip addressLine1 addressLine2 timezone patientRegion patientTerritory pointOfContact accessCode"
    empty = "primaryPhoneCapabilities patientTerritories careTeam cadence careTeamMembers patientPrograms"
    return {
        "id": id or patient_id(0),
        "createdAt": _AT,
        "updatedAt": _AT,
        "createdBy": _USER,
        "createdByName": "API_CLIENT:SANDBOX",
        "firstName": "Charlie",
        "lastName": "Taylor",
        "birthDate": "1980-02-03T00:00:00.000Z",
        "gender": "UNKNOWN",
        "email": "charlie@example.org",
        "phone": "+15555550100",
        **dict.fromkeys(absent.split()),
        **{name: [] for name in empty.split()},
    }


def encounter() -> dict[str, Any]:
    """Return an encounter: the widest record there is."""
    body = {**_SYSTEM, "title": "Office visit", "status": "OPEN", "notes": None, "templateName": "visit"}
    times = ("startDatetime", "endDatetime", "local_created_at", "local_updated_at", "calendarEventStartDatetime")
    body.update(dict.fromkeys(times, _AT))
    body.update(ownerUserId=_USER, ownerUserName="someone", patientInfo={"id": patient_id(0)}, calendarEvent=None)
    return {**record(), "cdtName": "encounter", "jsonBody": body}


def formation() -> dict[str, Any]:
    """Return the definition of the CDT."""
    flags = dict.fromkeys(("searchable", "bulkEdit", "phi", "disable", "injectedSource"), False)
    nothing = dict.fromkeys(("formula", "dictionary", "profileDataType", "displayType", "valueType"))
    fields = [
        {
            "name": name,
            "type": _TYPES.get(name, "text"),
            "editable": name not in _SYSTEM or name.startswith("external"),
            "meta": {"required": False},
            **flags,
            **nothing,
        }
        for name in (*_SYSTEM, *FIELDS, "reasoncode", "reasondescription")
    ]
    return {"id": _ID, "name": CDT, "title": None, "label": None, "version": 1, "internal": False, "fields": fields}
