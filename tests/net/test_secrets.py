"""Nothing that identifies a person, and no credential, in any log, repr, error text or traceback."""

from __future__ import annotations

import asyncio
import gc
import logging
import pickle
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import datetime
from typing import Any

import attrs
import pytest

from welkin_async import Attempt, Page, Pager, RateLimitedError, Welkin, WelkinError, bulk
from welkin_async.bulk import CdtRow
from welkin_async.resources.cdts import CREATE_CDT
from welkin_async.sandbox import Fault, FaultKind, Sandbox
from welkin_async.wire.records import Record

from .helpers import RawServer, always, connect, free_port, http, other_tasks

SECRET = "s3cr3t+}{#%;"
NAME, SURNAME, DOSE, EMAIL, PHONE = "Charlotte", "Tailorson", "80mgTwiceDaily", "char@tail.example", "+15550199"
KEY, QUERY = "row-of-Charlotte", "looking-for-Tailorson"
CARER = "7f2cbb26-5b6b-4a8a-9b1b-3a0c4d5e6f70"
WORDS = [SECRET, "s3cr3t", NAME, SURNAME, DOSE, EMAIL, PHONE, KEY, QUERY, "pa55"]


@attrs.define
class Findings:
    """Every text the package made, and what must not be in it."""

    words: list[str] = attrs.field(factory=lambda: list(WORDS))
    texts: list[tuple[str, str]] = attrs.field(factory=list)

    def text(self, where: str, text: str) -> None:
        self.texts.append((where, text))

    def shows(self, *values: object) -> None:
        for value in values:
            self.text(f"repr of {type(value).__name__}", repr(value))
            self.text(f"str of {type(value).__name__}", f"{value} {value!s}")

    def error(self, error: BaseException) -> None:
        self.text("traceback", "".join(traceback.format_exception(error)))
        kept = dict(pickle.loads(pickle.dumps(error)).__dict__)
        kept.pop("error_codes", None)  # documented to be kept, as the server wrote them
        self.text("pickle", repr(kept))
        seen: set[int] = set()
        pending: list[BaseException | None] = [error]
        while pending:
            each = pending.pop()
            if each is None or id(each) in seen:
                continue
            seen.add(id(each))
            self.text(f"chain of {type(error).__name__}: {type(each).__name__}", f"{each!r} {each} {each.args}")
            self.text("notes", " ".join(getattr(each, "__notes__", ())))
            pending += [each.__cause__, each.__context__]

    def check(self) -> None:
        leaks = [(where, word, text) for where, text in self.texts for word in self.words if word in text]
        assert not leaks, "\n".join(f"{word!r} in {where}: {text[:2000]}" for where, word, text in leaks[:5])


@pytest.fixture
async def debugging() -> AsyncIterator[None]:
    """The loop's debug mode, with every callback slow enough to be shown."""
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0.0
    yield
    loop.set_debug(False)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Every record of every logger."""
    caplog.set_level(logging.DEBUG)
    for name in ("asyncio", "aiohttp", "aiohttp.client", "aiohttp.internal", "welkin_async", "filelock"):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


async def caught(findings: Findings, call: Coroutine[Any, Any, Any]) -> BaseException | None:
    """Take a call's result or error apart."""
    try:
        value = await call
    except Exception as error:
        findings.error(error)
        return error
    findings.shows(value)
    if isinstance(value, Record):
        findings.shows(value._answer)
    return None


def rows(patient: str) -> Iterator[CdtRow]:
    for index in range(30):
        yield CdtRow(patient, {"medication_dose": DOSE, "external_id": f"{NAME}-{index}"}, KEY)
    yield CdtRow(patient, {"medication_dose": datetime(2024, 1, 1)}, KEY)
    yield CdtRow(patient, {"medication_refills": DOSE}, KEY)
    yield CdtRow(f"{NAME}/..", {"medication_dose": DOSE}, KEY)
    yield CdtRow("", {"medication_dose": DOSE}, KEY)
    yield NAME  # type: ignore[misc]


FAULTS: list[dict[str, Any]] = [
    {"kind": FaultKind.RESET_BEFORE},
    {"kind": FaultKind.RESET_AFTER},
    {"kind": FaultKind.STALL_AFTER, "delay": 0.15},
    {"kind": FaultKind.TRUNCATED},
    {"kind": FaultKind.GARBAGE},
    {"kind": FaultKind.EMPTY},
    {"kind": FaultKind.STATUS, "status": 500, "body": f'[{{"errorCode": "{NAME}", "message": "{SURNAME}"}}]'.encode()},
    {"kind": FaultKind.STATUS, "status": 302, "headers": {"Location": f"https://evil.example/{NAME}"}},
    {"kind": FaultKind.STATUS, "status": 409, "body": f"<html>{NAME} {SURNAME}".encode()},
    {"kind": FaultKind.STATUS, "status": 200, "body": f'{{"id": ["{NAME}"], "firstName": 5}}'.encode()},
    {"kind": FaultKind.STATUS, "status": 200, "body": f"[{NAME}".encode()},
]
THROTTLES: list[dict[str, Any]] = [
    {"kind": FaultKind.STATUS, "status": 429, "retry_after": 5, "body": NAME.encode()},
    {"kind": FaultKind.STATUS, "status": 503, "retry_after": 5, "body": NAME.encode()},
]


