"""What an editor and a type checker know of the public API: checked by `test_types.py`, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, BinaryIO, Literal, assert_type
from uuid import UUID

from welkin_async import (
    Answer,
    Attempt,
    FileTokenStore,
    MemoryTokenStore,
    Page,
    Pager,
    RateLimitedError,
    RequestError,
    TokenStore,
    Welkin,
    answer_of,
    files,
    to_wire,
)
from welkin_async.models.calendar import DayInfo, WorkHours, WorkHoursPeriod
from welkin_async.models.cdts import CdtBulkRow, CdtRecord
from welkin_async.models.formations import CdtField, CdtFormation
from welkin_async.models.patients import CareTeamMember, Patient
from welkin_async.models.users import User

NOW = datetime.now(UTC)


def measure(attempt: Attempt) -> None:
    assert_type(attempt.verdict, str)
    assert_type(attempt.status, int | None)
    assert_type(attempt.seconds, float)
    assert_type(attempt.request.template, str)


async def sessions() -> None:
    async with Welkin(tenant="gh", instance="sb", api_client="c", secret_key="s") as welkin:
        assert_type(welkin, Welkin)
        assert_type(welkin.with_options(timeout=1.0, max_attempts=2, max_wait=None), Welkin)
    async with Welkin.from_env() as welkin:
        assert_type(welkin, Welkin)
    store: TokenStore = MemoryTokenStore()
    store = FileTokenStore("/tmp/tokens")
    Welkin(
        environment="sandbox",
        base_url="https://api.example.org",
        timeout=5,
        max_attempts=3,
        max_wait=None,
        rate=10.0,
        concurrency=8,
        token_store=store,
        proxy="http://proxy.example.org",
        trust_env=True,
        on_attempt=measure,
    )


async def patients(welkin: Welkin) -> None:
    assert_type(await welkin.patients.create(first_name="C", last_name="T", birth_date=date(1970, 1, 1)), Patient)
    assert_type(await welkin.patients.create(first_name="C", middle_name=None, timeout=5.0, max_attempts=1), Patient)
    assert_type(await welkin.patients.create({"firstName": "C"}, timeout=5.0), Patient)
    assert_type(await welkin.patients.create(Patient(first_name="C", care_team=(CareTeamMember(id="u"),))), Patient)
    assert_type(await welkin.patients.get("p"), Patient)
    assert_type(await welkin.patients.get(UUID(int=1), type="EGUID", expand=True, timeout=1.0), Patient)
    assert_type(await welkin.patients.update("p", email=None), Patient)
    assert_type(await welkin.patients.update("p", {"email": None}), Patient)
    assert_type(await welkin.patients.update("p", Patient(email=None)), Patient)
    assert_type(await welkin.patients.delete("p", max_attempts=1), Answer)
    pager = welkin.patients.list(email="c@x.org", sort="firstName,desc", size=50, page=1)
    assert_type(pager, Pager[Patient])
    assert_type(welkin.patients.search({"any": 1}, size=5), Pager[Patient])
    assert_type(welkin.patients.search(), Pager[Patient])


async def pagers(pager: Pager[Patient]) -> None:
    assert_type(await pager, Page[Patient])
    async for patient in pager:
        assert_type(patient, Patient)
    async for page in pager.pages():
        assert_type(page, Page[Patient])
        assert_type(page.items, tuple[Patient, ...])
        assert_type(page.number, int)
        assert_type(page.last, bool)
        assert_type(page.total_elements, int | None)
        assert_type(page.total_pages, int | None)
        assert_type(page.answer, Answer)
    assert_type(await pager.total(), int)
    assert_type([patient.id async for patient in pager], list[str])


async def cdts(welkin: Welkin) -> None:
    medication = welkin.patient("p").cdts("medication")
    record = await medication.create({"medication_name": "Tylenol", "at": NOW}, timeout=5.0)
    assert_type(record, CdtRecord)
    assert_type(record.id, str)
    assert_type(record.created_at, datetime | None)
    assert_type(record.version, int | None)
    assert_type(record.fields, Mapping[str, Any])
    assert_type("dose" in record, bool)
    assert_type(await medication.get(record.id), CdtRecord)
    assert_type(await medication.update(record.id, {"status": None}), CdtRecord)
    assert_type(await medication.delete(record.id), Answer)
    assert_type(await medication.bulk_update({record.id: {"status": "x"}}), tuple[CdtBulkRow, ...])
    pager = medication.list(
        fields=["a", "b"], filters={"status": ["active", 1]}, date_start=NOW, date_end=NOW, sort="created_at,asc"
    )
    assert_type(pager, Pager[CdtRecord])
    assert_type((await pager).items, tuple[CdtRecord, ...])
    assert_type(medication.list(filters={"done": True}), Pager[CdtRecord])


async def users(welkin: Welkin) -> None:
    assert_type(await welkin.users.create(username="u", email="e", mfa_enabled=True), User)
    assert_type(await welkin.users.create({"username": "u"}), User)
    assert_type(await welkin.users.get("u"), User)
    assert_type(await welkin.users.get(UUID(int=1), type="ID"), User)
    assert_type(await welkin.users.update("u", first_name="C"), User)
    assert_type(await welkin.users.update("u", {"firstName": "C"}, type="ID"), User)
    assert_type(await welkin.users.replace("u", User(first_name="C")), User)
    assert_type(await welkin.users.delete("u", type="EMAIL"), Answer)
    assert_type(welkin.users.list(ids=["a", UUID(int=1)], include_deleted=True, user_state="ACTIVE"), Pager[User])
    assert_type(welkin.users.list_by_region("north", seat_assigned=True), Pager[User])
    async for user in welkin.users.list():
        assert_type(user.enabled, bool | None)


async def work_hours(welkin: Welkin) -> None:
    hours = welkin.calendar.work_hours
    found = await hours.list(from_=NOW, to=NOW, psm_ids=["u"], viewer_timezone="US/Pacific", timeout=1.0)
    assert_type(found, tuple[WorkHours, ...])
    assert_type(found[0].details, tuple[WorkHoursPeriod, ...] | None)
    day = DayInfo(day=1, start_time=time(8))
    created = await hours.create(psm_id="u", start_date_time=NOW, end_date_time=NOW, days_info=[day, {"day": 2}])
    assert_type(created, WorkHours)
    assert_type(await hours.create({"psmId": "u"}), WorkHours)
    assert_type(await hours.update("w", psm_id=UUID(int=1)), WorkHours)
    assert_type(await hours.update("w", {"psmId": "u"}), WorkHours)


async def formations(welkin: Welkin) -> None:
    formation = await welkin.formations().cdts.get("medication")
    assert_type(formation, CdtFormation)
    assert_type(formation.fields, tuple[CdtField, ...] | None)
    assert_type(await welkin.formations("draft").cdts.list(timeout=1.0), tuple[CdtFormation, ...])


async def anything_else(welkin: Welkin) -> None:
    answer = await welkin.request("GET", "/{tenant}/{instance}/tasks/{id}", path={"id": "t"}, query={"x": 1}, safe=True)
    assert_type(answer, Answer)
    assert_type(answer.status, int)
    assert_type(answer.headers["ETag"], str)
    assert_type(answer.attempts, int)


async def from_files(welkin: Welkin, rows: AsyncIterator[dict[str, str]], file: BinaryIO) -> None:
    patient = files.PatientColumn("PATIENT", type="EGUID")
    report = await files.import_records(
        welkin,
        "medications.csv",
        cdt="medication",
        patient=patient,
        mapping={"DESCRIPTION": "medication_name", "START": files.Field("medication_start_date", "datetime", UTC)},
        journal="medications.journal",
        rejects=Path("rejects.csv"),
        resume="retry",
        check="warn",
        max_failures=0.02,
        key_field="external_guid",
        on_progress=print,
    )
    assert_type(report, files.FileReport)
    assert_type(report.raise_for_outcome(), files.FileReport)
    assert_type(report.outcome, Literal["complete", "rejected", "incomplete"])
    assert_type(report.to_dict(), dict[str, Any])
    assert_type(report.rejects, Path | None)
    assert_type(report.error, str | None)
    assert_type(await files.import_records(welkin, rows, cdt="c", patient="p", key_field=None), files.FileReport)
    assert_type(await files.import_patients(welkin, [{"firstName": "C"}], key="mrn", dry_run=True), files.FileReport)
    assert_type(
        await files.update_records(welkin, file, cdt="c", patient="p", record="id", group=50, format="csv"),
        files.FileReport,
    )
    assert_type(await files.delete_records(welkin, "f", cdt="c", patient="p", record="id"), files.FileReport)
    assert_type(await files.export_records(welkin, "f.ndjson", cdt="c", patients="all"), files.FileReport)
    assert_type(await files.export_records(welkin, "f.ndjson", resource="PATIENT", start=NOW), files.FileReport)


def records(patient: Patient) -> None:
    assert_type(patient.id, str)
    assert_type(patient.first_name, str | None)
    assert_type(patient.birth_date, date | None)
    assert_type(patient.created_at, datetime | None)
    assert_type(patient.care_team, tuple[CareTeamMember, ...] | None)
    assert_type(patient.extra, Mapping[str, Any])
    assert_type(to_wire(patient), dict[str, Any])
    assert_type(answer_of(patient), Answer)


def errors(error: RequestError, limited: RateLimitedError) -> None:
    assert_type(error.status, int | None)
    assert_type(error.error_codes, tuple[str, ...])
    assert_type(error.request.template, str)
    assert_type(error.safe_to_repeat, bool)
    assert_type(limited.retry_after, float | None)
