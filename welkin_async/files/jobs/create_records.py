"""File job: create a CDT record for each row."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Self

import attrs

from welkin_async.bulk import CdtRow, OutcomeStream, Progress, stream_cdt_records
from welkin_async.bulk.actions.create_cdt import CreateCdt
from welkin_async.bulk.keys.cdt_keys import CdtKeys, KeyField, canonical
from welkin_async.bulk.keys.single_record import SingleRecordKeys
from welkin_async.files.job_kind import CREATE_RECORDS
from welkin_async.files.jobs.job import FileJob
from welkin_async.files.jobs.open_file import OpenedFile, formation_of
from welkin_async.files.mapping.row_keys import RowKeys
from welkin_async.files.mapping.row_mapper import MappedRow, RowMapper
from welkin_async.files.options import Existing, PatientColumn
from welkin_async.files.readers.row import RowError, SourceRow
from welkin_async.session import Welkin
from welkin_async.validation.comparison import FieldComparison
from welkin_async.validation.schema import Schema


@attrs.define(repr=False)
class _Row(CdtRow):
    """A record to be created that knows where it came from; see `FileRow`."""

    source: SourceRow = attrs.field(kw_only=True)
    refused: RowError | None = attrs.field(kw_only=True, default=None)

    def refuse(self, problem: RowError, /) -> Self:
        """Return the row as one that cannot be sent."""
        return attrs.evolve(self, problem=problem.error, refused=problem)


@attrs.frozen(kw_only=True)
class RecordImport(FileJob):
    """Job: create a CDT record for each row; see `FileJob`.

    Attributes:
        key_field: The field that carries a row's key; None for no keys.
        key: The column that holds keys; None to make them.
        key_space: What stands before keys; None for nothing.
        single_record: Whether a patient has one record, which is found by its patient.
        settle: Seconds for which a key must stay absent before its row is sent again.
        final_settle: Seconds after the last unknown outcome before the duplicate scan.
        remove_doubles: Whether doubles that are equal and unedited are removed.
        existing: Whether rows are looked for before they are sent, or nothing is.
        max_lookups: How many list requests a row may take; None for any number.
    """

    cdt: str
    patient: PatientColumn
    key_field: KeyField | None = "external_id"
    key: str | None = None
    key_space: str | None = None
    single_record: bool = False
    settle: float = 5.0
    final_settle: float = 60.0
    remove_doubles: bool = False
    existing: Existing = "check"
    max_lookups: float | None = 5.0
    kind = CREATE_RECORDS

    @property
    def title(self) -> str:
        """What is done, in a heading's words."""
        return f"Import into {self.cdt}"

    @property
    def makes_keys(self) -> bool:
        """Whether keys are made of the file."""
        return self.key_field is not None and self.key is None

    async def mapper(self, welkin: Welkin, opened: OpenedFile) -> RowMapper:
        """Read the CDT's definition; see `FileJob`."""
        check = self.settings.check
        formation = None if check == "off" else await formation_of(welkin, self.cdt)
        mapping = self._mapping(opened, formation, self.key)
        action = CreateCdt(welkin.scope, self.cdt, check="off", key_field=None)
        column = None if self.key is None else self._column(opened, self.key)
        keys = RowKeys(self.key_field, action.place, action.target, opened.digest, column, opened.earlier)
        return self._mapper(mapping, keys, None if formation is None else Schema.of(formation))

    def row(self, mapped: MappedRow, patient: str, refused: RowError | None) -> _Row:
        """Return a row for the bulk engine."""
        error = None if refused is None else refused.error
        fields = mapped.fields if refused is None else {}
        return _Row(patient, fields, mapped.key, error, source=mapped.row, refused=refused)

    def keys(self, welkin: Welkin) -> CdtKeys | None:
        """Return what finds records by their keys."""
        if self.key_field is None:
            return None
        scope = welkin.scope.without_max_wait()
        kind = SingleRecordKeys if self.single_record else CdtKeys
        return kind(scope, self.cdt, self.key_field, FieldComparison, space=self.key_space)

    def claimed(self, key: str) -> str:
        """Return a row's key as it is compared: the server writes a GUID in one way, however it was sent."""
        return canonical(key) if self.key_field == "external_guid" else key

    def stream(
        self, welkin: Welkin, rows: AsyncIterator[Any], digest: str, on_progress: Callable[[Progress], None]
    ) -> OutcomeStream[Any, Any]:
        """Create records."""
        return stream_cdt_records(
            welkin,
            self.cdt,
            rows,
            **self.settings.bulk(digest, on_progress, *self.patient.decisive, self.key_field, self.key),
            check=self.settings.check,
            key_field=self.key_field,
            key_space=self.key_space,
            single_record=self.single_record,
            settle=self.settle,
            final_settle=self.final_settle,
            existing=self.existing,
            remove_doubles=self.remove_doubles,
        )
