"""Keys as they are sent, kept and compared: however they are written, a record is found by its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

import pytest

from welkin_async import bulk
from welkin_async.bulk.echo import Echo
from welkin_async.bulk.keys import CdtKeys, MintedKey, file_key
from welkin_async.codec import best_codec, stdlib_codec
from welkin_async.models.cdts import CdtRecord
from welkin_async.sandbox import Fault, FaultKind, Sandbox

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


def keys(field: Any = "external_id") -> CdtKeys:
    return CdtKeys(None, CDT, field, lambda: None)  # type: ignore[arg-type, return-value]


def test_a_key_is_the_rows_own_or_the_one_it_is_given() -> None:
    guid = str(uuid4())
    for field, row, key in (
        ("external_id", bulk.CdtRow("p", {}, " k "), "k"),
        ("external_id", bulk.CdtRow("p", {"external_id": 17}, "k"), "17"),
        ("external_id", bulk.CdtRow("p", {"external_id": " "}, "k"), "k"),
        ("external_guid", bulk.CdtRow("p", {"external_guid": f"{{{guid.upper()}}}"}, "k"), guid),
        ("external_guid", bulk.CdtRow("p", {}, "k"), str(uuid5(NAMESPACE_URL, "k"))),
        ("external_id", bulk.CdtRow("p", {}, ""), ""),
        ("external_guid", bulk.CdtRow("p", {}, None), ""),
        ("external_id", bulk.CdtRow("p", []), ""),  # type: ignore[arg-type]
        ("external_id", "no row", ""),
    ):
        assert keys(field).key(row) == key


def test_a_minted_key_is_sent_as_plain_text() -> None:
    minted = file_key("here", "sha256", 5)
    fields = keys().fields(bulk.CdtRow("p", {"a": 1}, minted))
    assert isinstance(minted, MintedKey)
    assert type(fields["external_id"]) is str
    for codec in (best_codec(), stdlib_codec()):
        assert codec.encode({"key": minted}) == f'{{"key":"{minted}"}}'.encode()


def test_a_key_that_the_server_writes_its_own_way_is_not_lost() -> None:
    guid = str(uuid4())
    by_guid = CdtKeys(None, CDT, "external_guid", Echo)  # type: ignore[arg-type]
    sent = {"external_guid": guid.upper(), "a": "1"}
    assert by_guid.lost(sent, {"external_guid": guid, "a": "1"}) == ()
    assert by_guid.lost(sent, {"external_guid": guid, "a": "2"}) == ("a",)
    assert by_guid.lost(sent, {"external_guid": str(uuid4()), "a": "1"}) == ("external_guid",)
    assert by_guid.lost(sent, {"a": "1"}) == ("external_guid",)
