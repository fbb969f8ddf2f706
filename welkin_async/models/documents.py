"""Documents of a patient, their files and type records."""

from __future__ import annotations

from welkin_async.models.cdts import CdtRecord
from welkin_async.wire.records import Record, record, wire


@record
class DocumentFile(Record):
    """A file of a document.

    Attributes:
        size: Bytes.
        storage_key: Internal storage path, do not log.
    """

    id: str = wire("id", required=True)
    size: int | None = wire("size")
    storage_key: str | None = wire("storageKey")
    content_type: str | None = wire("contentType")
    original_name: str | None = wire("originalName")


@record
class DocumentSummary(CdtRecord):
    """A document of a patient.

    Values seen, none of them closed sets:

    - built-in document types: doc-type-assessment, doc-type-docusign, doc-type-others.

    Attributes:
        type: Document type name.
        files: Null before the first upload.
    """

    type: str | None = wire("type", inside="jsonBody")
    files: tuple[DocumentFile, ...] | None = wire("files", inside="jsonBody")


@record
class DocumentTypeRecord(CdtRecord):
    """The fields of a document's type."""
