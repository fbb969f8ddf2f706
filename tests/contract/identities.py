"""What an answer must share with its request, as the recordings and documents show: an oracle for the SDK's own table.

A place in the answer, objects in objects parted by dots and ``[]`` for each row, by the path's parameter that it is.
An operation that is not here answers with nothing that its path names.
"""

from __future__ import annotations

from typing import Any

_PATIENT = {"patientId": "patient_id"}
_CDT = {"id": "record_id", **_PATIENT, "cdtName": "cdt_name"}
_PROGRAM = {**_PATIENT, "programName": "program_name"}
_ACCESS = {
    f"users.{verb}_{kind}": {"userId": "user_id"}
    for verb in ("get", "put")
    for kind in ("app_access", "permissions", "territories")
}
_MESSAGES = {
    f"{kind}.{verb}{whose}": {"id": "message_id"}
    for kind in ("emails", "sms")
    for verb in ("get", "update")
    for whose in ("", "_unrecognized")
}

PLACES: dict[str, dict[str, str]] = {
    "patients.get": {"id": "patient_id"},
    "patients.update": {"id": "patient_id"},
    "cdts.list": {"name": "cdt_name", "data.content[].patientId": "patient_id"},
    "cdts.get": _CDT,
    "cdts.create": {**_PATIENT, "cdtName": "cdt_name"},
    "cdts.update": _CDT,
    "formation_cdts.get": {"name": "cdt_name"},
    "formation_assessments.get": {"name": "assessment_name"},
    "formation_assessments.update": {"name": "assessment_name"},
    "formation_assessments.get_cdt": {"name": "cdt_name"},
    "formation_document_types.get": {"name": "document_type_name"},
    "formation_document_types.update": {"name": "document_type_name"},
    "formation_encounters.get": {"name": "template_name"},
    "formation_encounters.update": {"name": "template_name"},
    "formation_goal_templates.get": {"name": "goal_template_name"},
    "formation_programs.get": {"name": "program_name"},
    "formation_programs.update": {"name": "program_name"},
    "formation_dictionaries.get": {"name": "dictionary_name"},
    "formation_dictionaries.update": {"name": "dictionary_name"},
    "formation_pdts.get": {"name": "pdt_name"},
    "users.get": {"username": "user_key"},
    "users.update": {"username": "user_key"},
    "users.replace": {"username": "user_key"},
    **_ACCESS,
    "calendar_events.get": {"id": "event_id"},
    "calendar_events.replace": {"id": "event_id"},
    "calendar_events.update": {"id": "event_id"},
    "care_plans.get": _PATIENT,
    "care_plans.get_goal": {"details.id": "goal_id"},
    "care_plans.update_goal": {"id": "goal_id"},
    "chat.send_inbound": {"sender.id": "patient_id"},
    "documents.list": {"data.content[].patientId": "patient_id"},
    "documents.get": {"id": "summary_id", **_PATIENT},
    "documents.create": _PATIENT,
    "documents.update": {"id": "summary_id", **_PATIENT},
    "documents.get_type_record": _PATIENT,
    "documents.create_type_record": _PATIENT,
    "documents.update_type_record": _PATIENT,
    "dictionaries.list_records": {"dictionaryName": "dictionary_name"},
    "dictionaries.get_record": {"id": "record_id"},
    "dictionaries.add_records": {"dictionaryName": "dictionary_name"},
    "dictionaries.replace_records": {"dictionaryName": "dictionary_name"},
    "dictionaries.update_record": {"id": "record_id"},
    "dictionaries.delete_record": {"id": "record_id"},
    **_MESSAGES,
    "encounters.list_for_patient": {"data[].patientId": "patient_id"},
    "encounters.list_full_for_patient": {"data[].encounter.patientId": "patient_id"},
    "encounters.get": {"id": "encounter_id", **_PATIENT},
    "encounters.get_full": {"encounter.id": "encounter_id", "encounter.patientId": "patient_id"},
    "encounters.create": _PATIENT,
    "encounters.update": {"id": "encounter_id", **_PATIENT},
    "encounters.list_comments": {"[].encounterId": "encounter_id"},
    "encounters.get_comment": {"id": "comment_id", "encounterId": "encounter_id"},
    "encounters.create_comment": {"encounterId": "encounter_id"},
    "encounters.update_comment": {"id": "comment_id", "encounterId": "encounter_id"},
    "encounters.list_assessments": {"[].patientId": "patient_id"},
    "encounters.get_assessment": {"id": "link_id", **_PATIENT},
    "encounters.create_assessment": _PATIENT,
    "encounters.update_assessment": {"id": "link_id", **_PATIENT},
    "encounters.get_disposition": {**_PATIENT, "jsonBody.source_id": "encounter_id"},
    "encounters.update_disposition": {**_PATIENT, "jsonBody.source_id": "encounter_id"},
    "assessment_records.list": {"content[].patientId": "patient_id"},
    "assessment_records.get": {"id": "record_id", **_PATIENT},
    "assessment_records.create": _PATIENT,
    "assessment_records.update": {"id": "record_id", **_PATIENT},
    "assessment_records.update_answers": {"id": "record_id", **_PATIENT},
    "patient_programs.get_current": _PROGRAM,
    "patient_programs.get_history": {"id": "patient_program_id", **_PATIENT},
    "patient_programs.get": _PROGRAM,
    "patient_programs.update": _PROGRAM,
    "patient_programs.change_phase": _PROGRAM,
    "tasks.get": {"id": "task_id"},
    "tasks.update": {"id": "task_id"},
    "tasks.add_watcher": {"id": "task_id"},
    "tasks.remove_watcher": {"id": "task_id"},
    "tasks.add_comment": {"id": "task_id"},
    "tasks.remove_comment": {"[].id": "task_id"},
    "contacts.list": {"data[].patientId": "patient_id"},
    "contacts.get": {"id": "contact_id", **_PATIENT},
    "contacts.create": _PATIENT,
    "contacts.update": {"id": "contact_id", **_PATIENT},
    "pdts.list": {"data[].patientId": "patient_id"},
    "pdts.get": {"id": "record_id", **_PATIENT},
    "pdts.create": _PATIENT,
    "pdts.update": {"id": "record_id", **_PATIENT},
}  # fmt: skip

