"""Bodies: what each operation is sent, from the keywords that the SDK takes for it."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from welkin_async.resources._base.arguments import wire_names
from welkin_async.resources.calendar import NewEvent, NewWorkHours
from welkin_async.resources.care_plans import GoalChange, NewGoalTask
from welkin_async.resources.contacts import NewContact
from welkin_async.resources.encounters import NewEncounter
from welkin_async.resources.messages import NewEmail, NewSms
from welkin_async.resources.patients import NewPatient
from welkin_async.resources.programs import ProgramChange
from welkin_async.resources.tasks import NewTask
from welkin_async.resources.users import NewAppAccess, NewUser
from welkin_async.wire.records import Record

from ..catalogue import models
from . import words
from .schemas import Schema, of_kind, reference

_TEXT: Schema = {"type": "string"}
_NAME: Schema = {"type": "string", "minLength": 1}
_UUID: Schema = {"type": "string", "format": "uuid"}
_PLAIN: dict[Any, Schema] = {
    str: _TEXT,
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    UUID: _UUID,
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date-time", "description": "A date, as midnight UTC."},
    Any: {},
}

_PARTS: dict[str, tuple[str, str]] = {
    "PatientTerritory": ("name territories", "name"),
    "CareTeamMember": ("id pointOfContact", "id"),
    "PersonRef": ("id", "id"),
    "TaskComment": ("text", "text"),
    "EventParticipant": ("participantId participantRole participationStatus attended", "participantId participantRole"),
    "DayInfo": ("day startTime endTime", "day"),
    "InstanceAccess": ("instanceName workshopAccessEnabled auditDataAccessEnabled", "instanceName"),
    "Permission": (
        "permissionName instanceName type primaryRole effectiveDate",
        "permissionName instanceName type",
    ),
    "UserTerritory": ("name territories instanceName", "name instanceName"),
}
"""Records within bodies: the fields that are sent of each, and those that must be."""

_LIMITS: dict[tuple[str, str], Schema] = {
    ("DayInfo", "day"): {"minimum": 1, "maximum": 7, "description": "1 for Monday to 7 for Sunday."},
    ("EventParticipant", "participantRole"): {"enum": ["psm", "patient"]},
    ("Permission", "type"): {"enum": ["SECURITY_ROLE", "SECURITY_POLICY"]},
}


def object_of(properties: Schema, required: Sequence[str] = (), description: str | None = None) -> Schema:
    """Return the schema of an object; what else is in it is not forbidden, and dropped by the server."""
    schema: Schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = sorted(required)
    return {**schema, "description": description} if description else schema


def _of_hint(hint: Any) -> Schema:
    """Return the schema of a Python annotation."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _of_union(arguments)
    if origin is Literal:
        return {"type": "string", "enum": list(arguments)}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        values = _of_hint(arguments[1])
        return {"type": "object", "additionalProperties": values} if values else {"type": "object"}
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return {"type": "array", "items": _of_hint(arguments[0])}
    if isinstance(hint, type) and issubclass(hint, Record):
        return reference(f"{hint.__name__}Sent")
    raise TypeError(f"no schema for {hint}")


def _of_union(arguments: tuple[Any, ...]) -> Schema:
    kinds = [each for each in arguments if each is not type(None)]
    record = [each for each in kinds if isinstance(each, type) and issubclass(each, Record)]
    if record:  # a record, or a mapping that is formed like it
        kinds = record
    elif set(kinds) == {str, UUID}:
        kinds = [UUID]
    elif str in kinds and (known := [each for each in kinds if get_origin(each) is Literal]):
        return _or_null({"type": "string", "examples": list(get_args(known[0]))}, arguments)  # an open enumeration
    schemas = [_of_hint(each) for each in kinds]
    return _or_null(schemas[0] if len(schemas) == 1 else {"anyOf": schemas}, arguments)


