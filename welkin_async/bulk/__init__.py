"""Bulk operations: rows fanned out with bounded concurrency, each with exactly one outcome."""

from welkin_async.bulk.cdts import create_cdt_records, stream_cdt_records
from welkin_async.bulk.exactly import Double
from welkin_async.bulk.journal import Journal, JournalError, JournalLockedError, JournalMismatchError
from welkin_async.bulk.outcomes import BulkStoppedError, CdtRow, Outcome, Progress, Report, Status
from welkin_async.bulk.proof import ProofError
from welkin_async.bulk.stream import OutcomeStream

__all__ = [
    "BulkStoppedError",
    "CdtRow",
    "Double",
    "Journal",
    "JournalError",
    "JournalLockedError",
    "JournalMismatchError",
    "Outcome",
    "OutcomeStream",
    "Progress",
    "ProofError",
    "Report",
    "Status",
    "create_cdt_records",
    "stream_cdt_records",
]
