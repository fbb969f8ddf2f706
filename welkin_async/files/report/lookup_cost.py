"""Cost of look-ups: how many requests it takes to look for the rows of a file, said before the first one is sent. Pure.

Patients are counted with a bitmap of hashes, so that memory does not depend on how many there are, and those with the
smallest hashes are a fair sample of them.
"""

from __future__ import annotations

import heapq
import math
from hashlib import blake2b

import attrs

from welkin_async.files.report.text import whole

_BITS = 23  # a bitmap of 1 MiB: a million patients are counted to within 0.2 %
_SAMPLE = 8


class PatientSketch:
    """Patient sketch: counts distinct patients, and draws some of them.

    Attributes:
        rows: How many rows were added.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._bits = bytearray(1 << _BITS >> 3)
        self._set = 0
        self._smallest: list[tuple[int, str]] = []  # a heap whose first has the largest hash
        self._last = ""

    def add(self, patient: str) -> None:
        """Add a row.

        Args:
            patient: What names its patient; empty for none.
        """
        self.rows += 1
        if not patient or patient == self._last:
            return
        self._last = patient
        number = int.from_bytes(blake2b(patient.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
        at = number & ((1 << _BITS) - 1)
        bit = 1 << (at & 7)
        if not self._bits[at >> 3] & bit:
            self._bits[at >> 3] |= bit
            self._set += 1
        entry = (-number, patient)
        if len(self._smallest) < _SAMPLE:
            if entry not in self._smallest:
                heapq.heappush(self._smallest, entry)
        elif entry > self._smallest[0] and entry not in self._smallest:
            heapq.heapreplace(self._smallest, entry)

    @property
    def patients(self) -> int:
        """How many distinct patients there were, about."""
        size = 1 << _BITS
        left = size - self._set
        return min(self.rows, round(-size * math.log(left / size))) if left else self.rows

    @property
    def sample(self) -> list[str]:
        """Some of them, each as likely as any other."""
        return [patient for _, patient in self._smallest]


@attrs.frozen(kw_only=True)
class LookupCost:
    """Cost of look-ups, as it is expected before a run.

    Attributes:
        rows: Rows of the file.
        patients: Patients, or whatever rows are looked for by, that they name; about.
        listings: List requests before the rows are sent, as the totals of a sample of patients tell; about.
        afterwards: List requests at the end, where rows are created in each patient; about.
    """

    rows: int
    patients: int
    listings: int
    afterwards: int

    @property
    def per_row(self) -> float:
        """List requests for each row."""
        return (self.listings + self.afterwards) / max(1, self.rows)

    def __str__(self) -> str:
        """Say it in one sentence."""
        after = f", and about {whole(self.afterwards)} at the end" if self.afterwards else ""
        return (
            f"looking for {whole(self.rows)} rows of about {whole(self.patients)} patients takes about "
            f"{whole(self.listings)} list requests before they are sent{after}: {self.per_row:.2g} for each row"
        )
