"""Patient look-up: from the key by which a file names a patient to the patient's id."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable

from welkin_async import errors
from welkin_async.bulk import Status
from welkin_async.bulk.actions.base import LOOKUP_PATIENCE
from welkin_async.files.readers.row import RowError
from welkin_async.resources.patients import PatientKeyType, Patients
from welkin_async.session import Welkin

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0  # seconds between two tries
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}").fullmatch


class PatientLookup:
    """Patient look-up with a cache: each key is asked for once while it is remembered.

    Args:
        welkin: An open session.
        kind: What the keys are; an ``ID`` needs no look-up.
        concurrency: How many look-ups at once.
        bound: How many keys are remembered; the one not used for longest is forgotten first.
        ids_too: Whether ids are looked up as well.
        patience: Seconds for which a look-up that is not answered is tried again: the server may be down for a while.
    """

    def __init__(
        self,
        welkin: Welkin,
        kind: PatientKeyType,
        *,
        concurrency: int = 16,
        bound: int = 100_000,
        ids_too: bool = False,
        patience: float = 120.0,
    ) -> None:
        # As the creates do, it waits out whatever is asked; and all rows of a patient depend on a refusal.
        self._patients = Patients(welkin.scope.without_max_wait().with_sure_refusals().with_patience(LOOKUP_PATIENCE))
        self._kind: PatientKeyType = kind
        self._concurrency = concurrency
        self._bound = bound
        self._as_given = kind == "ID" and not ids_too
        self._patience = patience
        self._known: dict[str, str | RowError] = {}
        self.requests = 0

    async def resolve(self, keys: Iterable[str]) -> dict[str, str | RowError]:
        """Return the id of each key's patient, or why there is none.

        One call at a time: that, and asking for each key of a call once, keeps it to one look-up per key.

        Args:
            keys: The keys; they may repeat.

        Raises:
            AuthenticationError: the server refused the token.
            SessionError: the session was closed.
        """
        known = self._known
        found: dict[str, str | RowError] = {}
        missing: list[str] = []
        for key in dict.fromkeys(keys):
            if self._as_given:
                found[key] = key
            elif key in known:
                found[key] = known[key] = known.pop(key)
            else:
                missing.append(key)

        upcoming = iter(missing)

        async def work() -> None:
            """Look up one key after another."""
            for key in upcoming:
                found[key] = await self._look_up(key)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._concurrency, len(missing))):
                    group.create_task(work())
        except BaseExceptionGroup as group_error:
            error = group_error.exceptions[0]
        else:
            return found
        raise error

    def remembered(self, key: str) -> str | None:
        """Return the id of a key's patient, where it is remembered; None else.

        Args:
            key: The key.
        """
        found = key if self._as_given else self._known.get(key)
        return found if isinstance(found, str) else None

    async def _look_up(self, key: str) -> str | RowError:
        """Look a patient up, again and again while the server does not answer: an outage is to cost no row."""
        deadline, pause = time.monotonic() + self._patience, _FIRST_PAUSE
        while True:
            answer = await self._ask(key)
            if not isinstance(answer, RowError) or not answer.transient:
                break
            if time.monotonic() + pause > deadline:
                return answer  # not remembered: the next row may ask again
            await asyncio.sleep(pause)
            pause = min(pause * 2.0, _LONGEST_PAUSE)
        self._known[key] = answer
        if len(self._known) > self._bound:
            del self._known[next(iter(self._known))]
        return answer

    async def _ask(self, key: str) -> str | RowError:
        try:
            self.requests += 1
            return (await self._patients.get(key, type=self._kind)).id
        except errors.NotFoundError as error:
            return RowError(Status.REJECTED, f"no patient has this {self._kind}", request_id=error.request_id or "")
        except errors.RejectedError as error:
            reason = f"the patient's look-up: {reason_of(error)}"
            return RowError(Status.REJECTED, reason, request_id=error.request_id or "")
        except errors.InvalidInputError:
            return RowError(Status.REJECTED, f"expected a patient's {self._kind}")
        except errors.AuthenticationError:
            raise
        except errors.RequestError as error:
            reason = f"the patient's look-up: {reason_of(error)}"
            return RowError(Status.FAILED, reason, transient=True, request_id=error.request_id or "")


def reason_of(error: errors.WelkinError | None) -> str:
    """Say why a row was not created, without any of its values.

    Args:
        error: The error of its outcome.
    """
    if isinstance(error, errors.RequestError):
        codes = ", ".join(code for code in error.error_codes if _CODE(code))
        return f"{error.reason} ({codes})" if codes else error.reason
    return str(error) if error is not None else "it was not sent"
