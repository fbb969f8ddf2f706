"""Patients in bulk: each there once, or named."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import pytest
from conftest import Connect

from welkin_async import Welkin, bulk
from welkin_async.bulk.keys.patient_keys import PatientKeys
from welkin_async.models.patients import Patient
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .helpers import Killed, statuses, taken, trouble, until

FAST: dict[str, Any] = {"key_field": "external_guid", "settle": 0.4, "final_settle": 0.4}


def rows(count: int) -> list[bulk.PatientRow]:
    return [
        bulk.PatientRow({"firstName": f"First {number}", "lastName": "Last"}, key=f"row-{number}")
        for number in range(count)
    ]


def guids(server: Sandbox) -> Counter[str]:
    return Counter(patient["externalGuid"] for patient in server.store.patients.values())


async def test_every_patient_is_there_once_under_faults(server: Sandbox, connect: Connect) -> None:
    trouble(server, "patients.create", 0.10, 300)
    server.faults.add(
        Fault(kind=FaultKind.STATUS, status=503, operation="patients.get", times=None, probability=0.1),
        Fault(kind=FaultKind.RESET_BEFORE, operation="patients.get", times=None, probability=0.1),
        Fault(kind=FaultKind.STALL_AFTER, operation="patients.create", after=150, delay=1.2),
    )
    source = rows(300)
    async with connect(server, timeout=0.8) as welkin:
        stream = bulk.stream_patients(welkin, source, **FAST)
        outcomes = await taken(stream)
    assert not server.faults.unmet()
    assert set(statuses(outcomes)) == {"created"}
    assert stream.report.adopted > 0
    assert not stream.doubles
    assert guids(server) == Counter(str(uuid5(NAMESPACE_URL, row.key or "")) for row in source)
    assert {outcome.record.id for outcome in outcomes if outcome.record} == set(server.store.patients)


async def test_keys_are_used_as_they_are_where_they_are_uuids(server: Sandbox, welkin: Welkin) -> None:
    own, key = uuid4(), str(uuid4())
    source = [
        bulk.PatientRow({"firstName": "A", "lastName": "B", "externalGuid": str(own).upper()}, key="mine"),
        bulk.PatientRow(Patient(first_name="C", last_name="D", birth_date=date(1990, 2, 3)), key=key.upper()),
        bulk.PatientRow({"firstName": "E", "lastName": "F"}, key="MRN 17"),
    ]
    outcomes = await taken(bulk.stream_patients(welkin, source, ordered=True, **FAST))
    assert [outcome.altered for outcome in outcomes] == [(), (), ()]
    assert [outcome.row for outcome in outcomes] == source
    held = [UUID(guid) for guid in guids(server)]
    assert held == [own, UUID(key), uuid5(NAMESPACE_URL, "MRN 17")]
    assert [patient["birthDate"] for patient in server.store.patients.values()][1] == "1990-02-03T00:00:00.000Z"


async def test_rows_that_cannot_be_sent_fail_alone(server: Sandbox, welkin: Welkin) -> None:
    names = {"firstName": "A", "lastName": "B"}
    source: list[Any] = [
        bulk.PatientRow(names),
        bulk.PatientRow({**names, "externalGuid": "17"}),
        bulk.PatientRow({**names, "firstname": "A"}, key="a"),
        bulk.PatientRow({**names, "id": "x"}, key="b"),
        bulk.PatientRow({"firstName": "A"}, key="c"),
        bulk.PatientRow({**names, "birthDate": "3.2.1990"}, key="d"),
        bulk.PatientRow([("firstName", "A")], key="e"),  # type: ignore[arg-type]
        "row",
        bulk.PatientRow({**names, "careTeam": [{"id": str(uuid5(NAMESPACE_URL, "u"))}], "gender": None}, key="f"),
    ]
    outcomes = await taken(bulk.stream_patients(welkin, source, **FAST))
    assert statuses(outcomes) == ["failed"] * 8 + ["created"]
    errors = {outcome.index: str(outcome.error) for outcome in outcomes}
    assert "needs a key" in errors[0]
    assert "perhaps firstName" in errors[2]
    assert "read-only" in errors[3]
    assert not outcomes[-1].altered
    report = await bulk.create_patients(welkin, source[2:4], check="off")
    assert (report.created, report.altered) == (2, 2)  # the server drops what it does not know, with a 201


async def test_another_patient_with_the_key_is_a_conflict(server: Sandbox, welkin: Welkin) -> None:
    guid = str(uuid5(NAMESPACE_URL, "row-5"))
    server.store.add_patient(externalGuid=guid, firstName="Somebody", lastName="Else")
    server.faults.add(Fault(kind=FaultKind.RESET_BEFORE, operation="patients.create", after=5))
    outcomes = await taken(bulk.stream_patients(welkin, rows(10), concurrency=1, **FAST))
    assert not server.faults.unmet()
    assert statuses(outcomes) == ["created"] * 5 + ["conflict"] + ["created"] * 4
    assert len(server.store.patients) == 10


async def test_without_a_key_field_nothing_is_sent_twice(server: Sandbox, welkin: Welkin) -> None:
    server.faults.add(Fault(kind=FaultKind.RESET_AFTER, operation="patients.create", after=3))
    outcomes = await taken(bulk.stream_patients(welkin, rows(10), ordered=True))
    assert Counter(statuses(outcomes)) == {"created": 9, "unknown": 1}
    assert len(server.store.patients) == 10
    assert server.stats.operations["patients.get"] == 1  # to see whether the server is there, before the first row


async def test_an_answer_without_the_guid_is_not_believed(server: Sandbox, welkin: Welkin) -> None:
    """Nothing says whose it is, so its row is looked for; nothing was created by it, and the row is sent again."""
    answer = {"id": str(uuid4()), "firstName": "First 0", "lastName": "Last"}
    server.faults.add(
        Fault(kind=FaultKind.STATUS, status=201, body=json.dumps(answer).encode(), operation="patients.create")
    )
    report = await bulk.create_patients(welkin, rows(50), concurrency=1, **FAST)
    assert (report.created, report.retried, len(server.store.patients)) == (50, 1, 50)


async def test_a_guid_that_look_ups_do_not_find_stops_the_import(server: Sandbox, welkin: Welkin) -> None:
    unknown = b'[{"errorCode": "PATIENT_NOT_FOUND"}]'
    server.faults.add(Fault(kind=FaultKind.STATUS, status=404, body=unknown, operation="patients.get", times=None))
    with pytest.raises(bulk.ProofError):
        await bulk.create_patients(welkin, (row for row in rows(100_000)), concurrency=1, **FAST)
    assert set(guids(server).values()) == {1}


async def test_a_double_that_hides_behind_the_reported_patient_goes_unseen(server: Sandbox, welkin: Welkin) -> None:
    server.faults.add(Fault(kind=FaultKind.RESET_LATE, operation="patients.create", after=10, delay=0.9))
    stream = bulk.stream_patients(welkin, rows(30), **{**FAST, "final_settle": 1.0})
    outcomes = await taken(stream)
    assert not server.faults.unmet()
    (guid,) = [guid for guid, count in guids(server).items() if count == 2]
    first, _ = [id for id, patient in server.store.patients.items() if patient["externalGuid"] == guid]
    # The server shows the patient that was made first, which is the reported one: the other cannot be seen.
    assert first in {outcome.record.id for outcome in outcomes if outcome.record}
    assert stream.report.doubled == 0


async def test_a_double_that_the_look_up_shows_is_in_the_report(
    server: Sandbox, welkin: Welkin, monkeypatch: pytest.MonkeyPatch
) -> None:
    patients = server.store.sections.patients
    add = patients.add

    def shown_first(fields: Any) -> Any:
        """Of several patients with one key the server finds the one made last."""
        record = add(fields)
        held = patients._index["externalGuid"].get(str(record["externalGuid"]), {})
        for id in [id for id in held if id != record["id"]]:
            held[id] = held.pop(id)
        return record

    monkeypatch.setattr(type(patients), "add", lambda self, fields: shown_first(fields))
    server.faults.add(Fault(kind=FaultKind.RESET_LATE, operation="patients.create", after=10, delay=0.9))
    stream = bulk.stream_patients(welkin, rows(30), **{**FAST, "final_settle": 1.0})
    outcomes = await taken(stream)
    (double,) = stream.doubles
    assert stream.report.doubled == 1
    assert double.reported in {outcome.record.id for outcome in outcomes if outcome.record}
    assert double.ids[0] == double.reported
    assert not double.removed
    assert len(server.store.patients) == 31


async def test_an_outage_pauses_the_import(server: Sandbox, connect: Connect) -> None:
    async def source() -> Any:
        for number, row in enumerate(rows(300)):
            if number == 100:
                server.outage(0.4)
            yield row

    async with connect(server, timeout=2.0) as welkin:
        report = await bulk.create_patients(welkin, source(), concurrency=16, existing="trust", **FAST)
    assert report.created == 300
    assert report.paused > 0.05
    assert set(guids(server).values()) == {1}
    assert len(server.store.patients) == 300


async def test_a_journal_takes_an_import_up(server: Sandbox, connect: Connect, tmp_path: Path) -> None:
    source, journal = rows(300), tmp_path / "journal"
    trouble(server, "patients.create", 0.05, 300)
    async with connect(server) as welkin:
        with pytest.raises(Killed):
            await bulk.create_patients(welkin, until(source, 150), journal=journal, block=20, concurrency=8, **FAST)
        before = len(server.store.patients)
        assert 0 < before <= 150
        report = await bulk.create_patients(welkin, source, journal=journal, **FAST)
        assert report.created + report.skipped == 300
        assert report.skipped >= 100
        again = await bulk.create_patients(welkin, source, journal=journal, **FAST)
    assert not server.faults.unmet()
    assert again.skipped == 300
    assert guids(server) == Counter(str(uuid5(NAMESPACE_URL, row.key or "")) for row in source)


async def test_after_a_kill_only_patients_that_may_have_been_sent_are_in_doubt(
    server: Sandbox, connect: Connect, tmp_path: Path
) -> None:
    """Whether one that is sent again is there twice cannot be told."""
    source, journal, killed = rows(300), tmp_path / "journal", tmp_path / "killed"
    async with connect(server) as welkin:
        async with bulk.stream_patients(welkin, source, journal=journal, concurrency=4, **FAST) as outcomes:
            async for outcome in outcomes:
                if outcome.index == 100:
                    with closing(sqlite3.connect(journal)) as opened, closing(sqlite3.connect(killed)) as kept:
                        opened.backup(kept)
                    break
        report = await bulk.create_patients(welkin, source, journal=killed, concurrency=4, **FAST)
    assert report.created + report.skipped == 300
    assert report.unswept < 60  # twelve are reserved, and the outcomes of the last moments are lost
    assert set(guids(server).values()) == {1}


async def test_a_patient_whose_key_was_changed_is_shown_to_the_final_scan(server: Sandbox, welkin: Welkin) -> None:
    """By its id, as its key finds nobody; else the scan would look for it again and again."""
    record = await welkin.patients.create({"firstName": "A", "lastName": "B", "externalGuid": str(uuid4())})
    key = str(uuid4())
    (found,) = await PatientKeys(welkin.scope.with_sure_refusals()).copies(key, {key: record.id}, 0.0) or ()
    assert found.id == record.id


async def test_options_are_checked(welkin: Welkin) -> None:
    with pytest.raises(TypeError, match="remove_doubles"):
        await bulk.create_patients(welkin, [], remove_doubles=True)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="external_guid"):
        await bulk.create_patients(welkin, [], key_field="external_id")  # type: ignore[arg-type]


async def test_it_can_stop_at_failures(server: Sandbox, welkin: Welkin) -> None:
    bad = [bulk.PatientRow({"lastName": "B"}, key=str(number)) for number in range(100)]
    with pytest.raises(bulk.BulkStoppedError):
        await bulk.create_patients(welkin, bad, fail_fast=True)
    with pytest.raises(bulk.BulkStoppedError) as stopped:
        await bulk.create_patients(welkin, bad, max_failures=5, concurrency=1)
    assert stopped.value.report.failed == 6
