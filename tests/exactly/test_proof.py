"""The proof: what arms look-ups, and by how much they are known to lag."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest

from welkin_async import ConnectError, PermissionDeniedError
from welkin_async.bulk.clock import WallClock
from welkin_async.bulk.errors import ProofError
from welkin_async.bulk.keys.cdt_keys import CdtKeys
from welkin_async.bulk.reconciliation.key_proof import KeyProof, ProofState
from welkin_async.errors import RequestLine
from welkin_async.sandbox import Sandbox
from welkin_async.validation.comparison import FieldComparison

from .helpers import CDT, connect

LINE = RequestLine("GET", "/{tenant}", "cdts.list")


class Listed:
    """Keys as records, and listings by script: a sequence of keys, or an error."""

    field = "external_id"

    def __init__(self, *script: Sequence[str] | Exception | None) -> None:
        self.script = list(script)
        self.since: list[float] = []

    def key_of(self, record: Any) -> str | None:
        return str(record)

    def shows(self, record: Any, created: Any) -> bool:
        return bool(record == created)

    async def listing(self, group: str, since: float) -> Sequence[Any] | None:
        self.since.append(since)
        found = self.script.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


class There:
    held = False

    def __init__(self, *down: bool) -> None:
        self.answers = list(down)

    async def down(self) -> bool:
        return self.answers.pop(0)

    def reached(self) -> None:
        pass


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("welkin_async.bulk.reconciliation.key_proof._LOOK_EVERY", 0.001)
    monkeypatch.setattr("welkin_async.bulk.reconciliation.key_proof._LONGEST", 0.01)


def proof(listed: Any, patience: float = 1.0, server: Any = None) -> KeyProof:
    return KeyProof(listed, 0.0, patience, server)


async def test_the_first_record_that_is_created_proves_the_key() -> None:
    proved = proof(Listed([], None, ["other"], ["k"]))
    proved.begin("k", "p", "k")
    states = [(proved.armed, proved.state)]
    await proved.wait()
    states.append((proved.armed, proved.state))
    assert states == [(False, ProofState.PROVING), (True, ProofState.ARMED)]
    assert proved.found_after is not None
    assert proved.found_after >= 0.001


async def test_a_key_that_is_not_given_back_proves_nothing() -> None:
    proved = proof(Listed())
    proved.begin("other", "p", "k")
    assert proved.state is ProofState.FAILED
    assert isinstance(proved.error, ProofError)


async def test_another_rows_key_does_not_cut_the_measuring_short() -> None:
    proved = proof(Listed([], ["k"]))
    proved.begin("k", "p", "k")
    proved.confirm()
    states = [proved.armed]  # by how much look-ups lag is not known yet
    await proved.wait()
    assert [*states, proved.armed] == [False, True]


async def test_what_another_row_has_armed_is_measured_by_the_first_record_all_the_same() -> None:
    proved = proof(Listed([], ["k"]), patience=60.0)
    proved.confirm()
    states = [proved.armed]
    proved.begin("k", "p", "k")
    states.append(proved.armed)
    await proved.wait()
    assert [*states, proved.armed] == [True, False, True]
    assert proved.found_after is not None


@pytest.mark.timing
async def test_time_in_which_the_server_is_not_there_does_not_count() -> None:
    lost = ConnectError("no connection", request=LINE)
    proved = proof(Listed(*[lost] * 20, ["k"]), patience=0.005, server=There(*[True] * 20))
    proved.begin("k", "p", "k")
    await proved.wait()
    assert proved.armed
    assert proved.found_after is not None
    assert proved.found_after < 0.1  # of the pauses, which took longer, the last one counts


async def test_a_look_up_that_ends_with_an_outage_tells_no_lag() -> None:
    """The server is back when it is asked whether it is down, and was not while the listing was tried."""

    class Slow(Listed):
        async def listing(self, group: str, since: float) -> Sequence[Any] | None:
            if isinstance(self.script[0], Exception):
                await asyncio.sleep(0.3)
            return await super().listing(group, since)

    lost = ConnectError("no connection", request=LINE)
    proved = proof(Slow([], lost, ["k"]), patience=60.0, server=There(False))
    proved.begin("k", "p", "k")
    await proved.wait()
    assert proved.armed
    assert proved.found_after is not None
    assert proved.found_after < 0.2


async def test_what_look_ups_had_missed_before_an_outage_stays_a_lag() -> None:
    lost = ConnectError("no connection", request=LINE)
    proved = proof(Listed(*[[]] * 20, lost, *[[]] * 20, ["k"]), patience=60.0, server=There(True))
    proved.begin("k", "p", "k")
    began = time.monotonic()
    await proved.wait()
    assert proved.found_after is not None
    assert proved.found_after > (time.monotonic() - began) * 0.8


@pytest.mark.parametrize("found", [[], None, PermissionDeniedError("no", request=LINE, status=403)])
async def test_look_ups_that_are_answered_and_do_not_find_it_fail_the_proof(found: Any) -> None:
    proved = proof(Listed(*[found] * 100), patience=0.005)
    proved.begin("k", "p", "k")
    await proved.wait()
    assert proved.state is ProofState.FAILED


class Clocks:
    def __init__(self) -> None:
        self.system = 1000.0
        self.monotonic = 50.0

    def clock(self) -> WallClock:
        return WallClock(lambda: self.system, lambda: self.monotonic)

    def go(self, seconds: float, step: float = 0.0) -> None:
        self.monotonic += seconds
        self.system += seconds + step


def test_a_clock_that_is_set_forward_does_not_make_look_ups_miss_what_is_there() -> None:
    clocks = Clocks()
    clock = clocks.clock()
    clocks.go(10.0, step=7200.0)
    assert clock.now() == 1010.0
    assert clock.at(55.0) == 1005.0


def test_a_clock_that_is_set_back_is_followed() -> None:
    clocks = Clocks()
    clock = clocks.clock()
    clocks.go(10.0, step=-600.0)
    assert clock.now() == 410.0
    clocks.go(10.0, step=600.0)
    assert clock.now() == 420.0


async def test_a_record_that_has_the_key_from_before_proves_no_lag(
    server: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of CDT records all are listed, so the one that was just created must be among them."""
    (patient,) = server.store.add_patients(1)
    listing = CdtKeys.listing
    async with connect(server) as welkin:
        cdts = welkin.patient(patient).cdts(CDT)
        before = await cdts.create({"medication_name": "A", "external_id": "k"})
        created = await cdts.create({"medication_name": "A", "external_id": "k"})
        began = time.monotonic()

        async def late(self: CdtKeys, patient: str, since: float) -> Any:
            found = await listing(self, patient, since)
            return [each for each in found or () if each.id == before.id or time.monotonic() > began + 0.2]

        monkeypatch.setattr(CdtKeys, "listing", late)
        proved = proof(CdtKeys(welkin.scope, CDT, "external_id", FieldComparison), patience=10.0)
        proved.begin(created, patient, "k")
        await proved.wait()
        assert proved.found_after is not None
        assert proved.found_after > 0.2
