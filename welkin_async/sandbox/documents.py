"""Documents: summaries, the files of each, and one record of the document type's fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from .blobs import Blob
from .cdts import write
from .designs import Designs
from .errors import ApiError, record_not_found, validation_error
from .pages import sorted_by, spring_page
from .records import PatientTable, envelope, picked, require, touch_envelope
from .routing import Routes
from .site import Site
from .wire import Answer, Call, Record, no_content, ok

__all__ = ["Documents"]

_NAME = "_document_summary"
# By the end of a file's name (documented: jpg, jpeg, png and pdf only).
_CONTENT_TYPES = {"jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "pdf": "application/pdf"}


@attrs.define
class Documents:
    """Documents and their section of the API.

    Attributes:
        site: Clock, ids and author.
        table: Summaries per patient.
        designs: Definitions of the document types.
        blobs: Content of files by file id.
        type_records: Record of the type's fields by summary id.
    """

    site: Site
    table: PatientTable
    designs: Designs
    blobs: dict[str, Blob] = attrs.field(factory=dict, repr=False)
    type_records: dict[str, Record] = attrs.field(factory=dict, repr=False)
    _formation: Record = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.table.on_drop.append(self._forget)
        self._formation = {"id": self.site.new_id(), "version": 1, "name": _NAME}

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        base = "/{tenant}/{instance}/patients/{patient_id}/document-summary"
        one = base + "/{summary_id}"
        typed = one + "/{document_type_name}"
        routes.add("documents.list", "GET", base, self.list_page)
        routes.add("documents.create", "POST", base, self.create)
        routes.add("documents.get", "GET", one, self.get)
        routes.add("documents.update", "PUT", one, self.update)
        routes.add("documents.delete", "DELETE", one, self.delete)
        routes.add("documents.upload_files", "POST", one + "/files", self.upload, multipart=True)
        routes.add("documents.download_file", "GET", one + "/files/{file_id}", self.download)
        routes.add("documents.get_type_record", "GET", typed, self.get_type_record)
        routes.add("documents.create_type_record", "POST", typed, self.create_type_record)
        routes.add("documents.update_type_record", "PUT", typed, self.update_type_record)
        routes.add("documents.delete_type_record", "DELETE", typed, self.delete_type_record)

    def list_page(self, call: Call, patient_id: str) -> Answer:
        """A page of a patient's summaries as `{name, data}` (recorded), by `sourceId` when it is given."""
        source = call.query.get("sourceId")
        found = [
            each for each in self.table.of(patient_id).values() if source in (None, "", each["jsonBody"]["source_id"])
        ]
        known = found[0]["jsonBody"] if found else ()
        return ok({"name": _NAME, "data": spring_page(sorted_by(found, call.query, known, "jsonBody"), call.query)})

    def create(self, call: Call, patient_id: str) -> Answer:
        """Create a summary: 201, `files` null until the first upload (recorded).

        Raises:
            ApiError: 400, no type; 404, unknown patient or type.
        """
        self.table.of(patient_id)
        sent = call.object()
        fields = self._fields(sent)
        require(fields, ("type",), "CDT")
        record = envelope(self.site, patient_id.lower(), self._formation, {**fields, "files": None})
        return ok(self.table.add(patient_id, record), 201)

    def _fields(self, sent: Mapping[str, Any]) -> Record:
        fields = picked(sent, {"type": str}, "CDT")
        if fields.get("type"):
            self.designs.find("document-types", fields["type"])
        return fields

    def get(self, call: Call, patient_id: str, summary_id: str) -> Answer:
        """One summary (recorded)."""
        return ok(self.table.find(patient_id, summary_id))

    def update(self, call: Call, patient_id: str, summary_id: str) -> Answer:
        """Change a summary's fields (documented); its files stay."""
        record = self.table.find(patient_id, summary_id)
        record["jsonBody"].update(self._fields(call.object()))
        touch_envelope(self.site, record)
        return ok(record)

    def delete(self, call: Call, patient_id: str, summary_id: str) -> Answer:
        """Delete a summary with its files: 200 without a body (recorded)."""
        self.table.remove(patient_id, summary_id)
        return no_content()

    def _forget(self, summary: Record) -> None:
        for file in summary["jsonBody"]["files"] or ():
            del self.blobs[file["id"]]
        self.type_records.pop(summary["id"], None)

    def upload(self, call: Call, patient_id: str, summary_id: str) -> Answer:
        """Add the files of every part named `files`: 201 with those added as a bare array (documented).

        Raises:
            ApiError: 400, no such part, malformed multipart, or a file that is not jpg, jpeg, png or pdf (that it is
                refused with 400, and told by its name, is unknown: chosen here).
        """
        record = self.table.find(patient_id, summary_id)
        parts = [part for part in call.parts or () if part.name == "files"]
        if not parts:
            raise validation_error("a multipart body with parts named files is expected", "CDT", field="files")
        added: list[Record] = []
        for part in parts:
            ending = (part.filename or "").rpartition(".")[2].lower()
            if ending not in _CONTENT_TYPES:
                raise validation_error("only jpg, jpeg, png and pdf files are taken", "CDT", field="files")
            file_id = self.site.new_id()
            kind = part.content_type.partition(";")[0].strip()
            known = kind not in ("", "text/plain", "application/octet-stream")
            added.append({
                "id": file_id,
                "size": part.content.size,
                "storageKey": f"{self.site.tenant}/{self.site.instance}/{record['id']}/{file_id}",
                "contentType": kind if known else _CONTENT_TYPES[ending],
                "originalName": part.filename,
            })  # fmt: skip
        for file, part in zip(added, parts, strict=True):
            self.blobs[file["id"]] = part.content
        record["jsonBody"]["files"] = [*(record["jsonBody"]["files"] or ()), *added]
        touch_envelope(self.site, record)
        return ok(added, 201)

    def download(self, call: Call, patient_id: str, summary_id: str, file_id: str) -> Answer:
        """A file's bytes under its own type (recorded, with `Accept-Ranges: true`)."""
        record = self.table.find(patient_id, summary_id)
        for file in record["jsonBody"]["files"] or ():
            if file["id"] == file_id.lower():
                headers = {"Content-Type": file["contentType"], "Accept-Ranges": "true"}
                return Answer(200, b"", headers, self.blobs[file["id"]])
        raise record_not_found(patient_id, _NAME, file_id)

    def get_type_record(self, call: Call, patient_id: str, summary_id: str, type_name: str) -> Answer:
        """The one record of the type's fields (documented)."""
        return ok(self._type_record(patient_id, summary_id, type_name)[1])

    def _type_record(self, patient_id: str, summary_id: str, type_name: str) -> tuple[Record, Record]:
        summary = self.table.find(patient_id, summary_id)
        found = self.type_records.get(summary["id"])
        if found is None or found["cdtName"] != type_name:
            raise record_not_found(patient_id, type_name)
        return summary, found

    def create_type_record(self, call: Call, patient_id: str, summary_id: str, type_name: str) -> Answer:
        """Create it: 201 (documented).

        Raises:
            ApiError: 400, the summary is of another type or has its record already (unknown: chosen here); 404.
        """
        summary = self.table.find(patient_id, summary_id)
        formation = self.designs.formation("document-types", type_name)
        if summary["jsonBody"]["type"] != type_name or summary["id"] in self.type_records:
            raise validation_error("the document is of another type, or has a record", "CDT", cdtName=type_name)
        custom = {name: None for name in formation.blank if name not in summary["jsonBody"]}
        source = {"source_type": "DOCUMENT_SUMMARY", "source_name": "DOCUMENT_SUMMARY", "source_id": summary["id"]}
        record = envelope(self.site, patient_id.lower(), formation.shape, custom, **source)
        write(formation, record["jsonBody"], call.object())
        self.type_records[summary["id"]] = record
        return ok(record, 201)

    def update_type_record(self, call: Call, patient_id: str, summary_id: str, type_name: str) -> Answer:
        """Change the fields sent (documented as PUT; whether others are cleared is unknown: here they stay)."""
        _, record = self._type_record(patient_id, summary_id, type_name)
        write(self.designs.formation("document-types", type_name), record["jsonBody"], call.object())
        touch_envelope(self.site, record)
        return ok(record)

    def delete_type_record(self, call: Call, patient_id: str, summary_id: str, type_name: str) -> Answer:
        """Delete it: 200 without a body (assumed)."""
        summary, _ = self._type_record(patient_id, summary_id, type_name)
        del self.type_records[summary["id"]]
        return no_content()


def missing(patient_id: str, summary_id: str) -> ApiError:
    """404 of a document: the code of CDT records (recorded)."""
    return record_not_found(patient_id, _NAME, summary_id)
