"""What a comparison is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

__all__ = ["Comparison", "Condition", "Results", "Variant"]

Results = Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]]
"""Each round's figures, by variant and side."""


@attrs.frozen
class Condition:
    """What a comparison must show.

    Attributes:
        text: What it says.
        figure: Works it out; raises `KeyError` where a side is missing.
        bound: What it must reach.
        goal: What it should reach beyond that; None where there is no such thing.
        at_most: Whether the bound is from above.
    """

    text: str
    figure: Callable[[Results], float]
    bound: float
    goal: float | None = None
    at_most: bool = False

    def met(self, value: float) -> bool:
        """Tell whether a figure fulfils it."""
        return value <= self.bound if self.at_most else value >= self.bound


@attrs.frozen
class Variant:
    """One setting of a comparison.

    Attributes:
        job: What the sides are given, see `sides.work.Job`.
        options: Arguments of the sandbox.
        sides: Only these sides, where not all can do it in a reasonable time.
        tls: Whether over https.
    """

    job: Mapping[str, Any] = attrs.field(factory=dict)
    options: tuple[str, ...] = ()
    sides: tuple[str, ...] | None = None
    tls: bool = False


@attrs.frozen(kw_only=True)
class Comparison:
    """Sides beside each other.

    Attributes:
        title: A heading.
        workload: The function of each side's module.
        sides: Names of `sides.SIDES`.
        base: The side that ratios are taken to.
        metric: The figure the table is about.
        variants: Settings by name.
        server: ``canned``, ``sandbox`` or ``none``.
        latency: Seconds each canned answer waits.
        pages: How many records can be walked.
        conditions: What it must show.
        note: What a reader has to know.
    """

    title: str
    workload: str
    sides: tuple[str, ...]
    base: str
    metric: str = "cpu_us"
    variants: Mapping[str, Variant] = attrs.field(factory=lambda: {"": Variant()})
    server: str = "canned"
    latency: float = 0.0
    pages: int = 0
    conditions: tuple[Condition, ...] = ()
    note: str = ""
