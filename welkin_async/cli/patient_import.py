"""Creating a patient for each row of a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import cache
from typing import Any

import attrs

from welkin_async.bulk import OutcomeStream, PatientRow, Progress, stream_patients
from welkin_async.bulk.cdt_action import unhurried
from welkin_async.bulk.patient_keys import GUID, PATIENT_SCHEMA, PatientKeys, guid_of
from welkin_async.bulk.patients import CreatePatient
from welkin_async.cli.columns import Column
from welkin_async.cli.deeds import CREATE_PATIENTS
from welkin_async.cli.mapping import FieldMapping
from welkin_async.cli.once import Once
from welkin_async.cli.opening import Opened
from welkin_async.cli.options import FileOptions
from welkin_async.cli.preparation import Prepared, Preparing
from welkin_async.cli.row_keys import RowKeys
from welkin_async.cli.rows import Problem, Sourced, SourceRow
from welkin_async.models.formations import CdtFormation
from welkin_async.models.patients import Patient
from welkin_async.record import field_names
from welkin_async.session import Welkin

__all__ = ["PatientImport"]

_LISTS = frozenset({"careTeam", "patientTerritories"})


@cache
def _formation() -> CdtFormation:
    """Put what is known of a patient's fields as a CDT's definition, since the API has none of patients."""
    fields = [
        {
            "name": name,
            "type": PATIENT_SCHEMA.type_of(name),
            "editable": PATIENT_SCHEMA.editable(name),
            "meta": {"multiple": name in _LISTS},
        }
        for name in field_names(Patient).values()
    ]
    return CdtFormation.from_wire({"id": "patients", "fields": fields})


@attrs.frozen(repr=False)
class _Row(Sourced, PatientRow):
    """A patient to be created that knows where it came from; see `FileRow`."""

    source: SourceRow = attrs.field(kw_only=True)
    refused: Problem | None = attrs.field(kw_only=True, default=None)


@attrs.frozen(kw_only=True)
class PatientImport:
    """What ``welkin-async import-patients`` does; see `Job`.

    Attributes:
        options: What is the same for every job.
        key_column: The column that holds keys; None to make them.
        settle: Seconds for which a patient must stay absent before its row is sent again.
        final_settle: Seconds after the last unknown outcome before the last look for doubles.
    """

    options: FileOptions
    key_column: str | None = None
    settle: float = 5.0
    final_settle: float = 60.0
    deed = CREATE_PATIENTS
    cdt = None

    @property
    def title(self) -> str:
        """What is done, in a heading's words."""
        return "Import of patients"

    async def prepare(self, welkin: Welkin, opened: Opened) -> Preparing:
        """See how the columns fit what is known of a patient's fields; see `Job`."""
        options, source = self.options, opened.source
        mapping = FieldMapping(
            source.columns,
            fixed=source.fixed,
            patient_column=None,
            maps=options.maps,
            formation=None if options.check == "off" else _formation(),
            zone=options.zone,
            lenient=options.check == "warn",
            omitted=() if self.key_column is None else (self.key_column,),
            owner="a patient",
        )
        target = CreatePatient(welkin.scope, check="off", key_field=None).target
        column = None if self.key_column is None else Column(self.key_column, source.columns, fixed=source.fixed)
        keys = RowKeys(GUID, target, opened.digest, column)
        return Preparing(mapping, keys, PATIENT_SCHEMA if options.check == "strict" else None)

    def once(self) -> Once:
        """Return what refuses rows whose key another one has."""
        return Once("another row before it has the same key", guid_of)

    def patients(self, welkin: Welkin, *, ids_too: bool = False) -> None:
        """Return nothing: rows belong to no patient."""

    def row(self, prepared: Prepared, patient: str, refused: Problem | None) -> _Row:
        """Return a row for the bulk engine."""
        fields = prepared.fields if refused is None else {}
        return _Row(fields, prepared.key, source=prepared.row, refused=refused)

    def keys(self, welkin: Welkin) -> PatientKeys:
        """Return what finds patients by their keys."""
        return PatientKeys(unhurried(welkin.scope))

    def stream(
        self, welkin: Welkin, rows: AsyncIterator[Any], digest: str, told: Callable[[Progress], None]
    ) -> OutcomeStream[Any, Any]:
        """Create patients."""
        return stream_patients(
            welkin,
            rows,
            **self.options.run(digest, told, self.key_column),
            check=self.options.check,
            key_field="external_guid",
            settle=self.settle,
            final_settle=self.final_settle,
        )
