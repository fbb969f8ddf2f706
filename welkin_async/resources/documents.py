"""Documents of a patient, their files, and the fields of their type."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from welkin_async.models.documents import DocumentFile, DocumentSummary, DocumentTypeRecord
from welkin_async.pagination.pager import NESTED_SPRING, Pager
from welkin_async.resources._base.arguments import UNSET, OneText, given, mapping, one_text
from welkin_async.resources._base.mixins import DeleteMixin, GetMixin, Resource, SingleMixin
from welkin_async.resources._base.paths import Path
from welkin_async.resources._base.scope import CallOptions, Key, PageQuery
from welkin_async.wire.records import records_of
from welkin_async.wire.request import Answer, Shape

if TYPE_CHECKING:
    from welkin_async.http.download import ChunkStream
    from welkin_async.http.multipart import Downloaded, FileSource

_COLLECTION = Path("documents", "/{tenant}/{instance}/patients/{patient_id}/document-summary")
_ONE = _COLLECTION / "{summary_id}"


class DocumentQuery(PageQuery, total=False):
    """The query of a list of documents.

    Attributes:
        source_id: Only those made from this record.
    """

    source_id: Key


class Documents(GetMixin[DocumentSummary], DeleteMixin[DocumentSummary]):
    """A patient's documents: ``welkin.patient(id).documents``, at ``.../document-summary[/{summary_id}]``.

    The files of one are at ``welkin.patient(id).document(summary_id).files``.
    """

    _listing = _COLLECTION.pages("list", NESTED_SPRING, DocumentQuery)
    _get_operation = _ONE.get("get")
    _create_operation = _COLLECTION.post("create")
    _update_operation = _ONE.put("update")
    _delete_operation = _ONE.delete("delete")

    def list(  # keywords of DocumentQuery
        self,
        *,
        source_id: Key = UNSET,
        page: int = UNSET,
        size: int = UNSET,
        prefetch: int = UNSET,
        limit: int = UNSET,
        timeout: float = UNSET,
        max_attempts: int = UNSET,
    ) -> Pager[DocumentSummary]:
        """List the patient's documents: ``GET .../patients/{patient_id}/document-summary`` (recorded).

        The keywords are those of `DocumentQuery`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated.
        """
        keywords = given(DocumentQuery, locals())
        return self._list(keywords)

    async def create(self, type: OneText, /, **options: Unpack[CallOptions]) -> DocumentSummary:
        """Create a document without files: ``POST .../document-summary`` (recorded, 201).

        Args:
            type: The document type's name, such as ``doc-type-others``; or a mapping with the documented names.
            options: See `CallOptions`.

        Returns:
            The document as the server answered; ``files`` is None until the first upload.

        Raises:
            OutcomeUnknownError: it may have been created; list the documents before repeating.
            RequestError: see `errors`.
        """
        return await self._one(self._create_operation, body=one_text("type", type), options=options)

    async def update(self, id: Key, fields: Mapping[str, Any], /, **options: Unpack[CallOptions]) -> DocumentSummary:
        """Change a document: ``PUT .../document-summary/{summary_id}`` (documented).

        Args:
            id: The document's id.
            fields: Its fields, flat, by their documented names.
            options: See `CallOptions`.

        Returns:
            The document as the server answered.

        Raises:
            NotFoundError: there is no such document.
            RequestError: see `errors`.
        """
        return await self._one(self._update_operation, summary_id=id, body=mapping(fields), options=options)


class DocumentFiles(Resource[DocumentFile]):
    """The files of a document: ``welkin.patient(id).document(summary_id).files``.

    They pass from and to disk in pieces; memory stays bounded whatever their size.
    """

    _upload_operation = (_ONE / "files").post("upload_files", Shape.ARRAY)
    _download_operation = (_ONE / "files/{file_id}").get("download_file", Shape.BYTES)

    async def upload(self, *files: FileSource, **options: Unpack[CallOptions]) -> tuple[DocumentFile, ...]:
        """Upload files: ``POST .../document-summary/{summary_id}/files`` (documented, multipart, 201).

        The documentation allows jpg, jpeg, png and pdf. ``timeout`` bounds the time without any progress, not the
        whole upload.

        Args:
            files: Paths, or `UploadFile` for another name, bytes or an async iterable.
            options: See `CallOptions`.

        Returns:
            The files as the server answered.

        Raises:
            OutcomeUnknownError: they may have been stored; read the document before repeating. Never repeated by
                itself, because a repeat stores them twice.
            RequestError: see `errors`.
            InvalidInputError: no file, or a name that cannot be sent; nothing was.
            OSError: a file cannot be read. What was sent of it is not a whole upload.
        """
        from welkin_async.http.multipart import Multipart

        multipart = await Multipart.build(files, "files")
        answer = await self._scope.transfer(self._upload_operation, multipart, options=options)
        return records_of(DocumentFile, answer.data, answer)

    async def download(
        self,
        file_id: Key,
        path: str | os.PathLike[str],
        /,
        *,
        max_size: int | None = None,
        **options: Unpack[CallOptions],
    ) -> Downloaded:
        """Download a file to disk: ``GET .../document-summary/{summary_id}/files/{file_id}`` (recorded).

        It is written beside the path and put in its place when it is all there: whatever happens, the path holds the
        whole file or what it held before. Only the owner can read it. A download that breaks off begins anew.

        Args:
            file_id: The file's id.
            path: Where it is to be; the directory must exist.
            max_size: Bytes the file may have; a larger one is given up at once. None for no bound.
            options: See `CallOptions`.

        Returns:
            Path, size and content type.

        Raises:
            NotFoundError: there is no such file.
            RequestError: see `errors`.
            OSError: it cannot be written.
        """
        from welkin_async.http.multipart import Downloaded, ToPath

        target = ToPath(path, max_size)
        await self._scope.transfer(self._download_operation, target, file_id=file_id, options=options)
        return Downloaded(target.path, target.received, target.content_type)

    def stream(self, file_id: Key, /, *, max_size: int | None = None, **options: Unpack[CallOptions]) -> ChunkStream:
        """Read a file as it comes in: ``GET .../document-summary/{summary_id}/files/{file_id}`` (recorded).

            async with document.files.stream(file_id) as chunks:
                async for chunk in chunks: ...

        Args:
            file_id: The file's id.
            max_size: Bytes the file may have; one that is larger breaks off there. None for no bound.
            options: See `CallOptions`.

        Returns:
            A stream to be entered; nothing is sent before. Errors are raised on entering, and where the file breaks off
            in the middle, by the iteration.
        """
        from welkin_async.http.download import ChunkStream

        request = self._scope.request(self._download_operation, file_id=file_id, options=options)
        return ChunkStream(request, self._scope.sender().send, max_size)


class DocumentTypeRecords(SingleMixin[DocumentTypeRecord]):
    """The fields of a document's type: ``welkin.patient(id).document(summary_id).type_record(name)`` (documented).

    A document has one record of its type, at ``.../document-summary/{summary_id}/{document_type_name}``, which ``get``
    reads. The fields are the customer's own: always a mapping, never renamed.
    """

    _path = _ONE / "{document_type_name}"
    _get_operation = _path.get("get_type_record")
    _create_operation = _path.post("create_type_record")
    _update_operation = _path.put("update_type_record")
    _delete_operation = _path.delete("delete_type_record")

    async def create(self, fields: Mapping[str, Any], /, **options: Unpack[CallOptions]) -> DocumentTypeRecord:
        """Create the record: ``POST .../{document_type_name}`` (201).

        Args:
            fields: The customer's fields by their own names.
            options: See `CallOptions`.

        Returns:
            The record as the server answered.

        Raises:
            OutcomeUnknownError: it may have been created; read it before repeating.
            RequestError: see `errors`.
        """
        return await self._one(self._create_operation, body=mapping(fields), options=options)

    async def update(self, fields: Mapping[str, Any], /, **options: Unpack[CallOptions]) -> DocumentTypeRecord:
        """Replace the record: ``PUT .../{document_type_name}``.

        Args:
            fields: The customer's fields by their own names.
            options: See `CallOptions`.

        Returns:
            The record as the server answered.

        Raises:
            NotFoundError: there is none.
            RequestError: see `errors`.
        """
        return await self._one(self._update_operation, body=mapping(fields), options=options)

    async def delete(self, **options: Unpack[CallOptions]) -> Answer:
        """Delete the record: ``DELETE .../{document_type_name}``.

        Args:
            options: See `CallOptions`.

        Returns:
            The answer; its status is 404 where an earlier attempt of this call deleted it and its answer was lost.

        Raises:
            NotFoundError: there is none.
            RequestError: see `errors`.
        """
        return await self._scope.send(self._delete_operation, options=options)
