"""From the key a file names a patient by to the patient's id."""

from __future__ import annotations

import re
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

__all__ = ["PatientLookup", "reason_of"]

_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}").fullmatch


class PatientLookup:
    """Looks patients up, each key once while it is remembered.

    Args:
        welkin: An open session.
        kind: What the keys are; an ``ID`` needs no look-up.
        concurrency: How many look-ups at once.
        bound: How many keys are remembered; the one not used for longest is forgotten first.
    """

    def __init__(self, welkin: Welkin, kind: PatientKeyType, *, concurrency: int = 16, bound: int = 100_000) -> None:
        self._welkin = welkin.with_options(max_wait=None)  # as the creates do, it waits out whatever is asked
        self._kind: PatientKeyType = kind
        self._concurrency = concurrency
        self._bound = bound
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
            if self._kind == "ID":
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
        answer: str | Problem
        try:
            self.requests += 1
            answer = (await self._welkin.patients.get(key, type=self._kind)).id
        except NotFoundError:
            answer = Problem(Status.REJECTED, f"no patient has this {self._kind}")
        except RejectedError as error:
            answer = Problem(Status.REJECTED, f"the patient's look-up: {reason_of(error)}")
        except InvalidInputError:
            answer = Problem(Status.REJECTED, f"expected a patient's {self._kind}")
        except AuthenticationError:
            raise
        except RequestError as error:
            return Problem(Status.FAILED, f"the patient's look-up: {reason_of(error)}")  # the next row may ask again
        self._known[key] = answer
        if len(self._known) > self._bound:
            del self._known[next(iter(self._known))]
        return answer


def reason_of(error: WelkinError | None) -> str:
    """Say why a row was not created, without any of its values.

    Args:
        error: The error of its outcome.
    """
    if isinstance(error, RequestError):
        codes = ", ".join(code for code in error.error_codes if _CODE(code))
        return f"{error.reason} ({codes})" if codes else error.reason
    return str(error) if error is not None else "it was not sent"
