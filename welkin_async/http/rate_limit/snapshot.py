"""Snapshot of the rate controller, for statistics."""

from __future__ import annotations

import attrs


@attrs.frozen
class RateSnapshot:
    """What holds requests back at a moment.

    Attributes:
        pace: Requests per second that may go out; None for no bound.
        slots: Requests that may be in flight.
        in_flight: Requests that are.
        share_refused: Share of the answers in the latest window that were refusals.
        paused_for: Seconds for which everybody still pauses.
        accepted: Requests accepted since the session began.
        refused: Requests refused since the session began.
    """

    pace: float | None
    slots: int
    in_flight: int
    share_refused: float
    paused_for: float
    accepted: int
    refused: int
