"""Medication records for the demonstration: made up, but of the names, doses and dates real ones have."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from welkin_async.times import format_datetime

__all__ = ["medication", "patient_names"]

_DRUGS = (
    ("Lisinopril", ("5 mg", "10 mg", "20 mg")),
    ("Metformin", ("500 mg", "850 mg", "1000 mg")),
    ("Atorvastatin", ("10 mg", "20 mg", "40 mg")),
    ("Levothyroxine", ("25 mcg", "50 mcg", "100 mcg")),
    ("Amlodipine", ("2.5 mg", "5 mg", "10 mg")),
    ("Omeprazole", ("20 mg", "40 mg")),
    ("Sertraline", ("25 mg", "50 mg", "100 mg")),
    ("Albuterol", ("90 mcg/actuation",)),
    ("Loratadine", ("10 mg",)),
    ("Ibuprofen", ("200 mg", "400 mg", "600 mg")),
    ("Amoxicillin", ("250 mg", "500 mg")),
    ("Insulin glargine", ("100 units/mL",)),
)
_NOTES = (
    "Take with food.",
    "Take in the morning.",
    "Take at bedtime.",
    "Two puffs as needed.",
    "Recheck levels in 6 weeks.",
    "Started after discharge.",
)
_ICD = ("I10", "E11.9", "E78.5", "E03.9", "K21.9", "F41.1", "J45.909", "J30.2")
_FIRST = ("Alex", "Blair", "Casey", "Devon", "Emery", "Finley", "Harper", "Jordan", "Morgan", "Riley")
_LAST = ("Abbott", "Brooks", "Carter", "Dawson", "Ellis", "Foster", "Hayes", "Jensen", "Keller", "Lowe")
_FIRST_DAY = datetime(2015, 1, 1, tzinfo=UTC)


def medication(seed: int, number: int) -> dict[str, Any]:
    """Return the fields of one record of the sandbox's ``medication``; the same for the same numbers.

    Args:
        seed: Which collection of records.
        number: Which record of it.
    """
    pick = _Picks(seed, number)
    name, doses = pick.of(_DRUGS)
    return {
        "medication_name": name,
        "medication_status": "active" if pick.below(4) else "inactive",
        "medication_dose": pick.of(doses),
        "medication_start_date": format_datetime(_FIRST_DAY + timedelta(minutes=15 * pick.below(350_000))),
        "medication_notes": pick.of(_NOTES),
        "medication_refills": pick.below(12),
        "medication_as_needed": pick.below(5) == 0,
        "icd-10": pick.of(_ICD),
    }


def patient_names(seed: int, count: int) -> Iterator[tuple[str, str]]:
    """Yield first and last names of made-up patients.

    Args:
        seed: Which collection.
        count: How many.
    """
    for number in range(count):
        pick = _Picks(seed, -1 - number)
        yield pick.of(_FIRST), pick.of(_LAST)


class _Picks:
    """Choices that depend on two numbers alone; setting up a `random.Random` for each record would cost far more."""

    def __init__(self, seed: int, number: int) -> None:
        text = f"{seed}/{number}".encode()
        self._left = zlib.crc32(text) << 32 | zlib.adler32(text[::-1], zlib.crc32(text[::-1]))

    def below(self, count: int) -> int:
        self._left, picked = divmod(self._left, count)
        return picked

    def of(self, values: tuple[Any, ...]) -> Any:
        return values[self.below(len(values))]
