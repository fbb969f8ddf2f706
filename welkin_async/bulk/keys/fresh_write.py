"""Fresh write: a change or a deletion that depends on what was read of its record right before it.

The API has no version check, and people edit too. So such a request goes out once for each read, ahead of what waits
for its turn, and only while the read is young: whatever holds it up, a refusal, a pause or a lost connection, the
record is read again before the next attempt.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from welkin_async.bulk.keys.protocol import Keys, says_not_found
from welkin_async.errors import (
    AuthenticationError,
    NotFoundError,
    NotSentError,
    RateLimitedError,
    RejectedError,
    RequestError,
)
from welkin_async.http.retry import backoff

_YOUNG = 1.0  # seconds after which a read is made again, at first; where that is never in time, twice as many
_ATTEMPTS = 5  # that fail without an answer, or with none that counts
_PATIENCE = 300.0  # seconds of refusals for the rate


class FreshWrite:
    """Decides whether a write may still follow its read, and when both are made again.

    Args:
        ended: Tells whether no attempt may begin any more; None where that never comes.
        clock: Returns monotonic seconds.

    Attributes:
        on_wire: Whether an attempt is out.
        attempts: How many were.
        unanswered: Whether one of them may have been carried out, or not.
    """

    def __init__(self, ended: Callable[[], bool] | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ended = ended
        self._young = _YOUNG
        self._read_at = float("-inf")
        self._late = False
        self._failures = self._refusals = 0
        self._waited = 0.0
        self.on_wire = self.unanswered = False
        self.attempts = 0

    def read(self) -> None:
        """Note that the record has been read."""
        self._read_at = self._clock()

    def permits(self) -> bool:
        """Tell whether the write may go out: asked last, before its first byte."""
        self._late = self._clock() - self._read_at > self._young
        if self._late:
            self._young *= 2
        self.on_wire = not self._late and not (self._ended is not None and self._ended())
        self.attempts += self.on_wire
        return self.on_wire

    def pause(self, error: RequestError) -> float | None:
        """Return how many seconds after a failed write the record is read again; None where it has failed for good.

        Args:
            error: How it failed.
        """
        self.on_wire = False
        if not isinstance(error, AuthenticationError | NotSentError | RejectedError):
            self.unanswered = True
        if self._ended is not None and self._ended():
            return None
        if self._late:
            self._late = False
            return 0.0
        if isinstance(error, AuthenticationError | RejectedError):
            return None
        if isinstance(error, RateLimitedError):
            self._refusals += 1
            wait = backoff(self._refusals) if error.retry_after is None else error.retry_after
            self._waited += wait
            return None if self._waited > _PATIENCE else wait
        self._failures += 1
        return None if self._failures >= _ATTEMPTS else backoff(self._failures)


async def delete_unchanged(keys: Keys, group: str, id: str, unchanged: Callable[[Any], bool]) -> bool | None:
    """Delete a record that still is what it was when that was decided.

    Args:
        keys: Reads and deletes records.
        group: Whose record it is.
        id: The record.
        unchanged: Tells whether it still is.

    Returns:
        True where it was deleted, False where it has changed, None where somebody else has deleted it.

    Raises:
        RequestError: it could not be read or deleted.
    """
    deletion = FreshWrite()
    try:
        while True:
            record = await keys.read(group, id)
            deletion.read()
            if not unchanged(record):
                return False
            try:
                await keys.remove(group, id, deletion.permits)
            except RequestError as error:
                pause = deletion.pause(error)
                if pause is None:
                    raise
                await asyncio.sleep(pause)
            else:
                return True
    except NotFoundError as error:
        if says_not_found(error):
            return True if deletion.unanswered else None
        raise
