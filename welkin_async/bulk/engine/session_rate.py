"""Session rate: what the server bore during a run, for its report."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from welkin_async.bulk.results import Report
from welkin_async.errors import SessionError
from welkin_async.http.stats import SessionStats


class SessionRate:
    """Session rate.

    Args:
        stats: Returns a snapshot of the session; raises `SessionError` where it is closed.
    """

    def __init__(self, stats: Callable[[], SessionStats]) -> None:
        self._stats = stats
        self._before: SessionStats | None = None

    def start(self) -> None:
        """Begin to count now."""
        self._before = self.now()

    def now(self) -> SessionStats | None:
        """Return a snapshot of the session; None where it is closed."""
        try:
            return self._stats()
        except SessionError:
            return None

    def note(self, report: Report, reasons: Mapping[str, int]) -> None:
        """Note in a report what the server bore since the start.

        Args:
            report: The report.
            reasons: How often rows were set aside, by why.
        """
        before, now = self._before, self.now()
        if before is not None and now is not None:
            accepted, refused = now.accepted - before.accepted, now.refused - before.refused
            report.pace, report.slots = now.pace, now.slots
            report.share_refused = refused / max(1, accepted + refused)
        report.set_aside = {**reasons}
