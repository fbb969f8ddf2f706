"""Patient order: a row source that hands out one row of a patient at a time, in the order of the source.

A row whose patient has another one on its way, sent or looked for, is held back until that one has its outcome. How
many are held is bounded: then no row is read until one may go.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any

from welkin_async.bulk.journal.row_admission import RowAdmission
from welkin_async.bulk.rows import PreparedRow
from welkin_async.bulk.source import CalledAway, RowSource


class PatientOrder(RowSource[PreparedRow]):
    """Patient order; see `RowSource`.

    Args:
        rows: The rows.
        prepare: Makes a row ready in the moment it was pulled, given its position; may not raise.
        most: How many rows are held back at most.
        admission: Returns what takes rows in, which is told of rows that are held back; None where nothing does.

    Attributes:
        held: How many rows are held back.
    """

    def __init__(
        self,
        rows: Iterable[Any] | AsyncIterable[Any],
        prepare: Callable[[int, Any], PreparedRow],
        *,
        most: int,
        admission: Callable[[], RowAdmission | None],
    ) -> None:
        super().__init__(rows, prepare)
        self.immediate = False
        self.held = 0
        self._most = most
        self._admission = admission
        self._patients: dict[int, str] = {}  # of rows that are on their way, by position
        self._behind: dict[str, deque[PreparedRow]] = {}  # rows held back, of patients that have one on its way
        self._free: deque[PreparedRow] = deque()
        self._resting: list[asyncio.Future[None]] = []

    @property
    def ready(self) -> bool:
        """Whether a row that was held back may go, and so is handed out without the source being read."""
        return bool(self._free)

    @property
    def drained(self) -> bool:
        """Whether it has come to its end, and nothing is left but rows held back, which no worker can wait for."""
        return super().drained and not self._free

    async def pull(self) -> PreparedRow | None:
        """Return the next row that may go; None at the end; see `RowSource.pull`."""
        while True:
            if self._free:
                return self._free.popleft()
            if self.held >= self._most or (self.held and super().drained):
                await self._rest()
                continue
            row = await super().pull()
            if row is None:
                if self.held or self._free:
                    continue
                return None
            if self._goes(row):
                return row

    def release(self, index: int) -> None:
        """Note that a row has its outcome, so that the next one of its patient may go.

        Args:
            index: Its position.
        """
        patient = self._patients.pop(index, None)
        if patient is None:
            return
        behind = self._behind[patient]
        if behind:
            row = behind.popleft()
            self.held -= 1
            self._patients[row.index] = patient
            self._free.append(row)
        else:
            del self._behind[patient]
        resting, self._resting = self._resting, []
        for rest in resting:
            if not rest.done():
                rest.set_result(None)
        if self._free and not resting:
            super().call_away()  # who waits for the source may have this one

    def call_away(self) -> None:
        """Let one worker that waits do something else; see `RowSource.call_away`."""
        while self._resting:
            rest = self._resting.pop()
            if not rest.done():
                rest.set_exception(CalledAway())
                return
        super().call_away()

    async def aclose(self) -> list[PreparedRow]:
        """Pull no more, and return the rows that were pulled and not handed out."""
        left = [*self._free, *(row for behind in self._behind.values() for row in behind), *await super().aclose()]
        self._free.clear()
        self._behind = {patient: deque() for patient in self._behind}
        self.held = 0
        return left

    def _goes(self, row: PreparedRow) -> bool:
        """Tell whether a row may go at once; else it is held back."""
        patient = row.group.lower()
        behind = self._behind.get(patient)
        if behind is None:
            self._behind[patient] = deque()
            self._patients[row.index] = patient
            return True
        behind.append(row)
        self.held += 1
        admission = self._admission()
        if admission is not None:
            admission.hold(row)  # where the source has changed the run ends
        return False

    async def _rest(self) -> None:
        """Wait until a row has its outcome."""
        rest: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._resting.append(rest)
        await rest
