"""Export to an NDJSON, Parquet or CSV file: in bounded memory, resumed where an earlier run stopped.

What is exported is protected health information: the file and those beside it have mode 0600.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Event
from typing import BinaryIO, Literal
from uuid import UUID

import attrs

from welkin_async.bulk.errors import ExportError
from welkin_async.bulk.export.columns import RecordColumns
from welkin_async.bulk.export.csv_file import to_csv
from welkin_async.bulk.export.parquet import check_parquet, to_parquet
from welkin_async.bulk.export.partial_file import ExportFile
from welkin_async.bulk.export.patient_walk import PatientsWalk, off_loop
from welkin_async.errors import InvalidInputError
from welkin_async.http.private_file import make_beside
from welkin_async.models.patients import Patient
from welkin_async.resources.exports import Export
from welkin_async.resources.formations import Formations
from welkin_async.session import Welkin
from welkin_async.wire.dates import format_datetime
from welkin_async.wire.records import Record
from welkin_async.wire.tracebacks import without_frames

__all__ = ["ExportError", "ExportReport", "Format", "export_cdt", "export_resource"]

Format = Literal["ndjson", "parquet", "csv"]

_PAGE = 1000  # records; another client uses as many
_CDT_PAGE = 200


@attrs.frozen(kw_only=True)
class ExportReport:
    """How far an export has come, or what it holds.

    Attributes:
        records: Records in the file, those of earlier runs included.
        pages: Pages they came on.
        bytes: The file's size; that of the lines of JSON while it is not whole.
        seconds: How long this run took.
        cursor: Where the export ended: give it as ``start`` to read on from there later. None where patients were
            walked.
        resumed: Whether this run took up what an earlier one had left.
    """

    records: int
    pages: int
    bytes: int
    seconds: float
    cursor: str | None
    resumed: bool


OnProgress = Callable[[ExportReport], None]


@without_frames
async def export_resource(
    welkin: Welkin,
    resource: str,
    path: str | os.PathLike[str],
    start: datetime | str | None = None,
    *,
    format: Format = "ndjson",
    page_size: int = _PAGE,
    resume: bool = True,
    on_progress: OnProgress | None = None,
) -> ExportReport:
    """Export all records of a kind, of all patients: ``GET /{tenant}/{instance}/export/{resource_name}``.

    Needs a policy for exports. The file appears when it is whole; until then a ``.part`` and a ``.resume`` stand beside
    it, and the same call goes on from the last page that was written. A record that stands on two neighbouring pages is
    written once; one that has changed in between is written again, so of two lines with one id the later counts.

    Args:
        welkin: An open session.
        resource: The kind, such as ``CDT_RECORD``; see `resources.exports.ExportName`.
        path: The file; one that is there is replaced at the end.
        start: A moment to begin at, an aware datetime; or a cursor, such as an earlier report's.
        format: ``ndjson``: each record as it was received, one a line. ``parquet``: the same as columns; needs pyarrow.
            ``csv``: a cell for each member, objects and lists as JSON text.
        page_size: Records per page.
        resume: Whether to take up what an earlier run has left; else it is forgotten.
        on_progress: Called after each page.

    Returns:
        The counts.

    Raises:
        PagingError: the server contradicts itself, or its cursor does not move.
        RequestError: a page could not be had; what was written is kept for the next run.
        ExportError: the file is being written by another run, or belongs to another export.
        ConfigurationError: pyarrow is not installed.
        InvalidInputError: the resource's name or an option does not fit.
        OSError: the file cannot be written.
    """
    text = format_datetime(start) if isinstance(start, datetime) else start
    return await _by_cursor(welkin, resource, path, text, None, format, page_size, resume, on_progress)


@without_frames
async def export_cdt(
    welkin: Welkin,
    cdt: str,
    patients: Iterable[str | UUID | Patient] | AsyncIterable[str | UUID | Patient] | None,
    path: str | os.PathLike[str],
    format: Format = "ndjson",
    *,
    page_size: int | None = None,
    concurrency: int = 8,
    resume: bool = True,
    flat: bool = False,
    on_progress: OnProgress | None = None,
) -> ExportReport:
    """Export the records of one CDT.

    With patients: ``GET /{tenant}/{instance}/patients/{patient_id}/cdts/{cdt_name}`` for each, a few at once, written
    in the order of the patients. A list counts only if it is complete: as many records as its last page states. To take
    such an export up, the same patients must come in the same order.

    Without: ``GET /{tenant}/{instance}/export/CDT_RECORD``, of which the records of other CDTs are left out; see
    `export_resource`.

    Args:
        welkin: An open session.
        cdt: The CDT's name.
        patients: Their ids or records, such as ``welkin.patients.list(sort="createdAt,asc")``; None for all there are.
        path: The file; one that is there is replaced at the end.
        format: ``ndjson``, ``parquet`` or ``csv``; see `export_resource`.
        page_size: Records per page; 200 by default, 1 000 without patients.
        concurrency: How many patients are listed at once.
        resume: Whether to take up what an earlier run has left; else it is forgotten.
        flat: Whether the fields of ``jsonBody`` are columns of their own, of the types that the CDT's definition says;
            for Parquet and CSV. A column with a value of another type holds what is there.
        on_progress: Called now and then.

    Returns:
        The counts.

    Raises:
        NotFoundError: there is no such patient, or no such CDT.
        PagingError: the server contradicts itself.
        RequestError: a page could not be had; what was written is kept for the next run.
        ExportError: the file is being written by another run, or belongs to another export, or other patients come
            than in the run that is taken up.
        ConfigurationError: pyarrow is not installed.
        InvalidInputError: an option does not fit.
        OSError: the file cannot be written.
    """
    columns = RecordColumns()
    if flat:
        if format == "ndjson":
            raise InvalidInputError("Parquet and CSV have columns, NDJSON has none", ("flat",))
        formations = Formations(welkin.scope.with_sure_refusals().within(version="current"))
        columns = RecordColumns(await formations.cdts.get(cdt))
    if patients is None:
        size = page_size or _PAGE
        return await _by_cursor(welkin, "CDT_RECORD", path, None, cdt, format, size, resume, on_progress, columns)
    scope = welkin.scope.without_max_wait().with_sure_refusals().within(cdt_name=cdt)
    walk = PatientsWalk(scope, patients, page_size=page_size or _CDT_PAGE, concurrency=concurrency)
    return await _export(f"{walk.target}?patients", path, format, resume, on_progress, walk.run, columns)


async def _by_cursor(
    welkin: Welkin,
    resource: str,
    path: str | os.PathLike[str],
    start: str | None,
    cdt: str | None,
    format: Format,
    page_size: int,
    resume: bool,
    on_progress: OnProgress | None,
    columns: RecordColumns | None = None,
) -> ExportReport:
    if page_size < 1:
        raise InvalidInputError("a page has 1 record at least", ("page_size",))
    scope = welkin.scope.without_max_wait().with_sure_refusals().within(resource_name=resource)
    export = Export(scope, Record)
    operation = Export._list_operation  # noqa: SLF001 - declared there once
    what = f"{scope.base_url}{operation.path(scope.params)}?start={start or ''}&cdt={cdt or ''}"

    async def walk(file: ExportFile, notify: Callable[[], None]) -> None:
        begin = file.mark.cursor or start
        async for page in export.list(start=begin, page_size=page_size).pages():
            records = [each.__wire__() for each in page.items if cdt is None or _is_of(each, cdt)]
            await off_loop(partial(file.page, records, page.cursor))
            notify()

    return await _export(what, path, format, resume, on_progress, walk, columns or RecordColumns())


def _is_of(record: Record, cdt: str) -> bool:
    """Tell whether an exported record is of a CDT.

    Raises:
        ExportError: it does not say, and leaving it out might lose it.
    """
    name = record.__wire__().get("cdtName")
    if not isinstance(name, str):
        raise ExportError("the export does not say which CDT its records are of; give the patients to be walked")
    return name == cdt


async def _export(
    what: str,
    path: str | os.PathLike[str],
    format: Format,
    resume: bool,
    on_progress: OnProgress | None,
    walk: Callable[[ExportFile, Callable[[], None]], Awaitable[None]],
    columns: RecordColumns,
) -> ExportReport:
    """Run a walk between opening a file and letting it appear."""
    if format not in ("ndjson", *_WRITERS):
        raise InvalidInputError("ndjson, parquet or csv", ("format",))
    if format == "parquet":
        check_parquet()
    began = time.monotonic()
    file = ExportFile(Path(path), what)

    def report(size: int) -> ExportReport:
        mark, seconds = file.mark, time.monotonic() - began
        counts: dict[str, int] = {"records": mark.records, "pages": mark.pages, "bytes": size}
        return ExportReport(**counts, seconds=seconds, cursor=mark.cursor, resumed=file.resumed)

    def notify() -> None:
        if on_progress is not None:
            on_progress(report(file.mark.offset))

    try:
        await off_loop(partial(file.open, resume=resume))
        if not file.mark.whole:
            await walk(file, notify)
            file.mark.whole = True
            await off_loop(file.keep)
            notify()
        size = await _appear(file, Path(path), format, columns)
    finally:
        file.close()  # at once: a second cancellation must not leave the lock behind
    return report(size)


_WRITERS: Mapping[str, Callable[[Path, BinaryIO, Event, RecordColumns], None]] = {"parquet": to_parquet, "csv": to_csv}


async def _appear(file: ExportFile, path: Path, format: Format, columns: RecordColumns) -> int:
    """Put the whole export where it was asked for, and return its size."""
    if format in _WRITERS:
        stop = Event()
        handle, whole = make_beside(path)

        def turn() -> None:
            with open(handle, "wb") as made:
                _WRITERS[format](file.part, made, stop, columns)

        try:
            await off_loop(turn, stop)
            await off_loop(partial(file.finish, whole))
        except BaseException:
            whole.unlink(missing_ok=True)  # the part is kept, and turned again by the next run
            raise
    else:
        await off_loop(partial(file.finish, file.part))
    return (await asyncio.to_thread(path.stat)).st_size
