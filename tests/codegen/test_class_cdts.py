"""CDT records as objects of the caller's own classes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import attrs
import cattrs
import pytest
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn
from pydantic import BaseModel

from welkin_async import DecodeError, InvalidInputError, NotFoundError, Welkin
from welkin_async.sandbox import Sandbox
from welkin_async.typed import plain_converter


@attrs.frozen
class Medication:
    medication_name: str
    icd_10: str | None = None
    start: datetime | None = None
    id: str | None = None
    patient_id: str | None = None
    created_at: datetime | None = None


@dataclass
class Vitals:
    systolic: int
    position: str | None = None


class Checked(BaseModel):
    medication_name: str
    medication_refills: int | None = None


def converter() -> cattrs.Converter:
    made = plain_converter()
    renamed: Any = {"icd_10": cattrs.override(rename="icd-10")}
    made.register_structure_hook(Medication, make_dict_structure_fn(Medication, made, **renamed))
    made.register_unstructure_hook(Medication, make_dict_unstructure_fn(Medication, made, **renamed))
    made.register_structure_hook_func(
        lambda kind: isinstance(kind, type) and issubclass(kind, BaseModel),
        lambda value, kind: kind.model_validate(value),
    )
    made.register_unstructure_hook_func(lambda kind: issubclass(kind, BaseModel), lambda value: value.model_dump())
    return made


async def test_objects_go_there_and_back(server: Sandbox, connect: Any) -> None:
    patient = server.store.add_patient()["id"]
    moment = datetime(2024, 5, 1, tzinfo=UTC)
    async with connect(server, converter=converter(), check="strict") as welkin:
        medications = welkin.patient(patient).cdts("medication", Medication)
        made = await medications.create(Medication("Tylenol", "E11", moment, id="not sent"))
        assert attrs.evolve(made, id=None, created_at=None) == Medication("Tylenol", "E11", moment, patient_id=patient)
        assert isinstance(made.created_at, datetime)
        assert await medications.get(made.id) == made
        assert (await medications.update(made.id, {"icd-10": "E12"})).icd_10 == "E12"
        again = await medications.update(made.id, attrs.evolve(made, medication_name="Aspirin"))
        assert (again.medication_name, again.icd_10) == ("Aspirin", "E11")
        assert await medications.list() == (again,)
        assert [each async for each in medications.list(size=1)] == [again]
        assert await medications.list().total() == 1
        checked = welkin.with_options(timeout=5.0).patient(patient).cdts("medication", Checked)
        assert (await checked.create(Checked(medication_name="A", medication_refills=2))).medication_refills == 2
        await medications.delete(again.id)
        with pytest.raises(NotFoundError):
            await medications.get(again.id)


async def test_dataclasses_are_known_without_a_converter(welkin: Welkin, server: Sandbox) -> None:
    patient = server.store.add_patient()["id"]
    vitals = welkin.patient(patient).cdts("vitals", Vitals)
    assert await vitals.create(Vitals(120, "sitting")) == Vitals(120, "sitting")


async def test_what_does_not_fit_is_said_without_a_value(server: Sandbox, connect: Any) -> None:
    patient = server.store.add_patient()["id"]
    async with connect(server, converter=converter()) as welkin:
        await welkin.patient(patient).cdts("medication").create({"medication_refills": 77})
        for kind in (Medication, Checked):
            records = welkin.patient(patient).cdts("medication", kind)
            with pytest.raises(DecodeError, match=f"the record is no {kind.__name__}") as caught:
                await records.list()
            assert caught.value.__cause__ is caught.value.__context__ is None
            with pytest.raises(InvalidInputError, match="no mapping of a str"):
                await records.create("text")
        assert len(server.store.cdt_records("medication")) == 1
