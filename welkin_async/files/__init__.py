"""Files: from a file to bulk operations and back, as a library.

A row that is refused raises nothing: it is counted in the `FileReport`, and goes to a reject file where one is named.
"""

from welkin_async.files.api import (
    delete_records,
    export_batches,
    export_records,
    file_work,
    import_in_processes,
    import_patients,
    import_records,
    prepare_import,
    propose_mapping,
    update_records,
    upsert_records,
    verify_records,
)
from welkin_async.files.chunks.chunk_importer import ChunkImporter, FileWork, PreparedImport
from welkin_async.files.chunks.import_files import ImportFiles
from welkin_async.files.chunks.parts import PartsFolder
from welkin_async.files.chunks.plan import Chunk, Plan, PlanOptions, plan
from welkin_async.files.chunks.process_pool import WorkersFailedError
from welkin_async.files.errors import FileError
from welkin_async.files.mapping.mapping_file import read_mapping
from welkin_async.files.mapping.patient_map import read_patient_map
from welkin_async.files.mapping.proposal import MappingProposal
from welkin_async.files.options import (
    ChunkFileOptions,
    Field,
    FieldOptions,
    FileProgress,
    ImportOptions,
    PatientColumn,
    PatientImportOptions,
    ProcessFileOptions,
    ProcessImportOptions,
    RunOptions,
    UpdateOptions,
    UpsertOptions,
)
from welkin_async.files.report.comparison_report import ComparisonReport
from welkin_async.files.report.file_report import FileReport

__all__ = [
    "Chunk",
    "ChunkFileOptions",
    "ChunkImporter",
    "ComparisonReport",
    "Field",
    "FieldOptions",
    "FileError",
    "FileProgress",
    "FileReport",
    "FileWork",
    "ImportFiles",
    "ImportOptions",
    "MappingProposal",
    "PartsFolder",
    "PatientColumn",
    "PatientImportOptions",
    "Plan",
    "PlanOptions",
    "PreparedImport",
    "ProcessFileOptions",
    "ProcessImportOptions",
    "RunOptions",
    "UpdateOptions",
    "UpsertOptions",
    "WorkersFailedError",
    "delete_records",
    "export_batches",
    "export_records",
    "file_work",
    "import_in_processes",
    "import_patients",
    "import_records",
    "plan",
    "prepare_import",
    "propose_mapping",
    "read_mapping",
    "read_patient_map",
    "update_records",
    "upsert_records",
    "verify_records",
]