KEY_PLACES: dict[str, dict[str, str]] = {
    "patients.get": {"EGUID": "externalGuid", "EID": "externalId", "MRN": "mrn"},
    "users.get": {"EMAIL": "email", "ID": "id"},
    "users.update": {"EMAIL": "email", "ID": "id"},
    "calendar_events.get": {"EXTERNAL_ID": "externalId"},
}
"""Where an answer has the key asked for, by the query's ``type``."""

BODY_PLACES: dict[str, tuple[str, str]] = {
    "care_plans.create_overview": ("overview", "text"),
    "care_plans.update_overview": ("overview", "text"),
    "cdts.bulk_update": ("rows[].id", "id"),
}
"""Where an answer has what the body had, for the bodies the catalogue's calls send."""

CHANGED = {"cdts.update": ("jsonBody.a", 1), "pdts.update": ("jsonBody.a", 1)}
"""Where an answer has the field that a change was to set, and what it was set to."""

UNNAMED = {"formation_encounter_disposition.get", "formation_encounter_disposition.update"}
"""One for the whole instance: there is nothing to be mistaken for."""


def put(answer: Any, place: str, value: object) -> None:
    """Set a place of an answer, in every row of it."""
    name, _, rest = place.partition(".")
    if name.endswith("[]"):
        rows = answer[name.removesuffix("[]")] if name != "[]" else answer
        for row in rows:
            put(row, rest, value)
    elif rest:
        put(answer.setdefault(name, {}), rest, value)
    else:
        answer[name] = value
