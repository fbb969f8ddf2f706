"""Fault script: what goes wrong, on which request, how often, and whether it was really met."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import attrs


class FaultKind(StrEnum):
    """What happens to a request that meets a fault.

    Attributes:
        STATUS: Another status is answered; nothing is done unless the fault says `work_done`.
        RESET_BEFORE: The connection is reset and nothing is done.
        RESET_AFTER: The work is done, then the connection is reset without an answer.
        RESET_LATE: The connection is reset at once, and the work lands `delay` seconds later.
        STALL_BEFORE: `delay` seconds pass, then the work is done and answered; done even if the client has left.
        STALL_AFTER: The work is done, `delay` seconds pass, then it is answered.
        TRUNCATED: The work is done; half of the body follows the full Content-Length, then the connection closes.
        GARBAGE: The work is done and its status answered, with an HTML body as of a proxy.
        EMPTY: The work is done and its status answered, without a body.
        QUEUED: 202 is answered with the id of a pending job; nothing is done unless the fault says `work_done`, then
            `delay` seconds later.
        STRAY: The work is done and answered; `delay` seconds later a second answer follows unasked on the
            same connection: the same once more when `status` is a 2xx, else that of STATUS.
        GATEWAY: Nothing is done, as a gateway has lost its route to the server: 502 on the first request for a path,
            404 on every later one, each with an HTML page.
    """

    STATUS = "status"
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    RESET_LATE = "reset_late"
    STALL_BEFORE = "stall_before"
    STALL_AFTER = "stall_after"
    TRUNCATED = "truncated"
    GARBAGE = "garbage"
    EMPTY = "empty"
    QUEUED = "queued"
    STRAY = "stray"
    GATEWAY = "gateway"


_Validator = Callable[[Any, Any, Any], Any]
_CHECK_COUNT: _Validator = attrs.validators.optional(attrs.validators.ge(1))
_CHECK_CHANCE: _Validator = attrs.validators.optional([attrs.validators.ge(0), attrs.validators.le(1)])


@attrs.frozen
class Fault:
    """One scripted fault.

    The requests of `operation` are numbered from 1 as they come, from the moment the fault is added.

    Attributes:
        kind: What happens.
        operation: Operation id it applies to; None applies to every operation but the token call.
        times: How often it happens in all; None for without end.
        after: How many requests pass before it may happen.
        every: Of the requests beyond `after`, only each `every`-th meets it (3: the third, the sixth ...).
        probability: Chance from 0 to 1 that a request it would apply to meets it, drawn from the server's seed.
        delay: Seconds of a stall, until late work lands, or until a stray answer.
        status: Status of STATUS and of a stray answer.
        headers: Headers of STATUS.
        body: Body of STATUS; None answers the usual error array.
        retry_after: Retry-After of STATUS: seconds, or an HTTP date as text.
        work_done: Whether STATUS does the work first, as when a gateway gives up on a backend that finishes; whether
            QUEUED does it at all.
    """

    kind: FaultKind = attrs.field(converter=FaultKind)
    operation: str | None = None
    times: int | None = attrs.field(default=1, validator=_CHECK_COUNT)
    after: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    every: int | None = attrs.field(default=None, validator=_CHECK_COUNT)
    probability: float | None = attrs.field(default=None, validator=_CHECK_CHANCE)
    delay: float = attrs.field(default=1.0, validator=attrs.validators.ge(0.0))
    status: int = attrs.field(default=503, validator=[attrs.validators.ge(200), attrs.validators.le(599)])
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes | None = None
    retry_after: int | str | None = None
    work_done: bool = False

    def as_json(self) -> dict[str, Any]:
        """The fault as JSON values; the body in base64 under `body_base64`."""
        values = attrs.asdict(self)
        values["headers"] = dict(self.headers)
        values["kind"] = self.kind.value
        body = values.pop("body")
        values["body_base64"] = None if body is None else base64.b64encode(body).decode()
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Fault:
        """The fault that `as_json` wrote; keys may be left out.

        Args:
            values: Decoded JSON object.

        Raises:
            TypeError: A key is unknown, or `kind` is missing.
            ValueError: A value is out of range.
        """
        given = dict(values)
        encoded = given.pop("body_base64", None)
        if encoded is not None:
            given["body"] = base64.b64decode(encoded)
        return cls(**given)


class FaultReport(NamedTuple):
    """Fault report: how often a fault was met, and is still to be.

    Attributes:
        fault: The fault as added.
        met: Requests that met it.
        pending: Times it is still to happen; for one without end, 1 until it was met, then 0.
    """

    fault: Fault
    met: int
    pending: int


class _Script:
    __slots__ = ("fault", "met", "random", "seen")

    def __init__(self, fault: Fault, seed: str) -> None:
        self.fault = fault
        self.met = 0
        self.seen = 0
        self.random = random.Random(seed)

    def applies(self, operation: str, token_operation: str) -> bool:
        """Whether the request meets the fault; every request of the operation is counted, whichever fault wins."""
        fault = self.fault
        if operation != (fault.operation or operation) or (fault.operation is None and operation == token_operation):
            return False
        self.seen += 1
        # Drawn for every request seen, so that one fault's luck does not depend on what else is scripted.
        lucky = fault.probability is None or self.random.random() < fault.probability
        beyond = self.seen - fault.after
        due = beyond > 0 and (fault.every is None or beyond % fault.every == 0)
        return lucky and due and (fault.times is None or self.met < fault.times)

    def report(self) -> FaultReport:
        times = self.fault.times
        pending = int(self.met == 0) if times is None else times - self.met
        return FaultReport(self.fault, self.met, pending)


class Faults:
    """Fault script of a server: its faults in the order they were added.

    Of the faults that apply to a request, the first one added is met. A request counts once it holds a valid token and
    was admitted by the rate limit.

    Args:
        seed: Start of the generator behind `probability`.
        token_operation: Operation that a fault for every operation leaves alone.
        operations: Ids that a fault may name.
    """

    def __init__(self, seed: int, token_operation: str, operations: Collection[str]) -> None:
        self._seed = seed
        self._operations = operations
        self._token_operation = token_operation
        self._scripts: list[_Script] = []
        self._added = 0

    def __bool__(self) -> bool:
        return bool(self._scripts)

    def add(self, *faults: Fault) -> None:
        """Add faults to the script.

        Args:
            faults: In the order in which they win over each other.

        Raises:
            ValueError: A fault names an operation that the server does not have, so it could never be met.
        """
        for fault in faults:
            if fault.operation is not None and fault.operation not in self._operations:
                raise ValueError(f"the sandbox has no operation {fault.operation!r}")
            self._added += 1
            self._scripts.append(_Script(fault, f"{self._seed}/{self._added}"))

    def clear(self) -> None:
        """Drop every fault, met or not."""
        self._scripts.clear()

    def meet(self, operation: str) -> Fault | None:
        """The fault that a request meets, counted as met.

        Args:
            operation: Id of the request's operation.
        """
        applying = [script for script in self._scripts if script.applies(operation, self._token_operation)]
        if not applying:
            return None
        applying[0].met += 1
        return applying[0].fault

    def report(self) -> list[FaultReport]:
        """Reports of all faults, in the order they were added."""
        return [script.report() for script in self._scripts]

    def unmet(self) -> list[Fault]:
        """Faults that have not happened as often as they were scripted to."""
        return [fault for fault, _, pending in self.report() if pending]
