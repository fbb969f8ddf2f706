"""Keys as they are sent, kept and compared: however they are written, a record is found by its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

import pytest

from welkin_async import InvalidInputError, SessionError, bulk
from welkin_async.bulk.keys.cdt_keys import CdtKeys, KeyField, MintedKey, file_key
from welkin_async.models.cdts import CdtRecord
from welkin_async.resources._base.scope import Defaults, Scope, Sender
from welkin_async.sandbox import Fault, FaultKind, Sandbox
from welkin_async.validation.comparison import FieldComparison
from welkin_async.wire.codec import best_codec, stdlib_codec

from .helpers import CDT, FAST, connect


@pytest.fixture
async def server() -> AsyncIterator[Sandbox]:
    async with Sandbox() as server:
        yield server


def reset(server: Sandbox) -> None:
    """Let every second create land and be cut off."""
    server.faults.add(Fault(FaultKind.RESET_AFTER, operation="cdts.create", every=2, times=None))


async def test_a_guid_is_found_however_it_is_written(server: Sandbox) -> None:
    (patient,) = server.store.add_patients(1)
    guids = [str(uuid4()) for _ in range(12)]
    rows = [bulk.CdtRow(patient, {"medication_name": "a", "external_guid": guid.upper()}) for guid in guids]
    rows[0] = bulk.CdtRow(patient, {"medication_name": "a", "external_guid": guids[0]})
    reset(server)
    async with connect(server) as welkin:
        report = await bulk.create_cdt_records(welkin, CDT, rows, **{**FAST, "key_field": "external_guid"})
    assert (report.created, report.adopted, report.doubled) == (12, 6, 0)
    assert len(server.store.cdt_records(CDT)) == 12


async def test_a_key_that_the_server_trims_is_found(server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    (patient,) = server.store.add_patients(1)
    rows = [bulk.CdtRow(patient, {"medication_name": "a"}, f"k{n}" if n == 0 else f" k{n} ") for n in range(12)]
    key_of = CdtKeys.key_of

    def trimmed(self: CdtKeys, record: CdtRecord) -> str | None:
        key = key_of(self, record)
        return None if key is None else key.strip()

    monkeypatch.setattr(CdtKeys, "key_of", trimmed)
    reset(server)
    async with connect(server) as welkin:
        report = await bulk.create_cdt_records(welkin, CDT, rows, **FAST)
    assert (report.created, report.adopted, report.doubled) == (12, 6, 0)


def unopened() -> Sender:
    raise SessionError("a key is told without a request")


HERE = Scope(unopened, stdlib_codec(), "http://localhost", {}, Defaults(timeout=1, max_attempts=1, max_wait=None))


def keys(field: KeyField = "external_id") -> CdtKeys:
    return CdtKeys(HERE, CDT, field, FieldComparison)


def test_a_key_is_the_rows_own_or_the_one_it_is_given() -> None:
    guid = str(uuid4())
    given: tuple[tuple[KeyField, dict[str, Any], str | None, str], ...] = (
        ("external_id", {}, " k ", "k"),
        ("external_id", {"external_id": 17}, "k", "17"),
        ("external_id", {"external_id": " "}, "k", "k"),
        ("external_guid", {"external_guid": f"{{{guid.upper()}}}"}, "k", guid),
        ("external_guid", {}, "k", str(uuid5(NAMESPACE_URL, "k"))),
    )
    for field, fields, key, carried in given:
        assert keys(field).assign(key, fields) == carried
    for blank in ("", " ", None):
        with pytest.raises(InvalidInputError):
            keys().assign(blank, {})


def test_a_minted_key_is_sent_as_plain_text() -> None:
    minted = file_key("here", "sha256", 5)
    fields: dict[str, Any] = {"a": 1}
    keys().assign(minted, fields)
    assert isinstance(minted, MintedKey)
    assert type(fields["external_id"]) is str
    for codec in (best_codec(), stdlib_codec()):
        assert codec.encode({"key": minted}) == f'{{"key":"{minted}"}}'.encode()


def test_a_key_that_the_server_writes_its_own_way_is_not_lost() -> None:
    guid = str(uuid4())
    by_guid = keys("external_guid")
    sent = {"external_guid": guid.upper(), "a": "1"}
    assert by_guid.changed_fields(sent, {"external_guid": guid, "a": "1"}) == ()
    assert by_guid.changed_fields(sent, {"external_guid": guid, "a": "2"}) == ("a",)
    assert by_guid.changed_fields(sent, {"external_guid": str(uuid4()), "a": "1"}) == ("external_guid",)
    assert by_guid.changed_fields(sent, {"a": "1"}) == ("external_guid",)


async def test_a_key_that_begins_as_the_key_space_is_not_taken_for_another_rows(server: Sandbox) -> None:
    (patient,) = server.store.add_patients(1)
    rows = [bulk.CdtRow(patient, {"medication_name": name}, key=key) for name, key in (("M", "a"), ("N", "S/a"))]
    options: dict[str, Any] = {**FAST, "settle": 0.1, "key_space": "S"}
    async with connect(server) as welkin:
        await bulk.upsert_cdt_records(welkin, CDT, rows[:1], **options)
        report = await bulk.upsert_cdt_records(welkin, CDT, rows, **options)
    assert (report.unchanged, report.created) == (1, 1)
    held = {
        record["jsonBody"]["external_id"]: record["jsonBody"]["medication_name"]
        for record in server.store.cdt_records(CDT)
    }
    assert held == {"S/a": "M", "S/S/a": "N"}