def _or_null(schema: Schema, arguments: tuple[Any, ...]) -> Schema:
    if type(None) not in arguments:
        return schema
    return {**schema, "type": [schema["type"], "null"]} if "type" in schema else {"anyOf": [schema, {"type": "null"}]}


def typed(keywords: Any, record: str, required: str = "") -> Schema:
    """Return the schema of a body whose fields are the keywords of a method.

    Args:
        keywords: Their `TypedDict`.
        record: The record that has these fields, and says what they are.
        required: Documented names of those that must be there, parted by blanks.
    """
    hints = get_type_hints(keywords)
    said = {**words.fields(record), **_said(keywords)}
    choices = models()[record].get("enums", {}) if record in models() else {}
    properties = {}
    for name, wire in wire_names(keywords).items():
        schema = dict(_of_hint(hints[name]))
        if wire in said:
            schema["description"] = said[wire]
        if wire in choices and schema.get("type") in ("string", ["string", "null"]) and "enum" not in schema:
            schema["examples"] = choices[wire]
        properties[wire] = schema
    return object_of(properties, required.split())


def _said(keywords: Any) -> dict[str, str]:
    names = wire_names(keywords)
    return {
        names[name]: words.plain(text) for name, text in words.attributes(keywords.__doc__).items() if name in names
    }


def _part(record: str) -> Schema:
    fields, required = _PARTS[record]
    listed = models()[record]
    properties = {
        name: {
            **of_kind(listed["fields"][name]["type"], listed.get("enums", {}).get(name)),
            **_LIMITS.get((record, name), {}),
        }
        for name in fields.split()
    }
    return object_of(properties, required.split())


_READ_ONLY = frozenset({"id", "version", "createdAt", "updatedAt", "internal", "readable", "updatable", "_containsPHI"})


def _definition(record: str, *required: str) -> Schema:
    """Return the schema of a formation as it is written: fields as in its record, but for those the server makes."""
    properties = {}
    for name, field in models()[record]["fields"].items():
        if name in _READ_ONLY:
            continue
        kind = field["type"]
        properties[name] = _FIELDS if kind == "array of CdtField" else of_kind(kind)
    properties["name"] = _NAME
    return object_of(properties, required)


_FIELDS: Schema = {"type": "array", "items": {"$ref": "#/components/schemas/FieldSent"}}


def _field() -> Schema:
    kinds = models()["CdtField"]["enums"]["type"]
    properties = {
        "name": _NAME,
        "type": {"type": "string", "enum": kinds},
        "editable": {"type": "boolean"},
        "searchable": {"type": "boolean"},
        "bulkEdit": {"type": "boolean"},
        "phi": {"type": "boolean"},
        "dictionary": {"type": ["object", "null"]},
        "meta": {"type": "object", "properties": {"required": {"type": "boolean"}, "label": _TEXT}},
    }
    return object_of(properties, ["name", "type"])


def _one(name: str, schema: Schema = _TEXT, **more: Schema) -> Schema:
    """Return the schema of a body that has one field which must be there, and perhaps others."""
    return object_of({name: schema, **more}, [name])


_OWN = {"type": "object", "description": "The customer's own fields by name, as the formation defines them."}
_VALUES = {"type": "object", "description": "Values by the names of the dictionary's fields."}
_RECORDS = _one("records", {"type": "array", "items": _one("values", _VALUES)})
_FILTER = {"type": "object", "description": "No source names a key of the filter; an empty object is recorded."}
_ROW = object_of({"id": _UUID, "jsonBody": _OWN}, ["id", "jsonBody"])


