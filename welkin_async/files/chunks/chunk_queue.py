"""Chunk queue: which chunk is handed out next, and when an import cannot go on. Pure: the clock is handed in."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from welkin_async.bulk import ChunkReport, merge
from welkin_async.files.chunks.plan import Chunk
from welkin_async.files.report.chunk_metrics import ChunkMetrics

_TRIES = 4  # at a chunk: a worker may die of something else than its rows
_HOPELESS = frozenset({"AuthenticationError", "ProofError", "FileError", "LedgerError", "ConfigurationError"})
_AWAY = "StoreUnreachableError"
PAUSE = 1.0
"""Seconds until a store that did not answer is asked again."""
PATIENCE = 300.0
"""Seconds for which it may not answer, as long as no chunk is done."""


class Answer(NamedTuple):
    """What came of a chunk.

    Attributes:
        report: The counts; None where the chunk could not be carried out.
        error: Why not, free of data.
        kind: The name of that error's class; empty where the worker died.
        metrics: What the attempt cost; None where nobody asks for that.
    """

    report: ChunkReport | None
    error: str = ""
    kind: str = ""
    metrics: ChunkMetrics | None = None


class Handout(NamedTuple):
    """A chunk that is handed out.

    Attributes:
        chunk: Which rows.
        file: The number of their file.
        tries: How often it was handed out, this time included, and not for nothing.
        number: Tells handouts apart.
    """

    chunk: Chunk
    file: int
    tries: int
    number: int


class ChunkQueue:
    """Chunk queue: every chunk is handed out until it is done, to another worker where one failed or fell silent.

    A chunk that could not be carried out goes to the end of the queue; after four times the import fails. Where that
    was because the store did not answer it does not count: nothing is handed out for a second, and the import fails
    after five minutes in which no chunk was done.

    Args:
        clock: Seconds of a clock that is never set.

    Attributes:
        failure: Why the import cannot go on; empty while it can.
        failure_kind: The name of the class of the error that says so; empty for none.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: deque[Handout] = deque()
        self._out: dict[int, Handout] = {}
        self._elsewhere: set[int] = set()  # handouts whose chunk was given to another worker, too
        self._reports: dict[tuple[int, str], ChunkReport] = {}
        self._chunks = 0
        self._numbers = 0
        self._held_until = 0.0
        self._away_since: float | None = None
        self.failure = self.failure_kind = ""

    def add(self, file: int, chunks: Iterable[Chunk]) -> None:
        """Add the chunks of a file.

        Args:
            file: Its number.
            chunks: In the order in which they are to be handed out.
        """
        for chunk in chunks:
            self._chunks += 1
            self._wait(chunk, file, 1)

    @property
    def over(self) -> bool:
        """Whether nothing is left to be done, or nothing can be."""
        return bool(self.failure) or len(self._reports) == self._chunks

    @property
    def idle(self) -> bool:
        """Whether nobody works, but for those whose chunks were given to others."""
        return not self._out.keys() - self._elsewhere

    def report(self, file: int | None = None) -> ChunkReport:
        """Return the counts of the chunks that are done, merged.

        Args:
            file: Of one file alone; None for all.
        """
        return merge(report for (number, _), report in self._reports.items() if file is None or number == file)

    def take(self) -> Handout | None:
        """Hand a chunk out; None where there is none at the moment."""
        if self.failure or self._clock() < self._held_until:
            return None
        while self._waiting:
            handout = self._waiting.popleft()
            if (handout.file, handout.chunk.id) not in self._reports:
                self._out[handout.number] = handout
                return handout
        return None

    def give_elsewhere(self, handout: Handout) -> None:
        """Hand a chunk out once more, because its worker fell silent; whichever is done first counts.

        Args:
            handout: What that worker has.
        """
        if handout.number in self._out and handout.number not in self._elsewhere:
            self._elsewhere.add(handout.number)
            self._wait(handout.chunk, handout.file, handout.tries)

    def is_elsewhere(self, handout: Handout) -> bool:
        """Tell whether a chunk was given to another worker, too.

        Args:
            handout: What the first one has.
        """
        return handout.number in self._elsewhere

    def settle(self, handout: Handout, answer: Answer) -> bool:
        """Note what came of a chunk, or have it done again.

        Args:
            handout: What was handed out.
            answer: What came of it.

        Returns:
            Whether the chunk is done with this.
        """
        self._out.pop(handout.number, None)
        elsewhere = handout.number in self._elsewhere
        self._elsewhere.discard(handout.number)
        known = handout.file, handout.chunk.id
        report = answer.report
        if known in self._reports:
            return False
        if report is not None and report.finished:
            self._away_since = None
            self._reports[known] = report
            return True
        if elsewhere:
            return False
        if answer.kind == _AWAY:
            self._wait_for_store(handout, answer)
        elif handout.tries < _TRIES and answer.kind not in _HOPELESS:
            self._wait(handout.chunk, handout.file, handout.tries + 1)
        elif report is None:
            self.fail(answer.error, answer.kind)
        else:
            self._reports[known] = report
            return True
        return False

    def fail(self, reason: str, kind: str = "") -> None:
        """Have nothing more handed out.

        Args:
            reason: Why; the first one counts.
            kind: The name of the class of the error that says so.
        """
        if not self.failure:
            self.failure, self.failure_kind = reason, kind

    def _wait(self, chunk: Chunk, file: int, tries: int) -> None:
        self._numbers += 1
        self._waiting.append(Handout(chunk, file, tries, self._numbers))

    def _wait_for_store(self, handout: Handout, answer: Answer) -> None:
        now = self._clock()
        self._away_since = now if self._away_since is None else self._away_since
        if now - self._away_since >= PATIENCE:
            self.fail(answer.error, answer.kind)
            return
        self._held_until = now + PAUSE
        self._wait(handout.chunk, handout.file, handout.tries)
