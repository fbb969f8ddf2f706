"""Creating a CDT record for each row of a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Self

import attrs

from welkin_async.bulk import CdtRow, OutcomeStream, Progress, stream_cdt_records
from welkin_async.bulk.cdt_action import unhurried
from welkin_async.bulk.create import CreateCdt
from welkin_async.bulk.echo import Echo
from welkin_async.bulk.keys import CdtKeys, KeyField, canonical
from welkin_async.bulk.schema import Schema
from welkin_async.cli.columns import Column
from welkin_async.cli.deeds import CREATE_RECORDS
from welkin_async.cli.mapping import FieldMapping
from welkin_async.cli.once import Once
from welkin_async.cli.opening import Opened, formation_of
from welkin_async.cli.options import FileOptions, PatientColumn
from welkin_async.cli.patients import PatientLookup, lookup_of
from welkin_async.cli.preparation import Prepared, Preparing
from welkin_async.cli.row_keys import RowKeys
from welkin_async.cli.rows import Problem, SourceRow
from welkin_async.session import Welkin

__all__ = ["RecordImport"]


@attrs.define(repr=False)
class _Row(CdtRow):
    """A record to be created that knows where it came from; see `FileRow`."""

    source: SourceRow = attrs.field(kw_only=True)
    refused: Problem | None = attrs.field(kw_only=True, default=None)

    def refuse(self, problem: Problem, /) -> Self:
        """Return the row as one that cannot be sent."""
        return attrs.evolve(self, problem=problem.error, refused=problem)


@attrs.frozen(kw_only=True)
class RecordImport:
    """What ``welkin-async import`` does; see `Job`.

    Attributes:
        options: What is the same for every job.
        cdt: The CDT's name.
        patient: The column of the patient's key.
        key_field: The field that carries a row's key; None for no keys.
        key_column: The column that holds keys; None to make them.
        settle: Seconds for which a key must stay absent before its row is sent again.
        final_settle: Seconds after the last unknown outcome before the last look for doubles.
        remove_doubles: Whether doubles that are equal and unedited are removed.
    """

    options: FileOptions
    cdt: str
    patient: PatientColumn
    key_field: KeyField | None = "external_id"
    key_column: str | None = None
    settle: float = 5.0
    final_settle: float = 60.0
    remove_doubles: bool = False
    deed = CREATE_RECORDS

    @property
    def title(self) -> str:
        """What is done, in a heading's words."""
        return f"Import into {self.cdt}"

    async def prepare(self, welkin: Welkin, opened: Opened) -> Preparing:
        """Read the CDT's definition; see `Job`."""
        options, source = self.options, opened.source
        formation = None if options.check == "off" else await formation_of(welkin, self.cdt)
        mapping = FieldMapping(
            source.columns,
            fixed=source.fixed,
            patient_column=self.patient.name,
            maps=options.maps,
            formation=formation,
            zone=options.zone,
            lenient=options.check == "warn",
            omitted=() if self.key_column is None else (self.key_column,),
        )
        target = CreateCdt(welkin.scope, self.cdt, check="off", key_field=None).target
        column = None if self.key_column is None else Column(self.key_column, source.columns, fixed=source.fixed)
        keys = RowKeys(self.key_field, target, opened.digest, column)
        schema = Schema.of(formation) if formation is not None and options.check == "strict" else None
        return Preparing(mapping, keys, schema)

    def once(self) -> Once:
        """Return what refuses rows whose key another one has."""
        # The server writes a GUID in one way, however it was sent: two spellings of one are one key.
        form = canonical if self.key_field == "external_guid" else str
        return Once("another row before it has the same key", form)

    def patients(self, welkin: Welkin, *, ids_too: bool = False) -> PatientLookup:
        """Return what finds the ids of patients."""
        return lookup_of(welkin, self.patient.type, self.options.concurrency, ids_too=ids_too)

    def row(self, prepared: Prepared, patient: str, refused: Problem | None) -> _Row:
        """Return a row for the bulk engine."""
        error = None if refused is None else refused.error
        fields = prepared.fields if refused is None else {}
        return _Row(patient, fields, prepared.key, error, source=prepared.row, refused=refused)

    def keys(self, welkin: Welkin) -> CdtKeys | None:
        """Return what finds records by their keys."""
        if self.key_field is None:
            return None
        return CdtKeys(unhurried(welkin.scope), self.cdt, self.key_field, Echo)

    def stream(
        self, welkin: Welkin, rows: AsyncIterator[Any], digest: str, told: Callable[[Progress], None]
    ) -> OutcomeStream[Any, Any]:
        """Create records."""
        return stream_cdt_records(
            welkin,
            self.cdt,
            rows,
            **self.options.run(digest, told, *self.patient, self.key_field, self.key_column),
            check=self.options.check,
            key_field=self.key_field,
            settle=self.settle,
            final_settle=self.final_settle,
            remove_doubles=self.remove_doubles,
        )
