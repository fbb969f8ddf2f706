"""Documents of a patient, their files and type records."""

from __future__ import annotations

from welkin_async.models.cdts import CdtRecord
from welkin_async.record import Record, record, wire

__all__ = ["DocumentFile", "DocumentSummary", "DocumentTypeRecord"]


@record
class DocumentFile(Record):
    """A file of a document.

    Attributes:
        id: ``id``.
        size: ``size``; bytes.
        storage_key: ``storageKey``; internal storage path, do not log.
        content_type: ``contentType``.
        original_name: ``originalName``.
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
        type: ``jsonBody.type``; document type name.
        files: ``jsonBody.files``; null before the first upload.
    """

    type: str | None = wire("type", inside="jsonBody")
    files: tuple[DocumentFile, ...] | None = wire("files", inside="jsonBody")


@record
class DocumentTypeRecord(CdtRecord):
    """The fields of a document's type."""
