"""Session statistics: what a session is doing at a moment, for dashboards and logs."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class SessionStats:
    """Session statistics: a snapshot, which does not change.

    Attributes:
        engine: The HTTP engine that sends, such as ``aiohttp``.
        pace: Requests per second that may go out; None for no bound.
        slots: Requests that may be in flight.
        in_flight: Requests that are.
        share_refused: Share of the latest answers that were refusals for the rate (429) or for overload (503).
        paused_for: Seconds for which every request still pauses, because the server refused most of the latest; 0.0
            where it does not.
        accepted: Requests the server dealt with since the session was opened, whatever it answered.
        refused: Requests it refused since then.
        tokens_requested: How many tokens were asked for.
    """

    engine: str
    pace: float | None
    slots: int
    in_flight: int
    share_refused: float
    paused_for: float
    accepted: int
    refused: int
    tokens_requested: int
