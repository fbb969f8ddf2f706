"""Growth of a limit since its last cut: cubic, or flatter and then steeper, or exponential while it searches.

The curve is steep, then flat, then steep again. TCP CUBIC (RFC 9438) has its plateau at the last limit and the third
power. A pace that is *held* has it just below, and the fifth power, because a refusal costs a whole `Retry-After` and
not a round trip: the flat part, which lasts for seconds, is refused nothing, and the limit is then met at once rather
than second after second by a few.
"""

from __future__ import annotations

import math

import attrs

BELOW = 0.95
"""Of what was accepted: just below a limit that was just met, without giving much away."""

_CUBIC = 1.0, 3  # where the plateau is, of what was accepted, and the power
_HELD = 0.99, 5


@attrs.define
class Growth:
    """A limit that grows while it is used up: in a curve, or exponentially as long as it only searches.

    Attributes:
        start: Where it starts.
        doubling: Seconds of use until it is twice that.
        searching: Whether it doubles again and again.
        age: Seconds for which it was used up.
        held: Whether it is held just below what was accepted before it grows further.
    """

    start: float
    doubling: float
    searching: bool = False
    age: float = 0.0
    held: bool = False

    @property
    def value(self) -> float:
        """The limit now."""
        steps = self.age / self.doubling
        if self.searching:
            return self.start * math.exp2(min(steps, 32.0))
        plateau, power = _HELD if self.held else _CUBIC
        dip = math.pow(1.0 - BELOW / plateau, 1.0 / power)  # how far from its plateau the curve begins
        grown = self.start / BELOW * plateau * (1.0 + (steps * (1.0 + dip) - dip) ** power)
        return max(self.start, float(grown))  # which it is but for rounding


@attrs.frozen
class Cuts:
    """How things stood before a series of cuts without a good window between them, and after the first of them."""

    share: float
    pace: Growth | None
    slots: float
    starting: bool
    overload: Growth | None
    first_rate: float
    first_slots: float