@cache
def components() -> dict[str, Schema]:
    """Return the schemas of bodies and of the records within them, by name."""
    person = "name priority status assignee"
    event = "startDateTime endDateTime hostId participants"
    hours = "psmId startDateTime endDateTime daysInfo"
    return {
        "PatientNew": typed(NewPatient, "Patient", "firstName lastName"),
        "PatientChange": typed(NewPatient, "Patient"),
        "UserNew": typed(NewUser, "User", "username email"),
        "UserChange": typed(NewUser, "User"),
        "ApplicationAccessSent": typed(NewAppAccess, "ApplicationAccess"),
        "CalendarEventSent": typed(NewEvent, "CalendarEvent", event),
        "CalendarEventChange": typed(NewEvent, "CalendarEvent"),
        "WorkHoursSent": typed(NewWorkHours, "WorkHoursPeriod", hours),
        "GoalChange": typed(GoalChange, "Goal"),
        "GoalTaskNew": typed(NewGoalTask, "Task", "name assignee"),
        "TaskNew": typed(NewTask, "Task", person),
        "TaskChange": typed(NewTask, "Task"),
        "EmailNew": typed(NewEmail, "Email", "subject body receiver"),
        "EmailChange": typed(NewEmail, "Email"),
        "SmsNew": typed(NewSms, "Sms", "message receiver"),
        "SmsChange": typed(NewSms, "Sms"),
        "EncounterSent": typed(NewEncounter, "Encounter"),
        "PatientProgramChange": typed(ProgramChange, "PatientProgram"),
        "ContactNew": typed(NewContact, "Contact", "name"),
        "ContactChange": typed(NewContact, "Contact"),
        "AssessmentFormationNew": _definition("AssessmentFormation", "name"),
        "AssessmentFormationSent": _definition("AssessmentFormation"),
        "DocumentTypeNew": _definition("DocumentType", "name"),
        "DocumentTypeSent": _definition("DocumentType"),
        "EncounterTemplateNew": _definition("EncounterTemplate", "name"),
        "EncounterTemplateSent": _definition("EncounterTemplate"),
        "ProgramFormationNew": _definition("ProgramFormation", "name"),
        "ProgramFormationSent": _definition("ProgramFormation"),
        "DictionaryFormationNew": _definition("DictionaryFormation", "name"),
        "DictionaryFormationSent": _definition("DictionaryFormation"),
        "FieldSent": _field(),
        **{f"{name}Sent": _part(name) for name in _PARTS},
    }


