"""The keys that were ever unknown: what the last sweep has to look at."""

from __future__ import annotations

from collections.abc import Mapping

from welkin_async.bulk.journal import Journal

__all__ = ["EverUnknown"]

_LONG_AGO = 3600.0  # seconds after which nothing of an earlier run lands any more


class EverUnknown:
    """Keys by patient, and the id that was reported as created for each.

    Args:
        now: Wall-clock seconds of the run's start.

    Attributes:
        first_sent: Wall-clock seconds before the first send of any of them.
    """

    def __init__(self, now: float) -> None:
        self.first_sent = now
        self._ids: dict[str, dict[str, str | None]] = {}
        self._elsewhere: set[tuple[str, str]] = set()

    def __bool__(self) -> bool:
        return bool(self._ids)

    @property
    def count(self) -> int:
        """How many keys there are."""
        return sum(map(len, self._ids.values()))

    @property
    def by_patient(self) -> Mapping[str, Mapping[str, str | None]]:
        """The ids reported, by patient and key; None where none was."""
        return self._ids

    def add(self, patient: str, key: str, since: float) -> None:
        """Take a key in.

        Args:
            patient: Whose record it is.
            key: The key.
            since: Wall-clock seconds before its first send.
        """
        self._ids.setdefault(patient, {})[key] = None
        self.first_sent = min(self.first_sent, since)

    def created(self, patient: str, key: str, id: str) -> None:
        """Note the id that a key is reported with; a key that was never unknown is none of ours."""
        keys = self._ids.get(patient)
        if keys is not None and key in keys:
            keys[key] = id

    def has(self, patient: str) -> bool:
        """Return whether any key of a patient was ever unknown."""
        return patient in self._ids

    def reported_elsewhere(self, patient: str, key: str) -> bool:
        """Return whether an earlier run has reported a key's record, so that its id is not known here."""
        return (patient, key) in self._elsewhere

    async def recall(self, journal: Journal, now: float) -> bool:
        """Add the keys that earlier runs left.

        Args:
            journal: The journal.
            now: Wall-clock seconds.

        Returns:
            Whether something of them may still land.

        Raises:
            JournalError: the journal cannot be read.
        """
        fresh = False
        async for unknown in journal.ever_unknown():
            keys = self._ids.setdefault(unknown.patient, {})
            if unknown.key not in keys:
                keys[unknown.key] = None
                if journal.state(unknown.position).state == "done":
                    self._elsewhere.add((unknown.patient, unknown.key))
            self.first_sent = min(self.first_sent, unknown.since)
            fresh = fresh or now - unknown.since < _LONG_AGO  # when it was sent last is not known
        return fresh
