"""Single creates and changes of CDT records, profiles and patients, held against what may be written."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import Any

import pytest

from welkin_async import BadRequestError, ConfigurationError, InvalidInputError, NotFoundError, Welkin
from welkin_async.models.formations import CdtFormation
from welkin_async.sandbox import Fault, FaultKind, Sandbox
from welkin_async.validation.field_checks import FieldChecks

MISSPELT = {"medication_nam": "Aspirin"}


def on(server: Sandbox, **settings: Any) -> Welkin:
    names: dict[str, Any] = {"tenant": server.tenant, "instance": server.instance, "api_client": server.api_client}
    return Welkin(**names, secret_key=server.secret_key, base_url=server.base_url, **settings)


def reads(server: Sandbox) -> int:
    return sum(entry.operation == "formation_cdts.get" for entry in server.stats.log)


async def test_a_misspelt_field_is_warned_of_once(server: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    patient = server.store.add_patient()["id"]
    async with on(server) as welkin:
        medications = welkin.patient(patient).cdts("medication")
        for _ in range(3):
            await medications.create(MISSPELT)
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ["medication: medication_nam: expected a field of medication (perhaps medication_name)"]
    assert reads(server) == 1


async def test_a_misspelt_field_is_refused_before_anything_is_sent(server: Sandbox) -> None:
    patient = server.store.add_patient()["id"]
    async with on(server, check="strict") as welkin:
        medications = welkin.patient(patient).cdts("medication")
        for fields in (MISSPELT, {"medication_refills": "many", **MISSPELT}):
            with pytest.raises(InvalidInputError, match="perhaps medication_name"):
                await medications.create(fields)
            with pytest.raises(InvalidInputError, match="perhaps medication_name"):
                await medications.update("r1", fields)
            with pytest.raises(InvalidInputError, match="perhaps medication_name"):
                await medications.bulk_update({"r1": fields})
        made = await medications.create({"medication_name": "Aspirin"})
        assert (await medications.update(made.id, {"medication_refills": 2})).fields["medication_refills"] == 2
        assert len([record async for record in medications.list()]) == 1


async def test_off_does_not_look(server: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    patient = server.store.add_patient()["id"]
    async with on(server, check="off") as welkin:
        await welkin.patient(patient).cdts("medication").create(MISSPELT)
    assert reads(server) == 0
    assert not [record for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize("status", [403, 404, 429, 500, 200])
async def test_a_formation_that_cannot_be_read_never_fails_a_create(server: Sandbox, status: int) -> None:
    patient = server.store.add_patient()["id"]
    server.faults.add(Fault(FaultKind.STATUS, "formation_cdts.get", status=status, times=None, body=b"5"))
    async with on(server, check="strict") as welkin:
        for _ in range(3):
            await welkin.patient(patient).cdts("medication").create(MISSPELT)
    assert reads(server) == 1


async def test_many_creates_at_once_read_it_once(server: Sandbox) -> None:
    patient = server.store.add_patient()["id"]
    async with on(server) as welkin:
        medications = welkin.patient(patient).cdts("medication")
        await asyncio.gather(*(medications.create({"medication_name": "Aspirin"}) for _ in range(20)))
        await welkin.with_options(timeout=5.0).patient(patient).cdts("medication").create(MISSPELT)
    assert reads(server) == 1


async def test_a_profile_is_held_against_its_formation(server: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    patient = server.store.add_patient()["id"]
    async with on(server) as welkin:
        profiles = welkin.patient(patient).pdts("insurance")
        made = await profiles.create({"payr": "x"})
        with pytest.raises(BadRequestError):
            await profiles.update(made.id, {"payr": "y", "payer": 5})
        await profiles.create({"payer": "x"})
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "profile insurance: payr: expected a field of insurance (perhaps payer)",
        "profile insurance: payer: expected text; got int",
    ]
    assert sum(entry.operation == "formation_pdts.get" for entry in server.stats.log) == 1
    async with on(server, check="strict") as welkin:
        profiles = welkin.patient(patient).pdts("insurance")
        with pytest.raises(InvalidInputError, match="perhaps payer"):
            await profiles.create({"payr": "x"})
        with pytest.raises(InvalidInputError, match="perhaps payer"):
            await profiles.update(made.id, {"payr": "x"})
        assert len([record async for record in profiles.list()]) == 2


async def test_a_profile_and_a_cdt_of_one_name_are_two(server: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    patient = server.store.add_patient()["id"]
    server.faults.add(Fault(FaultKind.STATUS, "formation_cdts.get", status=404, times=None))
    async with on(server, check="strict") as welkin:
        with contextlib.suppress(NotFoundError):
            await welkin.patient(patient).cdts("insurance").create({"payr": "x"})
        with pytest.raises(InvalidInputError, match="perhaps payer"):
            await welkin.patient(patient).pdts("insurance").create({"payr": "x"})
    assert sum("could not be read" in record.getMessage() for record in caplog.records) == 1


async def test_a_mapping_of_a_patient_is_held_against_the_documented_fields(
    server: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    async with on(server) as welkin:
        made = await welkin.patients.create({"firstName": "Dana", "lastName": "Reyes", "first_name": "Dana"})
        await welkin.patients.update(made.id, {"first_name": "Eve", "id": "x"})
        read = await welkin.patients.get(made.id)
        await welkin.patients.update(made.id, read)
        await welkin.patients.update(made.id, zip="12345", birth_date=None)
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "patients: first_name: expected a field of a patient (perhaps firstName)",
        "patients: id: expected no value, the field is read-only; got str",
    ]
    async with on(server, check="strict") as welkin:
        with pytest.raises(InvalidInputError, match="perhaps firstName"):
            await welkin.patients.create({"firstName": "Dana", "lastName": "Reyes", "first_name": "Dana"})
        with pytest.raises(InvalidInputError, match="lastName: expected a value"):
            await welkin.patients.create({"firstName": "Dana"})
        with pytest.raises(InvalidInputError, match="perhaps firstName"):
            await welkin.patients.update(made.id, {"first_name": "Eve"})
        await welkin.patients.update(made.id, {"firstName": "Eve"})
        assert len([record async for record in welkin.patients.list()]) == 1
    async with on(server, check="off") as welkin:
        await welkin.patients.update(made.id, {"first_name": "Eve"})


async def test_what_a_formation_refuses_that_is_a_minute_old_is_asked_again() -> None:
    now = 0.0
    names = ["a"]
    read = 0

    async def formation() -> CdtFormation:
        nonlocal read
        read += 1
        return CdtFormation.from_wire({"id": "f", "name": "m", "fields": [{"name": name} for name in names]})

    checks = FieldChecks("strict", clock=lambda: now)
    await checks.judge("m", {"a": 1}, formation)
    names.append("b")
    with pytest.raises(InvalidInputError):
        await checks.judge("m", {"b": 1}, formation)
    now = 100.0
    await checks.judge("m", {"a": 1}, formation)
    assert read == 1
    await checks.judge("m", {"b": 1}, formation)
    assert read == 2


def test_a_check_that_there_is_none_of() -> None:
    with pytest.raises(ConfigurationError, match="strict, warn or off"):
        Welkin(tenant="a", instance="b", api_client="c", secret_key="d", check="hard")  # type: ignore[arg-type]


ONE_TEXT: dict[str, tuple[str, str]] = {
    "documents.create": ("patient('p').documents.create({})", "type"),
    "chat.send_inbound": ("patient('p').chat.send_inbound({})", "message"),
    "overview": ("patient('p').care_plan.create_overview({})", "overview"),
    "another overview": ("patient('p').care_plan.update_overview({})", "overview"),
    "goal": ("patient('p').care_plan.create_goal({})", "goalTemplateName"),
    "goal comment": ("patient('p').care_plan.add_goal_comment('g', {})", "text"),
    "comment": ("patient('p').encounter('e').comments.create({})", "text"),
    "another comment": ("patient('p').encounter('e').comments.update('c', {})", "text"),
    "encounter assessment": ("patient('p').encounter('e').assessments.create({})", "assessmentName"),
    "assessment": ("patient('p').assessment_records.create({})", "assessmentName"),
    "task comment": ("tasks.add_comment('t', {})", "text"),
    "phase": ("patient('p').programs.change_phase('n', {})", "phaseName"),
}


@pytest.mark.parametrize("call", ONE_TEXT)
async def test_a_verb_of_one_text_takes_the_documented_mapping_too(call: str) -> None:
    expression, name = ONE_TEXT[call]
    sent: list[Any] = []

    async def send(request: Any) -> Any:
        sent.append(json.loads(request.body))
        raise LookupError

    async with Welkin(
        tenant="a", instance="b", api_client="c", secret_key="d", base_url="http://127.0.0.1:1"
    ) as welkin:
        welkin.transport.send = send  # type: ignore[method-assign, assignment]
        for given in ("a text", {name: "a text"}, {name: "a text", "more": 1}):
            with pytest.raises(LookupError):
                await eval(f"welkin.{expression.format(repr(given))}")
        for wrong in ({"other": "a text"}, 5, b"a text", ["a text"]):
            with pytest.raises(InvalidInputError, match=name):
                await eval(f"welkin.{expression.format(repr(wrong))}")
    assert sent == [{name: "a text"}, {name: "a text"}, {name: "a text", "more": 1}]
