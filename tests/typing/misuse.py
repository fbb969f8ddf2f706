# type: ignore
"""Mistakes a type checker must find, one a line, each marked; `test_types.py` checks it without the line above."""

from __future__ import annotations

from datetime import date, datetime

from welkin_async import Page, Pager, Welkin, files
from welkin_async.models.cdts import CdtRecord
from welkin_async.models.patients import Patient


def use(*_: object) -> None: ...


async def fields(welkin: Welkin, patient: Patient, record: CdtRecord) -> None:
    use(patient.frist_name)  # expect-error
    use(patient.firstName)  # expect-error
    use(record.medication_name)  # expect-error
    patient.first_name = "C"  # expect-error
    Patient(frist_name="C")  # expect-error
    Patient(first_name=5)  # expect-error
    Patient("C")  # expect-error
    Patient(birth_date="1970-01-01")  # expect-error
    await welkin.patients.create(frist_name="C")  # expect-error
    await welkin.patients.create(first_name=5)  # expect-error
    await welkin.patients.create(birth_date="1970-01-01")  # expect-error
    await welkin.patients.create({"firstName": "C"}, first_name="C")  # expect-error
    await welkin.patients.update(first_name="C")  # expect-error
    await welkin.patients.update("p", frist_name="C")  # expect-error
    await welkin.users.create(first_name=None)  # expect-error
    await welkin.users.create(nickname="C")  # expect-error
    name: str = patient.last_name  # expect-error
    born: datetime = patient.birth_date  # expect-error
    use(name, born)


async def from_files(welkin: Welkin) -> None:
    await files.import_records(welkin, "f.csv", cdt="c")  # expect-error
    await files.import_records(welkin, 5, cdt="c", patient="p")  # expect-error
    await files.import_records(welkin, "f.csv", cdt="c", patient="p", jurnal="j")  # expect-error
    await files.import_records(welkin, "f.csv", cdt="c", patient="p", resume="again")  # expect-error
    await files.import_records(welkin, "f.csv", cdt="c", patient="p", mapping={"a": 1})  # expect-error
    await files.delete_records(welkin, "f.csv", cdt="c", patient="p", record="r", mapping={})  # expect-error
    report = await files.import_patients(welkin, "f.csv")
    report.rows = 1  # expect-error


async def filters(welkin: Welkin) -> None:
    welkin.patients.list(emial="c@x.org")  # expect-error
    welkin.patients.list(email=5)  # expect-error
    welkin.patients.list(size="50")  # expect-error
    welkin.patients.list("c@x.org")  # expect-error
    welkin.patients.search(email="c@x.org")  # expect-error
    welkin.users.list(ids="abc", include_deleted="yes")  # expect-error
    welkin.users.list_by_region(north=True)  # expect-error
    medication = welkin.patient("p").cdts("medication")
    medication.list(date_start=date(2024, 1, 1))  # expect-error
    medication.list(date_start="2024-01-01")  # expect-error
    medication.list(filters="status=active")  # expect-error
    medication.list(filter={"status": "active"})  # expect-error
    await welkin.patients.get("p", type="NAME")  # expect-error
    await welkin.patients.get(5)  # expect-error
    await welkin.patients.get(id="p")  # expect-error
    await welkin.users.get("u", type="EGUID")  # expect-error
    await welkin.calendar.work_hours.list(to=datetime.now(), psm_ids=[])  # expect-error
    await welkin.calendar.work_hours.create(psmId="u")  # expect-error
    welkin.formations("old")  # expect-error


async def verbs(welkin: Welkin) -> None:
    medication = welkin.patient("p").cdts("medication")
    await medication.create(dose=5)  # expect-error
    await medication.create("dose")  # expect-error
    await medication.create()  # expect-error
    await medication.update({"dose": 5})  # expect-error
    await medication.replace("r", {"dose": 5})  # expect-error
    await welkin.patients.replace("p", {})  # expect-error
    await medication.delete("r", retries=5)  # expect-error
    welkin.patient(5)  # expect-error
    welkin.patient("p").cdt("medication")  # expect-error
    record: CdtRecord = await welkin.patients.get("p")  # expect-error
    page: Page[CdtRecord] = await welkin.patients.list()  # expect-error
    pager: Pager[CdtRecord] = welkin.patients.list()  # expect-error
    for patient in welkin.patients.list():  # expect-error
        use(patient)
    use(record, page, pager)


def sessions() -> None:
    Welkin("gh")  # expect-error
    Welkin(tennant="gh")  # expect-error
    Welkin(environment="prod")  # expect-error
    Welkin(timeout="5")  # expect-error
    Welkin(token_store={})  # expect-error
    with Welkin():  # expect-error
        pass
