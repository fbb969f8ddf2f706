"""Typed CDTs against the local server: what is written comes back, typed, from single calls and from bulk ones."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from welkin_async import InvalidInputError, NotFoundError, Welkin, answer_of, bulk, to_wire
from welkin_async.bulk import CdtChange, CdtRow, Status
from welkin_async.sandbox import Fault, FaultKind, Sandbox
from welkin_async.typed import formation_fields

from .formations import EVERY_TYPE, every_type

MOMENT = datetime(2024, 5, 1, 9, 30, tzinfo=UTC)
FIELDS: dict[str, Any] = {
    "title": "T",
    "remarks": "two\nlines",
    "e_mail": "a@x.org",
    "phone_number": "+1 555 0100",
    "count": 3,
    "confirmed": True,
    "date": date(2024, 5, 1),
    "measured_at": MOMENT,
    "status": "on hold",
    "priority": 2,
    "tags": ("a", "c"),
    "allergies": ["nuts"],
    "class_": "I",
    "version_": "v",
    "str_": "s",
    "icd_10_": "E11",
    "icd_10": "E12",
}


@pytest.fixture
def cdts(tmp_path: Path) -> ModuleType:
    return every_type(tmp_path)


@pytest.fixture
def patient(server: Sandbox) -> str:
    server.store.define_cdt("every-type", EVERY_TYPE)
    return str(server.store.add_patient()["id"])


async def test_every_type_of_field_goes_there_and_back(welkin: Welkin, patient: str, cdts: ModuleType) -> None:
    records = welkin.patient(patient).cdts(cdts.EveryType)
    assert type(records) is cdts.EveryTypeCdts
    made = await records.create(cdts.EveryType.New(**FIELDS))
    by_keywords = await records.create(**FIELDS, external_id="own", timeout=5.0)
    for record in (made, by_keywords, await records.get(made.id), *(await records.list()).items):
        assert type(record) is cdts.EveryType
        assert {name: getattr(record, name) for name in FIELDS} == FIELDS
        assert record.computed is None
        assert record.created_at is not None
        assert record.patient_id == patient
        assert record["icd-10"] == "E11"
        assert record.version == 1  # of the formation, not the customer's own field
    assert by_keywords.external_id == "own"
    assert answer_of(made).status == 201
    assert to_wire(made)["jsonBody"]["measuredAt"] == "2024-05-01T09:30:00.000Z"


async def test_a_change_sends_exactly_what_is_given(welkin: Welkin, patient: str, cdts: ModuleType) -> None:
    records = welkin.patient(patient).cdts(cdts.EveryType)
    made = await records.create(**FIELDS)
    changed = await records.update(made.id, status="active", remarks=None)
    assert (changed.status, changed.remarks, changed.title) == ("active", None, "T")
    again = await records.update(made.id, cdts.EveryType.Changes(icd_10_="E13"), max_attempts=1)
    assert (again.icd_10_, again.icd_10, again.status) == ("E13", "E12", "active")
    await records.delete(made.id)
    with pytest.raises(NotFoundError):
        await records.get(made.id)


async def test_what_does_not_fit_is_refused_before_anything_is_sent(
    welkin: Welkin, server: Sandbox, patient: str, cdts: ModuleType
) -> None:
    records = welkin.patient(patient).cdts(cdts.EveryType)
    new = cdts.EveryType.New(title="T")
    for refused in (
        records.create(titel="T"),
        records.create(),
        records.create(new, title="T"),
        records.update("r", computed=4),
    ):
        with pytest.raises(TypeError):
            await refused
    with pytest.raises(TypeError):
        cdts.EveryType.New()
    for given in ({"title": "T"}, cdts.EveryType.Changes()):
        with pytest.raises(InvalidInputError):
            await records.create(given)
    assert server.store.cdt_records("every-type") == []


@pytest.mark.slow
async def test_bulk_takes_fields_and_gives_records_of_the_class(
    welkin: Welkin, server: Sandbox, patient: str, cdts: ModuleType
) -> None:
    record = cdts.EveryType
    rows = [CdtRow(patient, record.New(title=f"T{n}", count=n), key=f"k{n}") for n in range(10)]
    # One answer is lost, so that its record is found by a look-up instead.
    server.faults.add(Fault(FaultKind.RESET_AFTER, operation="cdts.create", times=1))
    options: dict[str, Any] = {"key_field": "external_id", "settle": 0.05, "final_settle": 0.0}
    async with bulk.stream_cdt_records(welkin, record, rows, **options) as outcomes:
        found = [outcome async for outcome in outcomes]
    assert not server.faults.unmet()
    assert {outcome.status for outcome in found} == {Status.CREATED}
    assert [outcome.adopted for outcome in found].count(True) == 1
    assert {type(outcome.record) for outcome in found} == {record}
    assert sorted(outcome.record.count for outcome in found if outcome.record) == list(range(10))
    changes = [CdtChange(patient, each.record.id, record.Changes(count=1)) for each in found if each.record]
    async with bulk.stream_cdt_updates(welkin, record, changes) as updates:
        assert {(type(each.record), each.record.count) async for each in updates if each.record} == {(record, 1)}
    upserted = [CdtRow(patient, record.New(title="T0", count=5), key="k0")]
    async with bulk.stream_cdt_upserts(welkin, record, upserted, final_settle=0.0) as upserts:
        assert [(each.status, each.record.count) async for each in upserts if each.record] == [(Status.UPDATED, 5)]
    assert (await bulk.delete_cdt_records(welkin, record, [bulk.CdtRef(patient, changes[0].record_id)])).deleted == 1
    # One whose field another CDT has is refused by the formation, as a mapping would be.
    report = await bulk.create_cdt_records(welkin, record, [CdtRow(patient, {"nothing": 1})])
    assert report.failed == 1


def test_nothing_of_a_patient_is_shown(cdts: ModuleType) -> None:
    new = cdts.EveryType.New(**FIELDS)
    record = cdts.EveryType.from_wire({"id": "r", "jsonBody": {"title": "T-secret"}})
    for shown in (repr(new), str(new), repr(record), str(record), repr(cdts.EveryType.Changes(title="T"))):
        assert not any(str(value) in shown for value in ("on hold", "a@x.org", "T-secret", "E11"))
    assert repr(new) == "<EveryType.New of 17 fields>"


def test_fields_are_a_mapping_by_the_cdts_own_names(cdts: ModuleType) -> None:
    new = cdts.EveryType.New(title="T", icd_10_=None)
    assert new == {"title": "T", "icd-10": None}
    assert (new.title, new.icd_10_, new.status) == ("T", None, None)
    assert "icd_10" not in new
    assert copy.deepcopy(new) == new == pickle.loads(pickle.dumps(new))
    with pytest.raises(AttributeError):
        new.title = "U"


def test_the_sandbox_takes_the_fields_of_a_class(server: Sandbox, cdts: ModuleType) -> None:
    defined = server.store.define_cdt("again", formation_fields(cdts.EveryType))
    original = server.store.define_cdt("every-type", EVERY_TYPE)
    keys = ("name", "type", "editable", "searchable", "bulkEdit", "phi")

    def shape(definition: dict[str, Any]) -> list[Any]:
        return [[*(each[key] for key in keys), each["meta"]["required"]] for each in definition["fields"]]

    assert shape(defined) == shape(original)
