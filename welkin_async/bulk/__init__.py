"""Bulk operations: rows fanned out with bounded concurrency, each with exactly one outcome."""

from welkin_async.bulk.cdts import create_cdt_records, stream_cdt_records
from welkin_async.bulk.changes import (
    CdtChange,
    CdtRef,
    delete_cdt_records,
    stream_cdt_deletions,
    stream_cdt_updates,
    update_cdt_records,
)
from welkin_async.bulk.exactly import Double
from welkin_async.bulk.export import ExportError, ExportReport, export_cdt, export_resource
from welkin_async.bulk.grouped import bulk_update_cdt_records, stream_cdt_bulk_updates
from welkin_async.bulk.journal import Journal, JournalError, JournalLockedError, JournalMismatchError
from welkin_async.bulk.outcomes import BulkStoppedError, CdtRow, Outcome, Progress, Report, Status
from welkin_async.bulk.patients import PatientRow, create_patients, stream_patients
from welkin_async.bulk.proof import ProofError
from welkin_async.bulk.stream import OutcomeStream

__all__ = [
    "BulkStoppedError",
    "CdtChange",
    "CdtRef",
    "CdtRow",
    "Double",
    "ExportError",
    "ExportReport",
    "Journal",
    "JournalError",
    "JournalLockedError",
    "JournalMismatchError",
    "Outcome",
    "OutcomeStream",
    "PatientRow",
    "Progress",
    "ProofError",
    "Report",
    "Status",
    "bulk_update_cdt_records",
    "create_cdt_records",
    "create_patients",
    "delete_cdt_records",
    "export_cdt",
    "export_resource",
    "stream_cdt_bulk_updates",
    "stream_cdt_deletions",
    "stream_cdt_records",
    "stream_cdt_updates",
    "stream_patients",
    "update_cdt_records",
]
