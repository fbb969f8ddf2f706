"""What creating, changing and deleting CDT records in bulk have in common."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

import attrs

from welkin_async.bulk.echo import Echo
from welkin_async.bulk.schema import Problem, Schema
from welkin_async.bulk.work import Kind
from welkin_async.errors import InvalidInputError
from welkin_async.models.formations import CdtFormation
from welkin_async.request import Answer, Request
from welkin_async.resources._base import Key, Scope
from welkin_async.resources.formations import Formations

__all__ = ["CdtAction", "Check", "Refusals", "checked_id", "unhurried"]

Check = Literal["strict", "warn", "off"]

_log = logging.getLogger("welkin_async")

_MOST_WARNINGS = 100


def unhurried(scope: Scope, max_attempts: int | None = None) -> Scope:
    """Return a scope whose calls wait out whatever pause the server asks for, as bulk operations do.

    Args:
        scope: The session's scope.
        max_attempts: How many attempts a call makes; None for as many as the session's calls.
    """
    most = scope.defaults.max_attempts if max_attempts is None else max_attempts
    return attrs.evolve(scope, defaults=attrs.evolve(scope.defaults, max_wait=None, max_attempts=most))


def checked_id(name: str, id: object) -> str:
    """Return an id as text.

    Args:
        name: What it is, for the error.
        id: What was given.

    Raises:
        InvalidInputError: it is neither text nor a UUID, so that it would be sent as something like ``None``.
    """
    if isinstance(id, str | UUID):
        return str(id)
    raise InvalidInputError(f"an id is text, not a {type(id).__name__}", (name,))


class Refusals:
    """Refuses rows with fields that are not allowed, or warns of each field once.

    Args:
        check: Which of the two.
        what: What the rows are, for the warning.

    Raises:
        InvalidInputError: there is no such check.
    """

    def __init__(self, check: Check, what: str) -> None:
        if check not in ("strict", "warn", "off"):
            raise InvalidInputError("check is strict, warn or off")
        self.check = check
        self._what = what
        self._warned: set[str] = set()

    def of(self, problems: Sequence[Problem]) -> None:
        """Take in what is wrong with a row, if anything.

        Raises:
            InvalidInputError: the row is refused.
        """
        if not problems:
            return
        if self.check == "strict":
            raise InvalidInputError("; ".join(problem.text for problem in problems))
        for problem in problems:
            if problem.field not in self._warned and len(self._warned) < _MOST_WARNINGS:
                self._warned.add(problem.field)
                _log.warning("%s: %s", self._what, problem.text)


class CdtAction:
    """What is done with records of one CDT.

    Args:
        scope: The session's scope.
        cdt: The CDT's name.
        kind: What is done.
        check: What to do about rows the formation does not allow.

    Attributes:
        kind: What is done.
        keys: None: rows have no keys to be looked up by.
        echo: Compares what was sent with what came back.
        send: Sends a request until it is answered for good.
        patient_scope: The session's scope, for calls that wait out whatever pause the server asks for.
        timeout: Seconds an attempt may wait for the server.
    """

    keys: Any = None

    def __init__(self, scope: Scope, cdt: str, *, kind: Kind, check: Check) -> None:
        self.kind = kind
        self._scope = scope.within(cdt_name=cdt)
        self._cdt = cdt
        self._encode = scope.codec.encode
        self.send: Callable[[Request], Coroutine[Any, Any, Answer]] = scope.sender().send
        self._defaults = scope.defaults
        self._refusals = Refusals(check, cdt)
        self._schema: Schema | None = None
        self.echo = Echo()
        self.patient_scope = unhurried(scope)
        self.timeout = scope.defaults.timeout

    @property
    def target(self) -> str:
        """What identifies where it is done, and what."""
        operation = self.kind.operation
        path = operation.path({**self._scope.params, "patient_id": "-", "record_id": "-"})
        return f"{operation.method} {self._scope.base_url}{path}"

    async def prepare(self) -> bool:
        """Read the CDT's formation, so that rows can be checked before and after.

        ``GET /{tenant}/{instance}/formations/current/cdts/{cdt_name}``.

        Returns:
            Whether it was read: not where rows are not checked.

        Raises:
            RequestError: the formation could not be read.
        """
        if self._refusals.check == "off":
            return False
        self._learn(await self._formation(self.patient_scope))
        return True

    async def read(self) -> object:
        """Make a harmless read, once, to see whether the server is there."""
        return await self._formation(unhurried(self.patient_scope, max_attempts=1))

    def _learn(self, formation: CdtFormation) -> None:
        self._schema = Schema.of(formation)
        self.echo = Echo(self._schema)

    async def _formation(self, scope: Scope) -> CdtFormation:
        return await Formations(scope.within(version="current")).cdts.get(self._cdt)

    def _check(self, fields: Mapping[str, Any], *, partial: bool = False) -> None:
        """Compare the fields of a row with the formation."""
        if self._schema is not None:
            self._refusals.of(self._schema.check(fields, partial=partial))

    def _unhurried_request(self, *, body: object = None, **ids: Key) -> Request:
        """Put the request of a row together."""
        for name, id in ids.items():
            checked_id(name, id)
        request = self._scope.within(**ids).request(self.kind.operation, body=body)
        request.max_wait = None
        return request

    def own_key(self, row: Any) -> bool:
        """Tell whether a row's key is its own: it is the record it names."""
        return True

    def _digested(self, key: str | None, held: object) -> tuple[str | None, bytes]:
        """Encode what a row holds for a journal's digest; a row that cannot be sent fails by itself."""
        try:
            return key, self._encode(held)
        except InvalidInputError:
            return None, b""
