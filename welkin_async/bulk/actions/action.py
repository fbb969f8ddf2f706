"""Bulk operation: what is done with rows, and the protocol of the action that does it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

import attrs

from welkin_async.bulk.results import Status
from welkin_async.bulk.rows import PreparedRow
from welkin_async.http.stats import SessionStats
from welkin_async.wire.exchange import Exchange
from welkin_async.wire.records import Record
from welkin_async.wire.request import Answer, Operation, Repeat, Request

R_co = TypeVar("R_co", bound=Record, covariant=True)


@attrs.frozen
class BulkOperation:
    """What is done with rows, as far as all that runs around it must know.

    Attributes:
        done: The status of a row that was carried out.
        operation: What is sent for it. One that is safe to repeat is simply sent again where it is not known whether
            it was carried out.
        key_taken: Why a row is refused whose key another row has claimed.
    """

    done: Status
    operation: Operation
    key_taken: str = "another row has the same key"

    @property
    def repeatable(self) -> bool:
        """Whether it may be carried out twice."""
        return self.operation.repeat is Repeat.SAFE


class Action(Protocol[R_co]):
    """Bulk action: how a row is made ready and sent, and how its answer is read.

    Attributes:
        operation: What is done.
        timeout: Seconds an attempt may wait for the server.
        max_attempts: How many attempts a request makes.
        row_hook: Is told the outcome of each row; None where nobody listens.
    """

    operation: BulkOperation
    timeout: float
    max_attempts: int
    row_hook: Callable[[str], None] | None

    def stats(self) -> SessionStats:
        """Return a snapshot of the session."""
        ...

    @property
    def target(self) -> str:
        """What identifies where it is done, for a journal."""
        ...

    async def load(self) -> bool:
        """Read the definition that rows are checked against; False where there is none to be read.

        Raises:
            RequestError: it could not be read, which ends the run before it begins.
        """
        ...

    async def probe(self) -> object:
        """Make a harmless read, once; raises `RequestError` while the server is down."""
        ...

    async def confirm(self, exchange: Exchange, /) -> None:
        """Make a harmless read over the connection of an exchange, so that its answer confirms those before it.

        Raises:
            RequestError: it was refused or failed.
        """
        ...

    async def look(self, prepared: PreparedRow, /) -> tuple[bool, R_co | None]:
        """Read what a row is to change: whether it is as it was to become, and the record, if there is one.

        Asked only of what may be carried out twice, where an attempt may have been and a later one was refused.

        Raises:
            RequestError: it could not be read.
        """
        ...

    def prepare(self, index: int, row: Any, /) -> PreparedRow:
        """Make a row ready to be sent; why it cannot be is its ``refusal``."""
        ...

    def send(self, request: Request, /) -> Coroutine[Any, Any, Answer]:
        """Send a request until it is answered for good."""
        ...

    def read(self, prepared: PreparedRow, answer: Answer, /) -> tuple[R_co | None, tuple[str, ...]]:
        """Wrap what came back, if anything does, and name the fields that the server dropped or changed.

        Raises:
            DecodeError: it is not what the API documents.
        """
        ...
