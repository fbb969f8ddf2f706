"""Keys and content: which row is which, within a run and from one to the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from welkin_async import Welkin, bulk
from welkin_async.bulk import CdtRow
from welkin_async.bulk.journal.source_identity import KeyClaims
from welkin_async.bulk.keys.cdt_keys import MintedKey, file_key
from welkin_async.sandbox import Sandbox

from .helpers import CDT, held, outcomes_of, refuse, statuses


def named(patient: str, name: str, key: str | None = None, **fields: str) -> CdtRow:
    return CdtRow(patient, {"medication_name": name, **fields}, key)


@pytest.mark.parametrize("source", [None, "sha256 of a file"])
async def test_two_rows_with_one_key_are_one_row_or_a_mistake(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path, source: str | None
) -> None:
    given = [
        named(patient, "a", "k0"),
        named(patient, "b", external_id="k1"),
        named(patient, "other", "k0"),  # refused
        named(patient, "a", "k0"),  # refused: nobody can tell whether it is the first one once more
        named(patient, "c", external_id="k1"),  # refused
        named(patient, "d", "k2"),
    ]
    for run in range(2):
        outcomes, report = await outcomes_of(welkin, given, journal=journal, source=source)
        done = "skipped" if run else "created"
        assert statuses(outcomes) == [done, done, "failed", "failed", "failed", done]
        assert {str(outcomes[index].error) for index in (2, 3, 4)} == {"another row has the same key"}
        assert not report.complete
    assert sorted(record["jsonBody"]["medication_name"] for record in server.store.cdt_records(CDT)) == ["a", "b", "d"]


async def test_two_changes_of_one_record_are_refused_whatever_identifies_the_source(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path
) -> None:
    made = await welkin.patient(patient).cdts(CDT).create({"medication_name": "a"})
    twice = [bulk.CdtChange(patient, made.id, {"medication_name": name}) for name in "bc"]
    twice.append(bulk.CdtChange(patient.upper(), made.id.upper(), {"medication_name": "d"}))
    report = await bulk.update_cdt_records(welkin, CDT, twice, journal=journal, source="a file", concurrency=1)
    assert (report.updated, report.failed) == (1, 2)


async def test_keys_that_are_minted_from_positions_need_not_be_claimed(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed: list[str] = []
    claim = KeyClaims.claim

    def noted(self: KeyClaims, key: str, digest: bytes, position: int) -> Any:
        claimed.append(key)
        return claim(self, key, digest, position)

    monkeypatch.setattr(KeyClaims, "claim", noted)
    minted = [file_key("here", "sha256", position) for position in range(3)]
    assert isinstance(minted[0], MintedKey)
    own = str(minted[0]) + "?"
    source = [*(named(patient, "a", key) for key in minted), named(patient, "b", own), named(patient, "c", None)]
    source.append(named(patient, "d", minted[0], external_id="own"))
    outcomes, _ = await outcomes_of(welkin, source, journal=journal, source="sha256")
    assert statuses(outcomes) == [*["created"] * 4, "failed", "created"]
    assert claimed == [f"{patient}\0{own}", f"{patient}\0own"]
    assert held(server) == {*minted, own, "own"}


async def test_a_key_that_was_claimed_by_a_row_is_its_own_in_every_run(
    server: Sandbox, welkin: Welkin, patient: str, journal: Path
) -> None:
    """What the row holds may be written otherwise by then: the source answers for that."""
    refuse(server, 1)
    await outcomes_of(welkin, [named(patient, "a", "k")], journal=journal, source="a file")
    again, _ = await outcomes_of(welkin, [named(patient, " a", "k")], journal=journal, source="a file", resume="retry")
    assert statuses(again) == ["created"]


async def test_rows_are_known_again_by_key_and_content(
    server: Sandbox, welkin: Welkin, patient: str, tmp_path: Path
) -> None:
    rest = [CdtRow(patient, {}, f"r{number}") for number in range(3)]
    was = named(patient, "a", "k")
    for number, now in enumerate([named(patient, "a", "k2"), named(patient, "b", "k"), named("other", "a", "k")]):
        journal = tmp_path / str(number)
        await outcomes_of(welkin, [*rest, was], journal=journal, key_field=None)
        sent = server.stats.operations["cdts.create"]
        with pytest.raises(bulk.JournalMismatchError, match="another source"):
            await outcomes_of(welkin, [*rest, now], journal=journal, key_field=None)
        assert server.stats.operations["cdts.create"] == sent
        assert (await outcomes_of(welkin, [*rest, was], journal=journal, key_field=None))[1].complete


async def test_patients_and_changes_are_known_again_by_key_and_content(
    server: Sandbox, welkin: Welkin, patient: str, tmp_path: Path
) -> None:
    fields = {"firstName": "Charlie", "lastName": "Taylor"}
    await bulk.create_patients(welkin, [bulk.PatientRow(fields, "k")], journal=tmp_path / "p")
    with pytest.raises(bulk.JournalMismatchError):
        await bulk.create_patients(welkin, [bulk.PatientRow(fields, "k2")], journal=tmp_path / "p")
    made = await welkin.patient(patient).cdts(CDT).create({"medication_name": "a"})
    change = {"medication_name": "b"}
    await bulk.update_cdt_records(welkin, CDT, [bulk.CdtChange(patient, made.id, change, "k")], journal=tmp_path / "c")
    with pytest.raises(bulk.JournalMismatchError):
        await bulk.update_cdt_records(
            welkin, CDT, [bulk.CdtChange(patient, made.id, change, "k2")], journal=tmp_path / "c"
        )
