"""Options of reconciliation: how a run looks for its rows, and what it shares with the runs of other chunks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import attrs

from welkin_async.bulk.keys.protocol import Keys
from welkin_async.errors import WelkinError


@attrs.define
class SharedRun:
    """What the runs of the chunks of one import share, so that each does not find it out anew.

    Attributes:
        proved: Whether keys are proved; what a run has proved is noted here at its end.
        lag: Seconds by which look-ups ran behind at most.
        keys_changed: Whether the server changes keys, so that nothing may be sent a second time.
        adopted_since: Wall-clock seconds since which a record that is found and equal was created by this import; None
            where nothing of it can be there.
        settled: Whether all that others may have sent has landed already.
        permit: Returns why nothing more may be sent, or None.
    """

    proved: bool
    lag: float
    keys_changed: bool
    adopted_since: float | None
    settled: bool
    permit: Callable[[], WelkinError | None]

    def permits(self, stop: Callable[[WelkinError], None]) -> bool:
        """Tell whether rows may still be sent.

        Args:
            stop: Ends the run where they may not, given why.
        """
        refusal = self.permit()
        if refusal is not None:
            stop(refusal)
        return refusal is None


@attrs.frozen
class LookupOptions:
    """Options of looking for rows whose outcome is unknown.

    Attributes:
        keys: Finds records by their keys.
        settle: Seconds after its last attempt within which a row may still land.
        final_settle: Seconds after the last unknown outcome before the final scan; beyond ``settle``, also how long a
            row that cannot be decided is waited for.
        room: How many rows may be pending before pulling stops.
        remove_doubles: Whether the final scan removes a double that is equal to the one that stays and was never
            edited; others are only named.
        existing: ``check``: rows are looked for before their first send, and every group in which the run created is
            scanned. ``trust``: only what is in doubt is looked for.
        shared: What is shared with the runs of other chunks, which leaves the final scan to be made for all together;
            None where the run is an import of its own.
    """

    keys: Keys
    settle: float
    final_settle: float
    room: int
    remove_doubles: bool = False
    existing: Literal["check", "trust"] = "check"
    shared: SharedRun | None = None
