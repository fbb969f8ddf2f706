"""Keys of single-record CDTs: a patient has one record, so that it is found by its patient alone."""

from __future__ import annotations

from typing import Any, Final

from welkin_async.bulk.keys.cdt_keys import CdtKeys
from welkin_async.bulk.rows import PreparedRow
from welkin_async.models.cdts import CdtRecord

ONE: Final = "the one record"
"""What stands for the key of every row and of every record: a second row of a patient has the same."""


class SingleRecordKeys(CdtKeys):
    """Keys of a CDT of which a patient has one record: whatever record is there is the row's; see `CdtKeys`.

    The key that a row is given is sent, as that of any row is, and decides nothing.
    """

    single = True

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.filter = None

    def assign(self, key: str | None, fields: dict[str, Any]) -> str:
        """Put a row's key among its fields, and return what stands for every key; see `CdtKeys.assign`."""
        super().assign(key, fields)
        return ONE

    def former(self, prepared: PreparedRow) -> tuple[str, ...]:
        """Return nothing: a record is not found by its key."""
        return ()

    def key_of(self, record: CdtRecord) -> str | None:
        """Return what stands for every key."""
        return ONE

    def repeats(self, record: CdtRecord, kept: CdtRecord) -> bool:
        """Return False: which of two records is the patient's own cannot be told."""
        return False
