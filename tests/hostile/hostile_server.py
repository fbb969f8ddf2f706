"""Hostile servers: what makes one hostile, drawn at random or by name, and a loop of its own for them to run in."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from enum import Enum
from types import TracebackType
from typing import Any, Self, TypeVar

import attrs

from welkin_async.sandbox import DEFAULT_CDTS, Alteration, Fault, Sandbox

__all__ = ["CDT", "Hostility", "ServerLoop", "expression"]

CDT = "medication"
T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Hostility:
    """What a server does to its clients.

    Attributes:
        faults: What goes wrong with requests.
        skew: Seconds by which the clock of one of its backends is ahead.
        skew_every: That backend does each `skew_every`-th work.
        delay: Seconds until lists show a new record.
        lag: Seconds beyond that for which only their totals count it.
        growth: Seconds by which both grow with each second.
        alteration: How it changes keys.
        drops_key: Whether it drops keys.
        echoes_key: Whether it only echoes them.
        drops: Other fields that it drops.
        unique: Whether a key must not occur twice.
        outage: Seconds of an outage in the middle of the first run.
    """

    faults: tuple[Fault, ...] = ()
    skew: float = 0.0
    skew_every: int = 1
    delay: float = 0.0
    lag: float = 0.0
    growth: float = 0.0
    alteration: Alteration | None = None
    drops_key: bool = False
    echoes_key: bool = False
    drops: tuple[str, ...] = ()
    unique: bool = False
    outage: float = 0.0

    def sandbox(self, seed: int) -> Sandbox:
        """A server that is so, and holds no patients yet.

        Args:
            seed: Start of its generators.
        """
        server = Sandbox(
            seed=seed,
            latency=0.002,
            skew=self.skew,
            skew_every=self.skew_every,
            visibility_delay=self.delay,
            list_lag=self.lag,
            delay_growth=self.growth,
        )
        server.define_cdt(
            CDT,
            DEFAULT_CDTS[CDT],
            drops=(*self.drops, *(("external_id",) if self.drops_key else ())),
            echo_only=("external_id",) if self.echoes_key else (),
            alterations={} if self.alteration is None else {"external_id": self.alteration},
            unique=("external_id",) if self.unique else (),
        )
        server.faults.add(*self.faults)
        return server


class ServerLoop:
    """An event loop in a thread of its own, so that servers outlive the loops of their clients."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="hostile servers", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop and wait for its result.

        Args:
            work: The coroutine.
        """
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)


def expression(value: Any) -> str:
    """A value as the Python expression that makes it, without what is as it is by default.

    Args:
        value: Instances of attrs classes, enumerations of text, tuples and plain values.
    """
    if attrs.has(type(value)):
        fields = [field for field in attrs.fields(type(value)) if getattr(value, field.name) != _default(field)]
        given = ", ".join(f"{field.name}={expression(getattr(value, field.name))}" for field in fields)
        return f"{type(value).__name__}({given})"
    if isinstance(value, tuple):
        return f"({''.join(f'{expression(each)}, ' for each in value)})"
    return repr(value.value if isinstance(value, Enum) else value)


def _default(field: attrs.Attribute[Any]) -> Any:
    default: Any = field.default
    return default.factory() if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type]