async def test_a_broad_scenario(
    debugging: None, logged: pytest.LogCaptureFixture, swift: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = Findings()
    attempts: list[Attempt] = []
    async with Sandbox(secret_key=SECRET) as server:
        welkin = await connect(
            server, secret_key=SECRET, timeout=0.1, max_attempts=2, on_attempt=attempts.append
        ).open()
        fields: dict[str, Any] = {
            "first_name": NAME, "last_name": SURNAME, "email": EMAIL, "phone": PHONE, "external_id": KEY,
            "care_team": [{"id": CARER}], "patient_territories": [{"name": SURNAME, "territories": [DOSE]}],
        }  # fmt: skip
        made = await welkin.patients.create(**fields)
        patient = made.id
        token = welkin.transport.tokens.current()
        assert token is not None
        findings.words += [patient, CARER, token.value, token.value.split(".")[2]]
        medications = welkin.patient(patient).cdts("medication")
        drug = await medications.create({"medication_dose": DOSE})
        findings.words.append(drug.id)
        assert made.care_team
        findings.shows(made, drug, made.care_team, drug._answer, token, server)

        calls: list[Callable[[], Coroutine[Any, Any, Any]]] = [
            lambda: welkin.patients.create(**fields),
            lambda: welkin.patients.get(patient),
            lambda: welkin.patients.get(NAME, type="EID"),
            lambda: welkin.patients.update(patient, email=EMAIL),
            lambda: welkin.patients.delete(patient),
            lambda: first(welkin.patients.list(query=QUERY, email=EMAIL)),
            lambda: first(welkin.patients.search({"name": NAME})),
            lambda: medications.create({"medication_dose": DOSE}),
            lambda: medications.create({"medication_refills": DOSE}),
            lambda: medications.get(NAME),
            lambda: medications.update(drug.id, {"medication_dose": DOSE}),
            lambda: medications.bulk_update({drug.id: {"medication_dose": DOSE}}),
            lambda: medications.delete(f"{drug.id}{NAME}"),
            lambda: first(medications.list(filters={"medication_dose": DOSE})),
            lambda: welkin.users.get(EMAIL, type="EMAIL"),
            lambda: welkin.request("GET", "/{tenant}/{instance}/patients/{id}", path={"id": NAME}, query={"q": QUERY}),
            lambda: welkin.request("POST", "/{tenant}/{instance}/patients", json={"firstName": NAME}),
        ]
        for call in calls:
            await caught(findings, call())
        for fault in FAULTS:
            for call in calls[:8]:
                server.faults.clear()
                server.faults.add(Fault(**fault))
                for _ in range(5):  # on a busy machine a call may be over before the server has seen it
                    await caught(findings, call())
                    if not server.faults.unmet():
                        break
                assert server.faults.unmet() == []
        for fault in THROTTLES:
            # Each on a session of its own, as a pace that follows is for all of a session.
            server.faults.clear()
            server.faults.add(Fault(**fault))
            async with connect(server, secret_key=SECRET, max_wait=0.0) as throttled:
                assert isinstance(await caught(findings, throttled.patients.get(patient)), RateLimitedError)
            assert server.faults.unmet() == []
        server.faults.clear()
        for bad in (
            lambda: medications.create({"medication_dose": [NAME, float("nan")]}),
            lambda: medications.create({"medication_dose": f"{NAME}\ud800"}),
            lambda: medications.create({"medication_dose": Findings}),
            lambda: medications.create({"medication_dose": datetime(2024, 1, 1)}),
            lambda: medications.create({"medication_dose": 10**40}),
            lambda: welkin.patients.get(f"{NAME}\ud800"),
            lambda: first(welkin.users.list(territories=[f"{NAME},x"])),
            lambda: first(medications.list(filters={NAME: DOSE, SURNAME: DOSE})),
            lambda: first(medications.list(fields=[f"{NAME}\ud800"])),
        ):
            assert isinstance(await caught(findings, bad()), WelkinError)
        await caught(findings, unreadable_fields(welkin, patient))

        await stream(findings, welkin, server, patient)
        request = welkin.scope.request(
            CREATE_CDT, patient_id=patient, cdt_name=NAME, body={"a": DOSE}, query={"q": QUERY}
        )
        scope = welkin.scope
        findings.shows(
            welkin, welkin.settings, scope, scope.params, request, request.operation, medications, welkin.patients,
            welkin.patient(patient), welkin.users, welkin.calendar, welkin.calendar.work_hours, welkin.formations(),
            welkin.formations().cdts, welkin.transport, welkin.transport.tokens, welkin.transport.limiter,
            welkin.settings.token_store, CdtRow(patient, {"a": DOSE}, KEY), attempts,
            *other_tasks(),
        )  # fmt: skip
        server.latency = 0.1
        cut = asyncio.create_task(welkin.patients.create(**fields))
        await asyncio.sleep(0.05)
        findings.shows(cut, *other_tasks())
        cut.cancel()
        await asyncio.gather(cut, return_exceptions=True)
        hanging = asyncio.create_task(caught(findings, medications.create({"medication_dose": DOSE})))
        await asyncio.sleep(0.05)
        await welkin.aclose()
        await hanging
        await caught(findings, welkin.patients.get(patient))
        findings.shows(welkin, cut, hanging)
    gc.collect()
    assert len(attempts) > 150
    assert len([record for record in logged.records if record.name == "welkin_async"]) >= len(attempts)
    for record in logged.records:
        if "RequestHandler" in record.getMessage():
            continue  # the server of this test, which runs on the same loop
        findings.text(f"log of {record.name}", logged.handler.format(record))
        findings.text(f"log of {record.name}", f"{record.msg} {record.args!r}")
    assert len(findings.texts) > 1000
    findings.check()


async def first(pager: Pager[Any]) -> Page[Any]:
    return await pager


async def unreadable_fields(welkin: Welkin, patient: str) -> None:
    """Fields of the wrong type are found when they are read, and not quoted."""
    body = {"id": patient, "birthDate": NAME, "careTeam": [{"id": 5}], "createdAt": DOSE, "firstName": [SURNAME]}
    async with RawServer(always(http(200, body))) as server, connect(server) as session:
        found = await session.patients.get(patient)
        errors = []
        for name in ("birth_date", "created_at", "first_name"):
            try:
                getattr(found, name)
            except WelkinError as error:
                errors.append(error)
        assert len(errors) == 3
        raise ExceptionGroup("unreadable", errors)


async def stream(findings: Findings, welkin: Welkin, server: Sandbox, patient: str) -> None:
    for fault in FAULTS[:7]:
        server.faults.add(Fault(**{**fault, "operation": "cdts.create", "after": 2}))
    async with bulk.stream_cdt_records(welkin, "medication", rows(patient), concurrency=8) as outcomes:
        findings.shows(outcomes, outcomes._engine, outcomes._queue, *other_tasks())
        async for outcome in outcomes:
            findings.shows(outcome, outcome.record, outcome.error, outcome.status)
            if isinstance(outcome.row, CdtRow):
                findings.shows(outcome.row)
            if outcome.error is not None:
                findings.error(outcome.error)
        findings.shows(outcomes.report, outcomes.unfinished)
    server.faults.clear()
    await caught(findings, bulk.create_cdt_records(welkin, "medication", rows(patient), fail_fast=True))
    await caught(findings, bulk.create_cdt_records(welkin, NAME, rows(patient)))


async def test_credentials_that_are_refused(
    debugging: None, logged: pytest.LogCaptureFixture, server: Sandbox, swift: None
) -> None:
    findings = Findings()
    async with connect(server, secret_key=SECRET) as welkin:
        assert await caught(findings, welkin.patients.get(NAME)) is not None
        findings.shows(welkin, welkin.settings, welkin.transport.tokens)
    reflecting = http(400, {"sent": {"secret": SECRET}, "errorCode": SECRET})
    async with RawServer(always(reflecting), tokens=False) as raw, connect(raw, secret_key=SECRET) as welkin:
        error = await caught(findings, welkin.patients.get(NAME))
        assert isinstance(error, WelkinError)
        findings.text("attributes", repr(vars(error)))
    for answer in (http(200, {"token": f"{SECRET}\n"}), http(200, {"secret": SECRET}), http(500, {"secret": SECRET})):
        async with RawServer(always(answer), tokens=False) as raw, connect(raw, secret_key=SECRET) as welkin:
            error = await caught(findings, welkin.patients.get(NAME, max_attempts=1))
            assert isinstance(error, WelkinError)
            findings.text("attributes", repr(vars(error)))
    proxy = f"http://user:pa55@127.0.0.1:{free_port()}"
    async with connect(server, secret_key=SECRET, proxy=proxy, max_attempts=1) as welkin:
        assert await caught(findings, welkin.patients.get(NAME)) is not None
        findings.shows(welkin.settings)
    gc.collect()
    findings.text("log", logged.text)
    findings.check()
