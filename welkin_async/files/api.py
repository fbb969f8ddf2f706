"""File runs: from a file to the server, row by row and accounted for, and from the server to a file."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal, Unpack
from uuid import UUID

import anyio.to_thread
import attrs

from welkin_async.bulk import ChunkReport
from welkin_async.files.chunks.chunk_importer import FileWork, PreparedImport
from welkin_async.files.chunks.object_file import local_copy, object_name, object_url
from welkin_async.files.chunks.parts import PartsFolder
from welkin_async.files.chunks.plan import divide, run_identity
from welkin_async.files.chunks.process_pool import ROWS, ProcessPool
from welkin_async.files.errors import FileError
from welkin_async.files.jobs.change_records import RecordDeletion, RecordUpdate
from welkin_async.files.jobs.create_patients import PatientImport
from welkin_async.files.jobs.create_records import RecordImport
from welkin_async.files.jobs.job import FileJob
from welkin_async.files.jobs.open_file import checked_input, formation_of, open_file
from welkin_async.files.jobs.upsert_records import RecordUpsert
from welkin_async.files.mapping.columns import Columns
from welkin_async.files.mapping.proposal import MappingProposal, propose
from welkin_async.files.options import (
    ChunkFileOptions,
    FileProgress,
    FileSettings,
    ImportOptions,
    PatientColumn,
    PatientImportOptions,
    ProcessFileOptions,
    RunOptions,
    StrPath,
    UpdateOptions,
    UpsertOptions,
)
from welkin_async.files.readers.frames import Frame, frame_of
from welkin_async.files.readers.parquet_reader import parquet_batches
from welkin_async.files.readers.spool import FileSource, local_file, private_folder
from welkin_async.files.report.comparison_report import ComparisonReport
from welkin_async.files.report.file_report import FileReport
from welkin_async.files.run.comparison_run import ComparisonRun
from welkin_async.files.run.export_run import ExportRun, ExportSettings
from welkin_async.files.run.file_run import FileRun
from welkin_async.resources.patients import PatientKeyType
from welkin_async.session import Welkin
from welkin_async.shared.ledger import LEASE
from welkin_async.wire.tracebacks import without_frames

_SETTINGS = frozenset(attrs.fields_dict(FileSettings)) - {"file", "url", "format"}


async def _run(
    welkin: Welkin,
    source: FileSource,
    job_of: Callable[..., FileJob],
    options: Mapping[str, Any],
    *named: str,
    keyed: bool = True,
) -> FileReport:
    given = dict(options)
    stop, on_progress = given.pop("stop", None), given.pop("on_progress", None)
    async with _opened(source, given, *named, keyed=keyed) as settings:
        job = job_of(settings=settings, **given)
        return await FileRun(job, stop=stop, on_progress=on_progress).run(welkin)


@contextlib.asynccontextmanager
async def _opened(
    source: FileSource, given: dict[str, Any], *named: str, keyed: bool = True
) -> AsyncIterator[FileSettings]:
    """Have the settings of a run over a source; what is of them is taken out of what was given.

    Args:
        source: The source.
        given: The options; those of the job are left in it.
        named: The columns that the job names.
        keyed: Whether a row has a key; else it is known by the record that it is about.
    """
    nan, format = given.pop("nan", "refuse"), given.pop("format", None)
    if nan not in ("refuse", "null"):
        raise FileError("nan= is refuse or null")
    settings = {name: given.pop(name) for name in _SETTINGS & given.keys()}
    frame = await anyio.to_thread.run_sync(lambda: frame_of(source, null_nan=nan == "null"))
    if frame is not None:
        key = given.get("key")
        if frame.read_once and keyed and key is None and given.get("key_field", "external_id") is not None:
            raise FileError(
                "a source that is read once may give its rows in another order the next time: name the column of "
                "their keys with key=, or collect it first"
            )
        _select(frame, settings, *named, *(() if key is None else (key,)))
    async with local_file(source if frame is None else frame, format) as (path, found):
        yield FileSettings(file=path, format=found, **settings)


def _select(frame: Frame, settings: Mapping[str, Any], *named: str) -> None:
    """Leave unread what is not used of a frame, and see that it has what is."""
    columns = Columns(frame.columns, fixed=False, complete=True, ignore_case=bool(settings.get("ignore_case")))
    mapping, ignored = settings.get("mapping"), {columns.find(name) for name in settings.get("ignore") or ()}
    needed = columns.needed([*named, *(mapping or ())])
    if mapping and needed is not None:
        frame.select([name for name in frame.columns if name in needed])
    else:
        frame.select([name for name in frame.columns if name not in ignored or name in (needed or ())])


def _patient(column: PatientColumn | str) -> PatientColumn:
    return PatientColumn(column) if isinstance(column, str) else column


@without_frames
async def import_records(
    welkin: Welkin, source: FileSource, *, cdt: str, patient: PatientColumn | str, **options: Unpack[ImportOptions]
) -> FileReport:
    """Create a CDT record for each row, exactly once.

    ``POST /{tenant}/{instance}/patients/{patient_id}/cdts/{cdt_name}`` for each row. A row that is refused raises
    nothing: it is counted, and goes to the reject or the review file where one is named. With a journal the same call
    goes on where an earlier one ended. Cancelling it closes the journal; what was on the wire then is unknown, and the
    next run looks for it.

    Args:
        welkin: An open session. The run makes no event loop and no signal handlers of its own.
        source: A path, a binary file, an iterable, synchronous or asynchronous, of mappings, or a frame: of pandas or
            polars, lazy or not, an Arrow table, batch or reader, a DuckDB relation, or anything else with
            ``__arrow_c_stream__``. All but a path are put into a private temporary file first, which is removed at the
            end; of a frame only the columns that are used. Of what is read once ``key`` names a column of keys.
        cdt: The CDT's name.
        patient: The column that names the patient, by its id unless a `PatientColumn` says otherwise.
        options: See `ImportOptions`.

    Returns:
        The report. Its ``outcome`` says whether every row is done; a run that was stopped has an ``error``.

    Raises:
        FileError: the file or an option does not fit; nothing was sent.
        WelkinError: what rows are checked against could not be read, or the session is not open; nothing was sent.
        TypeError: there is no such option.
    """
    column = _patient(patient)
    return await _run(welkin, source, partial(RecordImport, cdt=cdt, patient=column), options, column.column)


@without_frames
async def import_in_processes(
    welkin: Welkin,
    source: StrPath,
    *,
    cdt: str,
    patient: PatientColumn | str,
    processes: int = 2,
    rows: int = ROWS,
    shared: str | None = None,
    lease: float = LEASE,
    stop: asyncio.Event | None = None,
    on_progress: Callable[[ChunkReport], None] | None = None,
    **options: Unpack[ProcessFileOptions],
) -> ChunkReport:
    """Create a CDT record for each row, exactly once, by several processes of this machine.

    The file is divided into chunks (`plan`), which the processes import (`bulk.import_chunk`) under leases in a ledger.
    A process that dies is replaced, and its chunk done again by what is found on the server. The same call goes on
    where an earlier one ended. The processes are started anew (``spawn``), so that a script that calls this needs the
    usual ``if __name__ == "__main__"``. Reject, review and results files have the rows that `import_records` puts in
    them, in the order of the file.

    Args:
        welkin: An open session, whose settings those of the processes' sessions are; its ``rate`` is what all of them
            may send together.
        source: The file; or the URL of one in an object storage, such as ``s3://bucket/medications.csv``, which pyarrow
            reads (extra ``parquet``). Each process fetches it, and refuses one with another content.
        cdt: The CDT's name.
        patient: The column that names the patient, by its id unless a `PatientColumn` says otherwise.
        processes: How many processes.
        rows: How many rows a chunk is to have; the rows of a patient are in one chunk.
        shared: The URL of the store that holds the ledger, as for `Welkin`; a SQLite file beside the input, which ends
            in ``.ledger``, where it is None, and in the working folder where the input is not on this machine.
        lease: Seconds that the lease of a chunk lasts.
        stop: An event that asks for an orderly end: no further chunk is begun.
        on_progress: Called with the counts up to then whenever a chunk is done.
        options: See `ProcessFileOptions`, `ChunkFileOptions` and `ProcessImportOptions`.

    Returns:
        The counts, after the final scan.

    Raises:
        WorkersFailedError: a chunk could not be carried out, or the final scan not be made.
        FileError: the file or an option does not fit, or looking for its rows takes more than `max_lookups`, and
            nothing was sent; or a file of rows cannot be written at the end, whose rows stay where they were.
        SharedStoreError: the store cannot be used.
        WelkinError: the session is not open.
        TypeError: there is no such option.
    """
    job = process_job(source, cdt, patient, dict(options))
    pool = ProcessPool(
        job,
        welkin,
        shared=shared,
        processes=processes,
        rows=rows,
        lease=lease,
        stop=stop,
        on_progress=on_progress,
    )
    return await pool.run()


@without_frames
def prepare_import(
    welkin: Welkin,
    source: StrPath,
    *,
    cdt: str,
    patient: PatientColumn | str,
    rows: int = ROWS,
    **options: Unpack[ChunkFileOptions],
) -> PreparedImport:
    """Divide a file into chunks that the workers of any engine import; it blocks, and reads the file once.

    Args:
        welkin: A session, which need not be open.
        source: The file; its workers find it at the same path. Or a URL, by which they fetch it; see
            `import_in_processes`.
        cdt: The CDT's name.
        patient: The column that names the patient, by its id unless a `PatientColumn` says otherwise.
        rows: How many rows a chunk is to have; the rows of a patient are in one chunk.
        options: See `ChunkFileOptions` and `ProcessImportOptions`. Where they name files of rows, workers are told the
            ``work`` of an `ImportFiles`.

    Raises:
        FileError: the file or an option does not fit.
        TypeError: there is no such option.
    """
    job = process_job(source, cdt, patient, dict(options), page=False)
    with local_copy(job.settings) as settings:
        made = divide(checked_input(settings), settings, by=job.patient.column, rows=rows, key=job.key)
    identity = run_identity(made, job, welkin)
    return PreparedImport(
        work=FileWork(job=job, digest=made.digest, run=identity[:16]), identity=identity, chunks=made.chunks
    )


@without_frames
def file_work(
    source: StrPath,
    *,
    cdt: str,
    patient: PatientColumn | str,
    digest: str,
    run: str,
    parts: PartsFolder | None = None,
    **options: Unpack[ChunkFileOptions],
) -> FileWork:
    """Return the ``work`` of `prepare_import` or `ImportFiles`, where an engine can send text alone to its workers.

    Args:
        source: The file.
        cdt: The CDT's name.
        patient: The column that names the patient.
        digest: Of the file: ``work.digest``.
        run: The import's id: ``work.run``.
        parts: Where rows wait for files of rows: ``work.parts``.
        options: Those that were given to `prepare_import`.

    Raises:
        FileError: an option does not fit.
        TypeError: there is no such option.
    """
    job = process_job(source, cdt, patient, dict(options), page=False)
    return FileWork(job=job, digest=digest, run=run, parts=parts)


def process_job(
    source: StrPath, cdt: str, patient: PatientColumn | str, options: dict[str, Any], *, page: bool = True
) -> RecordImport:
    """Return what several processes do with the rows of a file.

    Args:
        source: The file, or the URL of an object.
        cdt: The CDT's name.
        patient: The column that names the patient.
        options: See `ProcessFileOptions`.
        page: Whether a page may be asked for, which somebody writes at the end.

    Raises:
        FileError: an option does not fit.
        TypeError: there is no such option.
    """
    known = ProcessFileOptions if page else ChunkFileOptions
    if unknown := options.keys() - known.__optional_keys__:
        raise TypeError(f"unexpected keyword argument {min(unknown)!r}")
    given: dict[str, Any] = {**options}
    references = _patient(patient).references
    if references is not None and len({*references.values()}) < len(references):
        raise FileError("a patient map with two references to one patient does not go with several processes")
    settings = {name: given.pop(name) for name in _SETTINGS & given.keys()}
    url = object_url(source)
    file = Path(source) if url is None else Path(object_name(url))
    read = FileSettings(file=file, url=url, format=given.pop("format", None), **settings)
    return RecordImport(settings=read, cdt=cdt, patient=_patient(patient), **given)


@without_frames
async def upsert_records(
    welkin: Welkin, source: FileSource, *, cdt: str, patient: PatientColumn | str, **options: Unpack[UpsertOptions]
) -> FileReport:
    """Bring the CDT record of each row to what the row asks for, and create it where there is none.

    Rows are looked for by their keys, by one listing of each patient. What is there with the same fields is unchanged;
    of what differs the fields that do are changed, unless somebody else changed the record last; see
    `bulk.stream_cdt_upserts`. `verify_records` tells beforehand what would be done.

    Args:
        welkin: An open session.
        source: A path, a binary file, an iterable of mappings, or a frame; see `import_records`.
        cdt: The CDT's name.
        patient: The column that names the patient.
        options: See `UpsertOptions`.

    Returns:
        The report.

    Raises:
        FileError: the file or an option does not fit; nothing was sent.
        WelkinError: what rows are checked against could not be read, or the session is not open; nothing was sent.
        TypeError: there is no such option.
    """
    column = _patient(patient)
    return await _run(welkin, source, partial(RecordUpsert, cdt=cdt, patient=column), options, column.column)


@without_frames
async def verify_records(
    welkin: Welkin,
    source: FileSource,
    *,
    cdt: str,
    patient: PatientColumn | str,
    findings: StrPath | None = None,
    strict: bool = False,
    **options: Unpack[UpsertOptions],
) -> ComparisonReport:
    """Hold each row of a file against what is on the server; nothing is written there.

    Each row is present (once, with the same fields), altered, missing, doubled, or refused, where the definition does
    not allow it. It is what an upsert of the same file with the same options would leave, change, create and name.

    Args:
        welkin: An open session.
        source: A path, a binary file, an iterable of mappings, or a frame; see `import_records`.
        cdt: The CDT's name.
        patient: The column that names the patient.
        findings: Where rows go that are not present, one JSON object a line, with the names of fields that differ and
            no value; None for nowhere.
        strict: Whether records of the key space that the file does not name, of the patients that it names, are found,
            too: they are unexpected. Needs ``key`` and ``key_space``.
        options: See `UpsertOptions`; those of a journal and of files of rows mean nothing here.

    Returns:
        The report.

    Raises:
        FileError: the file or an option does not fit, or the findings cannot be written.
        ExistingRecordsError: the api client may not list records.
        WelkinError: what rows are checked against could not be read, or the session is not open.
        TypeError: there is no such option.
    """
    given: dict[str, Any] = {**options}
    stop = given.pop("stop", None)
    given.pop("on_progress", None)
    column = _patient(patient)
    async with _opened(source, given, column.column) as settings:
        job = RecordUpsert(settings=settings, cdt=cdt, patient=column, **given)
        where = None if findings is None else Path(findings)
        unexpected: Literal["unexpected"] | None = "unexpected" if strict else None
        return await ComparisonRun(job, findings=where, stop=stop, unexpected=unexpected).run(welkin)


@without_frames
async def import_patients(welkin: Welkin, source: FileSource, **options: Unpack[PatientImportOptions]) -> FileReport:
    """Create a patient for each row, exactly once.

    ``POST /{tenant}/{instance}/patients`` for each row; see `import_records`. The key of a row goes into
    ``externalGuid``: a UUID as it is, any other text as the UUID that is always made of it.

    Args:
        welkin: An open session.
        source: A path, a binary file, an iterable of mappings, or a frame; see `import_records`.
        options: See `PatientImportOptions`.

    Returns:
        The report.

    Raises:
        FileError: the file or an option does not fit; nothing was sent.
        WelkinError: the session is not open; nothing was sent.
        TypeError: there is no such option.
    """
    return await _run(welkin, source, PatientImport, options)


@without_frames
async def update_records(
    welkin: Welkin,
    source: FileSource,
    *,
    cdt: str,
    patient: PatientColumn | str,
    record: str,
    **options: Unpack[UpdateOptions],
) -> FileReport:
    """Change the CDT record that each row names.

    ``PATCH /{tenant}/{instance}/patients/{patient_id}/cdts/{cdt_name}/{record_id}`` for each row; see `import_records`.
    An empty cell changes nothing, a null clears the field. A record may have one row: a second one is refused, because
    rows are not sent in order. What was not answered is sent again, which does no harm.

    Args:
        welkin: An open session.
        source: A path, a binary file, an iterable of mappings, or a frame; see `import_records`.
        cdt: The CDT's name.
        patient: The column that names the patient.
        record: The column that holds the record's id.
        options: See `UpdateOptions`.

    Returns:
        The report.

    Raises:
        FileError: the file or an option does not fit; nothing was sent.
        WelkinError: what rows are checked against could not be read, or the session is not open; nothing was sent.
        TypeError: there is no such option.
    """
    column = _patient(patient)
    job = partial(RecordUpdate, cdt=cdt, patient=column, record=record)
    return await _run(welkin, source, job, options, column.column, record, keyed=False)


@without_frames
async def delete_records(
    welkin: Welkin,
    source: FileSource,
    *,
    cdt: str,
    patient: PatientColumn | str,
    record: str,
    **options: Unpack[RunOptions],
) -> FileReport:
    """Delete the CDT record that each row names.

    ``DELETE /{tenant}/{instance}/patients/{patient_id}/cdts/{cdt_name}/{record_id}`` for each row; see
    `import_records`. A record that is not there is rejected, unless an earlier attempt may have deleted it.

    Args:
        welkin: An open session.
        source: A path, a binary file, an iterable of mappings, or a frame; see `import_records`.
        cdt: The CDT's name.
        patient: The column that names the patient.
        record: The column that holds the record's id.
        options: See `RunOptions`.

    Returns:
        The report.

    Raises:
        FileError: the file or an option does not fit; nothing was sent.
        WelkinError: what must be known of the CDT could not be read, or the session is not open; nothing was sent.
        TypeError: there is no such option.
    """
    column = _patient(patient)
    job = partial(RecordDeletion, cdt=cdt, patient=column, record=record)
    return await _run(welkin, source, job, options, column.column, record, keyed=False)


@without_frames
async def propose_mapping(
    welkin: Welkin,
    path: StrPath,
    *,
    cdt: str,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
) -> MappingProposal:
    """Propose which columns of a file become which fields of a CDT, by their names alone.

    Args:
        welkin: An open session.
        path: The file.
        cdt: The CDT's name.
        encoding: The encoding of a text file; found out by its beginning where it is None.
        delimiter: What stands between the cells of a CSV file; found out by its header where it is None.
        sheet: The sheet of a workbook; None for its only one.

    Returns:
        The proposal: a person looks it through. Its ``columns`` are a ``mapping``.

    Raises:
        FileError: the file cannot be read, or there is no such CDT.
        WelkinError: the definition could not be read.
    """
    formation = await formation_of(welkin, cdt)
    opened = await open_file(FileSettings(file=Path(path), encoding=encoding, delimiter=delimiter, sheet=sheet))
    try:
        return propose(opened.source.columns, formation)
    finally:
        opened.source.close()


@without_frames
async def export_records(
    welkin: Welkin,
    path: StrPath,
    *,
    cdt: str | None = None,
    resource: str | None = None,
    patients: Iterable[str | UUID] | Literal["all"] | None = None,
    patient_type: PatientKeyType = "ID",
    start: datetime | str | None = None,
    page_size: int | None = None,
    concurrency: int = 8,
    restart: bool = False,
    flat: bool = False,
    stop: asyncio.Event | None = None,
    on_progress: Callable[[FileProgress], None] | None = None,
) -> FileReport:
    """Write records to an NDJSON, Parquet or CSV file, each once.

    The file appears when it is whole, readable by its owner alone; until then a ``.part`` and a ``.resume`` stand
    beside it, and the same call goes on from there. Without ``patients`` the API's export is read, which needs a policy
    for it.

    Args:
        welkin: An open session.
        path: The file; it ends in ``.ndjson``, ``.jsonl``, ``.parquet`` or ``.csv``.
        cdt: The CDT whose records are wanted; either this or ``resource``.
        resource: All records of a kind instead, such as ``PATIENT`` or ``CDT_RECORD``.
        patients: The keys of the patients whose records are wanted, in this order; ``"all"`` lists the records of every
            patient, one patient after another. None reads the API's export.
        patient_type: What these keys are.
        start: For a resource, a moment to begin at, an aware datetime; or the cursor an earlier export ended with.
        page_size: Records per page; None for as many as suit.
        concurrency: How many patients are listed at once.
        restart: Whether what an earlier run has read is forgotten, and a file that is there replaced.
        flat: Whether the fields of ``jsonBody`` are columns of their own, of the types that the CDT's definition says.
        stop: An event that asks for an end; what was read is kept.
        on_progress: Called with a snapshot after each page.

    Returns:
        The report; ``report.export`` has pages, bytes and the cursor.

    Raises:
        FileError: an option does not fit, or the file is there or of another export; nothing was written.
        WelkinError: the credentials were refused or an option does not fit; nothing was read.
    """
    settings = ExportSettings(
        file=path,
        cdt=cdt,
        resource=resource,
        patients=patients,
        patient_type=patient_type,
        start=start,
        page_size=page_size,
        concurrency=concurrency,
        restart=restart,
        flat=flat,
    )
    return await ExportRun(settings, stop=stop, on_progress=on_progress).run(welkin)


@without_frames
async def export_batches(
    welkin: Welkin,
    *,
    cdt: str | None = None,
    resource: str | None = None,
    patients: Iterable[str | UUID] | Literal["all"] | None = None,
    patient_type: PatientKeyType = "ID",
    start: datetime | str | None = None,
    page_size: int | None = None,
    concurrency: int = 8,
    flat: bool = False,
    rows: int = 10_000,
) -> AsyncGenerator[Any]:
    """Read records as an Arrow stream, each once; needs the ``parquet`` extra.

    All records are read into a private temporary file before the first batch comes, since only then the types of the
    columns are known, and nobody has worked with records of a list that turns out to be incomplete. The file is removed
    when the stream is left; one that is left before its end should be closed, as by `contextlib.aclosing`.

    Args:
        welkin: An open session.
        cdt: The CDT whose records are wanted; either this or ``resource``.
        resource: All records of a kind instead; see `export_records`.
        patients: The keys of the patients whose records are wanted, or ``"all"``; see `export_records`.
        patient_type: What these keys are.
        start: For a resource, where to begin; see `export_records`.
        page_size: Records per page; None for as many as suit.
        concurrency: How many patients are listed at once.
        flat: Whether the fields of ``jsonBody`` are columns of their own, of the types that the CDT's definition says.
        rows: Of a batch at most.

    Yields:
        Each batch, a ``pyarrow.RecordBatch``; all have one schema.

    Raises:
        FileError: an option does not fit, or not all could be read; ``report`` says why.
        ConfigurationError: pyarrow is not installed.
        WelkinError: the credentials were refused or an option does not fit; nothing was read.
    """
    async with private_folder() as folder:
        report = await export_records(
            welkin,
            folder / "records.parquet",
            cdt=cdt,
            resource=resource,
            patients=patients,
            patient_type=patient_type,
            start=start,
            page_size=page_size,
            concurrency=concurrency,
            flat=flat,
        )
        report.raise_for_outcome()
        async with contextlib.aclosing(parquet_batches(folder / "records.parquet", rows)) as batches:
            async for batch in batches:
                yield batch