BODIES: dict[str, Schema] = {
    "auth.create_token": _one("secret"),
    "patients.list_by_filter": _FILTER,
    "patients.create": reference("PatientNew"),
    "patients.update": reference("PatientChange"),
    "cdts.create": _OWN,
    "cdts.update": _OWN,
    "cdts.bulk_update": _one("rows", {"type": "array", "items": _ROW}),
    "formation_assessments.create": reference("AssessmentFormationNew"),
    "formation_assessments.update": reference("AssessmentFormationSent"),
    "formation_document_types.create": reference("DocumentTypeNew"),
    "formation_document_types.update": reference("DocumentTypeSent"),
    "formation_encounter_disposition.update": object_of({"name": _NAME, "fields": _FIELDS}, ["fields"]),
    "formation_encounters.create": reference("EncounterTemplateNew"),
    "formation_encounters.update": reference("EncounterTemplateSent"),
    "formation_programs.create": reference("ProgramFormationNew"),
    "formation_programs.update": reference("ProgramFormationSent"),
    "formation_dictionaries.create": reference("DictionaryFormationNew"),
    "formation_dictionaries.update": reference("DictionaryFormationSent"),
    "users.create": reference("UserNew"),
    "users.update": reference("UserChange"),
    "users.replace": reference("UserNew"),
    "users.put_app_access": reference("ApplicationAccessSent"),
    "users.put_permissions": _one("permissions", {"type": "array", "items": reference("PermissionSent")}),
    "users.put_territories": _one("territories", {"type": "array", "items": reference("UserTerritorySent")}),
    "calendar_events.create": reference("CalendarEventSent"),
    "calendar_events.replace": reference("CalendarEventSent"),
    "calendar_events.update": reference("CalendarEventChange"),
    "calendar_events.respond": object_of(
        {"participantId": _UUID, "participationStatus": {**_TEXT, "examples": ["Yes"]}},
        ["participantId", "participationStatus"],
    ),
    "work_hours.create": reference("WorkHoursSent"),
    "work_hours.update": reference("WorkHoursSent"),
    "care_plans.create_overview": _one("overview"),
    "care_plans.update_overview": _one("overview"),
    "care_plans.create_goal": _one("goalTemplateName", _NAME),
    "care_plans.update_goal": reference("GoalChange"),
    "care_plans.add_goal_comment": _one("text"),
    "care_plans.add_goal_task": reference("GoalTaskNew"),
    "chat.send_inbound": _one("message"),
    "documents.create": _one("type", _NAME),
    "documents.update": object_of({"type": _NAME}),
    "documents.create_type_record": _OWN,
    "documents.update_type_record": _OWN,
    "dictionaries.add_records": _RECORDS,
    "dictionaries.replace_records": _RECORDS,
    "dictionaries.update_record": _one("values", _VALUES),
    "emails.send": reference("EmailNew"),
    "emails.update": reference("EmailChange"),
    "emails.update_unrecognized": reference("EmailChange"),
    "sms.send": reference("SmsNew"),
    "sms.update": reference("SmsChange"),
    "sms.update_unrecognized": reference("SmsChange"),
    "encounters.create": reference("EncounterSent"),
    "encounters.update": reference("EncounterSent"),
    "encounters.create_comment": _one("text"),
    "encounters.update_comment": _one("text"),
    "encounters.create_assessment": _one("assessmentName", _NAME, assessmentRecordId=_UUID),
    "encounters.update_assessment": _one("assessmentRecordId", _UUID),
    "encounters.update_disposition": _OWN,
    "assessment_records.create": _one("assessmentName", _NAME),
    "assessment_records.update": object_of(
        {"status": {"type": "string", "examples": ["IN_PROGRESS", "COMPLETED"]}, "answers": _OWN},
        description="The record as it was read, changed.",
    ),
    "assessment_records.update_answers": {
        "type": "object",
        "description": "Answers by `<cdt>__<field>`; the case of a key matters.",
    },
    "patient_programs.update": reference("PatientProgramChange"),
    "patient_programs.change_phase": _one("phaseName", _NAME),
    "tasks.create": reference("TaskNew"),
    "tasks.update": reference("TaskChange"),
    "tasks.batch_update_status": object_of(
        {"taskIds": {"type": "array", "items": _UUID}, "status": _TEXT}, ["taskIds", "status"]
    ),
    "tasks.add_watcher": _one("id", _UUID),
    "tasks.add_comment": _one("text"),
    "contacts.create": reference("ContactNew"),
    "contacts.update": reference("ContactChange"),
    "pdts.create": _OWN,
    "pdts.update": _OWN,
}
"""The JSON that an operation is sent; one that is not here is sent none."""


def _multipart(schema: Schema) -> dict[str, Any]:
    return {"multipart/form-data": {"schema": schema}}


def content(operation: str) -> dict[str, Any] | None:
    """Return the content of an operation's request, by media type; None where it is sent no body."""
    file = {"type": "string", "contentMediaType": "application/octet-stream"}
    if operation == "documents.upload_files":
        said = "A part for each file; jpg, jpeg, png and pdf are taken."
        return _multipart(_one("files", {"type": "array", "items": file, "minItems": 1, "description": said}))
    if operation not in BODIES:
        return None
    found: dict[str, Any] = {"application/json": {"schema": BODIES[operation]}}
    if operation == "emails.send":
        texts = dict.fromkeys(("subject", "body", "receiver", "sender", "scheduledAt"), _TEXT)
        flags = {name: {"type": "string", "enum": ["true", "false"]} for name in ("sendNow", "secure")}
        files = {"attachmentsAsFiles": {"type": "array", "items": file}}
        found |= _multipart(object_of({**texts, **flags, **files}, ["subject", "body", "receiver"]))
    return found
