"""Furnishing: puts records of every kind into a sandbox, and tells how requests name them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from welkin_async import Welkin
from welkin_async.http.multipart import UploadFile
from welkin_async.sandbox import Sandbox

_EACH = 3  # records that all operations name
_LOST = 8  # records that only the DELETE names: it takes them away

Known = dict[str, dict[str, list[Any]]]


async def furnish(server: Sandbox) -> tuple[Known, str]:
    """Put records into a server.

    Args:
        server: One that is serving.

    Returns:
        Under `path` values by the name of a path parameter, or by operation and parameter; under `body` likewise values
        of fields of bodies; and a token.
    """
    users = [server.store.add_user(f"user-{number}", f"user-{number}@example.org")["id"] for number in range(_EACH)]
    lost = [f"lost-{number}" for number in range(_LOST)]
    for each in lost:
        server.store.add_user(each, f"{each}@example.org")
    path: dict[str, list[Any]] = {
        "tenant": [server.tenant],
        "instance": [server.instance],
        "api_client": [server.api_client],
        "patients.delete.patient_id": server.store.add_patients(_LOST),
        "users.delete.user_key": lost,
        "user_key": ["user-0", "user-1"],
        "user_id": users,
        "cdt_name": ["medication", "vitals"],
        "formation_assessments.get_cdt.cdt_name": ["_phq-2", "_phq-2_scoring"],
        "version": ["current", "draft"],
        "assessment_name": ["phq-2"],
        "document_type_name": ["lab-report"],
        "template_name": ["intake"],
        "goal_template_name": ["walk-daily"],
        "program_name": ["wellness", "diabetes"],
        "dictionary_name": ["cpt"],
        "dictionaries.replace_records.dictionary_name": ["icd-10"],  # it deletes what is there
        "pdt_name": ["insurance"],
        "resource_name": ["PATIENT", "CDT_RECORD", "TASK", "EMAIL", "ENCOUNTER", "CHAT"],
    }
    async with Welkin(
        tenant=server.tenant,
        instance=server.instance,
        api_client=server.api_client,
        secret_key=server.secret_key,
        base_url=server.base_url,
    ) as welkin:
        patient = server.store.add_patient(email="patient@example.org", phone="+61403000000")["id"]
        path["patient_id"] = [patient]
        await _records(welkin, patient, path)
        await _messages(server, welkin, patient, path)
        await _calendar(welkin, users, path)
        await _care(welkin, patient, users, path)
        await _documents(welkin, patient, path)
        await _encounters(welkin, patient, path)
        token = await welkin.transport.tokens.get()
    body = {**_bodies(server, patient, users), "taskIds": [path["task_id"]]}
    return {"path": path, "body": body}, token.value


def _bodies(server: Sandbox, patient: str, users: list[str]) -> dict[str, list[Any]]:
    people = [
        {"participantId": users[0], "participantRole": "psm"},
        {"participantId": patient, "participantRole": "patient"},
    ]
    return {
        "secret": [server.secret_key],
        "hostId": [users[0]],
        "participants": [people],
        "participantId": [users[0]],
        "goalTemplateName": ["walk-daily"],
        "assessmentName": ["phq-2"],
        "templateName": ["intake"],
        "phaseName": ["active", "done"],
        "documents.type": ["lab-report", "doc-type-others"],
        "sender": [patient],
        "scheduledAt": ["2090-01-01T00:00:00.000Z"],
        "assignee": [{"id": users[0]}],
    }


async def _records(welkin: Welkin, patient: str, path: dict[str, list[Any]]) -> None:
    medication, vitals = (welkin.patient(patient).cdts(name) for name in ("medication", "vitals"))
    for name, count in (("cdts.record_id", _EACH), ("cdts.delete.record_id", _LOST)):
        made = [(await medication.create({"medication_name": "Tylenol"})).id for _ in range(count)]
        path[name] = made + [(await vitals.create({"systolic": 120})).id for _ in range(count)]
    profile = welkin.patient(patient).pdts("insurance")
    path["pdts.record_id"] = [(await profile.create({"payer": "A"})).id for _ in range(_EACH)]
    path["pdts.delete.record_id"] = [(await profile.create({"payer": "A"})).id for _ in range(_LOST)]
    contacts = welkin.patient(patient).contacts
    path["contact_id"] = [(await contacts.create(name="Dana")).id for _ in range(_EACH)]
    assessments = welkin.patient(patient).assessment_records
    path["assessment_records.record_id"] = [(await assessments.create("phq-2")).id for _ in range(_EACH)]
    path["assessment_records.delete.record_id"] = [(await assessments.create("phq-2")).id for _ in range(_LOST)]
    added = await welkin.dictionary("cpt").add_records([{"code": str(number)} for number in range(_EACH)])
    path["dictionaries.record_id"] = [each.id for each in added.records or ()]


async def _messages(server: Sandbox, welkin: Welkin, patient: str, path: dict[str, list[Any]]) -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    emails, texts = welkin.patient(patient).emails, welkin.patient(patient).sms
    for number, kind in ((_EACH, ""), (_LOST, "delete.")):
        path[f"emails.{kind}message_id"] = [
            (await emails.send(subject="A", body="B", receiver=patient, scheduled_at=later)).id for _ in range(number)
        ]
        path[f"sms.{kind}message_id"] = [
            (await texts.send(message="A", receiver=patient, scheduled_at=later)).id for _ in range(number)
        ]
    sections = server.store.sections
    for verb, number in (("get", _EACH), ("update", _LOST), ("delete", _LOST)):
        path[f"emails.{verb}_unrecognized.message_id"] = [
            sections.emails.receive("a@example.org", subject="A", body="B")["id"] for _ in range(number)
        ]
        path[f"sms.{verb}_unrecognized.message_id"] = [
            sections.sms.receive("+61403000001", message="A")["id"] for _ in range(number)
        ]
    for number in range(_EACH):
        await welkin.patient(patient).chat.send_inbound(f"message {number}")


async def _calendar(welkin: Welkin, users: list[str], path: dict[str, list[Any]]) -> None:
    start = datetime.now(UTC) + timedelta(days=1)

    async def event() -> str:
        made = await welkin.calendar.events.create(
            start_date_time=start,
            end_date_time=start + timedelta(hours=1),
            host_id=users[0],
            participants=[{"participantId": users[0], "participantRole": "psm"}],
        )
        return made.id

    path["event_id"] = [await event() for _ in range(_EACH)]
    path["calendar_events.delete.event_id"] = [await event() for _ in range(_LOST)]
    hours = await welkin.calendar.work_hours.create(
        psm_id=users[0],
        start_date_time=start,
        end_date_time=start + timedelta(days=30),
        days_info=[{"day": 1, "startTime": "09:00:00", "endTime": "17:00:00"}],
    )
    path["work_hours_id"] = [each.work_hours_id for each in hours.details or ()]


async def _care(welkin: Welkin, patient: str, users: list[str], path: dict[str, list[Any]]) -> None:
    plan = welkin.patient(patient).care_plan
    path["goal_id"] = [(await plan.create_goal("walk-daily")).id for _ in range(_EACH)]
    task = await welkin.tasks.create(
        name="A",
        priority="LOW",
        status="TODO",
        assignee={"id": users[0]},
        watchers=[{"id": each} for each in users],
        comments=[{"text": "A"} for _ in range(_LOST)],
    )
    path["task_id"], path["watcher_id"] = [task.id], list(users)
    path["tasks.remove_comment.comment_id"] = [each.id for each in task.comments or ()]
    programs = welkin.patient(patient).programs
    path["patient_program_id"] = [(await programs.update(name, assigned=True)).id for name in ("wellness", "diabetes")]


async def _documents(welkin: Welkin, patient: str, path: dict[str, list[Any]]) -> None:
    documents = welkin.patient(patient).documents
    made = [(await documents.create("lab-report")).id for _ in range(_EACH + 3 * _LOST)]
    with_file, deleted = made[0], made[1 : 1 + _LOST]
    for name in ("create", "delete"):
        path[f"documents.{name}_type_record.summary_id"] = [made.pop() for _ in range(_LOST)]
    for each in (with_file, *path["documents.delete_type_record.summary_id"]):
        await welkin.patient(patient).document(each).type_record("lab-report").create({"notes": "A"})
    files = await welkin.patient(patient).document(with_file).files.upload(UploadFile("a.pdf", b"%PDF"))
    path["summary_id"], path["documents.delete.summary_id"] = [with_file], deleted
    path["file_id"] = [each.id for each in files]


async def _encounters(welkin: Welkin, patient: str, path: dict[str, list[Any]]) -> None:
    encounters = welkin.patient(patient).encounters
    made = [(await encounters.create(template_name="intake")).id for _ in range(1 + _LOST)]
    path["encounter_id"], path["encounters.delete.encounter_id"] = made[:1], made[1:]
    one = welkin.patient(patient).encounter(made[0])
    path["comment_id"] = [(await one.comments.create("A")).id for _ in range(_EACH)]
    path["encounters.delete_comment.comment_id"] = [(await one.comments.create("A")).id for _ in range(_LOST)]
    path["link_id"] = [(await one.assessments.create("phq-2")).id for _ in range(_EACH)]
    path["encounters.delete_assessment.link_id"] = [(await one.assessments.create("phq-2")).id for _ in range(_LOST)]
