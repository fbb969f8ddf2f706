"""Base of bulk actions: a scope, checks of rows, and the CDT definition that rows are checked against."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from uuid import UUID

from yarl import URL

from welkin_async.bulk.actions.action import BulkOperation
from welkin_async.bulk.rows import PreparedRow
from welkin_async.errors import InvalidInputError, PermissionDeniedError
from welkin_async.http.stats import SessionStats
from welkin_async.models.formations import CdtFormation
from welkin_async.resources._base.mixins import Key, Scope
from welkin_async.resources.formations import Formations
from welkin_async.resources.patients import Patients
from welkin_async.validation.comparison import FieldComparison
from welkin_async.validation.refusals import Check, Refusals
from welkin_async.validation.schema import Schema
from welkin_async.wire.exchange import Exchange
from welkin_async.wire.request import Answer, Request

LOOKUP_PATIENCE = 300.0
"""Seconds for which a look-up, or the change of a record that was found, may be held back by its own refusals.

As long as a row is that is refused while others pass; what the server asks of all is waited out.
"""

_PAGES = 100  # different reads that confirm answers


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


def checked_fields(row: Any, kind: type[Any]) -> dict[str, Any]:
    """Return the fields of a row, copied: a source may use one mapping for all of its rows.

    Args:
        row: What the source brought.
        kind: The class that it must be of.

    Raises:
        InvalidInputError: it is of another, or its fields are no mapping.
    """
    if not isinstance(row, kind):
        raise InvalidInputError(f"a row is a {kind.__name__}, not a {type(row).__name__}")
    fields = row.fields
    if not isinstance(fields, Mapping):
        raise InvalidInputError(f"fields are a mapping, not a {type(fields).__name__}", ("fields",))
    return {**fields}


class BaseAction:
    """Base of actions: turns rows into prepared rows.

    Args:
        scope: The session's scope.
        operation: What is done.
        check: What to do about rows that are not allowed.
        what: What the rows are, for warnings.

    Attributes:
        operation: What is done.
        send: Sends a request until it is answered for good.
        stats: Returns a snapshot of the session.
        row_hook: Is told the outcome of each row; None where nobody listens.
        timeout: Seconds an attempt may wait for the server.
        max_attempts: How many attempts a request makes.
    """

    def __init__(self, scope: Scope, operation: BulkOperation, *, check: Check, what: str) -> None:
        self.operation = operation
        self._encode = scope.codec.encode
        self._refusals = Refusals(check, what)
        self.send: Callable[[Request], Coroutine[Any, Any, Answer]] = scope.sender().send
        self.stats: Callable[[], SessionStats] = lambda: scope.sender().stats
        self.row_hook = scope.sender().row_hook(operation.operation.line)
        self.timeout = scope.defaults.timeout
        self.max_attempts = scope.defaults.max_attempts
        self._root = scope.without_max_wait()
        self._pages = itertools.cycle(range(_PAGES))

    async def confirm(self, exchange: Exchange) -> None:
        """Read a page of patients over the connection of an exchange; see `Action`.

        Each read asks for another page, and the answer states its number: the answer to an earlier one does not pass.
        """
        query = {"page": next(self._pages), "size": 1}
        operation = Patients._listing.operation  # noqa: SLF001 - declared there once
        request = self._root.request(operation, query=query)
        request.via = exchange
        await self.send(request)
        if request.exchange is not None and request.exchange.connection is exchange.connection:
            request.exchange.confirm()

    async def look(self, prepared: PreparedRow) -> tuple[bool, Any]:
        """Return that it is not: what this action does is not looked at; see `Action`."""
        return False, None

    def prepare(self, index: int, row: Any) -> PreparedRow:
        """Make a row ready to be sent; see `Action`."""
        prepared = PreparedRow(index, row)
        prepared.problem = getattr(row, "problem", None)
        if prepared.problem is None:
            try:
                self._fill(prepared)
            except UnicodeEncodeError:
                prepared.refusal = InvalidInputError("text with a lone surrogate, which UTF-8 cannot say")
            except BaseException as error:  # a bug in what the row holds too: the row has its outcome all the same
                prepared.refusal = error
        return prepared

    def _fill(self, prepared: PreparedRow) -> None:
        """Work out what is sent for a row, and by what it is known.

        Raises:
            InvalidInputError: it cannot be sent.
        """
        raise NotImplementedError


class CdtAction(BaseAction):
    """Base of actions on the records of one CDT.

    Args:
        scope: The session's scope.
        cdt: The CDT's name.
        operation: What is done.
        check: What to do about rows the formation does not allow.

    Attributes:
        cdt: The CDT's name.
        comparison: Compares what was sent with what came back.
        lookup_scope: The session's scope, for calls that wait out whatever pause the server asks of all, and whose
            refusal is surely their own.
    """

    def __init__(self, scope: Scope, cdt: str, operation: BulkOperation, *, check: Check) -> None:
        super().__init__(scope, operation, check=check, what=cdt)
        self._scope = scope.within(cdt_name=cdt)
        self.cdt = cdt
        self._schema: Schema | None = None
        self.comparison = FieldComparison()
        self.lookup_scope = scope.without_max_wait().with_sure_refusals().with_patience(LOOKUP_PATIENCE)

    @property
    def target(self) -> str:
        """What identifies where it is done, and what."""
        operation = self.operation.operation
        path = operation.path({**self._scope.params, "patient_id": "-", "record_id": "-"})
        return f"{operation.method} {self._scope.base_url}{path}"

    async def load(self) -> bool:
        """Read the CDT's formation, so that rows can be checked before and after.

        ``GET /{tenant}/{instance}/formations/current/cdts/{cdt_name}``.

        Returns:
            Whether it was read: not where rows are not checked.

        Raises:
            RequestError: the formation could not be read.
        """
        if self._refusals.check == "off":
            return False
        self._learn(await self._formation(self.lookup_scope))
        return True

    async def probe(self) -> object:
        """Make a harmless read, once, to see whether the server is there."""
        return await self._formation(self.lookup_scope.without_max_wait(max_attempts=1))

    async def confirm(self, exchange: Exchange) -> None:
        """Read over the connection of an exchange; the formation, where patients may not be listed; see `Action`."""
        try:
            await super().confirm(exchange)
        except PermissionDeniedError:
            await self._formation(self._root.over(exchange))

    def _learn(self, formation: CdtFormation) -> None:
        self._schema = Schema.of(formation)
        self.comparison = FieldComparison(self._schema)

    async def _formation(self, scope: Scope) -> CdtFormation:
        return await Formations(scope.within(version="current")).cdts.get(self.cdt)

    def _check(self, fields: Mapping[str, Any], *, partial: bool = False) -> None:
        """Compare the fields of a row with the formation."""
        if self._schema is not None and (errors := self._schema.check(fields, partial=partial)):
            self._refusals.judge(errors)

    def _address(self, prepared: PreparedRow, **ids: Key) -> None:
        """Say where the request of a row goes."""
        place = self._scope.within(**{name: checked_id(name, id) for name, id in ids.items()})
        prepared.url = URL(place.base_url + self.operation.operation.path(place.params), encoded=True)
        prepared.asked = place.params
