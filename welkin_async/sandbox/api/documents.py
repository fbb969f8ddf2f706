"""Documents: summaries, the files of each, and one record of the document type's fields."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from welkin_async.sandbox.api.cdts import write_fields
from welkin_async.sandbox.api.formations import VersionedFormations
from welkin_async.sandbox.api.patients import PatientCollection
from welkin_async.sandbox.http.errors import record_not_found, validation_error
from welkin_async.sandbox.http.messages import Answer, Call, Record, no_content, ok
from welkin_async.sandbox.http.routing import Routes
from welkin_async.sandbox.http.spooled_file import SpooledFile
from welkin_async.sandbox.records.records import envelope, touch

_NAME = "_document_summary"
# By the end of a file's name (documented: jpg, jpeg, png and pdf only).
_CONTENT_TYPES = {"jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "pdf": "application/pdf"}


@attrs.define
class Documents(PatientCollection):
    """Documents and their section of the API.

    Reading and deleting one are recorded; its files go with it.

    Attributes:
        formations: Definitions of the document types.
        contents: Content of files by file id.
        type_records: Record of the type's fields by summary id.
    """

    cdt_name = _NAME
    fields = {"type": str}
    required = ("type",)
    page = "content"
    inside = "jsonBody"

    formations: VersionedFormations
    contents: dict[str, SpooledFile] = attrs.field(factory=dict, repr=False)
    type_records: dict[str, Record] = attrs.field(factory=dict, repr=False)
    _formation: Record = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._formation = {"id": self.site.new_id(), "version": 1, "name": _NAME}

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        one = "/{tenant}/{instance}/patients/{patient_id}/document-summary/{summary_id}"
        routes.collection("documents", one, self, "list create get update delete", update="PUT")
        routes.add("documents.upload_files", "POST", one + "/files", self.upload, multipart=True)
        routes.add("documents.download_file", "GET", one + "/files/{file_id}", self.download)
        typed = one + "/{document_type_name}"
        of_type = "get_type_record update_type_record delete_type_record"
        routes.collection("documents", typed, self, of_type, update="PUT")
        routes.add("documents.create_type_record", "POST", typed, self.create_type_record)

    def chosen(self, call: Call, records: Iterable[Record]) -> Iterable[Record]:
        """Those of the `sourceId` that is asked for."""
        source = call.query.get("sourceId")
        return [each for each in records if source in (None, "", each["jsonBody"]["source_id"])]

    def listed(self, call: Call, patient_id: str) -> Record:
        """A page of a patient's summaries as `{name, data}` (recorded)."""
        return {"name": _NAME, "data": super().listed(call, patient_id)}

    def made(self, sent: Record, patient_id: str) -> Record:
        """A new summary, `files` null until the first upload (recorded).

        Raises:
            ApiError: 404, unknown type.
        """
        record = envelope(self.site, patient_id.lower(), self._formation, {"type": None, "files": None})
        self.write(record, sent)
        return record

    def write(self, record: Record, sent: Record) -> None:
        """Change a summary's type (documented); its files stay."""
        if sent.get("type"):
            self.formations.find("document-types", sent["type"])
        record["jsonBody"].update(sent)

    def dropped(self, record: Record) -> None:
        """Remove a summary's files and record."""
        for file in record["jsonBody"]["files"] or ():
            del self.contents[file["id"]]
        self.type_records.pop(record["id"], None)

    def upload(self, call: Call, patient_id: str, summary_id: str) -> Answer:
        """Add the files of every part named `files`: 201 with those added as a bare array (documented).

        Raises:
            ApiError: 400, no such part, malformed multipart, or a file that is not jpg, jpeg, png or pdf (that it is
                refused with 400, and told by its name, is unknown: chosen here).
        """
        record = self.find(patient_id, summary_id)
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
            self.contents[file["id"]] = part.content
        record["jsonBody"]["files"] = [*(record["jsonBody"]["files"] or ()), *added]
        touch(self.site, record)
        return ok(added, 201)

    def download(self, call: Call, patient_id: str, summary_id: str, file_id: str) -> Answer:
        """A file's bytes under its own type (recorded, with `Accept-Ranges: true`)."""
        record = self.find(patient_id, summary_id)
        for file in record["jsonBody"]["files"] or ():
            if file["id"] == file_id.lower():
                headers = {"Content-Type": file["contentType"], "Accept-Ranges": "true"}
                return Answer(200, b"", headers, self.contents[file["id"]])
        raise record_not_found(patient_id, _NAME, file_id)

    def get_type_record(self, call: Call, patient_id: str, summary_id: str, type_name: str) -> Answer:
        """The one record of the type's fields (documented)."""
        return ok(self._type_record(patient_id, summary_id, type_name)[1])

    def _type_record(self, patient_id: str, summary_id: str, type_name: str) -> tuple[Record, Record]:
        summary = self.find(patient_id, summary_id)
        found = self.type_records.get(summary["id"])
        if found is None or found["cdtName"] != type_name:
            raise record_not_found(patient_id, type_name)
        return summary, found

    def create_type_record(self, call: Call, patient_id: str, summary_id: str, type_name: str) -> Answer:
        """Create it: 201 (documented).

        Raises:
            ApiError: 400, the summary is of another type or has its record already (unknown: chosen here); 404.
        """
        summary = self.find(patient_id, summary_id)
        formation = self.formations.formation("document-types", type_name)
        if summary["jsonBody"]["type"] != type_name or summary["id"] in self.type_records:
            raise validation_error("the document is of another type, or has a record", "CDT", cdtName=type_name)
        custom = {name: None for name in formation.blank if name not in summary["jsonBody"]}
        source = {"source_type": "DOCUMENT_SUMMARY", "source_name": "DOCUMENT_SUMMARY", "source_id": summary["id"]}
        record = envelope(self.site, patient_id.lower(), formation.shape, custom, **source)
        write_fields(formation, record["jsonBody"], call.object())
        self.type_records[summary["id"]] = record
        return ok(record, 201)

    def update_type_record(self, call: Call, patient_id: str, summary_id: str, type_name: str) -> Answer:
        """Change the fields sent (documented as PUT; whether others are cleared is unknown: here they stay)."""
        _, record = self._type_record(patient_id, summary_id, type_name)
        write_fields(self.formations.formation("document-types", type_name), record["jsonBody"], call.object())
        touch(self.site, record)
        return ok(record)

    def delete_type_record(self, call: Call, patient_id: str, summary_id: str, type_name: str) -> Answer:
        """Delete it: 200 without a body (assumed)."""
        summary, _ = self._type_record(patient_id, summary_id, type_name)
        del self.type_records[summary["id"]]
        return no_content()
