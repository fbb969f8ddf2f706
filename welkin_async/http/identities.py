"""Identities of operations: the table of what each operation's answer must share with its request.

Its facts are recorded, or documented where nothing was recorded; `identity` compares by them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from welkin_async.errors import ErrorItem
from welkin_async.http.identity import (
    Differences,
    Fact,
    Identity,
    Sent,
    encoded,
    same_folded,
    same_text,
    same_uuid,
)
from welkin_async.wire.request import Request


def _own_id(parameter: str) -> Fact:
    return Fact("id", parameter, same_uuid)


_PATIENT = Fact("patientId", "patient_id", same_uuid)
_OWNER = attrs.evolve(_PATIENT, names=False)  # of a new record: many are made for one patient
_NEW_CDT = attrs.evolve(_OWNER, required=True)
_CDT = Fact("cdtName", "cdt_name", names=False)
_PAGE = Identity(page=True)
_NOTHING = Identity()
_OWN_ROWS = Identity(page=True, rows=(_PATIENT,))


def _id(parameter: str, *more: Fact, changed: str | None = None) -> Identity:
    """Return the identity of an answer that has the id the path names."""
    return Identity(facts=(_own_id(parameter), *more), changed=changed)


def _name(parameter: str, *, required: bool = False) -> Identity:
    """Return the identity of an answer that has the name the path names."""
    return Identity(facts=(Fact("name", parameter, required=required),))


def _deleted(*codes: str, readable: bool = True, facts: tuple[Fact, ...] = ()) -> Identity:
    """Return the identity of a deletion, whose 2xx is empty as recorded."""
    return Identity(facts=facts, gone=frozenset(codes), readable=readable)


_USER_KEYS = {"ID": _own_id("user_key"), "EMAIL": Fact("email", "user_key", same_folded)}
_USER = Identity(facts=(Fact("username", "user_key", same_folded),), by_type=_USER_KEYS)
_EVENT_KEYS = {"EXTERNAL_ID": Fact("externalId", "event_id")}
_DISPOSITION = Identity(facts=(_PATIENT, Fact("jsonBody.source_id", "encounter_id", same_uuid)))
_PROGRAM = Identity(facts=(_PATIENT, Fact("programName", "program_name")))
_COMMENT_ENCOUNTER = Fact("encounterId", "encounter_id", same_uuid)
_OVERVIEW = Identity(sent=(Sent("overview"),))
_DICTIONARY = Identity(facts=(Fact("dictionaryName", "dictionary_name"),))
_DATA_RECORD, _FORMATION = "DT_RECORD_NOT_FOUND", "FORMATION_NOT_FOUND"

IDENTITIES: Mapping[str, Identity] = {
    "auth.create_token": _NOTHING,
    "patients.list": _PAGE,
    "patients.list_by_filter": _PAGE,
    "patients.create": Identity(
        sent=(
            Sent("externalGuid", same_uuid, required=True),
            Sent("firstName", same_text),
            Sent("lastName", same_text),
        )
    ),
    "patients.get": Identity(
        facts=(_own_id("patient_id"),),
        by_type={
            "EGUID": Fact("externalGuid", "patient_id", same_uuid),  # recorded: another id answers
            "EID": Fact("externalId", "patient_id", same_folded),
            "MRN": Fact("mrn", "patient_id", same_folded),
        },
    ),
    "patients.update": Identity(facts=(_own_id("patient_id"),), sent=(Sent("externalGuid", same_uuid),), changed=""),
    "patients.delete": _deleted("PATIENT_NOT_FOUND", facts=(_own_id("patient_id"),)),
    "cdts.list": Identity(facts=(Fact("name", "cdt_name", names=False),), page=True, rows=(_PATIENT,)),
    "cdts.get": _id("record_id", _PATIENT, _CDT),
    "cdts.create": Identity(facts=(_NEW_CDT, _CDT), fields=True),
    "cdts.update": _id("record_id", _PATIENT, _CDT, changed="jsonBody"),
    "cdts.bulk_update": Identity(batch=True),
    "cdts.delete": _deleted(_DATA_RECORD, facts=(_own_id("record_id"), _PATIENT, _CDT)),
    "formation_cdts.list": _NOTHING,
    "formation_cdts.get": _name("cdt_name", required=True),
    "formation_assessments.list": _NOTHING,
    "formation_assessments.get": _name("assessment_name", required=True),
    "formation_assessments.create": Identity(sent=(Sent("name"),)),
    "formation_assessments.update": _name("assessment_name"),
    "formation_assessments.delete": _deleted(_FORMATION),
    "formation_assessments.get_cdt": _name("cdt_name", required=True),
    "formation_document_types.list": _NOTHING,
    "formation_document_types.get": _name("document_type_name", required=True),
    "formation_document_types.create": Identity(sent=(Sent("name"),)),
    "formation_document_types.update": _name("document_type_name"),
    "formation_document_types.delete": _deleted(_FORMATION),
    "formation_encounter_disposition.get": _NOTHING,
    "formation_encounter_disposition.update": _NOTHING,
    "formation_encounters.list": _NOTHING,
    "formation_encounters.get": _name("template_name", required=True),
    "formation_encounters.create": Identity(sent=(Sent("name"),)),
    "formation_encounters.update": _name("template_name"),
    "formation_encounters.delete": _deleted(_FORMATION),
    "formation_goal_templates.list": _NOTHING,
    "formation_goal_templates.get": _name("goal_template_name", required=True),
    "formation_programs.list": _NOTHING,
    "formation_programs.get": _name("program_name", required=True),
    "formation_programs.create": Identity(sent=(Sent("name"),)),
    "formation_programs.update": _name("program_name"),
    "formation_programs.delete": _deleted(_FORMATION),
    "formation_dictionaries.list": _NOTHING,
    "formation_dictionaries.get": _name("dictionary_name", required=True),
    "formation_dictionaries.create": Identity(sent=(Sent("name"),)),
    "formation_dictionaries.update": _name("dictionary_name"),
    "formation_dictionaries.delete": _deleted(_FORMATION),
    "formation_pdts.list": _NOTHING,
    "formation_pdts.get": _name("pdt_name", required=True),
    "users.create": _NOTHING,
    "users.list": _PAGE,
    "users.list_by_region": _PAGE,
    "users.get": _USER,
    "users.update": _USER,
    "users.replace": _USER,
    "users.delete": _deleted("USER_NOT_FOUND"),
    "users.get_app_access": Identity(facts=(Fact("userId", "user_id", same_uuid),)),
    "users.put_app_access": Identity(facts=(Fact("userId", "user_id", same_uuid),)),
    "users.get_permissions": Identity(facts=(Fact("userId", "user_id", same_uuid),)),
    "users.put_permissions": Identity(facts=(Fact("userId", "user_id", same_uuid),)),
    "users.get_territories": Identity(facts=(Fact("userId", "user_id", same_uuid),)),
    "users.put_territories": Identity(facts=(Fact("userId", "user_id", same_uuid),)),
    "calendar_events.list": _PAGE,
    "calendar_events.create": _NOTHING,
    "calendar_events.get": Identity(facts=(_own_id("event_id"),), by_type=_EVENT_KEYS),
    "calendar_events.replace": _id("event_id"),
    "calendar_events.update": _id("event_id"),
    "calendar_events.respond": _NOTHING,
    "calendar_events.delete": _deleted("CALENDAR_EVENT_NOT_FOUND", readable=False),  # recorded: readable afterwards
    "calendar_events.psm_summary": _NOTHING,
    "schedules.list": _NOTHING,
    "schedules.list_available": _NOTHING,
    "schedules.list_full": _NOTHING,
    "work_hours.list": _NOTHING,
    "work_hours.create": Identity(sent=(Sent("psmId"),)),
    "work_hours.update": Identity(sent=(Sent("psmId"),)),
    "care_plans.get": Identity(facts=(_PATIENT,)),
    "care_plans.create_overview": _OVERVIEW,  # recorded: no ids
    "care_plans.update_overview": _OVERVIEW,
    "care_plans.list_goals": _PAGE,
    "care_plans.create_goal": _NOTHING,
    "care_plans.get_goal": Identity(facts=(Fact("details.id", "goal_id", same_uuid),)),
    "care_plans.update_goal": _id("goal_id", Fact("details.id", "goal_id", same_uuid)),
    "care_plans.list_goal_comments": _NOTHING,
    "care_plans.add_goal_comment": _NOTHING,
    "care_plans.list_goal_tasks": _NOTHING,
    "care_plans.add_goal_task": _NOTHING,
    "chat.send_inbound": Identity(facts=(Fact("sender.id", "patient_id", same_uuid),)),  # recorded: no id of its own
    "chat.list": _NOTHING,
    "chat.search": _NOTHING,
    "chat.archive": _NOTHING,
    "chat.restore": _NOTHING,
    "audit.list_data": _PAGE,
    "audit.list_security": _PAGE,
    "audit.list_webhook": _PAGE,
    "documents.list": _OWN_ROWS,
    "documents.get": _id("summary_id", _PATIENT),
    "documents.create": Identity(facts=(_OWNER,)),
    "documents.update": _id("summary_id", _PATIENT),
    "documents.delete": _deleted(_DATA_RECORD, facts=(_own_id("summary_id"), _PATIENT)),
    "documents.upload_files": _NOTHING,
    "documents.download_file": _NOTHING,
    "documents.get_type_record": Identity(facts=(_PATIENT,)),  # the path holds no id of it
    "documents.create_type_record": Identity(facts=(_OWNER,)),
    "documents.update_type_record": Identity(facts=(_PATIENT,)),
    "documents.delete_type_record": _deleted(_DATA_RECORD, facts=(_PATIENT,)),
    "dictionaries.list_records": _DICTIONARY,
    "dictionaries.get_record": _id("record_id"),
    "dictionaries.add_records": _DICTIONARY,
    "dictionaries.replace_records": _DICTIONARY,
    "dictionaries.update_record": _id("record_id"),
    "dictionaries.delete_record": _deleted(
        "DICTIONARY_RECORD_NOT_FOUND", facts=(_own_id("record_id"),), readable=False
    ),
    "emails.list": _PAGE,
    "emails.get": _id("message_id"),
    "emails.send": _NOTHING,
    "emails.update": _id("message_id"),  # its sender may move it to another patient
    "emails.delete": _deleted("EMAIL_NOT_FOUND", facts=(_own_id("message_id"),)),
    "emails.list_unrecognized": _PAGE,
    "emails.get_unrecognized": _id("message_id"),
    "emails.update_unrecognized": _id("message_id"),
    "emails.delete_unrecognized": _deleted("EMAIL_NOT_FOUND", facts=(_own_id("message_id"),)),
    "sms.list": _PAGE,
    "sms.get": _id("message_id"),
    "sms.send": _NOTHING,
    "sms.update": _id("message_id"),
    "sms.delete": _deleted("SMS_NOT_FOUND", facts=(_own_id("message_id"),)),
    "sms.list_unrecognized": _PAGE,
    "sms.get_unrecognized": _id("message_id"),
    "sms.update_unrecognized": _id("message_id"),
    "sms.delete_unrecognized": _deleted("SMS_NOT_FOUND", facts=(_own_id("message_id"),)),
    "encounters.list_for_patient": _OWN_ROWS,
    "encounters.list_full_for_patient": Identity(
        page=True, rows=(Fact("encounter.patientId", "patient_id", same_uuid),)
    ),
    "encounters.list_for_user": _PAGE,
    "encounters.list_full_for_user": _PAGE,
    "encounters.get": _id("encounter_id", _PATIENT),
    "encounters.get_full": Identity(
        facts=(Fact("encounter.id", "encounter_id", same_uuid), Fact("encounter.patientId", "patient_id", same_uuid))
    ),
    "encounters.create": Identity(facts=(_OWNER,)),
    "encounters.update": _id("encounter_id", _PATIENT, changed=""),
    "encounters.delete": _deleted(_DATA_RECORD, facts=(_own_id("encounter_id"), _PATIENT)),
    "encounters.list_comments": Identity(rows=(_COMMENT_ENCOUNTER,)),
    "encounters.get_comment": _id("comment_id", _COMMENT_ENCOUNTER),
    "encounters.create_comment": Identity(facts=(_COMMENT_ENCOUNTER,)),
    "encounters.update_comment": _id("comment_id", _COMMENT_ENCOUNTER, changed=""),
    "encounters.delete_comment": _deleted(_DATA_RECORD, "ENCOUNTER_COMMENT_NOT_FOUND", facts=(_own_id("comment_id"),)),
    "encounters.list_assessments": Identity(rows=(_PATIENT,)),
    "encounters.get_assessment": _id("link_id", _PATIENT),
    "encounters.create_assessment": Identity(facts=(_OWNER,)),
    "encounters.update_assessment": _id("link_id", _PATIENT),
    "encounters.delete_assessment": _deleted(_DATA_RECORD, facts=(_own_id("link_id"), _PATIENT)),
    "encounters.get_disposition": _DISPOSITION,  # recorded: an id of its own
    "encounters.update_disposition": _DISPOSITION,
    "assessment_records.list": _OWN_ROWS,
    "assessment_records.get": _id("record_id", _PATIENT),
    "assessment_records.create": Identity(facts=(_OWNER,)),
    "assessment_records.update": _id("record_id", _PATIENT),
    "assessment_records.update_answers": _id("record_id", _PATIENT),
    "assessment_records.delete": _deleted("ASSESSMENT_RECORD_NOT_FOUND", facts=(_own_id("record_id"), _PATIENT)),
    "patient_programs.list": _PAGE,  # recorded: programs that are not the patient's have no patient
    "patient_programs.get_current": _PROGRAM,
    "patient_programs.get_history": _id("patient_program_id", _PATIENT),
    "patient_programs.get": _PROGRAM,
    "patient_programs.update": _PROGRAM,
    "patient_programs.change_phase": _PROGRAM,
    "patient_programs.unassign": _deleted("PATIENT_PROGRAM_NOT_FOUND", readable=False),
    "tasks.search": _PAGE,
    "tasks.create": _NOTHING,
    "tasks.get": _id("task_id"),
    "tasks.update": _id("task_id", changed=""),
    "tasks.batch_update_status": _NOTHING,
    "tasks.add_watcher": _id("task_id"),
    "tasks.remove_watcher": _id("task_id"),
    "tasks.add_comment": _id("task_id"),
    "tasks.remove_comment": _id("task_id"),
    "exports.list": _NOTHING,
    "contacts.list": _OWN_ROWS,
    "contacts.get": _id("contact_id", _PATIENT),
    "contacts.create": Identity(facts=(_OWNER,)),
    "contacts.update": _id("contact_id", _PATIENT, changed=""),
    "pdts.list": _OWN_ROWS,
    "pdts.get": _id("record_id", _PATIENT),
    "pdts.create": Identity(facts=(_OWNER,), fields=True),
    "pdts.update": _id("record_id", _PATIENT, changed="jsonBody"),
    "pdts.delete": _deleted(_DATA_RECORD, facts=(_own_id("record_id"), _PATIENT)),
    "pdts.list_patients": _PAGE,
    "reports.patient_program_phase_distribution": _NOTHING,
}
"""By the operation's name; one that is not here, such as a request of the caller's own, is taken as it is."""


def error_differences(request: Request, items: Sequence[ErrorItem]) -> Differences | None:
    """Compare the id that an error's details name with those asked for.

    Only of errors that say that a record is not there, and of operations whose path names one: an error may be about
    something that the body refers to.

    Args:
        request: What was asked for.
        items: The error body's objects.

    Returns:
        As `Identity.differences`: most errors name nothing, and give None.
    """
    identity = IDENTITIES.get(request.operation.name)
    if identity is None or not request.asked or not (identity.gone or any(f.field == "id" for f in identity.facts)):
        return None
    named = False
    asked = request.asked.values()
    for item in items:
        if item.error_code not in _RECORD_CODES:
            continue
        for name in _DETAIL_IDS:
            value = item.details.get(name)
            if not isinstance(value, str):
                continue
            if value not in asked and encoded(value) not in asked:
                return ((f"details.{name}", value),)
            named = True
    return () if named else None


_RECORD_CODES = frozenset(  # recorded with the record's id in their details
    {
        "DT_RECORD_NOT_FOUND",
        "ASSESSMENT_RECORD_NOT_FOUND",
        "EMAIL_NOT_FOUND",
        "SMS_NOT_FOUND",
        "PATIENT_PROGRAM_NOT_FOUND",
    }
)
_DETAIL_IDS = ("cdtRecordId", "recordId", "id")
