"""Exports: all records of a kind, of all patients, in the order they were updated."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from importlib import import_module
from typing import Literal, Unpack

from welkin_async.pagination.pager import CursorPager
from welkin_async.resources._base.mixins import R, Resource
from welkin_async.resources._base.paths import Path
from welkin_async.resources._base.scope import CallOptions, Scope
from welkin_async.wire.dates import format_datetime
from welkin_async.wire.records import Record
from welkin_async.wire.request import Answer, Shape

CdtExportName = Literal["CDT_RECORD", "PDT_RECORD"]
ExportName = Literal[
    "ASSESSMENT",
    "CALENDAR_EVENT",
    "CDT_RECORD",
    "EMAIL",
    "ENCOUNTER",
    "ENCOUNTER_COMMENT",
    "ENCOUNTER_DISPOSITION",
    "PATIENT",
    "PATIENT_PROGRAM",
    "PDT_RECORD",
    "SMS",
    "TASK",
    "VOICE_CALL",
]
"""The names seen in other clients; the set is open."""

_RECORDS = {
    "ASSESSMENT": ("assessments", "AssessmentRecord"),
    "CALENDAR_EVENT": ("calendar", "CalendarEvent"),
    "CDT_RECORD": ("cdts", "CdtRecord"),
    "EMAIL": ("messages", "Email"),
    "ENCOUNTER": ("encounters", "Encounter"),
    "ENCOUNTER_COMMENT": ("encounters", "EncounterComment"),
    "ENCOUNTER_DISPOSITION": ("encounters", "EncounterDisposition"),
    "PATIENT": ("patients", "Patient"),
    "PATIENT_PROGRAM": ("patients", "PatientProgram"),
    "PDT_RECORD": ("cdts", "CdtRecord"),
    "SMS": ("messages", "Sms"),
    "TASK": ("tasks", "Task"),
}


def record_of(name: str) -> type[Record]:
    """Return the class of the records an export holds, `Record` for a kind that no source shows.

    Args:
        name: The export's name.
    """
    if name not in _RECORDS:
        return Record
    module, kind = _RECORDS[name]
    found: type[Record] = getattr(import_module(f"welkin_async.models.{module}"), kind)
    return found


class Export(Resource[R]):
    """One export: ``welkin.export("CDT_RECORD")``, at ``/{tenant}/{instance}/export/{resource_name}``.

    From two other clients and the vendor's knowledge base; no recording exists. For api clients alone, with a policy
    for it. The records are read as those of the API are; what an export has in place of a field is in ``extra``.

    Args:
        scope: Where it is.
        record: The class of its records.
    """

    _list_operation = Path("exports", "/{tenant}/{instance}/export/{resource_name}").get("list", Shape.OBJECT)

    def __init__(self, scope: Scope, record: type[R]) -> None:
        super().__init__(scope)
        self._record = record

    def list(
        self,
        *,
        start: datetime | str | None = None,
        page_size: int | None = None,
        limit: int | None = None,
        **options: Unpack[CallOptions],
    ) -> CursorPager[R]:
        """Read the export: ``GET /{tenant}/{instance}/export/{resource_name}``.

        To go on later, keep ``page.cursor`` of each page that was worked up, and give the last as ``start``::

            async for page in welkin.export("CDT_RECORD").list(start=kept).pages():
                store(page.items)
                kept = page.cursor

        Where a page begins seems to be inclusive: records that stand on two neighbouring pages, unchanged, are given
        once; across two walks tell them apart by id.

        Args:
            start: A moment to begin at, an aware datetime; or a cursor.
            page_size: Records per page; other clients use 20 and 1000.
            limit: How many records at most; all by default.
            options: See `CallOptions`.

        Returns:
            A pager; nothing is sent before it is awaited or iterated. It ends where the server says there is no more,
            and is a `PagingError` where the cursor does not move.

        Raises:
            ValueError: ``start`` is a naive datetime.
        """
        text = format_datetime(start) if isinstance(start, datetime) else start
        query = {"start": text, "pageSize": page_size}

        async def fetch(asked: Mapping[str, object]) -> Answer:
            return await self._scope.send(self._list_operation, query=asked, options=options)

        return CursorPager(fetch, self._record, query, limit=limit)
