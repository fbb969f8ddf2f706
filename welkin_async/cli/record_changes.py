"""Changing or deleting the CDT record that each row of a file names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, NamedTuple

import attrs

from welkin_async.bulk import (
    CdtChange,
    CdtRef,
    OutcomeStream,
    Progress,
    stream_cdt_bulk_updates,
    stream_cdt_deletions,
    stream_cdt_updates,
)
from welkin_async.bulk.group_action import GroupUpdate
from welkin_async.bulk.schema import Schema
from welkin_async.cli.columns import Column
from welkin_async.cli.deeds import CHANGE_RECORDS, DELETE_RECORDS
from welkin_async.cli.mapping import FieldMapping, PatientMapping
from welkin_async.cli.once import Once
from welkin_async.cli.opening import Opened, check_cdt, formation_of
from welkin_async.cli.options import FileOptions, PatientColumn
from welkin_async.cli.patients import PatientLookup, lookup_of
from welkin_async.cli.preparation import Prepared, Preparing, Rules
from welkin_async.cli.row_keys import RecordIds
from welkin_async.cli.rows import Problem, Sourced, SourceRow
from welkin_async.codec import JSON
from welkin_async.errors import InvalidInputError
from welkin_async.session import Welkin

__all__ = ["RecordDeletion", "RecordUpdate"]


@attrs.frozen(repr=False)
class _Change(Sourced, CdtChange):
    """A change that knows where it came from; see `FileRow`."""

    source: SourceRow = attrs.field(kw_only=True)
    refused: Problem | None = attrs.field(kw_only=True, default=None)


@attrs.frozen(repr=False)
class _Ref(Sourced, CdtRef):
    """A record to be deleted that knows where it came from; see `FileRow`."""

    key: str | None = attrs.field(kw_only=True)
    source: SourceRow = attrs.field(kw_only=True)
    refused: Problem | None = attrs.field(kw_only=True, default=None)


class _Misfit(NamedTuple):
    field: str
    text: str


@attrs.frozen
class _GroupRules:
    """What fields may be that are changed for many records at once: the same as where they are sent; see `Rules`."""

    action: GroupUpdate

    def check(self, fields: Mapping[str, JSON], /, *, partial: bool) -> Sequence[_Misfit]:
        """Return what is wrong with the fields of a row."""
        if not self._wrong(fields):
            return ()
        each = ((name, self._wrong({name: value})) for name, value in fields.items())
        return [_Misfit(name, text) for name, text in each if text]

    def _wrong(self, fields: Mapping[str, JSON]) -> str:
        try:
            self.action.part(CdtChange("", "", fields))
        except InvalidInputError as error:
            return str(error)
        return ""


@attrs.frozen(kw_only=True)
class _RecordJob:
    """What is the same for changes and deletions.

    Attributes:
        options: What is the same for every job.
        cdt: The CDT's name.
        patient: The column of the patient's key.
        record_column: The column of the record's id.
    """

    options: FileOptions
    cdt: str
    patient: PatientColumn
    record_column: str

    def once(self) -> Once:
        """Return what refuses rows whose record another one is about: in which order they are sent is not certain."""
        return Once("another row before it is about the same record", str.lower)

    def patients(self, welkin: Welkin, *, ids_too: bool = False) -> PatientLookup:
        """Return what finds the ids of patients."""
        return lookup_of(welkin, self.patient.type, self.options.concurrency, ids_too=ids_too)

    def keys(self, welkin: Welkin) -> None:
        """Return nothing: what may be done twice without harm need not be looked for."""

    def _ids(self, opened: Opened) -> RecordIds:
        return RecordIds(Column(self.record_column, opened.source.columns, fixed=opened.source.fixed))


@attrs.frozen(kw_only=True)
class RecordUpdate(_RecordJob):
    """What ``welkin-async update`` does; see `Job`.

    Attributes:
        group: How many changes of a patient are sent in one request at most; None to send each by itself.
    """

    group: int | None = None
    deed = CHANGE_RECORDS

    @property
    def title(self) -> str:
        """What is done, in a heading's words."""
        return f"Update of {self.cdt}"

    async def prepare(self, welkin: Welkin, opened: Opened) -> Preparing:
        """Read the CDT's definition; see `Job`."""
        options, source, ids = self.options, opened.source, self._ids(opened)
        formation = None if options.check == "off" else await formation_of(welkin, self.cdt)
        mapping = FieldMapping(
            source.columns,
            fixed=source.fixed,
            patient_column=self.patient.name,
            maps=options.maps,
            formation=formation,
            zone=options.zone,
            lenient=options.check == "warn",
            omitted=(self.record_column,),
        )
        rules: Rules | None = None
        if formation is not None and options.check == "strict":
            rules = Schema.of(formation) if self.group is None else await self._group_rules(welkin)
        return Preparing(mapping, ids, rules, partial=True)

    async def _group_rules(self, welkin: Welkin) -> Rules:
        action = GroupUpdate(welkin.scope, self.cdt, check="strict")
        await action.prepare()
        return _GroupRules(action)

    def row(self, prepared: Prepared, patient: str, refused: Problem | None) -> _Change:
        """Return a row for the bulk engine."""
        record = prepared.key or ""
        return _Change(patient, record, prepared.fields, prepared.key, source=prepared.row, refused=refused)

    def stream(
        self, welkin: Welkin, rows: AsyncIterator[Any], digest: str, told: Callable[[Progress], None]
    ) -> OutcomeStream[Any, Any]:
        """Change records."""
        options = self.options.run(digest, told, *self.patient, self.record_column)
        if self.group is None:
            return stream_cdt_updates(welkin, self.cdt, rows, **options, check=self.options.check)
        return stream_cdt_bulk_updates(welkin, self.cdt, rows, **options, check=self.options.check, group=self.group)


@attrs.frozen(kw_only=True)
class RecordDeletion(_RecordJob):
    """What ``welkin-async delete`` does; see `Job`."""

    deed = DELETE_RECORDS

    @property
    def title(self) -> str:
        """What is done, in a heading's words."""
        return f"Deletion from {self.cdt}"

    async def prepare(self, welkin: Welkin, opened: Opened) -> Preparing:
        """See that the CDT is there; see `Job`."""
        source, ids = opened.source, self._ids(opened)
        mapping = PatientMapping(source.columns, fixed=source.fixed, patient_column=self.patient.name)
        await check_cdt(welkin, self.cdt)
        return Preparing(mapping, ids)

    def row(self, prepared: Prepared, patient: str, refused: Problem | None) -> _Ref:
        """Return a row for the bulk engine."""
        return _Ref(patient, prepared.key or "", key=prepared.key, source=prepared.row, refused=refused)

    def stream(
        self, welkin: Welkin, rows: AsyncIterator[Any], digest: str, told: Callable[[Progress], None]
    ) -> OutcomeStream[Any, Any]:
        """Delete records."""
        return stream_cdt_deletions(
            welkin, self.cdt, rows, **self.options.run(digest, told, *self.patient, self.record_column)
        )
