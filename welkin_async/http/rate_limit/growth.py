"""Growth of a limit since its last cut: in CUBIC's curve, or exponential while it searches.

The curve is steep, then flat, then steep again. TCP CUBIC (RFC 9438) has its plateau at the last limit and the third
power. Here the plateau is just below and the power is the fifth, because a refusal costs a whole `Retry-After` and not
a round trip: the flat part, which is held for seconds, is refused nothing, and the limit is then met at once rather
than second after second by a few.
"""

from __future__ import annotations

import math

import attrs

BELOW = 0.95
"""Of what was accepted: just below a limit that was just met, without giving much away."""

_PLATEAU = 0.99  # of what was accepted
_POWER = 5
_DIP = math.pow(1.0 - BELOW / _PLATEAU, 1.0 / _POWER)  # how far from its plateau the curve begins


@attrs.define
class Growth:
    """A limit that grows while it is used up: in CUBIC's curve, or exponentially as long as it only searches.

    Attributes:
        start: Where it starts.
        doubling: Seconds of use until it is twice that.
        searching: Whether it doubles again and again.
        age: Seconds for which it was used up.
    """

    start: float
    doubling: float
    searching: bool = False
    age: float = 0.0

    @property
    def value(self) -> float:
        """The limit now."""
        steps = self.age / self.doubling
        if self.searching:
            return self.start * math.exp2(min(steps, 32.0))
        return self.start / BELOW * _PLATEAU * (1.0 + (steps * (1.0 + _DIP) - _DIP) ** _POWER)


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
