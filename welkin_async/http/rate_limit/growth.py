"""Growth of a limit since its last cut: cubic, or exponential while it searches."""

from __future__ import annotations

import math

import attrs

BELOW = 0.95
"""Of what was accepted: just below a limit that was just met, without giving much away."""

_DIP = math.cbrt(1.0 - BELOW)  # where the curve begins, so that its plateau is at what was accepted


@attrs.define
class Growth:
    """A limit that grows while it is used up: cubically, or exponentially as long as it only searches.

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
        return self.start / BELOW * (1.0 + (steps * (1.0 + _DIP) - _DIP) ** 3)
