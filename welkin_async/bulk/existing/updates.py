"""Existing updates: changes a record that is there to what its row asks for.

The API has no version check, and people edit too. So a record is read right before each attempt to change it, what is
sent is what then differs, and a record that somebody else changed last is a conflict. Between that read and the change
is a gap of about one round trip in which an edit can be overwritten; nothing can close it from here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from welkin_async.bulk.keys.fresh_write import FreshWrite
from welkin_async.bulk.keys.protocol import Keys, says_not_found
from welkin_async.bulk.reconciliation.lookup import Server, is_silence
from welkin_async.bulk.results import Outcome, Status
from welkin_async.bulk.rows import PreparedRow
from welkin_async.errors import (
    AuthenticationError,
    InvalidInputError,
    NotFoundError,
    NotSentError,
    RateLimitedError,
    RejectedError,
    RequestError,
    RequestLine,
    WelkinError,
)

_PAUSE = 1.0  # seconds between two tries while the server is down
_MOST_REFUSALS = 2  # of a change, each for as long as a look-up is waited for
_REFUSED_FOR = 30.0  # seconds for which nothing more of a patient is changed, whose rows were refused for long
_REMEMBERED = 1024  # patients


class ExistingUpdates:
    """Existing updates of a run.

    Args:
        keys: Reads, compares and changes records.
        client: Returns the name by which the server signs what this client writes; None where it is not known.
        overwrite: Whether a record is changed that somebody else changed last.
        recreate: Whether a record is made again that the journal calls created and that is gone.

    Attributes:
        recreate: Whether a record is made again that the journal calls created and that is gone.
        server: Knows whether the server is there; None where nothing does.
        changing: The changes that are out, or were and are not known to be made or not, by the position of their rows.
        ending: Whether no further attempt is begun.
    """

    def __init__(self, keys: Keys, client: Callable[[], str | None], *, overwrite: bool, recreate: bool) -> None:
        self._keys = keys
        self._client = client
        self._overwrite = overwrite
        self._refused: dict[str, tuple[float, RequestLine]] = {}  # when the server refused patients for too long
        self._own: set[str] = set()  # by whom the server says that this client's own writes are
        self.recreate = recreate
        self.server: Server | None = None
        self.changing: dict[int, FreshWrite] = {}
        self.ending = False

    def wrote(self, record: Any) -> None:
        """Take note of the answer to a write, which says by whom it was.

        Args:
            record: What the server answered.
        """
        author = self._keys.authors(record)[1]
        if author is not None and len(self._own) < 16:  # one, as a rule
            self._own.add(author)

    async def carry_out(self, row: PreparedRow, record_id: str) -> Outcome[Any, Any]:
        """Change a record to what its row asks for, and return the row's outcome.

        Args:
            row: The row.
            record_id: The record that carries its key.

        Raises:
            AuthenticationError: the server refused the token.
            SessionError: the session is closed.
        """
        refused = self._refused.get(row.group)
        if refused is not None and time.monotonic() - refused[0] < _REFUSED_FOR:
            reason = "the server refuses the rows of its patient, while it accepts others"
            return self._ended(row, Status.FAILED, NotSentError(reason, request=refused[1]), record_id, 0)
        change = self.changing[row.index] = FreshWrite(lambda: self.ending)
        try:
            outcome = await self._change(row, record_id, change)
        except BaseException:
            if not change.on_wire and not change.unanswered:
                del self.changing[row.index]
            raise
        del self.changing[row.index]
        return outcome

    async def _change(self, row: PreparedRow, record_id: str, change: FreshWrite) -> Outcome[Any, Any]:
        """Read a record and change it, over and over while that may help."""
        refusals = 0
        while True:
            writing = False
            try:
                record = await self._keys.read(row.group, record_id)
                change.read()
                fields = self._keys.difference(row, record)
                if not fields and change.unanswered:  # the change has been made
                    return Outcome(row.index, row.row, Status.UPDATED, record, None, change.attempts)
                if not fields:
                    return Outcome(row.index, row.row, Status.UNCHANGED, None, None, 0, existing=(record_id,))
                if not self._overwrite and not self._is_own(record):
                    reason = f"somebody else has changed the record last; it differs in {', '.join(fields)}"
                    return self._ended(row, Status.CONFLICT, WelkinError(reason), record_id, change.attempts)
                writing = True
                written = await self._keys.write(row.group, record_id, fields, change.permits)
            except AuthenticationError:
                raise
            except NotFoundError as error:
                status = Status.GONE if says_not_found(error) else Status.FAILED
                return self._ended(row, status, error, record_id, change.attempts)
            except RequestError as error:
                pause = change.pause(error) if writing else None
                if pause is not None:
                    await asyncio.sleep(pause)
                    continue
                refusals += isinstance(error, RateLimitedError)
                # Refused once more after it could be read meanwhile: the server is there.
                silent = is_silence(error) and refusals < _MOST_REFUSALS and not self.ending
                if silent and self.server is not None and await self.server.down():
                    await asyncio.sleep(_PAUSE)  # it may be changed twice without harm
                    continue
                if isinstance(error, RateLimitedError):
                    if len(self._refused) >= _REMEMBERED:
                        self._refused.clear()
                    self._refused[row.group] = time.monotonic(), error.request
                if writing and isinstance(error, RejectedError) and error.after_unknown and not change.unanswered:
                    change.unanswered = True  # an attempt before may have been carried out: the record says
                    continue
                if change.unanswered:
                    return self._ended(row, Status.UNKNOWN, error, record_id, change.attempts)
                status = Status.REJECTED if isinstance(error, RejectedError) else Status.FAILED
                return self._ended(row, status, error, record_id, change.attempts)
            except InvalidInputError as error:
                return self._ended(row, Status.FAILED, error, record_id, change.attempts)
            self.wrote(written)
            lost = self._keys.difference(row, written)
            altered = tuple(name for name in fields if name in lost)
            return Outcome(row.index, row.row, Status.UPDATED, written, None, change.attempts, altered=altered)

    def _is_own(self, record: Any) -> bool:
        """Tell whether a record's last change is this client's; unknown counts as somebody else's."""
        name, id = self._keys.authors(record)
        client = self._client()
        if client is not None and name is not None:
            return name == f"API_CLIENT:{client}"
        return id is not None and id in self._own

    @staticmethod
    def _ended(
        row: PreparedRow, status: Status, error: WelkinError, record_id: str, attempts: int
    ) -> Outcome[Any, Any]:
        return Outcome(row.index, row.row, status, None, error, attempts, existing=(record_id,))
