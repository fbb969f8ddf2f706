"""From the key a file names a patient by to the patient's id."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable

from welkin_async.bulk import Status
from welkin_async.cli.loop import in_parallel
from welkin_async.cli.rows import Problem
from welkin_async.errors import (
    AuthenticationError,
    InvalidInputError,
    NotFoundError,
    RejectedError,
    RequestError,
    WelkinError,
)
from welkin_async.resources.patients import PatientKeyType
from welkin_async.session import Welkin

__all__ = ["PatientLookup", "lookup_of", "reason_of"]

_MOST_AT_ONCE = 32
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0  # seconds between two tries
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}").fullmatch


class PatientLookup:
    """Looks patients up, each key once while it is remembered.

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
        self._welkin = welkin.with_options(max_wait=None)  # as the creates do, it waits out whatever is asked
        self._kind: PatientKeyType = kind
        self._concurrency = concurrency
        self._bound = bound
        self._as_given = kind == "ID" and not ids_too
        self._patience = patience
        self._known: dict[str, str | Problem] = {}
        self.requests = 0

    async def resolve(self, keys: Iterable[str]) -> dict[str, str | Problem]:
        """Return the id of each key's patient, or why there is none.

        One call at a time: that, and asking for each key of a call once, keeps it to one look-up per key.

        Args:
            keys: The keys; they may repeat.

        Raises:
            AuthenticationError: the server refused the token.
            SessionError: the session was closed.
        """
        known = self._known
        found: dict[str, str | Problem] = {}
        missing: list[str] = []
        for key in dict.fromkeys(keys):
            if self._as_given:
                found[key] = key
            elif key in known:
                found[key] = known[key] = known.pop(key)
            else:
                missing.append(key)

        async def look_up(key: str) -> None:
            """Note one answer."""
            found[key] = await self._look_up(key)

        if missing:
            await in_parallel(missing, look_up, concurrency=min(self._concurrency, len(missing)))
        return found

    async def _look_up(self, key: str) -> str | Problem:
        """Look a patient up, again and again while the server does not answer: an outage is to cost no row."""
        deadline, pause = time.monotonic() + self._patience, _FIRST_PAUSE
        while True:
            answer = await self._ask(key)
            if not isinstance(answer, Problem) or not answer.transient:
                break
            if time.monotonic() + pause > deadline:
                return answer  # not remembered: the next row may ask again
            await asyncio.sleep(pause)
            pause = min(pause * 2.0, _LONGEST_PAUSE)
        self._known[key] = answer
        if len(self._known) > self._bound:
            del self._known[next(iter(self._known))]
        return answer

    async def _ask(self, key: str) -> str | Problem:
        try:
            self.requests += 1
            return (await self._welkin.patients.get(key, type=self._kind)).id
        except NotFoundError:
            return Problem(Status.REJECTED, f"no patient has this {self._kind}")
        except RejectedError as error:
            return Problem(Status.REJECTED, f"the patient's look-up: {reason_of(error)}")
        except InvalidInputError:
            return Problem(Status.REJECTED, f"expected a patient's {self._kind}")
        except AuthenticationError:
            raise
        except RequestError as error:
            return Problem(Status.FAILED, f"the patient's look-up: {reason_of(error)}", transient=True)


def lookup_of(welkin: Welkin, kind: PatientKeyType, concurrency: int, *, ids_too: bool) -> PatientLookup:
    """Return what looks up the patients of a file's rows.

    Args:
        welkin: An open session.
        kind: What the keys are.
        concurrency: How many requests the command may make at once.
        ids_too: Whether ids are looked up as well.
    """
    return PatientLookup(welkin, kind, concurrency=min(concurrency, _MOST_AT_ONCE), ids_too=ids_too)


def reason_of(error: WelkinError | None) -> str:
    """Say why a row was not created, without any of its values.

    Args:
        error: The error of its outcome.
    """
    if isinstance(error, RequestError):
        codes = ", ".join(code for code in error.error_codes if _CODE(code))
        return f"{error.reason} ({codes})" if codes else error.reason
    return str(error) if error is not None else "it was not sent"
