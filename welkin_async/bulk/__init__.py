"""Bulk operations: rows fanned out with bounded concurrency, each with exactly one outcome."""

from welkin_async.bulk.change_records import (
    bulk_update_cdt_records,
    delete_cdt_records,
    stream_cdt_bulk_updates,
    stream_cdt_deletions,
    stream_cdt_updates,
    update_cdt_records,
)
from welkin_async.bulk.chunks.finish_import import finish_import
from welkin_async.bulk.chunks.import_chunk import ChunkOptions, import_chunk
from welkin_async.bulk.chunks.report import ChunkReport, DoubledKey, merge
from welkin_async.bulk.create_records import create_cdt_records, create_patients, stream_cdt_records, stream_patients
from welkin_async.bulk.engine.outcome_stream import OutcomeStream
from welkin_async.bulk.errors import (
    ExistingRecordsError,
    ExportError,
    JournalError,
    JournalLockedError,
    JournalMismatchError,
    ProofError,
)
from welkin_async.bulk.export.export import ExportReport, export_cdt, export_resource
from welkin_async.bulk.journal.journal import Journal
from welkin_async.bulk.reconciliation.duplicate_scan import Duplicate
from welkin_async.bulk.results import BulkStoppedError, Outcome, Progress, Report, Status
from welkin_async.bulk.rows import CdtChange, CdtRef, CdtRow, PatientRow
from welkin_async.bulk.upsert_records import (
    stream_cdt_upserts,
    stream_patient_upserts,
    upsert_cdt_records,
    upsert_patients,
)

__all__ = [
    "BulkStoppedError",
    "CdtChange",
    "CdtRef",
    "CdtRow",
    "ChunkOptions",
    "ChunkReport",
    "Double",
    "DoubledKey",
    "Duplicate",
    "ExistingRecordsError",
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
    "finish_import",
    "import_chunk",
    "merge",
    "stream_cdt_bulk_updates",
    "stream_cdt_deletions",
    "stream_cdt_records",
    "stream_cdt_updates",
    "stream_cdt_upserts",
    "stream_patient_upserts",
    "stream_patients",
    "update_cdt_records",
    "upsert_cdt_records",
    "upsert_patients",
]

Double = Duplicate
"""The earlier name of `Duplicate`."""
