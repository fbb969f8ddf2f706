from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from welkin_async import AuthenticationError, NotFoundError, ServerError
from welkin_async.bulk import Status
from welkin_async.errors import RequestLine
from welkin_async.files.mapping import patient_lookup
from welkin_async.files.mapping.patient_lookup import PatientLookup, reason_of
from welkin_async.files.readers.row import RowError

LINE = RequestLine("GET", "/patients/{patient_id}", "patients.get")


class Patients:
    """Stands for a session and its patients; notes what is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.now = self.peak = 0
        self.error: Exception | None = None
        self.scope = self

    def without_max_wait(self) -> Patients:
        return self

    def with_sure_refusals(self) -> Patients:
        return self

    def with_patience(self, seconds: float) -> Patients:
        return self

    async def get(self, key: str, *, type: str) -> Any:
        self.asked.append(key)
        self.now += 1
        self.peak = max(self.peak, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        if self.error is not None:
            raise self.error
        if key.startswith("no"):
            raise NotFoundError("the server answered 404", request=LINE, status=404)
        return SimpleNamespace(id=f"id-{key}")


@pytest.fixture
def patients(monkeypatch: pytest.MonkeyPatch) -> Patients:
    monkeypatch.setattr(patient_lookup, "Patients", lambda scope: scope)
    return Patients()


def lookup(patients: Patients, **options: Any) -> PatientLookup:
    return PatientLookup(patients, "EID", **options)  # type: ignore[arg-type]


async def test_each_key_once_and_a_few_at_a_time(patients: Patients) -> None:
    made = lookup(patients, concurrency=3)
    keys = [f"k{number % 10}" for number in range(100)]
    assert await made.resolve([*keys, "nobody"]) == {
        **{key: f"id-{key}" for key in keys},
        "nobody": RowError(Status.REJECTED, "no patient has this EID"),
    }
    await made.resolve([*keys, "nobody"])
    assert len(patients.asked) == made.requests == 11
    assert patients.peak == 3


async def test_the_key_not_used_for_longest_is_forgotten(patients: Patients) -> None:
    made = lookup(patients, concurrency=1, bound=2)
    for key in ("a", "b", "a", "c", "a", "b"):
        assert await made.resolve([key]) == {key: f"id-{key}"}
    assert patients.asked == ["a", "b", "c", "b"]
    # More keys at once than are remembered: the batch has them all the same.
    assert len(await made.resolve([f"k{number}" for number in range(10)])) == 10


async def test_a_failure_is_not_remembered(patients: Patients) -> None:
    made = lookup(patients, patience=0.0)
    patients.error = ServerError("the server answered 500", request=LINE, status=500, error_codes=["OOPS", "a name"])
    expected = RowError(Status.FAILED, "the patient's look-up: the server answered 500 (OOPS)", transient=True)
    assert await made.resolve(["a"]) == {"a": expected}
    patients.error = None
    assert await made.resolve(["a"]) == {"a": "id-a"}


async def test_refused_credentials_end_it(patients: Patients) -> None:
    patients.error = AuthenticationError("refused", request=LINE)
    with pytest.raises(AuthenticationError):
        await lookup(patients).resolve(["a", "b"])


async def test_ids_are_not_looked_up(patients: Patients) -> None:
    made = PatientLookup(patients, "ID")  # type: ignore[arg-type]
    assert await made.resolve(["a"]) == {"a": "a"}
    assert patients.asked == []


def test_a_reason_without_an_error() -> None:
    assert reason_of(None) == "it was not sent"
