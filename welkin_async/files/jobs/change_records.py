"""File jobs: change or delete the CDT record that each row names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import attrs

from welkin_async import bulk
from welkin_async.bulk.batch_update.action import GroupUpdate
from welkin_async.files.job_kind import CHANGE_RECORDS, DELETE_RECORDS
from welkin_async.files.jobs.job import FileJob
from welkin_async.files.jobs.open_file import OpenedFile, check_cdt, formation_of
from welkin_async.files.mapping.fields import PatientMapping
from welkin_async.files.mapping.row_keys import RecordIds
from welkin_async.files.mapping.row_mapper import FieldRules, MappedRow, RowMapper
from welkin_async.files.options import PatientColumn
from welkin_async.files.readers.row import RefusableRow, RowError, SourceRow
from welkin_async.session import Welkin
from welkin_async.validation.schema import Schema


@attrs.frozen(repr=False)
class _Change(RefusableRow, bulk.CdtChange):
    """A change that knows where it came from; see `FileRow`."""

    source: SourceRow = attrs.field(kw_only=True)
    refused: RowError | None = attrs.field(kw_only=True, default=None)


@attrs.frozen(repr=False)
class _Ref(RefusableRow, bulk.CdtRef):
    """A record to be deleted that knows where it came from; see `FileRow`."""

    key: str | None = attrs.field(kw_only=True)
    source: SourceRow = attrs.field(kw_only=True)
    refused: RowError | None = attrs.field(kw_only=True, default=None)


@attrs.frozen(kw_only=True)
class _RecordJob(FileJob):
    """What changes and deletions have in common.

    Attributes:
        record: The column of the record's id.
    """

    cdt: str
    patient: PatientColumn
    record: str
    # In which order two rows of one record would be sent is not certain.
    key_taken = "another row before it is about the same record"

    def claimed(self, key: str) -> str:
        """Return the record's id as it is compared."""
        return key.lower()


@attrs.frozen(kw_only=True)
class RecordUpdate(_RecordJob):
    """Job: change the CDT record that each row names; see `FileJob`.

    Attributes:
        group: How many changes of a patient are sent in one request at most; None to send each by itself.
    """

    group: int | None = None
    kind = CHANGE_RECORDS

    @property
    def title(self) -> str:
        """What is done, in a heading's words."""
        return f"Update of {self.cdt}"

    async def mapper(self, welkin: Welkin, opened: OpenedFile) -> RowMapper:
        """Read the CDT's definition; see `FileJob`."""
        ids = RecordIds(self._column(opened, self.record))
        check = self.settings.check
        formation = None if check == "off" else await formation_of(welkin, self.cdt)
        mapping = self._mapping(opened, formation, self.record)
        rules: FieldRules | None = None if formation is None else Schema.of(formation)
        if check == "strict" and self.group is not None:
            rules = action = GroupUpdate(welkin.scope, self.cdt, check="strict")
            await action.load()
        return self._mapper(mapping, ids, rules, partial=True)

    def row(self, mapped: MappedRow, patient: str, refused: RowError | None) -> _Change:
        """Return a row for the bulk engine."""
        return _Change(patient, mapped.key or "", mapped.fields, mapped.key, source=mapped.row, refused=refused)

    def stream(
        self, welkin: Welkin, rows: AsyncIterator[Any], digest: str, on_progress: Callable[[bulk.Progress], None]
    ) -> bulk.OutcomeStream[Any, Any]:
        """Change records."""
        options = self.settings.bulk(digest, on_progress, *self.patient.decisive, self.record)
        check = self.settings.check
        if self.group is None:
            return bulk.stream_cdt_updates(welkin, self.cdt, rows, **options, check=check)
        return bulk.stream_cdt_bulk_updates(welkin, self.cdt, rows, **options, check=check, group=self.group)


@attrs.frozen(kw_only=True)
class RecordDeletion(_RecordJob):
    """Job: delete the CDT record that each row names; see `FileJob`."""

    kind = DELETE_RECORDS

    @property
    def title(self) -> str:
        """What is done, in a heading's words."""
        return f"Deletion from {self.cdt}"

    async def mapper(self, welkin: Welkin, opened: OpenedFile) -> RowMapper:
        """See that the CDT is there; see `FileJob`."""
        mapping = PatientMapping(
            self._columns(opened), patient_column=self.patient, nulls=frozenset(self.settings.nulls)
        )
        self._select(opened, self.patient.column, self.record)
        ids = RecordIds(self._column(opened, self.record))
        await check_cdt(welkin, self.cdt)
        return RowMapper(mapping, ids)

    def row(self, mapped: MappedRow, patient: str, refused: RowError | None) -> _Ref:
        """Return a row for the bulk engine."""
        return _Ref(patient, mapped.key or "", key=mapped.key, source=mapped.row, refused=refused)

    def stream(
        self, welkin: Welkin, rows: AsyncIterator[Any], digest: str, on_progress: Callable[[bulk.Progress], None]
    ) -> bulk.OutcomeStream[Any, Any]:
        """Delete records."""
        options = self.settings.bulk(digest, on_progress, *self.patient.decisive, self.record)
        return bulk.stream_cdt_deletions(welkin, self.cdt, rows, **options)
